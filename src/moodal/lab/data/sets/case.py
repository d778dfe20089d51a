"""CASE: heart, pulse, skin, breath, temperature and muscles of 30 people who watched films with a joystick in hand.

Eight films (two each to amuse, bore, relax and scare) between a start film, a blue screen and an end film; the joystick
told valence and arousal all the while, 20 times a second. What is read are the makers' interpolated files, in units; or
the raw ones, whose volts become units by the makers' formulas. A window's rating is the joystick's mean in it, so with
windows of one film cut apart every film appears in every fold unless it is held out (`stimulus`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError, UsageError
from moodal.lab.data.columns import columns, even, window_means, write_columns
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person, latent, signal
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.rated import rated, rating_labels
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.streams import gathered
from moodal.lab.data.told import checked as known
from moodal.lab.data.windows import Channels, Windowed, WindowsTruth, checked, runs

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="case",
    title="CASE (Continuously Annotated Signals of Emotion)",
    modalities=("ecg", "ppg", "eda", "resp", "temp", "emg"),
    labels=("valence", "arousal", "quadrant", "ratings", "intended"),
    licence="CC BY 4.0: name the source.",
    commercial="yes",
    where="https://springernature.figshare.com/articles/dataset/CASE_Dataset-full/8869157",
    layout="data/interpolated/{physiological,annotations}/sub_N.csv, data/raw/{physiological,annotations}/subN_….txt",
    source="Sharma et al. 2019, Scientific Data 6, 196",
)
#: Modality → columns of its file, fields, factor from the file's unit to ours (ECG is in mV).
_COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...], float]] = {
    "ecg": (("ecg",), ("ecg",), 1e3),
    "ppg": (("bvp",), ("bvp",), 1.0),
    "eda": (("gsr",), ("eda",), 1.0),
    "resp": (("rsp",), ("resp",), 1.0),
    "temp": (("skt",), ("temp",), 1.0),
    "emg": (("emg_zygo", "emg_coru", "emg_trap"), ("zygomaticus", "corrugator", "trapezius"), 1.0),
}
_ALL = ("ecg", "bvp", "gsr", "rsp", "skt", "emg_zygo", "emg_coru", "emg_trap")
#: Column → the file's unit from volts: gain, offset (makers' script; ECG mV, BVP and breath %, skin µS, °C, muscle µV).
_VOLTS: dict[str, tuple[float, float]] = {
    "ecg": (1000 / 50, -2.8 * 1000 / 50), "bvp": (58.962, -115.09), "gsr": (24.0, -49.2), "rsp": (58.923, -115.01),
    "skt": (21.341, -32.085), **dict.fromkeys(("emg_zygo", "emg_coru", "emg_trap"), (1e6 / 4000, -2.0 * 1e6 / 4000)),
}  # fmt: skip
RATE_HZ, JOYSTICK_HZ = 1000.0, 20.0
#: The joystick's range as it is logged, and as ratings.
_STICK, SCALE = (-26225.0, 26225.0), (0.5, 9.5)
#: Films by number; those from 10 on start, separate and end.
FILMS = {1: "amused", 2: "amused", 3: "bored", 4: "bored", 5: "relaxed", 6: "relaxed", 7: "scared", 8: "scared"}
INTENDED = ("amused", "bored", "relaxed", "scared")
_BETWEEN = (10, 11, 12)


def read(
    root: Path | str | None = None,
    *,
    window_s: float | None = 10.0,
    hop_s: float | None = None,
    rule: str = "ge5",
    signals: str = "interpolated",
    modalities: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All people's windows of ``window_s`` every ``hop_s`` seconds within a film; None: whole films.

    Modalities at 1000 Hz: ``ecg`` and ``emg`` µV, ``eda`` µS, ``temp`` °C, ``ppg`` and ``resp`` percent of the sensor's
    range. Labels: ``ratings`` (valence, arousal: the joystick's mean in the window, 0.5 to 9.5), both as low or high by
    ``rule`` (see `moodal.lab.data.rated`), ``quadrant``, and ``intended``, what the film was chosen for.
    ``signals = "raw"`` reads volts. ``accept`` waives checks (see `moodal.lab.data.plausible`). All people in memory at
    once take 1.2 GB for all films: `people` gives one after another.

    Raises
    ------
    InputError : a part is not there, cannot be read, or is not what it should be.
    """
    each = people(
        root, window_s=window_s, hop_s=hop_s, rule=rule, signals=signals, modalities=modalities, accept=accept
    )
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    window_s: float | None = 10.0,
    hop_s: float | None = None,
    rule: str = "ge5",
    signals: str = "interpolated",
    modalities: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another."""
    window_s, hop_s = checked(window_s, hop_s, SPEC.name)
    known("signals", signals, ("interpolated", "raw"), SPEC.name)
    for m in modalities:
        if m not in _COLUMNS:
            raise UsageError(f"has no modality {m!r}", where=SPEC.name, fix=f"It has: {', '.join(_COLUMNS)}.")
    rated([], rule, where=SPEC.name, subject=[])
    wanted = tuple(modalities) or tuple(_COLUMNS)
    path, _ = find(SPEC, root)
    home = path / "data" if (path / "data").is_dir() else path
    form = r"sub_(\d+)\.csv" if signals == "interpolated" else r"sub(\d+)_DAQ\.txt"
    folder = home / signals / "physiological"
    files = {int(n[1]): f for f in (folder.iterdir() if folder.is_dir() else ()) if (n := re.fullmatch(form, f.name))}
    if not files:
        raise lacking(SPEC, f"its recordings ({signals}/physiological)", path)
    for number in sorted(files):
        yield _person(path, home, number, files[number], wanted, (window_s, hop_s), rule, signals, accept)


def _person(
    path: Path, home: Path, number: int, file: Path, wanted: Sequence[str], window: tuple[float | None, float | None],
    rule: str, signals: str, accept: Sequence[str],
) -> Dataset:  # fmt: skip
    beside = home / "interpolated" / "annotations" / f"sub_{number}.csv"
    if not beside.is_file():
        raise lacking(SPEC, f"interpolated/annotations/{beside.name}", path)
    at, ratings, films = _joystick(beside)
    if signals == "raw":
        stick = home / "raw" / "annotations" / f"sub{number}_joystick.txt"
        if not stick.is_file():
            raise lacking(SPEC, f"raw/annotations/{stick.name}", path)
        at, ratings, films = _raw_joystick(stick, at, films)
    held = _volts(file, wanted) if signals == "raw" else _units(file, wanted)
    checks = Plausible(SPEC.name, accept)
    streams = {m: held[m] for m in wanted}
    for m, c in streams.items():
        checks.stream(m, c.values * c.scale if c.scale != 1 else c.values, c.rate_hz, _COLUMNS[m][1], str(file))
    collected = Windowed(SPEC.name, {m: (_COLUMNS[m][1], RATE_HZ) for m in wanted}, *window)
    name = f"S{number:02d}"
    spans = [(at[a], at[b - 1] + 1 / JOYSTICK_HZ, film) for a, b, film in runs(films) if film in FILMS]
    if not spans:
        raise InputError("shows none of the films 1 to 8", where=str(beside), fix="Get the file again.")
    for start, end, film in spans:
        collected.add(
            streams, float(start), float(end), trial=f"{name}-v{film}", recording=str(file), subject=name, session=name,
            stimulus=f"v{film}", _film=film,
        )  # fmt: skip
    notices: list[str] = list(checks.notices)

    def labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
        means = window_means(at, ratings, told["start_s"], told["end_s"])
        both = {"valence": means[:, 0].tolist(), "arousal": means[:, 1].tolist()}
        made, said = rating_labels(both, rule, SCALE, subject=told["subject"], where=str(beside))
        notices.extend(f"{name}: {line}" for line in said)
        return made | {"intended": Labels.of_classes([FILMS[f] for f in told["_film"]], INTENDED)}

    return collected.dataset(labels, terms=SPEC.licence, notices=notices, where=str(file))


def _joystick(path: Path) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Times ``(n,)`` s, valence and arousal ``(n, 2)``, film ``(n,)``."""
    held = columns(path, ("jstime", "valence", "arousal", "video"))
    at = held["jstime"] / 1000
    if not np.isfinite(at).all() or (np.diff(at) <= 0).any():
        raise InputError("its times do not rise", where=str(path), fix="Get the file again.")
    if len(at) > 2 and abs(float(np.median(np.diff(at))) * JOYSTICK_HZ - 1) > 0.2:
        raise InputError(
            f"its times make {1 / float(np.median(np.diff(at))):.4g} Hz, not {JOYSTICK_HZ:g}", where=str(path),
            fix="They should be in ms.",
        )  # fmt: skip
    films = np.nan_to_num(held["video"], nan=-1).astype(np.int64)
    if (bad := np.flatnonzero(~np.isin(films, (*FILMS, *_BETWEEN)))).size:
        raise InputError(
            f"row {bad[0] + 2} shows film {held['video'][bad[0]]:g}", where=str(path), fix="Films are 1 to 12."
        )
    ratings = np.column_stack([held["valence"], held["arousal"]])
    off = np.flatnonzero(((ratings < SCALE[0] - 1e-6) | (ratings > SCALE[1] + 1e-6)).any(axis=1))
    if off.size:
        raise InputError(
            f"row {off[0] + 2} has a rating outside {SCALE[0]} to {SCALE[1]}",
            where=str(path),
            fix="Get the file again.",
        )
    return at, np.clip(ratings, *SCALE), films


def _raw_joystick(
    path: Path, at: FloatArray, films: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """The same from the logged positions; which film was shown is told by the interpolated file, on the same clock."""
    held = columns(path, ("t", "x", "y"), headless=True, delimiter="\t")
    if (np.diff(held["t"]) <= 0).any() or not np.isfinite(held["t"]).all():
        raise InputError("its times do not rise", where=str(path), fix="Get the file again.")
    low, high = _STICK
    place = np.column_stack([held["x"], held["y"]])
    if (off := np.flatnonzero((np.abs(place) > 1.01 * high).any(axis=1))).size:
        raise InputError(f"row {off[0] + 1} lies outside the joystick's range", where=str(path), fix="Get it again.")
    if abs(float(held["t"][-1]) - float(at[-1])) > 5.0:
        raise InputError("ends at another time than the interpolated file", where=str(path), fix="Get both again.")
    ratings = SCALE[0] + (SCALE[1] - SCALE[0]) * (np.clip(place, low, high) - low) / (high - low)
    stamps = np.searchsorted(at, held["t"], side="right") - 1
    return held["t"], ratings, films[np.clip(stamps, 0, len(films) - 1)]


def _units(path: Path, wanted: Sequence[str]) -> dict[str, Channels]:
    names = [c for m in wanted for c in _COLUMNS[m][0]]
    held = columns(path, ("daqtime", *names))
    at = held.pop("daqtime") / 1000
    steps = np.diff(at)
    if not np.isfinite(at).all() or (steps <= 0).any() or np.abs(steps * RATE_HZ - 1).max(initial=0.0) > 0.5:
        raise InputError("its times are not even milliseconds", where=str(path), fix="Get the file again.")
    return {
        m: Channels(np.column_stack([held[c] for c in _COLUMNS[m][0]]).astype(np.float32), RATE_HZ, float(at[0]),
                    _COLUMNS[m][2]) for m in wanted
    }  # fmt: skip


def _volts(path: Path, wanted: Sequence[str]) -> dict[str, Channels]:
    held = columns(path, ("t", *_ALL), headless=True, delimiter="\t")
    at = held.pop("t")
    made = {}
    for m in wanted:
        volts = np.column_stack([_VOLTS[c][0] * held[c] + _VOLTS[c][1] for c in _COLUMNS[m][0]])
        made[m] = even(at, volts * _COLUMNS[m][2], RATE_HZ, str(path))
    return made


#: Order of films in the twin, by person; each person sees all that there are, in an order of the own.
_HIGH = (1, 2, 7, 8)


def generate(
    root: Path,
    seed: int = 0,
    *,
    people: int = 2,
    trials: int = 4,
    seconds: int = 12,
    effect: float = 1.0,
    fingerprint: float = 1.0,
) -> WindowsTruth:
    """``people`` (1, 10, 11 …) who see ``trials`` films of ``seconds`` each; half of the films are rated high.

    Valence and arousal both follow the planted state. The default is small; windows of 5 s.
    """
    rng = np.random.default_rng(seed)
    numbers = [1, *range(10, 9 + people)]
    order = [f for pair in zip(_HIGH, (3, 5, 4, 6), strict=True) for f in pair][:trials]
    clips: list[str] = []
    told: dict[str, list[Any]] = {name: [] for name in SPEC.labels}
    begins: list[float] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in _COLUMNS}
    for k, number in enumerate(numbers):
        person, films = Person.of(seed, number), [int(f) for f in rng.permutation(order)]
        plan = [(10, 2), *((f, s) for film in films for f, s in ((film, seconds), (11, 1))), (12, 1)]
        state, shown = [], []
        for film, s in plan:
            course = 0.2 * latent(f"v{film}", s, seed)
            state.append(course + (0.0 if film >= 10 else 0.75 if film in _HIGH else -0.75))
            shown.append(np.full(s, film))
        course, film_of = np.concatenate(state), np.concatenate(shown)
        length = len(course)
        table: dict[str, npt.NDArray[Any]] = {}
        for m, (names, fields, scale) in _COLUMNS.items():
            made = signal(
                m, fields, length, RATE_HZ, person, course, rng, effect=effect, fingerprint=fingerprint, trial=k
            )
            table |= {c: np.round(made[:, i] / scale, 4) for i, c in enumerate(names)}
        at = np.arange(length * 1000)
        body = [("daqtime", at.astype(float)), *((c, table[c]) for c in _ALL), ("video", np.repeat(film_of, 1000))]
        write_columns(root / f"data/interpolated/physiological/sub_{number}.csv", body)
        tick = np.arange(length * 20)
        stick = np.clip(5 + 3.5 * np.repeat(course, 20)[:, None] + rng.normal(0, 0.1, (len(tick), 2)), *SCALE).round(3)
        rows = [("jstime", 50.0 * tick), ("valence", stick[:, 0]), ("arousal", stick[:, 1]),
                ("video", np.repeat(film_of, 20))]  # fmt: skip
        write_columns(root / f"data/interpolated/annotations/sub_{number}.csv", rows)
        volts = [("", at / 1000), *(("", ((table[c] - _VOLTS[c][1]) / _VOLTS[c][0])) for c in _ALL)]
        write_columns(root / f"data/raw/physiological/sub{number}_DAQ.txt", volts, "\t")
        logged = np.round((stick - SCALE[0]) / (SCALE[1] - SCALE[0]) * (_STICK[1] - _STICK[0]) + _STICK[0])
        write_columns(
            root / f"data/raw/annotations/sub{number}_joystick.txt",
            [("", tick / 20), ("", logged[:, 0]), ("", logged[:, 1])], "\t",
        )  # fmt: skip
        start = 0
        for film, s in plan:
            for w in range(s // 5 if film in FILMS else 0):
                a = start + 5 * w
                clips.append(f"S{number:02d}-v{film}-w{w + 1:03d}")
                begins.append(float(a))
                mean = stick[20 * a : 20 * a + 100].mean(axis=0)
                told["ratings"].append((float(mean[0]), float(mean[1])))
                for name, value in zip(("valence", "arousal"), mean, strict=True):
                    told[name].append("high" if value >= 5 else "low")
                told["quadrant"].append(f"{told['valence'][-1]}-{told['arousal'][-1]}")
                told["intended"].append(FILMS[film])
                for m, (names, _, scale) in _COLUMNS.items():
                    cut = slice(1000 * a, 1000 * a + 5000)
                    samples[m].append(scale * np.column_stack([table[c][cut] for c in names]))
            start += s

    def spoil(where: Path) -> str:
        file = where / "data/interpolated/annotations/sub_1.csv"
        lines = file.read_text().split("\n")
        cells = lines[4].split(",")
        file.write_text("\n".join([*lines[:4], ",".join([cells[0], "12.5", *cells[2:]]), *lines[5:]]))
        return "row 5"

    home = "data/interpolated"
    return WindowsTruth(
        clips, [c.partition("-")[0] for c in clips], [""] * len(clips), told,
        parts=[f"{home}/physiological", f"{home}/annotations/sub_{numbers[-1]}.csv"],
        tables=[f"{home}/annotations/sub_1.csv"], spoil=spoil,
        modalities={m: len(fields) for m, (_, fields, _) in _COLUMNS.items()}, settings={"window_s": 5.0},
        starts=begins, samples=samples,
    )  # fmt: skip
