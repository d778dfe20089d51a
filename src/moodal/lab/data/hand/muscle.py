"""Muscle activity and movement, by `moodal.dsp.movement`."""

from __future__ import annotations

import numpy as np

from moodal.dsp.movement import emg_band, movement, root_mean_square
from moodal.lab.data.raw import Signal

from . import Withheld
from .series import peak_hz, spectrum

__all__ = ["acc_basic", "emg_basic"]


def emg_basic(signal: Signal) -> dict[str, float]:
    """Fields of ``emg.basic`` from 20 to 450 Hz; shares of power up to 60, from 60 to 120 and above 120 Hz; a burst
    is where the level over a tenth of a second climbs over twice its median."""
    raw, rate = signal.column(), float(signal.rate_hz or 0)
    if np.ptp(raw) == 0:
        raise Withheld("flat")
    x = emg_band(np.asarray(raw - raw.mean(), np.float64), rate)
    size = np.abs(x)
    f, p = spectrum(x, rate, 1.0)
    total = float(p.sum())
    level = root_mean_square(x, np.arange(0, len(x), max(1, round(0.1 * rate))))
    up = level > 2 * np.median(level)
    bursts = int((up[1:] & ~up[:-1]).sum() + up[0])
    seconds = len(x) / rate
    return {
        "rms": float(np.sqrt((x * x).mean())), "mean_abs": float(size.mean()), "sd": float(x.std(ddof=1)),
        "max_abs": float(size.max()), "p90_abs": float(np.percentile(size, 90)), "integral": float(size.sum() / rate),
        "waveform_length": float(np.abs(np.diff(x)).sum() / seconds),
        "zero_crossings": float((np.signbit(x[1:]) != np.signbit(x[:-1])).sum() / seconds),
        "mean_hz": float((f * p).sum() / total), "median_hz": float(f[np.searchsorted(np.cumsum(p), total / 2)]),
        "peak_hz": float(f[int(p.argmax())]), "power_low": float(p[f < 60].sum() / total),
        "power_middle": float(p[(f >= 60) & (f < 120)].sum() / total), "power_high": float(p[f >= 120].sum() / total),
        "bursts": 60 * bursts / seconds,
    }  # fmt: skip


def acc_basic(signal: Signal) -> dict[str, float]:
    """Fields of ``acc.basic`` of three axes; ``tilt`` is the angle of z to the mean pull, ``entropy`` that of the
    norm's spectrum over its largest possible."""
    if signal.values.shape[1] < 3:
        raise Withheld("no_stream")
    xyz, rate = np.stack([signal.column(k) for k in range(3)], axis=1), float(signal.rate_hz or 0)
    norm = np.sqrt(np.square(xyz).sum(axis=1))
    mad, enmo, mean = movement(xyz, np.array([0]))[0]
    pull = xyz.mean(axis=0)
    size = float(np.sqrt((pull * pull).sum()))
    _, p = spectrum(norm, rate)
    share = p[1:] / p[1:].sum() if p[1:].sum() > 0 else np.ones(len(p) - 1) / max(1, len(p) - 1)
    entropy = -(share[share > 0] * np.log(share[share > 0])).sum() / np.log(max(len(share), 2))
    return {
        "mad": float(mad), "enmo": float(enmo), "norm_mean": float(mean), "norm_sd": float(norm.std(ddof=1)),
        "norm_max": float(norm.max()), "jerk_mean": float(np.abs(np.diff(norm)).mean() * rate),
        **{f"{a}_mean": float(pull[k]) for k, a in enumerate("xyz")},
        **{f"{a}_sd": float(xyz[:, k].std(ddof=1)) for k, a in enumerate("xyz")},
        "tilt": float(np.degrees(np.arccos(np.clip(pull[2] / size, -1, 1)))) if size > 0 else float("nan"),
        "integral": float(np.abs(norm - mean).sum() / rate), "peak_hz": peak_hz(norm, rate), "entropy": float(entropy),
    }  # fmt: skip
