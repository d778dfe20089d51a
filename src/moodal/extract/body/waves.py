"""The cleaned ECG or pulse wave at its own rate, where there is a heart in it."""

from __future__ import annotations

from moodal.core.extractor import MeasureContext
from moodal.core.track import Piece, TrackSpec

from .blocks import Window
from .cardiac import AFTER_S, BEFORE_S, HOP_S, Cardiac
from .passes import Pass
from .states import piece
from .tracks import SUBJECT

__all__ = ["WaveExtractor"]


class WaveExtractor(Pass):
    """One wave in, its cleaned form and quality out."""

    HOP_S, BEFORE_S, AFTER_S = HOP_S, BEFORE_S, AFTER_S

    def __init__(self, context: MeasureContext, kind: str, track: TrackSpec) -> None:
        super().__init__(context, kind, (track,))
        self._track = track.name
        self._cardiac: Cardiac | None = None

    def begin(self, rate_hz: float) -> None:
        """The rate is known."""
        self._cardiac = Cardiac(self._kind, rate_hz)

    def measure(self, window: Window, rate_hz: float) -> list[Piece]:
        """One window."""
        assert self._cardiac is not None
        found = self._cardiac.measure(window)
        made = piece(self._track, SUBJECT, found.edges, found.cleaned[:, None], found.quality, found.codes)
        return [] if made is None else [made]
