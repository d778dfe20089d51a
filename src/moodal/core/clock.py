"""Time algebra: half-open spans in seconds and sorted sets of them.

Seconds are float64 from the recording's start and are never rounded; spans that touch are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "Span", "Timeline"]

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A half-open stretch of time ``[start, end)`` in seconds.

    >>> Span(1, 3) & Span(2, 5)
    Span(start=2.0, end=3.0)
    >>> 2.5 in Span(1, 3), 3 in Span(1, 3)
    (True, False)
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        # Plain floats, so that a span from an array's elements prints, hashes and stores like any other.
        object.__setattr__(self, "start", float(self.start))
        object.__setattr__(self, "end", float(self.end))
        if not self.end >= self.start:
            raise ValueError(f"a span must not end ({self.end}) before it starts ({self.start})")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def __bool__(self) -> bool:
        return self.end > self.start

    def __iter__(self) -> Iterator[float]:
        yield self.start
        yield self.end

    def __contains__(self, t: float) -> bool:
        return self.start <= t < self.end

    def __and__(self, other: Span) -> Span:
        start = max(self.start, other.start)
        return Span(start, max(start, min(self.end, other.end)))

    def shifted(self, by: float) -> Span:
        """The same stretch, ``by`` seconds later."""
        return Span(self.start + by, self.end + by)


class Timeline(tuple[Span, ...]):
    """Disjoint spans in order; ``|``, ``&``, ``-`` and ``in`` are the algebra.

    >>> Timeline([(0, 2), (1, 3), (5, 6)])
    Timeline([(0, 3), (5, 6)])
    >>> Timeline([(0, 10)]) - Timeline([(2, 3)])
    Timeline([(0, 2), (3, 10)])
    """

    __slots__ = ()

    def __new__(cls, spans: Iterable[Span | tuple[float, float]] = ()) -> Timeline:
        """Sort the spans, drop the empty ones and join those that touch."""
        merged: list[Span] = []
        for span in sorted(Span(*s) for s in spans):
            if not span:
                continue
            if merged and span.start <= merged[-1].end:
                merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
            else:
                merged.append(span)
        return super().__new__(cls, merged)

    def __repr__(self) -> str:
        return f"Timeline([{', '.join(f'({s.start:g}, {s.end:g})' for s in self)}])"

    @property
    def duration(self) -> float:
        """Seconds covered."""
        return float(sum(s.duration for s in self))

    def __contains__(self, t: object) -> bool:
        return any(t in s for s in self) if isinstance(t, (int, float)) else super().__contains__(t)

    def __or__(self, other: Iterable[Span]) -> Timeline:
        return Timeline([*self, *other])

    def __and__(self, other: Iterable[Span]) -> Timeline:
        return Timeline(a & b for a in self for b in other if a & b)

    def __sub__(self, other: Iterable[Span]) -> Timeline:
        cuts = Timeline(other)
        kept: list[Span] = []
        for span in self:
            start = span.start
            for cut in cuts:
                if cut.end <= start or cut.start >= span.end:
                    continue
                if cut.start > start:
                    kept.append(Span(start, cut.start))
                start = max(start, cut.end)
            if start < span.end:
                kept.append(Span(start, span.end))
        return Timeline(kept)

    def bridged(self, gap: float) -> Timeline:
        """The same spans with holes of at most ``gap`` seconds closed."""
        out: list[Span] = []
        for span in self:
            if out and span.start - out[-1].end <= gap:
                out[-1] = Span(out[-1].start, span.end)
            else:
                out.append(span)
        return Timeline(out)

    def mask(self, times: FloatArray) -> npt.NDArray[np.bool_]:
        """Which of ``times (n,)`` in s lie inside: bool ``(n,)``."""
        if not self:
            return np.zeros(len(times), dtype=bool)
        starts = np.array([s.start for s in self])
        ends = np.array([s.end for s in self])
        at = np.searchsorted(starts, times, side="right") - 1
        return np.asarray((at >= 0) & (np.asarray(times) < ends[np.maximum(at, 0)]))

    @classmethod
    def from_mask(cls, mask: npt.NDArray[np.bool_], edges: FloatArray) -> Timeline:
        """Spans of the runs of true cells; cell ``i`` is ``[edges[i], edges[i + 1])``."""
        padded = np.concatenate([[False], mask, [False]]).astype(np.int8)
        change = np.flatnonzero(np.diff(padded))
        return cls((float(edges[a]), float(edges[b])) for a, b in zip(change[::2], change[1::2], strict=True))
