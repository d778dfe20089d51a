"""Temperature, statistics of any stream, and streams that are features already."""

from __future__ import annotations

import numpy as np

from moodal.lab.data.raw import Signal

from .names import STATS
from .series import slope

__all__ = ["stats", "stream", "temp_basic"]


def temp_basic(signal: Signal) -> dict[str, float]:
    """Fields of ``temp.basic``; ``first`` and ``change`` compare the window's first and last second."""
    x, rate = signal.column(), float(signal.rate_hz or 0)
    ends = max(1, round(rate))
    first, last = float(x[:ends].mean()), float(x[-ends:].mean())
    return {
        "mean": float(x.mean()), "sd": float(x.std(ddof=1)), "min": float(x.min()), "max": float(x.max()),
        "range": float(np.ptp(x)), "slope": slope(x, rate), "first": first, "change": last - first,
    }  # fmt: skip


def _named(signal: Signal) -> list[str]:
    wide = signal.values.shape[1]
    if len(signal.channels) == wide and all(signal.channels):
        return list(signal.channels)
    return [signal.name] if wide == 1 else [f"{signal.name}_{k + 1}" for k in range(wide)]


def stats(signal: Signal) -> dict[str, float]:
    """Fourteen statistics of each channel; skew and kurtosis are 0 where there is no spread."""
    told: dict[str, float] = {}
    for k, name in enumerate(_named(signal)):
        x = signal.column(k)
        mean, sd = float(x.mean()), float(x.std())
        z = (x - mean) / sd if sd > 0 else np.zeros(len(x))
        low, q1, middle, q3, high = np.percentile(x, [10, 25, 50, 75, 90])
        rate = float(signal.rate_hz or 1.0)
        values = (
            mean, float(x.std(ddof=1)) if len(x) > 1 else float("nan"), x.min(), x.max(), np.ptp(x), middle, q3 - q1,
            low, high, (z**3).mean(), (z**4).mean() - 3 if sd > 0 else 0.0, np.sqrt((x * x).mean()), slope(x, rate),
            np.abs(np.diff(x)).mean() if len(x) > 1 else float("nan"),
        )  # fmt: skip
        told |= {f"{name}_{s}": float(v) for s, v in zip(STATS, values, strict=True)}
    return told


def stream(signal: Signal) -> dict[str, float]:
    """The values themselves: one row as it is (an embedding, a table of measurements), more rows as mean and sd."""
    x = np.asarray(signal.values, np.float64)
    names = _named(signal)
    if len(x) == 1:
        return dict(zip(names, x[0].tolist(), strict=True))
    with np.errstate(invalid="ignore"):
        mean, sd = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    return {f"{n}_mean": float(m) for n, m in zip(names, mean, strict=True)} | {
        f"{n}_sd": float(s) for n, s in zip(names, sd, strict=True)
    }
