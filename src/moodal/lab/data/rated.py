"""Ratings on a scale as classes, by a rule that is named: where the threshold lies decides much of a score."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError, UsageError

from .labels import Labels

__all__ = ["LEVELS", "QUADRANTS", "Rated", "Running", "quadrants", "rated", "rating_labels"]

LEVELS = ("low", "high")
#: Valence first, then arousal.
QUADRANTS = ("low-low", "low-high", "high-low", "high-high")
_CUT = re.compile(r"(ge|gt|le|lt)\s*(\d+(?:\.\d+)?)")
_DROP = re.compile(r"drop\(\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*\)")


@dataclass(frozen=True, slots=True)
class Rated:
    """``told`` is ``low``, ``high`` or ``""`` (not rated, or left out), one a rating; ``notice`` says how many ratings
    lie on the boundary, where another rule would tell them otherwise."""

    told: list[str]
    notice: str


def rated(
    ratings: Sequence[float] | FloatArray,
    rule: str,
    what: str = "ratings",
    *,
    subject: Sequence[str] = (),
    where: str = "",
) -> Rated:
    """Ratings ``(n,)`` as low or high; NaN is not rated.

    Rules: ``ge5`` high from 5 on, ``gt5`` high above 5; ``le4.5`` low up to 4.5, ``lt5`` low below 5 (the same cuts
    from the other side); ``drop(4,6)`` low up to 4, high from 6 on, the rest left out; ``median`` high above the median
    of the person's own ratings (``subject`` then tells whose they are).

    >>> rated([4.9, 5, 9], "ge5").told, rated([4.9, 5, 9], "gt5").told
    (['low', 'high', 'high'], ['low', 'low', 'high'])

    Raises
    ------
    UsageError : no such rule, or ``median`` without people.
    """
    values = np.asarray(ratings, np.float64)
    if cut := _CUT.fullmatch(rule.strip()):
        edge = float(cut[2])
        upper = values >= edge if cut[1] in ("ge", "lt") else values > edge
        lower, boundary, side = ~upper, values == edge, "high" if cut[1] in ("ge", "lt") else "low"
        at = f"{edge:g}"
    elif drop := _DROP.fullmatch(rule.strip()):
        low, high = float(drop[1]), float(drop[2])
        if not low < high:
            raise UsageError(f"rule {rule!r} leaves nothing out", where=where, fix="Give the lower edge first.")
        lower, upper = values <= low, values >= high
        boundary, side, at = (values > low) & (values < high), "neither", f"between {low:g} and {high:g}"
    elif rule.strip() == "median":
        if len(subject) != len(values):
            raise UsageError("rule 'median' needs to know whose each rating is", where=where)
        people, own = np.unique(np.asarray(subject, object).astype(str), return_inverse=True)
        middle = np.array([np.nanmedian(values[own == k]) if np.isfinite(values[own == k]).any() else np.nan
                           for k in range(len(people))])[own]  # fmt: skip
        upper = values > middle
        lower, boundary, side, at = ~upper, values == middle, "low", "the person's median"
    else:
        raise UsageError(f"unknown rule {rule!r}", where=where, fix="Known: ge5, gt5, le4.5, lt5, drop(4,6), median.")
    known = np.isfinite(values)
    told = np.where(known & upper, "high", np.where(known & lower, "low", "")).tolist()
    n = int((boundary & known).sum())
    notice = f"{what}: {n} of {int(known.sum())} ratings lie at {at} and count as {side} (rule {rule})" if n else ""
    return Rated(told, notice)


def quadrants(valence: Sequence[str], arousal: Sequence[str]) -> list[str]:
    """One of `QUADRANTS` where both are told, else ``""``."""
    return [f"{v}-{a}" if v and a else "" for v, a in zip(valence, arousal, strict=True)]


def rating_labels(
    ratings: Mapping[str, Sequence[float]], rule: str | Mapping[str, str],
    scale: tuple[float, float] | Mapping[str, tuple[float, float]], *, subject: Sequence[str] = (), where: str = "",
) -> tuple[dict[str, Labels], list[str]]:  # fmt: skip
    """What a set with ratings offers: each rating by its name as low or high, ``quadrant`` where it has valence and
    arousal, and ``ratings``, all of them as they were told; and the notices of the rule. ``rule`` and ``scale`` hold
    for all, or say by name what holds for each.

    Raises
    ------
    InputError : a rating outside the scale.
    UsageError : no rule for one of them.
    """
    labels: dict[str, Labels] = {}
    notices: list[str] = []
    scales = scale if isinstance(scale, Mapping) else dict.fromkeys(ratings, scale)
    rules = rule if isinstance(rule, Mapping) else dict.fromkeys(ratings, rule)
    for name, values in ratings.items():
        if name not in rules:
            raise UsageError(f"rule says nothing of {name}", where=where, fix="Name a rule for each rating, or one.")
        told = np.asarray(values, np.float64)
        low, high = scales[name]
        if (off := np.flatnonzero((told < low) | (told > high))).size:
            raise InputError(
                f"row {int(off[0]) + 1} rates {name} {told[off[0]]:g}, outside {low:g} to {high:g}", where=where,
                fix="Correct the row, or get the file again.",
            )  # fmt: skip
        by_rule = rated(told, rules[name], name, subject=subject, where=where)
        labels[name] = Labels.of_classes(by_rule.told, LEVELS, where=where, source=[f"{v:g}" for v in told])
        notices += [by_rule.notice] if by_rule.notice else []
    if {"valence", "arousal"} <= set(ratings):
        spelt = {n: [LEVELS[v] if v >= 0 else "" for v in labels[n].values] for n in ("valence", "arousal")}
        labels["quadrant"] = Labels.of_classes(quadrants(spelt["valence"], spelt["arousal"]), QUADRANTS)
    matrix = np.stack([np.asarray(v, np.float64) for v in ratings.values()], axis=1)
    units = {f"{low:g} to {high:g}": None for low, high in (scales[n] for n in ratings)}
    if len(units) > 1:
        units = {f"{n} {scales[n][0]:g} to {scales[n][1]:g}": None for n in ratings}
    source = tuple(" ".join(f"{v:g}" for v in row) for row in matrix)
    labels["ratings"] = Labels("continuous", tuple(ratings), matrix, units=", ".join(units), source=source)
    return labels, notices


@dataclass
class Running:
    """Ratings told while something goes on, of people who are read one after another; ``names``, ``rule`` and ``scale``
    as in `rating_labels`."""

    names: tuple[str, ...]
    rule: str
    scale: tuple[float, float]
    where: str
    _means: list[FloatArray] = field(default_factory=list)
    _people: list[str] = field(default_factory=list)

    def labels(self, means: FloatArray, subject: Sequence[str]) -> dict[str, Labels]:
        """Labels of one person's windows, of which ``means (n, names)`` is what was told in each.

        Raises
        ------
        InputError : a rating outside the scale.
        """
        made, _ = self._told(means, subject)
        self._means.append(means)
        self._people += subject
        return made

    @property
    def notices(self) -> list[str]:
        """Notices of the rule, of all people so far."""
        return self._told(np.concatenate(self._means), self._people)[1] if self._means else []

    def _told(self, means: FloatArray, subject: Sequence[str]) -> tuple[dict[str, Labels], list[str]]:
        columns = dict(zip(self.names, means.T.tolist(), strict=True))
        return rating_labels(columns, self.rule, self.scale, subject=subject, where=self.where)
