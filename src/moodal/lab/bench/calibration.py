"""Whether probabilities mean what they say: calibration error, Brier score, label sets that keep their promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["BINS", "Bin", "brier", "conformal_threshold", "coverage", "ece", "label_sets", "reliability"]

Array = npt.NDArray[Any]

#: Bins of a reliability diagram and of `ece`.
BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of like confidence: how many, their mean confidence, the share of them that is right."""

    n: int
    confidence: float
    right: float


def reliability(
    truth: Array,
    scores: Array,
    withheld: Array | None = None,
    *,
    bins: int = BINS,
    by: Literal["mass", "width"] = "mass",
) -> list[Bin]:
    """Bins of the top class's probability, those that hold rows, in rising order.

    ``by="mass"``: edges at the quantiles of confidence, so that bins hold about equally many rows (rows of one
    confidence stay together); ``by="width"``: edges at 0, 1/bins, …, 1. Withheld rows claim nothing and are left out.
    """
    truth, scores = np.asarray(truth), np.asarray(scores, np.float64)
    if withheld is not None:
        truth, scores = truth[~withheld], scores[~withheld]
    if not len(truth):
        return []
    confidence = scores.max(axis=1)
    right = scores.argmax(axis=1) == truth
    inner = np.arange(1, bins) / bins
    edges = np.quantile(confidence, inner) if by == "mass" else inner
    place = np.searchsorted(edges, confidence, side="left")
    found = []
    for b in range(bins):
        rows = place == b
        if rows.any():
            found.append(Bin(int(rows.sum()), float(confidence[rows].mean()), float(right[rows].mean())))
    return found


def ece(
    truth: Array,
    scores: Array,
    withheld: Array | None = None,
    *,
    bins: int = BINS,
    by: Literal["mass", "width"] = "mass",
) -> float:
    """Expected calibration error of the top class: mean over bins of |share right - confidence|, weighted by rows.

    0 to 1; ten bins of equal mass unless told otherwise (``by="width"`` for equal width, as Guo et al., ICML 2017,
    eq. 3). NaN without rows.
    """
    found = reliability(truth, scores, withheld, bins=bins, by=by)
    n = sum(b.n for b in found)
    return sum(b.n * abs(b.right - b.confidence) for b in found) / n if n else float("nan")


def brier(truth: Array, scores: Array, withheld: Array | None = None) -> float:
    """Mean over rows of the sum over classes of (probability - truth)²; 0 to 2. A withheld row counts as uniform."""
    truth, scores = np.asarray(truth), np.array(scores, np.float64)
    if withheld is not None:
        scores[withheld] = 1 / scores.shape[1]
    return float(np.square(scores - np.eye(scores.shape[1])[truth]).sum(axis=1).mean()) if len(truth) else float("nan")


def conformal_threshold(truth: Array, scores: Array, level: float = 0.9) -> float:
    """The probability from which a class belongs to the label set, so that sets hold the truth at ``level``.

    Split conformal with the score 1 - p(truth) (Sadinle et al., JASA 114 (2019) 223): the ceil((n + 1) level)-th
    smallest of n scores on rows that the model was not fitted on. Too few rows for the level: every class belongs.
    """
    n = len(truth)
    rank = int(np.ceil((n + 1) * level - 1e-9))
    if rank > n:
        return 0.0
    told = np.sort(1 - np.asarray(scores, np.float64)[np.arange(n), truth])
    return float(1 - told[rank - 1])


def label_sets(scores: Array, threshold: float) -> npt.NDArray[np.bool_]:
    """``(n, C)``: classes whose probability reaches the threshold; the likeliest always belongs."""
    scores = np.asarray(scores, np.float64)
    sets = scores >= threshold - 1e-12
    sets[np.arange(len(scores)), scores.argmax(axis=1)] = True
    return sets


def coverage(truth: Array, sets: Array) -> tuple[float, float]:
    """Share of label sets that hold the truth, and their mean size; NaN without rows."""
    if not len(truth):
        return float("nan"), float("nan")
    return float(sets[np.arange(len(truth)), truth].mean()), float(sets.sum(axis=1).mean())
