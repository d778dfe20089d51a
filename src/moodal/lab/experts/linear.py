"""Logistic regression whose scaler is folded into its weights: what ships is one vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["folded", "predicted"]

Array = npt.NDArray[Any]


def folded(x: Array, truth: Array, c: float) -> Array:
    """Weights and bias ``(f + 1,)`` of log odds of class 1 from rows ``x (n, f)`` and ``truth (n,)`` of 0 and 1.

    Features are scaled to unit deviation for the penalty (inverse strength ``c``); both classes weigh the same.
    """
    from sklearn.linear_model import LogisticRegression

    mean, sd = x.mean(axis=0), x.std(axis=0)
    sd = np.where(sd > 1e-9, sd, 1.0)
    model = LogisticRegression(C=c, class_weight="balanced", max_iter=2000).fit((x - mean) / sd, truth)
    weights = model.coef_[0] / sd
    return np.append(weights, model.intercept_[0] - (weights * mean).sum())


def predicted(x: Array, head: Array) -> Array:
    """Log odds ``(n,)`` of rows ``x (n, f)`` by `folded` weights."""
    return np.asarray((x * head[:-1]).sum(axis=1) + head[-1])
