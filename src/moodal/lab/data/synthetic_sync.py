"""Made-up people who watch the same clips: a slow course of each clip shows in everybody's signals, soon after.

Each person has a brain, a heart and a skin of their own (`moodal.lab.data.planted`), which are louder than the course:
only what several people do at the same moment of a clip, or several signals of one person, tells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .dataset import Dataset, Feature
from .index import Index
from .labels import Labels
from .planted import Person, latent, signal

__all__ = ["STREAMS", "watching"]

#: Stream → channels, rate in Hz.
STREAMS: dict[str, tuple[tuple[str, ...], float]] = {
    "eeg": (("Fz", "F4", "O1", "O2"), 128.0),
    "ecg": (("ECG",), 128.0),
    "ppg": (("PPG",), 32.0),
    "eda": (("EDA",), 4.0),
    "temp": (("TEMP",), 4.0),
}


def watching(
    people: int = 8,
    clips: int = 6,
    *,
    seconds: int = 60,
    window_s: float = 5.0,
    streams: Sequence[str] = ("eeg", "eda"),
    period_s: float = 8.0,
    shared: float = 1.0,
    effect: float = 1.0,
    lift: float = 0.5,
    fingerprint: float = 1.0,
    lag_s: float = 1.0,
    absent: float = 0.0,
    skipped: float = 0.0,
    seed: int = 0,
) -> tuple[Dataset, dict[str, npt.NDArray[Any]]]:
    """Windows end to end, label ``mood`` (low, high) of each clip, and each clip's course by second.

    Parameters
    ----------
    period_s : how slow the course is; ``shared`` how strong it shows, ``effect`` how strong the label's level does
        (both 0: nothing can be learnt); ``lift`` is that level, added to the course for high, taken away for low.
    lag_s : people are up to so late.
    absent : probability that a window lacks a stream (one always stays); ``skipped`` that a person skips a clip.
    """
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {c: [] for c in ("clip", "recording", "subject", "session", "trial", "stimulus",
                                                     "start_s", "end_s")}  # fmt: skip
    examples: dict[str, list[npt.NDArray[Any] | None]] = {m: [] for m in streams}
    told: list[str] = []
    names = [f"film{k + 1:02d}" for k in range(clips)]
    high = {name: bool(k % 2) for k, name in enumerate(rng.permutation(names).tolist())}
    courses = {name: shared * latent(name, seconds + round(lag_s), seed, period_s) for name in names}
    for p in range(people):
        person, who = Person.of(seed, p + 1), f"s{p + 1:02d}"
        late = int(rng.integers(0, round(lag_s) + 1))
        clock = 0.0
        for k in rng.permutation(clips).tolist():
            if rng.random() < skipped:
                continue
            name = names[k]
            course = np.clip(courses[name][round(lag_s) - late :][:seconds]
                             + effect * lift * (1 if high[name] else -1), -1.3, 1.3)  # fmt: skip
            made = {m: signal(m, STREAMS[m][0], seconds, STREAMS[m][1], person, course, rng, fingerprint=fingerprint,
                              trial=k) for m in streams}  # fmt: skip
            for w in range(int(seconds / window_s)):
                gone = rng.random(len(streams)) < absent
                gone[rng.integers(len(streams))] = False
                for m, away in zip(streams, gone, strict=True):
                    rate = STREAMS[m][1]
                    part = made[m][round(w * window_s * rate) : round((w + 1) * window_s * rate)]
                    examples[m].append(None if away else part)
                row = (f"{who}-{name}-w{w + 1:03d}", f"{who}.edf", who, who, f"{who}-{name}", name,
                       clock + w * window_s, clock + (w + 1) * window_s)  # fmt: skip
                for column, value in zip(columns, row, strict=True):
                    columns[column].append(value)
                told.append("high" if high[name] else "low")
            clock += seconds + 8.0
    features = {
        m: Feature.build(m, examples[m], rate_hz=STREAMS[m][1], fields=STREAMS[m][0], source=f"watching {seed}")
        for m in streams
    }
    index = Index.build("watching", columns, {"mood": Labels.of_classes(told, ("low", "high"))}, terms="made up")
    return Dataset(index, features), courses
