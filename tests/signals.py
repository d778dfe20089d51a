"""Body signals with known truth, made on the spot: beats are where we put them, responses as large as we say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Rates at which the laws look at each kind, Hz.
RATES: dict[str, float | None] = {
    "ecg": 250.0,
    "ppg": 64.0,
    "ibi": None,
    "hr": 1.0,
    "eda": 4.0,
    "resp": 25.0,
    "temp": 4.0,
    "acc": 32.0,
    "emg": 500.0,
    "eeg": 100.0,
}


def beats(seconds: float, *, rate: float = 66.0, spread: float = 0.04, seed: int = 0) -> Array:
    """Times of beats, s: breathing makes them come faster and slower, chance a little too."""
    rng = np.random.default_rng(seed)
    times, t = [], 0.4
    while t < seconds:
        times.append(t)
        t += 60 / rate * (1 + spread * np.sin(2 * np.pi * 0.25 * t) + 0.25 * spread * rng.standard_normal())
    return np.array(times)


def _laid(times: Array, shape: list[tuple[float, float, float]], seconds: float, rate: float) -> Array:
    """A sum of bumps (amplitude, place after the beat in s, width in s) at every beat."""
    t = np.arange(round(seconds * rate)) / rate
    x = np.zeros(len(t))
    for beat in times:
        low, high = np.searchsorted(t, (beat - 0.6, beat + 0.9))
        for amplitude, place, width in shape:
            x[low:high] += amplitude * np.exp(-0.5 * ((t[low:high] - beat - place) / width) ** 2)
    return x


def ecg(seconds: float, rate: float = 250.0, *, times: Array | None = None, noise: float = 10.0) -> Array:
    """An ECG in µV with P, Q, R, S and T waves, wandering and noise."""
    times = beats(seconds) if times is None else times
    shape = [(90, -0.17, 0.025), (-110, -0.026, 0.011), (1100, 0, 0.011), (-240, 0.03, 0.012), (250, 0.24, 0.05)]
    x = _laid(times, shape, seconds, rate)
    t = np.arange(len(x)) / rate
    return x + 60 * np.sin(2 * np.pi * 0.2 * t) + noise * np.random.default_rng(1).standard_normal(len(x))


def ppg(seconds: float, rate: float = 64.0, *, times: Array | None = None, noise: float = 0.3) -> Array:
    """A pulse wave: a systolic and a dicrotic bump a beat, 0.2 s after it."""
    times = beats(seconds) if times is None else times
    x = _laid(times, [(60, 0.2, 0.1), (20, 0.48, 0.12)], seconds, rate)
    t = np.arange(len(x)) / rate
    return x + 8 * np.sin(2 * np.pi * 0.1 * t) + noise * np.random.default_rng(2).standard_normal(len(x))


def eda(seconds: float, rate: float = 4.0, *, onsets: tuple[float, ...] = (12, 31, 50), size: float = 0.4) -> Array:
    """Skin conductance in µS: a level that falls slowly and a response at each onset, ``size`` high."""
    t = np.arange(round(seconds * rate)) / rate
    x = 5 - 0.002 * t + 2e-4 * np.random.default_rng(3).standard_normal(len(t))
    for onset in onsets:
        u = np.maximum(t - onset, 0)
        bump = np.exp(-u / 4.0) - np.exp(-u / 0.8)
        x += size * bump / 0.5351
    return x


def resp(seconds: float, rate: float = 25.0, *, breaths: float = 14.0) -> Array:
    """Breathing, 2 from trough to peak."""
    t = np.arange(round(seconds * rate)) / rate
    return np.sin(2 * np.pi * breaths / 60 * t) + 0.02 * np.random.default_rng(4).standard_normal(len(t))


def temp(seconds: float, rate: float = 4.0, *, slope: float = 0.3) -> Array:
    """A temperature in °C that rises by ``slope`` a minute."""
    t = np.arange(round(seconds * rate)) / rate
    return 32 + slope / 60 * t + 0.005 * np.random.default_rng(5).standard_normal(len(t))


def acc(seconds: float, rate: float = 32.0) -> Array:
    """Three axes in g: at rest, but shaken from 10 to 15 s."""
    t = np.arange(round(seconds * rate)) / rate
    x = 0.005 * np.random.default_rng(6).standard_normal((len(t), 3)) + np.array([0.6, 0.0, 0.8])
    x[(t >= 10) & (t < 15)] += 0.5 * np.sin(2 * np.pi * 3 * t[(t >= 10) & (t < 15), None])
    return x


def emg(seconds: float, rate: float = 500.0) -> Array:
    """A surface EMG in µV: quiet, but a burst from 5 to 8 s."""
    t = np.arange(round(seconds * rate)) / rate
    x = np.random.default_rng(7).standard_normal(len(t))
    return np.where((t >= 5) & (t < 8), 80, 4) * x


def eeg(seconds: float, rate: float = 100.0, *, channels: int = 19, alpha: float = 15.0) -> Array:
    """An EEG in µV: noise that falls with frequency, shared by neighbours, and a rhythm of 10 Hz, strongest behind."""
    rng = np.random.default_rng(8)
    n = round(seconds * rate)
    f = np.fft.rfftfreq(n, 1 / rate)
    white = np.fft.rfft(rng.standard_normal((n, channels)), axis=0)
    pink = np.fft.irfft(white / np.maximum(f, 0.5)[:, None] ** 0.7, n, axis=0)
    mixed = pink @ (0.6 * np.eye(channels) + 0.4 / channels)
    t = np.arange(n) / rate
    front = np.linspace(0.3, 1.0, channels)
    return 8 * mixed / mixed.std() + alpha * np.sin(2 * np.pi * 10 * t)[:, None] * front


def sampled(kind: str, seconds: float) -> tuple[Array, Array]:
    """Times ``(n,)`` and samples ``(n, channels)`` of a kind, with a hole and a stretch of NaN where it is sampled."""
    if kind in ("ibi", "hr"):
        times = beats(seconds)
        if kind == "ibi":
            keep = ~((times[1:] > 30) & (times[1:] < 36))
            return times[1:][keep], np.diff(times)[keep, None]
        t = np.arange(2.0, seconds)
        return t, (70 + 5 * np.sin(t / 20))[:, None]
    make = {"ecg": ecg, "ppg": ppg, "eda": eda, "resp": resp, "temp": temp, "acc": acc, "emg": emg, "eeg": eeg}[kind]
    rate = RATES[kind]
    assert rate is not None
    x = make(seconds, rate)
    x = x.reshape(len(x), -1).copy()
    t = np.arange(len(x)) / rate
    x[(t >= 40) & (t < 43)] = np.nan
    here = (t < 60) | (t >= 63.2)
    return t[here], x[here]
