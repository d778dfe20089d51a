"""Breaths in a breathing signal: belt, thermistor or whatever rises and falls with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .fir import band_pass, zero_phase

__all__ = ["REACH_S", "Breaths", "breaths", "clean", "regularity"]

#: Half the kernel of the filter, s.
REACH_S = 10.0
#: Breathing lies in this band, Hz (3 to 60 a minute).
_BAND = (0.05, 1.0)
#: An extremum counts from this share of the 75th percentile of the signal's size (Schäfer & Kratky 2008: 0.2).
_SHARE = 0.2


@dataclass(frozen=True)
class Breaths:
    """From each peak to the next: samples ``start (k,)`` and ``end (k,)``, ``depth (k,)`` in the signal's unit."""

    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    depth: FloatArray


def clean(x: FloatArray, rate_hz: float) -> FloatArray:
    """``x (n,)`` in the band of breathing, 0.05 to 1 Hz, zero-phase: ``(n,)``. ``rate_hz`` at least 4."""
    return zero_phase(x, band_pass(_BAND[0], min(_BAND[1], 0.45 * rate_hz), rate_hz, REACH_S))


def breaths(cleaned: FloatArray) -> Breaths:
    """Breaths of ``cleaned (n,)``: peaks and troughs in turn, each beyond 0.2 of the signal's 75th percentile.

    After Schäfer & Kratky 2008, Ann. Biomed. Eng. 36(3), 476-485 ("advanced counting"): what does not cross that far
    is no breath. Depth is the mean of both peaks over the trough between them.
    """
    none = Breaths(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    limit = _SHARE * float(np.quantile(np.abs(cleaned), 0.75))
    side = np.where(cleaned > limit, 1, np.where(cleaned < -limit, -1, 0))
    at = np.flatnonzero(side)
    if len(at) < 3 or limit <= 0:
        return none
    turn = np.flatnonzero(side[at[1:]] != side[at[:-1]]) + 1
    first, last = np.append(0, turn), np.append(turn, len(at))
    up = side[at[first]] > 0
    tops = [int(at[a]) + int(cleaned[at[a] : at[b - 1] + 1].argmax()) for a, b in _pairs(first, last, up)]
    lows = [float(cleaned[at[a] : at[b - 1] + 1].min()) for a, b in _pairs(first, last, ~up)]
    if len(tops) < 2:
        return none
    peaks = np.array(tops)
    troughs = np.array(lows[0 if up[0] else 1 :][: len(peaks) - 1])
    depth = (cleaned[peaks[1:]] + cleaned[peaks[:-1]]) / 2 - troughs
    return Breaths(peaks[:-1], peaks[1:], depth)


def _pairs(
    first: npt.NDArray[np.int64], last: npt.NDArray[np.int64], which: npt.NDArray[np.bool_]
) -> list[tuple[int, int]]:
    return list(zip(first[which].tolist(), last[which].tolist(), strict=True))


def regularity(cleaned: FloatArray, found: Breaths, reach: int) -> FloatArray:
    """How much the signal within ``reach`` samples of each breath's middle looks like itself a breath later: ``(k,)``.

    The normalised autocorrelation at the breath's length, in [-1, 1], as in Charlton et al. 2021, Physiol. Meas.
    42(6) 065001, whose index matches breaths with each other.
    """
    out = np.zeros(len(found.start))
    for i, (a, b) in enumerate(zip(found.start.tolist(), found.end.tolist(), strict=True)):
        middle, lag = (a + b) // 2, b - a
        part = cleaned[max(0, middle - reach) : middle + reach]
        if len(part) < 2 * lag:
            continue
        x, y = part[:-lag], part[lag:]
        norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
        out[i] = float((x * y).sum()) / norm if norm > 0 else 0.0
    return out
