"""WESAD: chest belt and wristband of 15 people at rest, under a stress test, amused, and in two meditations.

The label channel says the state, the questionnaire file in which order each person met them; windows lie inside one
run of a label. Codes 0 (between), 5, 6 and 7 are no state. Real recordings fill about 1 GB a person while they are
read: `people` gives one person after another, `read` all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.data import pickles
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person, latent, signal
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import gathered
from moodal.lab.data.told import number
from moodal.lab.data.twin import write
from moodal.lab.data.windows import Channels, Windowed, WindowsTruth, checked, runs

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="wesad",
    title="WESAD",
    modalities=("chest_ecg", "chest_eda", "chest_emg", "chest_resp", "chest_temp", "chest_acc",
                "wrist_ppg", "wrist_eda", "wrist_temp", "wrist_acc"),
    labels=("state", "stress", "sam"),
    licence="for academic research, not for commercial use; see its readme.",
    commercial="no",
    where="https://archive.ics.uci.edu/dataset/465",
    layout="S2/S2.pkl, S2/S2_quest.csv … S17 (no S1, no S12)",
    source="Schmidt et al. 2018, ICMI, 400-408",
)  # fmt: skip
STATES = ("baseline", "stress", "amusement", "meditation")
STRESS = ("none", "stress")
#: The paper's task of two classes: meditation is neither.
_STRESS = {"baseline": "none", "amusement": "none", "stress": "stress", "meditation": ""}
#: Phase of the questionnaire file, blanks left out → code of the label channel.
_PHASES = {"base": 1, "tsst": 2, "fun": 3, "medi1": 4, "medi2": 4}
LABEL_HZ = 700.0
_XYZ = ("x", "y", "z")
#: Modality → device, key of the pickle, rate in Hz, fields, factor to our unit (µV, µS, °C, g).
_STREAMS: dict[str, tuple[str, str, float, tuple[str, ...], float]] = {
    "chest_ecg": ("chest", "ECG", 700.0, ("ecg",), 1e3),
    "chest_eda": ("chest", "EDA", 700.0, ("eda",), 1.0),
    "chest_emg": ("chest", "EMG", 700.0, ("emg",), 1e3),
    "chest_resp": ("chest", "Resp", 700.0, ("resp",), 1.0),
    "chest_temp": ("chest", "Temp", 700.0, ("temp",), 1.0),
    "chest_acc": ("chest", "ACC", 700.0, _XYZ, 1.0),
    "wrist_ppg": ("wrist", "BVP", 64.0, ("bvp",), 1.0),
    "wrist_eda": ("wrist", "EDA", 4.0, ("eda",), 1.0),
    "wrist_temp": ("wrist", "TEMP", 4.0, ("temp",), 1.0),
    "wrist_acc": ("wrist", "ACC", 32.0, _XYZ, 1 / 64),
}


def read(
    root: Path | str | None = None,
    *,
    window_s: float | None = 60.0,
    hop_s: float | None = None,
    modalities: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All people's windows of ``window_s`` every ``hop_s`` seconds (end to end, if not said); None: whole phases.

    Modalities (all, or those named): ``chest_*`` at 700 Hz, ``wrist_ppg`` 64, ``wrist_acc`` 32, ``wrist_eda`` and
    ``wrist_temp`` 4 Hz; µV, µS, °C, g, respiration in percent. Labels: ``state``; ``stress`` (the paper's two
    classes, meditation not labelled); ``sam`` (valence and arousal, 1 to 9, told after each phase). ``accept`` waives
    checks (see `moodal.lab.data.plausible`).

    Raises
    ------
    InputError : a part is not there or cannot be read.
    """
    return gathered(people(root, window_s=window_s, hop_s=hop_s, modalities=modalities, accept=accept))


def people(
    root: Path | str | None = None,
    *,
    window_s: float | None = 60.0,
    hop_s: float | None = None,
    modalities: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    window_s, hop_s = checked(window_s, hop_s, SPEC.name)
    for m in modalities:
        if m not in _STREAMS:
            raise UsageError(f"has no modality {m!r}", where=SPEC.name, fix=f"It has: {', '.join(_STREAMS)}.")
    wanted = tuple(modalities) or tuple(_STREAMS)
    path, _ = find(SPEC, root)
    folders = sorted((f for f in path.glob("S*") if re.fullmatch(r"S\d+", f.name)), key=lambda f: int(f.name[1:]))
    if not folders:
        raise lacking(SPEC, "its people (S2/S2.pkl)", path)
    for folder in folders:
        yield _person(path, folder.name, wanted, window_s, hop_s, accept)


def _person(
    path: Path, subject: str, wanted: Sequence[str], window_s: float | None, hop_s: float | None, accept: Sequence[str]
) -> Dataset:
    file, quest = need(SPEC, path, [f"{subject}/{subject}.pkl", f"{subject}/{subject}_quest.csv"])
    order = _order(quest)
    held = pickles.read(file)
    if (said := held.get("subject", subject)) != subject:
        raise InputError(f"says that it is of {said}", where=str(file), fix=f"It lies in the folder of {subject}.")
    streams = {m: _channels(held, m, file) for m in wanted}
    codes = pickles.array(held, "label", where=str(file)).ravel()
    if not np.isin(codes, range(8)).all():
        raise InputError("its label channel has codes other than 0 to 7", where=str(file), fix="Get it again.")
    checks = Plausible(SPEC.name, accept)
    for m, c in streams.items():
        # Rates are nowhere in the file: all must last as long as the label channel, which is at 700 Hz.
        values = c.values if c.scale == 1.0 else c.values * c.scale
        length = len(codes) / LABEL_HZ
        checks.stream(m.partition("_")[2], values, c.rate_hz, _STREAMS[m][3], f"{file}, {m}", expected_s=length)
    notices = list(checks.notices)
    stretches = [(a, b, code) for a, b, code in runs(codes) if 1 <= code <= 4]
    if [code for *_, code in stretches] != [p.code for p in order]:
        notices.append(
            f"{subject}: its label channel has the states {[c for *_, c in stretches]}, its questionnaire"
            f" {[p.code for p in order]}; phases are named by state, self-reports are left out"
        )
        order = [_Phase(STATES[code - 1] + f"-{k + 1}", code) for k, (*_, code) in enumerate(stretches)]
    collected = Windowed(SPEC.name, {m: (_STREAMS[m][3], _STREAMS[m][2]) for m in wanted}, window_s, hop_s)
    first = next((p.code for p in order if p.code in (2, 3)), 0)
    for (a, b, code), phase in zip(stretches, order, strict=True):
        collected.add(
            streams, a / LABEL_HZ, b / LABEL_HZ, trial=f"{subject}-{phase.name.replace(' ', '')}", recording=str(file),
            subject=subject, session=subject, stimulus=phase.name, phase=phase.name,
            order={2: "stress first", 3: "amusement first"}.get(first, ""), _state=STATES[code - 1], _sam=phase.sam,
        )  # fmt: skip
    return collected.dataset(_labels, terms=SPEC.licence, notices=notices, where=str(file))


def _labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
    states = told["_state"]
    sam = np.array(told["_sam"], float)
    return {
        "state": Labels.of_classes(states, STATES),
        "stress": Labels.of_classes([_STRESS[s] for s in states], STRESS, source=states),
        "sam": Labels(
            "continuous", ("valence", "arousal"), sam, units="1 to 9", source=tuple(f"{v:g} {a:g}" for v, a in sam)
        ),
    }


def _channels(held: Mapping[Any, Any], modality: str, file: Path) -> Channels:
    device, key, rate, fields, scale = _STREAMS[modality]
    values = pickles.array(held, "signal", device, key, where=str(file))
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != len(fields):
        raise InputError(f"its {device} {key} has the shape {values.shape}", where=str(file), fix="Get it again.")
    return Channels(values, rate, scale=scale)


@dataclass(frozen=True)
class _Phase:
    """A phase: its name, the code of its state, valence and arousal as told after it."""

    name: str
    code: int
    sam: tuple[float, float] = (float("nan"), float("nan"))


def _order(path: Path) -> list[_Phase]:
    """Phases with a state in the order in which this person met them, from ``# ORDER`` and ``# DIM``."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", where=str(path), fix="Get the file again.") from error
    told = [(i, [cell.strip() for cell in line.split(";")]) for i, line in enumerate(lines)]
    names = next((cells[1:] for _, cells in told if cells[0].replace(" ", "").upper() == "#ORDER"), None)
    if names is None:
        raise InputError("does not say the order of phases (# ORDER)", where=str(path), fix="Get the file again.")
    phases = [(n, _PHASES[key]) for n in names if (key := n.replace(" ", "").lower()) in _PHASES]
    rated = [
        tuple(number(cell, "a self-rating", str(path), i) for cell in [*cells[1:3], "", ""][:2])
        for i, cells in told
        if cells[0].replace(" ", "").upper() == "#DIM"
    ]
    if len(rated) != len(phases):
        return [_Phase(n, code) for n, code in phases]
    return [_Phase(n, code, (sam[0], sam[1])) for (n, code), sam in zip(phases, rated, strict=True)]


#: Code and seconds of each run of the twin's label channel; the second person meets amusement first.
_PLAN: dict[str, tuple[str, tuple[tuple[int, float], ...]]] = {
    "S2": (
        "Base;TSST;Medi 1;Fun;Medi 2;sRead;fRead",
        ((0, 2), (1, 25), (0, 1.5), (2, 12), (0, 1), (4, 10), (6, 1), (3, 12), (4, 10), (0, 1)),
    ),
    "S10": (
        "Base;Fun;Medi 1;TSST;Medi 2;sRead;fRead",
        ((0, 1), (1, 22), (5, 2), (3, 12), (4, 10), (0, 1.5), (2, 11), (7, 2), (4, 10)),
    ),
}


#: How aroused the twin's people are, by code of the label channel; what is no state lies between.
_AROUSED = {1: -0.6, 2: 0.85, 3: 0.1, 4: -0.9}


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 1, effect: float = 1.0, fingerprint: float = 1.0
) -> WindowsTruth:
    """``people`` in the official layout who met the phases in two orders, about 75 s each; windows of 10 s.

    ``trials`` makes every phase that many times as long. Stress is aroused, meditation calm; the belt's and the
    wristband's signals are of one heart and skin's state, each with noise of its own.
    """
    rng = np.random.default_rng(seed)
    clips: list[str] = []
    states: list[str] = []
    sam: list[tuple[float, float]] = []
    begins: list[float] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in _STREAMS}
    first_two = list(_PLAN.values())
    some = [2, 10] if people == 2 else [n for n in range(2, people + 3) if n != 12][:people]
    for who in some:
        subject, person = f"S{who}", Person.of(seed, who)
        order, short = _PLAN.get(subject, first_two[who % 2])
        plan = [(code, s * trials if 1 <= code <= 4 else s) for code, s in short]
        seconds = sum(s for _, s in plan)
        course = np.repeat([_AROUSED.get(code, 0.0) for code, _ in plan], [round(10 * s) for _, s in plan])
        course = course[::10] + 0.2 * latent(subject, int(np.ceil(seconds)), seed)
        channels: dict[str, dict[str, Any]] = {"chest": {}, "wrist": {}}
        for m, (device, key, rate, fields, scale) in _STREAMS.items():
            kind = m.partition("_")[2]
            made = signal(kind, fields, seconds, rate, person, course, rng, effect=effect, fingerprint=fingerprint)
            channels[device][key] = np.round(made / scale, 0 if m == "wrist_acc" else 5)
        label = np.concatenate([np.full(round(s * LABEL_HZ), code, np.int32) for code, s in plan])
        held = {"signal": channels, "label": label, "subject": subject}
        write(root / subject / f"{subject}.pkl", pickles.write(held))
        ratings = rng.integers(1, 10, (5, 2))
        lines = [f"# Subj;{subject};;", f"# ORDER;{order};;", *(f"# DIM;{v};{a};;" for v, a in ratings), ""]
        write(root / subject / f"{subject}_quest.csv", "\n".join(lines))
        phases = iter(order.replace(" ", "").split(";"))
        at, k = 0.0, 0
        for code, s in plan:
            if 1 <= code <= 4:
                phase = next(phases)
                for w in range(int(s // 10)):
                    clips.append(f"{subject}-{phase}-w{w + 1:03d}")
                    states.append(STATES[code - 1])
                    sam.append((float(ratings[k, 0]), float(ratings[k, 1])))
                    begins.append(at + 10 * w)
                    for m, (device, key, rate, _, scale) in _STREAMS.items():
                        first = int(np.ceil((at + 10 * w) * rate - 1e-6))
                        samples[m].append(scale * channels[device][key][first : first + round(10 * rate)])
                k += 1
            at += s
    whose = [c.partition("-")[0] for c in clips]

    def spoil(where: Path) -> str:
        held = {"label": np.array([1, 2, 9], np.int32), "subject": "S2", "signal": channels}
        write(where / "S2" / "S2.pkl", pickles.write(held))
        return "S2.pkl"

    return WindowsTruth(
        clips, whose, [""] * len(clips), {"state": states, "stress": [_STRESS[s] for s in states], "sam": sam},
        parts=["S2/S2.pkl", f"S{some[-1]}/S{some[-1]}_quest.csv"], tables=["S2/S2_quest.csv", "S2/S2.pkl"], spoil=spoil,
        modalities={m: len(told[3]) for m, told in _STREAMS.items()}, settings={"window_s": 10.0},
        starts=begins, samples=samples,
    )  # fmt: skip
