"""Definitions held against NeuroKit2, an oracle that was written by others: variability, skin responses, breath."""

from __future__ import annotations

import numpy as np
import pytest

import signals
from moodal.dsp import eda, hrv
from test_body import measured

nk = pytest.importorskip("neurokit2")


def intervals(seed: int, n: int = 400) -> np.ndarray:
    """Beat intervals in whole ms: breathing, a slow wave, and chance with a memory."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) * 0.85
    slow = np.convolve(rng.normal(size=n + 20), np.hanning(21), "valid")
    x = 850 + 35 * np.sin(2 * np.pi * 0.25 * t) + 25 * np.sin(2 * np.pi * 0.09 * t) + 8 * slow + 10 * rng.normal(size=n)
    return np.round(x)


def peaks_of(x: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(x)]).astype(int)  # at 1000 Hz


@pytest.mark.parametrize("seed", range(4))
def test_variability_in_time_is_theirs(seed: int) -> None:
    x = intervals(seed)
    ours = hrv.time_domain(x)
    theirs = nk.hrv_time(peaks_of(x), 1000).iloc[0]
    for own, name in (("meannn", "MeanNN"), ("sdnn", "SDNN"), ("rmssd", "RMSSD")):
        assert ours[own] == pytest.approx(theirs[f"HRV_{name}"], rel=1e-6)
    # They divide by the number of intervals, the Task Force by that of differences.
    assert ours["pnn50"] == pytest.approx(theirs["HRV_pNN50"] * len(x) / (len(x) - 1), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_poincare_plot_is_theirs(seed: int) -> None:
    x = intervals(seed)
    ours = hrv.time_domain(x)
    theirs = nk.hrv_nonlinear(peaks_of(x), 1000).iloc[0]
    assert ours["sd1"] == pytest.approx(theirs["HRV_SD1"], rel=1e-6)
    # SD2 by Brennan's identity, which holds up to the first and last interval.
    assert ours["sd2"] == pytest.approx(theirs["HRV_SD2"], rel=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_sample_entropy_is_theirs(seed: int) -> None:
    x = intervals(seed, 300)
    theirs, _ = nk.entropy_sample(x, dimension=2, tolerance=0.2 * np.std(x, ddof=1))
    # They leave the last vector out of the shorter ones by another count: a pair in many thousands.
    assert hrv.sample_entropy(x) == pytest.approx(float(theirs), abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_the_short_scaling_exponent_is_theirs(seed: int) -> None:
    x = intervals(seed)
    theirs, _ = nk.fractal_dfa(x, scale=np.arange(4, 17), overlap=False)
    assert hrv.dfa_alpha1(x) == pytest.approx(float(theirs), abs=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_power_in_bands_is_theirs(seed: int) -> None:
    """Another window and another interpolation: of the same size, and in the same order."""
    x = intervals(seed)
    times = np.cumsum(x) / 1000
    grid = np.arange(times[0], times[-1], 1 / hrv.RATE_HZ)
    lf, hf = hrv.band_powers(hrv.tachogram(times, x, grid)[None])[0]
    theirs = nk.hrv_frequency(peaks_of(x), 1000, normalize=False, psd_method="welch").iloc[0]
    whole = hrv.tachogram(times, x, grid)
    f = np.fft.rfftfreq(len(whole), 1 / 4)
    power = 2 * np.abs(np.fft.rfft(whole - whole.mean())) ** 2 / len(whole) ** 2
    for own, (low, high), name in ((lf, (0.04, 0.15), "LF"), (hf, (0.15, 0.4), "HF")):
        assert own == pytest.approx(power[(f >= low) & (f < high)].sum(), rel=0.25)  # Parseval
        scale = theirs["HRV_HF"] / hf
        assert theirs[f"HRV_{name}"] / scale == pytest.approx(own, rel=0.35)


@pytest.mark.parametrize(("rate", "seed"), [(8, 0), (50, 1), (100, 2)])
def test_responses_of_skin_are_as_large_and_as_long_as_theirs(rate: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    onsets = tuple(np.cumsum(rng.uniform(14, 20, 8)).tolist())
    x = signals.eda(180, float(rate), onsets=onsets, size=0.6)
    phasic = eda.smoothed(x - eda.tonic(x, float(rate)), float(rate))
    ours = eda.responses(phasic, 0.1)
    told = nk.eda_peaks(phasic, rate, amplitude_min=0.2)[1]
    theirs = {k: np.asarray(told[f"SCR_{k}"], float) for k in ("Peaks", "Onsets", "Amplitude", "RecoveryTime")}
    assert len(ours.peak) == len(onsets)
    same = [(i, j) for i, a in enumerate(ours.peak) for j, b in enumerate(theirs["Peaks"]) if abs(a - b) <= 0.3 * rate]
    assert len(same) >= len(onsets) - 1
    for i, j in same:
        assert ours.amplitude[i] == pytest.approx(theirs["Amplitude"][j], rel=0.05)
        assert abs(ours.onset[i] - theirs["Onsets"][j]) <= 0.5 * rate
        if ours.recovery[i] >= 0 and np.isfinite(theirs["RecoveryTime"][j]):
            assert abs((ours.recovery[i] - ours.peak[i]) / rate - theirs["RecoveryTime"][j]) < 0.5


@pytest.mark.parametrize("level", ["highpass"])
@pytest.mark.parametrize("rate", [8, 50])
def test_the_level_of_skin_is_what_their_filter_leaves(rate: int, level: str) -> None:
    x = signals.eda(240, float(rate), onsets=(30, 70, 110, 150, 200), size=0.5)
    theirs = nk.eda_phasic(x, rate, method=level)["EDA_Tonic"].to_numpy()
    inner = slice(40 * rate, -40 * rate)
    assert np.abs(eda.tonic(x, float(rate))[inner] - theirs[inner]).max() < 0.03


@pytest.mark.parametrize("breaths", [9.0, 14.0, 22.0])
def test_the_rate_of_breath_is_theirs_and_the_truth(breaths: float) -> None:
    x = signals.resp(120, 25.0, breaths=breaths)
    ours = measured("resp", "resp", x, 25.0)["body.resp"]["rate"]
    cleaned = nk.rsp_clean(x, 25)
    theirs = nk.rsp_rate(cleaned, nk.rsp_peaks(cleaned, 25)[1], sampling_rate=25)
    assert np.median(ours) == pytest.approx(breaths, rel=0.02)
    assert np.median(ours) == pytest.approx(float(np.median(theirs)), rel=0.03)
