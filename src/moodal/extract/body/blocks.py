"""Samples cut into windows of fixed length, however they come: the reason why chunks change nothing.

Windows are counted from the first sample of a run. Each has a core of ``hop`` samples, and around it what the
filters and detectors of that core may look at. What is computed of a window is a function of the window alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import UsageError
from moodal.core.stream import Chunk, SignalChunk

__all__ = ["GOOD", "HOLE", "NOT_FINITE", "OUTSIDE", "Cutter", "Window"]

#: What a sample is: a value, not a number, never received, or before the first or after the last.
GOOD, NOT_FINITE, HOLE, OUTSIDE = 0, 1, 2, 3
#: A hole longer than this ends a run: what comes after is measured afresh, s.
_LONGEST_HOLE_S = 30.0


@dataclass(frozen=True)
class Window:
    """``times (n,)`` s, ``samples (n, channels)`` (NaN where ``state (n,)`` is not `GOOD`).

    ``first`` counts the core's first sample from the run's, ``core`` finds it in the arrays and ends where the
    run does; ``begins`` and ``ends``: it is the first or the last of its run. ``edge`` is where the core ends, s.
    """

    times: FloatArray
    samples: FloatArray
    state: npt.NDArray[np.uint8]
    core: slice
    first: int
    begins: bool
    ends: bool
    edge: float

    @property
    def edges(self) -> FloatArray:
        """Starts of the core's samples and its end: ``(core + 1,)`` s."""
        return np.append(self.times[self.core], self.edge)


class Cutter:
    """`SignalChunk`s in, `Window`s out.

    The step between two samples is what their times say; ``rate_hz`` names the length of windows in samples. Times
    that do not rise (duplicates, chunks that come again) are left out.
    """

    def __init__(self, rate_hz: float, hop_s: float, before_s: float, after_s: float) -> None:
        self.rate_hz = rate_hz
        self.hop = max(1, round(hop_s * rate_hz))
        self.before = round(before_s * rate_hz)
        self.after = round(after_s * rate_hz)
        self._times: list[FloatArray] = []
        self._samples: list[FloatArray] = []
        self._state: list[npt.NDArray[np.uint8]] = []
        self._held = 0  # samples in the lists
        self._origin = 0  # number of the first held sample in its run
        self._next = 0  # number of the next core's first sample
        self._last: float | None = None

    def push(self, chunk: SignalChunk) -> Iterator[Window]:
        """Windows that are complete now."""
        times = np.asarray(chunk.times, float)
        samples = np.asarray(chunk.samples, float).reshape(len(times), -1)
        rises = np.isfinite(times)
        floor = -np.inf if self._last is None else self._last
        before = np.maximum.accumulate(np.append(floor, np.where(rises, times, -np.inf)))[:-1]
        rises &= times > before + 1e-9
        if not rises.all():
            times, samples = times[rises], samples[rises]
        if not len(times):
            return
        step = 1.0 / self.rate_hz
        steps = np.diff(times, prepend=times[0] - step if self._last is None else self._last)
        cuts = np.flatnonzero(steps > 1.5 * step)
        for a, b in zip(np.append(0, cuts), np.append(cuts, len(times)), strict=True):
            if b > a:
                self._add(times[a:b], samples[a:b])
                yield from self._complete()
            if b < len(times):
                yield from self._hole(float(times[b]), samples.shape[1])

    def close(self) -> Iterator[Window]:
        """What is left of the run, up to its last sample."""
        end = self._origin + self._held
        while self._next < end:
            yield self._window(end)
        self._times, self._samples, self._state = [], [], []
        self._held = self._origin = self._next = 0

    @property
    def last(self) -> float | None:
        """Time of the last sample so far, s."""
        return self._last

    def _hole(self, until: float, channels: int) -> Iterator[Window]:
        assert self._last is not None
        gap = until - self._last
        if gap > _LONGEST_HOLE_S:
            yield from self.close()
            return
        n = round(gap * self.rate_hz) - 1
        if n > 0:
            times = self._last + gap * np.arange(1, n + 1) / (n + 1)
            self._add(times, np.full((n, channels), np.nan), HOLE)
            yield from self._complete()

    def _add(self, times: FloatArray, samples: FloatArray, state: int | None = None) -> None:
        if state is None:
            good = np.isfinite(samples).all(axis=1)
            states = np.where(good, GOOD, NOT_FINITE).astype(np.uint8)
        else:
            states = np.full(len(times), state, np.uint8)
        self._times.append(times)
        self._samples.append(samples)
        self._state.append(states)
        self._held += len(times)
        self._last = float(times[-1])

    def _complete(self) -> Iterator[Window]:
        # One sample beyond: only then is it known where the core's last one ends.
        while self._origin + self._held > self._next + self.hop + self.after:
            yield self._window(None)

    def _window(self, end: int | None) -> Window:
        """The next window; ``end`` is the number after the run's last sample where that is known."""
        if len(self._times) > 1:
            self._times = [np.concatenate(self._times)]
            self._samples = [np.concatenate(self._samples)]
            self._state = [np.concatenate(self._state)]
        times, samples, state = self._times[0], self._samples[0], self._state[0]
        low, high = self._next - self.before, self._next + self.hop + self.after
        a, b = max(low - self._origin, 0), min(high - self._origin, self._held)
        left, right = max(-low, 0), max(high - self._origin - self._held, 0)
        step = 1.0 / self.rate_hz
        part = times[a:b]
        core_end = min(self._next + self.hop, self._origin + self._held)
        after = core_end - self._origin
        window = Window(
            np.concatenate([part[0] - step * np.arange(left, 0, -1), part, part[-1] + step * np.arange(1, right + 1)]),
            np.pad(samples[a:b], ((left, right), (0, 0)), constant_values=np.nan),
            np.pad(state[a:b], (left, right), constant_values=OUTSIDE),
            slice(self.before, self.before + core_end - self._next),
            self._next,
            self._next == 0,
            end is not None and core_end == end,
            float(times[after]) if after < self._held else float(times[-1] + step),
        )
        self._next += self.hop
        drop = min(max(self._next - self.before - self._origin, 0), self._held)
        self._times, self._samples, self._state = [times[drop:]], [samples[drop:]], [state[drop:]]
        self._origin += drop
        self._held -= drop
        return window


def signal(chunk: Chunk, kind: str) -> SignalChunk:
    """The chunk, if it is a signal.

    Raises
    ------
    UsageError : it is not.
    """
    if not isinstance(chunk, SignalChunk):
        raise UsageError(f"reads {kind} signals", where=chunk.stream)
    return chunk
