"""A made-up DEAP in each of its three layouts, with real rates, names and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.lab.data import matlab, pickles
from moodal.lab.data.planted_clips import Clips
from moodal.lab.data.rated import LEVELS, quadrants
from moodal.lab.data.twin import tabled, write
from moodal.lab.data.windows import WindowsTruth
from moodal.media.generated_edf import write as write_bdf

from .deap_layout import (
    CLIP_S,
    COLUMNS,
    EEG,
    FIELDS,
    FOLDERS,
    RATE_HZ,
    RATINGS,
    RATINGS_FILE,
    RAW_HZ,
    REST_S,
    ROWS,
    TWENTE,
    site,
)

__all__ = ["generate"]

#: Between the start of one video and of the next, s.
_APART_S = 68


def generate(
    root: Path,
    seed: int = 0,
    *,
    people: int = 2,
    trials: int = 4,
    effect: float = 1.0,
    fingerprint: float = 1.0,
    version: str = "python",
) -> WindowsTruth:
    """Two people, one from each laboratory, and four videos, as files for Python (or MATLAB, or original BDF)."""
    clips = Clips(seed, effect, fingerprint)
    rate = RAW_HZ if version == "raw" else RATE_HZ
    names: list[str] = []
    told: list[list[float]] = []
    begins: list[float] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in FIELDS}
    table: list[list[object]] = []
    numbers = sorted({round(n) for n in np.linspace(1, 32, people)})
    for n in numbers:
        order = np.random.default_rng([seed, n, 9]).permutation(trials)
        rated = [clips.ratings(n, k + 1, RATINGS, (1, 9)) for k in range(trials)]
        made = [
            clips.signals(n, k + 1, {m: (f, rate) for m, f in FIELDS.items()}, CLIP_S, rest_s=REST_S)
            for k in range(trials)
        ]
        for place, k in enumerate(order.tolist()):
            start = round(1e4 * (5 + _APART_S * place))  # ticks of a tenth of a millisecond
            known = "" if n in (2, 15, 23) else 1 + (n + k) % 5
            table.append([n, place + 1, k + 1, start, *rated[k], known])
        file = root / FOLDERS[version][0] / FOLDERS[version][1].format(n)
        if version == "raw":
            _recording(file, n, made, order.tolist(), clips)
        else:
            _segments(file, n, made, rated, version)
        for k in range(trials):
            names.append(f"s{n:02d}-v{k + 1:02d}")
            told.append(rated[k])
            at = 5.0 + _APART_S * order.tolist().index(k) if version == "raw" else k * (REST_S + CLIP_S) + REST_S
            begins.append(at)
            for m in FIELDS:
                samples[m].append(made[k][m][round(REST_S * rate) :])
    write(root / RATINGS_FILE, tabled([*COLUMNS, "Familiarity"], table))
    levels = {r: [LEVELS[row[i] >= 5] for row in told] for i, r in enumerate(RATINGS)}

    def spoil(where: Path) -> str:
        lines = (where / RATINGS_FILE).read_text().splitlines()
        cells = lines[1].split(",")
        cells[4] = "12.0"
        write(where / RATINGS_FILE, "\n".join([lines[0], ",".join(cells), *lines[2:], ""]))
        return f"video {cells[2]}" if version != "raw" else f"s01-v{int(cells[2]):02d}"

    labels: dict[str, Sequence[Any]] = {**levels, "quadrant": quadrants(levels["valence"], levels["arousal"]),
                                        "ratings": [tuple(row) for row in told]}  # fmt: skip
    return WindowsTruth(
        names, [c[:3] for c in names], [""] * len(names), labels, parts=[FOLDERS[version][0]], tables=[RATINGS_FILE],
        spoil=spoil, modalities={m: len(f) for m, f in FIELDS.items()}, starts=begins,
        samples={} if version == "raw" else samples,
    )  # fmt: skip


def _segments(file: Path, n: int, made: list[dict[str, Any]], rated: list[list[float]], version: str) -> None:
    data = np.zeros((len(made), 40, round((REST_S + CLIP_S) * RATE_HZ)))
    for k, streams in enumerate(made):
        # What the makers do to EEG: 4 to 45 Hz, then the average of all electrodes taken away.
        spectrum = np.fft.rfft(streams["eeg"], axis=0)
        hertz = np.fft.rfftfreq(len(streams["eeg"]), 1 / RATE_HZ)
        eeg = np.fft.irfft(spectrum * ((hertz >= 4) & (hertz <= 45))[:, None], len(streams["eeg"]), axis=0)
        streams["eeg"] = eeg - eeg.mean(axis=1, keepdims=True)
        for m, values in streams.items():
            told = _skin(values, n) if m == "eda" else values
            data[k, ROWS[m][0] : ROWS[m][-1] + 1] = told.T
    held = {"labels": np.array(rated), "data": data}
    write(file, pickles.write(held) if version == "python" else matlab.write(held))


def _skin(values: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """Microsiemens as the laboratory writes them: nanosiemens, or ohm."""
    return values * 1e3 if site(n) == "Twente" else 1e6 / values


def _recording(file: Path, n: int, made: list[dict[str, Any]], order: list[int], clips: Clips) -> None:
    """All trials in the order in which they were shown, with markers; electrodes as the laboratory orders them."""
    seconds = 10 + _APART_S * len(order)
    noise = clips.person(n).drawn("raw")
    rows = {name: noise.normal(size=seconds * 512) for name in EEG}
    rows |= {f"EXG{k}": noise.normal(size=seconds * 512) for k in range(1, 9)}
    rows |= {name: np.zeros(seconds * 512) for name in ("GSR1", "GSR2", "Erg1", "Erg2", "Resp", "Plet", "Temp")}
    rows["GSR1"] += 2e3 if site(n) == "Twente" else 5e5
    rows["Temp"] += 30.0
    # Geneva's trigger word has its upper bits set for good.
    idle = 0 if site(n) == "Twente" else 0x19FF00
    status = np.full(seconds * 512, float(idle))
    for place, k in enumerate(order):
        at = round((5.0 + _APART_S * place - REST_S) * 512)
        status[at - 512 : at - 500] += 3
        status[at + 1536 : at + 1560] += 4
        status[at + 1536 + 60 * 512 : at + 1560 + 60 * 512] += 5
        where = slice(at, at + 63 * 512)
        for i, name in enumerate(EEG):
            rows[name][where] = made[k]["eeg"][:, i]
        for m, first in (("eog", 1), ("emg", 5)):
            for i in range(2):
                rows[f"EXG{first + 2 * i}"][where] = made[k][m][:, i] / 2
                rows[f"EXG{first + 1 + 2 * i}"][where] = -made[k][m][:, i] / 2
        rows["GSR1"][where] = _skin(made[k]["eda"], n)[:, 0]
        for name, m in (("Resp", "resp"), ("Plet", "ppg"), ("Temp", "temp")):
            rows[name][where] = made[k][m][:, 0]
    electrodes = TWENTE if site(n) == "Twente" else EEG
    offsets = {name: float(noise.uniform(-2e4, 2e4)) for name in electrodes}
    channels: list[tuple[str, str, int, tuple[float, float], Any]] = [
        (c, "uV", 512, (-262144.0, 262143.0), rows[c] + offsets[c]) for c in electrodes
    ]
    channels += [(f"EXG{k}", "uV", 512, (-262144.0, 262143.0), rows[f"EXG{k}"]) for k in range(1, 9)]
    channels += [(c, "Ohm" if site(n) == "Geneva" else "nS", 512, (-8388608, 8388607), rows[c])
                 for c in ("GSR1", "GSR2")]  # fmt: skip
    channels += [(c, "", 512, (-262144.0, 262143.0), rows[c]) for c in ("Erg1", "Erg2", "Resp", "Plet", "Temp")]
    channels.append(("Status" if n <= 23 else "", "Boolean", 512, (-8388608, 8388607), status))
    if n >= 29:
        channels.append(("", "Boolean", 512, (-8388608, 8388607), np.full(seconds * 512, float(idle))))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bdf(file, channels, reserved="24BIT", width=3)
