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

from . import sums
from .calibration import brier, ece
from .sums import confusion, precision, recall

__all__ = [
    "DEFAULT", "METRICS", "Metric", "accuracy", "auc", "ccc", "confusion", "cosine", "cross_entropy", "decided",
    "js", "kl", "macro_f1", "mae", "mcc", "mean_average_precision", "metric", "micro_f1", "pearson_r", "precision",
    "recall", "rmse", "top1_agreement", "uar", "weighted_f1",
]  # fmt: skip

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: The metric of a kind of label where none was named.
DEFAULT = {"class": "uar", "multilabel": "macro_f1", "continuous": "ccc", "distribution": "js"}

# ---- classes ---------------------------------------------------------------------------------------------------------


def accuracy(truth: Array, predicted: Array) -> float:
    """Share of rows that are right; 0 to 1."""
    return float(sums.accuracy(sums.counted(truth, predicted)))


def uar(truth: Array, predicted: Array) -> float:
    """Unweighted average recall: mean recall of the classes that occur in the truth; 0 to 1."""
    return float(sums.uar(sums.counted(truth, predicted)))


def macro_f1(truth: Array, predicted: Array) -> float:
    """Mean F1 of the classes that occur in the truth; 0 to 1. Classes ``(n,)``, or several labels ``(n, C)`` bool."""
    return float(sums.macro_f1(sums.f1_sums(truth, predicted)))


def weighted_f1(truth: Array, predicted: Array) -> float:
    """Mean F1 of the classes, weighted by how often each occurs in the truth; 0 to 1."""
    return float(sums.weighted_f1(sums.f1_sums(truth, predicted)))


def micro_f1(truth: Array, predicted: Array) -> float:
    """F1 of all labels of all rows taken together; ``(n, C)`` bool; 0 to 1."""
    return float(sums.micro_f1(sums.f1_sums(truth, predicted)))


def mcc(truth: Array, predicted: Array) -> float:
    """Matthews' correlation for several classes; -1 to 1, 0 for a constant prediction.

    Gorodkin, Comput. Biol. Chem. 28 (2004) 367, eq. 8. Withheld counts as a predicted class of its own.
    """
    return float(sums.mcc(sums.counted(truth, predicted)))


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
    return float((sums.ranks(value)[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


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
    return float(sums.pearson(sums.moments(truth, told)))


def ccc(truth: Array, told: Array) -> float:
    """Concordance correlation, mean over dimensions ``(n, k)``; -1 to 1, 0 for a constant.

    Lin, Biometrics 45 (1989) 255: 2 cov / (var + var + (difference of means)²), with moments over n.
    """
    return float(sums.ccc(sums.moments(truth, told)))


def rmse(truth: Array, told: Array) -> float:
    """Root of the mean squared error, mean over dimensions ``(n, k)``; in the label's unit."""
    return float(sums.rmse(sums.moments(truth, told)))


def r2(truth: Array, told: Array) -> float:
    """Share of the variance explained, 1 - squared error / variance, mean over dimensions ``(n, k)``; below 0 where the
    mean would be nearer."""
    return float(sums.r2(sums.moments(truth, told)))


def mae(truth: Array, told: Array) -> float:
    """Mean absolute error, mean over dimensions ``(n, k)``; in the label's unit."""
    return float(sums.mae(sums.moments(truth, told)))


# ---- distributions ---------------------------------------------------------------------------------------------------


def kl(truth: Array, told: Array) -> float:
    """Mean over rows of KL(truth || told), nats; told is bounded below by 1e-7."""
    return float(sums.kl_rows(truth, told).mean())


def js(truth: Array, told: Array) -> float:
    """Mean over rows of the Jensen-Shannon divergence, nats: 0 to ln 2."""
    return float(sums.js_rows(truth, told).mean())


def cross_entropy(truth: Array, told: Array) -> float:
    """Mean over rows of -sum truth log told, nats; told is bounded below by 1e-7."""
    return float(sums.cross_entropy_rows(truth, told).mean())


def cosine(truth: Array, told: Array) -> float:
    """Mean over rows of the cosine of the two distributions; 0 to 1."""
    return float(sums.cosine_rows(truth, told).mean())


def top1_agreement(truth: Array, told: Array) -> float:
    """Share of rows whose likeliest class leads the votes too (or is among those that lead them); 0 to 1."""
    return float(sums.top1_rows(truth, told).mean())


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


_ONE, _BOTH, _MANY, _NUMBERS, _VOTES = ("class",), ("class", "multilabel"), ("multilabel",), ("continuous",), (
    "distribution",
)  # fmt: skip
_INF = float("inf")

#: Every metric by name: function, kinds of label, bounds, whether higher is better, and its sums.
METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("accuracy", accuracy, _ONE, 0, 1, True, "decided", sums.counts_by_group, sums.accuracy),
        Metric("uar", uar, _ONE, 0, 1, True, "decided", sums.counts_by_group, sums.uar),
        Metric("macro_f1", macro_f1, _BOTH, 0, 1, True, "decided", sums.f1_by_group, sums.macro_f1),
        Metric("weighted_f1", weighted_f1, _BOTH, 0, 1, True, "decided", sums.f1_by_group, sums.weighted_f1),
        Metric("micro_f1", micro_f1, _MANY, 0, 1, True, "decided", sums.f1_by_group, sums.micro_f1),
        Metric("mcc", mcc, _ONE, -1, 1, True, "decided", sums.counts_by_group, sums.mcc),
        Metric("auc", auc, _ONE, 0, 1, True, "scores"),
        Metric("mean_average_precision", mean_average_precision, _MANY, 0, 1, True, "scores"),
        Metric("ece", ece, _ONE, 0, 1, False, "scores"),
        Metric("brier", brier, _ONE, 0, 2, False, "scores"),
        Metric("pearson_r", pearson_r, _NUMBERS, -1, 1, True, "values", sums.moments_by_group, sums.pearson),
        Metric("ccc", ccc, _NUMBERS, -1, 1, True, "values", sums.moments_by_group, sums.ccc),
        Metric("rmse", rmse, _NUMBERS, 0, _INF, False, "values", sums.moments_by_group, sums.rmse),
        Metric("r2", r2, _NUMBERS, -_INF, 1, True, "values", sums.moments_by_group, sums.r2),
        Metric("mae", mae, _NUMBERS, 0, _INF, False, "values", sums.moments_by_group, sums.mae),
        Metric("kl", kl, _VOTES, 0, _INF, False, "values", sums.mean_of(sums.kl_rows), sums.mean),
        Metric("js", js, _VOTES, 0, float(np.log(2)), False, "values", sums.mean_of(sums.js_rows), sums.mean),
        Metric(
            "cross_entropy",
            cross_entropy,
            _VOTES,
            0,
            _INF,
            False,
            "values",
            sums.mean_of(sums.cross_entropy_rows),
            sums.mean,
        ),
        Metric("cosine", cosine, _VOTES, 0, 1, True, "values", sums.mean_of(sums.cosine_rows), sums.mean),
        Metric("top1_agreement", top1_agreement, _VOTES, 0, 1, True, "values", sums.mean_of(sums.top1_rows), sums.mean),
    )
}
