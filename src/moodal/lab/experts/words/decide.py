"""From log odds to what is told: how much the encoder and the n-grams count, and from where on each label is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BESIDE", "Mix", "fit_mix", "fit_values", "halves", "macro_f1", "thresholds"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: Pull of a label's offset to 0, as squared error.
_PULL = 2.0
#: Width, in log odds, over which a label's F1 is smoothed before its best threshold is taken: the best of a raw curve
#: over a dozen positives is luck.
WIDTH = 0.5


@dataclass(frozen=True)
class Mix:
    """``log odds = net · encoder's + grams · n-grams' + offset (28,)``."""

    net: float
    grams: float
    offset: Floats

    def apply(self, net: Array, grams: Array) -> Floats:
        """``(n, 28)`` log odds."""
        return np.asarray(self.net * net + self.grams * grams + self.offset, np.float64)


def fit_mix(truth: Array, net: Array, grams: Array) -> Mix:
    """Lowest log loss over all labels (Platt 1999 with two scores): two weights, one offset a label."""
    from scipy.optimize import minimize

    y = np.asarray(truth, np.float64)

    def loss(x: Floats) -> tuple[float, Floats]:
        z = x[0] * net + x[1] * grams + x[2:]
        slope = 1 / (1 + np.exp(-z)) - y
        value = (np.logaddexp(0, z) - y * z).sum() + _PULL * (x[2:] ** 2).sum()
        gradient = [(slope * net).sum(), (slope * grams).sum(), *(slope.sum(axis=0) + 2 * _PULL * x[2:])]
        return float(value), np.array(gradient)

    start = np.concatenate([[0.7, 0.3], np.zeros(y.shape[1])])
    bounds = [(0.0, 3.0), (0.0, 3.0)] + [(-5.0, 5.0)] * y.shape[1]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Mix(float(found[0]), float(found[1]), np.asarray(found[2:], np.float64))


def thresholds(truth: Array, odds: Array, width: float = WIDTH) -> Floats:
    """``(C,)`` log odds of highest F1 a label, its curve smoothed by a Gaussian of that width."""
    grid = np.linspace(-5, 3, 161)
    kernel = np.exp(-0.5 * ((grid[:, None] - grid) / width) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    best = np.zeros(odds.shape[1])
    for c in range(odds.shape[1]):
        order = np.argsort(odds[:, c], kind="stable")
        first = np.searchsorted(odds[order, c], grid)
        hits = np.append(np.cumsum(truth[order[::-1], c].astype(float))[::-1], 0.0)[first]
        f1 = 2 * hits / np.maximum(len(order) - first + truth[:, c].sum(), 1e-9)
        best[c] = grid[(kernel @ f1).argmax()]
    return best


def halves(n: int, seed: int) -> list[tuple[Array, Array]]:
    """Rows to fit on and rows to count on, twice: each half once."""
    order = np.random.default_rng([seed, 28]).permutation(n)
    a, b = np.sort(order[: n // 2]), np.sort(order[n // 2 :])
    return [(a, b), (b, a)]


def macro_f1(truth: Array, decided: Array) -> float:
    """Mean F1 of the labels."""
    both = 2 * (truth.astype(bool) & decided).sum(axis=0)
    return float((both / np.maximum(truth.astype(bool).sum(axis=0) + decided.sum(axis=0), 1)).mean())


#: What the n-grams count for beside the encoder in each dimension, both in deviations: valence hardly gains by them.
#: Chosen on EmoBank's dev part; least squares on half of it is too unsure of dominance.
BESIDE = (0.15, 0.5, 0.5)


def fit_values(truth: Array, net: Array, grams: Array, middle: Array) -> Floats:
    """``(3, 3)``: what the encoder, the n-grams and 1 count for in each dimension: the two in deviations by `BESIDE`,
    their sum by least squares about ``middle``, the mean rating in training: a mean of a hundred documents is too
    unsure for dominance, which hardly varies. ``net`` is 0 there."""
    rows = []
    for j, beside in enumerate(BESIDE):
        one, other = 1 / net[:, j].std(), beside / grams[:, j].std()
        both = one * net[:, j] + other * (grams[:, j] - middle[j])
        slope = float(both @ (truth[:, j] - middle[j])) / float(both @ both)
        rows.append([slope * one, slope * other, middle[j] * (1 - slope * other)])
    return np.array(rows)
