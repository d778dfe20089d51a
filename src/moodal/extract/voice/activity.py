"""Speech activity: the net's score for each 32 ms, and the stretches decided from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from moodal import weights
from moodal.core.clock import FloatArray, Timeline
from moodal.core.track import Track

__all__ = ["FRAME", "OFF", "ON", "RATE_HZ", "Hysteresis", "Scorer", "SpeechDetector", "speech_spans"]

RATE_HZ = 16_000
#: Samples of a frame, and of the frame before that the net wants in front of it.
FRAME, CONTEXT = 512, 64
#: Speech begins where the score reaches `ON`, and ends where it stays below `OFF` for `CLOSE` frames (0.32 s).
ON, OFF, CLOSE = 0.5, 0.35, 10
#: A stretch of fewer frames than this (0.256 s) is too short to be speech.
SHORTEST = 8
#: A frame whose peak is below this (-80 dBFS) is not shown to the net: its score is 0.
DEAD = 1e-4


class Scorer:
    """silero-vad, frame by frame: it remembers what it heard, so frames must come in order."""

    def __init__(self) -> None:
        self._net: Any = weights.onnx("silero-vad")
        self._rate = np.array(RATE_HZ, np.int64)
        self._input = np.zeros((1, CONTEXT + FRAME), np.float32)
        self.forget()

    def forget(self) -> None:
        """Start afresh, as after a hole in the sound."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._input[:] = 0

    def scores(self, frames: npt.NDArray[np.float32]) -> FloatArray:
        """Speech scores in [0, 1] of finite frames ``(n, 512)``: ``(n,)``."""
        out = np.zeros(len(frames))
        loud = np.abs(frames).max(axis=1, initial=0.0) >= DEAD
        for i, frame in enumerate(frames):
            self._input[0, :CONTEXT] = self._input[0, FRAME:]
            self._input[0, CONTEXT:] = frame
            if loud[i]:
                feed = {"input": self._input, "state": self._state, "sr": self._rate}
                score, self._state = self._net.run(None, feed)
                out[i] = float(score[0, 0])
        return out


class Hysteresis:
    """Stretches of speech from scores; frames are counted from 0.

    `final` is the number of frames whose state can no longer change, and `stretches` those stretches
    of speech, as ``[first, last)`` frames, that begin before it; the caller drops what it has read.
    """

    def __init__(self) -> None:
        self.stretches: list[tuple[int, int]] = []
        self.short: list[tuple[int, int]] = []
        self.count = 0
        self._open: int | None = None
        self._told = False
        self._quiet = 0

    @property
    def opened(self) -> int | None:
        """First frame of the stretch that is still open."""
        return self._open

    @property
    def final(self) -> int:
        """Frames decided."""
        if self._open is None:
            return self.count
        return self.count - self._quiet if self._told else self._open

    def push(self, score: float) -> None:
        """Take the next frame's score; a negative one says that there is no sound and closes at once."""
        if self._open is None:
            if score >= ON:
                self._open, self._quiet, self._told = self.count, 0, False
        elif score < 0:
            self._close()
        elif score < OFF:
            self._quiet += 1
        else:
            self._quiet = 0
        self.count += 1
        if self._open is not None:
            if self._quiet >= CLOSE:
                self._close()
            elif self.count - self._quiet - self._open >= SHORTEST:
                self._tell(self.count - self._quiet)

    def close(self) -> None:
        """The sound ended."""
        if self._open is not None:
            self._close()

    def _tell(self, end: int) -> None:
        assert self._open is not None
        if self._told:
            self.stretches[-1] = (self._open, end)
        else:
            self.stretches.append((self._open, end))
            self._told = True

    def _close(self) -> None:
        assert self._open is not None
        end = self.count - self._quiet
        if self._told:
            self._tell(end)
        else:
            self.short.append((self._open, end))
        self._open, self._quiet = None, 0


class SpeechDetector:
    """Stretches of speech in sound that comes in pieces, for rooms that cut sound by it.

    Samples are counted from the recording's start. A stretch is given once, when it has ended.
    ``pad`` samples are added at either side, never reaching into the stretch before.
    """

    def __init__(self, pad: int = 1600) -> None:
        self._scorer = Scorer()
        self._pad = pad
        self._wait = np.zeros(0, np.float32)
        self._begin(0)
        self._started = False

    def _begin(self, start: int) -> None:
        self._start, self._at, self._last = start, start, start
        self._hysteresis = Hysteresis()
        self._scorer.forget()
        self._wait = np.zeros(0, np.float32)

    @property
    def position(self) -> int:
        """Sample up to which it has decided, but for a stretch still open."""
        return self._at

    @property
    def open_since(self) -> int | None:
        """First sample of the stretch still open, its padding counted."""
        opened = self._hysteresis.opened
        return None if opened is None else max(self._start + opened * FRAME - self._pad, self._last)

    def push(self, samples: npt.NDArray[np.float32], start_sample: int) -> list[tuple[int, int]]:
        """Take samples ``(n,)`` at 16 kHz; give the stretches ``[start, end)`` in samples that closed.

        A jump in ``start_sample`` is a hole, which ends what is open. What is not finite counts as silence.
        """
        out: list[tuple[int, int]] = []
        if not self._started or start_sample != self._at + len(self._wait):
            out = self.close() if self._started else []
            self._begin(start_sample)
            self._started = True
        data = np.concatenate([self._wait, np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)])
        n = len(data) // FRAME
        for score in self._scorer.scores(data[: n * FRAME].reshape(n, FRAME)):
            self._hysteresis.push(float(score))
            self._at += FRAME
        self._wait = data[n * FRAME :]
        return out + self._closed()

    def close(self) -> list[tuple[int, int]]:
        """The sound ended: the stretch still open."""
        self._hysteresis.close()
        return self._closed()

    def _closed(self) -> list[tuple[int, int]]:
        h = self._hysteresis
        ready = len(h.stretches) - (1 if h.opened is not None and h.stretches and h.stretches[-1][0] == h.opened else 0)
        out = []
        for first, last in h.stretches[:ready]:
            begin = max(self._start + first * FRAME - self._pad, self._last)
            self._last = self._start + last * FRAME + self._pad
            out.append((begin, self._last))
        del h.stretches[:ready]
        h.short.clear()
        return out


def speech_spans(track: Track) -> Timeline:
    """Stretches of speech of a ``voice.activity`` track, s."""
    times = track.times
    return Timeline(zip(times, times + FRAME / RATE_HZ, strict=True)).bridged(1e-6) - track.missing()
