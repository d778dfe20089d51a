"""Heart beats in ECG and PPG: where they are, and how much each looks like its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .fir import band_pass, moving_mean, quantile, zero_phase

__all__ = ["ECG", "PPG", "BeatShape", "clean", "find_beats", "rate_share", "refine", "template_match"]


@dataclass(frozen=True)
class BeatShape:
    """How beats of one kind of signal are found.

    ``clean_hz`` is the band of the cleaned signal, ``energy_hz`` that in which beats stand out; ``short_s``,
    ``long_s`` and ``offset`` are the widths of the two moving means and the share of the mean energy added;
    ``half_s`` is half the cleaning kernel. A beat reaches ``around_s`` before and after its peak; ``match``
    is the least correlation with the template that is taken for a beat, ``share`` the least `rate_share` of what is
    taken for a pulse (0: not asked for).
    """

    clean_hz: tuple[float, float]
    energy_hz: tuple[float, float]
    short_s: float
    long_s: float
    offset: float
    half_s: float
    around_s: tuple[float, float]
    match: float
    share: float = 0.0


#: Elgendi 2013, PLOS ONE 8(9) e73557 (QRS): 8 to 20 Hz, 97 and 611 ms, 8 %; match: Orphanidou et al. 2015.
ECG = BeatShape((0.5, 40.0), (8.0, 20.0), 0.097, 0.611, 0.08, 2.0, (0.25, 0.35), 0.66)
#: Elgendi et al. 2013, PLOS ONE 8(10) e76585 (systolic peaks): 0.5 to 8 Hz, 111 and 667 ms, 2 %. The match asked for
#: is below Orphanidou's 0.86, because intervals are judged as well (docs/lab/LOG.md).
PPG = BeatShape((0.5, 8.0), (0.5, 8.0), 0.111, 0.667, 0.02, 2.0, (0.4, 0.5), 0.7, 0.45)

#: Two beats are at least this far apart, s (200 a minute).
_REFRACTORY_S = 0.3
#: What counts as the rate of beats, as a share of it to either side, and what it is compared with, Hz.
_AT_RATE, _PULSE_HZ = 0.2, (0.4, 8.0)
#: A beat stands out at least this much, as a share of the 75th percentile around it.
_SMALLEST = 0.3


def clean(x: FloatArray, rate_hz: float, shape: BeatShape) -> FloatArray:
    """``x (n,)`` in its clean band, zero-phase, same unit: ``(n,)``. The upper edge stays below 0.45 of the rate."""
    low, high = shape.clean_hz
    return zero_phase(x, band_pass(low, min(high, 0.45 * rate_hz), rate_hz, shape.half_s))


def find_beats(
    x: FloatArray, cleaned: FloatArray, rate_hz: float, shape: BeatShape, *, inverted: bool = False
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Beats by two moving averages: sample of each peak of ``cleaned`` and how far it stands out.

    Blocks of interest are where the energy's short mean exceeds its long mean and an offset (Elgendi 2013, eq.
    5 to 7); in each the highest sample (``inverted``: the lowest) is the beat. Of two closer than 0.3 s the larger
    stays, and what stands out less than 0.3 of the 75th percentile goes.

    Parameters
    ----------
    x : ``(n,)`` without NaN, any unit. cleaned : ``(n,)``, that of `clean`.

    Returns
    -------
    ``(k,)`` sample numbers, rising; ``(k,)`` amplitudes in the unit of x.
    """
    band = cleaned
    if shape.energy_hz != shape.clean_hz:
        low, high = shape.energy_hz
        band = zero_phase(x, band_pass(low, min(high, 0.45 * rate_hz), rate_hz, 0.25))
        energy = band * band
    else:
        energy = np.square(np.maximum(band, 0.0))
    short = max(1, round(shape.short_s * rate_hz)) | 1
    level = moving_mean(energy, short)
    floor = moving_mean(energy, round(shape.long_s * rate_hz) | 1) + shape.offset * energy.mean()
    on = np.concatenate([[False], level > floor, [False]])
    change = np.flatnonzero(on[1:] != on[:-1])
    first, last = change[::2], change[1::2]
    long = last - first >= short
    first, last = first[long], last[long]
    if not len(first):
        return np.zeros(0, np.int64), np.zeros(0)
    target = -cleaned if inverted else cleaned
    peaks = np.array([a + int(target[a:b].argmax()) for a, b in zip(first.tolist(), last.tolist(), strict=True)])
    heights = np.sqrt(np.maximum.reduceat(level, np.column_stack([first, last - 1]).ravel())[::2])
    large = heights >= _SMALLEST * quantile(heights, 0.75)
    peaks, heights = peaks[large], heights[large]
    return _apart(peaks, heights, round(_REFRACTORY_S * rate_hz))


def _apart(peaks: npt.NDArray[np.int64], heights: FloatArray, least: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Of peaks closer than ``least`` samples the larger."""
    while len(peaks) > 1:
        close = np.flatnonzero(np.diff(peaks) < least)
        if not len(close):
            break
        smaller = np.where(heights[close] < heights[close + 1], close, close + 1)
        keep = np.ones(len(peaks), bool)
        # One of each chain at a time, so that a small one between two large ones does not take both along.
        keep[smaller[np.append(True, np.diff(close) > 1)]] = False
        peaks, heights = peaks[keep], heights[keep]
    return peaks, heights


def refine(x: FloatArray, peaks: npt.NDArray[np.int64]) -> FloatArray:
    """Peaks ``(k,)`` of ``x (n,)`` to a fraction of a sample, by the parabola through three: within half a sample."""
    at = np.clip(peaks, 1, len(x) - 2)
    a, b, c = x[at - 1], x[at], x[at + 1]
    bend = a - 2 * b + c
    shift = np.where(bend != 0, 0.5 * (a - c) / np.where(bend != 0, bend, 1.0), 0.0)
    return np.asarray(peaks + np.where(at == peaks, np.clip(shift, -0.5, 0.5), 0.0))


def template_match(x: FloatArray, peaks: npt.NDArray[np.int64], rate_hz: float, shape: BeatShape) -> FloatArray:
    """Correlation in [-1, 1] of each beat ``(k,)`` of ``x (n,)`` with the window's median beat; 0 for under 4 beats.

    The template-matching signal quality index of Orphanidou et al. 2015, IEEE J. Biomed. Health Inform. 19(3),
    832-838. Here a beat is ``shape.around_s`` around its peak, not a whole cycle, so that a changing heart rate does
    not count as noise; beats are scaled to one energy; and the template is a median, so that one bad beat does not
    spoil it.
    """
    if len(peaks) < 4:
        return np.zeros(len(peaks))
    offsets = np.arange(-round(shape.around_s[0] * rate_hz), round(shape.around_s[1] * rate_hz) + 1)
    rows = x[np.clip(peaks[:, None] + offsets, 0, len(x) - 1)]
    rows -= rows.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    rows /= np.where(norm > 0, norm, 1.0)
    template = np.partition(rows, len(rows) // 2, axis=0)[len(rows) // 2]
    template -= template.mean()
    size = np.sqrt(np.square(template).sum())
    return np.asarray((rows * (template / (size if size > 0 else 1.0))).sum(axis=1))


def rate_share(x: FloatArray, interval_s: float, rate_hz: float) -> float:
    """Share in [0, 1] of the power of the pulse ``x (n,)`` that lies within 20 % of the rate of its beats.

    Beats can be found in anything, and in motion a few look alike; a pulse, though, is a tone whose rate is that of its
    beats. The power is that under a Hann window over all of ``x``, from 0.4 to 8 Hz; ``interval_s`` is the usual
    interval of the beats found. Clean pulses give over 0.55, white noise under 0.25. 0 where there is no power.

    After the reasoning of Elgendi 2016, Bioengineering 3(4) 21 (a spectral signal quality index for pulse waves, there
    of two fixed bands); here the band is where the beats say it is, so that the two must agree.
    """
    spectrum = np.fft.rfft((x - x.mean()) * _hann(len(x)))
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    step = rate_hz / len(x)

    def within(low: float, high: float) -> float:
        return float(power[ceil(low / step) : floor(high / step) + 1].sum())

    total = within(*_PULSE_HZ)
    here = within(max((1 - _AT_RATE) / interval_s, _PULSE_HZ[0]), min((1 + _AT_RATE) / interval_s, _PULSE_HZ[1]))
    return here / total if total > 0 else 0.0


@lru_cache(maxsize=8)
def _hann(n: int) -> FloatArray:
    """Windows are of few lengths: each is made once."""
    window = np.hanning(n)
    window.flags.writeable = False
    return window
