"""APD, the Anxiety Phases Dataset, and folders of its form: a folder a participant, a CSV a phase and signal.

The set is handed out on request, and its files have not been seen here. What is known of them is what those who worked
with them wrote down: participants' folders are ``p_4`` or ``4``; a file is ``SIGNAL_PHASE.csv`` (in a folder a task) or
``SUBJECT_PHASE_SIGNAL.csv``; ECG files may be called Heart; ECG has 250 Hz, EDA 50 Hz, and there is one column of
samples beside an index (and perhaps a ``timestamp`` in s); ``participants_details.csv`` has a row a participant
(``P4``) and columns of SUDS ratings, 0 to 100. Limb accelerometers and posture are not read: their columns are not
known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data.compact import table
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import gathered
from moodal.lab.data.told import number, numbers
from moodal.lab.data.twin import tabled, write
from moodal.lab.data.windows import Channels, Windowed, WindowsTruth, apart, checked

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="apd",
    title="APD (Anxiety Phases Dataset)",
    modalities=("ecg", "eda"),
    labels=("phase", "anxiety", "suds"),
    licence="on request from its authors, for research.",
    commercial="no",
    where="its authors, Senaratne et al., ICMI 2021.",
    layout="p_4/…/ECG_Baseline_Rest.csv or 4/4_Baseline_Rest_ECG.csv, and participants_details.csv",
    source="Senaratne et al. 2021, ICMI",
)
#: Phases in the order of the protocol, and the column of each one's self-rating.
PHASES = {
    "Baseline_Rest": "Baseline_SUDS",
    "BugBox_Relax": "BugBox_Relax_SUDS",
    "BugBox_Anticipate": "BugBox_Preparation_SUDS",
    "BugBox_Exposure": "BugBox_Exposure_SUDS",
    "BugBox_Break": "BugBox_Break_SUDS",
    "Speech_Relax": "Speech_Relax_SUDS",
    "Speech_Anticipate": "Speech_SUDS",
    "Speech_Exposure": "Speech_Exposure_SUDS",
    "Speech_Break": "Speech_Break_SUDS",
}
ANXIETY = ("low", "high")
#: Modality → fields, rate in Hz.
MODALITIES = {"ecg": (("ecg",), 250.0), "eda": (("eda",), 50.0)}
#: Signals as files name them; those that map to "" are known and not read.
_SIGNALS = {"ecg": "ecg", "heart": "ecg", "eda": "eda", "leftankle": "", "rightankle": "", "leftwrist": "",
            "rightwrist": "", "posture": ""}  # fmt: skip
_DETAILS = "participants_details.csv"


def read(
    root: Path | str | None = None,
    *,
    window_s: float | None = 60.0,
    hop_s: float | None = None,
    threshold: float = 50.0,
) -> Dataset:
    """Windows of ``window_s`` every ``hop_s`` seconds (end to end, if not said) inside each phase; None: whole phases.

    Modalities: ``ecg`` 250 Hz, ``eda`` 50 Hz, in the files' own units. Labels: ``phase``; ``suds`` (told for the
    phase, 0 to 100); ``anxiety`` (high from ``threshold`` on).

    Raises
    ------
    InputError : a part is not there or cannot be read.
    """
    return gathered(people(root, window_s=window_s, hop_s=hop_s, threshold=threshold))


def people(
    root: Path | str | None = None,
    *,
    window_s: float | None = 60.0,
    hop_s: float | None = None,
    threshold: float = 50.0,
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    window_s, hop_s = checked(window_s, hop_s, SPEC.name)
    path, _ = find(SPEC, root)
    (details,) = need(SPEC, path, [_DETAILS])
    ratings = _ratings(details)
    persons: dict[str, list[dict[str, dict[str, Path]]]] = {}
    for subject, folder in _folders(path):
        if subject not in ratings:
            raise InputError(f"has no row for participant {subject}", where=str(details), fix="Get the file again.")
        persons.setdefault(subject, []).append(_phases(folder, subject))
    phases = {phase for found in persons.values() for folder in found for phase in folder}
    if not phases and window_s is None:
        raise lacking(SPEC, "its signals (p_4/…/ECG_Baseline_Rest.csv)", path)

    def collected() -> Iterator[Windowed]:
        for subject, found in persons.items():
            windows = Windowed(SPEC.name, MODALITIES, window_s, hop_s)
            for phase, files in (item for folder in found for item in folder.items()):
                streams = {m: _samples(file, m) for m, file in files.items()}
                windows.add(
                    streams, 0.0, max(c.end_s for c in streams.values()), trial=f"P{subject}-{phase}",
                    recording=str(next(iter(files.values()))), subject=f"P{subject}", session=f"P{subject}",
                    stimulus=phase, _phase=phase, _suds=ratings[subject].get(phase, float("nan")),
                )  # fmt: skip
            yield windows

    def labels(told: Mapping[str, Any]) -> dict[str, Labels]:
        suds = np.array(told["_suds"], float)
        source = ["" if np.isnan(s) else f"{s:g}" for s in suds]
        high = ["" if np.isnan(s) else ANXIETY[int(s >= threshold)] for s in suds]
        return {
            "phase": Labels.of_classes(told["_phase"], [*PHASES, *sorted(phases - set(PHASES))]),
            "anxiety": Labels.of_classes(high, ANXIETY, source=source),
            "suds": Labels("continuous", ("suds",), suds[:, None], units="0 to 100", source=tuple(source)),
        }

    return apart(collected(), labels, list, terms=SPEC.licence, where=str(path))


def _folders(path: Path) -> Iterator[tuple[str, Path]]:
    found = [(m[1], f) for f in path.iterdir() if f.is_dir() and (m := re.fullmatch(r"(?:p_?)?(\d+)", f.name, re.I))]
    if not found:
        raise lacking(SPEC, "its participants' folders (p_4)", path)
    yield from sorted(found, key=lambda pair: (int(pair[0]), pair[1].name))


def _ratings(path: Path) -> dict[str, dict[str, float]]:
    """Participant's number → phase → rating."""
    columns = table(path)
    if "Participant" not in columns:
        raise InputError("has no column Participant", where=str(path), fix="Get the file again.")
    found: dict[str, dict[str, float]] = {}
    for i, who in enumerate(columns["Participant"]):
        if (digits := re.fullmatch(r"[Pp]?_?(\d+)", who.strip())) is None:
            raise InputError(
                f"row {i + 2} names no participant ({who!r})", where=str(path), fix="Write P and a number."
            )
        found[digits[1]] = {
            phase: number(columns[column][i], column, str(path), i + 1)
            for phase, column in PHASES.items()
            if column in columns
        }
        for phase, value in found[digits[1]].items():
            if value < 0 or value > 100:
                raise InputError(f"row {i + 2}: {PHASES[phase]} is {value:g}, outside 0 to 100", where=str(path),
                                 fix="Correct the row.")  # fmt: skip
    return found


def _phases(folder: Path, subject: str) -> dict[str, dict[str, Path]]:
    """Phase → modality → file, phases in the protocol's order; each file once, by its own name alone."""
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(folder.rglob("*.csv")):
        parts = file.stem.split("_")
        if parts[0].lower() in _SIGNALS:
            signal, phase = parts[0], "_".join(parts[1:])
        elif parts[-1].lower() in _SIGNALS and parts[0].lower().lstrip("p") == subject:
            signal, phase = parts[-1], "_".join(parts[1:-1])
        else:
            continue
        modality = _SIGNALS[signal.lower()]
        if not modality:
            continue
        if not phase:
            raise InputError("does not say its phase in its name", where=str(file), fix="Name it SIGNAL_PHASE.csv.")
        if (other := found.setdefault(phase, {}).setdefault(modality, file)) != file:
            raise InputError(f"is a second file of {phase}, {modality}", where=str(file), fix=f"The first is {other}.")
    order = [*PHASES, *sorted(set(found) - set(PHASES))]
    return {phase: found[phase] for phase in order if phase in found}


def _samples(path: Path, modality: str) -> Channels:
    """The column of samples; a column ``timestamp``, if there is one, must agree with the signal's rate."""
    columns = table(path)
    rate = MODALITIES[modality][1]
    named = [c for c in columns if c.lower().startswith(modality)]
    rest = [c for c in list(columns)[1:] if c.lower() != "timestamp"]
    if not (named or len(rest) == 1):
        raise InputError(f"has no column {modality.upper()}", where=str(path), fix="Name the column of samples so.")
    values = np.array(numbers(list(columns[(named or rest)[0]]), modality.upper(), str(path)))
    if "timestamp" in columns and len(values) > 1:
        times = np.array(numbers(list(columns["timestamp"]), "timestamp", str(path)))
        step = (times[-1] - times[0]) / (len(times) - 1)
        if not abs(step * rate - 1) < 0.01 or np.abs(np.diff(times) - step).max() > step / 2:
            raise InputError(f"its timestamps are not {1 / rate:g} s apart", where=str(path),
                             fix=f"Resample it evenly to {rate:g} Hz.")  # fmt: skip
    return Channels(values[:, None], rate)


def generate(root: Path, seed: int = 0) -> WindowsTruth:
    """Two participants, one a form of the layout, three phases each (one of them named ``Base_2``); windows of 5 s."""
    rng = np.random.default_rng(seed)
    clips: list[str] = []
    begins: list[float] = []
    suds: list[tuple[float]] = []
    samples: dict[str, list[npt.NDArray[Any] | None]] = {"ecg": [], "eda": []}
    details = []
    for subject in ("4", "10"):
        told = rng.permutation([10, 60]).tolist()
        details.append([f"P{subject}", *told])
        for k, phase in enumerate(("Baseline_Rest", "Speech_Exposure", "Base_2")):
            seconds = 11 if k < 2 else 6
            values = {
                "ecg": np.round(rng.normal(size=250 * seconds), 6),
                # One phase has no EDA: the window is there, the modality is not.
                "eda": np.round(rng.uniform(1, 3, 50 * seconds), 6) if k != 1 else np.zeros(0),
            }
            for m, v in values.items():
                rows = [[i, x, i / MODALITIES[m][1]] for i, x in enumerate(v)]
                if subject == "4":
                    name = f"p_4/my task/{'Heart' if m == 'ecg' else 'EDA'}_{phase}.csv"
                    text = tabled(["", "ECG reading" if m == "ecg" else "EDA"], [r[:2] for r in rows])
                else:
                    name = f"10/10_{phase}_{m.upper()}.csv"
                    text = tabled(["", m.upper(), "timestamp"], rows)
                if len(v):
                    write(root / name, text)
            for w in range(seconds // 5):
                clips.append(f"P{subject}-{phase}-w{w + 1:03d}")
                begins.append(5.0 * w)
                suds.append((float(told[k]) if k < 2 else float("nan"),))
                for m, v in values.items():
                    first, steps = (round(s * MODALITIES[m][1]) for s in (5 * w, 5))
                    samples[m].append(v[first : first + steps, None] if len(v) else None)
    columns = ["Participant", PHASES["Baseline_Rest"], PHASES["Speech_Exposure"]]
    write(root / _DETAILS, tabled(columns, details))

    def spoil(where: Path) -> str:
        write(where / _DETAILS, tabled(columns, [["P4", 10, 60], ["P10", 10, 600]]))
        return "row 3"

    anxiety = ["" if np.isnan(s) else ANXIETY[int(s >= 50)] for (s,) in suds]
    labels: dict[str, Sequence[Any]] = {"suds": suds, "anxiety": anxiety, "phase": [c.split("-")[1] for c in clips]}
    return WindowsTruth(
        clips, [c.partition("-")[0] for c in clips], [""] * len(clips), labels, parts=[_DETAILS], tables=[_DETAILS],
        spoil=spoil, modalities={"ecg": 1, "eda": 1}, settings={"window_s": 5.0}, starts=begins, samples=samples,
    )  # fmt: skip
