"""A recording: named streams on one clock, read in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .clock import Span
from .errors import UsageError, spelt
from .stream import Chunk, Stream

if TYPE_CHECKING:
    from .plot import Drawing

__all__ = ["ClockJoin", "Loss", "Recording"]

#: Opens one stream afresh and yields its chunks inside the span, in order of time.
Opener = Callable[[Span], Iterator[Chunk]]


class Loss(str):
    """A warning of a recording that says that a part of it is lost: the file breaks off, or is damaged within."""


@dataclass(frozen=True, slots=True)
class ClockJoin:
    """How one stream's clock was put onto another's: a line of the sync certificate.

    A time t of ``stream``'s own clock became ``offset_s + t * (1 + drift_ppm / 1e6)`` on that of ``onto``, to
    within ``± error_ms`` (``None``: nobody can tell). ``how`` is one of ``same file``, ``start stamps``,
    ``given offset``, ``shared markers``, ``tap``, ``clock offsets`` (those an XDF recorder stored) and
    ``assumed start`` (nothing was known; both begin together).
    """

    stream: str
    onto: str
    how: str
    offset_s: float
    drift_ppm: float = 0.0
    error_ms: float | None = None


@dataclass(frozen=True)
class Recording:
    """Named streams on one clock, in seconds from the recording's start.

    Nothing is read before `chunks` is called and nothing is kept, so memory does not grow with
    length. ``clock`` is ``"order"`` for plain text, whose sentence k is ``[k, k + 1)``. ``openers``
    holds for each stream name a function that opens it afresh: every stream can be read alone,
    again, and in a thread of its own. ``sha256`` is that of the bytes of ``path``.

    ``epoch_s`` is the POSIX time of the recording's zero where its clock tells it, to within ``epoch_error_ms`` (what
    its stamps resolve). ``basis`` is "utc"; "local" where the file gives a wall clock without a zone (``epoch_s`` then
    takes it for UTC); "device" where the clock counts from nowhere in particular; "" where no clock is known.
    ``joins`` certifies how streams of several clocks were joined.
    """

    path: Path
    name: str
    duration_s: float
    streams: tuple[Stream, ...]
    openers: Mapping[str, Opener]
    sha256: Callable[[], str]
    still: bool = False
    clock: Literal["time", "order"] = "time"
    warnings: list[str] = field(default_factory=list)
    epoch_s: float | None = None
    basis: Literal["utc", "local", "device", ""] = ""
    joins: tuple[ClockJoin, ...] = ()
    epoch_error_ms: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", spelt(self.name))

    @property
    def damaged(self) -> bool:
        """Whether a part of it is known to be lost (by now: some damage is found only when it is decoded)."""
        return any(isinstance(w, Loss) for w in self.warnings)

    def stream(self, kind: str) -> Stream | None:
        """The first stream of a kind, or ``None``."""
        return next((s for s in self.streams if s.kind == kind), None)

    def chunks(self, name: str, *, start: float = 0.0, end: float | None = None) -> Iterator[Chunk]:
        """Chunks of the stream ``name`` inside ``[start, end)`` s.

        Raises
        ------
        UsageError : no stream of that name.
        InputError : the file cannot be opened any more. What was yielded before stays valid.
        """
        if name not in self.openers:
            known = ", ".join(self.openers) or "none"
            raise UsageError(f"has no stream {name!r} (it has: {known})", where=self.name)
        return self.openers[name](Span(start, self.duration_s if end is None else max(start, end)))

    def plot(self) -> Drawing:
        """Every stream on one axis of time, as an SVG that notebooks show and `Drawing.save` writes."""
        from .plot import draw_recording

        return draw_recording(self)

    def __repr__(self) -> str:
        rows = ", ".join(s.name if s.rate_hz is None else f"{s.name} at {s.rate_hz:g} Hz" for s in self.streams)
        return f"Recording({self.name!r}, {self.duration_s:.2f} s, {rows})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(s.name)}</td><td>{s.kind}</td>"
            f"<td>{'' if s.rate_hz is None else format(s.rate_hz, 'g')}</td>"
            f"<td>{s.start_s:.3f}</td><td>{s.end_s:.3f}</td></tr>"
            for s in self.streams
        )
        return (
            f"<p><b>{escape(self.name)}</b>, {self.duration_s:.2f} s</p><table><tr><th>stream</th>"
            f"<th>kind</th><th>rate, Hz</th><th>from, s</th><th>to, s</th></tr>{rows}</table>"
        )
