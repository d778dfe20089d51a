"""The verb *measure*: an extractor turns chunks of a stream into pieces of tracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .clock import Span
from .stream import Chunk
from .track import Piece, TrackSpec

__all__ = ["Extractor", "ExtractorSpec", "MeasureContext"]


@dataclass(frozen=True, slots=True)
class MeasureContext:
    """What an extractor may know before the first chunk.

    ``span`` is the stretch being measured (its end is the recording's for a file, infinity for a
    live stream); ``clock`` as in `Recording`; ``want`` the tracks somebody will read (empty: all);
    ``options`` what the caller set for this extractor (``fps``, ``asr_model`` …).
    """

    span: Span
    still: bool = False
    clock: str = "time"
    want: frozenset[str] = frozenset()
    options: dict[str, Any] = field(default_factory=dict)

    def wants(self, track: str) -> bool:
        """Whether somebody will read this track."""
        return not self.want or track in self.want


class Extractor(Protocol):
    """Bounded memory; one code path for a file and a live stream.

    Cutting the input into other chunks changes nothing in the joined pieces (a law proves it).
    """

    def push(self, chunk: Chunk) -> list[Piece]:
        """Take the next chunk; give what became final."""
        ...

    def close(self) -> list[Piece]:
        """The stream ended: give the rest, and name what is missing up to the span's end."""
        ...


@dataclass(frozen=True)
class ExtractorSpec:
    """What an extractor reads and says, known without loading a model.

    ``reads`` are stream kinds in order of preference: a pass takes the first that the recording has
    (words: a transcript, or else the sound). ``models`` are names in the weights manifest. ``make``
    loads the models and starts a pass. ``takes`` are the inputs that it can give to a bundle which stands in for
    its own model (`moodal.core.expert`, option ``model``).
    """

    name: str
    reads: tuple[str, ...]
    tracks: tuple[TrackSpec, ...]
    models: tuple[str, ...]
    make: Callable[[MeasureContext], Extractor]
    takes: tuple[str, ...] = ()

    @property
    def modality(self) -> str:
        """What ``--only`` calls it; several extractors may share one (heart and skin are both ``body``)."""
        return self.tracks[0].modality

    def track(self, name: str) -> TrackSpec:
        """The spec of one of its tracks."""
        return next(t for t in self.tracks if t.name == name)
