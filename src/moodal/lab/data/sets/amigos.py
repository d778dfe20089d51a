"""AMIGOS: EEG of a headset, two leads of ECG and skin conductance of 40 people who watch 16 short and 4 long clips.

The preprocessed MATLAB files are read. Ratings stand in another order than DEAP's (arousal first); three people saw no
long clips; in seven people parts of the signals are not valid, and `SKIPPED` leaves them out unless asked otherwise.
Stretches without values are holes: a window with one lacks that signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data import matlab
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted_clips import Clips
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.rated import LEVELS, quadrants
from moodal.lab.data.skin import SKIN_UNITS, Skin
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.streams import each
from moodal.lab.data.told import checked
from moodal.lab.data.twin import write
from moodal.lab.data.watched import BASELINES, NoHoles, Trial, Watched, apart, numbered, picked, subtracted, together
from moodal.lab.data.windows import Channels, WindowsTruth

__all__ = ["SKIPPED", "SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="amigos",
    title="AMIGOS",
    modalities=("eeg", "ecg", "eda"),
    labels=("arousal", "valence", "dominance", "liking", "familiarity", "quadrant", "ratings", "emotions"),
    licence="by signed agreement, academic research only; not to be passed on.",
    commercial="no",
    where="https://www.eecs.qmul.ac.uk/mmv/datasets/amigos/",
    layout="Data_Preprocessed_P01.mat … P40.mat, in one folder or one a person",
    source="Miranda-Correa et al. 2021, IEEE Trans. Affective Computing 12(2), 479-493",
)
#: Order of the first five columns of a self-assessment, and of the seven after them.
RATINGS = ("arousal", "valence", "dominance", "liking", "familiarity")
EMOTIONS = ("neutral", "disgust", "happiness", "surprise", "anger", "fear", "sadness")
EEG = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
FIELDS = {"eeg": EEG, "ecg": ("right", "left"), "eda": ("eda",)}
#: Columns of ``joined_data``.
_COLUMNS = {"eeg": slice(0, 14), "ecg": slice(14, 16), "eda": slice(16, 17)}
RATE_HZ, REST_S, SHORT = 128.0, 5.0, 16
#: People whose preprocessed files hold invalid data (by the list of the library torcheeg).
SKIPPED = (9, 12, 21, 22, 23, 24, 33)
VIDEOS = ("short", "long", "all")
_PATTERN = r"Data_Preprocessed_P(\d+)\.mat"


def read(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    videos: str = "short",
    window_s: float | None = None,
    hop_s: float | None = None,
    baseline: str = "drop",
    rule: str = "ge5",
    skip: Sequence[int] = SKIPPED,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
    as_published: Sequence[str] = (),
) -> Dataset:
    """One example a trial, or its windows of ``window_s`` every ``hop_s`` seconds.

    Modalities, all at 128 Hz: ``eeg`` (14 electrodes) and ``ecg`` (right and left arm) in µV, ``eda`` in µS. Labels:
    the ratings (1 to 9) as low or high by ``rule``, ``quadrant``, ``ratings``, and ``emotions`` (those that the person
    ticked). Trials are named after the clip's own id, column ``position`` is its place in the file. Sessions: short
    and long clips were watched on different days.

    Parameters
    ----------
    signals : which modalities; all, if none is named.
    videos : ``short``, ``long`` or ``all`` clips.
    baseline : the 5 s before a clip: ``drop``, ``keep`` as a part of the trial, or ``subtract`` (their mean is taken
        from each channel).
    skip : people who are left out.
    subjects : which people, by number; all but those skipped, if none is named.
    accept : self-checks that are waived, of `plausible.CHECKS`.
    as_published : signals whose unit is neither proved nor converted.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it says it is.
    """
    asked = _Asked.of(root, signals, videos, baseline, skip, subjects, accept, as_published)
    collector = partial(asked.collector, window_s, hop_s, rule)
    data = together(map(asked.trials, asked.files), collector, asked.notices, SPEC, asked.path)
    return asked.with_emotions(data)


def people(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    videos: str = "short",
    window_s: float | None = None,
    hop_s: float | None = None,
    baseline: str = "drop",
    rule: str = "ge5",
    skip: Sequence[int] = SKIPPED,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
    as_published: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    asked = _Asked.of(root, signals, videos, baseline, skip, subjects, accept, as_published)
    collector = partial(asked.collector, window_s, hop_s, rule)
    parts = apart(map(asked.trials, asked.files), collector, asked.notices, SPEC, asked.path)
    return each(asked.with_emotions, parts)


@dataclass
class _Asked:
    """What is read and how; ``lasts`` how long each clip was for the first who watched it, s."""

    path: Path
    files: dict[int, Path]
    signals: tuple[str, ...]
    videos: str
    baseline: str
    checks: Plausible
    as_published: Sequence[str]
    skin: Skin = field(default_factory=Skin)
    said: list[str] = field(default_factory=list)
    lasts: dict[str, float] = field(default_factory=dict)
    emotions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    absent: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, root: Path | str | None, signals: Sequence[str], videos: str, baseline: str, skip: Sequence[int],
        subjects: Sequence[int], accept: Sequence[str], as_published: Sequence[str],
    ) -> _Asked:  # fmt: skip
        checked("videos", videos, VIDEOS, SPEC.name)
        checked("baseline", baseline, BASELINES, SPEC.name)
        wanted = picked(signals, FIELDS, SPEC.name)
        untouched = picked(as_published, FIELDS, SPEC.name) if as_published else ()
        checks = Plausible(SPEC.name, accept)
        path, _ = find(SPEC, root)
        inside = [path, path / "data_preprocessed"]
        inside += [f for place in inside if place.is_dir() for f in place.iterdir() if f.is_dir()]
        files = numbered(
            {f for place in dict.fromkeys(inside) if place.is_dir() for f in place.iterdir() if f.is_file()}, _PATTERN
        )
        if not files:
            raise lacking(SPEC, "its people (Data_Preprocessed_P01.mat)", path)
        for n in subjects:
            if n not in files:
                raise lacking(SPEC, f"Data_Preprocessed_P{n:02d}.mat", path)
        said = [f"has {len(files)} of 40 people"] if len(files) < 40 else []
        if out := [n for n in files if n in skip and n not in subjects]:
            said.append(f"people {', '.join(map(str, out))} are left out: parts of their signals are not valid (skip)")
        kept = {n: f for n, f in files.items() if (n in subjects if subjects else n not in skip)}
        if not kept:
            raise InputError("has nobody who is not skipped", where=str(path), fix="Give skip = [].")
        return cls(path, kept, wanted, videos, baseline, checks, untouched, said=said)

    def collector(self, window_s: float | None, hop_s: float | None, rule: str) -> Watched:
        return Watched(SPEC.name, {m: (FIELDS[m], RATE_HZ) for m in self.signals}, window_s, hop_s, rule, (1.0, 9.0))

    def notices(self) -> list[str]:
        gone = [f"{m} has no values in {len(t)} trials (first: {t[0]})" for m, t in self.absent.items()]
        return [*self.said, *gone, *self.skin.notices(), *self.checks.notices]

    def with_emotions(self, data: Dataset) -> Dataset:
        """The same with the emotions that were ticked; nothing ticked is no emotion."""
        told = [self.emotions.get(t, ()) for t in data.index["trial"]]
        values = np.array([[e in ticked for e in EMOTIONS] for ticked in told], bool)
        labels = Labels("multilabel", EMOTIONS, values, source=tuple("|".join(t) for t in told))
        return Dataset(data.index.with_labels(emotions=labels), data.features)

    def trials(self, n: int) -> Iterator[Trial]:
        """All trials of a person that are asked for, in the file's order."""
        file = self.files[n]
        held = matlab.load(file, "joined_data", "labels_selfassessment", "VideoIDs")
        data, told = (matlab.need(held, k, where=file) for k in ("joined_data", "labels_selfassessment"))
        if not isinstance(data, list) or not isinstance(told, list) or len(data) != len(told):
            raise InputError("its joined_data and labels_selfassessment are not cells of one length", where=str(file),
                             fix="Get the file again.")  # fmt: skip
        ids = held.get("VideoIDs", [f"{k + 1:02d}" for k in range(len(data))])
        if not isinstance(ids, list) or len(ids) != len(data) or len({str(v) for v in ids}) != len(ids):
            raise InputError("its VideoIDs do not name each clip once", where=str(file), fix="Get the file again.")
        arrays = [self._array(v, file) for v in data]
        scales = self._scales(n, arrays, file)
        clock, given = 0.0, 0
        for k, values in enumerate(arrays):
            wanted = self.videos == "all" or (k < SHORT) == (self.videos == "short")
            if len(values) and wanted:
                trial = self._trial(n, k, str(ids[k]), values, told[k], scales, clock, file)
                given += trial is not None
                if trial is not None:
                    yield trial
            clock += len(values) / RATE_HZ
        if not given:
            which = "" if self.videos == "all" else f"{self.videos} "
            self.said.append(f"s{n:02d} has no {which}trials and is left out")

    def _array(self, value: Any, file: Path) -> npt.NDArray[Any]:
        values = matlab.numbers(value, "joined_data", file, 2)
        if values.size and values.shape[1] != 17:
            raise InputError(f"a clip has the shape {values.shape}, not (n, 17)", where=str(file),
                             fix="Get the file again.")  # fmt: skip
        return values if values.size else np.zeros((0, 17))

    def _scales(self, n: int, arrays: list[npt.NDArray[Any]], file: Path) -> dict[str, Any]:
        """What turns each signal into our unit, proved on all of a person's clips."""
        scales: dict[str, Any] = {}
        if "eda" in self.signals and "eda" not in self.as_published:
            some = np.concatenate([v[::64, 16] for v in arrays] or [np.zeros(0)])
            if np.isfinite(some).any():
                scales["eda"] = SKIN_UNITS[self.skin.unit(n, some, file)]
        return scales

    def _trial(self, n: int, k: int, video: str, values: npt.NDArray[Any], told: Any, scales: dict[str, Any],
               clock: float, file: Path) -> Trial | None:  # fmt: skip
        name = f"s{n:02d}-v{video}"
        where = f"{file.name}, clip {video}"
        seconds = len(values) / RATE_HZ
        if seconds <= REST_S:
            self.said.append(f"{name} lasts {seconds:.1f} s, no longer than its rest, and is left out")
            return None
        expected = self.lasts.setdefault(video, seconds) if k < SHORT else None
        streams: dict[str, Channels] = {}
        for m in self.signals:
            part = values[:, _COLUMNS[m]]
            if not np.isfinite(part).any():
                self.absent.setdefault(m, []).append(name)
                continue
            part = scales[m](part) if m in scales else part
            kind = "resp" if m in self.as_published else m  # respiration has no unit that could be checked
            self.checks.stream(kind, part, RATE_HZ, FIELDS[m], where, expected_s=expected)
            streams[m] = NoHoles(part, RATE_HZ, clock)
        ratings = dict.fromkeys(RATINGS, float("nan"))
        row = matlab.numbers(told, "labels_selfassessment", file).ravel().astype(float)
        if row.size and row.size != 12:
            raise InputError(f"clip {video} has {row.size} ratings, not 12", where=str(file), fix="Get it again.")
        if row.size:
            ratings = dict(zip(RATINGS, row[:5].tolist(), strict=True))
            self.emotions[name] = tuple(e for e, on in zip(EMOTIONS, row[5:], strict=True) if on == 1)
        onset = clock + REST_S
        if self.baseline == "subtract":
            streams = {m: subtracted(c, clock, onset) for m, c in streams.items()}
        begin = clock if self.baseline == "keep" else onset
        columns = {"session": f"s{n:02d}-{'short' if k < SHORT else 'long'}", "position": str(k + 1)}
        return Trial(f"s{n:02d}", f"v{video}", str(file), streams, begin, clock + seconds, ratings, columns)


#: Ids of the clips in the order of the files: 16 short ones, then 4 long ones.
_IDS = ("10", "13", "138", "18", "19", "20", "23", "30", "31", "34", "36", "4", "5", "58", "80", "9", "N1", "P1", "B1",
        "U1")  # fmt: skip


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 4, effect: float = 1.0, fingerprint: float = 1.0
) -> WindowsTruth:
    """Two people, four short clips of 20 s and more, and a long one that the second person did not see."""
    clips = Clips(seed, effect, fingerprint)
    modalities = {m: (f, RATE_HZ) for m, f in FIELDS.items()}
    names: list[str] = []
    told: list[list[float]] = []
    ticked: list[tuple[str, ...]] = []
    begins: list[float] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in FIELDS}
    numbers = [n for n in range(1, 41) if n not in SKIPPED][:people]
    files: dict[str, dict[str, Any]] = {}
    for n in numbers:
        cells: list[Any] = [np.zeros((0, 0)) for _ in _IDS]
        rows: list[Any] = [np.zeros((0, 0)) for _ in _IDS]
        clock = 0.0
        for k in [*range(trials), *([SHORT] if n != numbers[-1] else [])]:
            seconds = 20.0 + k % SHORT if k < SHORT else 60.0
            made = clips.signals(n, k + 1, modalities, seconds, rest_s=REST_S)
            cells[k] = np.concatenate([made[m] for m in FIELDS], axis=1)
            scores = clips.ratings(n, k + 1, RATINGS, (1, 9))
            on = np.arange(len(EMOTIONS)) == (n + k) % len(EMOTIONS)
            rows[k] = np.array([[*scores, *on.astype(float)]])
            if k < SHORT:
                names.append(f"s{n:02d}-v{_IDS[k]}")
                told.append(scores)
                ticked.append(tuple(e for e, x in zip(EMOTIONS, on, strict=True) if x))
                begins.append(clock + REST_S)
                for m in FIELDS:
                    samples[m].append(made[m][round(REST_S * RATE_HZ) :])
            clock += REST_S + seconds
        files[f"Data_Preprocessed_P{n:02d}.mat"] = {
            "joined_data": cells, "labels_selfassessment": rows, "VideoIDs": list(_IDS),
            "labels_ext_annotation": [np.zeros((0, 0))] * len(_IDS),
        }  # fmt: skip
    for name, held in files.items():
        write(root / name, matlab.write(held))
    levels = {r: [LEVELS[row[i] >= 5] for row in told] for i, r in enumerate(RATINGS)}

    def spoil(where: Path) -> str:
        name, held = next(iter(files.items()))
        rows = [r.copy() for r in held["labels_selfassessment"]]
        rows[1][0, 1] = 0.5
        write(where / name, matlab.write(held | {"labels_selfassessment": rows}))
        return "s01-v13"

    labels: dict[str, Sequence[Any]] = {
        **levels, "quadrant": quadrants(levels["valence"], levels["arousal"]),
        "ratings": [tuple(row) for row in told], "emotions": ticked,
    }  # fmt: skip
    return WindowsTruth(
        names, [c[:3] for c in names], [""] * len(names), labels, parts=[], tables=["Data_Preprocessed_P01.mat"],
        spoil=spoil, modalities={m: len(f) for m, f in FIELDS.items()}, starts=begins, samples=samples,
    )  # fmt: skip
