"""Descriptors of voiced frames that need the harmonics: HNR, harmonic differences, formant amplitudes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .pitch import FFT_SIZE
from .sound import RATE_HZ

__all__ = ["harmonic_descriptors"]

_BIN_HZ = RATE_HZ / FFT_SIZE
_BINS = FFT_SIZE // 2 + 1
#: The harmonic that carries a formant is looked for within this share of the formant's frequency.
_NEAR = 0.2


def harmonic_descriptors(
    magnitude: npt.NDArray[np.float32], hz: FloatArray, formant_hz: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """HNR ``(n,)``, H1-H2 ``(n,)``, H1-A3 ``(n,)`` and formant amplitudes ``(n, 3)``, all in dB.

    ``magnitude (n, 513)`` spectra of voiced frames of pitch ``hz (n,)``, ``formant_hz (n, 3)`` (NaN
    where unknown). HNR is that of the autocorrelation at the pitch period (Boersma 1993); formant
    amplitudes are those of the strongest harmonic within 20 % of the formant, relative to the first
    harmonic, and NaN where that is the first harmonic itself (openSMILE writes 0 there and leaves 0 out
    of everything that follows). openSMILE 2.6 counts harmonics from nought in its differences, so that its H1-H2 is
    the second harmonic over the third, and its H1-A3 the second over the third formant: so here.
    """
    levels = 20 * np.log10(np.maximum(_harmonics(magnitude, hz, 3), 1e-10))
    amplitudes = np.column_stack([_formant_level(magnitude, hz, formant_hz[:, k]) for k in range(3)]) - levels[:, :1]
    h1_a3 = levels[:, 1] - levels[:, 0] - amplitudes[:, 2]
    itself = np.abs(amplitudes) < 1e-6
    return _hnr(magnitude, hz), levels[:, 1] - levels[:, 2], h1_a3, np.where(itself, np.nan, amplitudes)


def _hnr(magnitude: npt.NDArray[np.float32], hz: FloatArray) -> FloatArray:
    power = magnitude**2
    power[:, 1:-1] *= 2
    period = np.round(RATE_HZ / hz).astype(int)
    total = power.sum(axis=1, dtype=np.float64)
    lags = np.fft.irfft(magnitude**2, FFT_SIZE)
    around = np.take_along_axis(lags, period[:, None] + np.arange(-3, 4), 1).max(axis=1) * FFT_SIZE
    floor = 1e-10 * np.maximum(total, 1e-30)
    return np.asarray(10 * np.log10(np.maximum(around, floor) / np.maximum(total - around, floor)))


def _harmonics(magnitude: npt.NDArray[np.float32], hz: FloatArray, count: int) -> FloatArray:
    """Magnitude of the first harmonics, the highest of three bins around each: ``(n, count)``."""
    middle = np.round(np.arange(1, count + 1) * hz[:, None] / _BIN_HZ).astype(int)
    bins = (middle[:, :, None] + np.arange(-1, 2)).clip(1, _BINS - 2).reshape(len(hz), -1)
    return np.asarray(np.take_along_axis(magnitude, bins, 1).reshape(len(hz), count, 3).max(axis=2))


def _formant_level(magnitude: npt.NDArray[np.float32], hz: FloatArray, formant_hz: FloatArray) -> FloatArray:
    """Level in dB of the strongest harmonic near a formant: ``(n,)``, NaN where no formant is known."""
    told = np.isfinite(formant_hz)
    centre = np.where(told, formant_hz, 1000.0)
    first = np.ceil(centre * (1 - _NEAR) / hz).astype(int)
    last = np.floor(centre * (1 + _NEAR) / hz).astype(int)
    nearest = np.maximum(np.round(centre / hz).astype(int), 1)
    none = last < np.maximum(first, 1)
    first, last = np.where(none, nearest, np.maximum(first, 1)), np.where(none, nearest, last)
    span = int((last - first).max(initial=0)) + 1
    number = first[:, None] + np.arange(span)
    middle = np.round(number * hz[:, None] / _BIN_HZ).astype(int)
    usable = (number <= last[:, None]) & (middle < _BINS - 1)
    peak = np.zeros(number.shape, np.float32)
    rows = np.arange(len(hz))[:, None]
    for offset in (-1, 0, 1):
        at = (middle + offset).clip(0, _BINS - 1)
        np.maximum(peak, magnitude[rows, at], out=peak)
    level = 20 * np.log10(np.maximum(np.where(usable, peak, 0).max(axis=1), 1e-10))
    return np.asarray(np.where(told, level, np.nan))
