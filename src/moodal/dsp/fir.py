"""Zero-phase FIR filters for signals in windows: symmetric kernels, centred, so that nothing is delayed.

A filtered sample depends on the input within the kernel's half-length alone. Filtering windows that overlap by
that much therefore gives what filtering the whole would, which is how a stream is filtered in blocks.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["band_pass", "butterworth_low_pass", "centred", "filled", "moving_mean", "quantile", "zero_phase"]


@lru_cache(maxsize=64)
def band_pass(low_hz: float, high_hz: float, rate_hz: float, half_s: float) -> FloatArray:
    """Kernel ``(2 h + 1,)`` of a band-pass by Hamming-windowed sinc, ``h = half_s * rate_hz``.

    ``low_hz`` 0 gives a low-pass of gain 1 at 0 Hz; ``high_hz`` at or above 0.5 ``rate_hz`` a high-pass of gain 0
    there. The transition is about ``3.3 / (2 half_s)`` Hz wide (Oppenheim & Schafer, Discrete-Time Signal
    Processing, ch. 7.5).
    """
    half = max(1, round(half_s * rate_hz))
    t = np.arange(-half, half + 1)
    window = np.hamming(2 * half + 1)

    def low_pass(cut: float) -> FloatArray:
        f = cut / rate_hz
        kernel = 2 * f * np.sinc(2 * f * t) * window
        return np.asarray(kernel / kernel.sum())

    kernel: FloatArray
    if high_hz >= 0.5 * rate_hz:
        kernel = np.zeros(2 * half + 1)
        kernel[half] = 1.0
    else:
        kernel = low_pass(high_hz)
    if low_hz > 0:
        kernel = kernel - low_pass(low_hz)
    kernel.setflags(write=False)
    return np.asarray(kernel)


@lru_cache(maxsize=64)
def butterworth_low_pass(cut_hz: float, order: int, rate_hz: float, half_s: float) -> FloatArray:
    """Kernel ``(2 h + 1,)`` of a Butterworth low-pass run forwards and backwards, cut at ``half_s`` and normalised.

    The inverse Fourier transform of ``1 / (1 + (f / cut)^(2 order))``: no phase, and -6 dB at ``cut_hz``.
    """
    half = max(1, round(half_s * rate_hz))
    size = _good(8 * half + 64)
    response = 1.0 / (1.0 + (np.fft.rfftfreq(size, 1 / rate_hz) / cut_hz) ** (2 * order))
    kernel = np.roll(np.fft.irfft(response, size), half)[: 2 * half + 1]
    kernel = kernel / kernel.sum()
    kernel.setflags(write=False)
    return np.asarray(kernel)


@lru_cache(maxsize=64)
def _spectrum(kernel: bytes, size: int) -> FloatArray:
    return np.asarray(np.fft.rfft(np.frombuffer(kernel), size))


@lru_cache(maxsize=256)
def _good(size: int) -> int:
    """The smallest 2^a 3^b 5^c at or above ``size``: where the transform is fast."""
    best = 1 << (size - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            two = three
            while two < size:
                two *= 2
            best = min(best, two)
            three *= 3
        five *= 5
    return best


def zero_phase(x: FloatArray, kernel: FloatArray) -> FloatArray:
    """``x (n,)`` through a symmetric kernel, centred: ``(n,)``; beyond its ends x holds its first and last value."""
    half = len(kernel) // 2
    padded = np.concatenate([np.full(half, x[0]), x, np.full(half, x[-1])])
    size = _good(len(padded) + half)
    spectrum = np.fft.rfft(padded, size) * _spectrum(kernel.tobytes(), size)
    return np.asarray(np.fft.irfft(spectrum, size)[2 * half : 2 * half + len(x)])


def centred(x: FloatArray, width: int) -> FloatArray:
    """Sum over ``width`` samples around each (odd width; fewer at the ends): ``(n,)``."""
    half, n = width // 2, len(x)
    total = np.concatenate([[0.0], np.cumsum(x)])
    if n <= 2 * half:
        at = np.arange(n)
        return np.asarray(total[np.minimum(at + half + 1, n)] - total[np.maximum(at - half, 0)])
    out = np.empty(n)
    out[half : n - half] = total[2 * half + 1 :] - total[: n - 2 * half]
    out[:half] = total[half + 1 : 2 * half + 1]
    out[n - half :] = total[n] - total[n - 2 * half : n - half]
    return out


@lru_cache(maxsize=64)
def _counts(n: int, half: int) -> FloatArray:
    at = np.arange(n)
    counts = (np.minimum(at + half + 1, n) - np.maximum(at - half, 0)).astype(float)
    counts.setflags(write=False)
    return counts


def moving_mean(x: FloatArray, width: int) -> FloatArray:
    """Mean over ``width`` samples (odd) around each; at the ends over those that are there: ``(n,)``."""
    return np.asarray(centred(x, width) / _counts(len(x), width // 2))


def filled(x: FloatArray, good: np.ndarray) -> FloatArray:
    """``x (n,)`` with the samples that are not ``good`` drawn straight between their neighbours (0 where none is)."""
    if good.all():
        return x
    at = np.flatnonzero(good)
    if not len(at):
        return np.zeros(len(x))
    return np.asarray(np.interp(np.arange(len(x)), at, x[at]))


def quantile(x: FloatArray, share: float) -> float:
    """The value of ``x (n,)`` that has ``share`` of the others below it, found fast; n at least 1."""
    at = min(int(share * len(x)), len(x) - 1)
    return float(np.partition(x, at)[at])
