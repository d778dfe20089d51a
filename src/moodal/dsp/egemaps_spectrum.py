"""Spectral descriptors of eGeMAPS from 20-ms frames: loudness, balance, slopes, flux, MFCC, level.

Definitions: Eyben et al. 2016 (IEEE Trans. Affective Computing 7(2)), with the constants of the
eGeMAPS v02 configuration. Where openSMILE 2.6 departs from the text of the paper, this module
follows the numbers that it gives, since the columns bear its names; each such place says so.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .sound import RATE_HZ, hamming, mel_bank, rms

__all__ = ["FFT_SIZE", "FRAME", "HOP", "power_spectra", "spectral_descriptors"]

#: Samples of a frame, of the step between frames, and of the transform.
FRAME, HOP, FFT_SIZE = 320, 160, 512
_BINS = FFT_SIZE // 2 + 1
_BIN_HZ = RATE_HZ / FFT_SIZE
#: Scale that HTK's cepstra assume: 16-bit samples.
_HTK = 32767.0**2
#: Mel energies below this count as this, as in HTK: about the energy of rounding to 16 bits.
_MEL_FLOOR = np.float32(1.0)
_TINY = np.float32(1e-20)


def power_spectra(block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Power spectra ``(n, 257)`` of frames ``(n, 320)`` under a Hamming window."""
    spectra = np.fft.rfft(block * _window(), FFT_SIZE)
    return np.asarray(spectra.real**2 + spectra.imag**2, np.float32)


@cache
def _window() -> npt.NDArray[np.float32]:
    return hamming(FRAME)


@cache
def _mel() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Filters ``(257, 26)`` and the equal-loudness weight of each band, to the power 0.33.

    Hermansky 1990 (J. Acoust. Soc. Am. 87(4)), equation 7, with a further roll-off above 5 kHz.
    """
    bank, centres = mel_bank(26, 20, 8000, _BINS)
    w = 2 * np.pi * centres
    curve = (w**2 + 56.8e6) * w**4 / ((w**2 + 6.3e6) ** 2 * (w**2 + 0.38e9)) / (0.17 + 1e-32 * w**7)
    return bank, (curve**0.33).astype(np.float32)


@cache
def _htk_bank() -> npt.NDArray[np.float32]:
    """The filters as HTK cuts them: bins below 1.5 bins above the lowest frequency have no share ``(257, 26)``."""
    bank = _mel()[0].copy()
    bank[:2] = 0
    return bank


@cache
def _cepstrum() -> npt.NDArray[np.float32]:
    """Cosine transform of 26 log bands to MFCC 1 to 4, liftered by 22: ``(26, 4)``."""
    k = np.arange(1, 5)
    cosines = np.cos(np.pi * k * (np.arange(26)[:, None] + 0.5) / 26) * np.sqrt(2 / 26)
    return np.asarray(cosines * (1 + 11 * np.sin(np.pi * k / 22)), np.float32)


@cache
def _slopes() -> npt.NDArray[np.float32]:
    """Regression of dB on Hz over 0-500 Hz and 500-1500 Hz, as weights ``(49, 2)`` of bins 0 to 48.

    openSMILE divides by one bin less than it sums over; so do these weights.
    """
    weights = np.zeros((49, 2))
    for column, (low, high) in enumerate(((0, 16), (16, 48))):
        hz = np.arange(low, high + 1) * _BIN_HZ
        n = len(hz) - 1
        weights[low : high + 1, column] = (n * hz - hz.sum()) / (n * (hz**2).sum() - hz.sum() ** 2)
    return weights.astype(np.float32)


def spectral_descriptors(
    block: npt.NDArray[np.float32], power: npt.NDArray[np.float32], before: npt.NDArray[np.float32] | None
) -> FloatArray:
    """Eleven descriptors of each frame: ``(n, 11)`` float32.

    Loudness, alpha ratio (dB), Hammarberg index (dB), slope 0-500 and 500-1500 (dB/Hz), spectral
    flux, MFCC 1 to 4, level (dBFS). ``block (n, 320)`` samples, ``power (n, 257)`` of
    `power_spectra`, ``before (257,)`` the power of the frame before the first (``None``: there is
    none, and its flux is 0). A frame of digital silence has NaN where a logarithm has nothing to
    work on.
    """
    bank, curve = _mel()
    bands = power @ bank
    silent = power.max(axis=1) <= 0
    safe = np.maximum(power, _TINY)
    loudness = (np.maximum(bands, 0) ** np.float32(0.33) * curve).mean(axis=1)
    alpha = 10 * np.log10(safe[:, 32:161].sum(axis=1) / safe[:, :32].sum(axis=1))
    hammarberg = 10 * np.log10(safe[:, :65].max(axis=1) / safe[:, 65:161].max(axis=1))
    slopes = 10 * np.log10(safe[:, :49]) @ _slopes()
    magnitude = np.sqrt(power[:, :161])
    first = magnitude[:1] if before is None else np.sqrt(before[None, :161])
    change = np.diff(magnitude, axis=0, prepend=first)
    flux = np.sqrt(np.einsum("ij,ij->i", change, change) / 160)
    mfcc = np.log(np.maximum((power @ _htk_bank()) * np.float32(_HTK), _MEL_FLOOR)) @ _cepstrum()
    level = 20 * np.log10(np.maximum(rms(block), 1e-7))
    out = np.column_stack([loudness, alpha, hammarberg, slopes, flux, mfcc, level]).astype(np.float32)
    out[silent, 1:5] = np.nan
    out[silent, 6:10] = np.nan
    return np.asarray(out)
