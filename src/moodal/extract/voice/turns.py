"""Stretches of talk cut into the windows that an expert reads, however the sound comes.

::

    talk of at most 6 s     |======================|              one window
    longer talk             |--------------|                      4 s every 2 s,
                                   |--------------|               the last one up to the end
                                            |--------------|
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .activity import FRAME, RATE_HZ

__all__ = ["LEAST", "LONGEST", "STEP", "WINDOW", "Turns", "Window", "trimmed"]

Sound = npt.NDArray[np.float32]

#: Frames of 32 ms: the longest talk that is one window (6 s), and length and step of the windows of longer talk (4 and
#: 2 s).
LONGEST, WINDOW, STEP = (round(s * RATE_HZ / FRAME) for s in (6.0, 4.0, 2.0))
#: Frames kept before the first and after the last speech (0.512 s: detection comes late where a voice is raised; what
#: is silent in them is cut by `trimmed`), and frames of speech (0.48 s) without which a window tells nothing.
PAD, LEAST = 16, 15


#: Sound this far below the loudest 10 ms is no part of the talk where it stands at an end, dB; what is kept of it, s.
_BELOW_DB, _KEPT_S = 40.0, 0.15


def trimmed(sound: Sound) -> Sound:
    """The sound ``(n,)`` at 16 kHz without silence at its ends, but for 0.15 s of it."""
    hop = RATE_HZ // 100
    n = len(sound) // hop
    if not n:
        return sound
    power = np.square(sound[: n * hop].reshape(n, hop), dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(power > max(float(power.max()) * 10 ** (-_BELOW_DB / 10), 1e-12))
    if not len(loud):
        return sound
    kept = round(_KEPT_S * 100)
    return sound[max(loud[0] - kept, 0) * hop : min(loud[-1] + 1 + kept, n) * hop]


@dataclass(frozen=True)
class Window:
    """Frames ``[first, last)`` with their sound ``((last - first) * 512,)``."""

    first: int
    last: int
    sound: Sound


class Turns:
    """Frames in, windows out, as soon as nothing can change them. It holds some seconds of sound."""

    def __init__(self) -> None:
        self.frame = 0  #: frames taken
        self._sound: list[Sound] = []
        self._speech: list[bool] = []
        self._from = 0  # frame of the first one held
        self._open = False
        self._start: int | None = None  # first frame of the talk, its pad counted
        self._given = 0  # windows given of it

    @property
    def final(self) -> int:
        """Frame before which every window has been given that covers it."""
        if not self._open:
            return self.frame
        if self._start is None:
            return self._from
        # The last window of long talk may begin up to a step before the next regular one.
        return self._start + max(self._given - 1, 0) * STEP

    def push(self, sound: Sound, speech: npt.NDArray[np.bool_], near: npt.NDArray[np.bool_]) -> list[Window]:
        """Take frames: ``sound (n * 512,)``, which are ``speech (n,)``, and which ``near (n,)`` it."""
        told: list[Window] = []
        for i in range(len(speech)):
            if near[i]:
                if not self._open:
                    self._open, self._from = True, self.frame
                self._sound.append(sound[i * FRAME : (i + 1) * FRAME])
                self._speech.append(bool(speech[i]))
                self.frame += 1
                if speech[i]:
                    if self._start is None:
                        self._start = max(self.frame - 1 - PAD, self._from)
                    told += self._long()
            else:
                told += self.close()
                self.frame += 1
        return told

    def close(self) -> list[Window]:
        """The talk, or the sound, ended."""
        told: list[Window] = []
        if self._open and self._start is not None:
            end = self._end()
            first = self._start if not self._given else end - WINDOW
            # The last window of long talk ends with it; it is left out where the one before does so as well.
            done = self._start + (self._given - 1) * STEP + WINDOW if self._given else -1
            if end > done:
                told = self._window(first, end)
        self._open, self._start, self._given = False, None, 0
        self._sound, self._speech = [], []
        return told

    def _end(self) -> int:
        last = len(self._speech) - 1
        while last and not self._speech[last]:
            last -= 1
        return min(self._from + last + 1 + PAD, self.frame)

    def _long(self) -> list[Window]:
        """Windows of talk that is known to be longer than one."""
        assert self._start is not None
        told: list[Window] = []
        if self.frame - self._start > LONGEST:
            while self._start + self._given * STEP + WINDOW <= self.frame:
                first = self._start + self._given * STEP
                told += self._window(first, first + WINDOW)
                self._given += 1
            old = self.final - self._from
            if old > 0:
                del self._sound[:old], self._speech[:old]
                self._from += old
        return told

    def _window(self, first: int, last: int) -> list[Window]:
        held = slice(first - self._from, last - self._from)
        if sum(self._speech[held]) < LEAST:
            return []
        return [Window(first, last, np.concatenate(self._sound[held]))]
