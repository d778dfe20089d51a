"""Jitter and shimmer: how much neighbouring glottal periods differ in length and in size.

Periods are measured by matching the waveform with itself one period later (Boersma 2009, "Should
jitter be measured by peak picking or by waveform matching?", Folia Phoniatr. Logop. 61), for all
voiced frames of like pitch at once.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .sound import RATE_HZ

__all__ = ["LEAD", "REACH", "jitter_shimmer"]

#: A period may differ from the pitch's by this share.
_SEARCH = 0.1
#: Two periods that match worse than this are no periods.
_MATCH = 0.5
#: Periods that begin in these samples make one frame's values, with the one before them: from 5 ms before
#: the frame's start to 5 ms after it (where openSMILE's answer to a planted irregular period lies).
_FROM, _STRETCH = -80, 160
#: Samples before a frame's start that the measurement may read: that and the longest period.
LEAD = 400
#: Samples after a frame's start that the measurement may read.
REACH = 1600


def jitter_shimmer(
    samples: npt.NDArray[np.float32], starts: npt.NDArray[np.int64], hz: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Local jitter (a ratio) and local shimmer (dB) of voiced frames, each ``(n,)``.

    ``samples (t,)`` at 16 kHz, ``starts (n,)`` where each frame begins in them (from `LEAD` on),
    ``hz (n,)`` its pitch.
    Jitter is the mean difference of neighbouring periods over their mean length, shimmer that of
    their peak-to-peak amplitudes in dB. A frame with fewer than two matching periods, or too near
    the end of ``samples`` to tell, is NaN.
    """
    jitter, shimmer = np.full(len(hz), np.nan), np.full(len(hz), np.nan)
    period = RATE_HZ / hz
    padded = np.concatenate([samples, np.zeros(REACH, np.float32)])
    # Frames of like pitch share array shapes, so that short periods do not pay for long ones.
    edges = [0.0, 64.0, 120.0, np.inf]
    for low, high in pairwise(edges):
        group = np.flatnonzero((period >= low) & (period < high))
        if len(group):
            jitter[group], shimmer[group] = _group(padded, starts[group], period[group], len(samples))
    return jitter, shimmer


def _group(
    samples: npt.NDArray[np.float32], starts: npt.NDArray[np.int64], period: FloatArray, end: int
) -> tuple[FloatArray, FloatArray]:
    n = len(starts)
    width = int(np.ceil(period.max()))
    slack = int(np.ceil(_SEARCH * period.max())) + 1
    count = int(np.ceil(_STRETCH / (period.min() * (1 - _SEARCH)))) + 2
    inside = np.arange(width) < np.round(period)[:, None]
    lags = np.arange(-slack, slack + 1)
    allowed = np.abs(lags) <= _SEARCH * period[:, None]
    whole = np.round(period).astype(np.int64)
    first = starts + _FROM - whole
    at = first.copy()
    lengths, sizes = np.full((n, count), np.nan), np.full((n, count), np.nan)
    alive = np.ones(n, bool)
    rows = np.arange(n)
    stretch = whole + _STRETCH
    for k in range(count):
        alive &= (at + whole + width + slack < end) & (at - first < stretch)
        if not alive.any():
            break
        here = np.where(alive, at, 0)
        this = np.where(inside, samples[here[:, None] + np.arange(width)], 0)
        wide = samples[(here + whole - slack)[:, None].clip(0) + np.arange(width + 2 * slack)]
        row, step = wide.strides
        shape = (n, 2 * slack + 1, width)
        views = np.lib.stride_tricks.as_strided(wide, shape, (row, step, step), writeable=False)
        dot = np.einsum("nlw,nw->nl", views, this)
        square = np.cumsum(np.pad(wide.astype(float) ** 2, ((0, 0), (1, 0))), axis=1)
        stop = np.arange(2 * slack + 1) + whole[:, None]
        energy = square[rows[:, None], stop] - square[:, : 2 * slack + 1]
        own = np.einsum("nw,nw->n", this, this)
        match = np.where(allowed, dot / np.sqrt(np.maximum(energy * own[:, None], 1e-20)), -1.0)
        best = match.argmax(axis=1)
        alive &= match[rows, best] >= _MATCH
        low = match[rows, np.maximum(best - 1, 0)]
        high = match[rows, np.minimum(best + 1, 2 * slack)]
        bend = low - 2 * match[rows, best] + high
        peaked = (best > 0) & (best < 2 * slack) & (low > -1) & (high > -1) & (bend < 0)
        shift = np.where(peaked, 0.5 * (low - high) / np.where(peaked, bend, -1.0), 0.0)
        lag = whole + lags[best]
        top = np.where(inside, this, -np.inf).max(axis=1) - np.where(inside, this, np.inf).min(axis=1)
        lengths[:, k] = np.where(alive, lag + shift, np.nan)
        sizes[:, k] = np.where(alive, top, np.nan)
        at = np.where(alive, at + lag, at)
    return _local(lengths, relative=True), _local(20 * np.log10(np.maximum(sizes, 1e-9)), relative=False)


def _local(values: FloatArray, *, relative: bool) -> FloatArray:
    """Mean difference of neighbours in each row (over the row's mean if ``relative``); NaN where there are none."""
    steps = np.abs(np.diff(values, axis=1))
    count = np.isfinite(steps).sum(axis=1)
    mean = np.nansum(steps, axis=1) / np.maximum(count, 1)
    if relative:
        told = np.isfinite(values)
        mean = mean / np.maximum(np.nansum(values, axis=1) / np.maximum(told.sum(axis=1), 1), 1e-9)
    return np.asarray(np.where(count > 0, mean, np.nan))
