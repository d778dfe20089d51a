"""Sound cut into blocks of fixed length, however it comes: the reason why chunks change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .activity import FRAME
from .egemaps import BLOCK_HOPS

__all__ = ["BLOCK", "BLOCK_FRAMES", "ENDED", "HOLE", "NOT_FINITE", "SOUND", "Block", "Cutter"]

#: Samples of a block (0.96 s): a whole number of 10-ms steps and of 32-ms frames.
BLOCK = BLOCK_HOPS * 160
BLOCK_FRAMES = BLOCK // FRAME
#: What a sample is: sound, not a number, never read, or after the end.
SOUND, NOT_FINITE, HOLE, ENDED = 0, 1, 2, 3


@dataclass(frozen=True)
class Block:
    """``samples (BLOCK,)`` with zeros where ``state (BLOCK,)`` says that there is no sound."""

    samples: npt.NDArray[np.float32]
    state: npt.NDArray[np.uint8]

    @property
    def sound(self) -> bool:
        """Whether all of it is sound."""
        return not self.state.any()


class Cutter:
    """Samples in, blocks out, counted from the first sample."""

    def __init__(self) -> None:
        self.start: int | None = None  #: number of the first sample
        self.end = 0  #: number of the sample after the last
        self._samples = np.zeros(BLOCK, np.float32)
        self._state = np.full(BLOCK, ENDED, np.uint8)
        self._filled = 0

    def push(self, samples: npt.NDArray[np.float32], start_sample: int) -> Iterator[Block]:
        """Blocks that are full now. What overlaps samples already taken is left out."""
        if self.start is None:
            self.start = self.end = start_sample
        if start_sample < self.end:
            samples = samples[self.end - start_sample :]
        yield from self._hole(max(start_sample - self.end, 0))
        while len(samples):
            n = min(len(samples), BLOCK - self._filled)
            part = samples[:n]
            good = np.isfinite(part)
            place = slice(self._filled, self._filled + n)
            self._samples[place] = np.where(good, part, 0)
            self._state[place] = np.where(good, SOUND, NOT_FINITE)
            yield from self._grown(n)
            samples = samples[n:]

    def close(self) -> Iterator[Block]:
        """The last block, if any sample is in it."""
        if self._filled:
            yield Block(self._samples, self._state)

    def _hole(self, length: int) -> Iterator[Block]:
        while length:
            n = min(length, BLOCK - self._filled)
            self._state[self._filled : self._filled + n] = HOLE
            yield from self._grown(n)
            length -= n

    def _grown(self, n: int) -> Iterator[Block]:
        self._filled += n
        self.end += n
        if self._filled == BLOCK:
            block = Block(self._samples, self._state)
            self._samples = np.zeros(BLOCK, np.float32)
            self._state = np.full(BLOCK, ENDED, np.uint8)
            self._filled = 0
            yield block
