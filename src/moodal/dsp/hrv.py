"""Heart rate variability of beat intervals: in time, in frequency, and non-linear.

Definitions of the Task Force of the ESC and NASPE 1996, Circulation 93(5), 1043-1065, where no other is named.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

__all__ = [
    "BANDS",
    "RATE_HZ",
    "TIME_FIELDS",
    "band_powers",
    "dfa_alpha1",
    "sample_entropy",
    "tachogram",
    "time_domain",
    "windowed_time_domain",
]

#: Fields of the time domain (ms, %) and of the Poincaré plot (ms).
TIME_FIELDS = ("meannn", "sdnn", "rmssd", "pnn50", "sd1", "sd2")
#: Bands of the spectrum, Hz.
BANDS = {"lf": (0.04, 0.15), "hf": (0.15, 0.4)}
#: Rate at which intervals are drawn as a signal for the spectrum, Hz.
RATE_HZ = 4.0


def time_domain(intervals: FloatArray, normal: npt.NDArray[np.bool_] | None = None) -> dict[str, float]:
    """The fields `TIME_FIELDS` of ``intervals (n,)`` in ms; NaN where there are too few.

    Only ``normal (n,)`` intervals count, and differences between two that follow each other. ``sdnn`` is a sample
    standard deviation; ``sd1`` and ``sd2`` are those across and along the Poincaré plot (Brennan et al. 2001, IEEE
    Trans. Biomed. Eng. 48(11), 1342-1347: SD1² = var(diff) / 2, SD2² = 2 SDNN² - SD1²).
    """
    normal = np.ones(len(intervals), bool) if normal is None else normal
    n = len(intervals)
    rows = windowed_time_domain(np.asarray(intervals, float), normal, np.array([0]), np.array([n]))
    return dict(zip(TIME_FIELDS, rows[0].tolist(), strict=True))


def windowed_time_domain(
    intervals: FloatArray,
    normal: npt.NDArray[np.bool_],
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
) -> FloatArray:
    """`time_domain` of intervals ``[first[i], last[i])`` for each of m windows at once: ``(m, 6)``."""
    centre = float(intervals.mean()) if len(intervals) else 0.0
    x = np.where(normal, intervals - centre, 0.0)
    pair = np.append(False, normal[1:] & normal[:-1])[: len(intervals)]
    step = np.where(pair, np.diff(intervals, prepend=intervals[:1]), 0.0)

    def over(values: FloatArray, a: npt.NDArray[np.int64]) -> FloatArray:
        total = np.concatenate([[0.0], np.cumsum(values)])
        return np.asarray(total[last] - total[np.minimum(a, last)])

    n, sums, squares = over(normal.astype(float), first), over(x, first), over(x * x, first)
    # The difference that ends at a window's first interval begins before it.
    m, d, dd = over(pair.astype(float), first + 1), over(step, first + 1), over(step * step, first + 1)
    far = over((np.abs(step) > 50.0).astype(float), first + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums / n
        var = np.maximum(squares - n * mean * mean, 0.0) / (n - 1)
        dvar = np.maximum(dd - d * d / m, 0.0) / (m - 1)
        rows = np.stack(
            [
                np.where(n >= 1, centre + mean, np.nan),
                np.where(n >= 2, np.sqrt(var), np.nan),
                np.where(m >= 1, np.sqrt(dd / m), np.nan),
                np.where(m >= 1, 100 * far / m, np.nan),
                np.where(m >= 2, np.sqrt(dvar / 2), np.nan),
                np.where((n >= 3) & (m >= 2), np.sqrt(np.maximum(2 * var - dvar / 2, 0.0)), np.nan),
            ],
            axis=1,
        )
    return np.asarray(rows)


def tachogram(times: FloatArray, intervals: FloatArray, grid: FloatArray) -> FloatArray:
    """Intervals ``(n,)`` ms, each at the beat that ends it ``times (n,)`` s, drawn at ``grid (m,)`` s: ``(m,)``.

    Cubic Hermite with Catmull-Rom slopes; before the first and after the last the nearest value holds.
    """
    n = len(times)
    if n < 2:
        return np.full(len(grid), intervals[0] if n else np.nan)
    slope = np.empty(n)
    slope[1:-1] = (intervals[2:] - intervals[:-2]) / (times[2:] - times[:-2])
    slope[0] = (intervals[1] - intervals[0]) / (times[1] - times[0])
    slope[-1] = (intervals[-1] - intervals[-2]) / (times[-1] - times[-2])
    at = np.clip(grid, times[0], times[-1])
    i = np.clip(np.searchsorted(times, at, side="right") - 1, 0, n - 2)
    h = times[i + 1] - times[i]
    u = (at - times[i]) / h
    v = u - 1
    return np.asarray(
        (1 + 2 * u) * v * v * intervals[i]
        + u * v * v * h * slope[i]
        + u * u * (1 - 2 * v) * intervals[i + 1]
        + u * u * v * h * slope[i + 1]
    )


def band_powers(rows: FloatArray, rate_hz: float = RATE_HZ) -> FloatArray:
    """Power in `BANDS` of each row of ``rows (m, n)`` in ms: ``(m, 2)`` ms², LF then HF.

    A line is taken off each row, a Hann window laid over it, and its periodogram summed over the band (Welch 1967,
    IEEE Trans. Audio Electroacoust. 15(2), 70-73, with one segment: what a window of 2 to 5 minutes allows).
    """
    n = rows.shape[1]
    t = np.arange(n) - (n - 1) / 2
    level = rows - rows.mean(axis=1, keepdims=True)
    slope = (level * t).sum(axis=1, keepdims=True) / (t * t).sum()
    window = np.hanning(n)
    spectrum = np.abs(np.fft.rfft((level - slope * t) * window, axis=1)) ** 2
    density = 2 * spectrum / (rate_hz * (window * window).sum())
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    powers = [density[:, (f >= low) & (f < high)].sum(axis=1) for low, high in BANDS.values()]
    return np.asarray(np.stack(powers, axis=1) * rate_hz / n)


def sample_entropy(x: FloatArray, m: int = 2, tolerance: float = 0.2) -> float:
    """Sample entropy of ``x (n,)`` (no unit); NaN for under 20 values or where nothing matches.

    Richman & Moorman 2000, Am. J. Physiol. 278(6), H2039-H2049: minus the logarithm of the share of pairs alike for
    ``m`` values (within ``tolerance`` standard deviations, Chebyshev) that stay alike for one more.
    """
    n = len(x)
    if n < 20:
        return float("nan")
    near = np.abs(x[:, None] - x[None, :]) <= tolerance * np.std(x, ddof=1)
    alike = near[: n - m, : n - m].copy()
    for lag in range(1, m):
        alike &= near[lag : n - m + lag, lag : n - m + lag]
    longer = alike & near[m:, m:]
    short, long = int(alike.sum()) - (n - m), int(longer.sum()) - (n - m)
    return float(-np.log(long / short)) if short > 0 and long > 0 else float("nan")


def dfa_alpha1(x: FloatArray, sizes: tuple[int, ...] = tuple(range(4, 17))) -> float:
    """Short-term scaling exponent of detrended fluctuations of ``x (n,)``; NaN for under 64 values.

    Peng et al. 1995, Chaos 5(1), 82-87: slope of log fluctuation over log window of 4 to 16 beats.
    """
    n = len(x)
    if n < 64:
        return float("nan")
    profile = np.cumsum(x - x.mean())
    logs = []
    for size in sizes:
        rows = profile[: n // size * size].reshape(-1, size)
        t = np.arange(size) - (size - 1) / 2
        rows = rows - rows.mean(axis=1, keepdims=True)
        rest = rows - ((rows * t).sum(axis=1, keepdims=True) / (t * t).sum()) * t
        logs.append(0.5 * np.log(max(float(np.square(rest).mean()), 1e-300)))
    u, v = np.log(sizes), np.array(logs)
    u = u - u.mean()
    return float((u * (v - v.mean())).sum() / (u * u).sum())
