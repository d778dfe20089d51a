"""FBM: EEG, EOG and EMG of ten people who walk on level ground, ramps and stairs, with the angles of 22 joints.

The set's paper tells what was recorded; names of files and of what they hold are those that its users' public code
reads. All of it is checked when it is read, and what is otherwise is refused. `people` gives one trial after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data import matlab
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person, latent, signal
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.streams import Reading, Stream, asked_people, gathered
from moodal.lab.data.twin import write
from moodal.lab.data.windows import WindowsTruth

__all__ = ["ANGLES", "SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="fbm",
    title="FBM (full-body mobile brain-body imaging)",
    modalities=("eeg", "eog", "emg"),
    labels=("angles",),
    licence="see the terms of its figshare collection.",
    commercial="unclear",
    where="https://doi.org/10.1038/sdata.2018.133 (data: figshare collection named there)",
    layout="AB_UH_01-T01-….-eeg.mat, -emg.mat, -kin.mat (date in the name or not), AB_UH_01-….bvct",
    source="Brantley et al. 2018, Scientific Data 5, 180133",
)
#: The sixty electrodes; where the cap's FT9 and FT10 were, AFz and FCz were put.
EEG = tuple(
    n
    for row in (
        "FP1 FP2 AF7 AF3 AFZ AF4 AF8 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ",
        "C2 C4 C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO3 POZ PO4 PO8 O1 OZ O2",
    )
    for n in row.split()
)
_MOVED = {"FT9": "AFZ", "FT10": "FCZ"}
#: Rows of the EOG: horizontal left and right, vertical above and below.
_EOG_ROWS = 4
STREAMS = {
    "eeg": Stream("eeg", EEG, 1000.0),
    "eog": Stream("eog", ("HEO", "VEO"), 1000.0),
    "emg": Stream("emg", tuple(f"{side} {k}" for side in ("left", "right") for k in range(1, 7)), 1000.0),
}
JOINTS = (
    "jL5S1", "jL4L3", "jL1T12", "jT9T8", "jT1C7", "jC1Head", "jRightC7Shoulder", "jRightShoulder", "jRightElbow",
    "jRightWrist", "jLeftC7Shoulder", "jLeftShoulder", "jLeftElbow", "jLeftWrist", "jRightHip", "jRightKnee",
    "jRightAnkle", "jRightBallFoot", "jLeftHip", "jLeftKnee", "jLeftAnkle", "jLeftBallFoot",
)  # fmt: skip
ANGLES = tuple(f"{joint}{axis}" for joint in JOINTS for axis in "XYZ")
_FILE = re.compile(r"[A-Z_]*?(\d+)-T(\d+)(?:-\d\d-\d\d-\d\d)?-(eeg|emg|kin)\.mat", re.IGNORECASE)
_CAP = re.compile(r"[A-Z_]*?(\d+)(?:-[^/]*)?\.bvct", re.IGNORECASE)
#: The lengths that the three devices tell of a trial may differ by this, s.
_APART_S = 1.0


def read(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    rate_hz: float | Mapping[str, float] | None = 200.0,
    window_s: float | None = 2.0,
    hop_s: float | None = 0.5,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All trials in windows of ``window_s`` every ``hop_s`` s (published: 2 and 0.05 s); None: whole trials.

    Modalities, in µV, recorded at 1000 Hz and given at ``rate_hz`` (one for all, or by signal; None: as recorded):
    ``eeg`` (60 channels), ``eog`` (HEO right minus left, VEO above minus below), ``emg`` (six muscles a leg). Label
    ``angles``: 66 joint angles in degrees at the end of the window. There is no published split: split by trial within
    people, or by person.

    Raises
    ------
    InputError : a part is not there, cannot be read, or is otherwise than expected.
    """
    each = people(
        root, signals=signals, rate_hz=rate_hz, window_s=window_s, hop_s=hop_s, subjects=subjects, accept=accept
    )
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    rate_hz: float | Mapping[str, float] | None = 200.0,
    window_s: float | None = 2.0,
    hop_s: float | None = 0.5,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one trial after another, so that one trial's signals are in memory at a time."""
    path, _ = find(SPEC, root)
    hop_s = None if window_s is None else hop_s
    files: dict[int, dict[int, dict[str, Path]]] = {}
    caps: dict[int, Path] = {}
    for file in sorted(path.rglob("*")):
        if told := _FILE.fullmatch(file.name):
            files.setdefault(int(told[1]), {}).setdefault(int(told[2]), {})[told[3].lower()] = file
        elif told := _CAP.fullmatch(file.name):
            caps[int(told[1])] = file
    if not files:
        raise lacking(SPEC, "its recordings (AB_UH_01-T01-eeg.mat)", path)
    for person in asked_people(subjects, list(files), SPEC.name):
        if person not in caps:
            raise lacking(
                SPEC, f"the cap of person {person} (AB_UH_{person:02d}.bvct), which names its electrodes", path
            )
        electrodes = _cap(caps[person])
        for trial, parts in sorted(files[person].items()):
            if trial == 0:
                continue  # at rest
            for kind in ("eeg", "emg", "kin"):
                if kind not in parts:
                    raise lacking(SPEC, f"AB_UH_{person:02d}-T{trial:02d}-{kind}.mat", path)
            ask = Reading(SPEC.name, STREAMS, signals, rate_hz, window_s, hop_s, accept)
            if 0 in files[person]:
                ask.note("trials T00 (at rest) are left out")
            yield _trial(parts, person, trial, electrodes, ask, accept)


def _cap(path: Path) -> list[str]:
    """Names of the rows of the EEG, in their order, as the positions of the cap name them."""
    text = path.read_text(encoding="utf-8", errors="replace")
    told = [n.strip().upper() for n in re.findall(r"<Name>([^<]*)</Name>", text)]
    names = [_MOVED.get(n, n) for n in told]
    kept = list(dict.fromkeys(n for n in names if n in EEG))
    if len(kept) != len(EEG):
        lost = [n for n in EEG if n not in kept]
        raise InputError(f"names {len(kept)} of {len(EEG)} electrodes (not {', '.join(lost[:5])})", where=str(path),
                         fix="Is it the cap of this person? Get the file again.")  # fmt: skip
    return kept


def _rows(held: Any, keys: Sequence[str], rows: int, path: Path) -> npt.NDArray[Any]:
    """``(n, rows)`` from an array of so many rows."""
    name = ".".join(keys)
    values = matlab.numbers(matlab.need(held, *keys, where=path), name, path, 2)
    if values.shape[0] != rows:
        raise InputError(f"its {name} is {values.shape}, {rows} rows were expected", where=str(path),
                         fix="Is it of this set? What is otherwise is not guessed.")  # fmt: skip
    return values.T


def _trial(
    parts: Mapping[str, Path], person: int, trial: int, electrodes: Sequence[str], ask: Reading, accept: Sequence[str]
) -> Dataset:
    subject, name = f"S{person:02d}", f"S{person:02d}-T{trial:02d}"
    angles, kin_hz = _angles(parts["kin"], accept)
    lasts = len(angles) / kin_hz
    eeg = matlab.load(parts["eeg"], "eeg")
    raw: dict[str, npt.NDArray[Any]] = {}
    if "eeg" in ask.signals:
        order = [electrodes.index(n) for n in EEG]
        raw["eeg"] = _rows(eeg, ("eeg", "rawdata"), len(EEG), parts["eeg"])[:, order]
    if "eog" in ask.signals:
        eyes = _rows(eeg, ("eeg", "eogdata"), _EOG_ROWS, parts["eeg"])
        raw["eog"] = np.stack([eyes[:, 1] - eyes[:, 0], eyes[:, 2] - eyes[:, 3]], axis=1)
    if "emg" in ask.signals:
        held = matlab.load(parts["emg"], "emg")
        raw["emg"] = np.concatenate([_rows(held, ("emg", s), 6, parts["emg"]) for s in ("left", "right")], axis=1)
    streams = {}
    for m, values in raw.items():
        path = parts["emg" if m == "emg" else "eeg"]
        seconds = len(values) / STREAMS[m].rate_hz
        if abs(seconds - lasts) > _APART_S and not {"rate", "length"} & set(accept):
            raise InputError(
                f"its {m} lasts {seconds:.1f} s at {STREAMS[m].rate_hz:g} Hz, the joint angles {lasts:.1f} s at "
                f"{kin_hz:g} Hz", where=str(path), fix='Get the files again, or accept = ["rate"].',
            )  # fmt: skip
        streams[m] = ask.channels(m, np.asarray(values, np.float32), str(path))
    collected = ask.windowed()
    collected.add(streams, 0.0, min([lasts, *(c.end_s for c in streams.values())]), trial=name,
                  recording=str(parts["eeg"]), subject=subject, session=subject, number=trial)  # fmt: skip
    data = collected.dataset(lambda _: {}, terms=SPEC.licence, notices=ask.notices, where=str(parts["eeg"]))
    at = np.clip(np.ceil(data.index["end_s"] * kin_hz - 1e-6).astype(np.int64) - 1, 0, len(angles) - 1)
    told = angles[at]
    spelt = tuple(f"{kin_hz:g} Hz, row {k + 1}" for k in at)
    labels = Labels("continuous", ANGLES, told, units="degrees", source=spelt)
    return Dataset(data.index.with_labels(angles=labels), data.features)


def _angles(path: Path, accept: Sequence[str]) -> tuple[npt.NDArray[np.float64], float]:
    """Joint angles ``(n, 66)`` in degrees, and their rate in Hz."""
    held = matlab.load(path, "kin")
    rate = matlab.number(matlab.need(held, "kin", "srate", where=path), "kin.srate", path)
    joints = matlab.need(held, "kin", "data", "jointAngle", where=path)
    columns = []
    for joint in JOINTS:
        values = matlab.numbers(matlab.need(joints, joint, where=path), joint, path, 2)
        if values.shape[1] != 3:
            raise InputError(f"its {joint} is {values.shape}, three angles a row were expected", where=str(path),
                             fix="Is it of this set? What is otherwise is not guessed.")  # fmt: skip
        columns.append(values)
    if len({len(c) for c in columns}) != 1 or not len(columns[0]) or not 0 < rate < 1e4:
        raise InputError(f"its joints have different lengths, none, or the rate {rate:g}", where=str(path),
                         fix="Get the file again.")  # fmt: skip
    angles = np.asarray(np.concatenate(columns, axis=1), np.float64)
    with np.errstate(invalid="ignore"):
        far = np.abs(angles) > 360
    if far.any():
        row, column = np.argwhere(far)[0]
        raise InputError(
            f"row {row + 1} has {ANGLES[column]} at {angles[row, column]:.4g} degrees, outside -360 to 360",
            where=str(path), fix="Get the file again.",
        )  # fmt: skip
    largest = float(np.nanmax(np.abs(angles))) if np.isfinite(angles).any() else 0.0
    if largest < 2 * np.pi and "unit" not in accept:
        raise InputError(f"its joint angles reach {largest:.2g} degrees alone", where=str(path),
                         fix='Are they in radians? Give degrees, or accept = ["unit"].')  # fmt: skip
    return angles, rate


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 2, trial_s: int = 6, effect: float = 1.0,
    fingerprint: float = 1.0,
) -> WindowsTruth:  # fmt: skip
    """People in the layout that is read, persons 1 and 10 first, with trials of 6 s; all angles follow one course."""
    kin_hz = 100.0
    clips, who, begins = [], [], []
    told: list[tuple[float, ...]] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in STREAMS}
    # The order of rows is the cap's, not ours.
    rows = [EEG[k] for k in np.random.default_rng([seed, 60]).permutation(len(EEG))]
    names = [{v: k for k, v in _MOVED.items()}.get(n, n) for n in rows]
    cap = "".join(f"<CapTrakElectrode><Name>{n}</Name></CapTrakElectrode>\n" for n in ("GND", *names, "REF"))
    swing = np.random.default_rng([seed, 66]).uniform(8, 45, len(ANGLES))
    for number in sorted([1, 10, *(n for n in range(2, 10))][:people]):
        person = Person.of(seed, number)
        write(root / f"AB_UH_{number:02d}-CapTrak.bvct", f"<?xml version='1.0'?>\n<CapTrak>\n{cap}</CapTrak>\n")
        for trial in range(1, trials + 1):
            course = latent(f"{number}-{trial}", trial_s, seed, period_s=4.0)
            made = {}
            for kind, fields in (
                ("eeg", tuple(rows)),
                ("eog", ("HL", "HR", "VA", "VB")),
                ("emg", STREAMS["emg"].fields),
            ):
                made[kind] = signal(kind, fields, trial_s, 1000.0, person, course, person.drawn(kind, trial),
                                    effect=effect, fingerprint=fingerprint, trial=trial)  # fmt: skip
            steps = (np.arange(round(trial_s * kin_hz)) / kin_hz).astype(int)
            wobble = person.drawn("angles", trial).normal(size=(len(steps), len(ANGLES)))
            angles = 10 + course[steps][:, None] * swing + 0.5 * wobble
            joints = {j: angles[:, 3 * k : 3 * k + 3] for k, j in enumerate(JOINTS)}
            stem = f"AB_UH_{number:02d}-T{trial:02d}-15-12-{10 + trial}"
            eeg = {"eeg": {"rawdata": made["eeg"].T, "eogdata": made["eog"].T, "srate": 1000.0}}
            write(root / f"{stem}-eeg.mat", matlab.write(eeg, compressed=False))
            emg = {"emg": {"left": made["emg"][:, :6].T, "right": made["emg"][:, 6:].T, "srate": 1000.0}}
            write(root / f"{stem}-emg.mat", matlab.write(emg, compressed=False))
            kin = {"kin": {"data": {"jointAngle": joints}, "srate": kin_hz}}
            write(root / f"{stem}-kin.mat", matlab.write(kin, compressed=False))
            eyes = made["eog"]
            whole = {
                "eeg": made["eeg"][:, [rows.index(n) for n in EEG]],
                "eog": np.stack([eyes[:, 1] - eyes[:, 0], eyes[:, 2] - eyes[:, 3]], axis=1),
                "emg": made["emg"],
            }
            for w in range(trial_s // 2):
                clips.append(f"S{number:02d}-T{trial:02d}-w{w + 1:03d}")
                who.append(f"S{number:02d}")
                begins.append(2.0 * w)
                told.append(tuple(angles[round((2 * w + 2) * kin_hz) - 1].tolist()))
                for m, values in whole.items():
                    samples[m].append(values[2000 * w : 2000 * (w + 1)])

    def spoil(where: Path) -> str:
        file = next(where.glob("AB_UH_01-T01-*-kin.mat"))
        wrong = {j: np.full((600, 3), 400.0 if j == "jRightKnee" else 20.0) for j in JOINTS}
        write(file, matlab.write({"kin": {"data": {"jointAngle": wrong}, "srate": 100.0}}))
        return "row 1 has jRightKneeX at 400 degrees"

    return WindowsTruth(
        clips, who, [""] * len(clips), {"angles": told}, parts=[], tables=[],
        spoil=spoil, modalities={m: len(s.fields) for m, s in STREAMS.items()},
        settings={"hop_s": 2.0, "rate_hz": None}, starts=begins, samples=samples,
    )  # fmt: skip
