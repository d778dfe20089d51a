"""CEAP-360VR: wristband signals of 32 people in eight one-minute 360° films, who told valence and arousal by joystick.

Three levels of the makers' processing: ``raw`` (the wristband's units), ``transformed`` (skin, pulse and temperature
low-passed and stretched to 0 … 1 within each film: no unit is left, and levels of two films cannot be compared), and
``frame`` (that, on the films' frames; read at 25 Hz here, because the films' own rates differ). Ratings come from the
transformed joystick, 1 to 9 from a start at 5, or from the questionnaire after each film.

Our compact layout holds the ratings alone: stream ``rating`` at 5 Hz, and the final ones as labels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError, UsageError
from moodal.lab.data.columns import even, window_means
from moodal.lab.data.compact import arrays, rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person, latent, signal
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.rated import Running, rated
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import gathered
from moodal.lab.data.told import checked as known
from moodal.lab.data.twin import write
from moodal.lab.data.windows import Channels, Windowed, WindowsTruth, apart, checked

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="ceap-360vr",
    title="CEAP-360VR",
    modalities=("ppg", "eda", "temp", "acc", "hr", "rating"),
    labels=("valence", "arousal", "quadrant", "ratings"),
    licence="CC BY-NC-SA 4.0 (its readme says CC BY-NC 4.0 and links BY-NC-SA: the stricter of the two).",
    commercial="no",
    where="https://github.com/cwi-dis/CEAP-360VR-Dataset",
    layout="CEAP-360VR/{2_QuestionnaireData,3_AnnotationData/{Transformed,Frame},5_PhysioData/{Raw,Transformed,Frame}}/"
    "PN_….json",
    source="Xue et al. 2021, IEEE Transactions on Multimedia 25, 243-255",
    compact="body_ceap360_annotations",
)
#: Modality → key of the file, columns, fields, rate in Hz, factor to our unit.
_STREAMS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], float, float]] = {
    "ppg": ("BVP", ("BVP",), ("bvp",), 64.0, 1.0),
    "eda": ("EDA", ("EDA",), ("eda",), 4.0, 1.0),
    "temp": ("SKT", ("SKT",), ("temp",), 4.0, 1.0),
    "acc": ("ACC", ("ACC_X", "ACC_Y", "ACC_Z"), ("x", "y", "z"), 32.0, 1 / 64),
    "hr": ("HR", ("HR",), ("hr",), 1.0, 1.0),
}
#: Level → folder, and what its files and keys are called.
_LEVELS = {"raw": ("Raw", "RawData"), "transformed": ("Transformed", "TransData"), "frame": ("Frame", "FrameData")}
RATING, RATING_HZ, FRAME_HZ = ("valence", "arousal"), 5.0, 25.0
SCALE, FILMS = (1.0, 9.0), tuple(f"V{k}" for k in range(1, 9))


def read(
    root: Path | str | None = None,
    *,
    window_s: float | None = 10.0,
    hop_s: float | None = None,
    by: str = "",
    rule: str = "ge5",
    level: str = "raw",
    modalities: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All people's windows of ``window_s`` every ``hop_s`` seconds of each film; None: whole films.

    Modalities (all signals, or those named): ``ppg`` 64 Hz, ``eda`` 4 Hz (µS), ``temp`` 4 Hz (°C), ``acc`` 32 Hz (g),
    ``hr`` 1 Hz (1/min), ``rating`` 5 Hz (what the joystick told: only where it is not the label). Labels: ``ratings``
    (valence and arousal, 1 to 9) told ``by`` the joystick (``running``: its mean in the window) or after the film
    (``final``), both as low or high by ``rule``, and ``quadrant``. Seconds count from the start of the person's first
    film. ``level`` is the makers' processing: raw, transformed, frame. ``accept`` waives checks (see
    `moodal.lab.data.plausible`).

    Raises
    ------
    InputError : a part is not there, cannot be read, or is not what it should be.
    UsageError : ``rating`` is to be read, and is what the label is made of.
    """
    each = people(
        root, window_s=window_s, hop_s=hop_s, by=by, rule=rule, level=level, modalities=modalities, accept=accept
    )
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    window_s: float | None = 10.0,
    hop_s: float | None = None,
    by: str = "",
    rule: str = "ge5",
    level: str = "raw",
    modalities: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    window_s, hop_s = checked(window_s, hop_s, SPEC.name)
    known("level", level, tuple(_LEVELS), SPEC.name)
    rated([], rule, where=SPEC.name, subject=[])
    path, compact = find(SPEC, root)
    by = by or ("final" if compact or "rating" in modalities else "running")
    known("by", by, ("running", "final"), SPEC.name)
    wanted = tuple(modalities) or (("rating",) if compact else tuple(_STREAMS))
    for m in wanted:
        if m not in (("rating",) if compact else (*_STREAMS, "rating")):
            raise UsageError(f"has no modality {m!r}", where=SPEC.name, fix="The compact layout has ratings alone."
                             if compact else f"It has: {', '.join(SPEC.modalities)}.")  # fmt: skip
    if "rating" in wanted and by == "running":
        raise UsageError("modality rating is what its labels are made of", where=SPEC.name, fix='Ask for by = "final".')
    rates = {m: FRAME_HZ if level == "frame" else s[3] for m, s in _STREAMS.items()} | {"rating": RATING_HZ}
    fields = {m: s[2] for m, s in _STREAMS.items()} | {"rating": RATING}
    checks = Plausible(SPEC.name, (*accept, "unit") if level != "raw" else accept)
    running: dict[str, tuple[FloatArray, FloatArray]] = {}

    def collected() -> Iterator[Windowed]:
        found = _compact(path) if compact else _official(path, level, wanted)
        for number, films in groupby(found, key=lambda film: film.number):
            windows, name = (
                Windowed(SPEC.name, {m: (fields[m], rates[m]) for m in wanted}, window_s, hop_s),
                f"P{number:02d}",
            )
            for told in films:
                running[f"{name}-{told.film}"] = told.times, told.ratings
                streams = {m: told.streams[m] for m in wanted if m in told.streams}
                for m, c in streams.items():
                    if m != "rating":
                        checks.stream(m, c.values, c.rate_hz, fields[m], f"{told.file}, {told.film}")
                windows.add(
                    streams, min(c.start_s for c in streams.values()), max(c.end_s for c in streams.values()),
                    trial=f"{name}-{told.film}", recording=told.file, subject=name, session=name, stimulus=told.film,
                    _final=told.final, _trial=f"{name}-{told.film}",
                )  # fmt: skip
            yield windows

    ratings = Running(RATING, rule, SCALE, str(path))
    notices: list[str] = []
    if level != "raw" and not compact:
        notices.append(f"level {level}: its makers stretched each film's skin, pulse and temperature to 0 … 1")

    def labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
        if by == "final":
            means = np.array(told["_final"], np.float64).reshape(-1, 2)
        else:
            means = np.vstack([
                window_means(*running[t], [a], [b])
                for t, a, b in zip(told["_trial"], told["start_s"], told["end_s"], strict=True)
            ])  # fmt: skip
        return ratings.labels(means, told["subject"])

    return apart(
        collected(), labels, lambda: [*notices, *ratings.notices, *checks.notices], terms=SPEC.licence, where=str(path)
    )


class _Film:
    """One film of one person: streams, and what was rated while (at ``times (n,)`` s, ``(n, 2)``) and after it."""

    def __init__(self, number: int, film: str, file: str, streams: Mapping[str, Channels], times: FloatArray,
                 ratings: FloatArray, final: tuple[float, float]) -> None:  # fmt: skip
        self.number, self.film, self.file, self.streams = number, film, file, streams
        self.times, self.ratings, self.final = times, ratings, final


def _compact(path: Path) -> Iterator[_Film]:
    npz, films = need(SPEC, path, ["ceap360_annotations.npz", "videos.csv"])
    rows(films, ("video",))
    with arrays(npz) as held:
        told = np.stack([np.asarray(held[n]) for n in RATING], axis=-1)
        final, names = np.asarray(held["sam"]), [str(v) for v in held["videos"]]
        if told.ndim != 4 or told.dtype.kind not in "iu" or final.shape != (*told.shape[:2], 2):
            raise InputError("its ratings have another shape", where=str(npz), fix="Get the file again.")
        if len(names) != told.shape[1] or not set(names) <= set(FILMS):
            raise InputError("its films are not V1 to V8", where=str(npz), fix="Get the file again.")
    times = np.arange(told.shape[2]) / RATING_HZ
    for i, k in np.ndindex(told.shape[:2]):
        values = 0.01 * told[i, k]
        _in_scale(values, f"{names[k]} of person {i + 1}", npz)
        streams = {"rating": Channels(values.astype(np.float32), RATING_HZ)}
        after = (float(final[i, k, 0]), float(final[i, k, 1]))
        yield _Film(i + 1, names[k], f"{npz}!P{i + 1}-{names[k]}", streams, times, values, after)


def _in_scale(values: FloatArray, what: str, where: Path) -> None:
    if (off := np.flatnonzero(((values < SCALE[0]) | (values > SCALE[1])).any(axis=-1))).size:
        raise InputError(
            f"row {off[0] + 1} of {what} has a rating outside 1 to 9", where=str(where), fix="Get it again."
        )


def _official(path: Path, level: str, wanted: Sequence[str]) -> Iterator[_Film]:
    home = path / "CEAP-360VR" if (path / "CEAP-360VR").is_dir() else path
    folder, stem = _LEVELS[level]
    rating_folder, rating_stem = _LEVELS["frame" if level == "frame" else "transformed"]
    signals = set(wanted) - {"rating"}
    asked = home / "2_QuestionnaireData"
    people = {int(found[1]): f for f in (asked.iterdir() if asked.is_dir() else ())
              if (found := re.fullmatch(r"P(\d+)_Questionnaire_Data\.json", f.name))}  # fmt: skip
    if not people:
        raise lacking(SPEC, "its questionnaires (2_QuestionnaireData)", path)
    for number in sorted(people):
        told = f"3_AnnotationData/{rating_folder}/P{number}_Annotation_{rating_stem}.json"
        body = f"5_PhysioData/{folder}/P{number}_Physio_{stem}.json"
        for part in (told, *((body,) if signals else ())):
            if not (home / part).is_file():
                raise lacking(SPEC, part, path)
        final = _films(people[number], "QuestionnaireData", "Video_SAMRating_VideoTime_Data", number)
        ratings = _films(home / told, f"ContinuousAnnotation_{rating_stem}", f"Video_Annotation_{rating_stem}", number)
        starts = {film: _start(final[film], people[number], film) for film in final}
        measured = _films(home / body, f"Physio_{stem}", f"Video_Physio_{stem}", number) if signals else {}
        for film in [f for f in FILMS if f in ratings]:
            if film not in final or (signals and film not in measured):
                where = home / body if film in final else people[number]
                raise InputError(f"has no film {film}, which was rated", where=str(where), fix="Get the file again.")
            table = _table(ratings[film], "TimeStamp_Valence_Arousal", ("Valence", "Arousal"), home / told, film)
            _in_scale(table[1], film, home / told)
            streams = {"rating": even(table[0], table[1], RATING_HZ, f"{home / told}, {film}", hole_s=5.0,
                                      resample=True)}  # fmt: skip
            for m in [m for m in _STREAMS if m in signals]:
                key, names, _, rate, scale = _STREAMS[m]
                # Acceleration stays as it was, and keeps its name, in the transformed files.
                names_of = (f"{key}_{stem}", f"{key}_RawData")
                kept = next((n for n in names_of if n in measured[film]), names_of[0])
                times, values = _table(measured[film], kept, names, home / body, film)
                where_ = f"{home / body}, {film}"
                own = FRAME_HZ if level == "frame" else rate
                streams[m] = even(times, values * scale, own, where_, hole_s=3.0 if m == "hr" else None,
                                  resample=level == "frame")  # fmt: skip
            begin = starts[film] - min(starts.values())
            streams = {m: replace(c, start_s=max(0.0, c.start_s) + begin) for m, c in streams.items()}
            after = tuple(_number(final[film], k, people[number], film) for k in ("ValenceValue", "ArousalValue"))
            _in_scale(np.array([after]), film, people[number])
            file = str(home / body if signals else home / told)
            yield _Film(number, film, file, streams, table[0] + begin, table[1], after)  # type: ignore[arg-type]


def _films(path: Path, outer: str, inner: str, number: int) -> dict[str, Mapping[str, Any]]:
    """Film → what a file holds of it; whose file it is stands inside as ``P7`` or as ``7``."""
    where = str(path)
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"))
        (person,) = held[outer]
        name, films = str(person["ParticipantID"]), person[inner]
        found = {str(f["VideoID"]): f for f in films}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = " ".join(str(error).split())[:100] or type(error).__name__
        raise InputError(f"does not hold {outer} of one person ({what})", where=where, fix="Get it again.") from error
    if name.removeprefix("P") != str(number):
        raise InputError(f"says that it is of {name[:20]}", where=where, fix=f"By its name it is of P{number}.")
    if len(found) != len(films) or not found or not set(found) <= set(FILMS):
        raise InputError("its films are not V1 to V8, each once", where=where, fix="Get the file again.")
    return found


def _table(
    film: Mapping[str, Any], key: str, names: Sequence[str], path: Path, name: str
) -> tuple[FloatArray, FloatArray]:
    """Times ``(n,)`` s and columns ``(n, k)`` of a list of records."""
    try:
        table = np.array([[float(r[c]) for c in ("TimeStamp", *names)] for r in film[key]], np.float64)
        if table.ndim != 2 or not np.isfinite(table).all():
            raise ValueError("no numbers")
    except (KeyError, TypeError, ValueError) as error:
        what = " ".join(str(error).split())[:100]
        raise InputError(f"film {name} has no {key} ({what})", where=str(path), fix="Get the file again.") from error
    return table[:, 0], table[:, 1:]


def _number(film: Mapping[str, Any], key: str, path: Path, name: str) -> float:
    try:
        return float(film[key])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"film {name} has no {key}", where=str(path), fix="Get the file again.") from None


def _start(film: Mapping[str, Any], path: Path, name: str) -> float:
    """When the film began, POSIX s."""
    try:
        return float(film["Start_End_TimeStamp"][0]["UnixTimeStamp"]) / 1000
    except (KeyError, IndexError, TypeError, ValueError):
        raise InputError(f"film {name} has no time at which it began", where=str(path), fix="Get it again.") from None


#: When the twin's first film begins, POSIX ms.
_EPOCH_MS = 1_581_935_245_226


def generate(
    root: Path,
    seed: int = 0,
    *,
    people: int = 2,
    trials: int = 4,
    seconds: int = 20,
    effect: float = 1.0,
    fingerprint: float = 1.0,
) -> WindowsTruth:
    """``people`` (2, 10, 11 …) in ``trials`` films of ``seconds``, those of odd number rated high; windows of 10 s."""
    rng = np.random.default_rng(seed)
    home, order = root / "CEAP-360VR", (1, 0, 3, 2, 5, 4, 7, 6)  # films are shown in another order than numbered
    clips: list[str] = []
    told: dict[str, list[Any]] = {name: [] for name in SPEC.labels}
    begins: list[float] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in _STREAMS}
    for number in [2, *range(10, 9 + people)]:
        person, physio, stick, final = Person.of(seed, number), [], [], []
        for k, film in enumerate(FILMS[:trials]):
            state = 0.75 * (1 - 2 * (k % 2)) + 0.2 * latent(film, seconds, seed)
            body: dict[str, Any] = {"VideoID": film}
            made = {}
            for m, (key, names, fields, rate, scale) in _STREAMS.items():
                values: npt.NDArray[Any]
                if m == "hr":
                    values = person.heart * (1 + 0.13 * effect * state[:, None]) + rng.normal(0, 1, (seconds, 1))
                else:
                    values = signal(
                        m, fields, seconds, rate, person, state, rng, effect=effect, fingerprint=fingerprint, trial=k
                    )  # fmt: skip
                made[m] = np.round(values / scale, 0 if m == "acc" else 4)
                at = np.arange(len(values)) / rate
                body[f"{key}_RawData"] = [
                    {"TimeStamp": round(float(t), 6), **dict(zip(names, v, strict=True))}
                    for t, v in zip(at, made[m].tolist(), strict=True)
                ]
            physio.append(body)
            # The joystick answers about 8.3 times a second, unevenly, from a start at 5.
            at = np.cumsum(rng.choice([0.109, 0.117, 0.125, 0.133], round(8.2 * seconds)))
            at = at[at < seconds].round(3)
            ratings = 5 + 3.5 * state[at.astype(int)][:, None] + rng.normal(0, 0.05, (len(at), 2))
            ratings = np.where(at[:, None] < 0.5, 5.0, np.clip(ratings, *SCALE)).round(3)
            stick.append({"VideoID": film, "TimeStamp_Valence_Arousal": [
                {"TimeStamp": t, "Valence": v, "Arousal": a}
                for t, (v, a) in zip(at.tolist(), ratings.tolist(), strict=True)
            ]})  # fmt: skip
            begin = 90 * (order[k] - min(order[:trials]))
            final.append({
                "VideoID": film, "ValenceValue": 8 - 5 * (k % 2), "ArousalValue": 7 - 5 * (k % 2),
                "Start_End_TimeStamp": [{"UnixTimeStamp": _EPOCH_MS + 1000 * (begin + s)} for s in (0, seconds)],
            })  # fmt: skip
            for w in range(seconds // 10):
                clips.append(f"P{number:02d}-{film}-w{w + 1:03d}")
                begins.append(begin + 10.0 * w)
                inside = (at >= 10 * w) & (at < 10 * w + 10)
                v, a = ratings[inside].mean(axis=0).tolist()
                told["ratings"].append((v, a))
                told["valence"].append("high" if v >= 5 else "low")
                told["arousal"].append("high" if a >= 5 else "low")
                told["quadrant"].append(f"{told['valence'][-1]}-{told['arousal'][-1]}")
                for m, (*_, rate, scale) in _STREAMS.items():
                    samples[m].append(scale * made[m][round(10 * w * rate) : round((10 * w + 10) * rate)])
        for part, outer, inner, films, spelt in (
            ("2_QuestionnaireData/P{}_Questionnaire_Data", "QuestionnaireData",
             "Video_SAMRating_VideoTime_Data", final, "P"),
            ("3_AnnotationData/Transformed/P{}_Annotation_TransData", "ContinuousAnnotation_TransData",
             "Video_Annotation_TransData", stick, "P"),
            ("5_PhysioData/Raw/P{}_Physio_RawData", "Physio_RawData", "Video_Physio_RawData", physio, ""),
        ):  # fmt: skip
            held = {outer: [{"ParticipantID": f"{spelt}{number}", inner: films}]}
            write(home / f"{part.format(number)}.json", json.dumps(held))

    def spoil(where: Path) -> str:
        file = where / "CEAP-360VR/2_QuestionnaireData/P10_Questionnaire_Data.json"
        write(file, file.read_text().replace('"ValenceValue": 8', '"ValenceValue": 11', 1))
        return "P10_Questionnaire_Data.json"

    last = f"P{10 if people > 1 else 2}"
    return WindowsTruth(
        clips, [c.partition("-")[0] for c in clips], [""] * len(clips), told,
        parts=["CEAP-360VR/2_QuestionnaireData",
               f"CEAP-360VR/3_AnnotationData/Transformed/{last}_Annotation_TransData.json",
               f"CEAP-360VR/5_PhysioData/Raw/{last}_Physio_RawData.json"],
        tables=["CEAP-360VR/2_QuestionnaireData/P2_Questionnaire_Data.json"], spoil=spoil,
        modalities={m: len(s[2]) for m, s in _STREAMS.items()}, settings={"window_s": 10.0}, starts=begins,
        samples=samples,
    )  # fmt: skip
