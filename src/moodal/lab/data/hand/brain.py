"""EEG: band powers by Welch's method (2 s segments), ratios, asymmetry, Hjorth's parameters."""

from __future__ import annotations

import numpy as np

from moodal.core.clock import FloatArray
from moodal.lab.data.raw import Signal

from . import Withheld
from .names import BANDS
from .series import spectrum
from .slow import _named

__all__ = ["eeg_bands", "eeg_channels"]

_SEGMENT_S = 2.0
_FRONTAL = ("fp1", "fp2", "f3", "f4", "f7", "f8", "fz", "af3", "af4")
_PARIETAL = ("p3", "p4", "pz", "p7", "p8", "o1", "o2", "t5", "t6")
#: Left and right for the asymmetry: ln right alpha less ln left (Davidson 1992).
_PAIR = ("f3", "f4")


def _spectra(signal: Signal) -> tuple[FloatArray, FloatArray, list[str]]:
    rate = float(signal.rate_hz or 0)
    f, _ = spectrum(signal.column(0), rate, _SEGMENT_S)
    rows = np.stack([spectrum(signal.column(k), rate, _SEGMENT_S)[1] for k in range(signal.values.shape[1])])
    if not rows[:, 1:].any():
        raise Withheld("flat")
    return f, np.maximum(rows, 1e-12), [n.lower() for n in _named(signal)]


def _band(f: FloatArray, rows: FloatArray, name: str) -> FloatArray:
    """Mean density of each row in a band times its width: µV²."""
    low, high = BANDS[name]
    inside = (f >= low) & (f < high)
    return np.asarray(rows[:, inside].mean(axis=1) * (high - low))


def eeg_channels(signal: Signal) -> dict[str, float]:
    """``CHANNEL_BAND_log``: log10 of each channel's power in each band, µV²."""
    f, rows, _ = _spectra(signal)
    powers = {b: np.log10(_band(f, rows, b)) for b in BANDS}
    names = _named(signal)
    return {f"{n}_{b}_log": float(powers[b][k]) for k, n in enumerate(names) for b in BANDS}


def eeg_bands(signal: Signal) -> dict[str, float]:
    """Fields of ``eeg.bands``: means over channels of log powers, shares of the mean spectrum, ratios."""
    f, rows, names = _spectra(signal)
    powers = {b: _band(f, rows, b) for b in BANDS}
    whole = {b: float(p.mean()) for b, p in powers.items()}
    total = sum(whole.values())
    inside = (f >= 1) & (f < 45)
    mean = rows.mean(axis=0)[inside]
    share = mean / mean.sum()
    alpha = (f[inside] >= 8) & (f[inside] < 13)

    def over(band: str, where: tuple[str, ...]) -> float:
        at = [k for k, n in enumerate(names) if n in where]
        return float(np.log10(powers[band][at]).mean()) if at else float("nan")

    asymmetry = float("nan")
    if all(n in names for n in _PAIR):
        left, right = (powers["alpha"][names.index(n)] for n in _PAIR)
        asymmetry = float(np.log(right) - np.log(left))
    x = np.stack([signal.column(k) for k in range(len(names))], axis=1)
    d1, d2 = np.diff(x, axis=0), np.diff(x, n=2, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mobility = np.sqrt(d1.var(axis=0) / x.var(axis=0))
        complexity = np.sqrt(d2.var(axis=0) / d1.var(axis=0)) / mobility
    return {
        **{f"{b}_log": float(np.log10(powers[b]).mean()) for b in BANDS},
        **{f"{b}_share": whole[b] / total for b in BANDS},
        "theta_beta": whole["theta"] / whole["beta"], "theta_alpha": whole["theta"] / whole["alpha"],
        "engagement": whole["beta"] / (whole["alpha"] + whole["theta"]),
        "alpha_peak_hz": float(f[inside][alpha][mean[alpha].argmax()]),
        "spectral_entropy": float(-(share * np.log(share)).sum() / np.log(len(share))),
        "frontal_alpha_asymmetry": asymmetry, "frontal_theta_log": over("theta", _FRONTAL),
        "parietal_alpha_log": over("alpha", _PARIETAL), "mobility": float(np.nanmean(mobility)),
        "complexity": float(np.nanmean(complexity)),
    }  # fmt: skip
