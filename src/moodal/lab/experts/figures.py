"""Scores of out-of-fold predictions, with intervals over people and what a constant answer gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.dsp.calibration import tempered
from moodal.lab.bench.intervals import Scores, Units, interval, resampled
from moodal.lab.bench.metrics import METRICS
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Prediction

from .made import OutOfFold

__all__ = ["by_group", "scored"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: What is told of each kind beside the quoted metric.
_BESIDE = {
    "class": ("uar", "accuracy", "macro_f1", "weighted_f1"),
    "multilabel": ("macro_f1", "weighted_f1"),
    "continuous": ("pearson_r", "ccc"),
    "distribution": ("top1_agreement", "js"),
}


def _as_lab(part: OutOfFold, calibration: dict[str, Any] | None) -> tuple[Labels, Prediction, Units]:
    """Labels, prediction and units as the bench has them; of classes only those that occur in the truth."""
    withheld = np.zeros(len(part.logits), bool) if part.withheld is None else part.withheld
    names, of = np.unique(np.asarray(part.subject, str), return_inverse=True)
    units = Units(part.unit, tuple(names.tolist()), of.astype(np.int64))
    if part.kind == "continuous":
        return (
            Labels("continuous", part.classes, np.asarray(part.truth, float)),
            Prediction(part.logits.astype(np.float64), withheld),
            units,
        )
    if part.kind == "multilabel":
        scores: Floats = np.asarray(1 / (1 + np.exp(-part.logits)), np.float64)
        decided = scores >= 0.5 if part.decided is None else part.decided
        labels = Labels("multilabel", part.classes, np.asarray(part.truth, bool))
        return labels, Prediction(scores, withheld, {"decided": decided}), units
    if part.kind == "distribution":
        labels = Labels("distribution", part.classes, np.asarray(part.truth, float))
        told = np.asarray(tempered(part.logits, calibration), np.float64)
        return labels, Prediction(told, withheld), units
    occur = np.flatnonzero(np.bincount(part.truth, minlength=len(part.classes)))
    among = np.asarray(tempered(part.logits, calibration), np.float64)[:, occur]
    among = among / among.sum(axis=1, keepdims=True)
    classes = tuple(part.classes[c] for c in occur)
    return Labels("class", classes, np.searchsorted(occur, part.truth)), Prediction(among, withheld), units


def scored(part: OutOfFold, calibration: dict[str, Any] | None = None, seed: int = 0) -> dict[str, Any]:
    """The quoted metric with its interval and trivial value, and the other figures beside it."""
    labels, prediction, units = _as_lab(part, calibration)
    told = METRICS[part.metric]
    value = Scores.of(told, labels, [prediction], units)
    low, high = interval(resampled(value, seed=seed))
    out = {
        "metric": part.metric,
        "value": round(value.whole(), 4),
        "interval": [round(low, 4), round(high, 4)],
        "trivial": _finite(told.score(labels, _constant(labels))),
        "n": len(part.logits),
        "units": str(units),
        "protocol": part.protocol,
        "seeds": part.seeds,
        "beside": {
            m: round(float(METRICS[m].score(labels, prediction)), 4)
            for m in _BESIDE[part.kind] if m in METRICS and m != part.metric
        },
    }  # fmt: skip
    if part.reach is not None:
        out["reach"] = part.reach
    if part.kind == "continuous":
        out["by_dimension"] = {n: _dimension(part, j, units, seed) for j, n in enumerate(part.classes)}
    if part.withheld is not None:
        out["withheld"] = int(part.withheld.sum())
    return out


def _finite(value: float) -> float:
    """A constant has no correlation: 0, since JSON knows no other word for it."""
    return round(float(value), 4) if np.isfinite(value) else 0.0


def _dimension(part: OutOfFold, j: int, units: Units, seed: int) -> dict[str, Any]:
    told = METRICS["pearson_r"]
    labels = Labels("continuous", (part.classes[j],), np.asarray(part.truth, float)[:, [j]])
    value = Scores.of(
        told, labels, [Prediction(part.logits[:, [j]], np.zeros(len(part.logits), bool))], units
    )  # fmt: skip
    low, high = interval(resampled(value, seed=seed))
    return {"pearson_r": round(value.whole(), 4), "interval": [round(low, 4), round(high, 4)]}


def _constant(labels: Labels) -> Prediction:
    """What says the same of everything: the most frequent class or label, the mean, the mean distribution."""
    n, none = len(labels), np.zeros(len(labels), bool)
    if labels.kind == "class":
        best = int(np.argmax(np.bincount(labels.values, minlength=len(labels.names))))
        return Prediction(np.tile(np.eye(len(labels.names))[best], (n, 1)), none)
    mean = labels.values.mean(axis=0, dtype=float)
    if labels.kind == "multilabel":
        decided = np.tile(np.arange(len(mean)) == int(mean.argmax()), (n, 1))
        return Prediction(decided.astype(float), none, {"decided": decided})
    return Prediction(np.tile(mean, (n, 1)), none)


def by_group(part: OutOfFold, calibration: dict[str, Any] | None = None) -> dict[str, dict[str, dict[str, Any]]]:
    """The quoted metric within each value of each group column, with n: ``{column: {value: {…}}}``."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    labels, prediction, _ = _as_lab(part, calibration)
    for column, values in part.groups.items():
        rows = {}
        for name in sorted(set(np.asarray(values, str).tolist()) - {""}):
            here = np.flatnonzero(np.asarray(values, str) == name)
            extra = {k: v[here] for k, v in prediction.extra.items()}
            some = Prediction(prediction.scores[here], prediction.withheld[here], extra)
            value = float(METRICS[part.metric].score(labels.take(here), some))
            rows[name] = {"value": round(value, 4), "n": len(here),
                          "people": len(set(np.asarray(part.subject, str)[here].tolist()))}  # fmt: skip
        out[column] = rows
    return out
