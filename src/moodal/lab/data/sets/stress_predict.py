"""Stress-Predict: an hour of wristband signals of 35 people, with three tasks that stress.

Label 0 holds baseline, questionnaires and recovery, so it is not all calm; the authors count hyperventilation as
stress. Windows lie inside one stretch: a task, or what stands between two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data.compact import arrays, rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person, latent, signal
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.recordings import channels
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import gathered
from moodal.lab.data.twin import tabled, write
from moodal.lab.data.windows import Channels, Windowed, WindowsTruth, apart, checked, runs
from moodal.media import e4
from moodal.media.whole import of_events, whole

__all__ = ["SPEC", "generate", "people", "read", "sessions"]

SPEC = SetSpec(
    name="stress-predict",
    title="Stress-Predict",
    modalities=("ppg", "eda", "temp", "acc"),
    labels=("stress", "task"),
    licence="MIT.",
    commercial="yes",
    where="https://github.com/italha-d/Stress-Predict-Dataset",
    layout="Raw_data/SNN/{ACC,BVP,EDA,TEMP}.csv, Processed_data/Improved_All_Combined_hr_rsp_binary.csv",
    source="Iqbal et al. 2022, Sensors 22(21), 8135",
    compact="body_stress_predict",
)
TASKS = ("none", "stroop", "interview", "hyperventilation")
STRESS = ("none", "stress")
#: Modality → fields, rate in Hz.
MODALITIES: dict[str, tuple[tuple[str, ...], float]] = {
    "ppg": (("bvp",), 64.0),
    "eda": (("eda",), 4.0),
    "temp": (("temp",), 4.0),
    "acc": (("x", "y", "z"), 32.0),
}
#: Modality → key of the compact file, what one unit of it is.
_KEYS = {"ppg": ("BVP", 0.2), "eda": ("EDA", 1e-3), "temp": ("TEMP", 0.01), "acc": ("ACC", 1 / 64)}
#: What the wristband computed beside: read by `sessions` alone.
_BESIDE: dict[str, tuple[str, float, float]] = {"hr": ("HR", 0.01, 1.0)}
_LABELS = Path("Processed_data", "Improved_All_Combined_hr_rsp_binary.csv")

#: Start and end in s, and place in `TASKS`; -1 is a task whose kind is not told.
Stretch = tuple[float, float, int]


def read(
    root: Path | str | None = None,
    *,
    window_s: float | None = 60.0,
    hop_s: float | None = None,
    accept: Sequence[str] = (),
) -> Dataset:
    """Windows of ``window_s`` every ``hop_s`` seconds (end to end, if not said); ``window_s=None``: whole stretches.

    Modalities: ``ppg`` 64 Hz (device units), ``eda`` 4 Hz (µS), ``temp`` 4 Hz (°C), ``acc`` 32 Hz (g, three axes).
    Labels: ``stress`` (none, stress) and ``task``. ``accept`` waives checks (see `moodal.lab.data.plausible`).
    Column ``stretch`` is the place in the session's fixed order and what was done (``2-stroop``): the same moment of it
    is the same for everybody.

    Raises
    ------
    InputError : a part is not there or cannot be read.
    """
    return gathered(people(root, window_s=window_s, hop_s=hop_s, accept=accept))


def people(
    root: Path | str | None = None,
    *,
    window_s: float | None = 60.0,
    hop_s: float | None = None,
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    window_s, hop_s = checked(window_s, hop_s, SPEC.name)
    path, compact = find(SPEC, root)
    notices: list[str] = []
    checks = Plausible(SPEC.name, accept)

    def collected() -> Iterator[Windowed]:
        for subject, file, streams, stretches in _compact(path) if compact else _official(path, notices):
            windows = Windowed(SPEC.name, MODALITIES, window_s, hop_s)
            for m, c in streams.items():
                if m in MODALITIES:
                    values = c.values if c.scale == 1.0 else c.values * c.scale
                    fields, rate = MODALITIES[m]
                    checks.stream(m, values, c.rate_hz, fields, f"{file}, {m}", published_hz=rate)
            for k, (start, end, task) in enumerate(stretches):
                told = TASKS[task] if task >= 0 else "task"
                windows.add(
                    {m: c for m, c in streams.items() if m in MODALITIES}, start, end,
                    trial=f"{subject}-{k + 1}-{told}", recording=file, subject=subject, session=subject,
                    stimulus=told if task else "",
                    stretch=f"{k + 1}-{told}",
                    _task=TASKS[task] if task >= 0 else "", _stress=STRESS[task != 0], _source=str(int(task != 0)),
                )  # fmt: skip
            yield windows

    return apart(
        collected(),
        lambda told: {
            "stress": Labels.of_classes(told["_stress"], STRESS, source=told["_source"]),
            "task": Labels.of_classes(told["_task"], TASKS),
        },
        lambda: [*notices, *checks.notices], terms=SPEC.licence, where=str(path),
    )  # fmt: skip


def sessions(root: Path | str | None = None) -> Iterator[tuple[str, Mapping[str, Channels], list[Stretch]]]:
    """Each person's whole session: name, streams and stretches.

    Streams are those of `MODALITIES`, and what the wristband computed: ``hr`` (1/min) and ``ibi`` (beat intervals in s,
    on a grid of 8 Hz, NaN where no beat ends).

    Raises
    ------
    InputError : a part is not there or cannot be read.
    """
    path, compact = find(SPEC, root)
    held = None
    if compact:
        (npz,) = need(SPEC, path, ["stress_predict_shared.npz"])
        held = npz
    for subject, file, streams, stretches in _compact(path) if compact else _official(path, []):
        ibi = None
        if held is None:
            ibi = whole(e4.read(Path(file).parent), "ibi")
        else:
            with arrays(held) as stored:
                if f"{subject}_IBI" in stored.files:
                    events = np.asarray(stored[f"{subject}_IBI"], np.float64).reshape(-1, 2)
                    ibi = of_events(events[:, 0], events[:, 1], float(events[-1, 0]) + 1.0)
        beside = {} if ibi is None else {"ibi": Channels(ibi.values, ibi.rate_hz, ibi.start_s)}
        yield subject, {**streams, **beside}, stretches


def _compact(path: Path) -> Iterator[tuple[str, str, Mapping[str, Channels], list[Stretch]]]:
    (npz,) = need(SPEC, path, ["stress_predict_shared.npz"])
    with arrays(npz) as held:
        for subject in sorted({key[:3] for key in held.files if re.fullmatch(r"S\d\d_label", key)}):
            streams = {}
            for m, (key, scale) in _KEYS.items():
                if (name := f"{subject}_{key}") in held.files:
                    values = _wide(held[name], len(MODALITIES[m][0]), name, npz)
                    streams[m] = Channels(values, MODALITIES[m][1], scale=scale)
            for m, (key, scale, rate) in _BESIDE.items():
                if (name := f"{subject}_{key}") in held.files:
                    start = float(held[f"{name}_start"][0]) if f"{name}_start" in held.files else 0.0
                    streams[m] = Channels(_wide(held[name], 1, name, npz), rate, start, scale)
            codes = held[f"{subject}_label"]
            if codes.ndim != 1 or codes.dtype.kind not in "iu" or not np.isin(codes, range(len(TASKS))).all():
                raise InputError(f"its {subject}_label holds no tasks", where=str(npz), fix="Get the file again.")
            yield subject, f"{npz}!{subject}", streams, [(float(a), float(b), code) for a, b, code in runs(codes)]


def _wide(values: npt.NDArray[Any], channels: int, name: str, where: Path) -> npt.NDArray[Any]:
    """``(n, channels)`` from ``(n,)`` or ``(channels, n)``."""
    if values.dtype.kind in "iuf" and values.ndim == 1 and channels == 1:
        return values[:, None]
    if values.dtype.kind in "iuf" and values.ndim == 2 and values.shape[0] == channels:
        return values.T
    raise InputError(f"its {name} is {values.dtype} {values.shape}", where=str(where), fix="Get the file again.")


def _official(path: Path, notices: list[str]) -> Iterator[tuple[str, str, Mapping[str, Channels], list[Stretch]]]:
    need(SPEC, path, ["Raw_data", str(_LABELS)])
    told = _seconds(path / _LABELS)
    folders = {int(f.name[1:]): f for f in (path / "Raw_data").iterdir() if re.fullmatch(r"S\d+", f.name)}
    if not folders:
        raise lacking(SPEC, "its recordings (Raw_data/SNN)", path)
    if absent := sorted(set(told) - set(folders)):
        raise lacking(SPEC, f"Raw_data/S{absent[0]:02d}, which its labels name", path)
    for number in sorted(folders):
        subject = f"S{number:02d}"
        if number not in told:
            notices.append(f"{subject} has no labels in {_LABELS.name} and is left out")
            continue
        recording = e4.read(folders[number])
        if recording.epoch_s is None:
            raise InputError("its files do not say when they begin", where=str(folders[number]), fix="Get it again.")
        streams = {m: c for m in (*MODALITIES, *_BESIDE) if (c := channels(recording, m)) is not None}
        notices.extend(f"{subject}: {line}" for line in recording.warnings)
        if lost := [m for m in MODALITIES if m not in streams]:
            notices.append(f"{subject} has no {', '.join(lost)}")
        seconds, codes = told[number]
        # A session is a folder; its pulse wave stands for it.
        yield (
            subject,
            str(folders[number] / "BVP.csv"),
            streams,
            _stretches(subject, seconds - recording.epoch_s, codes, notices),
        )


def _seconds(path: Path) -> dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]]:
    """Participant → POSIX seconds in order, and 0 or 1 of each."""
    found: dict[int, list[tuple[float, int]]] = {}
    for i, row in enumerate(rows(path)):
        try:
            code = int(float(row["Label"]))
            second = float(row["Time(sec)"])
            if code not in (0, 1) or not np.isfinite(second):
                raise ValueError
            found.setdefault(int(float(row["Participant"])), []).append((second, code))
        except (KeyError, ValueError, OverflowError):
            raise InputError(
                f"row {i + 2} has no number in Participant, Time(sec) or Label", where=str(path),
                fix="Get the file again.",
            ) from None  # fmt: skip
    ordered = {who: np.array(sorted(pairs)) for who, pairs in found.items()}
    return {who: (pairs[:, 0], pairs[:, 1].astype(np.int64)) for who, pairs in ordered.items()}


def _stretches(subject: str, seconds: npt.NDArray[np.float64], codes: npt.NDArray[np.int64],
               notices: list[str]) -> list[Stretch]:  # fmt: skip
    """Runs of one label; those of 1 are Stroop, interview and hyperventilation in this order."""
    found = runs(codes)
    tasks = sum(code for *_, code in found)
    if tasks != 3:
        notices.append(f"{subject} has {tasks} stretches of label 1 instead of 3: which task each is, is not told")
    stretches, seen = [], 0
    for a, b, code in found:
        seen += code
        task = 0 if not code else seen if tasks == 3 else -1
        stretches.append((max(0.0, float(seconds[a])), float(seconds[b - 1]) + 1.0, task))
    return stretches


#: What each person of the twin does, in s.
_PLAN: tuple[Stretch, ...] = (
    (0, 10, 0), (10, 22, 1), (22, 34, 0), (34, 56, 2), (56, 66, 0), (66, 78, 3), (78, 92, 0),
)  # fmt: skip
#: Decimal places of the twin's files.
_PLACES = {"ppg": 2, "eda": 6, "temp": 2, "acc": 0}


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 1, effect: float = 1.0, fingerprint: float = 1.0
) -> WindowsTruth:
    """``people`` with labels and one without in the official layout; windows of 10 s.

    92 s each: the three tasks, rest around them. ``trials`` makes every stretch that many times as long. Tasks are
    aroused, rest is calm.
    """
    rng = np.random.default_rng(seed)
    begin, seconds = 1_700_000_000, []
    plan = [(trials * a, trials * b, t) for a, b, t in _PLAN]
    spans = [(k, t, s) for k, (a, b, t) in enumerate(plan) for s in np.arange(a, b - 9, 10)]
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in MODALITIES}
    length = 92 * trials
    labelled = [2, 10] if people == 2 else list(range(2, 2 + people))
    for number in [1, *labelled]:
        person = Person.of(seed, number)
        state = np.concatenate([np.full(int(b - a), 0.75 if t else -0.75) for a, b, t in plan])
        state += 0.2 * latent(f"person {number}", length, seed)
        for m, places in _PLACES.items():
            fields, rate = MODALITIES[m]
            values = signal(m, fields, length, rate, person, state, rng, effect=effect, fingerprint=fingerprint)
            values = np.round(64 * values if m == "acc" else values, places)
            head = [", ".join([f"{v:.6f}"] * len(fields)) for v in (begin, rate)]
            body = [",".join(f"{v:.{places}f}" for v in row) for row in values.tolist()]
            write(root / "Raw_data" / f"S{number:02d}" / f"{_KEYS[m][0]}.csv", "\n".join([*head, *body, ""]))
            if number > 1:
                values = values / 64 if m == "acc" else values
                samples[m] += [values[round(s * rate) : round((s + 10) * rate)] for _, _, s in spans]
        if number > 1:
            codes = np.concatenate([np.full(int(b - a), int(t > 0)) for a, b, t in plan])
            seconds += [[number, 70, 15, begin + s, c] for s, c in enumerate(codes)]
        begin += 10_000
    write(root / _LABELS, tabled(["Participant", "HR", "respr", "Time(sec)", "Label"], seconds))

    def spoil(where: Path) -> str:
        text = (where / _LABELS).read_text()
        write(where / _LABELS, text.replace("70,15,1700010003,0", "70,15,1700010003,7"))
        return "row 5"

    clips, place = [], 0
    for k, t, s in spans:
        place = place + 1 if s > plan[k][0] else 1
        clips.append(f"{k + 1}-{TASKS[t]}-w{place:03d}")
    names = [f"S{number:02d}" for number in labelled]
    tasks = len(names) * [TASKS[t] for _, t, _ in spans]
    return WindowsTruth(
        [f"{who}-{c}" for who in names for c in clips], [who for who in names for _ in spans], [""] * len(tasks),
        {"task": tasks, "stress": [STRESS[t != "none"] for t in tasks]},
        parts=["Raw_data", "Raw_data/S02", _LABELS.as_posix()], tables=[_LABELS.as_posix()], spoil=spoil,
        modalities={m: len(fields) for m, (fields, _) in MODALITIES.items()}, settings={"window_s": 10.0},
        starts=len(names) * [float(s) for _, _, s in spans], samples=samples,
    )  # fmt: skip
