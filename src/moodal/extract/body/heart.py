"""The heart: beats, heart rate and its variability, from whatever of ECG, pulse, beat intervals or rate is there."""

from __future__ import annotations

from math import isfinite

from moodal.core.errors import UsageError
from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext
from moodal.core.stream import Chunk, SignalChunk
from moodal.core.track import Gap, Piece

from .blocks import Window, signal
from .cardiac import Cardiac
from .given import GivenIntervals, GivenRate
from .rhythm import Rhythm
from .tracks import BEATS, HEART, HRV, SUBJECT

__all__ = ["SPEC"]


class HeartExtractor:
    """One stream of a kind that tells of the heart in, `body.heart`, `body.beats` and `body.hrv` out."""

    def __init__(self, context: MeasureContext) -> None:
        self._context = context
        self._wanted = frozenset(t.name for t in (HEART, BEATS, HRV) if context.wants(t.name))
        self._kind: str | None = context.options.get("reads")
        self._inner: _Waves | GivenIntervals | GivenRate | None = None

    def push(self, chunk: Chunk) -> list[Piece]:
        """Take a chunk; give what became final.

        Raises
        ------
        UsageError : the chunk is no signal.
        """
        part = signal(chunk, "heart")
        if self._inner is None:
            self._inner = self._make(part)
        return self._inner.push(part)

    def close(self) -> list[Piece]:
        """The stream ended; give the rest, and name what is missing up to the end of the span."""
        if self._inner is not None:
            return self._inner.close()
        span = self._context.span
        if not isfinite(span.end) or span.end <= span.start:
            return []
        gap = Gap(span.start, span.end, "no_stream")
        return [Piece.gap(t.name, SUBJECT, len(t.fields), gap) for t in (HEART, BEATS, HRV) if t.name in self._wanted]

    def _make(self, chunk: SignalChunk) -> _Waves | GivenIntervals | GivenRate:
        kind = self._kind or chunk.stream
        if kind == "ibi":
            return GivenIntervals(self._context, self._wanted)
        if kind == "hr":
            return GivenRate(self._context, self._wanted)
        if chunk.rate_hz is None:
            raise UsageError("a pulse or ECG needs a sampling rate", where=chunk.stream)
        return _Waves(kind, chunk.rate_hz, self._context, self._wanted)


class _Waves:
    """ECG or pulse wave: windows, their beats, and the rhythm of them."""

    def __init__(self, kind: str, rate_hz: float, context: MeasureContext, wanted: frozenset[str]) -> None:
        self._cardiac = Cardiac(kind, rate_hz)
        self._rhythm = Rhythm(context.span, wanted, kind, self._cardiac.shape.match)

    def push(self, chunk: SignalChunk) -> list[Piece]:
        return [p for w in self._cardiac.cutter.push(chunk) for p in self._take(w)]

    def close(self) -> list[Piece]:
        pieces = [p for w in self._cardiac.cutter.close() for p in self._take(w)]
        return pieces + self._rhythm.close()

    def _take(self, window: Window) -> list[Piece]:
        found = self._cardiac.measure(window)
        self._rhythm.seconds.mark(found.edges, found.codes)
        edges = float(found.edges[0]), float(found.edges[-1])
        return self._rhythm.push(found.times, found.match, found.broken, edges)


def _make(context: MeasureContext) -> Extractor:
    return HeartExtractor(context)


SPEC = ExtractorSpec("heart", ("ecg", "ppg", "ibi", "hr"), (HEART, BEATS, HRV), (), _make)
