"""Differential entropy, smoothing and asymmetry of EEG; recursive filters against SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from moodal.core.errors import UsageError
from moodal.dsp.eeg_entropy import (
    BAND_SETS,
    asymmetries,
    band_set,
    entropy,
    filtered_variances,
    front_back_pairs,
    side_pairs,
    spectral_variances,
)
from moodal.dsp.iir import Filter, butterworth, notch, zero_phase
from moodal.dsp.smoothing import ema, lds_causal, lds_offline, smoothed

RATE = 128.0
SEED = BAND_SETS["seed"]
METHODS = (spectral_variances, filtered_variances)


def noise(seconds: float, channels: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((round(seconds * RATE), channels))


# ---- filters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [125.0, 1000.0])
@pytest.mark.parametrize("order", [1, 2, 4, 5])
@pytest.mark.parametrize("band", [(0, 30), (1, 4), (0.5, 45), (31, 50), (1, np.inf)])
def test_butterworth_is_scipys(rate: float, order: int, band: tuple[float, float]) -> None:
    signal = pytest.importorskip("scipy.signal")
    low, high = band
    kind = "low" if low == 0 else "high" if high > rate else "band"
    edges = {"low": high, "high": low, "band": band}[kind]
    sos = signal.butter(order, edges, kind, fs=rate, output="sos")
    ours = butterworth(order, rate, low, high)
    w = np.linspace(0.01, 3.1, 300)
    assert_allclose(signal.sosfreqz(ours, w)[1], signal.sosfreqz(sos, w)[1], atol=1e-7)
    x = noise(6, 3) + 50
    want = signal.sosfilt(sos, x, axis=0, zi=signal.sosfilt_zi(sos)[:, :, None] * x[0])[0]
    running = Filter(ours)
    got = np.concatenate([running.push(part) for part in np.split(x, [1, 100, 333])])
    assert_allclose(got, want, atol=1e-6)
    both = signal.sosfiltfilt(sos, x, axis=0, padtype="odd", padlen=200)
    assert_allclose(zero_phase(x, ours, 200), both, atol=1e-6)


def test_notch_is_scipys() -> None:
    signal = pytest.importorskip("scipy.signal")
    b, a = signal.iirnotch(50, 30, fs=250)
    assert_allclose(notch(50, 250)[0], [*b, *a])


def test_no_band_is_one_line() -> None:
    for band in ((10, 5), (70, 90), (0, np.inf)):
        with pytest.raises(UsageError, match="is no band at 128 Hz"):
            butterworth(4, RATE, *band)


# ---- entropy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variances", METHODS)
def test_entropy_of_white_noise_is_the_formula(variances) -> None:
    """Noise of deviation s over a band of b Hz holds s² b / (rate / 2) of its variance."""
    s = 7.0
    told = variances(s * noise(600), RATE, SEED, 60.0)
    for k, (low, high) in enumerate(SEED.values()):
        want = 0.5 * np.log(2 * np.pi * np.e * s**2 * (high - low) / (RATE / 2))
        assert entropy(told[:, k].mean()) == pytest.approx(want, abs=0.02)


@pytest.mark.parametrize("variances", METHODS)
def test_scaling_shifts_entropy_by_the_logarithm(variances) -> None:
    x = noise(8)
    a, b = (entropy(variances(k * x, RATE, SEED)) for k in (1.0, 3.5))
    assert_allclose(b - a, np.log(3.5), atol=1e-9)


@pytest.mark.parametrize("variances", METHODS)
def test_a_tone_raises_its_band_alone(variances) -> None:
    x = noise(20, 1)
    t = np.arange(len(x)) / RATE
    rise = entropy(variances(x + 3 * np.sin(2 * np.pi * 10 * t)[:, None], RATE, SEED)) - entropy(
        variances(x, RATE, SEED)
    )
    typical = np.median(rise[2:, :, 0], axis=0)
    assert (rise[2:, 2] > 0.7).all()
    # The filters' skirts let a little of the tone into the neighbours; the spectrum's lines none.
    assert np.abs(np.delete(typical, 2)).max() < (1e-9 if variances is METHODS[0] else 0.3 * typical[2])


def test_the_variance_of_a_tone_is_half_its_square() -> None:
    t = np.arange(round(4 * RATE)) / RATE
    x = 20 * np.sin(2 * np.pi * 10 * t)[:, None] + 1000
    assert_allclose(spectral_variances(x, RATE, SEED)[:, 2, 0], 200, rtol=1e-9)
    assert_allclose(filtered_variances(x, RATE, SEED)[3, 2, 0], 200, rtol=0.02)


@pytest.mark.parametrize("variances", METHODS)
def test_the_past_does_not_change(variances) -> None:
    x = noise(12)
    other = np.concatenate([x[: round(5 * RATE)], 100 * noise(7, seed=1)])
    assert_allclose(variances(other, RATE, SEED)[:5], variances(x, RATE, SEED)[:5], rtol=1e-9)


def test_spectral_variances_of_a_batch_are_those_of_each() -> None:
    x = np.stack([noise(4, seed=k) for k in range(3)]).astype(np.float32)
    told = spectral_variances(x, RATE, SEED, 2.0)
    assert told.shape == (3, 2, 5, 4)
    assert told.dtype == np.float32
    for one, own in zip(told, x, strict=True):
        assert_allclose(one, spectral_variances(own.astype(float), RATE, SEED, 2.0), rtol=1e-3)


def test_long_windows_go_another_way_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise(8) + 300
    matrices = spectral_variances(x, RATE, SEED, 2.0)
    monkeypatch.setattr("moodal.dsp.eeg_entropy._LONGEST", 100)
    assert_allclose(spectral_variances(x, RATE, SEED, 2.0), matrices, rtol=1e-9)


def test_a_flat_channel_has_no_entropy() -> None:
    x = noise(3)
    x[:, 1] = 12.5
    told = entropy(spectral_variances(x, RATE, SEED))
    # What rounding leaves of a constant is no signal either.
    assert (np.isnan(told[..., 1]) | (told[..., 1] < -20)).all()
    assert np.isfinite(told[..., [0, 2, 3]]).all()


def test_bands_that_cannot_be_are_one_line() -> None:
    for bands, rate, says in (
        ("sead", RATE, "unknown set of bands 'sead'"), ("seed", 80.0, "gamma ends at 50 Hz, but 80 Hz hold nothing"),
        ({"a": [8, 4]}, RATE, r"a is \[8, 4\]"), ({}, RATE, "no band is named"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            band_set(bands, rate)
    with pytest.raises(UsageError, match=r"has no line between 1 and 1\.2 Hz"):
        spectral_variances(noise(2), RATE, {"narrow": (1.0, 1.2)}, 0.5)


# ---- asymmetries ----------------------------------------------------------------------------------------------------


def test_swapped_hemispheres_turn_the_sign() -> None:
    names = ["Fp1", "Fp2", "EEG T3-REF", "EEG T4-REF", "Pz", "O1"]
    de = entropy(spectral_variances(noise(40, 6) * np.array([1, 2, 3, 5, 6, 7]), RATE, SEED))
    told, fields = asymmetries(de, names)
    assert fields == ["dasm_Fp1_Fp2", "dasm_EEG T3-REF_EEG T4-REF"]  # O1 has no partner and is left out by name
    swapped, same = asymmetries(de[..., [1, 0, 3, 2, 4, 5]], names)
    assert same == fields
    assert_allclose(swapped, -told)
    assert (told.mean(axis=0) < 0).all()
    ratio, _ = asymmetries(de, names, ["rasm"])
    sound = np.abs(de[..., 1]) > 0.1
    assert_allclose(ratio[..., 0][sound], (de[..., 0] / de[..., 1])[sound])
    front, fields = asymmetries(de, names, ["dcau"])
    assert fields == ["dcau_Fp1_O1"]
    assert_allclose(front[..., 0], de[..., 0] - de[..., 5])
    with pytest.raises(UsageError, match="no pair of electrodes among Cz, Pz"):
        asymmetries(de[..., :2], ["Cz", "Pz"])
    with pytest.raises(UsageError, match="unknown asymmetry 'dosm'"):
        asymmetries(de, names, ["dosm"])
    near = np.array([[2.0, 0.05]])
    assert np.isnan(asymmetries(near, ["F3", "F4"], ["rasm"])[0]).all()


# ---- smoothing ------------------------------------------------------------------------------------------------------


def test_causal_smoothing_does_not_change_its_past_and_offline_does() -> None:
    x = np.random.default_rng(0).standard_normal((60, 3)) + np.array([0, 5, 9])
    for f in (lds_causal, lambda x: ema(x, 5.0)):
        assert_allclose(f(x)[:30], f(x[:30]))
    assert np.abs(lds_offline(x)[:30] - lds_offline(x[:30])).max() > 1e-3
    assert smoothed(x, "none") is x
    assert_allclose(smoothed(x, "lds-offline"), lds_offline(x))


def test_lds_is_the_kalman_smoother() -> None:
    """Against the solution of the whole system at once: the posterior mean of a random walk seen through noise."""
    x = np.random.default_rng(1).standard_normal((40, 2)) + 3
    n = len(x)
    at = np.minimum.outer(np.arange(n), np.arange(n))
    prior = 0.01 + 1e-4 * at
    mean = x.mean(axis=0)
    want = mean + prior @ np.linalg.solve(prior + np.eye(n), x - mean)
    assert_allclose(lds_offline(x), want, rtol=1e-9)
    last = x[0] + (prior @ np.linalg.solve(prior + np.eye(n), x - x[0]))[-1]
    assert_allclose(lds_causal(x)[-1], last, rtol=1e-9)


def test_smoothing_passes_over_what_is_not_finite() -> None:
    x = np.ones((20, 1))
    x[5:9] = np.nan
    for how in ("ema", "lds-causal", "lds-offline"):
        assert_allclose(smoothed(x, how), 1.0)


# ---- the maker ------------------------------------------------------------------------------------------------------


def data(lengths: list[float], channels: tuple[str, ...] = ("F3", "F4", "Cz"), trials: list[str] | None = None):
    from moodal.lab.data import Dataset, Feature, people

    base = people(2, len(lengths) // 2, modalities=["face"]).index
    if trials:
        base = base.with_columns(trial=trials, subject=trials, session=trials)
    values = [noise(s, len(channels), seed=k) * 10 if s else None for k, s in enumerate(lengths)]
    return Dataset(base, {"eeg": Feature.build("eeg", values, fields=channels, rate_hz=RATE, source="made")})


def made(held, tmp_path: Path, use: str = "eeg-de", **settings):
    from moodal.lab.data import Cache
    from moodal.lab.data.features import make
    from moodal.lab.recipes import FeaturePart

    return make(held, "eeg", FeaturePart(use, settings), Cache(tmp_path))


@pytest.mark.parametrize("method", ["spectral", "filter"])
def test_the_maker_tells_a_row_a_step(tmp_path: Path, method: str) -> None:
    x = data([3.0, 5.5, 0.0, 3.0, 5.5, 0.4])
    told = made(x, tmp_path, method=method)
    assert told.lengths.tolist() == [3, 5, 0, 3, 5, 0]
    assert told.fields[:4] == ("delta_F3", "delta_F4", "delta_Cz", "theta_F3")
    assert told.rate_hz == 1.0
    variances = METHODS[method == "filter"]
    for i in (0, 1, 3, 4):
        want = entropy(variances(x.features["eeg"][i].astype(float), RATE, SEED))
        assert_allclose(told[i], want.reshape(len(want), -1), atol=2e-4)


def test_the_maker_smooths_an_example_or_a_trial(tmp_path: Path) -> None:
    x = data([4.0] * 4, trials=["a", "a", "b", "b"])
    plain, alone = made(x, tmp_path), made(x, tmp_path, smooth="lds-causal")
    assert_allclose(alone[1], lds_causal(plain[1]), atol=1e-5)
    trial = made(x, tmp_path, smooth="lds-causal", over="trial")
    assert_allclose(trial[1], lds_causal(np.concatenate([plain[0], plain[1]]))[4:], atol=1e-5)
    with pytest.warns(UserWarning, match="looks into the future"):
        late = made(x, tmp_path, smooth="lds-offline")
    assert "NONCAUSAL" in late.source
    assert "NONCAUSAL" not in alone.source


def test_settings_that_are_none_are_one_line(tmp_path: Path) -> None:
    x = data([4.0] * 2)
    for settings, says in (
        ({"smooth": "lds"}, "smooth is 'lds'"), ({"method": "fft"}, "method is 'fft'"), ({"over": "all"}, "over is"),
        ({"bands": "sead"}, "unknown set of bands"), ({"step_s": 0.005}, "less than two samples"),
        ({"smooth": "ema", "over": "trial"}, "has no trial"), ({"of": "ecg"}, "has no modality 'ecg'"),
    ):  # fmt: skip
        lacking = data([4.0] * 2, trials=["", ""]) if "over" in settings else x
        with pytest.raises(UsageError, match=says):
            made(lacking, tmp_path, **settings)


def test_seeds_cap_has_its_published_pairs() -> None:
    names = seed_cap()
    assert len(names) == 62
    assert len(side_pairs(names)) == 27
    assert len(front_back_pairs(names)) == 23


def seed_cap() -> list[str]:
    rows = ("FP1 FPZ FP2 AF3 AF4", "F7 F5 F3 F1 FZ F2 F4 F6 F8", "FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8",
            "T7 C5 C3 C1 CZ C2 C4 C6 T8", "TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8", "P7 P5 P3 P1 PZ P2 P4 P6 P8",
            "PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1 O1 OZ O2 CB2")  # fmt: skip
    return " ".join(rows).split()
