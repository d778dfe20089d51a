"""What a device computed itself: beat intervals, or a heart rate. What can be told of them is told."""

from __future__ import annotations

from math import isfinite

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.extractor import MeasureContext
from moodal.core.stream import SignalChunk
from moodal.core.track import Gap, Piece
from moodal.dsp.intervals import LONGEST_S, SHORTEST_S

from .blocks import Cutter, Window
from .rhythm import Rhythm
from .states import piece, plain_reasons, worst
from .tracks import BEATS, HEART, HRV, SUBJECT

__all__ = ["GivenIntervals", "GivenRate"]

#: Length of the stretches in which beats are handed on, s.
_STRETCH_S = 10.0
#: A device's beats that start within this of the one before follow it, s.
_JOIN_S = 0.02
#: Heart rates that hearts have, 1/min.
_RATES = (25.0, 230.0)


class GivenIntervals:
    """Intervals of a device, each at the beat that ends it. Where it gives none it trusted none: ``artefact``."""

    def __init__(self, context: MeasureContext, wanted: frozenset[str]) -> None:
        self._span = context.span
        self._rhythm = Rhythm(context.span, wanted, "ibi", 0.5)
        self._times: list[float] = []
        self._broken: list[float] = []
        self._holes = 0
        self._last = -np.inf
        self._low: float | None = None

    def push(self, chunk: SignalChunk) -> list[Piece]:
        """Take intervals; give what became final."""
        pieces: list[Piece] = []
        for end, length in zip(chunk.times.tolist(), chunk.samples[:, 0].tolist(), strict=True):
            if not isfinite(end) or end <= self._last:
                continue
            pieces += self._hand_on(end)
            if not SHORTEST_S <= length <= LONGEST_S:
                # Out of what hearts do, or not a number: the interval is not there.
                self._holes += 1
                continue
            start = end - length
            if start > self._last + _JOIN_S or self._last - start > _JOIN_S:
                self._holes += 1
                if start > self._last:
                    self._add(start)
            self._add(end)
            self._last = end
        return pieces

    def close(self) -> list[Piece]:
        """The stream ended."""
        if self._low is None:
            return self._rhythm.close()
        end = max(self._last, self._low) if self._times else self._low
        if isfinite(self._span.end):
            end = max(end, self._span.end)
        pieces = self._hand_on(end)
        return pieces + self._stretch(end) + self._rhythm.close()

    def _add(self, time: float) -> None:
        self._times.append(time)
        self._broken.append(float(self._holes))

    def _hand_on(self, now: float) -> list[Piece]:
        """Whole stretches that nothing can be added to any more."""
        pieces: list[Piece] = []
        if self._low is None:
            self._low = self._span.start
        while self._low + _STRETCH_S <= now - LONGEST_S:
            pieces += self._stretch(self._low + _STRETCH_S)
        return pieces

    def _stretch(self, high: float) -> list[Piece]:
        assert self._low is not None
        if high <= self._low:
            return []
        n = sum(t < high for t in self._times)
        times, broken = np.array(self._times[:n]), np.array(self._broken[:n])
        del self._times[:n], self._broken[:n]
        pieces = self._rhythm.push(times, np.full(n, 0.8), broken, (self._low, high))
        self._low = high
        return pieces


class GivenRate:
    """A device's heart rate: told as it is, in seconds. It has no beats and no variability."""

    def __init__(self, context: MeasureContext, wanted: frozenset[str]) -> None:
        self._span = context.span
        self._wanted = wanted
        self._cutter: Cutter | None = None
        self._begun = False
        self._end = context.span.start

    def push(self, chunk: SignalChunk) -> list[Piece]:
        """Take rates; give what became final."""
        if self._cutter is None:
            self._cutter = Cutter(chunk.rate_hz or 1.0, 10.0, 0.0, 0.0)
        return [p for w in self._cutter.push(chunk) for p in self._take(w)]

    def close(self) -> list[Piece]:
        """The stream ended."""
        pieces = [] if self._cutter is None else [p for w in self._cutter.close() for p in self._take(w)]
        end = self._span.end
        if isfinite(end):
            for spec in (HEART, BEATS, HRV):
                start = self._end if spec is HEART else self._span.start
                if spec.name in self._wanted and end > start:
                    pieces.append(Piece.gap(spec.name, SUBJECT, len(spec.fields), Gap(start, end, "no_stream")))
        return pieces

    def _take(self, window: Window) -> list[Piece]:
        if HEART.name not in self._wanted:
            return []
        assert self._cutter is not None
        edges = window.edges
        pieces = []
        if edges[0] > self._end:
            reason = "unreadable" if self._begun else "no_stream"
            gap = Gap(self._end, float(edges[0]), reason)
            pieces.append(Piece.gap(HEART.name, SUBJECT, len(HEART.fields), gap))
        codes = plain_reasons(window, self._cutter.rate_hz, flat_s=1e6, limits=_RATES, rail_s=1e6)[window.core]
        rates = window.samples[window.core, 0]
        step = max(1, round(self._cutter.rate_hz))
        starts = np.arange(0, len(codes), step)
        cells = worst(codes, starts)
        values = np.full((len(starts), len(HEART.fields)), np.nan)
        with np.errstate(invalid="ignore"):
            values[:, 0] = _means(rates, starts)
        made = piece(HEART.name, SUBJECT, np.append(edges[starts], edges[-1]), values, np.full(len(starts), 0.8), cells)
        if made is not None:
            pieces.append(made)
        self._begun, self._end = True, float(edges[-1])
        return pieces


def _means(x: FloatArray, starts: np.ndarray) -> FloatArray:
    return np.asarray(np.add.reduceat(x, starts) / np.diff(np.append(starts, len(x))))
