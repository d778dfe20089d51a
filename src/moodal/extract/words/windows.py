"""Stretches of speech packed into windows that a recogniser reads at once, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["LONGEST_S", "RATE", "Detector", "Packer", "Window"]

RATE = 16000
#: Longest window: Whisper reads 30 s at once, and its last second is unsteady.
LONGEST_S = 28.0
#: Longest pause that stays in a window as it was; longer ones are shortened to it.
PAUSE_S = 0.8
#: A window waits this long for more speech: each costs the same however short it is.
WAIT_S = 4.0
#: Where speech goes on longer than a window, it is cut at the quietest place of this much before the limit.
SEARCH_S = 6.0

Samples = npt.NDArray[np.float32]
_LONGEST, _PAUSE, _WAIT, _SEARCH = (round(s * RATE) for s in (LONGEST_S, PAUSE_S, WAIT_S, SEARCH_S))
#: Length over which loudness is compared when speech must be cut.
_STEP = RATE // 20


class Detector(Protocol):
    """Finds speech; samples are counted from the recording's start."""

    @property
    def position(self) -> int:
        """Sample up to which it has decided, except for a stretch still open."""
        ...

    @property
    def open_since(self) -> int | None:
        """First sample of the stretch still open."""
        ...

    def push(self, samples: Samples, start_sample: int) -> list[tuple[int, int]]:
        """Stretches ``[start, end)`` that closed."""
        ...

    def close(self) -> list[tuple[int, int]]:
        """The stretch still open, closed where the sound ended."""
        ...


@dataclass(frozen=True)
class Window:
    """Sound ``samples (n,)`` at 16 kHz made of ``parts``: (place in the window, sample of the recording, length)."""

    samples: Samples
    parts: tuple[tuple[int, int, int], ...]

    def span_of(self, start: float, end: float) -> tuple[float, float]:
        """Seconds ``[start, end)`` in the window as seconds of the recording.

        What reaches over a shortened pause is kept on the side where its middle lies.
        """
        middle = (start + end) / 2 * RATE
        at, first, length = next((p for p in reversed(self.parts) if middle >= p[0]), self.parts[0])
        begin, stop = (min(max(t * RATE - at, 0.0), float(length)) for t in (start, end))
        return (first + begin) / RATE, (first + stop) / RATE

    @property
    def spans(self) -> tuple[tuple[float, float], ...]:
        """The stretches of the recording it was made of, s."""
        return tuple((start / RATE, (start + length) / RATE) for _, start, length in self.parts)


class Packer:
    """Neighbouring stretches share a window as long as it stays short enough and no long pause comes.

    What goes into a window depends on the stretches alone, never on how the sound was cut.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._sound: list[tuple[int, Samples]] = []
        self._stretches: list[tuple[int, int]] = []
        self._cut: int | None = None

    @property
    def pending(self) -> int | None:
        """First sample not yet given in a window, where speech waits."""
        if self._stretches:
            return self._stretches[0][0]
        since = self._detector.open_since
        return since if since is None or self._cut is None else max(since, self._cut)

    def push(self, samples: Samples, start_sample: int) -> list[Window]:
        """Take sound; give the windows that are complete."""
        self._sound.append((start_sample, samples))
        windows: list[Window] = []
        for start, end in self._detector.push(samples, start_sample):
            windows += self._closed(start, end)
        windows += self._overlong()
        since, position = self._detector.open_since, self._detector.position
        quiet_from = since if since is not None else position
        if self._stretches and quiet_from - self._stretches[-1][1] > _WAIT:
            windows.append(self._flush())
        self._forget()
        return windows

    def close(self) -> list[Window]:
        """Give the rest."""
        windows: list[Window] = []
        for start, end in self._detector.close():
            windows += self._closed(start, end)
        if self._stretches:
            windows.append(self._flush())
        self._sound = []
        return windows

    def _closed(self, start: int, end: int) -> Iterator[Window]:
        """A stretch has its end; what was cut off its front is gone."""
        begun = start
        if self._cut is not None and self._cut > start:
            begun = self._cut
        while end - begun > _LONGEST:
            cut = self._quietest(begun)
            yield from self._add(begun, cut)
            begun = cut
        if end > begun:
            yield from self._add(begun, end)
        self._cut = None

    def _overlong(self) -> Iterator[Window]:
        """Cut off what an open stretch has too much."""
        since = self._detector.open_since
        if since is None:
            return
        begun = since if self._cut is None else max(since, self._cut)
        while self._detector.position - begun > _LONGEST:
            cut = self._quietest(begun)
            yield from self._add(begun, cut)
            begun = self._cut = cut

    def _add(self, start: int, end: int) -> Iterator[Window]:
        if self._stretches:
            pause = start - self._stretches[-1][1]
            if pause > _WAIT or self._length() + min(pause, _PAUSE) + end - start > _LONGEST:
                yield self._flush()
        self._stretches.append((start, end))

    def _length(self) -> int:
        whole = sum(end - start for start, end in self._stretches)
        ends = zip(self._stretches, self._stretches[1:], strict=False)
        return whole + sum(min(b[0] - a[1], _PAUSE) for a, b in ends)

    def _flush(self) -> Window:
        parts, sound, at = [], [], 0
        for number, (start, end) in enumerate(self._stretches):
            stop = end
            if number + 1 < len(self._stretches):
                stop += min(self._stretches[number + 1][0] - end, _PAUSE)
            piece = self._between(start, stop)
            parts.append((at, start, stop - start))
            sound.append(piece)
            at += len(piece)
        self._stretches = []
        return Window(np.concatenate(sound), tuple(parts))

    def _between(self, start: int, end: int) -> Samples:
        """Samples ``[start, end)``; holes in the stream are silent."""
        out = np.zeros(end - start, np.float32)
        for at, samples in self._sound:
            first, last = max(at, start), min(at + len(samples), end)
            if last > first:
                out[first - start : last - start] = samples[first - at : last - at]
        return out

    def _quietest(self, begun: int) -> int:
        """Where to cut speech that began at ``begun`` and goes on past the limit."""
        first = begun + _LONGEST - _SEARCH
        steps = self._between(first, begun + _LONGEST).reshape(-1, _STEP)
        return first + int(np.argmin((steps.astype(float) ** 2).sum(axis=1))) * _STEP + _STEP // 2

    def _forget(self) -> None:
        """Drop sound that no window can need any more."""
        pending = self.pending
        # A detector names a stretch a little after it began; two seconds are more than any of them needs.
        needed = min(self._detector.position - 2 * RATE, pending if pending is not None else self._detector.position)
        self._sound = [(at, s) for at, s in self._sound if at + len(s) > needed]
