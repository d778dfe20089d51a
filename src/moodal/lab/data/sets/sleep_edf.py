"""Sleep-EDF: 197 nights of people at home (SC) and of people with mild trouble to fall asleep (ST), scored by R&K.

A night's hypnogram is the file whose name begins with the same six letters (``SC4001``); the two nights of a person are
one person. Stages 3 and 4 are N3. `people` gives one night after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal import media
from moodal.core.errors import InputError, UsageError
from moodal.lab.data import sleep
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.planted import Person
from moodal.lab.data.recordings import channels, notes
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.streams import Reading, Stream, gathered
from moodal.lab.data.windows import WindowsTruth

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="sleep-edf",
    title="Sleep-EDF (expanded)",
    modalities=("eeg", "eog", "emg"),
    labels=("stage",),
    licence="ODC-By 1.0: name the source.",
    commercial="yes",
    where="https://physionet.org/content/sleep-edfx/1.0.0/",
    layout="sleep-cassette/SC4001E0-PSG.edf, SC4001EC-Hypnogram.edf …; sleep-telemetry/ST7011J0-PSG.edf …",
    source="Kemp et al. 2000, IEEE Transactions on Biomedical Engineering 47(9), 1185-1194",
)
STREAMS = {
    "eeg": Stream("eeg", ("Fpz-Cz", "Pz-Oz"), 100.0),
    "eog": Stream("eog", ("horizontal",), 100.0),
    "emg": Stream("emg", ("submental",), 100.0),
}
#: R&K's stages; ``?`` and movement were not scored as one.
_NAMES = {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "R", "?": "", "Movement time": ""}
_NIGHT = re.compile(r"((SC)4(\d\d)([12])|(ST)7(\d\d)([12]))\w*-(PSG|Hypnogram)\.edf", re.IGNORECASE)


@dataclass(frozen=True)
class _Night:
    """A night by the letters of its name: person, number, and its two files."""

    subject: str
    number: int
    psg: Path
    hypnogram: Path


def read(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    rate_hz: float | Mapping[str, float] | None = None,
    window_s: float | None = 30.0,
    hop_s: float | None = None,
    wake_min: float | None = 30.0,
    subjects: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All nights in windows of ``window_s`` every ``hop_s`` s inside a bout of one stage; None: whole bouts.

    Modalities, in µV at 100 Hz or at ``rate_hz``, if that is lower: ``eeg`` (Fpz-Cz, Pz-Oz), ``eog``, ``emg`` (of the
    ST nights: those of SC hold its envelope once a second, which is no EMG and absent). ``wake_min`` minutes awake are
    kept before and after sleep (None: the whole day that SC nights have). Label ``stage``: W, N1, N2, N3 (3 and 4), R;
    what was not scored is left out. ``subjects`` are people such as ``SC00``.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it should be.
    """
    each = people(
        root, signals=signals, rate_hz=rate_hz, window_s=window_s, hop_s=hop_s, wake_min=wake_min, subjects=subjects,
        accept=accept,
    )  # fmt: skip
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    rate_hz: float | Mapping[str, float] | None = None,
    window_s: float | None = 30.0,
    hop_s: float | None = None,
    wake_min: float | None = 30.0,
    subjects: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one night after another, so that one night's signals are in memory at a time."""
    if wake_min is not None and (not isinstance(wake_min, int | float) or not wake_min >= 0):
        raise UsageError(f"wake_min is {wake_min!r}", where=SPEC.name, fix="Give minutes, or None for all of it.")
    path, _ = find(SPEC, root)
    nights = _nights(path)
    there = {n.subject for n in nights}
    for subject in (subjects,) if isinstance(subjects, str) else subjects:
        if subject not in there:
            raise UsageError(f"has no person {subject!r}", where=SPEC.name, fix=f"It has: {', '.join(sorted(there))}.")
    for night in nights:
        if not subjects or night.subject in subjects:
            ask = Reading(SPEC.name, STREAMS, signals, rate_hz, window_s, hop_s, accept)
            yield _read(night, None if wake_min is None else 60.0 * wake_min, ask)


def _nights(path: Path) -> list[_Night]:
    """Nights by person and number, each with its hypnogram by name."""
    found: dict[tuple[str, int], dict[str, Path]] = {}
    for file in sorted(path.rglob("*.edf")):
        if (told := _NIGHT.fullmatch(file.name)) is None:
            continue
        study, person, night = (told[2], told[3], told[4]) if told[2] else (told[5], told[6], told[7])
        kinds = found.setdefault((f"{study.upper()}{person}", int(night)), {})
        kind = told[8].lower()
        if kind in kinds:
            raise InputError(f"{kinds[kind].name} and {file.name} are of the same night", where=str(path),
                             fix="Leave the one that is meant.")  # fmt: skip
        kinds[kind] = file
    nights = []
    for (subject, number), kinds in sorted(found.items()):
        for kind, name in (("psg", "-PSG.edf"), ("hypnogram", "-Hypnogram.edf")):
            if kind not in kinds:
                stem = next(iter(kinds.values())).name[:6]
                raise lacking(SPEC, f"{stem}*{name}, which belongs to {next(iter(kinds.values())).name}", path)
        nights.append(_Night(subject, number, kinds["psg"], kinds["hypnogram"]))
    if not nights:
        raise lacking(SPEC, "its recordings (SC4001E0-PSG.edf)", path)
    return nights


def _read(night: _Night, wake_s: float | None, ask: Reading) -> Dataset:
    bouts = sleep.trimmed(sleep.staged(notes(media.read(night.hypnogram)), _NAMES, str(night.hypnogram)), wake_s)
    recording = media.read(night.psg)
    streams = {}
    for m in ask.signals:
        held = channels(recording, m)
        if held is None or held.rate_hz < 10:
            if m != "emg":
                why = next((f" ({w})" for w in recording.warnings if m in str(w).lower()), "")
                raise InputError(f"has no {m}{why}", where=str(night.psg), fix="Get it from its makers again.")
            ask.note("nights of SC hold the envelope of the EMG once a second: their emg is absent")
            continue
        if m == "eeg":
            held = channels(recording, m, wanted=STREAMS[m].fields)
            assert held is not None
        streams[m] = ask.channels(m, held.values[:, : len(STREAMS[m].fields)], str(night.psg), rate_hz=held.rate_hz)
    collected = ask.windowed()
    name = f"{night.subject}-{night.number}"
    study = {"SC": "cassette", "ST": "telemetry"}[night.subject[:2]]
    sleep.cut(collected, ask, streams, bouts, name, recording=str(night.psg), subject=night.subject, study=study)
    return collected.dataset(sleep.stage_labels, terms=SPEC.licence, notices=ask.notices, where=str(night.psg))


#: A night of the twin as R&K wrote it: stage and minutes.
_PLAN = (("W", 2.0), ("1", 0.5), ("2", 1.0), ("3", 0.5), ("4", 0.5), ("Movement time", 0.5), ("R", 1.0), ("W", 1.5),
         ("?", 0.5))  # fmt: skip
_SPAN = {"eeg": 400.0, "eog": 1000.0, "emg": 400.0}


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 1, effect: float = 1.0, fingerprint: float = 1.0
) -> WindowsTruth:
    """People in the official layout, of SC (two nights) and ST in turn, with nights of 8 minutes.

    ``trials`` repeats what stands between going to bed and getting up.
    """
    from moodal.media.generated_edf import write as write_edf

    rows: list[tuple[str, str, float, str]] = []
    samples: dict[str, list[npt.NDArray[Any] | None]] = {m: [] for m in STREAMS}
    plan = (_PLAN[0], *(_PLAN[1:-2] * trials), *_PLAN[-2:])
    told, at = [], 0.0
    for name, minutes in plan:
        spelt = name if name == "Movement time" else f"Sleep stage {name}"
        told.append((at, 60 * minutes, spelt))
        at += 60 * minutes
    epochs = [(t + 30 * k, _NAMES[n], i) for i, ((t, d, _), (n, _)) in enumerate(zip(told, plan, strict=True))
              for k in range(round(d / 30))]  # fmt: skip
    asleep = [t for t, s, _ in epochs if s not in ("", "W")]
    people_ = [(("SC", "ST")[k % 2], k // 2 + (k % 2)) for k in range(people)]
    for study, person_number in sorted(people_):
        cassette = study == "SC"
        person = Person.of(seed, person_number + 100 * (not cassette))
        for night in (1, 2) if cassette else (1,):
            stem = f"{study}{4 if cassette else 7}{person_number:02d}{night}"
            home = root / ("sleep-cassette" if cassette else "sleep-telemetry")
            home.mkdir(parents=True, exist_ok=True)
            made, table = {}, []
            for m, s in STREAMS.items():
                values = sleep.planted_night(s.kind, s.fields, 100.0, person, [e[1] or "W" for e in epochs], night,
                                             effect=effect, fingerprint=fingerprint)  # fmt: skip
                rate = 100
                if m == "emg" and cassette:
                    values, rate = np.abs(values).reshape(-1, 100, 1).mean(axis=1), 1
                made[m] = values
                most = _SPAN[m]
                table += [(f"{m.upper()} {f}", "uV", rate, (-most, most), values[:, k].clip(-most, most))
                          for k, f in enumerate(s.fields)]  # fmt: skip
            table.append(("Event marker", "", 1, (-2047.0, 2048.0), np.zeros(30 * len(epochs))))
            write_edf(home / f"{stem}{'E0' if cassette else 'J0'}-PSG.edf", table)
            write_edf(home / f"{stem}{'EC' if cassette else 'JP'}-Hypnogram.edf", [], reserved="EDF+C",
                      notes=tuple(told), onsets=np.array([t for t, *_ in told]))  # fmt: skip
            subject = f"{study}{person_number:02d}"
            rows += _kept(epochs, asleep, f"{subject}-{night}", subject)
            for t, stage, _ in epochs:
                if stage and asleep[0] - 30 <= t < asleep[-1] + 60:
                    for m in STREAMS:
                        here = not (m == "emg" and cassette)
                        samples[m].append(made[m][round(100 * t) : round(100 * (t + 30))] if here else None)

    def spoil(where: Path) -> str:
        file = next(where.rglob("*-Hypnogram.edf"))
        write_edf(file, [], reserved="EDF+C", notes=((0.0, 30.0, "Sleep stage 9"),), onsets=np.array([0.0]))
        return "annotation 1 at 0 s is 'Sleep stage 9'"

    return WindowsTruth(
        [r[0] for r in rows], [r[3] for r in rows], [""] * len(rows), {"stage": [r[1] for r in rows]},
        parts=[], tables=["sleep-cassette/SC4001EC-Hypnogram.edf"],
        spoil=spoil, modalities={m: len(s.fields) for m, s in STREAMS.items()}, settings={"wake_min": 0.5},
        starts=[r[2] for r in rows], samples=samples,
    )  # fmt: skip


def _kept(
    epochs: Sequence[tuple[float, str, int]], asleep: Sequence[float], night: str, subject: str
) -> list[tuple[str, str, float, str]]:
    """Epochs of a night of the twin that are read: bouts are counted from the first that is kept."""
    inside = [(t, s) for t, s, _ in epochs if asleep[0] - 30 <= t < asleep[-1] + 60]
    rows, bout, kept = [], 0, 0
    for k, (t, stage) in enumerate(inside):
        bout, kept = (bout, kept + 1) if k and stage == inside[k - 1][1] else (bout + 1, 1)
        if stage:
            rows.append((f"{night}-b{bout:03d}-{stage}-w{kept:03d}", stage, t, subject))
    return rows
