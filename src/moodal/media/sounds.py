"""The sound of a container: one channel of float32 at 16 kHz, placed by its time stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import Span
from moodal.core.stream import Chunk, SoundChunk

from .container import Facts, Source, decoded, opened, positioned, seconds_of

__all__ = ["SOUND_RATE", "opener"]

#: Sound is given at this rate, the one that speech models read.
SOUND_RATE = 16000
#: Samples of a chunk.
SAMPLES = SOUND_RATE
#: Stamps that stray less than this (s) from the count of samples are rounding or a drifting clock, not a hole.
STRAY_S = 0.05
#: After a lost packet a hole is any step above the coarsest stamp of a container, 1 ms.
STRAY_AFTER_DAMAGE_S = 0.002
#: A read from the middle begins this much earlier (s), so that codecs with a memory and the resampler settle.
SETTLE_S = 1.0
#: Samples handed to the resampler at once.
BLOCK = 8192

Sound = npt.NDArray[np.float32]


def opener(source: Source, facts: Facts, zero: float) -> Callable[[Span], Iterator[Chunk]]:
    """Opens the sound afresh, in chunks of a second or up to the next hole."""

    def chunks(span: Span) -> Iterator[Chunk]:
        first = round(span.start * SOUND_RATE)
        last = round(min(span.end, facts.end - zero) * SOUND_RATE)
        waiting: list[Sound] = []
        held, at = 0, first
        for start, samples in _resampled(source, facts, zero, span):
            if start >= last:
                break
            # What overlaps the sound before it (a clock that went back a little) is left out.
            low = max(start, at + held)
            part = samples[low - start : max(last - start, 0)]
            if not len(part):
                continue
            if held and low != at + held:
                yield SoundChunk("sound", at, np.concatenate(waiting), SOUND_RATE)
                waiting, held = [], 0
            if not held:
                at = low
            waiting.append(part)
            held += len(part)
            while held >= SAMPLES:
                whole = np.concatenate(waiting)
                yield SoundChunk("sound", at, whole[:SAMPLES], SOUND_RATE)
                waiting, held, at = [whole[SAMPLES:]], held - SAMPLES, at + SAMPLES
        if held:
            yield SoundChunk("sound", at, np.concatenate(waiting), SOUND_RATE)

    return chunks


def _resampled(source: Source, facts: Facts, zero: float, span: Span) -> Iterator[tuple[int, Sound]]:
    """Samples at `SOUND_RATE`, each array with the index of its first on the recording's clock."""
    stretch: _Stretch | None = None
    for place, rate, samples in _placed(source, facts, zero, span):
        if stretch is None or place is not None or rate != stretch.rate:
            start = stretch.end if stretch is not None and place is None else (place or 0.0)
            if stretch is not None:
                yield from stretch.rest()
            stretch = _Stretch(start, rate)
        yield from stretch.push(samples)
    if stretch is not None:
        yield from stretch.rest()


class _Stretch:
    """Resampling of sound without a hole: output sample k stands at ``start + k / SOUND_RATE``."""

    def __init__(self, start: float, rate: int) -> None:
        import av

        self.rate = rate
        self._start = start
        self._index = round(start * SOUND_RATE)
        self._taken = 0
        self._waiting: list[Sound] = []
        self._held = 0
        self._resampler: Any = None
        if rate != SOUND_RATE:
            self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE)

    @property
    def end(self) -> float:
        """Where the sound taken so far ends, s."""
        return self._start + self._taken / self.rate

    def push(self, samples: Sound) -> Iterator[tuple[int, Sound]]:
        """Take samples at ``rate``, give what is ready."""
        self._waiting.append(samples)
        self._held += len(samples)
        self._taken += len(samples)
        if self._held >= BLOCK:
            yield from self._flush()

    def rest(self) -> Iterator[tuple[int, Sound]]:
        """What is left."""
        yield from self._flush()
        if self._resampler is not None:
            yield from self._give(self._resampler.resample(None))

    def _flush(self) -> Iterator[tuple[int, Sound]]:
        import av

        if not self._held:
            return
        block = np.concatenate(self._waiting)
        self._waiting, self._held = [], 0
        if self._resampler is None:
            yield self._index, block
            self._index += len(block)
            return
        frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
        frame.sample_rate = self.rate
        yield from self._give(self._resampler.resample(frame))

    def _give(self, frames: list[Any]) -> Iterator[tuple[int, Sound]]:
        for frame in frames:
            samples = frame.to_ndarray()[0]
            yield self._index, samples
            self._index += len(samples)


def _placed(source: Source, facts: Facts, zero: float, span: Span) -> Iterator[tuple[float | None, int, Sound]]:
    """Decoded mono samples and their rate; a time (s) with the first of every stretch without a hole."""
    with opened(source.path) as container:
        stream = container.streams[facts.index]
        sought = positioned(container, stream, facts, span.start + zero - SETTLE_S)
        begin = span.start - SETTLE_S / 2 if sought else -np.inf
        expected: float | None = None
        settling = sought
        stray = STRAY_S

        def damage() -> None:
            nonlocal stray
            stray = STRAY_AFTER_DAMAGE_S

        for frame in decoded(container, stream, source, damage):
            rate = int(frame.sample_rate)
            at = None if frame.pts is None else seconds_of(frame.pts, frame.time_base) - zero
            if frame.is_corrupt or not rate:
                damage()
                continue
            samples = _mono(frame)
            place = None
            if expected is None:
                place = facts.start - zero if at is None else at
                if sought:
                    # The first frame after a seek may be cut short by the codec's run-up: it is passed over too.
                    if place < begin or settling:
                        settling = False
                        continue
                    place, samples = _aligned(place, float(frame.time_base), rate, samples, facts, zero)
                    if not len(samples):
                        continue
            elif at is not None and abs(at - expected) > stray:
                place = at
            begins = expected if place is None else place
            assert begins is not None
            expected = begins + len(samples) / rate
            stray = STRAY_S
            yield place, rate, samples
            if expected > span.end + SETTLE_S / 2:
                return


def _aligned(at: float, tick: float, rate: int, samples: Sound, facts: Facts, zero: float) -> tuple[float, Sound]:
    """Sound from the middle, cut so that the resampler meets the same samples in the same phase as from the start.

    ``tick`` is the unit of the stamp, s. Where it is coarse (1 ms in Matroska), the count of samples from
    the start is the nearest whole number of frames behind the first one: frames of most codecs have one
    length.
    """
    start = facts.start - zero
    count = (at - start) * rate
    if tick * rate > 1.001:
        snapped = facts.first + round((count - facts.first) / len(samples)) * len(samples)
        if abs(snapped - count) <= rate * tick * 1.1:
            count = snapped
    whole = round(count)
    skip = -whole % (rate // gcd(rate, SOUND_RATE))
    return start + (whole + skip) / rate, samples[skip:]


def _mono(frame: Any) -> Sound:
    """Mean of the channels, in [-1, 1] where the file is; what is not finite is NaN."""
    data = frame.to_ndarray()
    channels = frame.layout.nb_channels
    if not frame.format.is_planar and channels > 1:
        data = data.reshape(-1, channels).T
    if data.dtype == np.uint8:
        scaled = (data.astype(np.float32) - 128) / 128
    elif data.dtype.kind == "i":
        scaled = data.astype(np.float32) / np.float32(-float(np.iinfo(data.dtype).min))
    else:
        scaled = data.astype(np.float32, copy=False)
    mono = scaled[0] if len(scaled) == 1 else scaled.mean(axis=0, dtype=np.float32)
    if not np.isfinite(mono).all():
        mono = np.where(np.isfinite(mono), mono, np.float32(np.nan))
    return np.ascontiguousarray(mono)
