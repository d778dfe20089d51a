"""Breathing: rate, depth and regularity by `moodal.dsp.respiration`."""

from __future__ import annotations

import numpy as np

from moodal.dsp import respiration
from moodal.lab.data.raw import Signal

from . import Withheld
from .series import peak_hz

__all__ = ["resp_basic"]

_REACH_S = 12.0


def resp_basic(signal: Signal) -> dict[str, float]:
    """Fields of ``resp.basic``; streams faster than 20 Hz become means over whole blocks down to at least 10 Hz."""
    x, rate = signal.column(), float(signal.rate_hz or 0)
    step = max(1, int(rate / 10))
    if step > 1:
        x = x[: len(x) // step * step].reshape(-1, step).mean(axis=1)
        rate /= step
    if np.ptp(x) == 0:
        raise Withheld("flat")
    cleaned = respiration.clean(x - x.mean(), rate)
    found = respiration.breaths(cleaned)
    if len(found.start) < 2:
        raise Withheld("artefact")
    length = (found.end - found.start) / rate
    each = 60 / length
    low = np.array([a + int(cleaned[a:b].argmin()) for a, b in zip(found.start, found.end, strict=True)])
    exhale, inhale = (low - found.start) / rate, (found.end - low) / rate
    match = respiration.regularity(cleaned, found, round(_REACH_S * rate))
    depth = found.depth
    return {
        "rate_mean": float(each.mean()), "rate_sd": float(each.std(ddof=1)), "rate_min": float(each.min()),
        "rate_max": float(each.max()), "depth_mean": float(depth.mean()), "depth_sd": float(depth.std(ddof=1)),
        "depth_cv": float(depth.std(ddof=1) / depth.mean()),
        "length_rmssd": float(np.sqrt(np.square(np.diff(length)).mean())), "inhale_mean": float(inhale.mean()),
        "exhale_mean": float(exhale.mean()), "inhale_exhale": float(inhale.sum() / exhale.sum()),
        "regularity": float(match.mean()), "breaths": float(len(length)), "peak_hz": peak_hz(cleaned, rate),
    }  # fmt: skip
