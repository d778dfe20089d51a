"""Times of samples that arrive in packets: the stamps tell when a packet came, not when its samples were taken.

A wireless headband sends a dozen samples at once; its app stamps them as they arrive, all within a millisecond or two,
and then nothing for 50 ms. Sample k cannot arrive before it was taken, so its true time lies on the lower envelope of
``stamp - k / rate``: stalls raise that difference for a while, packets that were lost raise it for good.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["Clock", "Packets"]

#: Rows of a block, of which the envelope keeps one number; how long a stall may last before it counts as a loss, s.
_BLOCK, _STALL_S = 32, 4.0
#: Least loss that is told from a late packet, s.
LEAST_LOSS_S = 0.1
#: From this length on the device's own rate is fitted; and how far it may be from the nominal one.
_FIT_S, _FARTHEST = 60.0, 0.02


@dataclass(frozen=True)
class Clock:
    """Sample k was taken at ``start + k * step + lost`` s, where ``lost (m,)`` s is added from row ``rows (m,)`` on."""

    start: float
    step: float
    rows: FloatArray
    lost: FloatArray

    def times(self, first: int, n: int) -> FloatArray:
        """When samples ``first`` … ``first + n - 1`` were taken, ``(n,)`` s, rising."""
        k = np.arange(first, first + n, dtype=np.float64)
        late = np.concatenate([[0.0], np.cumsum(self.lost)])
        return np.asarray(self.start + k * self.step + late[np.searchsorted(self.rows, k, side="right")])


@dataclass
class Packets:
    """Collects stamps, block after block; memory is a thousandth of theirs."""

    rate_hz: float
    n: int = 0
    back_s: float = 0.0
    _last: float = np.nan
    _first: float = np.nan
    _lows: list[FloatArray] = field(default_factory=list)
    _steps: list[FloatArray] = field(default_factory=list)
    _held: FloatArray = field(default_factory=lambda: np.empty(0))

    def add(self, stamps: FloatArray) -> None:
        """The next stamps ``(m,)`` s, finite, in the order of the file."""
        if not len(stamps):
            return
        if not self.n + len(self._held):
            self._first = float(stamps[0])
        ends = np.diff(stamps, prepend=self._last)
        self.back_s = max(self.back_s, -float(np.nanmin(np.append(ends, 0.0))))
        self._last = float(stamps[-1])
        held = np.concatenate([self._held, stamps])
        whole = len(held) // _BLOCK * _BLOCK
        self._take(held[:whole])
        self._held = held[whole:]

    def _take(self, stamps: FloatArray) -> None:
        if not len(stamps):
            return
        size = min(_BLOCK, len(stamps))
        late = stamps - self._first - (self.n + np.arange(len(stamps))) / self.rate_hz
        steps = np.diff(stamps, prepend=stamps[0])
        grid = steps.reshape(-1, size)
        at = grid.argmax(axis=1)
        rows = self.n + np.arange(len(grid)) * size + at
        self._lows.append(late.reshape(-1, size).min(axis=1))
        self._steps.append(np.column_stack([rows, grid[np.arange(len(grid)), at]]))
        self.n += len(stamps)

    def rate(self) -> float:
        """Samples a second as the stamps have them, Hz: the middle over stretches of 10 s; all of it, if shorter."""
        total = self.n + len(self._held)
        length = self._last - self._first
        per = max(1, round(10 * self.rate_hz / _BLOCK))
        lows = np.concatenate(self._lows) if self._lows else np.empty(0)
        ends = lows[::per]
        if len(ends) < 3:
            return float((total - 1) / length) if length > 0 and total > 1 else 0.0
        spent = np.diff(ends) + per * _BLOCK / self.rate_hz
        return float(per * _BLOCK / max(float(np.median(spent)), 1e-9))

    def clock(self) -> Clock:
        """The samples' times."""
        self._take(self._held)
        self._held = np.empty(0)
        lows, steps = np.concatenate(self._lows), np.concatenate(self._steps)
        ahead = max(1, round(_STALL_S * self.rate_hz / _BLOCK))
        padded = np.append(lows, np.full(ahead, np.inf))
        envelope = np.lib.stride_tricks.sliding_window_view(padded, ahead + 1).min(axis=1)
        rise = np.diff(envelope)
        rows, lost = [], []
        for b in np.flatnonzero(rise > LEAST_LOSS_S).tolist():
            near = steps[b : b + 2]
            rows.append(float(near[near[:, 1].argmax(), 0]))
            lost.append(float(rise[b]))
        x = np.arange(len(lows)) * float(_BLOCK)
        late = np.concatenate([[0.0], np.cumsum(lost)])
        plain = lows - late[np.searchsorted(np.array(rows), x + _BLOCK - 1, side="right")]
        slope = self._slope(x, plain)
        start = float(np.min(plain - slope * x))
        return Clock(self._first + start, 1 / self.rate_hz + slope, np.array(rows), np.array(lost))

    def _slope(self, x: FloatArray, plain: FloatArray) -> float:
        """Seconds a sample by which the device's clock is slow against the stamps'; 0 where it cannot be told."""
        if self.n / self.rate_hz < _FIT_S:
            return 0.0
        per = max(1, round(10 * self.rate_hz / _BLOCK))
        count = len(plain) // per
        y = plain[: count * per].reshape(count, per).min(axis=1)
        half = count // 2
        slope = float(np.median((y[half:] - y[:-half]) / (half * per * _BLOCK)))
        return slope if abs(slope * self.rate_hz) <= _FARTHEST else 0.0
