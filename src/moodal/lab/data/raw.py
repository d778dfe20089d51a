"""A recording in memory: named signals on one clock, phases, and who it is of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.lab.data.labels import Labels

__all__ = ["Phase", "Raw", "Signal"]

#: Share of a sample by which a time may miss a sample's own and still mean it: rounding of decimal times.
_SLACK = 1e-6


@dataclass(frozen=True)
class Signal:
    """One stream: ``values (n, channels)``; sample k stands at ``start_s + k / rate_hz``, or at ``times[k]`` where
    samples do not come evenly (``rate_hz`` is then nominal, or None). NaN: there is no value."""

    name: str
    kind: str
    values: npt.NDArray[Any]
    rate_hz: float | None
    start_s: float = 0.0
    times: npt.NDArray[np.float64] | None = None
    channels: tuple[str, ...] = ()

    @property
    def end_s(self) -> float:
        """When the sample after the last would come."""
        if self.times is not None:
            last = float(self.times[-1]) if len(self.times) else self.start_s
            return last + (1 / self.rate_hz if self.rate_hz else 0.0)
        return self.start_s + len(self.values) / (self.rate_hz or 1.0)

    def cut(self, start_s: float, end_s: float) -> Signal:
        """The samples whose times lie in ``[start_s, end_s)``: of an even stream always the same number, to the
        nearest, wherever the window begins."""
        if self.times is not None:
            a, b = np.searchsorted(self.times, [start_s, end_s])
            return replace(self, values=self.values[a:b], times=self.times[a:b], start_s=start_s)
        if not self.rate_hz:
            return self
        first = int(np.ceil((start_s - self.start_s) * self.rate_hz - _SLACK))
        last = first + round((end_s - start_s) * self.rate_hz)
        at = max(first, 0)
        return replace(self, values=self.values[at : max(last, at)], start_s=self.start_s + at / self.rate_hz)

    def coverage(self, seconds: float) -> float:
        """Share of ``seconds`` that its samples cover with values."""
        there = int(np.isfinite(self.values).any(axis=1).sum()) if len(self.values) else 0
        if self.times is not None:
            if not self.rate_hz:
                return 1.0 if there else 0.0
            return min(1.0, there / max(self.rate_hz * seconds, 1))
        wanted = round(seconds * self.rate_hz) if self.rate_hz else len(self.values)
        return there / wanted if wanted else 0.0

    def column(self, at: int = 0) -> npt.NDArray[np.float64]:
        """One channel ``(n,)``; missing values drawn straight between their neighbours."""
        x = np.asarray(self.values[:, at], np.float64)
        good = np.isfinite(x)
        if good.all() or not good.any():
            return x
        return np.interp(np.arange(len(x)), np.flatnonzero(good), x[good])


@dataclass(frozen=True, slots=True)
class Phase:
    """A named stretch ``[start_s, end_s)`` of a recording: one condition, one presentation."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Raw:
    """One recording of one person. ``columns`` are what an index says beside (stimulus, dialogue, sex …), ``labels``
    the labels a data set brings with the row of this recording; ``start_s`` and ``end_s`` None for what has no time."""

    recording: str
    subject: str
    signals: Mapping[str, Signal]
    phases: tuple[Phase, ...] = ()
    start_s: float = 0.0
    end_s: float = 0.0
    session: str = ""
    corpus: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, tuple[Labels, int]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Of every sample, time and phase."""
        digest = hashlib.sha256(repr((self.recording, self.phases, self.start_s, self.end_s)).encode())
        for name, s in self.signals.items():
            digest.update(f"{name}|{s.kind}|{s.rate_hz}|{s.start_s}|{s.values.shape}|{s.values.dtype}".encode())
            digest.update(np.ascontiguousarray(s.values).data)
            if s.times is not None:
                digest.update(np.ascontiguousarray(s.times).data)
        return digest.hexdigest()

    def signal(self, kind: str, name: str = "") -> Signal | None:
        """The stream of that name, or the first of that kind."""
        if name:
            return self.signals.get(name)
        return next((s for s in self.signals.values() if s.kind == kind), None)

    def only(self, names: Sequence[str]) -> Raw:
        """The same with those streams alone (by name or kind)."""
        return replace(self, signals={n: s for n, s in self.signals.items() if n in names or s.kind in names})

    def without(self, names: Sequence[str]) -> Raw:
        """The same without those streams (by name or kind)."""
        return replace(self, signals={n: s for n, s in self.signals.items() if not (n in names or s.kind in names)})
