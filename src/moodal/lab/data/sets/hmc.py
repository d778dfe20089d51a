"""HMC: 151 nights of people who came to a sleep clinic, scored in epochs of 30 s.

One night a person. Stages are read from the scoring by their times (``_sleepscoring.edf``, or ``.txt`` where only that
is there); what is no stage makes no epoch. `people` gives one night after another.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal import media
from moodal.core.errors import InputError
from moodal.lab.data import sleep
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.planted import Person
from moodal.lab.data.recordings import channels, notes
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.streams import Reading, Stream, asked_people, gathered
from moodal.lab.data.told import number
from moodal.lab.data.twin import write
from moodal.lab.data.watched import numbered
from moodal.lab.data.windows import WindowsTruth

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="hmc",
    title="HMC (Haaglanden Medisch Centrum sleep staging database)",
    modalities=("eeg", "eog", "emg", "ecg"),
    labels=("stage",),
    licence="CC BY 4.0: name the source.",
    commercial="yes",
    where="https://physionet.org/content/hmc-sleep-staging/",
    layout="recordings/SN001.edf, recordings/SN001_sleepscoring.edf or .txt … SN154",
    source="Alvarez-Estevez and Rijsman 2021, PLoS ONE 16(8), e0256111",
)
_EYES = ("E1-M2", "E2-M2")
STREAMS = {
    "eeg": Stream("eeg", ("F4-M1", "C4-M1", "O2-M1", "C3-M2"), 256.0),
    "eog": Stream("eog", ("E1-E2",), 256.0),
    "emg": Stream("emg", ("chin",), 256.0),
    "ecg": Stream("ecg", ("ECG",), 256.0),
}
_NAMES = {**{s: s for s in sleep.STAGES}, "?": ""}
#: Last number of the training and of the validation part. Files are numbered to 154 and three numbers are not there, so
#: that these are the first 100, the next 25 and the last 26 of 151.
TRAIN_TO, VALIDATION_TO, NIGHTS = 102, 127, 151
_PARTS = {"train": 100, "validation": 25, "test": 26}


def read(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    rate_hz: float | Mapping[str, float] | None = None,
    window_s: float | None = 30.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All nights in windows of ``window_s`` every ``hop_s`` s inside a bout of one stage; None: whole bouts.

    Modalities, in µV at 256 Hz or at ``rate_hz`` (one for all, or by signal), if that is lower: ``eeg`` (F4-M1, C4-M1,
    O2-M1, C3-M2), ``eog`` (left minus right eye), ``emg`` (chin), ``ecg``; ``signals`` picks some. Label ``stage``: W,
    N1, N2, N3, R. ``split`` is that of NeuroLM and PhysioOmni, by the file's number: 100 nights, 25, 26.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it should be.
    """
    each = people(
        root, signals=signals, rate_hz=rate_hz, window_s=window_s, hop_s=hop_s, subjects=subjects, accept=accept
    )
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    rate_hz: float | Mapping[str, float] | None = None,
    window_s: float | None = 30.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one night after another, so that one night's signals are in memory at a time."""
    path, _ = find(SPEC, root)
    home = path / "recordings" if (path / "recordings").is_dir() else path
    files = numbered(home.iterdir() if home.is_dir() else (), r"SN(\d+)\.edf")
    if not files:
        raise lacking(SPEC, "its recordings (SN001.edf)", path)
    split = {person: _split(person) for person in files}
    have = {part: list(split.values()).count(part) for part in _PARTS}
    note = "" if have == _PARTS else f"{len(files)} of {NIGHTS} nights are here: {have} by the numbers of the files"
    if len(files) == NIGHTS and note:
        raise InputError(f"has {have} nights by number, {_PARTS} are published", where=str(home),
                         fix="Are these the files of version 1.1?")  # fmt: skip
    for person in asked_people(subjects, list(files), SPEC.name):
        ask = Reading(SPEC.name, STREAMS, signals, rate_hz, window_s, hop_s, accept)
        if note:
            ask.note(note)
        yield _night(files[person], person, split[person], ask)


def _split(person: int) -> str:
    return "train" if person <= TRAIN_TO else "validation" if person <= VALIDATION_TO else "test"


def _night(path: Path, person: int, split: str, ask: Reading) -> Dataset:
    subject = f"SN{person:03d}"
    bouts = sleep.staged(*_scoring(path))
    recording = media.read(path)
    streams = {}
    for m in ask.signals:
        wanted = {"eeg": STREAMS["eeg"].fields, "eog": _EYES}.get(m, ())
        held = channels(recording, m, wanted=wanted)
        if held is None:
            why = next((f" ({w})" for w in recording.warnings if m in str(w).lower()), "")
            raise InputError(f"has no {m}{why}", where=str(path), fix="Get it from its makers again.")
        values = held.values[:, :1] - held.values[:, 1:2] if m == "eog" else held.values
        streams[m] = ask.channels(m, values[:, : len(STREAMS[m].fields)], str(path), rate_hz=held.rate_hz)
    collected = ask.windowed()
    sleep.cut(collected, ask, streams, bouts, subject, recording=str(path), subject=subject, split=split)
    for line in recording.warnings:
        ask.note(str(line))
    return collected.dataset(sleep.stage_labels, terms=SPEC.licence, notices=ask.notices, where=str(path))


def _scoring(path: Path) -> tuple[list[tuple[float, float, str]], dict[str, str], str]:
    """Annotations of a night, the names of stages, and where they stand."""
    edf, txt = (path.with_name(f"{path.stem}_sleepscoring.{kind}") for kind in ("edf", "txt"))
    if edf.exists():
        return notes(media.read(edf)), _NAMES, str(edf)
    if not txt.exists():
        raise lacking(SPEC, f"{edf.name}, the scoring of {path.name}", path.parent)
    found = []
    with txt.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        for i, cells in enumerate(csv.reader(file, skipinitialspace=True)):
            if i == 0 or not any(c.strip() for c in cells):
                continue
            if len(cells) < 5:
                raise InputError(f"row {i + 1} has {len(cells)} cells, five are needed", where=str(txt),
                                 fix="Get the file again.")  # fmt: skip
            onset, lasts = (number(c, "a time", str(txt), i) for c in cells[2:4])
            if np.isnan(onset):
                raise InputError(f"row {i + 1} has no onset", where=str(txt), fix="Get the file again.")
            found.append((onset, onset + (0.0 if np.isnan(lasts) else lasts), cells[4].strip()))
    return found, _NAMES, str(txt)


#: A night of the twin, and how many microvolts its files span.
_NIGHT = ("W", "W", "N1", "N2", "N2", "N3", "N3", "N2", "R", "R", "N1", "N1")
_LABELS = {"eeg": "EEG {}", "emg": "EMG {}", "ecg": "{}", "eog": "EOG {}"}
_SPAN = {"eeg": 500.0, "eog": 1500.0, "emg": 500.0, "ecg": 4000.0}


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 12, effect: float = 1.0, fingerprint: float = 1.0
) -> WindowsTruth:
    """People in the official layout, from all three parts of the split, with nights of 12 epochs.

    ``trials`` is the number of epochs; a night of 12 is repeated to make more.
    """
    from moodal.media.generated_edf import write as write_edf

    spread = [n for k in range(22) for n in (1 + k, 128 + k + (128 + k >= 135), *((103 + k,) if k < 20 else ()),
                                             30 + k + (30 + k >= 64), 66 + k)]  # fmt: skip
    numbers = sorted(dict.fromkeys(spread[:people]))
    stages = (_NIGHT * (trials // len(_NIGHT) + 1))[:trials]
    rows: list[tuple[str, str, float, str]] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in STREAMS}
    for number_ in numbers:
        person, subject = Person.of(seed, number_), f"SN{number_:03d}"
        made: dict[str, npt.NDArray[Any]] = {}
        table = []
        for m, s in STREAMS.items():
            fields = _EYES if m == "eog" else s.fields
            values = sleep.planted_night(s.kind, fields, s.rate_hz, person, stages, 1, effect=effect,
                                         fingerprint=fingerprint)  # fmt: skip
            if m == "eog":
                values[:, 1] *= -1.0  # the eyes turn together, so their poles move apart
            made[m] = values[:, :1] - values[:, 1:] if m == "eog" else values
            table += [(_LABELS[m].format(f), "uV", 256, (-_SPAN[m], _SPAN[m]), values[:, k].clip(-_SPAN[m], _SPAN[m]))
                      for k, f in enumerate(fields)]  # fmt: skip
        home = root / "recordings"
        home.mkdir(parents=True, exist_ok=True)
        write_edf(home / f"{subject}.edf", table)
        told = [(30.0 * k, 30.0, f"Sleep stage {s}") for k, s in enumerate(stages)]
        told = sorted([*told, (46.28, 0.0, "Lights off@@EEG F4-A1"), (61.0, 12.5, "Arousal")])
        write_edf(home / f"{subject}_sleepscoring.edf", [], reserved="EDF+C", notes=tuple(told),
                  onsets=np.array([t for t, *_ in told]))  # fmt: skip
        lines = ["Date, Time, Recording onset, Duration, Annotation, Linked channel"]
        lines += [f"2001-01-01, 23:{int(t // 60):02d}:{t % 60:05.2f}, {t:g}, {d:g}, {s}, " for t, d, s in told]
        write(home / f"{subject}_sleepscoring.txt", "\n".join([*lines, ""]))
        bout, kept = 0, 0
        for k, stage in enumerate(stages):
            bout, kept = (bout, kept + 1) if k and stage == stages[k - 1] else (bout + 1, 1)
            rows.append((f"{subject}-b{bout:03d}-{stage}-w{kept:03d}", stage, 30.0 * k, subject))
            for m in STREAMS:
                samples[m].append(made[m][7680 * k : 7680 * (k + 1)])

    def spoil(where: Path) -> str:
        write_edf(where / "recordings" / "SN001_sleepscoring.edf", [], reserved="EDF+C", onsets=np.array([0.0, 30.0]),
                  notes=((0.0, 30.0, "Sleep stage W"), (30.0, 30.0, "Sleep stage 7")))  # fmt: skip
        return "annotation 2 at 30 s is 'Sleep stage 7'"

    return WindowsTruth(
        [r[0] for r in rows], [r[3] for r in rows], [_split(int(r[3][2:])) for r in rows],
        {"stage": [r[1] for r in rows]}, parts=["recordings"], tables=["recordings/SN001_sleepscoring.edf"],
        spoil=spoil, modalities={m: len(s.fields) for m, s in STREAMS.items()}, starts=[r[2] for r in rows],
        samples=samples,
    )  # fmt: skip
