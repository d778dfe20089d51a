"""Log-mel spectrogram, as Whisper's encoder expects it."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["log_mel", "mel_filters"]

RATE_HZ = 16_000
HOP_S = 0.01
_WINDOW = 400  # 25 ms
_HOP = 160  # 10 ms


def _hz_to_mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above."""
    step = np.log(6.4) / 27
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1000) / 1000) / step)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    step = np.log(6.4) / 27
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(step * (np.maximum(mel, 15) - 15)))


@cache
def mel_filters(bands: int = 80) -> npt.NDArray[np.float32]:
    """``(bands, 201)``: triangles over 0 to 8 kHz, each of unit area (Slaney's normalisation)."""
    bins = np.linspace(0, RATE_HZ / 2, _WINDOW // 2 + 1)
    top = _hz_to_mel(np.array([RATE_HZ / 2]))[0]
    edges = _mel_to_hz(np.linspace(0, top, bands + 2))
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    area = 2 / (edges[2:] - edges[:-2])
    return np.asarray(np.maximum(0, np.minimum(rise, fall)) * area[:, None], np.float32)


def log_mel(sound: npt.NDArray[np.floating], bands: int = 80) -> npt.NDArray[np.float32]:
    """``(frames, bands)`` every 10 ms of mono sound ``(n,)`` at 16 kHz in [-1, 1].

    Power spectrum of 25 ms Hann windows centred on the frame (edges mirrored), log10, cut 8 below the clip's maximum,
    shifted to about [-1, 1] (Radford et al. 2022, section 2.2 and the code published with it).

    A clip shorter than 13 ms gives no frame.
    """
    half = _WINDOW // 2
    if len(sound) <= half:
        return np.zeros((0, bands), np.float32)
    padded = np.pad(np.asarray(sound, np.float32), half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][: len(sound) // _HOP]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * hann, axis=1)) ** 2
    mel = np.log10(np.maximum(power @ mel_filters(bands).T, 1e-10))
    return np.asarray((np.maximum(mel, mel.max(initial=-10) - 8) + 4) / 4, np.float32)
