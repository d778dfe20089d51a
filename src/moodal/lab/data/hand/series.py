"""What several groups share: statistics and spectra of one series, by definitions that a textbook has."""

from __future__ import annotations

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["peak_hz", "slope", "spectrum"]


def slope(x: FloatArray, rate_hz: float) -> float:
    """Slope of the least-squares line through ``x (n,)``, its unit a second; NaN for under two values."""
    n = len(x)
    if n < 2:
        return float("nan")
    t = (np.arange(n) - (n - 1) / 2) / rate_hz
    return float((t * (x - x.mean())).sum() / (t * t).sum())


def spectrum(x: FloatArray, rate_hz: float, seconds: float | None = None) -> tuple[FloatArray, FloatArray]:
    """Frequencies ``(m,)`` Hz and power density ``(m,)`` of ``x (n,)``: Welch's method, half-overlapping segments of
    ``seconds`` (all of x where None or longer), mean removed, periodic Hann window, one-sided; as scipy's ``welch``.
    """
    n = len(x) if seconds is None else min(len(x), round(seconds * rate_hz))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    rows = np.lib.stride_tricks.sliding_window_view(x, n)[:: n - n // 2]
    rows = (rows - rows.mean(axis=1, keepdims=True)) * window
    power = (np.abs(np.fft.rfft(rows, axis=1)) ** 2).mean(axis=0) / (rate_hz * (window * window).sum())
    power[1 : (n + 1) // 2] *= 2
    return np.fft.rfftfreq(n, 1 / rate_hz), power


def peak_hz(x: FloatArray, rate_hz: float, seconds: float | None = None) -> float:
    """Frequency of the largest power, 0 Hz apart."""
    f, p = spectrum(x, rate_hz, seconds)
    return float(f[1 + int(p[1:].argmax())]) if len(p) > 1 and p[1:].any() else float("nan")
