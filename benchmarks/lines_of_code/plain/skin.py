"""Skin conductance of a window: level, slope and responses (trough to peak, Boucsein et al. 2012)."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfftfreq
from scipy.signal import argrelmax, argrelmin, fftconvolve


def block_means(x, rate, wanted):
    step = max(1, int(rate / wanted))
    return x[: len(x) // step * step].reshape(-1, step).mean(axis=1), rate / step


def slope(x, rate):
    return np.polyfit(np.arange(len(x)) / rate, x, 1)[0]


def tonic(x, rate, cut=0.05, half_s=25.0):
    half = round(half_s * rate)
    size = next_fast_len(8 * half + 64, real=True)
    response = 1 / (1 + (rfftfreq(size, 1 / rate) / cut) ** 4)
    kernel = np.roll(irfft(response, size), half)[: 2 * half + 1]
    return fftconvolve(np.pad(x, half, mode="edge"), kernel / kernel.sum(), "valid")


def responses(phasic, trace, floor=0.01):
    peaks, troughs = argrelmax(phasic)[0], argrelmin(phasic)[0]
    found = []
    for peak in peaks[peaks > troughs[0]] if len(troughs) else []:
        onset = troughs[troughs < peak][-1]
        amplitude = phasic[peak] - phasic[onset]
        if amplitude >= floor and trace[peak] - trace[onset] >= floor:
            after = troughs[troughs > peak]
            end = after[0] if len(after) else len(phasic) - 1
            below = phasic[peak : end + 1] <= phasic[peak] - amplitude / 2
            found.append((amplitude, peak - onset, below.argmax() if below[-1] else np.nan))
    return np.array(found).reshape(-1, 3)


def eda(x, rate):
    x, rate = block_means(x, rate, 4)
    level = tonic(x, rate)
    phasic = x - level
    amplitude, rise, recovery = responses(phasic, x).T
    some = len(amplitude) > 0
    recovery = recovery[np.isfinite(recovery)]
    return {
        "mean": x.mean(),
        "sd": x.std(ddof=1),
        "min": x.min(),
        "max": x.max(),
        "range": np.ptp(x),
        "slope": slope(x, rate),
        "mean_abs_diff": np.abs(np.diff(x)).mean() * rate,
        "tonic_mean": level.mean(),
        "tonic_sd": level.std(ddof=1),
        "tonic_slope": slope(level, rate),
        "phasic_sd": phasic.std(ddof=1),
        "phasic_max": phasic.max(),
        "phasic_area": np.maximum(phasic, 0).sum() / rate,
        "scr_count": len(amplitude),
        "scr_rate": 60 * rate * len(amplitude) / len(x),
        "scr_amplitude_mean": amplitude.mean() if some else 0.0,
        "scr_amplitude_sum": amplitude.sum(),
        "scr_amplitude_max": amplitude.max() if some else 0.0,
        "scr_rise_mean": rise.mean() / rate if some else np.nan,
        "scr_recovery_mean": recovery.mean() / rate if len(recovery) else np.nan,
    }
