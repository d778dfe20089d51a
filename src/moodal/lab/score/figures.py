"""The figures of a score: metrics with intervals, what a constant answer gets, coverage, calibration, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.lab.bench.calibration import coverage, ece
from moodal.lab.bench.intervals import Scores, Units, interval, resampled
from moodal.lab.bench.metrics import METRICS, Metric, confusion, decided, recall
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Prediction

__all__ = ["CLASS_METRICS", "NUMBER_METRICS", "closed", "of_classes", "of_labels", "of_numbers"]

Array = npt.NDArray[Any]

CLASS_METRICS = ("uar", "accuracy", "macro_f1", "weighted_f1")
NUMBER_METRICS = ("pearson_r", "ccc")
LEVEL = 0.9


def closed(labels: Labels, prediction: Prediction) -> tuple[Labels, Prediction]:
    """Labels and prediction among the classes that occur in the labels, shares of the others left out."""
    occur = np.flatnonzero(np.bincount(labels.values, minlength=len(labels.names)))
    scores = prediction.scores[:, occur]
    total = scores.sum(axis=1, keepdims=True)
    scores = np.where(total > 0, scores / np.where(total > 0, total, 1), 1 / len(occur))
    names = tuple(labels.names[c] for c in occur)
    among = Labels("class", names, np.searchsorted(occur, labels.values), labels.scheme, "", labels.source)
    return among, Prediction(scores, prediction.withheld)


def of_classes(labels: Labels, prediction: Prediction, sets: Array, among: Units, seed: int) -> dict[str, Any]:
    """One class a row: closed-set figures, and those over all classes beside them. ``sets`` ``(n, C)`` over all."""
    few, told = closed(labels, prediction)
    metrics = {m: METRICS[m] for m in CLASS_METRICS}
    commonest = int(np.argmax(np.bincount(few.values)))
    constant = Prediction(np.tile(np.eye(len(few.names))[commonest], (len(few), 1)), np.zeros(len(few), bool))
    there = ~prediction.withheld
    observed, size = coverage(labels.values[there], sets[there])
    counts = confusion(few.values, decided("class", told), len(few.names))
    return {
        "metrics": _scored(metrics, few, told),
        "open_set": {**_scored(metrics, labels, prediction), "classes": list(labels.names)},
        "interval": _intervals(metrics, few, told, among, seed),
        # A withheld row has no label set: what it promised it did not keep.
        "coverage": _coverage(observed * there.mean() if there.any() else 0.0, size),
        "ece": _plain(ece(few.values, told.scores, told.withheld)),
        "trivial": {"what": f"always {few.names[commonest]}", **_scored(metrics, few, constant)},
        "confusion": {"classes": list(few.names), "withheld": counts[:, -1].tolist(), "counts": counts[:, :-1].tolist(),
                      "recall": dict(zip(few.names, map(_plain, recall(counts)), strict=True))},
    }  # fmt: skip


def of_labels(labels: Labels, prediction: Prediction, among: Units, seed: int) -> dict[str, Any]:
    """Several labels a row: every label over its threshold is told; ``labels`` among those that occur, then all.

    ``accuracy`` is the share of rows whose labels are all and only those told, ``uar`` the mean over labels of the
    share of their rows in which they are told.
    """
    metrics = {"uar": _RECALL, "accuracy": _EXACT, **{m: METRICS[m] for m in ("macro_f1", "weighted_f1")}}
    occur = np.flatnonzero(labels.values.any(axis=0))
    chosen = decided("multilabel", prediction)
    few = Labels("multilabel", tuple(labels.names[c] for c in occur), labels.values[:, occur], labels.scheme)
    told = _deciding(prediction, chosen[:, occur])
    commonest = int(np.argmax(few.values.sum(axis=0)))
    constant = _deciding(prediction, np.tile(np.eye(len(occur), dtype=bool)[commonest], (len(few), 1)), all_told=True)
    each = prediction.extra.get("labels", prediction.scores)[:, occur]
    there = np.repeat(~prediction.withheld, len(occur))
    hits = [(few.values & told.extra["decided"]), (~few.values & told.extra["decided"]),
            (few.values & ~told.extra["decided"]), (~few.values & ~told.extra["decided"])]  # fmt: skip
    pairs = np.stack([1 - each.ravel(), each.ravel()], axis=1)
    return {
        "metrics": _scored(metrics, few, told),
        "open_set": {
            **_scored(metrics, labels, _deciding(prediction, chosen)),
            "classes": list(labels.names),
        },
        "interval": _intervals(metrics, few, told, among, seed),
        "coverage": _coverage(float("nan"), float("nan")),
        "ece": _plain(ece(few.values.ravel().astype(int)[there], pairs[there])),
        "trivial": {"what": f"always {few.names[commonest]}", **_scored(metrics, few, constant)},
        "confusion": {
            "classes": list(few.names),
            **{
                k: h.sum(axis=0).tolist() for k, h in zip(("hits", "false_alarms", "misses", "rest"), hits, strict=True)
            },
        },
    }


def of_numbers(labels: Labels, prediction: Prediction, among: Units, seed: int) -> dict[str, Any]:
    """Ratings: correlations a dimension, withheld rows left out."""
    metrics: dict[str, Any] = {m: {} for m in NUMBER_METRICS}
    spans: dict[str, Any] = {m: {} for m in NUMBER_METRICS}
    for j, name in enumerate(labels.names):
        one = Labels("continuous", (name,), labels.values[:, [j]], "va")
        told = Prediction(prediction.scores[:, [j]], prediction.withheld)
        known = {m: METRICS[m] for m in NUMBER_METRICS}
        for m, value in _scored(known, one, told).items():
            metrics[m][name] = value
        for m, span in _intervals(known, one, told, among, seed).items():
            spans[m][name] = span
    nothing = {m: dict.fromkeys(labels.names, 0.0) for m in NUMBER_METRICS}
    return {
        "metrics": metrics,
        "open_set": {},
        "interval": spans,
        "coverage": _coverage(float("nan"), float("nan")),
        "ece": None,
        "trivial": {"what": "always the mean", **nothing},
        "confusion": {},
    }


def _scored(metrics: dict[str, Metric], labels: Labels, prediction: Prediction) -> dict[str, float | None]:
    return {name: _plain(m.score(labels, prediction)) for name, m in metrics.items()}


def _intervals(
    metrics: dict[str, Metric], labels: Labels, prediction: Prediction, among: Units, seed: int
) -> dict[str, list[float | None]]:
    out = {}
    for name, m in metrics.items():
        low, high = interval(resampled(Scores.of(m, labels, [prediction], among), seed=seed))
        out[name] = [_plain(low), _plain(high)]
    return out


def _coverage(observed: float, size: float) -> dict[str, float | None]:
    return {"level": LEVEL, "observed": _plain(observed), "mean_set_size": _plain(size)}


def _plain(value: float) -> float | None:
    """A number of JSON: what is not defined is null."""
    return round(float(value), 6) if np.isfinite(value) else None


def _deciding(prediction: Prediction, chosen: Array, *, all_told: bool = False) -> Prediction:
    withheld = np.zeros(len(chosen), bool) if all_told else prediction.withheld
    return Prediction(chosen.astype(np.float64), withheld, {"decided": chosen & ~withheld[:, None]})


def _exact(truth: Array, told: Array) -> float:
    return float((np.asarray(truth) == np.asarray(told)).all(axis=1).mean())


def _mean_recall(truth: Array, told: Array) -> float:
    return float(_recall_total(_recall_sums(truth, told, np.zeros(len(truth), np.int64), 1, 0)[0]))


def _by_group(rows: Sequence[Array], group: Array, groups: int) -> Array:
    return np.stack([np.stack([np.bincount(group, c, groups) for c in np.asarray(r, float).T], 1) for r in rows], 1)


def _exact_sums(truth: Array, told: Array, group: Array, groups: int, _: int) -> Array:
    right = (truth == told).all(axis=1)
    return _by_group([right[:, None], np.ones((len(right), 1))], group, groups)


def _recall_sums(truth: Array, told: Array, group: Array, groups: int, _: int) -> Array:
    return _by_group([truth & told, truth], group, groups)


def _exact_total(sums: Array) -> Any:
    return sums[..., 0, 0] / np.maximum(sums[..., 1, 0], 1)


def _recall_total(sums: Array) -> Any:
    occurs = sums[..., 1, :] > 0
    values = np.where(occurs, sums[..., 0, :] / np.where(occurs, sums[..., 1, :], 1), 0)
    return values.sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1)


_EXACT = Metric("accuracy", _exact, ("multilabel",), 0.0, 1.0, True, "decided", _exact_sums, _exact_total)
_RECALL = Metric("uar", _mean_recall, ("multilabel",), 0.0, 1.0, True, "decided", _recall_sums, _recall_total)
