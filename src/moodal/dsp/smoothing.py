"""Smoothing of features over time: exponential, and the scalar linear dynamic system of EEG studies of emotion."""

from __future__ import annotations

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["SMOOTHINGS", "ema", "lds_causal", "lds_offline", "smoothed"]

#: Names of the ways to smooth; the last one looks into the future.
SMOOTHINGS = ("none", "ema", "lds-causal", "lds-offline")
#: Variance of a step of the state, of a measurement, and of the first state: what LibEER takes (its ``lds``), after
#: Shi and Lu 2010, EMBC, 6587-6590. The gain settles at .00995: a memory of about 100 windows.
STEP, MEASUREMENT, FIRST = 1e-4, 1.0, 0.01


def ema(x: FloatArray, steps: float) -> FloatArray:
    """``x (n, ...)`` smoothed exponentially with a time constant of ``steps`` rows; starts at the first row.

    A value that is not finite is passed over: its place holds the last smoothed one (NaN before the first).
    """
    keep = float(np.exp(-1 / max(steps, 1e-9)))
    out = np.array(x, np.float64)
    for i in range(1, len(out)):
        old, new = out[i - 1], out[i]
        mixed = keep * old + (1 - keep) * new
        out[i] = np.where(np.isfinite(new), np.where(np.isfinite(old), mixed, new), old)
    return out


def _gains(n: int, step: float, measurement: float, first: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Kalman gains, predicted and updated variances ``(n,)``: they do not depend on the data."""
    gain, before, after = np.empty(n), np.empty(n), np.empty(n)
    v = first
    for i in range(n):
        before[i] = v if i == 0 else v + step
        gain[i] = before[i] / (before[i] + measurement)
        v = after[i] = (1 - gain[i]) * before[i]
    return gain, before, after


def _filtered(x: FloatArray, start: FloatArray, gain: FloatArray) -> FloatArray:
    out = np.empty(x.shape)
    state = start
    for i in range(len(x)):
        state = state + gain[i] * np.where(np.isfinite(x[i]), x[i] - state, 0.0)
        out[i] = state
    return out


def lds_causal(
    x: FloatArray, *, step: float = STEP, measurement: float = MEASUREMENT, first: float = FIRST
) -> FloatArray:
    """``x (n, ...)`` through a scalar Kalman filter a feature (a random walk seen through noise), from its first row
    on: row k of the output depends on rows up to k alone. A value that is not finite tells nothing new; the state
    starts at the first row of ``x``, at 0 where that is not finite.
    """
    x = np.asarray(x, np.float64)
    if not len(x):
        return x
    return _filtered(x, np.nan_to_num(x[0], posinf=0.0, neginf=0.0), _gains(len(x), step, measurement, first)[0])


def lds_offline(
    x: FloatArray, *, step: float = STEP, measurement: float = MEASUREMENT, first: float = FIRST
) -> FloatArray:
    """The same system smoothed backwards too (Rauch, Tung and Striebel 1965), from the mean of all rows on, as the
    published features of SEED are made: NOT causal, and each row becomes almost the mean of the whole series. On
    windows that are drawn at random it tells which trial a window is from, whatever it holds.
    """
    x = np.asarray(x, np.float64)
    if not len(x):
        return x
    good = np.isfinite(x)
    count = np.maximum(good.sum(axis=0), 1)
    mean = np.where(good, x, 0.0).sum(axis=0) / count
    gain, before, after = _gains(len(x), step, measurement, first)
    out = _filtered(x, mean, gain)
    for i in range(len(x) - 2, -1, -1):
        out[i] += after[i] / before[i + 1] * (out[i + 1] - out[i])
    return out


def smoothed(x: FloatArray, how: str, steps: float = 10.0) -> FloatArray:
    """``x (n, ...)`` smoothed by a name of `SMOOTHINGS`; ``steps`` is the time constant of ``ema``."""
    if how == "ema":
        return ema(x, steps)
    if how == "lds-causal":
        return lds_causal(x)
    return lds_offline(x) if how == "lds-offline" else np.asarray(x)
