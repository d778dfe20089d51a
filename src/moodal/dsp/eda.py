"""Skin conductance: its level, its responses, and what no skin shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .fir import butterworth_low_pass, zero_phase

__all__ = ["FLOOR", "REACH_S", "TONIC_HZ", "Responses", "responses", "smoothed", "tonic", "unlikely"]

#: Cut between level and responses, Hz (Biopac's high-pass; NeuroKit2's default split).
TONIC_HZ = 0.05
#: Half the kernel of that filter, s: what lies further away weighs under 0.4 % of its peak.
REACH_S = 25.0
#: The least amplitude of a response, µS (Boucsein et al. 2012: 0.01 to 0.05).
FLOOR = 0.01
#: Skin conductance of skin rises and falls by no more than this, µS/s (Kleckner et al. 2018, rule 2).
_STEEPEST = 10.0
#: Nothing in skin conductance is faster, Hz.
_FASTEST_HZ = 3.0


@dataclass(frozen=True)
class Responses:
    """Skin conductance responses: samples of ``onset``, ``peak`` and half ``recovery`` (-1: none) ``(k,)`` int,
    ``amplitude (k,)`` in the unit of the signal."""

    onset: npt.NDArray[np.int64]
    peak: npt.NDArray[np.int64]
    recovery: npt.NDArray[np.int64]
    amplitude: FloatArray


def tonic(x: FloatArray, rate_hz: float) -> FloatArray:
    """Level of ``x (n,)`` µS: zero-phase second-order Butterworth low-pass at 0.05 Hz ``(n,)``; phasic is the rest."""
    return zero_phase(x, butterworth_low_pass(TONIC_HZ, 2, rate_hz, REACH_S))


def smoothed(x: FloatArray, rate_hz: float) -> FloatArray:
    """``x (n,)`` without what is too fast for skin: zero-phase fourth-order Butterworth low-pass at 3 Hz, ``(n,)``;
    as it is where the rate is under 6.6 Hz."""
    if rate_hz < 2.2 * _FASTEST_HZ:
        return x
    return zero_phase(x, butterworth_low_pass(_FASTEST_HZ, 4, rate_hz, 2.0))


def responses(phasic: FloatArray, trace: FloatArray, floor: float = FLOOR) -> Responses:
    """Responses of ``phasic (n,)`` that rise by at least ``floor`` from trough to peak.

    The filter that takes the level away rings: before and after a large response it lifts ``phasic`` by a few per cent
    of it while the skin conducts no better. So a response counts only where ``trace (n,)``, the conductance that
    ``phasic`` comes from, rises by ``floor``, too.

    Trough to peak after Boucsein et al. 2012, Psychophysiology 49(8), 1017-1034: the onset is the lowest point
    before the peak since the peak before it; half recovery the first sample after the peak, before the next onset,
    at or below half the amplitude over the onset.
    """
    none = np.zeros(0, np.int64)
    step = np.sign(np.diff(phasic))
    moves = np.flatnonzero(step)
    if len(moves) < 2:
        return Responses(none, none, none, np.zeros(0))
    # Over a plateau the direction before it holds on: a peak lies where it turns down, a trough where it turns up.
    turn = np.flatnonzero(step[moves[1:]] != step[moves[:-1]])
    at = moves[turn] + 1
    up = step[moves[turn]] > 0
    peaks, troughs = at[up], at[~up]
    if len(peaks) and (not len(troughs) or troughs[0] > peaks[0]):
        peaks = peaks[1:]
    n = min(len(peaks), len(troughs))
    after = np.append(troughs, len(phasic) - 1)[1 : n + 1]
    peaks, troughs = peaks[:n], troughs[:n]
    amplitude = phasic[peaks] - phasic[troughs]
    large = (amplitude >= floor) & (trace[peaks] - trace[troughs] >= floor)
    peaks, troughs, after, amplitude = peaks[large], troughs[large], after[large], amplitude[large]
    recovery = np.full(len(peaks), -1, np.int64)
    half = phasic[peaks] - 0.5 * amplitude
    for i, (a, b) in enumerate(zip(peaks.tolist(), after.tolist(), strict=True)):
        below = phasic[a : b + 1] <= half[i]
        if below[-1]:
            recovery[i] = a + int(below.argmax())
    return Responses(troughs, peaks, recovery, amplitude)


def unlikely(x: FloatArray, rate_hz: float) -> npt.NDArray[np.bool_]:
    """Samples of ``x (n,)`` µS where it changes faster than skin does: ``(n,)``.

    Kleckner et al. 2018, IEEE Trans. Biomed. Eng. 65(7), 1460-1467, rule 2 (10 µS/s).
    """
    steep = np.abs(np.diff(x)) * rate_hz > _STEEPEST
    return np.asarray(np.append(steep, False) | np.append(False, steep))
