"""Speech as users' rooms and telephones give it: seeded changes of clean clips at 16 kHz.

Each function takes mono sound ``(n,)`` in [-1, 1] at 16 kHz and gives another of the same rate. Nothing here reads a
recording of a room or of noise: responses and noises are generated, so that a clip's changed copies can be made again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["band", "changed", "coarse", "noise", "reverberant", "speed", "with_noise"]

Sound = npt.NDArray[np.float32]
RATE_HZ = 16_000


def noise(n: int, rng: np.random.Generator, slope_db: float = -3.0) -> Sound:
    """Gaussian noise ``(n,)`` of unit power whose spectrum falls by ``slope_db`` an octave (0 white, -3 pink)."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 40.0)
    told = np.fft.irfft(spectrum * (hz / 1000) ** (slope_db / 6.02), n)
    return np.asarray(told / max(float(told.std()), 1e-9), np.float32)


def with_noise(sound: Sound, other: Sound, snr_db: float) -> Sound:
    """The sound with ``other`` (as long) under it, ``snr_db`` below by mean power."""
    power, under = float(np.mean(sound**2)), float(np.mean(other**2))
    if not power or not under:
        return sound
    return np.asarray(sound + other * np.sqrt(power / under / 10 ** (snr_db / 10)), np.float32)


def reverberant(sound: Sound, rng: np.random.Generator, t60_s: float, direct_db: float = 3.0) -> Sound:
    """Under an exponentially decaying noise response (Polack's model): ``t60_s`` until it has fallen by 60 dB.

    ``direct_db`` is the direct sound's energy over that of the rest.
    """
    from scipy.signal import fftconvolve

    n = int(t60_s * RATE_HZ)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[: RATE_HZ // 500] = 0
    tail *= np.sqrt(10 ** (-direct_db / 10) / np.sum(tail**2))
    tail[0] = 1.0
    told = fftconvolve(sound, tail)[: len(sound)]
    scale = np.sqrt(np.mean(sound**2) / max(float(np.mean(told**2)), 1e-12))
    return np.asarray(told * scale, np.float32)


def band(sound: Sound, low_hz: float, high_hz: float) -> Sound:
    """What a line lets through: fourth-order Butterworth, 300 to 3400 Hz for a telephone."""
    from scipy.signal import butter, sosfilt

    sos = butter(4, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(sosfilt(sos, sound), np.float32)


def coarse(sound: Sound, bits: int = 8) -> Sound:
    """Rounded by the mu law (ITU-T G.711, mu = 255) to ``bits``."""
    top = max(float(np.abs(sound).max(initial=0)), 1e-9)
    mu = 255.0
    pressed = np.sign(sound) * np.log1p(mu * np.abs(sound) / top) / np.log1p(mu)
    steps = 2 ** (bits - 1)
    pressed = np.round(pressed * steps) / steps
    return np.asarray(np.sign(pressed) * np.expm1(np.abs(pressed) * np.log1p(mu)) / mu * top, np.float32)


def speed(sound: Sound, factor: float) -> Sound:
    """Played ``factor`` times as fast, with the pitch that follows."""
    from scipy.signal import resample_poly

    up = round(100 / factor)
    return np.asarray(resample_poly(sound, up, 100), np.float32)


def changed(sound: Sound, rng: np.random.Generator, babble: Sequence[Sound] = ()) -> Sound:
    """One copy as another room might give it: speed, room, noise or others' talk, line and level, each at random."""
    told = speed(sound, float(rng.uniform(0.9, 1.12))) if rng.random() < 0.6 else sound
    if rng.random() < 0.4:
        told = reverberant(told, rng, float(rng.uniform(0.15, 0.8)), float(rng.uniform(-3, 9)))
    draw = rng.random()
    if draw < 0.45:
        under = noise(len(told), rng, float(rng.uniform(-6, 0)))
        told = with_noise(told, under, float(rng.uniform(8, 30)))
    elif draw < 0.6 and len(babble):
        under = np.zeros(len(told), np.float32)
        for _ in range(4):
            other = babble[int(rng.integers(len(babble)))]
            level = max(float(np.sqrt(np.mean(other**2))), 1e-6)
            under += np.resize(np.roll(other, int(rng.integers(len(other)))), len(told)) / level
        told = with_noise(told, under, float(rng.uniform(10, 25)))
    draw = rng.random()
    if draw < 0.15:
        told = coarse(band(told, 300, 3400))
    elif draw < 0.35:
        # Microphones and codecs that lose the top, or the bottom.
        told = band(told, float(rng.uniform(50, 250)), float(rng.uniform(3800, 7500)))
    gain = 10 ** (rng.normal(0, 4) / 20)
    return np.asarray(np.clip(told * gain, -1, 1), np.float32)
