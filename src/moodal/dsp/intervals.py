"""Beat intervals: which are normal, which can be put right, and which tell nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .fir import quantile

__all__ = ["LONGEST_S", "SHORTEST_S", "Corrected", "correct", "running_median"]

#: Intervals of a living heart, s (25 to 220 beats a minute).
SHORTEST_S, LONGEST_S = 60 / 220, 2.4
#: Times the quartile deviation that a normal interval may lie off (Lipponen & Tarvainen 2019).
_FACTOR = 5.2
#: … but never more than this share of the interval.
_MOST = 0.25


@dataclass(frozen=True)
class Corrected:
    """Beats after correction: ``times (k,)`` s, ``changed (k,)`` (put in, moved, or what was beside it removed), and
    for the interval that ends at each beat ``valid (k,)`` (the first has none: false) and ``normal (k,)`` (valid, and
    neither end changed); ``origin (k,)`` the number of the beat given that each was (that after it, where put in)."""

    times: FloatArray
    changed: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]
    normal: npt.NDArray[np.bool_]
    origin: npt.NDArray[np.int64]


def running_median(x: FloatArray, width: int = 11) -> FloatArray:
    """Median of ``width`` (odd) values around each of ``x (n,)``; at the ends x is mirrored. NaN-free input."""
    if len(x) < 2:
        return np.array(x, float)
    half = min(width // 2, len(x) - 1)
    padded = np.concatenate([x[half:0:-1], x, x[-2 : -half - 2 : -1]])
    rows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.asarray(np.partition(rows, half, axis=1)[:, half])


def correct(
    times: FloatArray,
    sure: npt.NDArray[np.bool_],
    broken: npt.NDArray[np.bool_],
    changed: npt.NDArray[np.bool_] | None = None,
    first: int = 0,
    *,
    least: float = 0.15,
    keep: float = 0.3,
) -> Corrected:
    """Put beats right that were missed, found twice, or came early or late.

    After Lipponen & Tarvainen 2019, J. Med. Eng. Technol. 43(3), 173-181: an interval is abnormal where it lies
    further from the median of the 11 around it than 5.2 quartile deviations of such distances (theirs: of 91 beats;
    here: of those given). An abnormal interval twice too long gets a beat in its middle; two that together make one
    lose the beat between them; two that together make two (an early or late beat) get theirs moved to the middle.
    What no single change explains is not valid.

    Parameters
    ----------
    times : ``(k,)`` s, rising. sure : ``(k,)``: the beat looks like one. broken : ``(k,)``: the signal is missing
        somewhere in the interval that ends at the beat. changed : ``(k,)``: flags of earlier corrections.
    first : beats before this one are final and stay.
    least : an interval this share off the median is never abnormal.
    keep : up to this share off, an abnormal interval between two sure beats that nothing explains is valid: with an ECG
        the beats are beyond doubt; with a pulse (0) they are not.
    """
    changed = np.zeros(len(times), bool) if changed is None else changed.copy()
    k = len(times)
    if k < 2:
        none = np.zeros(k, bool)
        return Corrected(times, changed, none, none, np.arange(k))
    interval = np.diff(times)
    plausible = (interval >= SHORTEST_S) & (interval <= LONGEST_S) & ~broken[1:]
    expected = running_median(interval)
    if plausible.sum() >= 5:
        # What is no interval at all does not say how long one is.
        at = np.flatnonzero(plausible)
        expected = np.interp(np.arange(k - 1), at, running_median(interval[at]))
    off = interval - expected
    likely = off[plausible]
    low, high = (quantile(likely, 0.25), quantile(likely, 0.75)) if len(likely) else (0.0, 0.0)
    limit = np.clip(_FACTOR * (high - low) / 2, least * expected, _MOST * expected)
    abnormal = np.abs(off) > limit
    valid = plausible & (np.abs(off) <= np.maximum(limit, keep * expected)) & sure[1:] & sure[:-1]
    times, sure = times.copy(), sure.copy()
    stays = np.ones(k, bool)
    inserted: list[tuple[int, float]] = []
    for i in np.flatnonzero(abnormal & ~broken[1:]).tolist():
        beat = i + 1
        if beat < first or not stays[beat] or not stays[beat - 1]:
            continue
        span, want, slack = times[beat] - times[beat - 1], expected[i], limit[i]
        if abs(span - want) <= slack:
            continue
        if abs(span / 2 - want) <= slack / 2 and sure[beat] and sure[beat - 1]:
            inserted.append((beat, times[beat - 1] + span / 2))
            changed[beat] = valid[i] = True
            continue
        if beat + 1 >= k or broken[beat + 1] or not sure[beat - 1] or not sure[beat + 1]:
            continue
        both = times[beat + 1] - times[beat - 1]
        if abs(both - want) <= slack:
            stays[beat] = False
            changed[beat + 1] = valid[i + 1] = True
        elif abs(both / 2 - want) <= slack / 2:
            times[beat] = times[beat - 1] + both / 2
            changed[beat] = changed[beat + 1] = sure[beat] = True
            valid[i] = valid[i + 1] = True
    good = np.append(False, valid)
    at = np.array([b for b, _ in inserted], np.int64)
    new = np.array([t for _, t in inserted])
    times, changed, good = np.insert(times, at, new), np.insert(changed, at, True), np.insert(good, at, True)
    origin = np.insert(np.arange(k), at, at)
    kept = np.insert(stays, at, True)
    times, changed, good, origin = times[kept], changed[kept], good[kept], origin[kept]
    around = changed | np.append(False, changed[:-1])
    return Corrected(times, changed, good, good & ~around, origin)
