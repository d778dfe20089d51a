"""People watch clips and rate them: what the readers of such sets share.

A trial is one clip watched by one person. Its windows are cut from the stretch that the reader names, its ratings
become labels by a named rule, counted over trials (not windows, of which long clips have more).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError

from .dataset import Dataset
from .labels import Labels
from .rated import rating_labels
from .spec import SetSpec
from .windows import Channels, Windowed, checked

__all__ = [
    "BASELINES",
    "NoHoles",
    "Trial",
    "Watched",
    "apart",
    "numbered",
    "passed",
    "picked",
    "subtracted",
    "together",
]

#: What is done with the rest that was recorded before a clip.
BASELINES = ("drop", "keep", "subtract")


@dataclass(frozen=True)
class Trial:
    """One clip watched by one person: ``streams`` by modality on the clock of ``recording``, the stretch
    ``[start_s, end_s)`` that windows are cut from, ``ratings`` as told (NaN: not rated), further ``columns``."""

    subject: str
    stimulus: str
    recording: str
    streams: Mapping[str, Channels]
    start_s: float
    end_s: float
    ratings: Mapping[str, float]
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Person and clip: the trial whatever its place in a file or in the evening."""
        return f"{self.subject}-{self.stimulus}"


class Watched:
    """Collects trials and makes a data set of them; ``modalities`` as in `Windowed`, ``rule`` and ``scale`` as in
    `rating_labels`."""

    def __init__(
        self, name: str, modalities: Mapping[str, tuple[tuple[str, ...], float]], window_s: float | None,
        hop_s: float | None, rule: str | Mapping[str, str],
        scale: tuple[float, float] | Mapping[str, tuple[float, float]],
    ) -> None:  # fmt: skip
        self.name, self.rule, self.scale = name, rule, scale
        self._windows = Windowed(name, modalities, *checked(window_s, hop_s, name))
        self._window_s = window_s
        self._ratings: list[Mapping[str, float]] = []
        self._people: list[str] = []
        self._short: list[str] = []

    def add(self, trial: Trial) -> int:
        """Cut its windows; how many there are.

        Raises
        ------
        InputError : a rating outside its scale.
        """
        for name, value in trial.ratings.items():
            low, high = self.scale[name] if isinstance(self.scale, Mapping) else self.scale
            if value < low or value > high:
                raise InputError(f"{trial.name} rates {name} {value:g}, outside {low:g} to {high:g}",
                                 where=trial.recording, fix="Get the file again.")  # fmt: skip
        kept = self._windows.add(
            trial.streams, trial.start_s, trial.end_s, trial=trial.name, recording=trial.recording,
            subject=trial.subject, stimulus=trial.stimulus,
            **{"session": trial.subject, "order": "", **trial.columns}, _trial=len(self._ratings),
        )  # fmt: skip
        if kept:
            self._ratings.append(trial.ratings)
            self._people.append(trial.subject)
        else:
            self._short.append(trial.name)
        return kept

    def __len__(self) -> int:
        return len(self._windows)

    def dataset(self, *, terms: str, notices: Iterable[str], where: str) -> Dataset:
        """Everything collected; the collector is empty afterwards.

        Raises
        ------
        InputError : no trial is as long as a window, or a rating outside its scale.
        """
        labels, said = self._told(where)
        return self._windows.dataset(
            lambda kept: {k: v.take(np.array(kept["_trial"], np.int64)) for k, v in labels.items()},
            terms=terms, notices=[*notices, *said], where=where,
        )  # fmt: skip

    def _told(self, where: str) -> tuple[dict[str, Labels], list[str]]:
        """Labels of the trials, and what is to be said of them."""
        labels: dict[str, Labels] = {}
        said: list[str] = []
        if self._ratings:
            columns = {n: [r[n] for r in self._ratings] for n in self._ratings[0]}
            labels, said = rating_labels(columns, self.rule, self.scale, subject=self._people, where=where)
        if self._short:
            lasts = "are covered by no signal" if self._window_s is None else f"do not fill {self._window_s:g} s"
            said.append(f"{len(self._short)} trials {lasts} and are left out (first: {self._short[0]})")
        return labels, said

    def with_ratings_of(self, other: Watched) -> None:
        """Add what was told of another's trials, without their signals."""
        self._ratings += other._ratings
        self._people += other._people
        self._short += other._short

    def said(self, where: str) -> list[str]:
        """Notices of the rule and of what was left out."""
        return self._told(where)[1]


def together(
    people: Iterable[Iterable[Trial]], collector: Callable[[], Watched], notices: Callable[[], Iterable[str]],
    spec: SetSpec, where: Path,
) -> Dataset:  # fmt: skip
    """All people's trials as one data set; notices are asked for when all are read."""
    watched = collector()
    for trials in people:
        _added(watched, trials)
    return watched.dataset(terms=spec.licence, notices=notices(), where=str(where))


def apart(
    people: Iterable[Iterable[Trial]], collector: Callable[[], Watched], notices: Callable[[], Iterable[str]],
    spec: SetSpec, where: Path,
) -> Generator[Dataset, None, Sequence[str]]:  # fmt: skip
    """One data set a person, so that one person's signals are in memory at a time; who has none is passed over.

    Returns the notices of all, as `together` tells them, for `streams.gathered`.
    """
    everybody, some = collector(), False
    for trials in people:
        watched = _added(collector(), trials)
        everybody.with_ratings_of(watched)
        if len(watched):
            some = True
            yield watched.dataset(terms=spec.licence, notices=notices(), where=str(where))
    if not some:
        everybody.dataset(terms=spec.licence, notices=(), where=str(where))  # says what lacks
    return [*notices(), *everybody.said(str(where))]


def _added(watched: Watched, trials: Iterable[Trial]) -> Watched:
    """The same with a person's trials, of which no name outlives this call."""
    for trial in trials:
        watched.add(trial)
    return watched


class NoHoles(Channels):
    """Channels of which a window with a hole (NaN) is not there at all: nothing is filled in silence."""

    def cut(self, start_s: float, length_s: float) -> npt.NDArray[np.float32] | None:
        """As `Channels.cut`; None where a value is missing, too."""
        part = super().cut(start_s, length_s)
        return None if part is None or np.isnan(part).any() else part


def numbered(paths: Iterable[Path], pattern: str) -> dict[int, Path]:
    """Files or folders whose whole name has the form of ``pattern``, by the number in its first group, in its order:
    2 before 10, whatever zeros stand before.

    Raises
    ------
    InputError : two of them have the same number.
    """
    found: dict[int, Path] = {}
    for path in sorted(paths):
        if (match := re.fullmatch(pattern, path.name, re.IGNORECASE)) is None:
            continue
        number = int(match[1])
        if number in found:
            raise InputError(f"{found[number].name} and {path.name} are of the same number", where=str(path.parent),
                             fix="Leave the one that is meant.")  # fmt: skip
        found[number] = path
    return dict(sorted(found.items()))


def passed(values: npt.NDArray[Any], rate_hz: float) -> str:
    """Where EEG ``(n, channels)`` was band-passed before it was published, in words; ``""`` where that does not show.

    A band beyond the edges is empty, and what is computed in it is noise of arithmetic. An edge is where the power
    density (means over 1 Hz) falls below a hundredth of its median between 5 and 40 Hz.
    """
    hertz = np.fft.rfftfreq(len(values), 1 / rate_hz)
    bins = hertz.astype(int)
    with np.errstate(over="ignore", invalid="ignore"):
        power = np.square(np.abs(np.fft.rfft(values - values.mean(axis=0), axis=0))).mean(axis=1)
        density = np.bincount(bins, power) / np.maximum(np.bincount(bins), 1)
    there = np.flatnonzero(density > 0.01 * np.median(density[5:40]))
    if not len(there) or not np.isfinite(density).all():
        return ""
    edges = [f"below {there[0]} Hz"] if there[0] >= 2 else []
    edges += [f"above {there[-1] + 1} Hz"] if there[-1] + 1 < 0.9 * rate_hz / 2 else []
    return f"its eeg holds nothing {' and '.join(edges)}: a band there is empty" if edges else ""


def picked(asked: Sequence[str], known: Iterable[str], name: str) -> tuple[str, ...]:
    """The signals that are read: those asked for, in the set's own order; all where none is.

    Raises
    ------
    UsageError : one that the set does not have.
    """
    has = tuple(known)
    if isinstance(asked, str):
        asked = (asked,)
    for signal in asked:
        if signal not in has:
            raise UsageError(f"has no signal {signal!r}", where=name, fix=f"It has: {', '.join(has)}.")
    return tuple(s for s in has if s in asked) or has


def subtracted(stream: Channels, start_s: float, end_s: float) -> Channels:
    """The same without each channel's mean over the rest ``[start_s, end_s)``, of the values that are there; NaN where
    there is none, for then nothing is known of the level."""
    rest = Channels.cut(stream, start_s, end_s - start_s)
    if rest is None:
        rest = np.full((1, stream.values.shape[1]), np.nan, np.float32)
    there = np.isfinite(rest)
    with np.errstate(invalid="ignore"):
        level = np.where(there, rest, 0).sum(axis=0, dtype=np.float64) / there.sum(axis=0)
    values = stream.values.astype(np.float32) * np.float32(stream.scale) - level.astype(np.float32)
    return replace(stream, values=values, scale=1.0)
