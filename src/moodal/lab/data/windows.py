"""Windows on the axis of time: one list of spans, and each stream cut by its own clock.

Nothing is paired by ordinal number. Windows are planned first, in seconds, inside a stretch of one state (a trial);
then every stream gives the samples whose times lie in the window. A window is never shorter than asked for: what does
not fit at the end of a stretch is left out, and a stream that does not cover a window is absent there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError, UsageError

from .dataset import Dataset, Feature
from .index import TEXT_COLUMNS, TIME_COLUMNS, Index
from .labels import Labels
from .twin import Truth

__all__ = ["Channels", "Windowed", "WindowsTruth", "apart", "checked", "joined", "runs", "starts"]

#: Share of a sample by which a time may miss a sample's own and still mean it: rounding of decimal times.
_SLACK = 1e-6


def checked(window_s: float | None, hop_s: float | None, where: str) -> tuple[float | None, float | None]:
    """The two settings as seconds; ``hop_s`` is ``window_s`` where not said, None means whole stretches.

    Raises
    ------
    UsageError : not a positive finite number, or a hop without a window.
    """
    for name, value in (("window_s", window_s), ("hop_s", hop_s)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf")
        ):
            raise UsageError(f"{name} is {value!r}", where=where, fix=f"Give {name} in seconds, above 0.")
    if window_s is None and hop_s is not None:
        raise UsageError("hop_s is given and window_s is not", where=where, fix="Give window_s in seconds.")
    return window_s, window_s if hop_s is None else hop_s


def starts(start_s: float, end_s: float, window_s: float, hop_s: float) -> FloatArray:
    """Where the windows inside ``[start_s, end_s)`` begin, ``(n,)`` s: every ``hop_s``, each of them whole.

    >>> starts(0, 600, 60, 45).size, starts(0, 600, 60, 45)[-1]
    (13, np.float64(540.0))
    """
    room = (end_s - start_s - window_s) / hop_s
    return start_s + hop_s * np.arange(max(0, int(np.floor(room + _SLACK)) + 1), dtype=np.float64)


@dataclass(frozen=True)
class Channels:
    """Evenly sampled channels of one stream: sample k stands at ``start_s + k / rate_hz`` s of the recording's clock.

    ``values (n, channels)`` of any number type; ``scale`` turns them into the stream's unit when they are cut.
    """

    values: npt.NDArray[Any]
    rate_hz: float
    start_s: float = 0.0
    scale: float = 1.0

    @property
    def end_s(self) -> float:
        """When the sample after the last would come."""
        return self.start_s + len(self.values) / self.rate_hz

    def cut(self, start_s: float, length_s: float) -> npt.NDArray[np.float32] | None:
        """The samples of ``[start_s, start_s + length_s)``, ``(steps, channels)`` float32; None if not all are there.

        The number of steps is ``length_s`` times the rate, to the nearest, wherever the window begins; the first is the
        first at or after ``start_s``.
        """
        first = int(np.ceil((start_s - self.start_s) * self.rate_hz - _SLACK))
        steps = round(length_s * self.rate_hz)
        if first < 0 or steps < 1 or first + steps > len(self.values):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            part = self.values[first : first + steps].astype(np.float32)
            return part if self.scale == 1.0 else part * np.float32(self.scale)


def runs(codes: npt.NDArray[Any]) -> list[tuple[int, int, int]]:
    """Stretches of one value in ``codes (n,)``: first place, place after the last, value.

    >>> runs(np.array([0, 0, 2, 2, 2, 1]))
    [(0, 2, 0), (2, 5, 2), (5, 6, 1)]
    """
    if not len(codes):
        return []
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    return [(a, b, int(codes[a])) for a, b in pairwise(edges)]


@dataclass
class Windowed:
    """Collects the windows of one recording after another.

    ``modalities`` names each stream's fields and nominal rate, in order; a recording may lack some.
    """

    name: str
    modalities: Mapping[str, tuple[tuple[str, ...], float]]
    window_s: float | None = None
    hop_s: float | None = None
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _cut: dict[str, _Growing] = field(default_factory=dict)

    def add(self, streams: Mapping[str, Channels], start_s: float, end_s: float, **told: Any) -> int:
        """Cut the stretch ``[start_s, end_s)``, and say how many windows it gave.

        ``told`` holds ``trial`` and whatever else all its windows share. A window that no stream covers is none. Whole
        stretches are cut to the span that is common to their streams; one that has less than half of it is absent.
        """
        if self.window_s is None:
            start_s, end_s = _common(streams.values(), start_s, end_s)
        length = end_s - start_s if self.window_s is None else self.window_s
        begins = np.array([start_s]) if self.hop_s is None else starts(start_s, end_s, length, self.hop_s)
        kept = 0
        for begin in begins.tolist():
            parts = {m: streams[m].cut(begin, length) if m in streams else None for m in self.modalities}
            if all(p is None for p in parts.values()):
                continue
            digest = hashlib.sha256()
            for m, part in parts.items():
                if m not in self._cut:
                    self._cut[m] = _Growing(len(self.modalities[m][0]))
                self._cut[m].add(part, m)
                if part is not None:
                    digest.update(m.encode() + part.tobytes())
            kept += 1
            clip = told["trial"] if self.window_s is None else f"{told['trial']}-w{kept:03d}"
            row = {"clip": clip, "start_s": begin, "end_s": begin + length, "content": digest.hexdigest()}
            # Where in its stretch: what people who met the same thing have in common.
            self._rows.append(told | row | {"onset_s": round(begin - start_s, 6)})
        return kept

    def __len__(self) -> int:
        return len(self._rows)

    def dataset(
        self,
        labels: Callable[[Mapping[str, Sequence[Any]]], Mapping[str, Labels]],
        *,
        terms: str = "",
        notices: Sequence[str] = (),
        where: str = "",
    ) -> Dataset:
        """Everything collected; ``labels`` makes the labels from the columns whose names begin with ``_``, ``subject``,
        ``start_s`` and ``end_s``.

        The collector is empty afterwards.

        Raises
        ------
        InputError : no stretch is as long as a window.
        """
        if not self._rows:
            longest = "has no stretch that a stream covers"
            if self.window_s is not None:
                longest = f"has no stretch of one state that lasts {self.window_s:g} s"
            raise InputError(longest, where=where or self.name, fix="Ask for shorter windows (window_s).")
        rows, self._rows = self._rows, []
        known = {key: None for row in rows for key in row}
        columns: dict[str, list[Any]] = {
            key: [row.get(key, np.nan if key in TIME_COLUMNS else "") for row in rows] for key in known
        }
        told = {key: columns.pop(key) for key in list(columns) if key.startswith("_")}
        features = {}
        for m, (fields, rate) in self.modalities.items():
            features[m] = self._cut.pop(m).feature(m, fields, rate, f"{self.name}: {m}, as published")
        made_of = told | {c: columns[c] for c in ("subject", "start_s", "end_s") if c in columns}
        index = Index.build(self.name, columns, labels(made_of), terms=terms, notices=notices)
        return Dataset(index, features)


def apart(
    people: Iterable[Windowed],
    labels: Callable[[Mapping[str, Sequence[Any]]], Mapping[str, Labels]],
    notices: Callable[[], Sequence[str]],
    *,
    terms: str,
    where: str,
) -> Generator[Dataset, None, Sequence[str]]:
    """One data set a person, from what was collected of each; who has no windows is passed over.

    ``labels`` as in `Windowed.dataset`; ``notices`` tells what has been found so far. Returns the notices of all, for
    `streams.gathered`.

    Raises
    ------
    InputError : nobody has a stretch as long as a window.
    """
    some, last = False, Windowed("", {})
    for last in people:
        if len(last):
            some = True
            yield last.dataset(labels, terms=terms, notices=notices(), where=where)
    if not some:
        last.dataset(labels, where=where)  # says what lacks
    return notices()


def _common(streams: Iterable[Channels], start_s: float, end_s: float) -> tuple[float, float]:
    """The part of a stretch that every stream covers which covers half of it: devices stop some samples apart."""
    spans = [(max(start_s, c.start_s), min(end_s, c.end_s)) for c in streams]
    kept = [(a, b) for a, b in spans if 2 * (b - a) >= end_s - start_s]
    return (max(a for a, _ in kept), min(b for _, b in kept)) if kept else (start_s, end_s)


class _Growing:
    """The windows of one modality, one after another in one array that grows in place, so that they are never in
    memory twice."""

    def __init__(self, width: int) -> None:
        self.values = np.empty((0, width), np.float32)
        self.lengths: list[int] = []
        self.used = 0

    def add(self, part: npt.NDArray[np.float32] | None, name: str) -> None:
        """One more window ``(steps, width)``; None where it is absent."""
        steps, width = 0 if part is None else len(part), self.values.shape[1]
        self.lengths.append(steps)
        if part is None:
            return
        if part.shape[1] != width:
            raise InputError(f"has {part.shape[1]} values a step, {width} are named", where=name)
        if self.used + steps > len(self.values):
            # An eighth more than there is: what is not used yet is memory, too.
            self.values.resize((max(self.used + steps, len(self.values) * 9 // 8), width), refcheck=False)
        self.values[self.used : self.used + steps] = part
        self.used += steps

    def feature(self, name: str, fields: tuple[str, ...], rate_hz: float, source: str) -> Feature:
        """All of it as a feature."""
        self.values.resize((self.used, self.values.shape[1]), refcheck=False)
        offsets = np.cumsum([0, *self.lengths]).astype(np.int64)
        return Feature(name, self.values, offsets, fields, rate_hz, source)


def joined(parts: Sequence[Dataset]) -> Dataset:
    """Several data sets of the same columns, labels and modalities as one, rows one set after another.

    Raises
    ------
    InputError : two of their clips have the same name, or a label has other classes in one of them.
    """
    if len(parts) == 1:
        return parts[0]
    first = parts[0].index
    standard = {*TEXT_COLUMNS, *TIME_COLUMNS}
    names = [c for c in first.columns if c in standard or all(c in p.index.columns for p in parts)]
    columns = {c: np.concatenate([p.index[c] for p in parts]) for c in names}
    labels = {}
    for name in first.labels:
        told = [p.index.label(name) for p in parts]
        if any(t.names != told[0].names for t in told):
            raise InputError(f"label {name} has other classes in one part than in another", where=first.name)
        values = np.concatenate([t.values for t in told])
        source = tuple(s for t in told for s in t.source) if all(t.source for t in told) else ()
        labels[name] = replace(told[0], values=values, source=source)
    features = {}
    for m, f in parts[0].features.items():
        several = [p.features[m] for p in parts]
        lengths = np.concatenate([s.lengths for s in several])
        features[m] = replace(
            f,
            values=np.concatenate([s.values for s in several]),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )
    notices = tuple(dict.fromkeys(n for p in parts for n in p.index.notices))
    return Dataset(Index.build(first.name, columns, labels, terms=first.terms, notices=notices), features)


@dataclass(frozen=True)
class WindowsTruth(Truth):
    """What a twin of signals holds beside its labels: start of each window, s, and the samples that were written.

    ``samples`` has by modality one array ``(steps, channels)`` a window (None: absent), in the order of ``clips``; a
    modality is left out where the reader filters it.
    """

    starts: Sequence[float] = ()
    samples: Mapping[str, Sequence[npt.NDArray[Any] | None]] = field(default_factory=dict)
