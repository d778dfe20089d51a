"""Several files on one clock, and the certificate of how they came onto it.

Best first: an offset that was given, UTC start stamps, markers that both hold, taps that both felt or heard; else
both begin together and a warning says so. The clock is that of the recording named first: what another one holds
before its second 0 is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from moodal.core.clock import Span
from moodal.core.errors import InputError
from moodal.core.recording import ClockJoin, Opener, Recording
from moodal.core.stream import Chunk, Cue, PictureChunk, SignalChunk, SoundChunk, Stream, WordsChunk

from . import clocks, transcript
from .signals import joint_sha256
from .units import Units

__all__ = ["Link", "combined", "join", "linked", "parsed"]

#: Stamps that resolve less than this (ms) are bettered by markers and taps where those are sure.
COARSE_MS = 100.0

How = Literal["start stamps", "given offset", "shared markers", "tap", "assumed start"]


@dataclass(frozen=True, slots=True)
class Link:
    """A time t of the second recording is ``offset_s + t (1 + drift)`` on the first one's clock."""

    how: str
    offset_s: float
    drift: float = 0.0
    error_ms: float | None = None

    def put(self, t: Any) -> Any:
        """Seconds of the second recording on the first one's clock."""
        return self.offset_s + t * (1 + self.drift)

    def back(self, t: float) -> float:
        """Seconds of the first one's clock on the second's."""
        return (t - self.offset_s) / (1 + self.drift)


def parsed(item: str | os.PathLike[str]) -> tuple[Path, float | None]:
    """``FILE`` or ``FILE@OFFSET_S`` in its parts; a name that exists is a name, whatever stands in it."""
    text = os.fspath(item)
    name, mark, offset = text.rpartition("@")
    if mark and name and not Path(text).exists():
        try:
            seconds = float(offset)
        except ValueError:
            seconds = np.nan
        if np.isfinite(seconds):
            return Path(name), seconds
        if Path(name).exists():
            raise InputError(f"{offset!r} is no offset", where=f"--with {text}", fix="Say seconds: FILE@12.5.")
    return Path(text), None


def join(recording: Recording, with_: Sequence[str | os.PathLike[str]], units: Units) -> Recording:
    """The recording with each of ``with_`` on its clock.

    Raises
    ------
    InputError : a file that cannot be read or whose clock cannot be put onto this one; in one line.
    """
    from . import opened

    for item in with_:
        path, offset = parsed(item)
        if path.suffix.lower() in transcript.EXTENSIONS:
            recording = transcript.join(recording, path, offset or 0.0)
            continue
        other = opened(path, units)
        recording = combined(recording, other, linked(recording, other, offset))
    return recording


def linked(first: Recording, second: Recording, offset: float | None = None) -> Link:
    """How the second recording's clock comes onto the first one's.

    Raises
    ------
    InputError : a clock on a wall without a zone against UTC, and nothing seen by both.
    """
    for recording in (first, second):
        if recording.still or recording.clock == "order":
            raise InputError("has no clock, so nothing can join it", where=recording.name, fix="Analyse it alone.")
    if offset is not None:
        return Link("given offset", offset)
    stamps = _stamps(first, second)
    if stamps is not None and (stamps.error_ms or np.inf) <= COARSE_MS:
        return stamps
    reach = (-first.duration_s - second.duration_s, first.duration_s + second.duration_s)
    if stamps is not None:
        slack = 2e-3 * (stamps.error_ms or 1000.0) + 2.0
        reach = (stamps.offset_s - slack, stamps.offset_s + slack)
    if (found := clocks.markers(first, second, reach)) is not None:
        return Link("shared markers", found.offset_s, found.drift, max(1000 * found.error_s, 1.0))
    if (found := clocks.taps(first, second, reach)) is not None:
        return Link("tap", found.offset_s, found.drift, max(1000 * found.error_s, 1.0))
    if stamps is not None:
        return stamps
    if {first.basis, second.basis} == {"utc", "local"}:
        local = first if first.basis == "local" else second
        hours = ((second.epoch_s or 0.0) - (first.epoch_s or 0.0)) / 3600
        raise InputError(
            f"the clock of {local.name} states no zone and the other one is UTC (as they stand they are {hours:+.2f} h "
            "apart: a time zone, summer time?)", where=f"{first.name} with {second.name}",
            fix=f"Say where it begins, in seconds: --with {second.path}@OFFSET_S.",
        )  # fmt: skip
    first.warnings.append(
        f"{second.name}: nothing tells when it began; it is taken to begin with {first.name} "
        f"(--with {second.path}@OFFSET_S says otherwise)"
    )
    return Link("assumed start", 0.0)


def _stamps(first: Recording, second: Recording) -> Link | None:
    """The link by start stamps, where both have stamps of one kind."""
    if first.epoch_s is None or second.epoch_s is None or first.basis != second.basis:
        return None
    errors = [r.epoch_error_ms for r in (first, second)]
    error = None if None in errors else float(sum(e for e in errors if e is not None))
    if first.basis == "local":
        line = f"{second.name}: neither its clock nor that of {first.name} states a zone; they are taken to be of one"
        if line not in first.warnings:
            first.warnings.append(line)
    return Link("start stamps", second.epoch_s - first.epoch_s, 0.0, error)


def combined(first: Recording, second: Recording, link: Link) -> Recording:
    """Both as one recording on the first one's clock.

    Raises
    ------
    InputError : they do not overlap.
    """
    start, end = link.put(0.0), link.put(second.duration_s)
    if start >= first.duration_s or end <= 0:
        apart, when = (start - first.duration_s, "after") if start > 0 else (-end, "before")
        far = f"{apart:.1f} s" if apart < 600 else f"{apart / 3600:.2f} h"
        raise InputError(
            f"does not overlap {first.name} ({link.how}: {far} {when} it)", where=second.name,
            fix=f"Where a clock is wrong, say where it begins: --with {second.path}@OFFSET_S.",
        )  # fmt: skip
    streams, openers = list(first.streams), dict(first.openers)
    joins = list(first.joins) or [ClockJoin(s.name, s.name, "same file", 0.0, 0.0, 0.0) for s in first.streams]
    onto = first.streams[0].name
    early = 0.0
    for stream in second.streams:
        if link.put(stream.end_s) <= 0:
            continue
        count = sum(s.kind == stream.kind for s in streams)
        name = stream.kind if not count else f"{stream.kind}{count + 1}"
        begins = link.put(stream.start_s)
        early = max(early, -begins)
        info = {**stream.info, "file": second.name}
        streams.append(Stream(name, stream.kind, stream.rate_hz, max(begins, 0.0), link.put(stream.end_s), info))
        openers[name] = _opener(second, stream, name, link, first.warnings)
        joins += [replace(j, stream=name) for j in second.joins if j.stream == stream.name and j.how != "same file"]
        joins.append(ClockJoin(name, onto, link.how, link.offset_s, 1e6 * link.drift, link.error_ms))
    if early > 0.5:
        first.warnings.append(f"{second.name}: {early:.1f} s of it lie before {first.name} begins and are left out")
    first.warnings.extend(w for w in second.warnings if w not in first.warnings)
    epoch, basis, error = first.epoch_s, first.basis, first.epoch_error_ms
    if epoch is None and second.basis == "utc" and second.epoch_s is not None and link.how != "assumed start":
        epoch, basis = second.epoch_s - link.offset_s, "utc"
        error = None if link.error_ms is None else (second.epoch_error_ms or 0.0) + link.error_ms
    return replace(
        first,
        duration_s=max(s.end_s for s in streams),
        streams=tuple(streams),
        openers=openers,
        sha256=joint_sha256([(f"1 {first.name}", first.sha256), (f"2 {second.name}", second.sha256)]),
        epoch_s=epoch,
        epoch_error_ms=error,
        basis=basis,
        joins=tuple(joins),
    )


def _opener(second: Recording, stream: Stream, name: str, link: Link, warnings: list[str]) -> Opener:
    """Opens the stream on the first recording's clock."""

    def chunks(span: Span) -> Iterator[Chunk]:
        # A little more on either side: what is inside is decided on the first one's clock.
        low, high = max(link.back(span.start) - 0.1, 0.0), max(link.back(span.end) + 0.1, 0.0)
        try:
            for chunk in second.chunks(stream.name, start=low, end=max(low, high)):
                if (moved := _moved(chunk, name, link, span)) is not None:
                    yield moved
        finally:
            warnings.extend(w for w in second.warnings if w not in warnings)

    return chunks


def _moved(chunk: Chunk, name: str, link: Link, span: Span) -> Chunk | None:
    """A chunk on the first one's clock, cut to the span; ``None`` where nothing of it is inside."""
    if isinstance(chunk, SignalChunk):
        times = link.put(chunk.times)
        low, high = np.searchsorted(times, (max(span.start, 0.0), span.end))
        cut = slice(int(low), int(high))
        return SignalChunk(name, times[cut], chunk.samples[cut], chunk.rate_hz) if high > low else None
    if isinstance(chunk, PictureChunk):
        times, ends = link.put(chunk.times), link.put(chunk.ends)
        inside = np.flatnonzero((ends > max(span.start, 0.0)) & (times < span.end) & (times >= 0))
        frames = [chunk.frames[int(k)] for k in inside]
        return PictureChunk(name, times[inside], ends[inside], frames, chunk.scale) if len(inside) else None
    if isinstance(chunk, SoundChunk):
        return _sound(chunk, name, link, span)
    assert isinstance(chunk, WordsChunk)
    cues = [
        Cue(max(link.put(c.start), 0.0), link.put(c.end), c.text, c.speaker,
            tuple((link.put(a), link.put(b), text, p) for a, b, text, p in c.words))
        for c in chunk.cues if link.put(c.end) >= 0 and (link.put(c.start) >= 0 or c.end > c.start)
    ]  # fmt: skip
    cues = [c for c in cues if c.start < span.end and (c.end > span.start or c.start >= span.start)]
    return WordsChunk(name, tuple(cues), chunk.language) if cues else None


def _sound(chunk: SoundChunk, name: str, link: Link, span: Span) -> SoundChunk | None:
    """Sound on another clock: each of its new samples is the old one nearest in time.

    A drift of 200 ppm leaves out or doubles one sample in 5,000, which keeps every sample within 0.03 ms of its time.
    """
    rate, n = chunk.rate_hz, len(chunk.samples)
    scale, shift = 1 + link.drift, link.offset_s * chunk.rate_hz
    low = int(np.ceil(max((chunk.start_sample - 0.5) * scale + shift, span.start * rate, 0.0) - 1e-9)) - 1
    high = int(np.ceil(min((chunk.start_sample + n) * scale + shift + 1, span.end * rate)))
    new = np.arange(max(low, 0), max(high, 0))
    old = np.floor((new - shift) / scale + 0.5).astype(np.int64) - chunk.start_sample
    keep = (old >= 0) & (old < n) & (new >= np.ceil(span.start * rate - 1e-6)) & (new < span.end * rate - 1e-6)
    new, old = new[keep], old[keep]
    return SoundChunk(name, int(new[0]), chunk.samples[old], rate) if len(new) else None
