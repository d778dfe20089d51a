"""A made-up ASCERTAIN, in the layout that programs which read the set rely on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.lab.data import matlab
from moodal.lab.data.planted_clips import Clips
from moodal.lab.data.rated import LEVELS, quadrants
from moodal.lab.data.twin import write
from moodal.lab.data.windows import WindowsTruth

from .ascertain_layout import FIELDS, FILES, RATINGS, SCALES, TRAITS

__all__ = ["generate"]


def generate(
    root: Path, seed: int = 0, *, people: int = 3, trials: int = 4, effect: float = 1.0, fingerprint: float = 1.0
) -> WindowsTruth:
    """Three people (the last with wider tables of ECG) and four clips of 50 s and more; EEG as eight rows."""
    clips = Clips(seed, effect, fingerprint)
    rates = {"ecg": 256.0, "eda": 128.0}
    modalities = {m: (FIELDS[m], r) for m, r in rates.items()}
    raw, made = root / "ASCERTAIN_Raw", root / "ASCERTAIN_Features"
    names: list[str] = []
    told: list[list[float]] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in FIELDS}
    ratings = np.full((len(RATINGS), people, trials), np.nan)
    shown = np.stack([np.random.default_rng([seed, n]).permutation(trials) + 1 for n in range(people)])
    for n in range(1, people + 1):
        rng = np.random.default_rng([seed, n, 3])
        for k in range(trials):
            seconds = 50.0 + k
            signals = clips.signals(n, k + 1, modalities, seconds)
            valence, arousal = (clips.ratings(n, k + 1, (r,), SCALES[r], 0)[0] for r in ("valence", "arousal"))
            ratings[:, n - 1, k] = [arousal, valence, *rng.integers(0, 5, 3)]
            for m, rate in rates.items():
                folder, stem, variable = FILES[m]
                values = signals[m]
                stamps = 1e3 * np.arange(len(values)) / rate
                beside = rng.normal(size=(len(values), 3 if m == "eda" or n == people else 0))
                table = np.column_stack([stamps, beside, values])
                start = np.array([[2013.0, 5.0, 14.0, 10.0, k, 0.5]])
                held = {variable: table, f"time{folder[:3]}": start}
                write(raw / folder / f"Movie_P{n:02d}" / f"{stem}{k + 1}.mat", matlab.write(held))
                samples[m].append(values)
            eeg = rng.normal(size=(8, round(seconds * 32)))
            write(raw / "EEGData" / f"Movie_P{n:02d}" / f"EEG_Clip{k + 1}.mat", matlab.write({"ThisEEG": eeg}))
            names.append(f"s{n:02d}-v{k + 1:02d}")
            told.append([valence, arousal])
    reports = made / "Dt_SelfReports.mat"
    write(reports, matlab.write({"Ratings": ratings}))
    write(made / "Dt_Order_Movie.mat", matlab.write({"PermutationList": shown.astype(float)}))
    traits = np.random.default_rng(seed).uniform(1, 7, (people, len(TRAITS))).round(1)
    write(made / "Dt_Personality.mat", matlab.write({"Personality": traits}))
    levels = {r: [LEVELS[row[i] > at] for row in told] for i, (r, at) in enumerate([("valence", 0), ("arousal", 3)])}

    def spoil(where: Path) -> str:
        worse = ratings.copy()
        worse[0, 1, 2] = 8
        write(where / "ASCERTAIN_Features" / "Dt_SelfReports.mat", matlab.write({"Ratings": worse}))
        return "s02-v03"

    labels: dict[str, Sequence[Any]] = {**levels, "quadrant": quadrants(levels["valence"], levels["arousal"]),
                                        "ratings": [tuple(row) for row in told]}  # fmt: skip
    return WindowsTruth(
        names, [c[:3] for c in names], [""] * len(names), labels,
        parts=["ASCERTAIN_Raw/ECGData", "ASCERTAIN_Features/Dt_SelfReports.mat"],
        tables=["ASCERTAIN_Features/Dt_SelfReports.mat"], spoil=spoil,
        modalities={m: len(f) for m, f in FIELDS.items()}, settings={"ratings_by": "clip"},
        starts=[0.0] * len(names), samples=samples,
    )  # fmt: skip
