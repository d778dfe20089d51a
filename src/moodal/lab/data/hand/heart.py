"""Heart: beats of an ECG or a pulse wave, their intervals, and what varies in them.

Beats are those of `moodal.dsp.beats`. An interval is normal if it lasts 60/220 to 2.4 s and lies within a fifth of the
running median of eleven (Malik et al. 1989, Am. J. Cardiol. 64(5), asks a fifth of the one before). Spectra need 60 s,
the low band 120 s (Task Force 1996).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from moodal.core.clock import FloatArray
from moodal.dsp import hrv
from moodal.dsp.beats import ECG, PPG, BeatShape, clean, find_beats, refine, template_match
from moodal.dsp.intervals import LONGEST_S, SHORTEST_S, running_median
from moodal.lab.data.raw import Signal

from . import Withheld
from .names import FIELDS

__all__ = ["ecg_hrv", "intervals", "ppg_hrv", "ppg_wave"]

_NEAR = 0.2
_LF_S, _HF_S = 120.0, 60.0


def ecg_hrv(signal: Signal) -> dict[str, float]:
    """Fields of ``ecg.hrv`` of an ECG in one window."""
    return _hrv(signal, ECG)


def ppg_hrv(signal: Signal) -> dict[str, float]:
    """Fields of ``ppg.hrv`` of a pulse wave in one window."""
    return _hrv(signal, PPG)


def _beats(signal: Signal, shape: BeatShape) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The clean signal, peaks in samples, and each beat's likeness to the others.

    An ECG is taken the way up in which it is steeper, so that electrodes may be swapped.
    """
    x, rate = signal.column(), float(signal.rate_hz or 0)
    if np.ptp(x) == 0:
        raise Withheld("flat")
    cleaned = clean(x, rate, shape)
    inverted = shape is ECG and abs(float(cleaned.min())) > 1.5 * abs(float(cleaned.max()))
    peaks, _ = find_beats(x, cleaned, rate, shape, inverted=inverted)
    if len(peaks) < 5:
        raise Withheld("artefact")
    return cleaned, refine(-cleaned if inverted else cleaned, peaks), template_match(cleaned, peaks, rate, shape)


def intervals(beats_s: FloatArray) -> tuple[FloatArray, np.ndarray]:
    """Intervals ``(k - 1,)`` ms between beats at ``beats_s (k,)``, and which are normal."""
    nn = np.diff(beats_s)
    likely = (nn >= SHORTEST_S) & (nn <= LONGEST_S)
    middle = running_median(nn)
    return 1000 * nn, likely & (np.abs(nn - middle) <= _NEAR * middle)


def _hrv(signal: Signal, shape: BeatShape) -> dict[str, float]:
    rate = float(signal.rate_hz or 0)
    seconds = len(signal.values) / rate
    _, peaks, _ = _beats(signal, shape)
    times = peaks / rate
    nn, normal = intervals(times)
    if normal.sum() < 3:
        raise Withheld("artefact")
    told = dict.fromkeys(FIELDS["ecg.hrv"], float("nan"))
    told |= hrv.time_domain(nn, normal)
    good = nn[normal]
    heart = 60000 / good
    steps = np.abs(np.diff(nn))[normal[1:] & normal[:-1]]
    told |= {
        "hr_mean": float(heart.mean()), "hr_sd": float(heart.std(ddof=1)), "hr_min": float(heart.min()),
        "hr_max": float(heart.max()), "mediannn": float(np.median(good)),
        "iqrnn": float(np.subtract(*np.percentile(good, [75, 25]))),
        "pnn20": float(100 * (steps > 20).mean()) if len(steps) else float("nan"),
        "cvnn": told["sdnn"] / told["meannn"], "cvsd": told["rmssd"] / told["meannn"],
        "sd1_sd2": told["sd1"] / told["sd2"] if told["sd2"] > 0 else float("nan"),
        "sample_entropy": hrv.sample_entropy(good), "dfa_alpha1": hrv.dfa_alpha1(good),
        "beats": float(len(peaks)), "normal_share": float(normal.mean()),
    }  # fmt: skip
    if seconds >= _HF_S:
        ends = times[1:][normal]
        grid = np.arange(ends[0], ends[-1], 1 / hrv.RATE_HZ)
        lf, hf = hrv.band_powers(hrv.tachogram(ends, good, grid)[None])[0]
        told["hf"] = float(hf)
        if seconds >= _LF_S:
            told |= {"lf": float(lf), "lf_hf": float(lf / hf) if hf > 0 else float("nan")}
            told["hf_share"] = float(hf / (lf + hf)) if lf + hf > 0 else float("nan")
    return told


def ppg_wave(signal: Signal) -> dict[str, float]:
    """Fields of ``ppg.wave``: amplitude foot to peak, time of rise, width at half height, likeness of the beats."""
    rate = float(signal.rate_hz or 0)
    cleaned, peaks, match = _beats(signal, PPG)
    at = np.round(peaks).astype(int)
    rows = []
    for a, b in pairwise(at.tolist()):
        foot = a + int(cleaned[a:b].argmin())
        height = cleaned[b] - cleaned[foot]
        high = cleaned[foot : min(len(cleaned), b + (b - foot))] > cleaned[foot] + height / 2
        rows.append((height, (b - foot) / rate, high.sum() / rate))
    height, rise, width = np.array(rows).T
    return {
        "amplitude_mean": float(height.mean()), "amplitude_sd": float(height.std(ddof=1)),
        "amplitude_cv": float(height.std(ddof=1) / height.mean()), "rise_mean": float(rise.mean()),
        "rise_sd": float(rise.std(ddof=1)), "width_mean": float(width.mean()), "match_mean": float(match.mean()),
    }  # fmt: skip
