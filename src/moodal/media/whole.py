"""A stretch of a recording's stream in memory, evenly sampled: for who needs several streams of one time at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.recording import Recording
from moodal.core.stream import SignalChunk

__all__ = ["EVENTS_HZ", "Even", "of_events", "whole"]

#: Share of a sample by which a time may miss a sample's own and still mean it: rounding of decimal times.
_SLACK = 1e-6


#: Rate of the grid that events are laid on, Hz: beats are never so near that two fall into one sample.
EVENTS_HZ = 8.0


@dataclass(frozen=True)
class Even:
    """``values (n, channels)`` in the kind's unit, NaN where nothing was received; the first stands at ``start_s``."""

    values: FloatArray
    rate_hz: float
    start_s: float
    channels: tuple[str, ...] = ()

    @property
    def end_s(self) -> float:
        """When the sample after the last would come."""
        return self.start_s + len(self.values) / self.rate_hz

    def cut(self, start_s: float, end_s: float) -> FloatArray:
        """The samples of ``[start_s, end_s)`` ``(m, channels)``: always as many, to the nearest, NaN where there are
        none."""
        first = int(np.ceil((start_s - self.start_s) * self.rate_hz - _SLACK))
        last = first + round((end_s - start_s) * self.rate_hz)
        part = self.values[min(max(first, 0), len(self.values)) : min(max(last, 0), len(self.values))]
        before = min(max(-first, 0), last - first)
        after = last - first - before - len(part)
        if not before and not after:
            return part
        return np.pad(part, ((before, after), (0, 0)), constant_values=np.nan)


def whole(recording: Recording, kind: str, start_s: float = 0.0, end_s: float | None = None) -> Even | None:
    """The first stream of a kind inside ``[start_s, end_s)``; None where the recording has none.

    Events (a stream without a rate) are laid on a grid of `EVENTS_HZ`.

    Raises
    ------
    InputError : the file cannot be read any more.
    """
    stream = recording.stream(kind)
    if stream is None:
        return None
    if not stream.rate_hz:
        parts = [
            (c.times, c.samples) for c in recording.chunks(stream.name, start=start_s, end=end_s)
            if isinstance(c, SignalChunk)
        ]  # fmt: skip
        if not parts:
            return None
        times = np.concatenate([t for t, _ in parts])
        values = np.concatenate([np.asarray(x).reshape(len(t), -1)[:, 0] for t, x in parts])
        return of_events(times, values, min(stream.end_s, stream.end_s if end_s is None else end_s))
    rate = stream.rate_hz
    first = max(0, int(np.floor((start_s - stream.start_s) * rate)))
    last = max(first, round(((stream.end_s if end_s is None else min(end_s, stream.end_s)) - stream.start_s) * rate))
    names = tuple(str(c) for c in stream.info.get("channels", ("",)))
    values = np.full((last - first, len(names)), np.nan)
    for chunk in recording.chunks(stream.name, start=start_s, end=end_s):
        if isinstance(chunk, SignalChunk):
            at = np.round((chunk.times - stream.start_s) * rate).astype(np.int64) - first
            inside = (at >= 0) & (at < last - first)
            values[at[inside]] = chunk.samples[inside]
    return Even(values, rate, stream.start_s + first / rate, names)


def of_events(times: FloatArray, values: FloatArray, end_s: float) -> Even:
    """Events at ``times (k,)`` s as samples of `EVENTS_HZ` from 0 to ``end_s``, NaN where there is none."""
    out = np.full((max(0, int(np.ceil(end_s * EVENTS_HZ))), 1), np.nan)
    at = np.floor(np.asarray(times) * EVENTS_HZ).astype(np.int64)
    inside = (at >= 0) & (at < len(out))
    out[at[inside], 0] = np.asarray(values)[inside]
    return Even(out, EVENTS_HZ, 0.0)
