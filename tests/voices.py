"""Sound with known properties: pulse trains through resonators, tones in noise, trains of syllables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RATE = 16_000
Sound = npt.NDArray[np.float32]
VOWEL = ((700.0, 80.0), (1220.0, 90.0), (2600.0, 120.0))


def pulses(starts: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], seconds: float) -> Sound:
    """Band-limited pulses of given sizes at given samples (fractions of a sample count)."""
    n = round(seconds * RATE)
    out = np.zeros(n + 64)
    reach = np.arange(-31, 32)
    for at, size in zip(starts, sizes, strict=True):
        if 32 <= at < n - 32:
            whole = int(at)
            out[whole + reach] += size * np.sinc(reach - (at - whole)) * np.hanning(65)[1:-1]
    return out[:n].astype(np.float32)


def resonate(source: npt.NDArray[np.floating], formants: Sequence[tuple[float, float]] = VOWEL) -> Sound:
    """A source, 6 dB an octave softer upwards, through resonances (frequency, bandwidth in Hz); peak 0.5."""
    spectrum = np.fft.rfft(source, 2 * len(source))
    z = np.exp(-1j * np.linspace(0, np.pi, len(spectrum)))
    spectrum = spectrum / (1 - 0.98 * z)
    for hz, width in formants:
        r = np.exp(-np.pi * width / RATE)
        spectrum = spectrum / (1 - 2 * r * np.cos(2 * np.pi * hz / RATE) * z + r * r * z * z)
    out = np.fft.irfft(spectrum)[: len(source)]
    return (0.5 * out / np.abs(out).max()).astype(np.float32)


def vowel(
    hz: float = 120.0,
    seconds: float = 1.0,
    *,
    jitter: float = 0.0,
    shimmer_db: float = 0.0,
    formants: Sequence[tuple[float, float]] = VOWEL,
    seed: int = 0,
) -> Sound:
    """A vowel whose periods vary by ``jitter`` (standard deviation over mean) and whose pulses vary in dB."""
    rng = np.random.default_rng(seed)
    count = int(seconds * hz * 1.3) + 4
    periods = RATE / hz * (1 + jitter * rng.standard_normal(count))
    sizes = 10 ** (shimmer_db * rng.standard_normal(count) / 20)
    return resonate(pulses(np.cumsum(periods), sizes, seconds), formants)


def glide(low_hz: float, high_hz: float, seconds: float) -> tuple[Sound, npt.NDArray[np.float64]]:
    """A harmonic sound that glides evenly in octaves, and its frequency at each sample."""
    t = np.arange(round(seconds * RATE)) / RATE
    hz = low_hz * (high_hz / low_hz) ** (t / seconds)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    sound = sum(np.cos(k * phase + k) / k for k in range(1, 12))
    return np.asarray(0.1 * sound, np.float32), hz


def syllable_train(per_second: float, count: int, hz: float = 120.0) -> Sound:
    """``count`` vowels with a dip of loudness between them."""
    seconds = count / per_second
    t = np.arange(round(seconds * RATE)) / RATE
    swell = 0.03 + 0.97 * np.sin(np.pi * per_second * t) ** 2
    return (vowel(hz, seconds)[: len(t)] * swell).astype(np.float32)


def white(seconds: float, level: float = 0.1, seed: int = 1) -> Sound:
    """White noise of an RMS level."""
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)
