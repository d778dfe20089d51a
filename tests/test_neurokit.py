"""Definitions held against NeuroKit2, an oracle that was written by others: heart, skin, breath, muscle."""

from __future__ import annotations

import numpy as np
import pytest

import signals
from moodal.dsp import eda, hrv
from moodal.extract.body.wrist import FIELDS, part
from moodal.lab.data.hand import GROUPS
from moodal.lab.data.raw import Signal
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
    trace = eda.smoothed(x, float(rate))
    phasic = trace - eda.tonic(x, float(rate))
    ours = eda.responses(phasic, trace, 0.1)
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


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", ["sinusoidal", "breathmetrics"])
def test_depth_and_phases_of_breath_are_theirs(method: str, seed: int) -> None:
    x = np.asarray(nk.rsp_simulate(150, sampling_rate=50, respiratory_rate=13 + 2 * seed, method=method, noise=0.01,
                                   random_state=seed))  # fmt: skip
    cleaned = nk.rsp_clean(x, 50)
    _, found = nk.rsp_peaks(cleaned, 50)
    ours = measured("resp", "resp", x, 50.0)["body.resp"]
    inner = (ours.times > 10) & (ours.times < 140)
    depth = nk.rsp_amplitude(cleaned, found)[((ours.times + 0.5) * 50).astype(int).clip(0, len(x) - 1)]
    assert np.median(ours["depth"][inner] / depth[inner]) == pytest.approx(1, abs=0.02)
    told = GROUPS["resp.basic"].function()(Signal("resp", "resp", x[:, None], 50.0))
    peaks, troughs = np.asarray(found["RSP_Peaks"]), np.asarray(found["RSP_Troughs"])
    # They leave the first or last breath out where the recording cuts it.
    assert abs(told["breaths"] - (len(peaks) - 1)) <= 2
    out = np.array([troughs[troughs > p][0] - p for p in peaks if (troughs > p).any()]) / 50
    into = np.array([peaks[peaks > t][0] - t for t in troughs if (peaks > t).any()]) / 50
    assert told["exhale_mean"] == pytest.approx(out.mean(), abs=0.05)
    assert told["inhale_mean"] == pytest.approx(into.mean(), abs=0.05)
    assert told["rate_mean"] == pytest.approx((3000 / np.diff(peaks)).mean(), rel=0.01)
    assert told["length_rmssd"] == pytest.approx(np.sqrt(np.square(np.diff(peaks, 2) / 50).mean()), abs=0.08)


@pytest.mark.parametrize("rate", [500, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_muscle_is_as_strong_and_begins_and_ends_where_theirs_does(rate: int, seed: int) -> None:
    x = nk.emg_simulate(20, sampling_rate=rate, burst_number=4, burst_duration=1.2, noise=0.03, random_state=seed)
    x = 200 * np.asarray(x)
    ours = measured("emg", "emg", x, float(rate))["body.emg"]
    band = nk.signal_filter(x, rate, lowcut=20, highcut=min(450, 0.45 * rate), order=4)
    rms = np.sqrt(np.square(band).reshape(-1, rate // 10).mean(axis=1))
    busy = rms > np.percentile(rms, 80)
    assert np.abs(ours["envelope"][busy] / rms[busy] - 1).max() < 0.06
    assert np.median(ours["envelope"][busy] / rms[busy]) == pytest.approx(1, abs=0.02)
    cleaned = nk.emg_clean(x, rate)
    _, found = nk.emg_activation(nk.emg_amplitude(cleaned), emg_cleaned=cleaned, sampling_rate=rate)
    up = np.concatenate([[0], (ours["envelope"] > 0.1 * ours["envelope"].max()).astype(int), [0]])
    edges = np.append(ours.times, ours.times[-1] + 0.1)
    # A cell is a tenth of a second.
    np.testing.assert_allclose(edges[np.diff(up) == 1], np.asarray(found["EMG_Onsets"]) / rate, atol=0.15)
    np.testing.assert_allclose(edges[np.diff(up) == -1], np.asarray(found["EMG_Offsets"]) / rate, atol=0.15)
    told = GROUPS["emg.basic"].function()(Signal("emg", "emg", x[:, None], float(rate)))
    assert told["bursts"] * 20 / 60 == pytest.approx(len(found["EMG_Onsets"]))
    assert told["rms"] == pytest.approx(np.sqrt(np.square(band).mean()), rel=0.02)


@pytest.mark.parametrize("size", [1.0, 3.0])
def test_no_feature_counts_the_echo_of_a_large_response(size: float) -> None:
    """The filter that takes the level away rings; they hide that by a threshold of a tenth of the largest."""
    x = signals.eda(60, onsets=(25,), size=size)
    told = GROUPS["eda.basic"].function()(Signal("eda", "eda", x[:, None], 4.0))
    phasic = nk.eda_phasic(x, 4, method="highpass")["EDA_Phasic"].to_numpy()
    assert told["scr_count"] == len(nk.eda_peaks(phasic, 4, amplitude_min=0.2)[1]["SCR_Peaks"]) == 1
    assert told["scr_amplitude_sum"] == pytest.approx(size, rel=0.15)
    wrist = dict(zip(FIELDS["eda"], part("eda", x[:, None], 4.0), strict=True))
    assert wrist["scr_rate"] == pytest.approx(1)
    assert np.exp(wrist["log_scr"]) == pytest.approx(size, rel=0.15)
