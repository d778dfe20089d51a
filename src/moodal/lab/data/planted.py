"""Signals of made-up people in which a state is planted: what twins of physiological data sets are written from.

A state between -1 (calm) and 1 (aroused) changes each signal the way such states are known to (less alpha, more beta;
a faster heart; more skin responses; …). ``effect = 0`` leaves the state out, so that nothing can be learnt;
``fingerprint`` scales what tells people and trials apart and has nothing to do with the state, so that a leaking split
has something to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["KINDS", "Person", "latent", "pink", "signal"]


@dataclass(frozen=True, slots=True)
class Person:
    """What is a person's own: alpha's frequency (Hz), the heart's rate at rest (1/min), skin conductance (µS) and
    temperature (°C) at rest, breath (1/min), and where the gains of channels come from."""

    number: int
    seed: int
    alpha_hz: float
    heart: float
    skin: float
    warmth: float
    breath: float

    @classmethod
    def of(cls, seed: int, number: int) -> Person:
        """Person ``number`` of the people of a seed: always the same."""
        rng = np.random.default_rng([seed, number, 1])
        return cls(number, seed, float(rng.uniform(8.8, 11.2)), float(rng.uniform(58, 82)), float(rng.uniform(2, 8)),
                   float(rng.uniform(31, 35)), float(rng.uniform(12, 17)))  # fmt: skip

    def drawn(self, *what: object) -> np.random.Generator:
        """Random numbers that are this person's for that thing."""
        return np.random.default_rng([self.seed, self.number, crc32(repr(what).encode())])


def latent(stimulus: str, seconds: int, seed: int = 0, period_s: float = 8.0) -> FloatArray:
    """A slow course ``(seconds,)`` in [-1, 1] that everybody who meets the stimulus shares."""
    rng = np.random.default_rng([seed, crc32(stimulus.encode())])
    half = max(1, round(period_s / 2))
    kernel = np.hanning(2 * half + 1)
    course = np.convolve(rng.normal(size=seconds + 2 * half), kernel, "valid")
    return np.asarray(np.tanh(1.2 * course / np.sqrt(np.square(kernel).sum())))


def pink(n: int, rng: np.random.Generator, channels: int = 1) -> FloatArray:
    """Noise of power 1/f, deviation 1: ``(n, channels)``."""
    spectrum = np.fft.rfft(rng.normal(size=(n, channels)), axis=0)
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))[:, None]
    values = np.fft.irfft(spectrum, n, axis=0)
    return np.asarray(values / values.std(axis=0))


def signal(
    kind: str,
    channels: Sequence[str],
    seconds: float,
    rate_hz: float,
    person: Person,
    state: float | FloatArray,
    rng: np.random.Generator,
    *,
    effect: float = 1.0,
    fingerprint: float = 1.0,
    trial: int = 0,
) -> FloatArray:
    """``(n, channels)`` of a kind of `KINDS` in moodal's unit (µV, µS, °C, g; pulse and breath without one).

    Parameters
    ----------
    state : one number, or one a second, in [-1, 1].
    effect : 1: the state shows; 0: it does not.
    fingerprint : how much of what is the person's and the trial's own shows; 0: all people and trials are alike.
    trial : which of the person's trials.
    """
    n = round(seconds * rate_hz)
    course = np.atleast_1d(np.asarray(state, np.float64)) * effect
    held = course[np.minimum((np.arange(n) / rate_hz).astype(int), len(course) - 1)]
    made = _Making(n, rate_hz, tuple(channels), held, person, trial, fingerprint, rng)
    return KINDS[kind](made)


@dataclass(frozen=True)
class _Making:
    n: int
    rate_hz: float
    channels: tuple[str, ...]
    state: FloatArray
    person: Person
    trial: int
    fingerprint: float
    rng: np.random.Generator

    @property
    def time(self) -> FloatArray:
        return np.arange(self.n) / self.rate_hz

    def own(self, what: str, usual: float, told: float) -> float:
        """A person's value, as far as fingerprints show."""
        return usual + self.fingerprint * (told - usual)

    def gains(self, what: str, spread: float) -> FloatArray:
        """Gain of each channel: the person's, times the trial's (a third as wide)."""
        out = []
        for name in self.channels:
            mine, now = self.person.drawn(what, name).normal(), self.person.drawn(what, name, self.trial).normal()
            out.append(np.exp(self.fingerprint * spread * (mine + now / 3)))
        return np.array(out)

    def noise(self) -> FloatArray:
        return np.asarray(self.rng.normal(size=(self.n, len(self.channels))))

    def band(self, centre_hz: float, width_hz: float) -> FloatArray:
        """Noise around a frequency, deviation 1, the same at all channels but for a third of it: ``(n, channels)``."""
        f = np.fft.rfftfreq(self.n, 1 / self.rate_hz)
        shape = np.exp(-np.square((f - centre_hz) / width_hz) / 2)[:, None]
        both = np.concatenate([self.rng.normal(size=(self.n, 1)), self.noise()], axis=1)
        values = np.fft.irfft(np.fft.rfft(both, axis=0) * shape, self.n, axis=0)
        values /= np.maximum(values.std(axis=0), 1e-12)
        return np.asarray(0.9 * values[:, :1] + 0.44 * values[:, 1:])

    def events(self, rate_a_minute: FloatArray, kernel: FloatArray, jitter: float) -> FloatArray:
        """A kernel at each beat of a rhythm whose rate is told a sample: ``(n,)``."""
        steps = rate_a_minute / 60 / self.rate_hz
        wobble = 1 + jitter * pink(self.n, self.rng)[:, 0]
        phase = self.rng.uniform() + np.cumsum(steps * wobble)
        at = np.flatnonzero(np.diff(np.floor(phase)) > 0)
        train = np.zeros(self.n)
        train[at] = 1.0
        return np.asarray(np.convolve(train, kernel)[: self.n])


def _eeg(m: _Making) -> FloatArray:
    # Names tell front from back: alpha is strongest behind, beta in front (Fp, AF, F against P, PO, O).
    upper = [c.upper() for c in m.channels]
    front = np.array([1.0 if c.startswith(("FP", "AF", "F")) else 0.5 for c in upper])
    back = np.array([1.0 if c.startswith(("P", "O")) else 0.45 for c in upper])
    alpha = m.band(m.own("alpha", 10.0, m.person.alpha_hz), 0.8) * (9 * back * np.exp(-0.55 * m.state)[:, None])
    beta = m.band(22.0, 4.0) * (3 * front * np.exp(0.55 * m.state)[:, None])
    rest = 7 * pink(m.n, m.rng, len(m.channels))
    return np.asarray((rest + alpha * m.gains("alpha", 0.3) + beta * m.gains("beta", 0.3)) * m.gains("eeg", 0.25))


def _eog(m: _Making) -> FloatArray:
    t = np.arange(round(1.5 * m.rate_hz)) / m.rate_hz
    fade = np.exp(-t / 0.4)
    jumps = (m.rng.random(m.n) < np.exp(0.6 * m.state) / m.rate_hz) * m.rng.choice([-1.0, 1.0], m.n) * 90
    blink = 160 * np.exp(-np.square((t - 0.15) / 0.06) / 2)
    blinks = np.convolve(m.rng.random(m.n) < 0.2 / m.rate_hz, blink)[: m.n]
    gaze = np.convolve(jumps, fade)[: m.n]
    return np.asarray((gaze + blinks)[:, None] * m.gains("eog", 0.2) + 4 * m.noise())


def _heart(m: _Making) -> FloatArray:
    return np.asarray(m.own("heart", 70.0, m.person.heart) * (1 + 0.13 * m.state))


def _ecg(m: _Making) -> FloatArray:
    t = np.arange(round(0.6 * m.rate_hz)) / m.rate_hz
    beat = 150 * np.exp(-np.square((t - 0.08) / 0.025) / 2) + 1000 * np.exp(-np.square((t - 0.2) / 0.012) / 2)
    beat += -180 * np.exp(-np.square((t - 0.235) / 0.012) / 2) + 250 * np.exp(-np.square((t - 0.45) / 0.04) / 2)
    return np.asarray(m.events(_heart(m), beat, 0.08)[:, None] * m.gains("ecg", 0.25) + 12 * m.noise())


def _ppg(m: _Making) -> FloatArray:
    t = np.arange(round(0.8 * m.rate_hz)) / m.rate_hz
    pulse = np.exp(-np.square((t - 0.2) / 0.09) / 2) + 0.35 * np.exp(-np.square((t - 0.5) / 0.11) / 2)
    return np.asarray(60 * (m.events(_heart(m), pulse, 0.08)[:, None] - 0.3) * m.gains("ppg", 0.25) + m.noise())


def _eda(m: _Making) -> FloatArray:
    t = np.arange(round(20 * m.rate_hz)) / m.rate_hz
    response = np.exp(-t / 4) - np.exp(-t / 0.75)  # rise and fall of a response (Lim et al. 1997)
    often = 5 * np.exp(0.9 * m.state) / 60 / m.rate_hz
    driven = (m.rng.random(m.n) < often) * m.rng.uniform(0.3, 1.0, m.n)
    level = m.own("skin", 4.0, m.person.skin) * np.exp(0.12 * m.state)
    return np.asarray(level[:, None] + np.convolve(driven, response)[: m.n, None] + 0.01 * m.noise())


def _resp(m: _Making) -> FloatArray:
    rate = m.own("breath", 14.0, m.person.breath) * (1 + 0.2 * m.state)
    phase = 2 * np.pi * (m.rng.uniform() + np.cumsum(rate / 60 / m.rate_hz))
    return np.asarray(3 * np.sin(phase)[:, None] * m.gains("resp", 0.2) + 0.1 * m.noise())


def _temp(m: _Making) -> FloatArray:
    slow = m.own("warmth", 33.0, m.person.warmth) - 0.3 * m.state
    return np.asarray(
        slow[:, None] + 0.05 * m.person.drawn("temp", m.trial).normal() * m.fingerprint + 0.01 * m.noise()
    )


def _emg(m: _Making) -> FloatArray:
    white = m.rng.normal(size=(m.n + 1, len(m.channels)))
    return np.asarray(np.diff(white, axis=0) * (8 * np.exp(0.8 * m.state))[:, None] * m.gains("emg", 0.3))


def _acc(m: _Making) -> FloatArray:
    down = m.person.drawn("acc").normal(size=3) if m.fingerprint else np.array([0.0, 0.0, 1.0])
    down = np.resize(down / np.linalg.norm(down), len(m.channels))
    return np.asarray(down + 0.02 * np.exp(0.6 * m.state)[:, None] * m.noise())


KINDS: dict[str, Callable[[_Making], FloatArray]] = {
    "eeg": _eeg, "eog": _eog, "ecg": _ecg, "emg": _emg, "ppg": _ppg, "eda": _eda, "resp": _resp, "temp": _temp,
    "acc": _acc,
}  # fmt: skip
