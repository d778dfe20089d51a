"""Muscle, movement and warmth: what cells of a signal say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .fir import band_pass, zero_phase

__all__ = ["emg_band", "mains_share", "movement", "rolling_slope", "root_mean_square"]


def emg_band(x: FloatArray, rate_hz: float) -> FloatArray:
    """Surface EMG ``x (n,)`` from 20 to 450 Hz, zero-phase: ``(n,)``, same unit.

    20 Hz: De Luca et al. 2010, J. Biomech. 43(8), 1573-1579. Below 1000 Hz of rate the upper edge is 0.45 of it, and
    below 200 Hz the lower one 0.1 of it.
    """
    return zero_phase(x, band_pass(min(20.0, 0.1 * rate_hz), min(450.0, 0.45 * rate_hz), rate_hz, 0.25))


def root_mean_square(x: FloatArray, starts: npt.NDArray[np.int64]) -> FloatArray:
    """Of the cells of ``x (n,)`` that begin at ``starts (m,)``: ``(m,)``."""
    return np.asarray(np.sqrt(np.add.reduceat(x * x, starts) / np.diff(np.append(starts, len(x)))))


def mains_share(x: FloatArray, rate_hz: float) -> float:
    """Share in [0, 1] of the energy of ``x (n,)`` within 1 Hz of mains (50 or 60 Hz) and twice that."""
    power = np.abs(np.fft.rfft(x)) ** 2
    f = np.fft.rfftfreq(len(x), 1 / rate_hz)
    total = float(power.sum())
    if total <= 0:
        return 0.0
    shares = [sum(float(power[np.abs(f - k * mains) <= 1].sum()) for k in (1, 2)) / total for mains in (50, 60)]
    return min(max(shares), 1.0)


def movement(xyz: FloatArray, starts: npt.NDArray[np.int64]) -> FloatArray:
    """Of the cells of ``xyz (n, 3)`` g that begin at ``starts (m,)``: MAD, ENMO and mean norm ``(m, 3)`` g.

    MAD (Vähä-Ypyä et al. 2015, Clin. Physiol. Funct. Imaging 35(1), 64-70): mean absolute deviation of the norm from
    its mean; ENMO (van Hees et al. 2013, PLOS ONE 8(4) e61691): mean of the norm minus one, negative ones as zero.
    Neither asks how the sensor is turned.
    """
    norm = np.sqrt(np.square(xyz).sum(axis=1))
    count = np.diff(np.append(starts, len(norm)))
    mean = np.add.reduceat(norm, starts) / count
    mad = np.add.reduceat(np.abs(norm - np.repeat(mean, count)), starts) / count
    enmo = np.add.reduceat(np.maximum(norm - 1.0, 0.0), starts) / count
    return np.asarray(np.stack([mad, enmo, mean], axis=1))


def rolling_slope(t: FloatArray, x: FloatArray, good: npt.NDArray[np.bool_], width: int, least: int) -> FloatArray:
    """Slope of the least-squares line through the last ``width`` of ``x (n,)`` over ``t (n,)`` at each: ``(n,)``.

    Only ``good`` values count; NaN where fewer than ``least`` are.
    """
    w = good.astype(float)
    u = np.where(good, t - t[0], 0.0)
    centre = float(x[good].mean()) if good.any() else 0.0
    v = np.where(good, x - centre, 0.0)

    def last(values: FloatArray) -> FloatArray:
        total = np.concatenate([np.zeros(width), np.cumsum(values)])
        return np.asarray(total[width:] - total[:-width])

    n, su, sv, suu, suv = last(w), last(u), last(v), last(u * u), last(u * v)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (suv - su * sv / n) / (suu - su * su / n)
    return np.asarray(np.where(n >= max(least, 2), slope, np.nan))
