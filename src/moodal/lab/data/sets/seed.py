"""SEED: EEG of 15 people on three days, who watched the same fifteen clips of Chinese films each day.

Clips are numbered by the digits of their variable (``jl_eeg7`` is clip 7, whoever ``jl`` is); the same film is the same
stimulus on every day. Read a person at a time: `people` holds one person's signals, `read` those of all (7.6 GB as
float32 at 200 Hz).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data import matlab, sjtu
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import Reading, Stream, asked_people, gathered
from moodal.lab.data.told import mapped
from moodal.lab.data.twin import write
from moodal.lab.data.windows import WindowsTruth

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="seed",
    title="SEED",
    modalities=("eeg",),
    labels=("emotion",),
    licence="on request and by agreement, for academic research alone.",
    commercial="no",
    where="https://bcmi.sjtu.edu.cn/home/seed/seed.html",
    layout="Preprocessed_EEG/1_20131027.mat (jl_eeg1 … jl_eeg15), Preprocessed_EEG/label.mat, ExtractedFeatures/",
    source="Zheng and Lu 2015, IEEE TAMD 7(3), 162-175",
)
EMOTIONS = ("negative", "neutral", "positive")
PARTS = ("signals", *sjtu.FEATURES)
STREAMS = {"eeg": Stream("eeg", sjtu.CHANNELS, 200.0)}
CLIPS = range(1, 16)
#: How long each film lasts, s: steps of 1 s of the published features.
LASTS_S = (235, 233, 206, 238, 185, 195, 237, 216, 265, 237, 235, 233, 235, 238, 206)
#: The makers' split within a sitting: the first clips train, the rest tests.
TRAIN_CLIPS = 9
_FILE = r"(\d+)_(\d{8})\.mat"
_SIGNAL = r"[a-z]+_eeg(\d+)"


def read(
    root: Path | str | None = None,
    *,
    part: str = "signals",
    rate_hz: float | None = None,
    window_s: float | None = 4.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All people's clips in windows of ``window_s`` every ``hop_s`` s (end to end, if not said); None: whole clips.

    Modality ``eeg``: 62 channels in µV at 200 Hz, or at ``rate_hz``, if that is lower. ``part`` may name published
    features instead (``de``, ``psd``, each plain or smoothed: ``de_LDS``): 310 values a second, ``delta_FP1`` …; those
    that were smoothed over whole trials are stamped. ``subjects`` are the numbers of those people who are read (all),
    ``accept`` names checks that are waived. Label ``emotion``: negative, neutral, positive. ``split`` is the makers':
    clips 1 to 9 train, 10 to 15 test, in every sitting; ``day`` numbers a person's sittings by date.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it should be.
    """
    each = people(root, part=part, rate_hz=rate_hz, window_s=window_s, hop_s=hop_s, subjects=subjects, accept=accept)
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    part: str = "signals",
    rate_hz: float | None = None,
    window_s: float | None = 4.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    sjtu.part_of(part, PARTS, SPEC.name)
    path, _ = find(SPEC, root)
    folder = "Preprocessed_EEG" if part == "signals" else "ExtractedFeatures"
    (home,) = need(SPEC, path, [folder])
    told = _told(next((p for p in (home / "label.mat", path / "label.mat") if p.exists()), None), home)
    files = sjtu.files_of(home, _FILE)
    if not files:
        raise lacking(SPEC, f"its recordings ({folder}/1_20131027.mat)", path)
    for person in asked_people(subjects, list(files), SPEC.name):
        ask = sjtu.reading(
            SPEC.name, part, STREAMS, 1.0, rate_hz=rate_hz, window_s=window_s, hop_s=hop_s, accept=accept
        )
        yield sjtu.stamped(_person(files[person], person, part, told, ask, accept), part)


def _told(path: Path | None, home: Path) -> list[str]:
    """The emotion of each clip, from ``label.mat``."""
    if path is None:
        raise lacking(SPEC, "its labels (label.mat)", home)
    codes = matlab.numbers(matlab.need(matlab.load(path, "label"), "label", where=path), "label", path, 1)
    if len(codes) != len(CLIPS):
        raise InputError(f"labels {len(codes)} clips, {len(CLIPS)} were shown", where=str(path), fix="Get it again.")
    for k, code in enumerate(codes.tolist()):
        if code not in (-1, 0, 1):
            raise InputError(f"labels clip {k + 1} {code:g}, not -1, 0 or 1", where=str(path), fix="Get it again.")
    return [EMOTIONS[int(code) + 1] for code in codes]


def _person(
    files: Sequence[Any], person: int, part: str, told: Sequence[str], ask: Reading, accept: Sequence[str]
) -> Dataset:
    subject, collected = f"S{person:02d}", ask.windowed()
    for day, file in enumerate(sorted(files, key=lambda f: f.rest[0])):
        date = file.rest[0]
        pattern = _SIGNAL if part == "signals" else rf"{part}(\d+)"
        names = sjtu.clip_variables(file.path, pattern, CLIPS)
        shapes = matlab.shapes(file.path)
        rate = ask.streams["eeg"].rate_hz
        seconds = {n: shapes[name][1] / rate for n, name in names.items()}
        if note := sjtu.proven(seconds, file.path, rate, lasts=LASTS_S, accept=accept):
            ask.note(note)
        at = 0.0  # clips lie one after another on the file's own axis
        for n, name in names.items():
            values = sjtu.clip_values(file.path, name) if part == "signals" else sjtu.feature_values(file.path, name)
            stream = ask.channels("eeg", values, f"{file.path}!{name}", start_s=at)
            collected.add(
                {"eeg": stream}, at, stream.end_s, trial=sjtu.trial_name(subject, date, n),
                recording=str(file.path), subject=subject, session=f"{subject}-{date}", stimulus=f"film-{n:02d}",
                split="train" if n <= TRAIN_CLIPS else "test", number=n, day=day + 1, _emotion=told[n - 1],
            )  # fmt: skip
            at += len(values) / rate
    if len(files) != 3:
        ask.note(f"{subject} has {len(files)} of 3 sittings here; day numbers those that are here by date")
    return collected.dataset(_labels, terms=SPEC.licence, notices=ask.notices, where=str(files[0].path))


def _labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
    same = {name: name for name in EMOTIONS}
    return {"emotion": mapped(told["_emotion"], same, "sentiment3")}


#: Emotion of each clip, and the two states that show it in a twin.
_ORDER = (1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1)
_SIDES = {-1: (-1.0, -1.0), 0: (1.0, -1.0), 1: (1.0, 1.0)}
_INITIALS = ("djc", "jl", "jj", "lqj", "ly", "mhw", "phl", "sxy", "wk", "ww", "wsf", "wyw", "xyl", "ys", "zjy")


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 15, sittings: int = 1, clip_s: float = 4.0,
    features: bool = True, effect: float = 1.0, fingerprint: float = 1.0,
) -> WindowsTruth:  # fmt: skip
    """People in the official layout, persons 1 and 10 first, fifteen clips of 4 s a sitting, with features beside.

    ``trials`` is the makers' fifteen; ``sittings`` (up to 3) and ``clip_s`` make more of it.
    """
    if trials != len(CLIPS):
        raise InputError(f"has {trials} clips, {len(CLIPS)} were shown", where=SPEC.name, fix="Leave trials out.")
    numbers = sorted([1, 10, *(n for n in range(2, 16) if n != 10)][:people])
    clips, who, splits, told = [], [], [], []
    samples: list[npt.NDArray[Any]] = []
    for number in numbers:
        person = Person.of(seed, number)
        for k in range(sittings):
            name = f"{number}_{20131027 + 7 * k + number}.mat"
            held: dict[str, Any] = {}
            made: dict[str, Any] = {}
            for n in CLIPS:
                sides, stimulus = _SIDES[_ORDER[n - 1]], f"film-{n:02d}"
                values = sjtu.planted_clip("eeg", sjtu.CHANNELS, clip_s, 200.0, person, sides, 100 * k + n, stimulus,
                                           effect=effect, fingerprint=fingerprint)  # fmt: skip
                held[f"{_INITIALS[number - 1]}_eeg{n}"] = values.T
                if features:
                    plain = sjtu.planted_features(values, 200.0, 1.0)
                    made |= {f"de_movingAve{n}": sjtu.smoothed_like(plain), f"de_LDS{n}": sjtu.smoothed_like(plain)}
                windows = int(clip_s // 2)
                subject, date = f"S{number:02d}", name[-12:-4]
                clips += [f"{subject}-{date}-{n:02d}-w{w + 1:03d}" for w in range(windows)]
                who += [subject] * windows
                splits += ["train" if n <= TRAIN_CLIPS else "test"] * windows
                told += [EMOTIONS[_ORDER[n - 1] + 1]] * windows
                samples += [values[400 * w : 400 * (w + 1)] for w in range(windows)]
            write(root / "Preprocessed_EEG" / name, matlab.write(held, compressed=False))
            if features:
                write(root / "ExtractedFeatures" / name, matlab.write(made, compressed=False))
    labels = matlab.write({"label": np.array([_ORDER], np.int16)}, compressed=False)
    for folder in ("Preprocessed_EEG", *(["ExtractedFeatures"] if features else [])):
        write(root / folder / "label.mat", labels)

    def spoil(where: Path) -> str:
        wrong = np.array([[*_ORDER[:2], 7, *_ORDER[3:]]], np.int16)
        write(where / "Preprocessed_EEG" / "label.mat", matlab.write({"label": wrong}))
        return "clip 3"

    return WindowsTruth(
        clips, who, splits, {"emotion": told}, parts=["Preprocessed_EEG", "Preprocessed_EEG/label.mat"],
        tables=["Preprocessed_EEG/label.mat"], spoil=spoil, modalities={"eeg": len(sjtu.CHANNELS)},
        settings={"window_s": 2.0}, starts=[clip_s * (int(c[-7:-5]) - 1) + 2.0 * (int(c[-3:]) - 1) for c in clips],
        samples={"eeg": samples},
    )  # fmt: skip
