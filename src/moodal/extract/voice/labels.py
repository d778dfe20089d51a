"""What each 32 ms of sound is: speech, near speech, or a gap with its reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.dsp.sound import level_db

from .activity import FRAME, Hysteresis, Scorer
from .blocks import BLOCK_FRAMES, ENDED, HOLE, NOT_FINITE, SOUND, Block

__all__ = ["AROUND", "REASONS", "SPEECH", "Labeller", "Labels"]

#: Labels: speech, then the reasons of gaps by number.
SPEECH = 0
REASONS = ("speech", "silence", "noise", "clipped", "not_finite", "unreadable", "too_short", "no_stream")
_SILENCE, _NOISE, _CLIPPED, _NOT_FINITE, _UNREADABLE, _SHORT, _NO_STREAM = range(1, 8)
#: Sound without speech is silence below this level over its block, noise above, dBFS.
_QUIET_DB = -50.0
#: A frame is clipped where this share of its samples lies this near full scale, and so is what is near it.
_FULL_SCALE, _CLIPPED_SHARE, _NEAR_CLIPPED = 0.985, 0.05, 4
#: Frames around speech (0.512 s) in which pauses and edges still count as part of the turn.
AROUND = 16


@dataclass(frozen=True)
class Labels:
    """A block's frames: ``label``, ``near`` (speech or near it), ``score``, ``level_db``, each ``(BLOCK_FRAMES,)``."""

    label: npt.NDArray[np.int8]
    near: npt.NDArray[np.bool_]
    score: FloatArray
    level_db: FloatArray


class Labeller:
    """Blocks in, labels of blocks out once nothing can change them: about 1.4 s later."""

    def __init__(self) -> None:
        self._scorer = Scorer()
        self._hysteresis = Hysteresis()
        self._waiting: list[tuple[npt.NDArray[np.int8], FloatArray, FloatArray]] = []
        self._first = 0  # frame at which the oldest waiting block begins
        self._clipped: list[int] = []

    def push(self, block: Block) -> list[Labels]:
        """Take a block; give the labels that are final."""
        state = block.state.reshape(BLOCK_FRAMES, FRAME)
        frames = block.samples.reshape(BLOCK_FRAMES, FRAME)
        level = level_db(frames)
        ended = (state == ENDED).all(axis=1)
        broken = ((state == NOT_FINITE) | (state == HOLE)).any(axis=1)
        base = np.where(self._mean_level(frames, state) < _QUIET_DB, _SILENCE, _NOISE)
        label = np.full(BLOCK_FRAMES, base, np.int8)
        label[(state == NOT_FINITE).any(axis=1)] = _NOT_FINITE
        label[(state == HOLE).any(axis=1)] = _UNREADABLE
        label[ended] = _NO_STREAM
        absent = broken | ended
        score = self._scores(frames, absent)
        full = (np.abs(frames) >= _FULL_SCALE).mean(axis=1) >= _CLIPPED_SHARE
        start = self._hysteresis.count
        self._clipped += (start + np.flatnonzero(full)).tolist()
        for s, gone in zip(score, absent, strict=True):
            self._hysteresis.push(-1.0 if gone else float(s))
        self._waiting.append((label, score, level))
        return self._ready()

    def close(self) -> list[Labels]:
        """The sound ended: all labels that are left."""
        self._hysteresis.close()
        return self._ready(everything=True)

    def _mean_level(self, frames: npt.NDArray[np.float32], state: npt.NDArray[np.uint8]) -> float:
        good = int((state == SOUND).sum())
        power = float(np.square(frames, dtype=np.float64).sum()) / max(good, 1)
        return float(10 * np.log10(max(power, 1e-14)))

    def _scores(self, frames: npt.NDArray[np.float32], absent: npt.NDArray[np.bool_]) -> FloatArray:
        score = np.zeros(len(frames))
        if not absent.any():
            return self._scorer.scores(frames)
        for i, gone in enumerate(absent):
            if gone:
                self._scorer.forget()
            else:
                score[i] = self._scorer.scores(frames[i : i + 1])[0]
        return score

    def _ready(self, *, everything: bool = False) -> list[Labels]:
        out = []
        while self._waiting:
            last = self._first + BLOCK_FRAMES
            if not everything and self._hysteresis.final < last + AROUND:
                break
            out.append(self._label(self._first, last))
            self._first = last
            self._waiting.pop(0)
            keep = last - AROUND - _NEAR_CLIPPED
            h = self._hysteresis
            h.stretches[:] = [s for s in h.stretches if s[1] > keep or s[0] == h.opened]
            h.short[:] = [s for s in h.short if s[1] > keep]
            self._clipped[:] = [c for c in self._clipped if c > keep]
        return out

    def _label(self, first: int, last: int) -> Labels:
        label, score, level = self._waiting[0]
        index = np.arange(first, last)
        speech = np.zeros(len(index), bool)
        near = np.zeros(len(index), bool)
        for a, b in self._hysteresis.stretches:
            speech |= (index >= a) & (index < b)
            near |= (index >= a - AROUND) & (index < b + AROUND)
        sound = (label == _SILENCE) | (label == _NOISE)
        for a, b in self._hysteresis.short:
            label[sound & (index >= a) & (index < b)] = _SHORT
        label[sound & speech] = SPEECH
        if self._clipped:
            clipped = np.abs(index[:, None] - np.array(self._clipped)).min(axis=1) <= _NEAR_CLIPPED
            label[sound & clipped] = _CLIPPED
            near &= ~clipped
        return Labels(label, near & sound, score, level)
