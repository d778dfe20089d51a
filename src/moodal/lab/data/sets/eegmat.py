"""EEGMAT: EEG and ECG of 36 people at rest and while they subtract in their heads.

The official files hold 500 Hz; what is read is the same as the compact layout holds: mean removed, band-passed 0.5 to
45 Hz (Butterworth of order 4, forwards and backwards over the whole recording), the last 62 s, EEG at 125 Hz and
ECG at 250 Hz, in µV. Whether eyes were open at rest is told in two ways by its users, so rest against task is a
contrast of unknown eye state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal import media
from moodal.core.errors import InputError, MissingExtra
from moodal.lab.data.compact import arrays, rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person, latent, signal
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.recordings import channels
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import gathered
from moodal.lab.data.twin import tabled, write
from moodal.lab.data.windows import Channels, Windowed, WindowsTruth, apart, checked

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="eegmat",
    title="EEGMAT (EEG during mental arithmetic)",
    modalities=("eeg", "ecg"),
    labels=("workload",),
    licence="ODC-By 1.0: name the source.",
    commercial="yes",
    where="https://physionet.org/content/eegmat/1.0.0/",
    layout="SubjectNN_1.edf (rest), SubjectNN_2.edf (task), subject-info.csv",
    source="Zyma et al. 2019, Data 4(1), 14",
    compact="body_eegmat",
)
EEG = ("Fp1", "Fp2", "F3", "F4", "F7", "F8", "T3", "T4", "C3", "C4", "T5", "T6", "P3", "P4", "O1", "O2", "Fz", "Cz",
       "Pz")  # fmt: skip
STATES = ("rest", "task")
#: Modality → fields, rate in Hz.
MODALITIES = {"eeg": (EEG, 125.0), "ecg": (("ecg",), 250.0)}
#: How much of a recording is used, from its end, s; microvolts a unit of the compact file.
LAST_S, EEG_UV = 62.0, 0.2
#: Rate of the official files, Hz.
RATE_HZ = 500.0
_FILE = re.compile(r"Subject(\d+)_([12])\.edf", re.IGNORECASE)


def read(
    root: Path | str | None = None,
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    accept: Sequence[str] = (),
) -> Dataset:
    """One example a recording of all people, or its windows of ``window_s`` every ``hop_s`` seconds.

    Modalities: ``eeg (steps, 19)`` at 125 Hz and ``ecg (steps, 1)`` at 250 Hz, µV. Label ``workload``: rest or task.
    ``accept`` waives checks (see `moodal.lab.data.plausible`).

    Raises
    ------
    InputError : a part is not there or cannot be read.
    MissingExtra : the official files need scipy.
    """
    return gathered(people(root, window_s=window_s, hop_s=hop_s, accept=accept))


def people(
    root: Path | str | None = None,
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    window_s, hop_s = checked(window_s, hop_s, SPEC.name)
    path, compact = find(SPEC, root)
    (info,) = need(SPEC, path, ["subject-info.csv"])
    persons = _people(info)
    checks = Plausible(SPEC.name, accept)
    notices: list[str] = []

    def collected() -> Iterator[Windowed]:
        found = _compact(path, persons) if compact else _official(path, persons, checks)
        for subject, recordings in groupby(found, key=lambda one: one[0]):
            windows, person, name = (
                Windowed(SPEC.name, MODALITIES, window_s, hop_s),
                persons[subject],
                f"S{subject:02d}",
            )
            for _, state, file, streams in recordings:
                if not streams:
                    notices.append(f"{name}-{state} has neither EEG nor ECG and is left out")
                    continue
                for m, c in streams.items():
                    scaled = c.values if c.scale == 1.0 else c.values * c.scale
                    checks.stream(m, scaled, c.rate_hz, MODALITIES[m][0], f"{file}, {m}", published_hz=MODALITIES[m][1])
                windows.add(
                    streams, 0.0, min(c.end_s for c in streams.values()),
                    trial=f"{name}-{state}", recording=file, subject=name, session=name, _workload=state,
                    sex={"F": "female", "M": "male"}.get(person.get("Gender", ""), ""), age=person.get("Age", ""),
                    counter={"1": "good", "0": "bad"}.get(person.get("Count quality", ""), ""),
                )  # fmt: skip
            yield windows

    return apart(
        collected(), lambda told: {"workload": Labels.of_classes(told["_workload"], STATES)},
        lambda: [*notices, *checks.notices], terms=SPEC.licence, where=str(path),
    )  # fmt: skip


def _people(path: Path) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for i, row in enumerate(rows(path)):
        digits = re.fullmatch(r"Subject\s*(\d+)", row.get("Subject", "").strip(), re.IGNORECASE)
        if digits is None:
            raise InputError(f"row {i + 2} names no subject in column Subject", where=str(path), fix="Get it again.")
        found[int(digits[1])] = {key: value.strip() for key, value in row.items()}
    return found


def _known(path: Path, people: Mapping[int, Any], subjects: Sequence[int]) -> None:
    for subject in subjects:
        if subject not in people:
            raise InputError(f"has no row for Subject{subject:02d}", where=str(path / "subject-info.csv"),
                             fix="Get the file again.")  # fmt: skip


def _compact(path: Path, people: Mapping[int, Any]) -> Iterator[tuple[int, str, str, Mapping[str, Channels]]]:
    (npz,) = need(SPEC, path, ["eegmat_shared.npz"])
    with arrays(npz) as held:
        subjects = sorted({key[:3] for key in held.files if re.fullmatch(r"S\d\d_(rest|task)_(EEG|ECG)", key)})
        _known(path, people, [int(s[1:]) for s in subjects])
        for subject in subjects:
            for state in STATES:
                streams = {}
                if (key := f"{subject}_{state}_EEG") in held.files:
                    streams["eeg"] = Channels(_checked(held[key], (len(EEG), None), key, npz).T, 125.0, scale=EEG_UV)
                if (key := f"{subject}_{state}_ECG") in held.files:
                    streams["ecg"] = Channels(_checked(held[key], (None,), key, npz)[:, None], 250.0)
                yield int(subject[1:]), state, f"{npz}!{subject}_{state}", streams


def _checked(values: npt.NDArray[Any], shape: tuple[int | None, ...], key: str, where: Path) -> npt.NDArray[Any]:
    if values.dtype.kind not in "iuf" or values.ndim != len(shape) or any(
        want not in (None, have) for want, have in zip(shape, values.shape, strict=True)
    ):  # fmt: skip
        raise InputError(f"its {key} is {values.dtype} {values.shape}", where=str(where), fix="Get the file again.")
    return values


def _official(
    path: Path, people: Mapping[int, Any], checks: Plausible
) -> Iterator[tuple[int, str, str, Mapping[str, Channels]]]:
    found = [(n, f) for f in sorted(path.iterdir()) if (n := _FILE.fullmatch(f.name))]
    files = {(int(n[1]), STATES[int(n[2]) - 1]): f for n, f in found}
    if not files:
        raise lacking(SPEC, "its recordings (SubjectNN_1.edf)", path)
    subjects = sorted({s for s, _ in files})
    _known(path, people, subjects)
    for subject in subjects:
        for k, state in enumerate(STATES):
            if (subject, state) not in files:
                raise lacking(SPEC, f"Subject{subject:02d}_{k + 1}.edf", path)
            recording = media.read(files[subject, state])
            streams = {}
            where = str(files[subject, state])
            for m, wanted in (("eeg", EEG), ("ecg", ())):
                if (raw := channels(recording, m, wanted=wanted)) is not None:
                    # As they are in the file, whose rate and unit a filter would hide.
                    checks.stream(m, raw.values, raw.rate_hz, MODALITIES[m][0], f"{where}, {m}", published_hz=RATE_HZ)
                    streams[m] = _filtered(raw, MODALITIES[m][1])
            yield subject, state, where, streams


@cache
def _butterworth(rate_hz: float) -> npt.NDArray[np.float64]:
    from scipy import signal

    return np.asarray(signal.butter(4, (0.5, 45.0), "bandpass", fs=rate_hz, output="sos"))


def _filtered(stream: Channels, rate_hz: float) -> Channels:
    """The last 62 s at ``rate_hz``, filtered over the whole recording first; ``start_s`` is then 0."""
    try:
        from scipy import signal
    except ImportError as error:
        raise MissingExtra("scipy", "lab", "resampling EEGMAT's recordings") from error
    values = np.asarray(stream.values, np.float64)
    if len(values) < LAST_S * stream.rate_hz:
        seconds = len(values) / stream.rate_hz
        raise InputError(f"a recording lasts {seconds:.1f} s, {LAST_S:.0f} are used", where=SPEC.name,
                         fix="Get the file again.")  # fmt: skip
    values = signal.sosfiltfilt(_butterworth(stream.rate_hz), values - values.mean(axis=0), axis=0)
    values = values[-round(LAST_S * stream.rate_hz) :]
    if stream.rate_hz != rate_hz:
        values = signal.resample_poly(values, round(rate_hz), round(stream.rate_hz), axis=0)
    return Channels(values.astype(np.float32), rate_hz)


def generate(
    root: Path, seed: int = 0, *, people: int = 2, effect: float = 1.0, fingerprint: float = 1.0
) -> WindowsTruth:
    """``people`` in the official layout, 64 s at rest and 62 s of task each: alpha and heart answer to the task.

    Each person has one recording of either, as in the set, so there is no number of trials to choose.
    """
    from moodal.media.generated_edf import write as write_edf

    rng = np.random.default_rng(seed)
    clips, info = [], []
    root.mkdir(parents=True, exist_ok=True)
    for subject in range(people):
        person = Person.of(seed, subject)
        good = int(subject % 3 > 0)
        info.append([f"Subject{subject:02d}", 18 + subject % 9, "FM"[subject % 2], 2011, 10 + subject, good])
        for k, state in enumerate(STATES):
            seconds, names = (64, 62)[k], (*EEG, "A2-A1")
            course = (-0.75, 0.75)[k] + 0.2 * latent(f"{state} {subject}", seconds, seed)
            eeg, ecg = (
                signal(kind, told, seconds, 500.0, person, course, rng, effect=effect, fingerprint=fingerprint, trial=k)
                for kind, told in (("eeg", names), ("ecg", ("ecg",)))
            )
            eeg, ecg = np.clip(eeg, -490, 490), np.clip(ecg, -2900, 2900)
            table = [(f"EEG {n}", "uV", 500, (-500.0, 500.0), eeg[:, i]) for i, n in enumerate(names)]
            table.append(("ECG ECG", "uV", 500, (-3000.0, 3000.0), ecg[:, 0]))
            write_edf(root / f"Subject{subject:02d}_{k + 1}.edf", table)
            clips.append(f"S{subject:02d}-{state}")
    header = ["Subject", "Age", "Gender", "Recording year", "Number of subtractions", "Count quality"]
    write(root / "subject-info.csv", tabled(header, info))

    def spoil(where: Path) -> str:
        (where / "Subject00_2.edf").rename(where / "Subject00_3.edf")
        return "Subject00_2.edf"

    return WindowsTruth(
        clips, [c[:3] for c in clips], [""] * len(clips), {"workload": [c[4:] for c in clips]},
        parts=["subject-info.csv", "Subject00_1.edf", f"Subject{people - 1:02d}_2.edf"],
        tables=["subject-info.csv"], spoil=spoil,
        modalities={"eeg": len(EEG), "ecg": 1}, starts=[0.0] * len(clips),
    )  # fmt: skip
