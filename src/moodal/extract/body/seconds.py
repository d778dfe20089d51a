"""Why a second holds no signal, remembered for as long as somebody may ask."""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.track import Gap

from .states import REASONS, TOLD, Codes, code

__all__ = ["Seconds"]


class Seconds:
    """Whole seconds of the recording's clock, each with the reason that explains most, or `TOLD`.

    A judgement of quality (``artefact``) is none: whoever asks has one of their own.
    """

    def __init__(self) -> None:
        self._first = 0
        self._codes: Codes = np.zeros(0, np.int8)

    def mark(self, edges: FloatArray, codes: Codes) -> None:
        """Samples ``[edges[i], edges[i + 1])`` and their ``codes (n,)``; later than all before."""
        n = len(codes)
        if not n:
            return
        at = np.floor(edges[:-1]).astype(np.int64)
        starts = np.flatnonzero(np.concatenate([[True], at[1:] != at[:-1]]))
        hard = np.where(codes == code("artefact"), np.int8(TOLD), codes)
        found = np.minimum.reduceat(hard, starts)
        if not len(self._codes):
            self._first = int(at[0])
        # Seconds that no sample is in were never received.
        size = int(at[-1]) + 1 - self._first
        if size > len(self._codes):
            rest = np.full(size - len(self._codes), code("unreadable"), np.int8)
            old = len(self._codes)
            self._codes = np.concatenate([self._codes, rest])
        else:
            old = size
        place = at[starts] - self._first
        fresh = place >= old
        self._codes[place[fresh]] = found[fresh]
        self._codes[place[~fresh]] = np.minimum(self._codes[place[~fresh]], found[~fresh])

    def around(self, first: int, until: int, reach: int) -> Codes:
        """For seconds ``[first, until)`` the reason that explains most within ``reach`` seconds."""
        wide = self._of(first - reach, until + reach)
        if reach:
            wide = np.lib.stride_tricks.sliding_window_view(wide, 2 * reach + 1).min(axis=1)
        return np.asarray(wide)

    def gaps(self, start: float, end: float, reason: str) -> list[Gap]:
        """``[start, end)`` s as gaps: with the reasons of its seconds and, where there are none, ``reason``."""
        low, high = floor(start), max(ceil(end), floor(start) + 1)
        codes = self.around(low, high, 2)
        if not (codes != TOLD).any():
            return [Gap(start, end, reason)]
        cuts = np.flatnonzero(codes[1:] != codes[:-1]) + 1
        edges = [start, *(low + cuts).astype(float).tolist(), end]
        firsts = np.append(0, cuts)
        return [
            Gap(a, b, reason if codes[i] == TOLD else REASONS[codes[i]])
            for a, b, i in zip(edges[:-1], edges[1:], firsts.tolist(), strict=True)
            if b > a
        ]

    def forget(self, before: float) -> None:
        """Nobody will ask about seconds before this."""
        drop = min(max(floor(before) - self._first, 0), len(self._codes))
        self._codes = self._codes[drop:]
        self._first += drop

    def _of(self, first: int, until: int) -> Codes:
        out = np.full(max(until - first, 0), TOLD, np.int8)
        a, b = max(first, self._first), min(until, self._first + len(self._codes))
        if b > a:
            out[a - first : b - first] = self._codes[a - self._first : b - self._first]
        return out
