"""Sound in equal blocks on the recording's own clock, and what can be said of it without hearing words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Block", "Blocks"]

#: Blocks and the cells inside them; 16 kHz.
BLOCK, CELL = 16000, 1600
#: Samples that stay below this (-60 dB of full scale) are silence.
SILENT = 1e-3

Samples = npt.NDArray[np.float32]
#: What is known of a sample: nothing came, it was heard, or it is not a number.
_HOLE, _HEARD, _BROKEN = 0, 1, 2


@dataclass(frozen=True)
class Block:
    """At most a second of finite samples from ``start`` on.

    ``reasons`` names runs ``(first, last, why)`` of samples in which there is no sound.
    """

    start: int
    samples: Samples
    reasons: tuple[tuple[int, int, str], ...]


class Blocks:
    """Cuts sound into blocks of a second, counted from its first sample, however it came.

    Everything after it decides at the ends of blocks, which is why other chunks change nothing. A
    block of which nothing came is left out; holes inside one are silent and named ``unreadable``, NaN ``not_finite``.
    """

    def __init__(self) -> None:
        self._origin: int | None = None
        self._start: int | None = None
        self._first = 0
        self._end = 0
        self._samples = np.zeros(BLOCK, np.float32)
        self._state = np.zeros(BLOCK, np.uint8)

    def push(self, samples: Samples, start: int) -> Iterator[Block]:
        """Take samples; give the blocks that are complete."""
        done = 0
        if self._origin is None:
            self._origin = start
        while done < len(samples):
            at = start + done
            block = at - (at - self._origin) % BLOCK
            if self._start is not None and block != self._start:
                yield self._give(BLOCK)
            if self._start is None:
                self._start, self._first = block, at - block
            place = at - block
            part = samples[done : done + BLOCK - place]
            finite = np.isfinite(part)
            self._samples[place : place + len(part)] = np.where(finite, part, np.float32(0))
            self._state[place : place + len(part)] = np.where(finite, _HEARD, _BROKEN)
            self._end = place + len(part)
            done += len(part)
            if self._end == BLOCK:
                yield self._give(BLOCK)

    def close(self) -> Iterator[Block]:
        """Give the block begun, as far as it came."""
        if self._start is not None:
            yield self._give(self._end)

    def _give(self, stop: int) -> Block:
        assert self._start is not None
        samples, state = self._samples[self._first : stop].copy(), self._state[self._first : stop]
        start = self._start + self._first
        block = Block(start, samples, _reasons(start, samples, state))
        self._start = None
        self._samples[:] = 0
        self._state[:] = _HOLE
        return block


def _reasons(start: int, samples: Samples, state: npt.NDArray[np.uint8]) -> tuple[tuple[int, int, str], ...]:
    found: list[tuple[int, int, str]] = []
    for first in range(0, len(samples), CELL):
        cell, known = samples[first : first + CELL], state[first : first + CELL]
        if (known != _HEARD).mean() > 0.5:
            why = "not_finite" if (known == _BROKEN).any() else "unreadable"
        elif float(np.abs(cell).max()) < SILENT:
            why = "silence"
        else:
            continue
        a, b = start + first, start + first + len(cell)
        if found and found[-1][1] == a and found[-1][2] == why:
            a = found.pop()[0]
        found.append((a, b, why))
    return tuple(found)
