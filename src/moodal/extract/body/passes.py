"""What extractors of one sampled signal share: windows in, pieces out, and gaps around all of it."""

from __future__ import annotations

from math import isfinite

from moodal.core.errors import UsageError
from moodal.core.extractor import MeasureContext
from moodal.core.stream import Chunk
from moodal.core.track import Gap, Piece, TrackSpec

from .blocks import Cutter, Window, signal
from .tracks import SUBJECT

__all__ = ["Pass"]


class Pass:
    """A pass over one signal. A kind of signal says how a window is measured, and what it may look at."""

    HOP_S: float = 10.0
    BEFORE_S: float = 0.0
    AFTER_S: float = 0.0

    def __init__(self, context: MeasureContext, kind: str, tracks: tuple[TrackSpec, ...]) -> None:
        self._span = context.span
        self._kind = kind
        self._tracks = tuple(t for t in tracks if context.wants(t.name))
        self._names = {t.name for t in self._tracks}
        self._cutter: Cutter | None = None
        self._end = context.span.start  # all before is told or a gap
        self._begun = False

    def grain(self, rate_hz: float) -> int:
        """Samples of a cell: windows are made of whole cells."""
        return 1

    def measure(self, window: Window, rate_hz: float) -> list[Piece]:
        """What a window's core holds, as pieces of every track."""
        raise NotImplementedError

    def begin(self, rate_hz: float) -> None:
        """The rate is known."""

    def push(self, chunk: Chunk) -> list[Piece]:
        """Take a chunk; give what became final.

        Raises
        ------
        UsageError : the chunk is no signal, or has no rate.
        """
        part = signal(chunk, self._kind)
        if self._cutter is None:
            if part.rate_hz is None:
                raise UsageError(f"{self._kind} needs a sampling rate", where=chunk.stream)
            grain = self.grain(part.rate_hz)

            def whole(seconds: float) -> float:
                return round(seconds * rate / grain) * grain / rate

            rate = part.rate_hz
            self._cutter = Cutter(rate, max(whole(self.HOP_S), grain / rate), whole(self.BEFORE_S), whole(self.AFTER_S))
            self.begin(rate)
        rate = self._cutter.rate_hz
        return [p for w in self._cutter.push(part) for p in self._take(w, rate)]

    def close(self) -> list[Piece]:
        """The stream ended; give the rest, and name what is missing up to the end of the span."""
        pieces = []
        if self._cutter is not None:
            rate = self._cutter.rate_hz
            pieces = [p for w in self._cutter.close() for p in self._take(w, rate)]
        if isfinite(self._span.end):
            pieces += self._missing(self._span.end, "no_stream")
        return pieces

    def _take(self, window: Window, rate_hz: float) -> list[Piece]:
        edges = window.edges
        pieces = self._missing(float(edges[0]), "unreadable" if self._begun else "no_stream")
        pieces += [p for p in self.measure(window, rate_hz) if p.track in self._names]
        self._begun, self._end = True, float(edges[-1])
        return pieces

    def _missing(self, until: float, reason: str) -> list[Piece]:
        if until <= self._end + 1e-9:
            return []
        gap = Gap(self._end, until, reason)
        return [Piece.gap(t.name, SUBJECT, len(t.fields), gap) for t in self._tracks]
