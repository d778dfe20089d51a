"""What readers of signals share: streams from blocks of samples, sections, markers, and the bounds of sanity."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from moodal.core.clock import FloatArray, Span
from moodal.core.errors import InputError
from moodal.core.recording import Opener, Recording
from moodal.core.stream import SIGNAL_KINDS, Chunk, Cue, SignalChunk, Stream, WordsChunk

__all__ = ["CHUNK", "INSTANT_S", "LONGEST_S", "Signal", "assembled", "evenly", "joint_sha256", "notes_opener"]

#: Samples of a chunk.
CHUNK = 4096
#: How long an event without a length (a beat, a marker) keeps its stream going, s.
INSTANT_S = 0.001
#: Longest recording, s: one that claims more has a wrong clock.
LONGEST_S = 62 * 86_400.0

#: Times ``(n,)`` in s on the recording's clock and samples ``(n, channels)`` in the kind's unit.
Block = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class Signal:
    """One stream of samples: what it is, and blocks of it in order of time that cover a span at least."""

    kind: str
    rate_hz: float | None
    start_s: float
    end_s: float
    blocks: Callable[[Span], Iterator[Block]]
    channels: tuple[str, ...] = ("",)
    file_unit: str = ""
    info: dict[str, Any] = field(default_factory=dict)


def evenly(first: int, n: int, rate: float, start: float) -> FloatArray:
    """Times ``(n,)`` of samples ``first``, ``first + 1`` … at ``rate`` Hz from ``start`` s, whatever the blocks."""
    return start + np.arange(first, first + n, dtype=np.float64) / rate


def _opener(name: str, signal: Signal) -> Opener:
    def chunks(span: Span) -> Iterator[Chunk]:
        for times, samples in signal.blocks(span):
            low, high = np.searchsorted(times, (span.start, span.end))
            for first in range(int(low), int(high), CHUNK):
                cut = slice(first, min(first + CHUNK, int(high)))
                yield SignalChunk(name, times[cut], samples[cut], signal.rate_hz)
            if len(times) and times[-1] >= span.end:
                return

    return chunks


def notes_opener(cues: Sequence[Cue], name: str = "notes") -> Opener:
    """Markers in order of time; one without a length belongs to the section in which it stands."""

    def chunks(span: Span) -> Iterator[Chunk]:
        inside = [c for c in cues if c.start < span.end and (c.end > span.start or c.start >= span.start)]
        for first in range(0, len(inside), 64):
            yield WordsChunk(name, tuple(inside[first : first + 64]))

    return chunks


def assembled(
    path: Path,
    signals: Iterable[Signal],
    notes: Sequence[Cue] = (),
    *,
    sha256: Callable[[], str],
    warnings: list[str],
    epoch_s: float | None = None,
    epoch_error_ms: float | None = None,
    basis: Literal["utc", "local", "device", ""] = "device",
) -> Recording:
    """The recording of these signals and markers, which start at 0 or later.

    Streams are named after their kind; a second one of a kind gets a number (``ecg2``). Notes that begin before
    the recording or after it ends are left to the caller.

    Raises
    ------
    InputError : nothing in it, or a clock that claims years.
    """
    streams: list[Stream] = []
    openers: dict[str, Opener] = {}
    for signal in signals:
        count = sum(s.kind == signal.kind for s in streams)
        name = signal.kind if not count else f"{signal.kind}{count + 1}"
        info = {"unit": SIGNAL_KINDS[signal.kind], "file_unit": signal.file_unit, "channels": list(signal.channels)}
        streams.append(
            Stream(name, signal.kind, signal.rate_hz, signal.start_s, signal.end_s, {**info, **signal.info})  # type: ignore[arg-type]
        )
        openers[name] = _opener(name, signal)
        if signal.kind == "eeg" and (twice := _twice(signal.channels)):
            warnings.append(
                f"{path.name}: several channels are called {', '.join(twice)[:200]}; the first of each counts"
            )
    if notes:
        ordered = sorted(notes, key=lambda c: c.start)
        end = max(max(c.end, c.start + INSTANT_S) for c in ordered)
        streams.append(Stream("notes", "notes", None, max(ordered[0].start, 0.0), end, {"cues": len(ordered)}))
        openers["notes"] = notes_opener(ordered)
    duration = max((s.end_s for s in streams), default=0.0)
    if not duration > 0:
        raise InputError("holds no signal and no marker", where=str(path), fix="Choose another file.")
    if not duration <= LONGEST_S:
        raise InputError(
            f"claims to last {duration / 86_400:.0f} days, so its time stamps or its rate are wrong",
            where=str(path), fix="Check the clock of the file.",
        )  # fmt: skip
    return Recording(
        path, path.name, duration, tuple(streams), openers, sha256, warnings=warnings,
        epoch_s=epoch_s, epoch_error_ms=epoch_error_ms, basis=basis,
    )  # fmt: skip


def _twice(names: Sequence[str]) -> list[str]:
    """Names that stand there more than once, whatever their case."""
    first: dict[str, str] = {}
    found: dict[str, None] = {}
    for name in names:
        known = first.setdefault(name.strip().lower(), name)
        if known is not name and name.strip():
            found[known] = None
    return list(found)


def joint_sha256(parts: Iterable[tuple[str, Callable[[], str]]]) -> Callable[[], str]:
    """A function that hashes named parts as one: SHA-256 of the lines ``HASH  NAME`` in order of name."""

    def digest() -> str:
        lines = [f"{sha()}  {name}\n" for name, sha in sorted(parts, key=lambda row: row[0])]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    parts = list(parts)
    return digest
