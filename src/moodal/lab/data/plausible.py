"""Self-checks of raw signals: rate, unit, length and channels are proved on the samples, never assumed.

A unit off by 10⁶ or a rate off by five reads without complaint and ruins everything after it. So a reader shows each
stretch to `Plausible`: what cannot be right is an error that one setting accepts (``accept=["unit"]``); what is merely
bad (a flat channel, a saturated one, holes) becomes a notice of the index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError

__all__ = ["CHECKS", "RANGES", "Plausible"]

#: What may be accepted by name.
CHECKS = ("unit", "rate", "length", "names", "finite")


@dataclass(frozen=True, slots=True)
class _Range:
    """What is measured of a stretch, between which values it is believed, and the unit."""

    of: str
    low: float
    high: float
    unit: str


#: Kind of signal → what is believed. Deviation is robust (1.4826 times the median absolute deviation from the median),
#: the median over channels; a level is the median of all samples; what has no unit of its own is not checked.
RANGES: dict[str, _Range] = {
    "eeg": _Range("deviation", 0.5, 300.0, "µV"),
    "eog": _Range("deviation", 0.5, 1000.0, "µV"),
    "ecg": _Range("deviation", 2.0, 5000.0, "µV"),
    "emg": _Range("deviation", 0.1, 3000.0, "µV"),
    "eda": _Range("level", 0.005, 100.0, "µS"),
    "temp": _Range("level", 15.0, 45.0, "°C"),
    "acc": _Range("norm", 0.3, 4.0, "g"),
    "hr": _Range("level", 25.0, 230.0, "1/min"),
}
#: Share of samples at one of its extremes from which a channel is saturated, and share of equal neighbours from which
#: it is flat; samples that are looked at, at most.
_SATURATED, _FLAT, _MOST = 0.05, 0.99, 50_000
#: Samples a unit is told by, at most: it is off by a factor of ten or more, or not at all.
_UNIT = 4_000
#: How far a length may be from what is told, as a share of it, and in s.
_LENGTH, _LENGTH_S = 0.02, 1.5


@dataclass
class Plausible:
    """The checks of one reading of a data set ``name``; ``accept`` names those that are waived.

    Raises
    ------
    UsageError : a check that there is not.
    """

    name: str
    accept: Sequence[str] = ()
    _bad: dict[tuple[str, str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    _stretches: int = 0

    def __post_init__(self) -> None:
        for check in self.accept:
            if check not in CHECKS:
                raise UsageError(
                    f"accept names no check {check!r}", where=self.name, fix=f"Known: {', '.join(CHECKS)}."
                )

    def stream(
        self,
        kind: str,
        values: npt.NDArray[Any],
        rate_hz: float,
        channels: Sequence[str],
        where: str,
        *,
        expected_s: float | None = None,
        published_hz: float | None = None,
    ) -> None:
        """Look at ``values (n, channels)`` of a kind of `RANGES` in our unit; ``expected_s`` is how long the stretch
        lasted by another source (the clip that was shown), ``published_hz`` the rate that its makers tell.

        Raises
        ------
        InputError : the rate, unit, length or names cannot be right, or no sample is a number.
        """
        self._stretches += 1
        if values.ndim != 2 or values.shape[1] != len(channels):
            raise InputError(f"its {kind} is {values.shape}, {len(channels)} channels are named", where=where,
                             fix="Get the file again.")  # fmt: skip
        if not (np.isfinite(rate_hz) and rate_hz > 0):
            raise InputError(f"its {kind} has the rate {rate_hz}", where=where, fix="Get the file again.")
        if published_hz is not None and abs(rate_hz / published_hz - 1) > 0.01 and "rate" not in self.accept:
            raise InputError(f"its {kind} is at {rate_hz:g} Hz, its makers tell {published_hz:g}", where=where,
                             fix='Get the file again, or accept = ["rate"].')  # fmt: skip
        self._named(kind, channels, where)
        if expected_s is not None:
            self._lasting(kind, len(values), rate_hz, expected_s, where)
        if not len(values):
            return
        step = max(1, len(values) // _MOST)
        with np.errstate(over="ignore", invalid="ignore"):
            some = np.asarray(values[::step], np.float64)
        finite = np.isfinite(some)
        if not finite.any() and "finite" not in self.accept:
            raise InputError(
                f"its {kind} holds no number", where=where, fix='Get the file again, or accept = ["finite"].'
            )
        for k in np.flatnonzero(finite.mean(axis=0) < 0.999).tolist():
            self._bad[kind, channels[k], "holds holes"].append(where)
        moves = self._channels(kind, np.asarray(values[:_MOST]), channels, where)
        self._unit(kind, some, finite, moves, where)

    @property
    def notices(self) -> tuple[str, ...]:
        """What was found and let pass: one line a kind of fault and channel."""
        return tuple(
            f"{kind} channel {channel} {what} in {len(at)} of {self._stretches} stretches (first: {at[0]})"
            for (kind, channel, what), at in self._bad.items()
        )

    def _named(self, kind: str, channels: Sequence[str], where: str) -> None:
        seen: set[str] = set()
        for name in channels:
            if name.lower() in seen and "names" not in self.accept:
                raise InputError(f"two {kind} channels are called {name!r}", where=where,
                                 fix='Rename one, or accept = ["names"].')  # fmt: skip
            seen.add(name.lower())

    def _lasting(self, kind: str, n: int, rate_hz: float, expected_s: float, where: str) -> None:
        seconds = n / rate_hz
        if abs(seconds - expected_s) <= max(_LENGTH_S, _LENGTH * expected_s):
            return
        fits = n / expected_s
        # A rate that is off by a factor is a rate; anything else a length.
        check = "rate" if max(fits / rate_hz, rate_hz / fits) > 1.2 else "length"
        if check not in self.accept:
            raise InputError(
                f"its {kind} lasts {seconds:.1f} s at {rate_hz:g} Hz, {expected_s:.1f} s were expected", where=where,
                fix=f'At {fits:.0f} Hz it would fit: state the rate, or accept = ["{check}"].',
            )  # fmt: skip

    def _channels(
        self, kind: str, some: npt.NDArray[Any], channels: Sequence[str], where: str
    ) -> npt.NDArray[np.bool_]:
        """Which channels move; those that are flat or saturated are noted."""
        if len(some) < 3:
            return np.ones(some.shape[1], bool)
        moves = np.ones(some.shape[1], bool)
        same = (some[1:] == some[:-1]).mean(axis=0)
        high, low = some.max(axis=0), some.min(axis=0)
        for k, name in enumerate(channels):
            if same[k] >= _FLAT and (high[k] == low[k] or kind in ("eeg", "eog", "ecg", "emg")):
                moves[k] = False
                self._bad[kind, name, "is flat"].append(where)
            elif kind in ("eeg", "eog", "ecg", "emg") and high[k] > low[k]:
                edge = max(float((some[:, k] == high[k]).mean()), float((some[:, k] == low[k]).mean()))
                if edge > _SATURATED and len(np.unique(some[:, k])) > 16:
                    self._bad[kind, name, "is saturated"].append(where)
        return moves

    def _unit(
        self, kind: str, some: npt.NDArray[Any], finite: npt.NDArray[np.bool_], moves: npt.NDArray[np.bool_], where: str
    ) -> None:
        believed = RANGES.get(kind)
        if believed is None or "unit" in self.accept or not (finite.any() and moves.any()):
            return
        step = max(1, len(some) // _UNIT)
        some, finite = some[::step], finite[::step]
        kept = moves & finite.any(axis=0)
        if not kept.any():
            return
        held = np.where(finite, some, np.nan)[:, kept]
        if believed.of == "deviation":
            middle = np.median if finite[:, kept].all() else np.nanmedian
            told = float(np.median(1.4826 * middle(np.abs(held - middle(held, axis=0)), axis=0)))
            if told == 0:  # more than half of the samples are alike (a pulse on a still line)
                told = float(np.median(np.nanstd(held, axis=0)))
        elif believed.of == "norm":
            told = float(np.nanmedian(np.sqrt(np.square(held).sum(axis=1))))
        else:
            told = float(np.nanmedian(held))
        if not believed.low <= told <= believed.high:
            raise InputError(
                f"its {kind} has a {believed.of} of {told:.3g}, not of {believed.low:g} to {believed.high:g} "
                + believed.unit, where=where,
                fix=f'Give {believed.unit} (is it in {_other(believed.unit, told, believed)}?), or accept = ["unit"].',
            )  # fmt: skip


def _other(unit: str, told: float, believed: _Range) -> str:
    """The unit in which the value would be right."""
    units = {"µV": (("V", 1e6), ("mV", 1e3), ("nV", 1e-3)), "µS": (("S", 1e6), ("nS", 1e-3)),
             "g": (("m/s²", 1 / 9.80665), ("1/64 g", 1 / 64), ("mg", 1e-3))}  # fmt: skip
    for name, factor in units.get(unit, ()):
        if believed.low <= abs(told) * factor <= believed.high:
            return name
    if unit == "°C":
        return "°F" if believed.low <= (told - 32) / 1.8 <= believed.high else "K"
    return "another unit"
