"""Skin conductance: level, slope, and its responses by `moodal.dsp.eda`."""

from __future__ import annotations

import numpy as np

from moodal.dsp import eda
from moodal.lab.data.raw import Signal

from . import Withheld
from .series import slope

__all__ = ["eda_basic"]

#: Below this no skin is touched, µS (Kleckner et al. 2018).
_CONTACT = 0.03


def eda_basic(signal: Signal) -> dict[str, float]:
    """Fields of ``eda.basic``; streams faster than 8 Hz become means over whole blocks down to at least 4 Hz."""
    x, rate = signal.column(), float(signal.rate_hz or 0)
    step = max(1, int(rate / 4))
    if step > 1 and rate > 8:
        x = x[: len(x) // step * step].reshape(-1, step).mean(axis=1)
        rate /= step
    if (x < _CONTACT).mean() > 0.5:
        raise Withheld("no_contact")
    if np.ptp(x) == 0:
        raise Withheld("flat")
    level = eda.tonic(x, rate)
    smooth = eda.smoothed(x, rate)
    phasic = smooth - level
    found = eda.responses(phasic, smooth)
    recovered = found.recovery >= 0
    some = len(found.amplitude) > 0
    nan = float("nan")
    return {
        "mean": float(x.mean()), "sd": float(x.std(ddof=1)), "min": float(x.min()), "max": float(x.max()),
        "range": float(np.ptp(x)), "slope": slope(x, rate), "mean_abs_diff": float(np.abs(np.diff(x)).mean() * rate),
        "tonic_mean": float(level.mean()), "tonic_sd": float(level.std(ddof=1)), "tonic_slope": slope(level, rate),
        "phasic_sd": float(phasic.std(ddof=1)), "phasic_max": float(phasic.max()),
        "phasic_area": float(np.maximum(phasic, 0).sum() / rate),
        "scr_count": float(len(found.amplitude)), "scr_rate": float(60 * rate * len(found.amplitude) / len(x)),
        "scr_amplitude_mean": float(found.amplitude.mean()) if some else 0.0,
        "scr_amplitude_sum": float(found.amplitude.sum()),
        "scr_amplitude_max": float(found.amplitude.max()) if some else 0.0,
        "scr_rise_mean": float((found.peak - found.onset).mean() / rate) if some else nan,
        "scr_recovery_mean": float((found.recovery - found.peak)[recovered].mean() / rate) if recovered.any() else nan,
    }  # fmt: skip
