"""How sure a score is: bootstrap over people, and tests between learners that saw the same people.

People are resampled, never rows: a person's clips hang together, and an interval over rows would be as narrow as if
each clip came from a stranger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.lab.data.index import Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Prediction

from .metrics import Metric

__all__ = ["Scores", "Units", "holm", "interval", "paired_p", "resampled", "units"]

Array = npt.NDArray[Any]

#: Resamples of a bootstrap, and permutations of a test.
TIMES = 1000
#: The same where a metric is no function of sums and each resample costs a pass over the rows.
TIMES_ROWS = 200
_LEVEL = 0.95
#: Resamples drawn at a time: thousands of rows as units would otherwise take a gigabyte.
_BLOCK = 250


@dataclass(frozen=True, slots=True)
class Units:
    """What is resampled: ``of (n,)`` is each row's unit, ``names`` their names, ``column`` what they are."""

    column: str
    names: tuple[str, ...]
    of: npt.NDArray[np.int64]

    def __str__(self) -> str:
        return f"{len(self.names)} {self.column}s"


def units(index: Index, preferred: str = "") -> Units:
    """The units of an index: the preferred column, subjects, dialogues or recordings; rows if none is known.

    A column serves if every row has one and there are two values at least. Where it comes to rows, ``column`` is
    ``row``, which a report says.
    """
    for column in dict.fromkeys((preferred, "subject", "dialogue", "session", "recording")):
        if not column or (index[column] == "").any():
            continue
        names, of = np.unique(index[column].astype(str), return_inverse=True)
        if len(names) > 1:
            return Units(column, tuple(names.tolist()), of.astype(np.int64))
    return Units("row", tuple(str(i + 1) for i in range(len(index))), np.arange(len(index)))


@dataclass(frozen=True)
class Scores:
    """One learner's predictions of the same rows by several seeds, ready to be resampled by unit.

    ``sums`` is ``(seeds, units, ...)`` for a metric of sums, and None for others.
    """

    metric: Metric
    labels: Labels
    predictions: tuple[Prediction, ...]
    units: Units
    sums: Array | None

    @classmethod
    def of(cls, metric: Metric, labels: Labels, predictions: Sequence[Prediction], among: Units) -> Scores:
        """Sum over each unit's rows once."""
        sums = None
        if metric.sums is not None:
            told = [metric.told(labels.kind, p) for p in predictions]
            size = (len(among.names), len(labels.names))
            sums = np.stack([metric.sums(labels.values, t, among.of, *size) for t in told])
        return cls(metric, labels, tuple(predictions), among, sums)

    def whole(self) -> float:
        """The metric over all rows, mean over seeds."""
        return float(np.mean([self.metric.score(self.labels, p) for p in self.predictions]))

    def by_unit(self) -> npt.NDArray[np.float64]:
        """``(units,)``: the metric within each unit, mean over seeds; NaN where it is not defined."""
        if self.sums is not None and self.metric.total is not None:
            return np.asarray(np.mean(self.metric.total(self.sums), axis=0), np.float64)
        rows = [np.flatnonzero(self.units.of == u) for u in range(len(self.units.names))]
        return np.array([self.rows(r) for r in rows])

    def rows(self, rows: Array) -> float:
        """The metric over those rows (repeated as often as they are named), mean over seeds."""
        labels = self.labels.take(rows)
        return float(np.mean([self.metric.score(labels, taken(p, rows)) for p in self.predictions]))


def taken(prediction: Prediction, rows: Array) -> Prediction:
    """The prediction of those rows."""
    extra = {k: v[rows] for k, v in prediction.extra.items() if len(v) == len(prediction.scores)}
    return Prediction(prediction.scores[rows], prediction.withheld[rows], extra)


def resampled(scores: Scores, *, times: int = TIMES, seed: int = 0) -> npt.NDArray[np.float64]:
    """``(times,)``: the metric over units drawn with replacement; the same draws for every learner of one report."""
    n = len(scores.units.names)
    if scores.sums is not None and scores.metric.total is not None:
        values = []
        for block in range(0, times, _BLOCK):
            drawn = _drawn(n, seed, block)[: times - block]
            each = [scores.metric.total(np.tensordot(drawn, s, axes=1)) for s in scores.sums]
            values.append(np.mean(each, axis=0))
        return np.concatenate(values)
    rng = np.random.default_rng([seed, 20_407])
    rows_of = [np.flatnonzero(scores.units.of == u) for u in range(n)]
    draws = [np.concatenate([rows_of[u] for u in rng.integers(0, n, n)]) for _ in range(min(times, TIMES_ROWS))]
    return np.array([scores.rows(rows) for rows in draws])


@lru_cache(maxsize=16)
def _drawn(n: int, seed: int, block: int) -> npt.NDArray[np.float64]:
    """``(_BLOCK, n)``: how often each of n units is drawn in n draws."""
    rng = np.random.default_rng([seed, 20_407, block])
    return rng.multinomial(n, np.full(n, 1 / n), size=_BLOCK).astype(np.float64)


def interval(values: Array, level: float = _LEVEL) -> tuple[float, float]:
    """Percentile interval of resampled values; NaN where fewer than half of them are defined."""
    told = values[np.isfinite(values)]
    if len(told) < max(1, len(values) // 2):
        return float("nan"), float("nan")
    low, high = np.quantile(told, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_p(a: Scores, b: Scores, *, times: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of the difference between two learners over the same units, by permutation.

    If the two were alike, each unit's predictions could as well be the other's: the sign of every unit's difference is
    flipped or kept at random (its two sums are exchanged), and p is the share of flips, the observed one among them,
    that part the two figures at least as far. All flips are counted where there are fewer than ``times``. The figure
    is the one that is quoted, over all rows, so units in which a metric is not defined of itself count too. With n
    units p is never below 2 / 2^n.
    """
    n = len(a.units.names)
    rng = np.random.default_rng([seed, 31_337])
    whole = 2**n if n <= 30 else times + 1
    if a.sums is None or a.metric.total is None or b.sums is None:
        times = TIMES_ROWS
    if whole <= times:
        flips = ((np.arange(whole)[:, None] >> np.arange(n)) & 1).astype(bool)  # the first flips nothing
    else:
        flips = rng.random((times, n)) < 0.5
        flips[0] = False
    differences = _differences(a, b, flips)
    told = differences[np.isfinite(differences)]
    if not len(told) or not np.isfinite(differences[0]):
        return float("nan")
    return float(np.mean(np.abs(told) >= abs(differences[0]) - 1e-12))


def _differences(a: Scores, b: Scores, flips: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """``(flips,)``: figure of a minus that of b with those units exchanged."""
    if a.sums is not None and b.sums is not None and a.metric.total is not None:
        total = a.metric.total
        sign = flips.astype(float)
        seeds = range(max(len(a.sums), len(b.sums)))
        found = []
        for s in seeds:
            x, y = a.sums[s % len(a.sums)].astype(float), b.sums[s % len(b.sums)].astype(float)
            moved = np.tensordot(sign, y - x, axes=1)
            found.append(total(x.sum(axis=0) + moved) - total(y.sum(axis=0) - moved))
        return np.asarray(np.mean(found, axis=0), np.float64)
    out = []
    seeds = range(max(len(a.predictions), len(b.predictions)))
    for flip in flips:
        rows = flip[a.units.of]
        found = []
        for s in seeds:
            x, y = a.predictions[s % len(a.predictions)], b.predictions[s % len(b.predictions)]
            found.append(a.metric.score(a.labels, _mixed(x, y, rows)) - a.metric.score(a.labels, _mixed(y, x, rows)))
        out.append(np.mean(found))
    return np.array(out)


def _mixed(x: Prediction, y: Prediction, other: npt.NDArray[np.bool_]) -> Prediction:
    shared = {k for k in x.extra if k in y.extra and k == "decided"}
    extra = {k: np.where(other[:, None], y.extra[k], x.extra[k]) for k in shared}
    return Prediction(np.where(other[:, None], y.scores, x.scores), np.where(other, y.withheld, x.withheld), extra)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction of several p values, in their order (Scand. J. Stat. 6 (1979) 65); NaN stays."""
    values = np.array(p, np.float64)
    told = np.flatnonzero(np.isfinite(values))
    order = told[np.argsort(values[told], kind="stable")]
    worst = 0.0
    for step, i in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - step) * values[i]))
        values[i] = worst
    return [float(v) for v in values]
