"""Metrics, each a function of arrays with an oracle in its test, and the table of them by name.

Classes are counted in a confusion ``(C, C + 1)``: rows are the truth, columns what was predicted, the last
column what was withheld. A withheld row is therefore wrong in every metric of classes: it lowers the recall of
its class and is a prediction of none. Metrics of numbers leave withheld rows out; metrics of distributions
take them as uniform, which is what saying nothing amounts to. Unlabelled rows are the caller's to drop.

Most metrics are functions of sums over rows (`Metric.sums`, `Metric.total`): a bootstrap then resamples sums of
subjects instead of rows, a thousand times in a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Prediction

from .calibration import brier, ece

__all__ = [
    "DEFAULT", "METRICS", "Metric", "accuracy", "auc", "ccc", "confusion", "cosine", "cross_entropy", "decided",
    "js", "kl", "macro_f1", "mae", "mcc", "mean_average_precision", "metric", "micro_f1", "pearson_r", "precision",
    "recall", "rmse", "top1_agreement", "uar", "weighted_f1",
]  # fmt: skip

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: The metric of a kind of label where none was named.
DEFAULT = {"class": "uar", "multilabel": "macro_f1", "continuous": "ccc", "distribution": "js"}

#: No probability is taken to be smaller: one row must not decide a mean.
_LEAST = 1e-7


# ---- classes ---------------------------------------------------------------------------------------------------------


def confusion(truth: Array, predicted: Array, classes: int) -> npt.NDArray[np.int64]:
    """Counts ``(C, C + 1)``: rows the truth, columns the prediction; ``predicted`` -1 is withheld, the last column."""
    column = np.where(np.asarray(predicted) < 0, classes, predicted)
    flat = np.bincount(np.asarray(truth) * (classes + 1) + column, minlength=classes * (classes + 1))
    return flat.reshape(classes, classes + 1)


def recall(counts: Array) -> Floats:
    """``(..., C)`` recall of each class from a confusion; NaN for a class that does not occur."""
    return _ratio(_hits(counts), counts.sum(axis=-1))


def precision(counts: Array) -> Floats:
    """``(..., C)`` precision of each class from a confusion; NaN for a class that was never predicted."""
    return _ratio(_hits(counts), counts.sum(axis=-2)[..., :-1])


def accuracy(truth: Array, predicted: Array) -> float:
    """Share of rows that are right; 0 to 1."""
    return float(_accuracy(_counted(truth, predicted)))


def uar(truth: Array, predicted: Array) -> float:
    """Unweighted average recall: mean recall of the classes that occur in the truth; 0 to 1."""
    return float(_uar(_counted(truth, predicted)))


def macro_f1(truth: Array, predicted: Array) -> float:
    """Mean F1 of the classes that occur in the truth; 0 to 1. Classes ``(n,)``, or several labels ``(n, C)`` bool."""
    return float(_macro_f1(_f1_sums(truth, predicted)))


def weighted_f1(truth: Array, predicted: Array) -> float:
    """Mean F1 of the classes, weighted by how often each occurs in the truth; 0 to 1."""
    return float(_weighted_f1(_f1_sums(truth, predicted)))


def micro_f1(truth: Array, predicted: Array) -> float:
    """F1 of all labels of all rows taken together; ``(n, C)`` bool; 0 to 1."""
    return float(_micro_f1(_f1_sums(truth, predicted)))


def mcc(truth: Array, predicted: Array) -> float:
    """Matthews' correlation for several classes; -1 to 1, 0 for a constant prediction.

    Gorodkin, Comput. Biol. Chem. 28 (2004) 367, eq. 8. Withheld counts as a predicted class of its own.
    """
    return float(_mcc(_counted(truth, predicted)))


def auc(truth: Array, scores: Array, withheld: Array | None = None) -> float:
    """Area under the ROC of two classes: the chance that a row of class 1 scores above one of class 0, ties half.

    ``scores`` ``(n, 2)``. A withheld row stands at the wrong end. NaN where one class is missing.
    """
    truth, value = np.asarray(truth), np.asarray(scores, np.float64)[:, 1].copy()
    if withheld is not None:
        value[withheld] = np.where(truth[withheld] == 1, -np.inf, np.inf)
    positive = truth == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    if not n1 or not n0:
        return float("nan")
    return float((_ranks(value)[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def mean_average_precision(truth: Array, scores: Array, withheld: Array | None = None) -> float:
    """Mean over labels that occur of average precision: the sum of precision times the step in recall; 0 to 1.

    ``(n, C)`` bool and scores. A withheld row scores below all others for each of its labels.
    """
    truth = np.asarray(truth, bool)
    scores = np.array(scores, np.float64)
    if withheld is not None:
        scores[withheld] = -np.inf
    values = [_average_precision(truth[:, c], scores[:, c]) for c in range(truth.shape[1]) if truth[:, c].any()]
    return float(np.mean(values)) if values else float("nan")


def _average_precision(truth: Array, score: Array) -> float:
    order = np.argsort(-score, kind="stable")
    hits, told = np.cumsum(truth[order]), np.arange(1, len(order) + 1)
    ends = np.append(
        np.flatnonzero(score[order][1:] != score[order][:-1]), len(order) - 1
    )  # rows of one score come in together
    steps = np.diff(hits[ends], prepend=0)
    return float((hits[ends] / told[ends] * steps).sum() / truth.sum())


# ---- numbers ---------------------------------------------------------------------------------------------------------


def pearson_r(truth: Array, told: Array) -> float:
    """Pearson's correlation, mean over dimensions ``(n, k)``; -1 to 1, NaN where either side is constant."""
    return float(_pearson(_moments(truth, told)))


def ccc(truth: Array, told: Array) -> float:
    """Concordance correlation, mean over dimensions ``(n, k)``; -1 to 1, 0 for a constant.

    Lin, Biometrics 45 (1989) 255: 2 cov / (var + var + (difference of means)²), with moments over n.
    """
    return float(_ccc(_moments(truth, told)))


def rmse(truth: Array, told: Array) -> float:
    """Root of the mean squared error, mean over dimensions ``(n, k)``; in the label's unit."""
    return float(_rmse(_moments(truth, told)))


def mae(truth: Array, told: Array) -> float:
    """Mean absolute error, mean over dimensions ``(n, k)``; in the label's unit."""
    return float(_mae(_moments(truth, told)))


# ---- distributions ---------------------------------------------------------------------------------------------------


def kl(truth: Array, told: Array) -> float:
    """Mean over rows of KL(truth || told), nats; told is bounded below by 1e-7."""
    return float(_kl_rows(truth, told).mean())


def js(truth: Array, told: Array) -> float:
    """Mean over rows of the Jensen-Shannon divergence, nats: 0 to ln 2."""
    return float(_js_rows(truth, told).mean())


def cross_entropy(truth: Array, told: Array) -> float:
    """Mean over rows of -sum truth log told, nats; told is bounded below by 1e-7."""
    return float(_cross_entropy_rows(truth, told).mean())


def cosine(truth: Array, told: Array) -> float:
    """Mean over rows of the cosine of the two distributions; 0 to 1."""
    return float(_cosine_rows(truth, told).mean())


def top1_agreement(truth: Array, told: Array) -> float:
    """Share of rows whose likeliest class leads the votes too (or is among those that lead them); 0 to 1."""
    return float(_top1_rows(truth, told).mean())


# ---- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """A metric for some kinds of label.

    ``function`` takes the truth and what ``wants`` names: ``decided`` (classes with -1 for withheld, or bool labels),
    ``scores`` (with ``withheld`` as a third argument), ``values``. ``sums(truth, told, group, groups, classes)`` gives
    ``(groups, ...)`` sums over rows, and ``total`` the metric of such sums over any leading axes; None where the
    metric is no function of sums.
    """

    name: str
    function: Callable[..., float]
    kinds: tuple[str, ...]
    low: float
    high: float
    higher: bool
    wants: str
    sums: Callable[[Array, Array, Array, int, int], Array] | None = None
    total: Callable[[Array], Any] | None = None

    def told(self, kind: str, prediction: Prediction) -> Array:
        """What the metric takes of a prediction."""
        if self.wants == "decided":
            return decided(kind, prediction)
        if kind == "distribution":
            return np.where(prediction.withheld[:, None], 1 / prediction.scores.shape[1], prediction.scores)
        if kind == "continuous":
            return np.where(prediction.withheld[:, None], np.nan, prediction.scores)
        return prediction.scores

    def score(self, labels: Labels, prediction: Prediction) -> float:
        """The metric of labelled rows.

        Raises
        ------
        UsageError : labels of a kind that it is not for.
        """
        if labels.kind not in self.kinds:
            fits = ", ".join(m for m, known in METRICS.items() if labels.kind in known.kinds)
            raise UsageError(f"{self.name} is no metric of {labels.kind} labels", fix=f"Metrics of such: {fits}.")
        if self.name == "auc" and len(labels.names) != 2:
            raise UsageError(f"auc is for two classes, not {len(labels.names)}", fix="Choose uar, say.")
        told = self.told(labels.kind, prediction)
        more = (prediction.withheld,) if self.wants == "scores" else ()
        return self.function(labels.values, told, *more)


def decided(kind: str, prediction: Prediction) -> Array:
    """What was decided: the likeliest class, -1 where withheld; for several labels those over their thresholds."""
    if kind == "multilabel":
        chosen = np.asarray(prediction.extra.get("decided", prediction.scores >= 0.5), bool)
        return chosen & ~prediction.withheld[:, None]
    return np.where(prediction.withheld, -1, np.argmax(prediction.scores, axis=1))


def metric(name: str, kind: str) -> Metric:
    """The metric of that name, for labels of that kind; the kind's usual one for ``""``.

    Raises
    ------
    UsageError : no such metric, or not for such labels.
    """
    name = name or DEFAULT[kind]
    fits = [m for m, known in METRICS.items() if kind in known.kinds]
    if name not in fits:
        known = f"{name} is no metric of {kind} labels" if name in METRICS else f"unknown metric {name!r}"
        raise UsageError(known, fix=f"Metrics of such labels: {', '.join(fits)}.")
    return METRICS[name]


# ---- sums and what follows from them ---------------------------------------------------------------------------------


def _ratio(a: Array, b: Array) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b > 0, a / np.where(b > 0, b, 1), np.nan)


def _ranks(values: Array) -> Floats:
    """Ranks from 1, ties at their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[place]


def _hits(counts: Array) -> Array:
    return np.diagonal(counts[..., :-1], axis1=-2, axis2=-1)


def _counted(truth: Array, predicted: Array) -> Array:
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    return confusion(truth, predicted, _classes(truth, predicted))


def _classes(truth: Array, predicted: Array) -> int:
    return int(max(truth.max(initial=0), predicted.max(initial=0))) + 1


def _counts_by_group(truth: Array, predicted: Array, group: Array, groups: int, classes: int) -> Array:
    c = classes
    column = np.where(predicted < 0, c, predicted)
    flat = np.bincount((group * c + truth) * (c + 1) + column, minlength=groups * c * (c + 1))
    return flat.reshape(groups, c, c + 1)


def _accuracy(counts: Array) -> Any:
    return _ratio(_hits(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def _mean_of_told(values: Array) -> Any:
    told = np.isfinite(values)
    return _ratio(np.where(told, values, 0).sum(axis=-1), told.sum(axis=-1))


def _uar(counts: Array) -> Any:
    return _mean_of_told(recall(counts))


def _mcc(counts: Array) -> Any:
    true = counts.sum(axis=-1).astype(float)
    told = counts.sum(axis=-2).astype(float)
    n = true.sum(axis=-1)
    cov = _hits(counts).sum(axis=-1) * n - (true * told[..., :-1]).sum(axis=-1)
    spread = (n**2 - (told**2).sum(axis=-1)) * (n**2 - (true**2).sum(axis=-1))
    return np.where(spread > 0, cov / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)


def _f1_sums(truth: Array, predicted: Array) -> Array:
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    group = np.zeros(len(truth), np.int64)
    return np.asarray(_f1_by_group(truth, predicted, group, 1, _classes(truth, predicted))[0])


def _f1_by_group(truth: Array, predicted: Array, group: Array, groups: int, classes: int) -> Array:
    """``(groups, 3, C)``: hits, times predicted, times true."""
    if truth.ndim == 1:
        counts = _counts_by_group(truth, predicted, group, groups, classes)
        return np.stack([_hits(counts), counts.sum(axis=-2)[..., :-1], counts.sum(axis=-1)], axis=1)
    parts = [_sum_by_group(m.astype(float), group, groups) for m in (truth & predicted, predicted, truth)]
    return np.stack(parts, axis=1)


def _f1(sums: Array) -> Floats:
    return _ratio(2 * sums[..., 0, :], sums[..., 1, :] + sums[..., 2, :])


def _macro_f1(sums: Array) -> Any:
    return _mean_of_told(np.where(sums[..., 2, :] > 0, _f1(sums), np.nan))


def _weighted_f1(sums: Array) -> Any:
    weight = sums[..., 2, :]
    return _ratio((np.nan_to_num(_f1(sums)) * weight).sum(axis=-1), weight.sum(axis=-1))


def _micro_f1(sums: Array) -> Any:
    whole = sums.sum(axis=-1)
    return _ratio(2 * whole[..., 0], whole[..., 1] + whole[..., 2])


def _sum_by_group(rows: Array, group: Array, groups: int) -> Floats:
    """``(groups, d)`` sums of ``(n, d)`` rows."""
    rows = np.asarray(rows, np.float64)
    return np.stack([np.bincount(group, column, groups) for column in rows.T], axis=1)


def _moments(truth: Array, told: Array) -> Array:
    truth = np.asarray(truth, np.float64).reshape(len(truth), -1)
    told = np.asarray(told, np.float64).reshape(len(told), -1)
    return np.asarray(_moments_by_group(truth, told, np.zeros(len(truth), np.int64), 1, 0)[0])


def _moments_by_group(truth: Array, told: Array, group: Array, groups: int, _: int) -> Array:
    """``(groups, 7, k)``: n, sums of x, y, xx, yy, xy, |x - y|; both shifted by the truth's mean, for precision."""
    keep = np.isfinite(told).all(axis=1)
    x, y, group = truth[keep], told[keep], group[keep]
    middle = truth.mean(axis=0) if len(truth) else 0.0
    x, y = x - middle, y - middle
    parts = (np.ones_like(x), x, y, x * x, y * y, x * y, np.abs(x - y))
    return np.stack([_sum_by_group(p, group, groups) for p in parts], axis=1)


def _central(sums: Array) -> tuple[Array, Array, Array, Array, Array]:
    n = np.maximum(sums[..., 0, :], 1)
    mx, my = sums[..., 1, :] / n, sums[..., 2, :] / n
    vx = np.maximum(sums[..., 3, :] / n - mx**2, 0)
    vy = np.maximum(sums[..., 4, :] / n - my**2, 0)
    # What is left of a constant after the subtraction is rounding, not spread.
    vx = np.where(vx <= 1e-14 * sums[..., 3, :] / n, 0, vx)
    vy = np.where(vy <= 1e-14 * sums[..., 4, :] / n, 0, vy)
    return mx, my, vx, vy, sums[..., 5, :] / n - mx * my


def _pearson(sums: Array) -> Any:
    _, _, vx, vy, cov = _central(sums)
    return np.clip(_ratio(cov, np.sqrt(vx * vy)), -1, 1).mean(axis=-1)


def _ccc(sums: Array) -> Any:
    mx, my, vx, vy, cov = _central(sums)
    cov = np.where((vx > 0) & (vy > 0), cov, 0)
    return _ratio(2 * cov, vx + vy + (mx - my) ** 2).mean(axis=-1)


def _rmse(sums: Array) -> Any:
    squares = np.maximum(sums[..., 3, :] + sums[..., 4, :] - 2 * sums[..., 5, :], 0)
    return np.sqrt(_ratio(squares, sums[..., 0, :])).mean(axis=-1)


def _mae(sums: Array) -> Any:
    return _ratio(sums[..., 6, :], sums[..., 0, :]).mean(axis=-1)


def _kl_rows(truth: Array, told: Array) -> Floats:
    truth, told = np.asarray(truth, np.float64), np.maximum(np.asarray(told, np.float64), _LEAST)
    return np.asarray((truth * (np.log(np.where(truth > 0, truth, 1)) - np.log(told))).sum(axis=-1))


def _js_rows(truth: Array, told: Array) -> Floats:
    truth, told = np.asarray(truth, np.float64), np.asarray(told, np.float64)
    middle = (truth + told) / 2

    def part(p: Array) -> Floats:
        there = p > 0
        return np.asarray(
            np.where(there, p * np.log(np.where(there, p, 1) / np.where(there, middle, 1)), 0).sum(axis=-1)
        )

    return np.maximum((part(truth) + part(told)) / 2, 0)


def _cross_entropy_rows(truth: Array, told: Array) -> Floats:
    return np.asarray(-(np.asarray(truth) * np.log(np.maximum(np.asarray(told, np.float64), _LEAST))).sum(axis=-1))


def _cosine_rows(truth: Array, told: Array) -> Floats:
    lengths = np.linalg.norm(truth, axis=-1) * np.linalg.norm(told, axis=-1)
    return np.asarray(np.clip((truth * told).sum(axis=-1) / np.maximum(lengths, 1e-300), 0, 1))


def _top1_rows(truth: Array, told: Array) -> Floats:
    truth = np.asarray(truth)
    led = truth[np.arange(len(truth)), np.argmax(told, axis=-1)]
    return np.asarray((led >= truth.max(axis=-1)).astype(float))


def _mean_of(rows: Callable[[Array, Array], Floats]) -> Callable[[Array, Array, Array, int, int], Array]:
    def sums(truth: Array, told: Array, group: Array, groups: int, _: int) -> Array:
        values = rows(truth, told)
        return _sum_by_group(np.stack([values, np.ones_like(values)], axis=1), group, groups)

    return sums


def _mean(sums: Array) -> Any:
    return _ratio(sums[..., 0], sums[..., 1])


_ONE, _BOTH, _MANY, _NUMBERS, _VOTES = ("class",), ("class", "multilabel"), ("multilabel",), ("continuous",), (
    "distribution",
)  # fmt: skip
_INF = float("inf")

#: Every metric by name: function, kinds of label, bounds, whether higher is better, and its sums.
METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("accuracy", accuracy, _ONE, 0, 1, True, "decided", _counts_by_group, _accuracy),
        Metric("uar", uar, _ONE, 0, 1, True, "decided", _counts_by_group, _uar),
        Metric("macro_f1", macro_f1, _BOTH, 0, 1, True, "decided", _f1_by_group, _macro_f1),
        Metric("weighted_f1", weighted_f1, _BOTH, 0, 1, True, "decided", _f1_by_group, _weighted_f1),
        Metric("micro_f1", micro_f1, _MANY, 0, 1, True, "decided", _f1_by_group, _micro_f1),
        Metric("mcc", mcc, _ONE, -1, 1, True, "decided", _counts_by_group, _mcc),
        Metric("auc", auc, _ONE, 0, 1, True, "scores"),
        Metric("mean_average_precision", mean_average_precision, _MANY, 0, 1, True, "scores"),
        Metric("ece", ece, _ONE, 0, 1, False, "scores"),
        Metric("brier", brier, _ONE, 0, 2, False, "scores"),
        Metric("pearson_r", pearson_r, _NUMBERS, -1, 1, True, "values", _moments_by_group, _pearson),
        Metric("ccc", ccc, _NUMBERS, -1, 1, True, "values", _moments_by_group, _ccc),
        Metric("rmse", rmse, _NUMBERS, 0, _INF, False, "values", _moments_by_group, _rmse),
        Metric("mae", mae, _NUMBERS, 0, _INF, False, "values", _moments_by_group, _mae),
        Metric("kl", kl, _VOTES, 0, _INF, False, "values", _mean_of(_kl_rows), _mean),
        Metric("js", js, _VOTES, 0, float(np.log(2)), False, "values", _mean_of(_js_rows), _mean),
        Metric("cross_entropy", cross_entropy, _VOTES, 0, _INF, False, "values", _mean_of(_cross_entropy_rows), _mean),
        Metric("cosine", cosine, _VOTES, 0, 1, True, "values", _mean_of(_cosine_rows), _mean),
        Metric("top1_agreement", top1_agreement, _VOTES, 0, 1, True, "values", _mean_of(_top1_rows), _mean),
    )
}
