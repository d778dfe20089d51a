"""One temperature of log odds, for parts of a model that are more or less sure than others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["cooled", "temperature"]

Array = npt.NDArray[Any]
_COLDEST, _HOTTEST = 0.05, 50.0


def temperature(log_odds: Array, truth: Array) -> float:
    """The temperature of lowest log loss of log odds ``(n,)`` of 1 against ``truth (n,)``, both classes weighing the
    same; found by golden section on its logarithm."""
    sign = np.where(truth == 1, 1.0, -1.0)
    weights = np.where(truth == 1, 0.5 / max((truth == 1).sum(), 1), 0.5 / max((truth == 0).sum(), 1))

    def loss(log_t: float) -> float:
        return float((weights * np.logaddexp(0, -sign * log_odds / np.exp(log_t))).sum())

    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return round(float(np.exp((low + high) / 2)), 5)


def cooled(log_odds: Array, heat: float) -> Array:
    """Log odds divided by a temperature."""
    return log_odds / heat
