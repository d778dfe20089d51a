"""Heart rate variability of an ECG window: beats (Elgendi 2013), normal intervals, time, spectrum, entropy."""

import numpy as np
import pandas as pd
from scipy.interpolate import CubicHermiteSpline
from scipy.ndimage import median_filter
from scipy.signal import fftconvolve, firwin, periodogram


def band_pass(x, low, high, rate, half_s):
    half = round(half_s * rate)
    kernel = firwin(2 * half + 1, high, fs=rate) - firwin(2 * half + 1, low, fs=rate)
    return fftconvolve(np.pad(x, half, mode="edge"), kernel, "valid")


def rolling_mean(x, width):
    return pd.Series(x).rolling(width, center=True, min_periods=1).mean().to_numpy()


def find_beats(x, rate):
    clean = band_pass(x, 0.5, min(40.0, 0.45 * rate), rate, 2.0)
    if abs(clean.min()) > 1.5 * abs(clean.max()):
        clean = -clean
    energy = band_pass(x, 8.0, 20.0, rate, 0.25) ** 2
    short = round(0.097 * rate) | 1
    level = rolling_mean(energy, short)
    on = level > rolling_mean(energy, round(0.611 * rate) | 1) + 0.08 * energy.mean()
    edges = np.flatnonzero(np.diff(np.r_[False, on, False]))
    blocks = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= short]
    peaks = np.array([a + clean[a:b].argmax() for a, b in blocks])
    heights = np.sqrt([level[a:b].max() for a, b in blocks])
    large = heights >= 0.3 * np.sort(heights)[int(0.75 * len(heights))]
    peaks, heights = peaks[large], heights[large]
    while len(close := np.flatnonzero(np.diff(peaks) < round(0.3 * rate))):
        k = close[0]
        drop = k if heights[k] < heights[k + 1] else k + 1
        peaks, heights = np.delete(peaks, drop), np.delete(heights, drop)
    a, b, c = clean[peaks - 1], clean[peaks], clean[np.minimum(peaks + 1, len(clean) - 1)]
    return peaks + np.clip(0.5 * (a - c) / (a - 2 * b + c), -0.5, 0.5)


def sample_entropy(x, m=2, tolerance=0.2):
    n = len(x)
    if n < 20:
        return np.nan
    near = np.abs(x[:, None] - x[None, :]) <= tolerance * x.std(ddof=1)
    alike = near[: n - m, : n - m] & near[1 : n - m + 1, 1 : n - m + 1]
    longer = alike & near[m:, m:]
    short, long = alike.sum() - (n - m), longer.sum() - (n - m)
    return -np.log(long / short) if short > 0 and long > 0 else np.nan


def dfa_alpha1(x):
    if len(x) < 64:
        return np.nan
    profile, sizes, fluctuations = np.cumsum(x - x.mean()), range(4, 17), []
    for size in sizes:
        rows = profile[: len(x) // size * size].reshape(-1, size)
        t = np.arange(size)
        slope, level = np.polyfit(t, rows.T, 1)
        rest = rows - slope[:, None] * t - level[:, None]
        fluctuations.append(np.sqrt((rest**2).mean()))
    return np.polyfit(np.log(sizes), np.log(fluctuations), 1)[0]


def hrv(x, rate):
    beats = find_beats(x, rate) / rate
    nn = np.diff(beats)
    median = median_filter(nn, 11, mode="mirror")
    normal = (nn >= 60 / 220) & (nn <= 2.4) & (np.abs(nn - median) <= 0.2 * median)
    nn *= 1000
    good, steps = nn[normal], np.diff(nn)[normal[1:] & normal[:-1]]
    heart = 60000 / good
    sdnn, rmssd = good.std(ddof=1), np.sqrt((steps**2).mean())
    sd1 = np.sqrt(steps.var(ddof=1) / 2)
    sd2 = np.sqrt(max(2 * sdnn**2 - sd1**2, 0))
    ends = beats[1:][normal]
    slope = np.gradient(good)
    slope[1:-1] = (good[2:] - good[:-2]) / (ends[2:] - ends[:-2])
    slope[[0, -1]] = np.diff(good)[[0, -1]] / np.diff(ends)[[0, -1]]
    tachogram = CubicHermiteSpline(ends, good, slope)(np.arange(ends[0], ends[-1], 0.25))
    f, power = periodogram(tachogram, 4.0, np.hanning(len(tachogram)), detrend="linear")
    hf = power[(f >= 0.15) & (f < 0.4)].sum() * f[1]
    return {
        "hr_mean": heart.mean(),
        "hr_sd": heart.std(ddof=1),
        "hr_min": heart.min(),
        "hr_max": heart.max(),
        "meannn": good.mean(),
        "mediannn": np.median(good),
        "iqrnn": np.subtract(*np.percentile(good, [75, 25])),
        "sdnn": sdnn,
        "rmssd": rmssd,
        "pnn20": 100 * (np.abs(steps) > 20).mean(),
        "pnn50": 100 * (np.abs(steps) > 50).mean(),
        "cvnn": sdnn / good.mean(),
        "cvsd": rmssd / good.mean(),
        "sd1": sd1,
        "sd2": sd2,
        "sd1_sd2": sd1 / sd2,
        "hf": hf,
        "sample_entropy": sample_entropy(good),
        "dfa_alpha1": dfa_alpha1(good),
        "beats": len(beats),
        "normal_share": normal.mean(),
    }
