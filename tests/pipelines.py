"""Made-up recordings and features that tests of pipelines run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from moodal.lab.data.raw import Phase, Raw, Signal
from moodal.lab.pipeline import register

#: Seconds of each phase of a made-up person.
PHASE_S = 120.0


def ecg(rng: np.random.Generator, seconds: float, rate: float, beats: float) -> np.ndarray:
    """Microvolts: a wave of 1 mV at each beat."""
    t = np.arange(round(seconds * rate)) / rate
    x, at = 15 * rng.normal(size=len(t)), rng.uniform(0, 0.4)
    while at < seconds:
        x += 1000 * np.exp(-(((t - at) / 0.02) ** 2))
        at += 60 / beats + 0.02 * rng.normal()
    return x


def eda(rng: np.random.Generator, seconds: float, rate: float, responses: float) -> np.ndarray:
    """Microsiemens: a level and responses."""
    t = np.arange(round(seconds * rate)) / rate
    x = 3 + 0.002 * rng.normal(size=len(t))
    for at in rng.uniform(0, seconds, round(responses * seconds / 60)):
        u = np.maximum(t - at, 0)
        x += 0.6 * (np.exp(-u / 4) - np.exp(-u / 0.8)) * (t >= at)
    return x


@register("tests.people", stage="acquire")
def people(root: object = None, n: int = 5, seed: int = 0, effect: float = 1.0) -> Iterator[Raw]:
    """Two phases, ``rest`` and ``task``, with an ECG at 100 Hz and skin at 4 Hz."""
    for k in range(n):
        rng = np.random.default_rng([seed, k])
        base = rng.normal(70, 4)
        parts = [
            (ecg(rng, PHASE_S, 100.0, base + effect * up * 15), eda(rng, PHASE_S, 4.0, 2 + effect * up * 4))
            for up in (0, 1)
        ]
        signals = {
            "ecg": Signal("ecg", "ecg", np.concatenate([p[0] for p in parts])[:, None], 100.0),
            "eda": Signal("eda", "eda", np.concatenate([p[1] for p in parts])[:, None], 4.0),
        }
        phases = (Phase("rest", 0.0, PHASE_S), Phase("task", PHASE_S, 2 * PHASE_S))
        yield Raw(f"r{k}", f"s{k}", signals, phases, 0.0, 2 * PHASE_S)


def table(values: np.ndarray, subjects: list[str], labels: list[str], segments: list[str]) -> Iterator[Raw]:
    """Rows of numbers as recordings of one window each; ``segments`` are the trials they were cut from."""
    for k, row in enumerate(values):
        signals = {"noise": Signal("noise", "", row[None, :], None)}
        columns = {"trial": segments[k]}
        yield Raw(f"{subjects[k]}-{k}", subjects[k], signals, (Phase(labels[k], 0.0, 1.0),), 0.0, 1.0, columns=columns)


@register("tests.noise", stage="acquire")
def noise(root: object = None, rows: int = 40, columns: int = 1000, seed: int = 0) -> Iterator[Raw]:
    """Columns of noise, balanced labels at random, each row of a person of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(["a", "b"] * (rows // 2))
    names = [f"s{k:02d}" for k in range(rows)]
    yield from table(rng.normal(size=(rows, columns)), names, labels.tolist(), names)


@register("tests.segments", stage="acquire")
def segments(root: object = None, people: int = 20, seed: int = 0) -> Iterator[Raw]:
    """Four segments a person, 15 windows each: a signature of the segment and noise, the label random by segment."""
    rng = np.random.default_rng(seed)
    values, subjects, labels, trials = [], [], [], []
    for s in range(people):
        for k in range(4):
            signature, label = rng.normal(size=20), str(rng.choice(["a", "b"]))
            values.append(signature + rng.normal(size=(15, 20)))
            subjects += [f"s{s:02d}"] * 15
            labels += [label] * 15
            trials += [f"s{s:02d}-{k}"] * 15
    yield from table(np.concatenate(values), subjects, labels, trials)


def write_folder(folder: Path, seconds: float = 40.0, phases: tuple[str, ...] = ("Base", "Base_2")) -> list[str]:
    """``{subject}/{subject}_{phase}_{signal}.csv`` of three people, one of whose names has a blank."""
    names = ["S 1", "S2", "S3"]
    for k, who in enumerate(names):
        (folder / who).mkdir(parents=True)
        for p, phase in enumerate(phases):
            rng = np.random.default_rng([k, p])
            # The skin's sensor starts half a second after the heart's.
            for name, rate, x, zero in (
                ("ECG", 100.0, ecg(rng, seconds, 100.0, 65 + 15 * p), 1000.0),
                ("EDA", 4.0, eda(rng, seconds, 4.0, 2 + 4 * p), 1000.5),
            ):
                lines = [f"timestamp,{name}", *(f"{zero + i / rate:.4f},{v:.5f}" for i, v in enumerate(x))]
                (folder / who / f"{who}_{phase}_{name}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return names
