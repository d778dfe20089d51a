"""The pictures of a container: upright RGB frames at their own times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import Span
from moodal.core.stream import Chunk, PictureChunk

from .container import Facts, Source, decoded, opened, positioned, seconds_of

__all__ = ["LONGEST", "opener", "shape_of"]

#: Longer side of a frame: above it decoding costs more than the networks, and faces gain nothing.
LONGEST = 1280
#: Frames of a chunk.
FRAMES = 16
#: After damage pictures are drawn on what was lost: they are held back to the next key frame, or this long (s).
HEAL_S = 10.0
#: A picture that stays longer than this (s), and does not say so, is followed by a hole.
STAYS_S = 1.0
#: How much earlier (s) to look when a seek arrives too late (some indices point past key frames).
MARGINS = (0.0, 2.0, 10.0, 60.0)


@dataclass
class _Picture:
    """A frame with the time it is shown, the time it says it lasts, and whether damage came before it."""

    time: float
    length: float
    frame: npt.NDArray[np.uint8]
    scale: float
    after_damage: bool


def opener(source: Source, facts: Facts, zero: float) -> Callable[[Span], Iterator[Chunk]]:
    """Opens the pictures afresh; each chunk holds frames of one size."""

    def chunks(span: Span) -> Iterator[Chunk]:
        held: list[_Picture] = []
        ends: list[float] = []
        for picture, end in _with_ends(_pictures(source, facts, zero, span), span, facts, zero):
            if held and (len(held) == FRAMES or picture.frame.shape != held[0].frame.shape):
                yield _chunk(held, ends)
                held, ends = [], []
            held.append(picture)
            ends.append(end)
        if held:
            yield _chunk(held, ends)

    return chunks


def _chunk(held: list[_Picture], ends: list[float]) -> PictureChunk:
    times = np.array([p.time for p in held])
    return PictureChunk("picture", times, np.array(ends), [p.frame for p in held], held[0].scale)


def _with_ends(pictures: Iterator[_Picture], span: Span, facts: Facts, zero: float) -> Iterator[tuple[_Picture, float]]:
    """Each picture inside the span with the time its successor takes over, or where a hole follows it."""
    last: _Picture | None = None
    for picture in pictures:
        if last is not None:
            yield last, _end(last, picture)
        last = picture
        if picture.time >= span.end:
            return
    if last is not None:
        stream_end = facts.end - zero
        alone = last.time + facts.frame_s
        yield last, stream_end if last.time < stream_end <= last.time + STAYS_S else alone


def _end(picture: _Picture, following: _Picture) -> float:
    lasts = following.time - picture.time
    if following.after_damage or lasts > max(STAYS_S, 1.5 * picture.length):
        return min(following.time, picture.time + picture.length)
    return following.time


def _pictures(source: Source, facts: Facts, zero: float, span: Span) -> Iterator[_Picture]:
    """Pictures from ``span.start`` to the first at or after ``span.end`` (which says when the last one ends)."""
    for margin in MARGINS:
        with opened(source.path) as container:
            stream = container.streams[facts.index]
            stream.thread_type = "AUTO"
            sought = positioned(container, stream, facts, span.start + zero - margin)
            found = _decoded_pictures(container, stream, source, facts, zero, span)
            # A seek is right when a frame at or before the span's start comes out of it.
            first = next(found, None)
            if not sought or margin == MARGINS[-1] or (first is not None and first.time <= span.start):
                if first is not None and first.time >= span.start:
                    yield first
                yield from found
                return


def _decoded_pictures(
    container: Any, stream: Any, source: Source, facts: Facts, zero: float, span: Span
) -> Iterator[_Picture]:
    """The first frame that comes, then those from ``span.start`` on. Times rise; damage is left out."""
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    times = _Times(facts, zero)
    damaged: float | None = None
    lost = False
    first = True

    def damage() -> None:
        nonlocal damaged, lost
        lost = True
        if damaged is None:
            damaged = times.last if np.isfinite(times.last) else span.start

    for frame in decoded(container, stream, source, damage):
        at = times.of(frame)
        if at is None:
            continue
        if frame.is_corrupt:
            damage()
        if damaged is not None:
            if (frame.is_corrupt or not frame.key_frame) and at - damaged < HEAL_S:
                continue
            if at > span.start:
                source.warn(f"pictures from {damaged:.2f} to {at:.2f} s are damaged and left out", lost=True)
            damaged = None
        if first or at >= span.start:
            length = seconds_of(frame.duration, frame.time_base) if frame.duration else facts.frame_s
            rgb, scale = _upright(reformatter, frame, facts) if at >= span.start else (_NOTHING, 1.0)
            yield _Picture(at, length, rgb, scale, lost)
            first = lost = False
        if at >= span.end:
            return
    if damaged is not None and damaged < span.end:
        source.warn(f"pictures from {damaged:.2f} s on are damaged and left out", lost=True)


_NOTHING = np.zeros((0, 0, 3), np.uint8)


class _Times:
    """Presentation times on the recording's clock, rising; ``None`` for a frame that has none of its own.

    AVI numbers packets instead of timing pictures: there the decoding stamps, which rise, say how far
    each frame lies behind the first.
    """

    def __init__(self, facts: Facts, zero: float) -> None:
        self.last = -np.inf
        self._facts, self._zero = facts, zero
        self._anchor: tuple[float, int] | None = None

    def of(self, frame: Any) -> float | None:
        """The time of the next frame, s."""
        at = self._stamped(frame)
        if at is None or (self._facts.counted and at <= self.last):
            at = self.last + self._facts.frame_s if np.isfinite(self.last) else self._facts.start - self._zero
        if at <= self.last:
            return None
        self.last = at
        return at

    def _stamped(self, frame: Any) -> float | None:
        if not self._facts.counted:
            return None if frame.pts is None else seconds_of(frame.pts, frame.time_base) - self._zero
        if self._anchor is None:
            if frame.pts is None:
                return None
            if frame.dts is not None:
                self._anchor = seconds_of(frame.pts, frame.time_base) - self._zero, frame.dts
            return seconds_of(frame.pts, frame.time_base) - self._zero
        if frame.dts is None:
            return None
        return self._anchor[0] + seconds_of(frame.dts - self._anchor[1], frame.time_base)


def shape_of(frame: Any, aspect: Fraction | None) -> tuple[int, int, int]:
    """Width and height as stored but with square pixels, and the quarter turns anticlockwise to stand upright."""
    width, height = frame.width, frame.height
    if aspect and aspect != 1 and Fraction(1, 4) < aspect < 4:
        width, height = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return width, height, round((frame.rotation or 0) / 90) % 4


def _upright(reformatter: Any, frame: Any, facts: Facts) -> tuple[npt.NDArray[np.uint8], float]:
    from av.video.reformatter import Interpolation

    width, height, turns = shape_of(frame, facts.aspect)
    scale = max(width, height) / LONGEST
    if scale > 1:
        width, height = max(2, round(width / scale / 2) * 2), max(2, round(height / scale / 2) * 2)
    # One thread: the decoder's own keep the other cores busy already.
    rgb = reformatter.reformat(
        frame, width=width, height=height, format="rgb24", interpolation=Interpolation.FAST_BILINEAR, threads=1
    ).to_ndarray()
    if turns:
        rgb = np.ascontiguousarray(np.rot90(rgb, turns))
    return rgb, max(scale, 1.0)
