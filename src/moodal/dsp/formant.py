"""Formants from linear prediction, for many frames at once.

Each frame is resampled to 11 kHz by a matrix (a truncated Fourier series), Levinson's recursion runs
over all frames together, and the roots are those of companion matrices.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .sound import RATE_HZ, hamming

__all__ = ["ORDER", "RATE_LPC_HZ", "formants", "linear_prediction", "resonances"]

#: Order of the prediction and sampling rate of the signal it works on, Hz.
ORDER, RATE_LPC_HZ = 11, 11_000
_FRAME, _FFT = 320, 512
_RESAMPLED = _FRAME * RATE_LPC_HZ // RATE_HZ


@cache
def _resampler(as_opensmile: bool) -> npt.NDArray[np.float32]:
    """Hamming window and resampling to 11 kHz as one matrix ``(320, 220)``.

    openSMILE 2.6 (its ``cSpecResample``, seen from outside as a linear map) keeps the spectrum up to
    3.4 kHz instead of 5.5 and turns the frame by the 96 samples of zeros on one side of its padded
    frame, so that the last 96 samples of the frame fall away; it also counts
    the steady part twice.
    """
    top, late, steady = (109, 96, 2.0) if as_opensmile else (176, 0, 1.0)
    k = np.arange(top + 1)[:, None]
    at = np.arange(_RESAMPLED) * (RATE_HZ / RATE_LPC_HZ) - late
    spectrum = np.fft.rfft(np.diag(hamming(_FRAME).astype(float)), _FFT, axis=1)[:, : top + 1]
    series = np.exp(2j * np.pi * k * at / _FFT) * np.where(k == 0, steady, 2.0) / _FFT
    return np.asarray((spectrum @ series).real, np.float32)


def linear_prediction(block: npt.NDArray[np.float32], *, as_opensmile: bool = False) -> FloatArray:
    """Prediction polynomials ``A(z) = 1 + a1 z^-1 + … + a11 z^-11`` of frames ``(n, 320)``: ``(n, 12)`` float64.

    Autocorrelation method, solved by the Levinson-Durbin recursion (Makhoul 1975, Proc. IEEE 63(4)).
    """
    signal = block @ _resampler(as_opensmile)
    lags = np.empty((len(signal), ORDER + 1))
    for lag in range(ORDER + 1):
        lags[:, lag] = np.einsum("nt,nt->n", signal[:, : _RESAMPLED - lag], signal[:, lag:])
    lags[:, 0] = lags[:, 0] * (1 + 1e-7) + 1e-30
    a = np.zeros_like(lags)
    a[:, 0] = 1.0
    error = lags[:, 0].copy()
    for i in range(1, ORDER + 1):
        k = -np.einsum("nj,nj->n", a[:, :i], lags[:, i:0:-1]) / error
        a[:, : i + 1] += k[:, None] * a[:, i::-1]
        error *= np.maximum(1 - k**2, 1e-6)
    return a


def resonances(polynomial: FloatArray, count: int, low_hz: float = 50.0, high_hz: float = 5450.0) -> FloatArray:
    """Lowest poles of ``(n, 12)`` polynomials as frequency and bandwidth in Hz: ``(n, count, 2)``, NaN where fewer.

    Poles outside ``low_hz`` to ``high_hz`` are no resonances.
    """
    n = len(polynomial)
    companion = np.zeros((n, ORDER, ORDER))
    companion[:, 0] = -polynomial[:, 1:]
    companion[:, np.arange(1, ORDER), np.arange(ORDER - 1)] = 1.0
    poles = np.linalg.eigvals(companion) if n else np.empty((0, ORDER), complex)
    hz = np.angle(poles) * (RATE_LPC_HZ / (2 * np.pi))
    width = -np.log(np.maximum(np.abs(poles), 1e-12)) * (RATE_LPC_HZ / np.pi)
    hz = np.where((hz >= low_hz) & (hz <= high_hz), hz, np.inf)
    order = np.argsort(hz, axis=1, kind="stable")[:, :count]
    found = np.stack([np.take_along_axis(hz, order, 1), np.take_along_axis(width, order, 1)], axis=2)
    return np.asarray(np.where(np.isfinite(found[:, :, :1]), found, np.nan))


def formants(block: npt.NDArray[np.float32], count: int = 3, *, as_opensmile: bool = False) -> FloatArray:
    """Frequency and bandwidth in Hz of the lowest formants: ``(n, count, 2)``.

    ``block (n, 320)`` are 20-ms frames at 16 kHz. With ``as_opensmile`` the roots are
    those of ``1 - a1 z^-1 - … - a11 z^-11``: openSMILE 2.6 solves the prediction polynomial with
    this sign, which moves the frequencies and makes its bandwidths around 1 kHz. The eGeMAPS columns
    follow it so that they compare with published values; the true resonances are the default here.
    """
    polynomial = linear_prediction(block, as_opensmile=as_opensmile)
    if as_opensmile:
        polynomial[:, 1:] *= -1
    return resonances(polynomial, count)
