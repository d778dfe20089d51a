"""Tracks on the Mood's grid: what each cell holds, and why a cell holds nothing.

A cell is told by its middle. Frame samples hold until the next one; samples with an end (words,
windows) hold for their own stretch. Nothing is interpolated across a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.track import Gap, Track

__all__ = ["NO_REASON", "Cells", "Grid", "held", "on_grid", "reasons", "smooth"]

#: Index of "this track gives no reason here".
NO_REASON = -1
#: Shortest and longest time that a frame holds in a causal answer, s.
HOLD_S = (0.25, 2.0)


@dataclass(frozen=True)
class Grid:
    """Cells ``[edges[i], edges[i + 1])`` s, ``step_s`` long but for the last, which ends with the recording.

    A part of a grid begins with the cell ``first`` of the whole one, and its times are the same numbers.
    """

    step_s: float
    duration_s: float
    first: int = 0

    @property
    def n(self) -> int:
        """Number of cells."""
        return max(int(np.ceil(round(self.duration_s / self.step_s, 6))) - self.first, 0)

    @property
    def times(self) -> FloatArray:
        """``(n,)`` starts in s."""
        return np.arange(self.first, self.first + self.n) * self.step_s

    @property
    def edges(self) -> FloatArray:
        """``(n + 1,)`` s."""
        return np.concatenate([self.times, [self.duration_s]])

    @property
    def middles(self) -> FloatArray:
        """``(n,)`` s."""
        edges = self.edges
        return np.asarray((edges[:-1] + edges[1:]) / 2)

    def cells_of(self, starts: FloatArray, ends: FloatArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """First and one-past-last cell whose middle lies in each ``[start, end)``."""
        middles = self.middles
        return np.searchsorted(middles, starts, side="left"), np.searchsorted(middles, ends, side="left")


@dataclass(frozen=True)
class Cells:
    """One track on the grid: ``values (n, k)``, ``quality (n,)``, ``covered (n,)``; NaN and 0 where not covered."""

    values: FloatArray
    quality: FloatArray
    covered: npt.NDArray[np.bool_]

    def part(self, cells: slice) -> Cells:
        """Some neighbouring cells."""
        return Cells(self.values[cells], self.quality[cells], self.covered[cells])

    def only(self, mask: npt.NDArray[np.bool_]) -> Cells:
        """The same cells, told only where ``mask``."""
        if not self.covered.any():
            return self
        kept = self.covered & mask
        return Cells(np.where(kept[:, None], self.values, np.nan), np.where(kept, self.quality, 0.0), kept)


def on_grid(track: Track | None, grid: Grid, fields: int, *, causal: bool = False) -> Cells:
    """A track's mean per cell, weighted by quality, where the track covers the cell.

    A cell inside a gap, or with no sample to hold, is not covered. Samples without any finite value
    are no samples; a field that is missing in a cell's sample is missing in the cell. Causal: a gap is known only once
    it is over, so a frame sample holds for as long as frames have lately been apart (see `held`), whatever comes after.
    """
    n = grid.n
    # One number seen from everywhere: a day of nothing takes no room.
    blank = Cells(np.broadcast_to(np.nan, (n, fields)), np.broadcast_to(0.0, n), np.zeros(n, bool))
    if track is None or not len(track):
        return blank
    told = np.isfinite(track.values).any(axis=1)
    times, values, quality = track.times[told], np.asarray(track.values[told], float), track.quality[told]
    if not len(times):
        return blank
    if track.ends is not None:
        first, last = grid.cells_of(times, track.ends[told])
    else:
        first = np.searchsorted(grid.edges, times, side="right") - 1
        # A frame counts in its own cell and holds until the next one, or until a gap begins.
        ends = held(times) if causal else _next_gap(track.gaps, times)
        until = np.minimum(np.append(times[1:], np.inf), ends)
        last = np.maximum(first + 1, np.searchsorted(grid.middles, until, side="left"))
    first, last = np.clip(first, 0, n), np.clip(last, 0, n)
    weight = np.maximum(np.asarray(quality, float), 1e-6)
    total = _spread(first, last, weight, n)
    covered = _spread(first, last, np.ones(len(first)), n) > 0.5
    if not causal:
        covered &= ~track.missing().mask(grid.middles)
    sums = np.stack([_spread(first, last, weight * values[:, j], n) for j in range(fields)], axis=1)
    squares = _spread(first, last, weight * quality, n)
    safe = np.where(total > 0, total, 1.0)
    mean = np.where(covered[:, None], sums / safe[:, None], np.nan)
    return Cells(mean, np.where(covered, squares / safe, 0.0), covered)


def held(times: FloatArray) -> FloatArray:
    """Until when each frame holds if no other comes: 1.5 times as long as it took to come, 0.25 to 2 s."""
    apart = np.diff(times, prepend=times[:1] - HOLD_S[0])
    return np.asarray(times + np.clip(1.5 * apart, *HOLD_S))


def _next_gap(gaps: Iterable[Gap], times: FloatArray) -> FloatArray:
    """Start of the first gap at or after each time (infinity where none)."""
    starts = np.sort(np.array([g.start for g in gaps], float))
    at = np.searchsorted(starts, times, side="left")
    return np.append(starts, np.inf)[at]


def _spread(first: npt.NDArray[np.int64], last: npt.NDArray[np.int64], weight: FloatArray, n: int) -> FloatArray:
    """Sum of ``weight`` over cells ``[first, last)`` of each sample: ``(n,)``.

    Samples of one cell are added directly; only longer ones go through differences, whose rounding
    would otherwise leave dust in cells that nothing covers.
    """
    single = last - first <= 1
    one = single & (last > first)
    total = np.bincount(first[one], weights=weight[one], minlength=n)[:n].astype(float)
    for a, b, w in zip(first[~single], last[~single], weight[~single], strict=True):
        total[a:b] += w
    return total


def reasons(gaps: Iterable[Gap], grid: Grid, names: tuple[str, ...]) -> npt.NDArray[np.int16]:
    """Index into ``names`` of the reason given for each cell's middle, `NO_REASON` where none is."""
    found = np.full(grid.n, NO_REASON, np.int16)
    rows = list(gaps)
    if rows:
        first, last = grid.cells_of(np.array([g.start for g in rows]), np.array([g.end for g in rows]))
        for gap, a, b in zip(rows, first, last, strict=True):
            found[a:b] = names.index(gap.reason)
    return found


def smooth(cells: Cells, grid: Grid, width_s: float, *, causal: bool = False) -> Cells:
    """Values smoothed inside each covered run, never across a gap.

    Zero-phase: a Gaussian of standard deviation ``width_s``, cut at three of them. Causal: its past
    half alone, so that no later sample changes an earlier cell.
    """
    reach = int(np.ceil(3 * width_s / grid.step_s))
    if reach < 1 or not cells.covered.any():
        return cells
    weight = np.where(cells.covered, np.maximum(cells.quality, 1e-6), 0.0)
    weighted = np.where(cells.covered[:, None], weight[:, None] * cells.values, 0.0)
    run = np.cumsum(~cells.covered)  # cells of one covered run share a number
    norm, sums = np.zeros(grid.n), np.zeros(weighted.shape)
    # Cell by cell and offset by offset: a convolution would round differently with the length of the recording.
    reach = min(reach, grid.n - 1)
    for offset in range(0 if causal else -reach, reach + 1):
        share = np.exp(-0.5 * (offset * grid.step_s / width_s) ** 2)
        here = slice(max(offset, 0), grid.n + min(offset, 0))
        there = slice(max(-offset, 0), grid.n - max(offset, 0))
        same = np.where(run[here] == run[there], share, 0.0)
        norm[here] += same * weight[there]
        sums[here] += same[:, None] * weighted[there]
    values = np.where(cells.covered[:, None], sums / np.where(norm > 0, norm, 1.0)[:, None], np.nan)
    return Cells(values, cells.quality, cells.covered)
