"""What a minute of a wristband's signals says: heart, skin, warmth and movement as a row of numbers.

A row is a function of its window alone. What no signal tells is NaN, and the rest of the row stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.dsp import eda as skin
from moodal.dsp.beats import PPG, clean, find_beats, refine, template_match
from moodal.dsp.fir import filled, moving_mean
from moodal.dsp.hrv import tachogram
from moodal.dsp.intervals import LONGEST_S, SHORTEST_S, running_median

__all__ = ["FIELDS", "KINDS", "WINDOW_S", "measures", "part"]

#: Length of a window, s.
WINDOW_S = 60.0
#: What is measured of each kind of signal.
FIELDS: dict[str, tuple[str, ...]] = {
    "ppg": ("hr", "hr_sd", "hr_range", "hr_slope", "log_rmssd", "log_sdnn", "log_amplitude", "amplitude_cv", "rise",
            "width", "breath_hz", "breath_fast"),
    "hr": ("hr", "sd", "high", "slope"),
    "ibi": ("log_rmssd", "hr", "share"),
    "eda": ("log_level", "slope", "scr_rate", "log_scr", "log_phasic", "log_fast"),
    "temp": ("temp", "slope"),
    "acc": ("log_mad", "log_slow", "log_fast", "still", "turn"),
}  # fmt: skip
KINDS = tuple(FIELDS)
#: Share of a window that must hold values.
_SHARE = 0.5
#: Least valid intervals in a window, and how alike beats must be. A beat in motion is one among few: what it tells is
#: weighed by who reads it, so more is let through here than by `moodal.extract.body.cardiac`.
_LEAST_BEATS, _ALIKE = 8, 0.7
#: Heart rates that hearts have, 1/min, and how many of them in a window a device must have sent.
_RATES, _LEAST_RATES = (25.0, 230.0), 20
#: Least intervals that a device must have sent, and by how much one may miss the beat before and still follow it, s.
_LEAST_INTERVALS, _FOLLOWS_S = 8, 0.2
#: Below this no skin is touched, µS; skin is neither colder nor warmer, °C.
_CONTACT, _LIMITS = 0.03, (10.0, 45.0)
#: Breathing, Hz, and where it is fast.
_BREATH, _FAST = (0.1, 0.7), 0.33
#: The smallest numbers that logarithms are taken of: below the sensors' steps.
_TINY = 1e-4


def measures(signals: Mapping[str, tuple[FloatArray, float]]) -> dict[str, FloatArray | str]:
    """Of a window's ``signals`` (kind → samples ``(n, channels)`` in the units of `SIGNAL_KINDS`, rate in Hz) the
    numbers of each kind in the order of `FIELDS`, or the gap reason why it has none."""
    return {k: part(k, *signals[k]) if k in signals else "no_stream" for k in KINDS}


def part(kind: str, samples: FloatArray, rate_hz: float) -> FloatArray | str:
    """`measures` of one kind of signal."""
    if not len(samples):
        return "no_stream"
    x = np.asarray(samples, np.float64).reshape(len(samples), -1)
    if kind == "ibi":
        return _intervals(x[:, 0], rate_hz)
    good = np.asarray(np.isfinite(x).all(axis=1))
    if good.mean() < _SHARE:
        return "not_finite"
    whole = np.array(x)
    for k in range(x.shape[1]):
        whole[:, k] = filled(x[:, k], good)
    return _OF[kind](whole, rate_hz)


def _pulse(samples: FloatArray, rate: float) -> FloatArray | str:
    x = samples[:, 0]
    if np.ptp(x) == 0:
        return "flat"
    cleaned = clean(x - np.median(x), rate, PPG)
    # One size all along: a jerk of the arm must not hide the beats around it.
    even = cleaned / np.maximum(moving_mean(np.abs(cleaned), round(3 * rate) | 1), 1e-9)
    peaks, _ = find_beats(even, even, rate, PPG)
    if len(peaks) < _LEAST_BEATS:
        return "artefact"
    match = template_match(even, peaks, rate, PPG)
    at = refine(cleaned, peaks) / rate
    length = np.diff(at)
    alike = (match[1:] >= _ALIKE) & (match[:-1] >= _ALIKE)
    plausible = (length >= SHORTEST_S) & (length <= LONGEST_S) & alike
    if plausible.sum() < _LEAST_BEATS:
        return "artefact"
    usual = np.interp(np.arange(len(length)), np.flatnonzero(plausible), running_median(length[plausible]))
    valid = plausible & (np.abs(length - usual) <= 0.2 * usual)
    if valid.sum() < _LEAST_BEATS:
        return "artefact"
    nn, times = 1000 * length[valid], at[1:][valid]
    step = np.diff(1000 * length)[valid[1:] & valid[:-1]]
    hr = 60_000 / nn
    line = times - times.mean()
    slope = float((line * (hr - hr.mean())).sum() / (line * line).sum()) * 60
    rmssd = float(np.sqrt((step * step).mean())) if len(step) > 4 else np.nan
    shape = _shape(cleaned, peaks, valid, rate)
    breath = _breath(times, nn, shape)
    size = shape[:, 0]
    low, high = np.percentile(hr, [10, 90])
    return np.array([
        np.median(hr), hr.std(), high - low, slope, np.log(rmssd + 1), np.log(nn.std() + 1),
        np.log(np.median(size) + _TINY), size.std() / size.mean(), np.median(shape[:, 1]), np.median(shape[:, 2]),
        *breath,
    ])  # fmt: skip


def _shape(cleaned: FloatArray, peaks: npt.NDArray[np.int64], valid: npt.NDArray[np.bool_], rate: float) -> FloatArray:
    """Of each valid interval's beat: foot to peak, rise in s, width at half height in s ``(k, 3)``."""
    rows = []
    for (a, b), fine in zip(pairwise(peaks.tolist()), valid.tolist(), strict=True):
        if fine:
            foot = a + int(cleaned[a:b].argmin())
            height = max(cleaned[b] - cleaned[foot], 1e-9)
            above = cleaned[foot : min(len(cleaned), 2 * b - foot)] > cleaned[foot] + height / 2
            rows.append((height, (b - foot) / rate, above.sum() / rate))
    return np.array(rows)


def _breath(times: FloatArray, nn: FloatArray, shape: FloatArray) -> tuple[float, float]:
    """How fast breath modulates interval and amplitude, Hz, and the share of what is fast; 4 Hz, Hann window."""
    grid = np.arange(times[0], times[-1], 0.25)
    if len(grid) < 80:
        return np.nan, np.nan
    total = np.zeros(len(grid) // 2 + 1)
    for series in (nn, shape[:, 0]):
        x = tachogram(times, series, grid)
        t = np.arange(len(x)) - (len(x) - 1) / 2
        x = x - x.mean()
        x = x - (x * t).sum() / (t * t).sum() * t
        power = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
        total += power / max(power.sum(), 1e-12)
    f = np.fft.rfftfreq(len(grid), 0.25)
    inside = (f >= _BREATH[0]) & (f < _BREATH[1])
    p, f = total[inside], f[inside]
    return float((p * f).sum() / p.sum()), float(p[f >= _FAST].sum() / p.sum())


def _skin(samples: FloatArray, rate: float) -> FloatArray | str:
    x = samples[:, 0]
    step = max(1, int(rate / 4))
    if step > 1:
        x = x[: len(x) // step * step].reshape(-1, step).mean(axis=1)
        rate /= step
    if (x < _CONTACT).mean() > 0.5:
        return "no_contact"
    if np.ptp(x) == 0:
        return "flat"
    smooth = skin.smoothed(x, rate)
    phasic = smooth - skin.tonic(x, rate)
    found = skin.responses(phasic, smooth)
    t = (np.arange(len(x)) - (len(x) - 1) / 2) / rate
    level = float(np.median(x))
    return np.array([
        np.log(level + 0.01), (t * x).sum() / (t * t).sum() * 60, 60 * rate * len(found.amplitude) / len(x),
        np.log(found.amplitude.sum() + 0.01), np.log(phasic.std() + 1e-3), np.log(np.abs(np.diff(x)).mean() + _TINY),
    ])  # fmt: skip


def _warmth(samples: FloatArray, rate: float) -> FloatArray | str:
    x = samples[:, 0]
    if (x < _LIMITS[0]).mean() > 0.5 or (x > _LIMITS[1]).mean() > 0.5:
        return "out_of_range"
    t = (np.arange(len(x)) - (len(x) - 1) / 2) / rate
    return np.array([x.mean(), (t * x).sum() / (t * t).sum() * 60])


def _movement(samples: FloatArray, rate: float) -> FloatArray | str:
    if samples.shape[1] < 3:
        return "no_stream"
    xyz = samples[:, :3]
    if not xyz.any():
        return "flat"
    norm = np.sqrt(np.square(xyz).sum(axis=1))
    second = max(1, round(rate))
    whole = len(norm) // second * second
    rows = norm[:whole].reshape(-1, second)
    mad = np.abs(rows - rows.mean(axis=1, keepdims=True)).mean(axis=1)
    slow = moving_mean(norm, round(rate / 2) | 1)
    pull = xyz[:whole].reshape(-1, second, 3).mean(axis=1)
    turn = np.sqrt(np.square(np.diff(pull, axis=0)).sum(axis=1)).mean() if len(pull) > 1 else np.nan
    return np.array([
        np.log(mad.mean() + 1e-3), np.log(slow.std() + 1e-3), np.log((norm - slow).std() + 1e-3),
        (mad < 0.01).mean(), np.log(turn + 1e-3),
    ])  # fmt: skip


def _given(samples: FloatArray, rate: float) -> FloatArray | str:
    """A heart rate that the device computed."""
    hr = samples[:, 0]
    hr = hr[(hr >= _RATES[0]) & (hr <= _RATES[1])]
    if len(hr) < _LEAST_RATES:
        return "artefact"
    t = (np.arange(len(hr)) - (len(hr) - 1) / 2) / rate
    slope = (t * (hr - hr.mean())).sum() / (t * t).sum() * 60
    return np.array([np.median(hr), hr.std(), np.percentile(hr, 90), slope])


def _intervals(x: FloatArray, rate: float) -> FloatArray | str:
    """Intervals (s) that the device computed, each at the sample in which its last beat falls, NaN elsewhere."""
    at = np.flatnonzero(np.isfinite(x))
    length = x[at]
    if len(at) < _LEAST_INTERVALS:
        return "artefact"
    follows = np.abs(np.diff(at) / rate - length[1:]) <= _FOLLOWS_S
    step = np.diff(length)[follows]
    rmssd = np.log(1000 * np.sqrt((step * step).mean()) + 1) if len(step) > 4 else np.nan
    return np.array([rmssd, np.median(60 / np.maximum(length, 0.2)), length.sum() * rate / len(x)])


_OF = {"ppg": _pulse, "hr": _given, "eda": _skin, "temp": _warmth, "acc": _movement}
