"""K-EmoCon: 32 people in 16 debates of two, with a wristband and a chest belt; emotion told every 5 s from three sides.

Each person rated the own video afterwards (``self``), that of the partner, and five raters watched both (``external``
is what they agreed on). The two of a debate answer each other, so a split must keep them together: column ``dialogue``
names the debate (``group-kfold`` by it, or ``disjoint = ["clip", "trial", "window", "subject", "dialogue"]``). The
"ECG" of the set is the heart rate that the belt computed, once a second and often twice with one stamp: it is ``hr``
here, and no waveform.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError
from moodal.lab.data.columns import columns, even, window_means, write_columns
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person, latent, signal
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.rated import Running, rated
from moodal.lab.data.spec import SetSpec, find, need
from moodal.lab.data.streams import gathered
from moodal.lab.data.told import checked as known
from moodal.lab.data.told import number
from moodal.lab.data.twin import tabled, write
from moodal.lab.data.windows import Channels, Windowed, WindowsTruth, apart, checked

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="k-emocon",
    title="K-EmoCon",
    modalities=("ppg", "eda", "temp", "acc", "hr"),
    labels=("valence", "arousal", "quadrant", "ratings"),
    licence="on request, under an agreement: academic research, no commercial use.",
    commercial="no",
    where="https://zenodo.org/record/3931963",
    layout="metadata/subjects.csv, e4_data/N/E4_BVP.csv …, neurosky_polar_data/N/Polar_HR.csv,"
    " emotion_annotations/{self,partner,aggregated_external}_annotations/PN.{self,partner,external}.csv",
    source="Park et al. 2020, Scientific Data 7, 293",
)
#: Modality → file of the wristband, columns, fields, rate in Hz, factor to our unit.
_STREAMS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], float, float]] = {
    "ppg": ("E4_BVP", ("value",), ("bvp",), 64.0, 1.0),
    "eda": ("E4_EDA", ("value",), ("eda",), 4.0, 1.0),
    "temp": ("E4_TEMP", ("value",), ("temp",), 4.0, 1.0),
    "acc": ("E4_ACC", ("x", "y", "z"), ("x", "y", "z"), 32.0, 1 / 64),
    "hr": ("Polar_HR", ("value",), ("hr",), 1.0, 1.0),
}
#: Whose annotations: folder, and end of the file's name.
BY = {"self": ("self_annotations", "self"), "partner": ("partner_annotations", "partner"),
      "external": ("aggregated_external_annotations", "external")}  # fmt: skip
#: People whose files hold several wristbands → the one that was worn in the debate (beat intervals of 31 are of A01525,
#: which are not read here). The makers name 31 and 32; users of the set keep the same pair for 29 and 30.
WORN = {29: "A013E1", 30: "A01A3A", 31: "A013E1", 32: "A01A3A"}
RATING, STEP_S, SCALE = ("valence", "arousal"), 5.0, (1.0, 5.0)
#: Calm minutes from ``initTime`` on, s; holes longer than this stay holes, s (the belt skips seconds).
BASELINE_S, _HOLE_S = 120.0, {"hr": 3.0}


def read(
    root: Path | str | None = None,
    *,
    window_s: float | None = 5.0,
    hop_s: float | None = None,
    by: str = "self",
    rule: str = "ge3",
    baseline: bool = False,
    accept: Sequence[str] = (),
) -> Dataset:
    """All people's windows of ``window_s`` every ``hop_s`` seconds of the debate, from its start; None: whole debates.

    Modalities: ``ppg`` 64 Hz (device units), ``eda`` 4 Hz (µS), ``temp`` 4 Hz (°C), ``acc`` 32 Hz (g), ``hr`` 1 Hz
    (1/min). Samples stand on an even grid from their stamps; holes are NaN. Labels: ``ratings`` (valence, arousal 1 to
    5, the mean of the annotations in the window) as told ``by`` self, partner or external, both as low or high by
    ``rule``, and ``quadrant``. ``baseline`` adds the two calm minutes, which nobody rated. Seconds count from
    ``initTime``. ``accept`` waives checks (see `moodal.lab.data.plausible`).

    Raises
    ------
    InputError : a part is not there, cannot be read, or is not what it should be.
    """
    each = people(root, window_s=window_s, hop_s=hop_s, by=by, rule=rule, baseline=baseline, accept=accept)
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    window_s: float | None = 5.0,
    hop_s: float | None = None,
    by: str = "self",
    rule: str = "ge3",
    baseline: bool = False,
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    window_s, hop_s = checked(window_s, hop_s, SPEC.name)
    known("by", by, tuple(BY), SPEC.name)
    rated([], rule, where=SPEC.name, subject=[])
    path, _ = find(SPEC, root)
    (meta,) = need(SPEC, path, ["metadata/subjects.csv"])
    need(SPEC, path, ["e4_data", f"emotion_annotations/{BY[by][0]}"])
    checks = Plausible(SPEC.name, accept)
    notices: list[str] = []
    told_by: dict[str, tuple[FloatArray, FloatArray]] = {}
    ratings = Running(RATING, rule, SCALE, str(path))

    def collected() -> Iterator[Windowed]:
        for person in _people(meta):
            windows = Windowed(SPEC.name, {m: (s[2], s[3]) for m, s in _STREAMS.items()}, window_s, hop_s)
            name = f"P{person.number:02d}"
            streams = dict(_streams(path, person, notices))
            if not streams:
                notices.append(f"{name} has no signals and is left out")
                continue
            for m, c in streams.items():
                checks.stream(m, c.values, c.rate_hz, _STREAMS[m][2], f"{path}, {name}")
            folder, ending = BY[by]
            file = path / "emotion_annotations" / folder / f"P{person.number}.{ending}.csv"
            if not file.is_file():
                notices.append(f"{name} has no {file.name} and is left out")
                continue
            told_by[name] = _annotations(file, person)
            at = {"recording": str(path / "e4_data" / str(person.number) / "E4_BVP.csv"), "subject": name,
                  "session": person.pair, "dialogue": person.pair, "pair": person.pair}  # fmt: skip
            if baseline:
                end = min(BASELINE_S, person.start)
                windows.add(streams, 0.0, end, trial=f"{name}-baseline", stimulus="baseline", **at)
            kept = windows.add(streams, person.start, person.end, trial=f"{name}-debate", stimulus="debate", **at)
            if not kept:
                notices.append(f"{name} has no signal in the debate and is left out")
            yield windows

    def labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
        means = np.full((len(told["subject"]), 2), np.nan)
        subjects = np.array(told["subject"], object)
        for name, (times, values) in told_by.items():
            mine = np.flatnonzero(subjects == name)
            starts, ends = (np.array(told[c])[mine].tolist() for c in ("start_s", "end_s"))
            means[mine] = window_means(times, values, starts, ends)
        return ratings.labels(means, told["subject"])

    return apart(
        collected(), labels, lambda: [*notices, *ratings.notices, *checks.notices], terms=SPEC.licence, where=str(path)
    )


@dataclass(frozen=True)
class _Person:
    """Start and end of the debate in s after ``zero`` (POSIX s), when the person's recording begins."""

    number: int
    zero: float
    start: float
    end: float

    @property
    def pair(self) -> str:
        """The debate: people 1 and 2, 3 and 4 …"""
        first = self.number - (self.number + 1) % 2
        return f"p{first}.p{first + 1}"


def _people(path: Path) -> list[_Person]:
    found: dict[int, _Person] = {}
    for i, row in enumerate(rows(path, ("pid", "initTime", "startTime", "endTime"))):
        pid, *times = (number(row[c], c, str(path), i + 1) for c in ("pid", "initTime", "startTime", "endTime"))
        zero, start, end = (t / 1000 for t in times)
        if not (pid >= 1 and pid == round(pid) and zero <= start < end <= zero + 86_400):
            raise InputError(f"row {i + 2} has no debate that starts and ends", where=str(path), fix="Get it again.")
        if int(pid) in found:
            raise InputError(f"row {i + 2} tells of person {pid:g} again", where=str(path), fix="Get it again.")
        found[int(pid)] = _Person(int(pid), zero, start - zero, end - zero)
    if not found:
        raise InputError("names no people", where=str(path), fix="Get the file again.")
    return [found[n] for n in sorted(found)]


def _streams(path: Path, person: _Person, notices: list[str]) -> Iterator[tuple[str, Channels]]:
    for m, (stem, names, _, rate, scale) in _STREAMS.items():
        folder = "neurosky_polar_data" if m == "hr" else "e4_data"
        file = path / folder / str(person.number) / f"{stem}.csv"
        if not file.is_file():
            continue
        held = columns(file, ("timestamp", *names), texts=() if m == "hr" else ("device_serial",))
        values = np.column_stack([held[c] for c in names])
        times = held["timestamp"] / 1000 - person.zero
        if m != "hr":
            keep = _worn(held["device_serial"], times, person, stem, notices)
            times, values = times[keep], values[keep]
        order = np.argsort(times, kind="stable")
        if not np.array_equal(times[order], times):
            back = int((np.diff(times) < 0).sum())
            notices.append(f"P{person.number:02d}: {back} stamps of {stem} step back; its rows are sorted")
        if (np.abs(times[np.isfinite(times)]) > 86_400).any():
            raise InputError("its stamps are not of the day of the debate, in ms", where=str(file), fix="Get it again.")
        yield m, even(times[order], values[order] * scale, rate, str(file), hole_s=_HOLE_S.get(m))


def _worn(
    serials: npt.NDArray[Any], times: FloatArray, person: _Person, stem: str, notices: list[str]
) -> npt.NDArray[np.bool_]:
    """Which rows are of the wristband that was worn: the one named in `WORN`, or that with most of the debate."""
    several = sorted(set(serials.tolist()))
    if len(several) < 2:
        return np.ones(len(serials), bool)
    inside = (times >= person.start) & (times < person.end)
    most = max(several, key=lambda s: int((inside & (serials == s)).sum()))
    chosen = WORN[person.number] if WORN.get(person.number) in several else most
    notices.append(f"P{person.number:02d}: {stem} has wristbands {', '.join(several)}; {chosen} is read")
    return np.asarray(serials == chosen)


def _annotations(path: Path, person: _Person) -> tuple[FloatArray, FloatArray]:
    """Middle of each annotated 5 s ``(n,)`` s, and valence and arousal ``(n, 2)``; ``seconds`` tells where it ends."""
    held = columns(path, ("seconds", "valence", "arousal"))
    values = np.column_stack([held["valence"], held["arousal"]])
    if (off := np.flatnonzero(((values < SCALE[0]) | (values > SCALE[1])).any(axis=1))).size:
        raise InputError(f"row {off[0] + 2} has a rating outside 1 to 5", where=str(path), fix="Correct the row.")
    if not np.isfinite(held["seconds"]).all() or (np.diff(held["seconds"]) <= 0).any():
        raise InputError("its seconds do not rise", where=str(path), fix="Get the file again.")
    return person.start + held["seconds"] - STEP_S / 2, values


#: What the twin's files hold beside what is read, as the set has it.
_SERIAL, _OTHER, _EPOCH = "A01525", "A013E1", 1_548_997_200


def generate(
    root: Path,
    seed: int = 0,
    *,
    people: int = 2,
    trials: int = 6,
    effect: float = 1.0,
    fingerprint: float = 1.0,
) -> WindowsTruth:
    """``people`` (an even number; the last two are 31 and 32) in debates of ``trials`` annotated stretches of 10 s.

    The state follows the stretch; person 31 also has rows of a wristband that was not worn, and the belt of all repeats
    stamps. Windows of 10 s.
    """
    rng = np.random.default_rng(seed)
    numbers = [*range(1, people - 1), 31, 32] if people > 1 else [31]
    clips: list[str] = []
    told: dict[str, list[Any]] = {name: [] for name in SPEC.labels}
    begins: list[float] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in _STREAMS}
    times = []
    for n in numbers:
        person, begin = Person.of(seed, n), 1000 * (_EPOCH + 3600 * ((n + 1) // 2))
        pair = f"debate-{(n + 1) // 2}"
        levels = np.resize([1.0, -1.0], trials) * (1 if n % 2 else -1)
        length, start = 10 * trials + 20, 12
        state = np.concatenate([np.zeros(start), np.repeat(levels, 10), np.zeros(8)])
        state = 0.75 * state + 0.2 * latent(pair, length, seed)
        for m, (stem, names, fields, rate, scale) in _STREAMS.items():
            kind = {"hr": "temp"}.get(m, m)
            made = signal(kind, fields, length, rate, person, state, rng, effect=effect, fingerprint=fingerprint)
            if m == "hr":
                made = np.round(person.heart * (1 + 0.13 * effect * state[:, None]) + rng.normal(0, 1, (length, 1)))
            values = np.round(made / scale, 0 if m == "acc" else 4)
            at = begin + 1000 * np.arange(len(values)) / rate
            table = [("timestamp", at), ("pid", np.full(len(at), n)), *((c, values[:, i]) for i, c in enumerate(names))]
            folder = "neurosky_polar_data" if m == "hr" else "e4_data"
            serial = WORN.get(n, _SERIAL)
            if m == "hr":  # each stamp twice, as the belt's app wrote them
                table = [(c, np.repeat(v, 2)) for c, v in table]
            else:
                table.append(("device_serial", np.full(len(at), serial, object)))
                if n == 31:
                    table = [
                        (c, np.concatenate([v, np.full(8, "A0FFFF", object) if c == "device_serial" else v[:8]]))
                        for c, v in table
                    ]
            write_columns(root / folder / str(n) / f"{stem}.csv", table)
            for k in range(trials):
                cut = slice(round((start + 10 * k) * rate), round((start + 10 * k + 10) * rate))
                samples[m].append(scale * values[cut])
        times.append([n, begin, begin + 1000 * start, begin + 1000 * (start + 10 * trials)])
        ratings = np.clip(np.round(3 + 1.5 * np.repeat(levels, 2)[:, None] + rng.normal(0, 0.4, (2 * trials, 2))), 1, 5)
        for folder, ending in BY.values():
            lines = [[5 * (k + 1), int(v[1]), int(v[0]), 1] for k, v in enumerate(ratings)]
            name = root / "emotion_annotations" / folder / f"P{n}.{ending}.csv"
            write(name, tabled(["seconds", "arousal", "valence", "cheerful"], lines))
        for k in range(trials):
            clips.append(f"P{n:02d}-debate-w{k + 1:03d}")
            begins.append(float(start + 10 * k))
            v, a = ratings[2 * k : 2 * k + 2].mean(axis=0).tolist()
            told["ratings"].append((v, a))
            told["valence"].append("high" if v >= 3 else "low")
            told["arousal"].append("high" if a >= 3 else "low")
            told["quadrant"].append(f"{told['valence'][-1]}-{told['arousal'][-1]}")
    write(root / "metadata/subjects.csv", tabled(["pid", "initTime", "startTime", "endTime"], times))

    def spoil(where: Path) -> str:
        file = where / f"emotion_annotations/self_annotations/P{numbers[0]}.self.csv"
        write(file, re.sub(r"\n15,\d", "\n15,7", file.read_text()))
        return "row 4"

    first = f"emotion_annotations/self_annotations/P{numbers[0]}.self.csv"
    return WindowsTruth(
        clips, [c.partition("-")[0] for c in clips], [""] * len(clips), told,
        parts=["metadata/subjects.csv", "e4_data", "emotion_annotations/self_annotations"],
        tables=["metadata/subjects.csv", first], spoil=spoil,
        modalities={m: len(s[2]) for m, s in _STREAMS.items()}, settings={"window_s": 10.0}, starts=begins,
        samples=samples,
    )  # fmt: skip
