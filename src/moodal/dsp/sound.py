"""Framing, windows and levels of mono sound at 16 kHz."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

__all__ = ["RATE_HZ", "frames", "gaussian", "hamming", "level_db", "mel_bank", "rms"]

#: Sampling rate that every function of this room's voice part expects, Hz.
RATE_HZ = 16_000

#: Level given to digital silence, dBFS, so that a level is always finite.
_LOWEST_DB = -140.0


def frames(samples: npt.NDArray[np.float32], size: int, hop: int) -> npt.NDArray[np.float32]:
    """Overlapping frames that fit wholly: a view ``(n, size)`` of ``samples (t,)``, one every ``hop`` samples."""
    if len(samples) < size:
        return np.empty((0, size), np.float32)
    (step,) = samples.strides
    shape = ((len(samples) - size) // hop + 1, size)
    # The shape is checked here, which spares the slow checks of sliding_window_view.
    return np.lib.stride_tricks.as_strided(samples, shape, (hop * step, step), writeable=False)


def hamming(size: int) -> npt.NDArray[np.float32]:
    """Symmetric Hamming window ``(size,)``."""
    return (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(size) / (size - 1))).astype(np.float32)


def gaussian(size: int, sigma: float) -> npt.NDArray[np.float32]:
    """Gaussian window ``(size,)`` whose standard deviation is ``sigma`` half lengths."""
    at = (np.arange(size) - (size - 1) / 2) / ((size - 1) / 2 * sigma)
    return np.asarray(np.exp(-0.5 * at**2), np.float32)


def rms(block: npt.NDArray[np.float32]) -> FloatArray:
    """Root mean square of each row of ``(n, size)``: ``(n,)``."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float32) / block.shape[1]))


def level_db(block: npt.NDArray[np.float32]) -> FloatArray:
    """Level of each row of ``(n, size)`` in dB re full scale (a full-scale square wave is 0), never below -140."""
    return np.asarray(np.maximum(20 * np.log10(np.maximum(rms(block), 1e-30)), _LOWEST_DB))


def mel_bank(bands: int, low_hz: float, high_hz: float, bins: int) -> tuple[npt.NDArray[np.float32], FloatArray]:
    """Triangular filters evenly spaced in mel (1127 ln(1 + f/700)).

    Returns weights ``(bins, bands)`` for a spectrum of ``bins`` from 0 Hz to half of `RATE_HZ`, and
    the bands' centres ``(bands,)`` in Hz.
    """
    edges = np.linspace(_mel(low_hz), _mel(high_hz), bands + 2)
    at = _mel(np.linspace(0, RATE_HZ / 2, bins))[:, None]
    step = edges[1] - edges[0]
    weights = np.clip(np.minimum(at - edges[:-2], edges[2:] - at) / step, 0, None)
    return weights.astype(np.float32), 700 * np.expm1(edges[1:-1] / 1127)


def _mel(hz: float | FloatArray) -> FloatArray:
    return np.asarray(1127 * np.log1p(np.asarray(hz) / 700))
