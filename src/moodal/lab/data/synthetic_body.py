"""Synthetic bodies: brain, eye, heart and muscle signals driven by one hidden state, each with a nuisance of its own.

A state of two values, drawn anew each second around the clip's label, changes the power of alpha (EEG), the interval
and height of beats (ECG), the rate of saccades (EOG) and the envelope of muscle activity (EMG). In every signal
something else changes too, that no other signal knows. Each person has a gain and an offset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .dataset import Dataset, Feature
from .index import Index
from .labels import Labels
from .planted import pink

__all__ = ["BODY", "Hidden", "bodies"]

Array = npt.NDArray[np.float64]

#: Modality → channels, rate in Hz.
BODY: dict[str, tuple[tuple[str, ...], float]] = {
    "eeg": (("F3", "F4", "O1", "O2"), 200.0),
    "eog": (("HEO",), 200.0),
    "ecg": (("ECG",), 500.0),
    "emg": (("EMG",), 500.0),
}


@dataclass(frozen=True)
class Hidden:
    """What drove the signals, by second: ``state (n, s)`` of 0 and 1, and each modality's ``nuisance (n, s)``."""

    state: npt.NDArray[np.int64]
    nuisance: Mapping[str, npt.NDArray[np.int64]]


def bodies(
    subjects: int = 12,
    clips: int = 12,
    *,
    seconds: int = 6,
    modalities: Sequence[str] = ("eeg", "eog", "ecg", "emg"),
    effect: float = 1.0,
    steady: float = 0.85,
    absent: float = 0.0,
    seed: int = 0,
) -> tuple[Dataset, Hidden]:
    """Signals in µV at the rates of `BODY`, label ``state`` (calm, active), and what is behind them.

    Parameters
    ----------
    subjects, clips : how many people, and clips of each.
    effect : 1: the state shows; 0: it does not.
    steady : share of a clip's seconds that have its label's state.
    absent : probability that a clip lacks a modality (one always stays).
    """
    rng = np.random.default_rng(seed)
    n = subjects * clips
    who = np.repeat(np.arange(subjects), clips)
    label = rng.permuted(np.tile([0, 1], (subjects, (clips + 1) // 2))[:, :clips], axis=1).ravel()
    state = np.where(rng.random((n, seconds)) < steady, label[:, None], 1 - label[:, None])
    shown = effect * state
    nuisance = {m: rng.integers(0, 2, (n, seconds)) for m in BODY}
    gone = rng.random((n, len(modalities))) < absent
    gone[np.arange(n), rng.integers(0, len(modalities), n)] = False
    make = {"eeg": _eeg, "eog": _eog, "ecg": _ecg, "emg": _emg}
    features = {}
    for k, m in enumerate(modalities):
        names, rate = BODY[m]
        gain, offset = rng.uniform(0.7, 1.4, subjects), rng.normal(0, 10, (subjects, len(names)))
        examples = []
        for i in range(n):
            values = make[m](shown[i].astype(float), nuisance[m][i].astype(float), rate, rng)
            examples.append(None if gone[i, k] else gain[who[i]] * values + offset[who[i]])
        features[m] = Feature.build(m, examples, rate_hz=rate, fields=names, source=f"synthetic body {seed}")
    trials = [f"s{w + 1:02d}-t{i % clips + 1:03d}" for i, w in enumerate(who)]
    index = Index.build(
        "synthetic-body",
        {
            "clip": trials,
            "recording": [f"{t}.edf" for t in trials],
            "subject": [f"s{w + 1:02d}" for w in who],
            "trial": trials,
            "start_s": np.zeros(n),
            "end_s": np.full(n, float(seconds)),
        },
        {"state": Labels.of_classes([("calm", "active")[v] for v in label], ("calm", "active"))},
        terms="made up: no terms",
    )
    return Dataset(index, features), Hidden(state, {m: nuisance[m] for m in modalities})


def _held(values: Array, rate: float) -> Array:
    """Seconds to samples."""
    return np.repeat(values, round(rate))


def _eeg(state: Array, other: Array, rate: float, rng: np.random.Generator) -> Array:
    n = len(state) * round(rate)
    t = np.arange(n) / rate
    alpha = np.sin(2 * np.pi * 10 * t + rng.uniform(0, 6.28)) * _held(18 - 14 * state, rate)
    beta = np.sin(2 * np.pi * 24 * t + rng.uniform(0, 6.28)) * _held(2 + 10 * other, rate)
    share = np.array([[0.4, 1.0], [0.4, 1.0], [1.0, 0.4], [1.0, 0.4]])  # alpha behind, beta in front
    noise = np.stack([8 * pink(n, rng)[:, 0] for _ in share], axis=1)
    return np.asarray(noise + alpha[:, None] * share[:, 0] + beta[:, None] * share[:, 1])


def _eog(state: Array, other: Array, rate: float, rng: np.random.Generator) -> Array:
    n = len(state) * round(rate)
    jump = rng.random(n) < _held(0.4 + 3.6 * state, rate) / rate
    steps = np.where(jump, rng.choice([-1, 1], n) * rng.uniform(60, 140, n), 0.0)
    gaze = np.zeros(n)
    decay = np.exp(-1 / (0.6 * rate))  # recorded through a capacitor: a step fades
    level = 0.0
    for i in range(n):
        level = level * decay + steps[i]
        gaze[i] = level
    t = np.arange(n) / rate
    drift = 25 * np.sin(2 * np.pi * 1.5 * t + rng.uniform(0, 6.28)) * _held(other, rate)
    return np.asarray((gaze + drift + rng.normal(0, 4, n))[:, None])


def _ecg(state: Array, other: Array, rate: float, rng: np.random.Generator) -> Array:
    n = len(state) * round(rate)
    t = np.arange(n) / rate
    values = rng.normal(0, 12, n)
    at = rng.uniform(0, 0.6)
    while at < t[-1]:
        now = min(int(at), len(state) - 1)
        high = 900 - 450 * state[now]
        values += high * np.exp(-((t - at) ** 2) / (2 * 0.012**2))
        wave = 160 if other[now] == 0 else -160
        values += wave * np.exp(-((t - at - 0.22) ** 2) / (2 * 0.04**2))
        at += (0.95 - 0.35 * state[now]) * rng.normal(1, 0.03)
    return np.asarray(values[:, None])


def _emg(state: Array, other: Array, rate: float, rng: np.random.Generator) -> Array:
    n = len(state) * round(rate)
    white = rng.normal(size=n)
    low = np.convolve(white, np.ones(6) / 6**0.5, "same")  # slow fibres: power below some 60 Hz
    tone = np.where(_held(other, rate) > 0.5, low, np.diff(white, append=0.0) / 2**0.5)
    return np.asarray((tone * _held(8 + 32 * state, rate) + rng.normal(0, 1, n))[:, None])
