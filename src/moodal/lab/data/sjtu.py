"""What the readers of the SEED family share: sixty-two channels, MATLAB files of one variable a clip, features.

The rate of these files is nowhere in them, so it is proved by how long the clips last (`proven`). Published features
that were smoothed over the whole trial are stamped as such (`part_of`, `stamped`): each step of them knows the trial's
end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError, UsageError

from . import matlab
from .dataset import Dataset
from .planted import Person, latent, signal
from .streams import Reading, Stream

__all__ = [
    "BANDS",
    "CHANNELS",
    "FEATURES",
    "clip_values",
    "clip_variables",
    "feature_fields",
    "feature_values",
    "files_of",
    "part_of",
    "planted_clip",
    "proven",
    "reading",
    "stamped",
    "trial_name",
]  # fmt: skip

#: Order of the rows in every file of the family (``Channel Order.xlsx``).
_NAMES = (
    "FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2 "
    "C4 C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 "
    "CB1 O1 OZ O2 CB2"
)
CHANNELS = tuple(_NAMES.split())
BANDS = ("delta", "theta", "alpha", "beta", "gamma")
#: Features that are read (one value a channel and band), and what was done to each along the trial.
FEATURES = {"de": "", "psd": "", "de_movingAve": "a moving average", "psd_movingAve": "a moving average",
            "de_LDS": "a linear dynamical system", "psd_LDS": "a linear dynamical system"}  # fmt: skip
#: A clip much shorter than the film is an excerpt (a share of it): its length proves no rate.
_EXCERPT = 0.1


def part_of(part: str, known: Sequence[str], name: str) -> str:
    """The part that is asked for.

    Raises
    ------
    UsageError : the set does not have it.
    """
    if part not in known:
        raise UsageError(f"has no part {part!r}", where=name, fix=f"It has: {', '.join(known)}.")
    return part


def feature_fields() -> tuple[str, ...]:
    """``delta_FP1`` … ``gamma_CB2``: channels within bands."""
    return tuple(f"{band}_{channel}" for band in BANDS for channel in CHANNELS)


def stamped(data: Dataset, part: str) -> Dataset:
    """The same, with what was done to published features in their source and, where it knows the future, a notice."""
    smoothed = FEATURES.get(part)
    if not smoothed:
        return data
    line = (
        f"NOT CAUSAL: {part} was smoothed over each whole trial by {smoothed} before it was published; every step knows"
        " the rest of its trial, and names it. Split by trial or wider, and do not compare it with what runs live"
    )
    source = f"{data.index.name}: {part}, as published; NONCAUSAL: smoothed over the whole trial"
    features = {m: replace(f, source=source) for m, f in data.features.items()}
    return Dataset(replace(data.index, notices=(line, *data.index.notices)), features)


@dataclass(frozen=True)
class _File:
    """One sitting of a person: numbers told by the file's name."""

    path: Path
    subject: int
    rest: tuple[str, ...]


def files_of(folder: Path, pattern: str) -> dict[int, list[_File]]:
    """Files whose whole name has the form of ``pattern``, by the person's number in its first group: 2 before 10."""
    found: dict[int, list[_File]] = {}
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        if match := re.fullmatch(pattern, path.name, re.IGNORECASE):
            rest = tuple(g or "" for g in match.groups()[1:])
            found.setdefault(int(match[1]), []).append(_File(path, int(match[1]), rest))
    return dict(sorted(found.items()))


def clip_variables(path: Path, pattern: str, numbers: Sequence[int]) -> dict[int, str]:
    """The variable of each clip: its number is the first group of ``pattern``, initials before it mean nothing.

    Raises
    ------
    InputError : a clip lacks, is there twice, or bears another number.
    """
    found: dict[int, str] = {}
    for name in matlab.shapes(path):
        if (match := re.fullmatch(pattern, name, re.IGNORECASE)) is None:
            continue
        number = int(match[1])
        if number in found:
            raise InputError(f"holds clip {number} as {found[number]} and as {name}", where=str(path),
                             fix="Leave the one that is meant.")  # fmt: skip
        found[number] = name
    missing = [n for n in numbers if n not in found]
    if missing or len(found) != len(numbers):
        lacks = f" (without {', '.join(map(str, missing[:5]))})" if missing else ""
        raise InputError(f"holds {len(found)} clips{lacks}, {len(numbers)} were shown", where=str(path),
                         fix="Get the file again.")  # fmt: skip
    return dict(sorted(found.items()))


def clip_values(path: Path, name: str) -> npt.NDArray[np.float32]:
    """One clip of a file as ``(n, 62)`` µV.

    Raises
    ------
    InputError : it has another shape than 62 rows.
    """
    held = matlab.numbers(matlab.need(matlab.load(path, name), name, where=path), name, path, 2)
    if held.shape[0] != len(CHANNELS):
        raise InputError(f"its {name} is {held.shape}, {len(CHANNELS)} rows were expected", where=str(path),
                         fix="Get the file again.")  # fmt: skip
    return np.asarray(held.T, np.float32)


def feature_values(path: Path, name: str, axes: str = "ctb") -> npt.NDArray[np.float32]:
    """One clip's features as ``(t, 310)``, in the order of `feature_fields`; ``axes`` is the file's order of channel,
    time and band.

    Raises
    ------
    InputError : it has another shape.
    """
    held = matlab.numbers(matlab.need(matlab.load(path, name), name, where=path), name, path, 3)
    by_time = held.transpose(*(axes.index(a) for a in "tbc"))
    if by_time.shape[1:] != (len(BANDS), len(CHANNELS)):
        raise InputError(f"its {name} is {held.shape}, not of 62 channels and 5 bands", where=str(path),
                         fix="Get the file again.")  # fmt: skip
    return np.asarray(by_time.reshape(len(by_time), -1), np.float32)


def proven(
    seconds: Mapping[int, float], where: Path, rate_hz: float, *, lasts: Sequence[float] = (),
    mean_s: tuple[float, float] = (0.0, np.inf), accept: Sequence[str] = (),
) -> str:  # fmt: skip
    """Prove a rate by how long the clips last: ``lasts`` is each clip's length in s where it is published, ``mean_s``
    between what the mean of a sitting lies; ``accept`` waives ``rate`` or ``length``. A notice where clips are cut so
    short that nothing is proved.

    Raises
    ------
    InputError : the clips are longer or shorter than the films, as they are where the rate is another.
    """
    numbers = sorted(seconds)
    told = float(np.mean([seconds[n] for n in numbers]))
    low, high = mean_s
    if len(lasts):
        # Of each clip, so that one that breaks off is found, too.
        film = np.array([lasts[n - 1] for n in numbers])
        share = np.array([seconds[n] for n in numbers]) / film
        low, high = 0.95 * float(film.mean()), 1.05 * float(film.mean())
        odd = [n for n, s in zip(numbers, share, strict=True) if abs(s - 1) > 0.05]
        if odd and low <= told <= high and "length" not in accept:
            raise InputError(
                f"its clip {odd[0]} lasts {seconds[odd[0]]:.1f} s and the film {lasts[odd[0] - 1]:g} s",
                where=str(where), fix='Get the file again, or accept = ["length"].',
            )  # fmt: skip
    if told < _EXCERPT * low:
        return f"clips last {told:.1f} s where films last {low:.0f} to {high:.0f} s: excerpts, whose rate is not proved"
    if not low <= told <= high and "rate" not in accept:
        fits = rate_hz * told / ((low + high) / 2 if np.isfinite(high) else low)
        raise InputError(
            f"its clips last {told:.0f} s on average at {rate_hz:g} Hz, {low:.0f} to {high:.0f} s are believed",
            where=str(where), fix=f'Near {fits:.0f} Hz they would fit: say source_hz, or accept = ["rate"].',
        )  # fmt: skip
    return ""


def reading(name: str, part: str, streams: Mapping[str, Stream], step_s: float, **asked: Any) -> Reading:
    """The call of a reader: of raw signals, or of published features with a value every ``step_s`` s."""
    if part in FEATURES:
        if asked.get("rate_hz") is not None:
            raise UsageError("rate_hz is for signals, not for features", where=name, fix="Leave it out.")
        streams = {"eeg": Stream("features", feature_fields(), 1 / step_s)}
    return Reading(name, streams, **asked)


def trial_name(subject: str, *numbers: object) -> str:
    """Person, sitting and clip, by their numbers."""
    return "-".join([subject, *(f"{n:02d}" if isinstance(n, int) else str(n) for n in numbers)])


def planted_clip(
    kind: str, channels: Sequence[str], seconds: float, rate_hz: float, person: Person, sides: tuple[float, float],
    trial: int, stimulus: str, *, effect: float = 1.0, fingerprint: float = 1.0,
) -> FloatArray:  # fmt: skip
    """A made-up clip ``(n, channels)``: an emotion shows as one state left (odd numbers) and one right of the head, so
    that several can be told apart; all who see a stimulus share its slow course.

    ``sides`` are the two states, -1 to 1.
    """
    course = 0.25 * latent(stimulus, max(1, round(np.ceil(seconds))), person.seed)
    rng = person.drawn(kind, stimulus, trial)
    left = [c for c in channels if kind == "eeg" and c[-1:] in "13579"]
    out = np.empty((round(seconds * rate_hz), len(channels)))
    for names, side in ((left, sides[0]), ([c for c in channels if c not in left], sides[1])):
        if names:
            state = np.clip(0.75 * side + course, -1, 1)
            out[:, [channels.index(c) for c in names]] = signal(
                kind, names, seconds, rate_hz, person, state, rng, effect=effect, fingerprint=fingerprint,
                trial=crc32(f"{stimulus}|{trial}".encode()),
            )  # fmt: skip
    return out


def planted_features(clip: FloatArray, rate_hz: float, step_s: float) -> FloatArray:
    """Differential entropy in nats of a made-up clip, ``(62, t, 5)``, from the spectrum of each step."""
    n = round(step_s * rate_hz)
    steps = clip[: len(clip) // n * n].reshape(-1, n, clip.shape[1])
    power = np.square(np.abs(np.fft.rfft(steps * np.hanning(n)[:, None], axis=1)))
    hertz = np.fft.rfftfreq(n, 1 / rate_hz)
    edges = (1, 4, 8, 14, 31, 50)
    bands = [power[:, (hertz >= a) & (hertz < b)].mean(axis=1) for a, b in pairwise(edges)]
    return np.asarray(0.5 * np.log(2 * np.pi * np.e * np.stack(bands, axis=-1))).transpose(1, 0, 2)


def smoothed_like(features: FloatArray) -> FloatArray:
    """The same, drawn to each trial's mean, as smoothing over whole trials does."""
    return np.asarray(0.1 * features + 0.9 * features.mean(axis=1, keepdims=True))
