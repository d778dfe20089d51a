"""Log-linear fusion of experts' scores, fitted by log loss: one weight an expert, one bias a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Weights", "apply", "fit", "out_of_fold"]

Array = npt.NDArray[Any]

#: Pull of the weights to 1 (what independent experts deserve) and of the biases to 0, in examples.
_PULL_WEIGHT, _PULL_BIAS = 5.0, 10.0
#: No expert is listened to more than this, nor against what it says.
_MOST = 2.0


@dataclass(frozen=True)
class Weights:
    """``weight`` by modality and ``bias (C,)``."""

    weight: Mapping[str, float]
    bias: Array

    def scaled(self, by: float) -> Weights:
        """The same, every weight times ``by``."""
        return Weights({m: w * by for m, w in self.weight.items()}, self.bias)

    def as_manifest(self) -> dict[str, Any]:
        """For a bundle's manifest."""
        return {
            "weight": {m: round(float(w), 5) for m, w in self.weight.items()},
            "bias": [round(float(b), 5) for b in self.bias],
        }


def apply(weights: Weights, logs: Mapping[str, Array]) -> Array:
    """``(n, C)`` log scores, up to a constant a row, of each modality's ``(n, C)``."""
    total = np.tile(np.asarray(weights.bias, np.float64), (len(next(iter(logs.values()))), 1))
    for modality, told in logs.items():
        total += weights.weight[modality] * told
    return total


def fit(logs: Mapping[str, Array], truth: Array) -> Weights:
    """Weights of lowest log loss; ``truth`` ``(n, C)`` shares (one class, or votes). A lone expert passes through."""
    from scipy.optimize import minimize

    names = sorted(logs)
    classes = truth.shape[1]
    if len(names) == 1:
        return Weights({names[0]: 1.0}, np.zeros(classes))
    stacked = np.stack([logs[m] for m in names])

    def loss(x: Array) -> tuple[float, Array]:
        w, b = x[: len(names)], x[len(names) :]
        z = np.tensordot(w, stacked, axes=1) + b
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        slope = np.exp(log_p) - truth
        pull = _PULL_WEIGHT * (w - 1) ** 2
        value = -(truth * log_p).sum() + pull.sum() + _PULL_BIAS * (b**2).sum()
        towards = np.concatenate(
            [(stacked * slope).sum(axis=(1, 2)) + 2 * _PULL_WEIGHT * (w - 1), slope.sum(axis=0) + 2 * _PULL_BIAS * b]
        )
        return float(value) / len(truth), towards / len(truth)

    start = np.concatenate([np.ones(len(names)), np.zeros(classes)])
    bounds = [(0.0, _MOST)] * len(names) + [(-3.0, 3.0)] * classes
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return Weights(dict(zip(names, found.x[: len(names)].tolist(), strict=True)), found.x[len(names) :])


def out_of_fold(logs: Mapping[str, Array], truth: Array, group: Array, folds: int = 10, seed: int = 0) -> Array:
    """``(n, C)`` log scores of each row by weights that were fitted on other groups."""
    names = np.unique(np.asarray(group, str))
    dealt = np.random.default_rng(seed).permutation(len(names)) % min(folds, len(names))
    fold = dealt[np.searchsorted(names, np.asarray(group, str))]
    out = np.zeros(truth.shape)
    for k in np.unique(fold):
        rest, here = fold != k, fold == k
        weights = fit({m: told[rest] for m, told in logs.items()}, truth[rest])
        out[here] = apply(weights, {m: told[here] for m, told in logs.items()})
    return out
