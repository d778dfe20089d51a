"""Ranks as numbers of a normal distribution: what a value is among others, whatever its unit and its outliers."""

from __future__ import annotations

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["normal_quantile", "normal_scores"]

#: Least values that a rank means something among.
_LEAST = 5
#: Coefficients of Acklam's rational approximation of the normal quantile (relative error below 1.2e-9).
_A = (
    -39.69683028665376,
    220.9460984245205,
    -275.9285104469687,
    138.357751867269,
    -30.66479806614716,
    2.506628277459239,
)
_B = (-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572)
_C = (-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
      2.938163982698783)  # fmt: skip
_D = (0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416)
_TAIL = 0.02425


def normal_quantile(p: FloatArray) -> FloatArray:
    """The standard normal quantile of ``p`` in (0, 1), any shape."""
    p = np.asarray(p, np.float64)
    low = np.minimum(p, 1 - p)
    q = np.sqrt(-2 * np.log(np.clip(low, 1e-300, None)))
    tail = np.polyval(_C, q) / (np.polyval(_D, q) * q + 1)
    r = (p - 0.5) ** 2
    middle = np.polyval(_A, r) * (p - 0.5) / (np.polyval(_B, r) * r + 1)
    return np.asarray(np.where(low < _TAIL, np.where(p < 0.5, tail, -tail), middle))


def normal_scores(x: FloatArray, among: FloatArray) -> FloatArray:
    """Normal scores of each column of ``x (n, f)`` among ``among (m, f)``: ``(n, f)``.

    The quantile of a value's mid-rank share (van der Waerden; ties count half); NaN where x is, or where fewer than
    five values are known. Outside of all that is known a value stands half a rank beyond it.
    """
    out = np.full(x.shape, np.nan)
    for j in range(x.shape[1]):
        known = np.sort(among[np.isfinite(among[:, j]), j])
        here = np.isfinite(x[:, j])
        if len(known) < _LEAST or not here.any():
            continue
        rank = (np.searchsorted(known, x[here, j], "left") + np.searchsorted(known, x[here, j], "right")) / 2
        out[here, j] = normal_quantile(np.clip(rank / len(known), 0.5 / len(known), 1 - 0.5 / len(known)))
    return out
