"""Places, cleaning and connectivity of EEG, against MNE and SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import signals
from moodal.core.errors import UsageError
from moodal.dsp.eeg_clean import bad_channels, blinks, mains, repaired, rereferenced, without_blinks
from moodal.dsp.eeg_connect import MEASURES, analytic, connectivity, hjorth, welch
from moodal.dsp.eeg_places import PLACES, POSITIONS, pair, position, reference, spherical
from moodal.dsp.iir import Filter, butterworth, zero_phase

RATE = 128.0
NAMES = list(POSITIONS)


def scalp(seconds: float = 20, seed: int = 0, rate: float = RATE) -> np.ndarray:
    """Six smooth sources seen by all of the 19 electrodes, and a little noise of each, µV."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    centres = rng.standard_normal((6, 3)) + np.array([0, 0, 1])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    at = np.array([PLACES[n] for n in NAMES])
    mix = np.exp(2 * (at @ centres.T - 1))
    source = zero_phase(rng.standard_normal((n, 6)), butterworth(2, rate, 1, 30))
    return 30 * source @ mix.T + 0.5 * rng.standard_normal((n, 19))


# ---- places ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelt", "meant"),
    [("EEG T3-REF", "T7"), ("POL T5", "P7"), ("fcz", "FCz"), ("T7/T3", "T7"), ("Fp1/Fp2", None), ("FC5.", "FC5"),
     ("C3-M2", "C3"), ("EEGFp1", "Fp1"), ("Pz", "Pz"), ("POz", "POz"), ("POL PO7", "PO7"), ("AFF1h", "AFF1h"),
     ("M1", None), ("Fpz-Cz", None), ("Chan Cz", "Cz"), ("Polar", None), ("EEG", None), ("CB2", "CB2")],
)  # fmt: skip
def test_names(spelt: str, meant: str | None) -> None:
    assert position(spelt) == meant


def test_pairs_and_references() -> None:
    assert pair("EEG Fpz-Cz") == ("Fpz", "Cz")
    assert pair("F7-T3") == ("F7", "T7")
    assert pair("C3-A2") is None
    assert reference("EEG A2") == "a2"
    assert reference("Cz") is None
    middle = spherical("EEG Pz-Oz")
    assert middle is not None
    assert_allclose(middle, [0, -np.sin(np.deg2rad(67.5)), np.cos(np.deg2rad(67.5))], atol=1e-9)
    assert spherical("ECG") is None


def test_the_whole_system_lies_where_mnes_does() -> None:
    """MNE's are on a measured head, ours on a sphere: after the best turn they are some degrees apart."""
    mne = pytest.importorskip("mne")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = mne.channels.make_standard_montage("standard_1005").get_positions()["ch_pos"]
    low = {k.lower(): v for k, v in theirs.items()}
    names = [n for n in PLACES if n.lower() in low]
    assert len(names) > 320
    p, q = np.array([low[n.lower()] for n in names]), np.array([PLACES[n] for n in names])
    centre = np.linalg.lstsq(np.c_[2 * p, np.ones(len(p))], np.square(p).sum(axis=1), rcond=None)[0][:3]
    u = (p - centre) / np.linalg.norm(p - centre, axis=1, keepdims=True)
    left, _, right = np.linalg.svd(q.T @ u)
    apart = np.rad2deg(np.arccos(np.clip((q @ (left @ right) * u).sum(axis=1), -1, 1)))
    assert np.median(apart) < 4
    assert apart.max() < 10


# ---- filters and spectra against MNE --------------------------------------------------------------------------------


def test_filters_and_spectra_are_mnes() -> None:
    mne = pytest.importorskip("mne")
    x = scalp(30, rate=250.0)
    info = mne.create_info(NAMES, 250.0, "eeg")
    raw = mne.io.RawArray(x.T * 1e-6, info, verbose="error")
    iir = {"order": 4, "ftype": "butter", "output": "sos"}
    theirs = raw.copy().filter(1, 40, method="iir", iir_params=iir, phase="zero", verbose="error").get_data().T * 1e6
    ours = zero_phase(x, butterworth(4, 250.0, 1, 40), 500)
    assert_allclose(ours[500:-500], theirs[500:-500], atol=0.02)
    f, power = welch(x, 250.0, 2.0)
    spectrum = raw.compute_psd("welch", n_fft=500, n_overlap=250, n_per_seg=500, window="hann", verbose="error")
    assert_allclose(f, spectrum.freqs)
    assert_allclose(power.T * 1e-12, spectrum.get_data(), rtol=1e-6)
    signal = pytest.importorskip("scipy.signal")
    for seconds in (3.0, 3.004):  # an even and an odd number of samples
        part = x[: round(250 * seconds)]
        assert_allclose(welch(part, 250.0, None)[1], signal.periodogram(part, 250.0, "hann", axis=0)[1], rtol=1e-6,
                        atol=1e-12)  # fmt: skip


def test_the_mains_go_and_the_rest_stays() -> None:
    t = np.arange(2500) / 250
    kept = 20 * np.sin(2 * np.pi * 10 * t)
    x = (kept + 50 * np.sin(2 * np.pi * 50 * t) + 20 * np.sin(2 * np.pi * 100 * t))[:, None]
    y = zero_phase(x, mains(250.0))[500:-500, 0]
    assert_allclose(y, kept[500:-500], atol=0.5)
    live = Filter(mains(250.0)).push(x)[1500:, 0]
    assert_allclose(live, kept[1500:], atol=2)
    with pytest.raises(UsageError, match="50 Hz is not below half of 64 Hz"):
        mains(64.0)


# ---- reference and bad channels -------------------------------------------------------------------------------------


def test_reference() -> None:
    x = scalp()
    assert_allclose(rereferenced(x, NAMES).mean(axis=1), 0, atol=1e-9)
    without = rereferenced(x, NAMES, bad=[3])
    assert_allclose(np.delete(without, 3, axis=1).mean(axis=1), 0, atol=1e-9)
    assert not rereferenced(x, NAMES, "cz")[:, NAMES.index("Cz")].any()
    ears = ["EEG A1", "M2", *NAMES[2:]]
    assert_allclose(rereferenced(x, ears, "mastoids")[:, :2].mean(axis=1), 0, atol=1e-9)
    assert rereferenced(x, NAMES, "none") is x
    with pytest.raises(UsageError, match="no channel mastoids among Fp1"):
        rereferenced(x, NAMES, "mastoids")


def test_bad_channels_are_found_and_named() -> None:
    x = scalp()
    assert bad_channels(x, RATE) == {}
    rng = np.random.default_rng(5)
    x[:, 0] = 3.0
    x[:, 2] = np.nan
    x[:, 4] *= 40
    x[:, 6] = np.clip(8 * x[:, 6], -60, 60)
    x[:, 8] = zero_phase(rng.standard_normal((len(x), 1)), butterworth(2, RATE, 1, 12))[:, 0]
    x[:, 8] *= x[:, 9].std() / x[:, 8].std()
    x[:, 10] += 40 * zero_phase(rng.standard_normal((len(x), 1)), butterworth(2, RATE, 30))[:, 0]
    told = bad_channels(x, RATE)
    assert told == {
        0: "flat", 2: "not_finite", 4: "deviating", 6: "saturated", 8: "uncorrelated", 10: told.get(10, ""),
    }  # fmt: skip
    assert told[10] in ("noisy", "deviating")


@pytest.mark.parametrize("how", ["spherical", "shepard"])
def test_a_bad_channel_is_repaired_from_the_others(how: str) -> None:
    x = scalp()
    k = NAMES.index("Cz")
    broken = x.copy()
    broken[:, k] = 1e4
    told = repaired(broken, NAMES, [k], how)
    assert np.corrcoef(told[:, k], x[:, k])[0, 1] > 0.9
    assert_allclose(np.delete(told, k, axis=1), np.delete(x, k, axis=1))
    assert np.isnan(repaired(broken, [*NAMES[:-1], "X1"], [18])[:, 18]).all()
    with pytest.raises(UsageError, match="only 2 good electrodes are known"):
        repaired(x[:, :3], NAMES[:3], [2])


def test_spherical_splines_are_mnes() -> None:
    mne = pytest.importorskip("mne")
    x = scalp(2)
    info = mne.create_info(NAMES, RATE, "eeg")
    raw = mne.io.RawArray(x.T * 1e-6, info, verbose="error")
    places = {n: 0.095 * np.array(PLACES[n]) for n in NAMES}
    raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    raw.info["bads"] = ["Cz", "O1"]
    raw.interpolate_bads(origin=(0, 0, 0), verbose="error")
    bad = [NAMES.index(n) for n in raw.info["bads"] or ["Cz", "O1"]]
    ours = repaired(x, NAMES, bad)[:, bad]
    assert_allclose(ours, raw.get_data().T[:, bad] * 1e6, atol=0.02 * np.abs(ours).max())


# ---- blinks ---------------------------------------------------------------------------------------------------------


def test_blinks_are_found_and_taken_off() -> None:
    x = scalp(30)
    t = np.arange(len(x)) / RATE
    planted = np.array([4.0, 9.5, 15.2, 22.0])
    eog = sum(180 * np.exp(-0.5 * ((t - b) / 0.07) ** 2) for b in planted)
    share = np.where(np.isin(NAMES, ["Fp1", "Fp2"]), 0.9, 0.1)
    dirty = x + eog[:, None] * share
    found = blinks(dirty[:, 0], RATE)
    assert_allclose(found.mean(axis=1) / RATE, planted, atol=0.05)
    cleaned, spans = without_blinks(dirty, eog + 0.1 * x[:, 1], RATE)
    assert len(spans) == 4
    near = np.abs(t[:, None] - planted).min(axis=1) < 0.1
    assert np.abs(cleaned - x)[near].mean() < 0.15 * np.abs(dirty - x)[near][:, :2].mean()
    assert_allclose(cleaned[~(np.abs(t[:, None] - planted).min(axis=1) < 0.5)],
                    dirty[~(np.abs(t[:, None] - planted).min(axis=1) < 0.5)])  # fmt: skip
    assert len(blinks(x[:, 0], RATE)) == 0
    quiet, none = without_blinks(x, x[:, 0], RATE)
    assert_allclose(quiet, x)
    assert len(none) == 0


# ---- connectivity and Hjorth ----------------------------------------------------------------------------------------


def test_coherence_is_scipys_and_delay_is_told_by_sign() -> None:
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6000, 3))
    x[:, 1] += x[:, 0]
    told = connectivity(x, RATE, {"a": (10.0, 11.0)}, "coherence", 1.0)[0]
    f, c = signal.coherence(x[:, 0], x[:, 1], RATE, nperseg=128, noverlap=64)
    assert told[0, 1] == pytest.approx(np.sqrt(c[np.flatnonzero(f == 10)[0]]), abs=1e-6)
    t = np.arange(6000) / RATE
    wave = zero_phase(rng.standard_normal((6000, 1)), butterworth(3, RATE, 8, 12))[:, 0]
    late = np.stack([wave, np.roll(wave, 3), 0.5 * wave], axis=1) + 0.02 * rng.standard_normal((6000, 3))
    im = connectivity(late, RATE, {"alpha": (8.0, 12.0)}, "imaginary", 2.0)[0]
    assert im[0, 1] > 0.5  # the first leads
    assert im[1, 0] < -0.5
    assert abs(im[0, 2]) < 0.05  # seen at once: no delay, however coherent
    assert connectivity(late, RATE, {"alpha": (8.0, 12.0)}, "coherence", 2.0)[0, 0, 2] > 0.95
    assert t[-1] > 40


def test_phase_and_envelope() -> None:
    rng = np.random.default_rng(1)
    t = np.arange(8000) / RATE
    swell = 1 + 0.8 * np.sin(2 * np.pi * 0.2 * t)
    locked = np.stack([np.sin(2 * np.pi * 10 * t), np.sin(2 * np.pi * 10 * t + 1), rng.standard_normal(8000)], axis=1)
    band = {"alpha": (8.0, 12.0)}
    plv = connectivity(locked, RATE, band, "plv")[0]
    assert plv[0, 1] == pytest.approx(1, abs=1e-3)
    assert plv[0, 2] < 0.3
    swung = np.stack([swell * np.sin(2 * np.pi * 10 * t), swell * np.sin(2 * np.pi * 9.3 * t), locked[:, 2]], axis=1)
    envelope = connectivity(swung, RATE, band, "envelope")[0]
    assert envelope[0, 1] > 0.95
    assert abs(envelope[0, 2]) < 0.4
    signal = pytest.importorskip("scipy.signal")
    x = zero_phase(locked[:, 2:], butterworth(3, RATE, 9, 11))
    want = np.abs(signal.hilbert(x, axis=0))
    assert_allclose(np.abs(analytic(x, RATE, 0.5, 60))[500:-500], want[500:-500], atol=0.01)


def test_a_flat_channel_goes_with_none_and_unknown_measures_are_one_line() -> None:
    x = scalp(4)
    x[:, 2] = 1.0
    for measure in MEASURES:
        told = connectivity(x, RATE, {"alpha": (8.0, 13.0)}, measure)
        assert np.isnan(told[0, 2]).all()
        assert np.isfinite(told[0][np.ix_([0, 1, 3], [0, 1, 3])]).all()
    with pytest.raises(UsageError, match="unknown measure 'pli'"):
        connectivity(x, RATE, {"alpha": (8.0, 13.0)}, "pli")


def test_hjorth_is_neurokits_and_knows_a_tone() -> None:
    t = np.arange(1280) / RATE
    x = np.stack([4 * np.sin(2 * np.pi * 5 * t), np.ones(1280)], axis=1)
    activity, mobility, complexity = hjorth(x, RATE)
    assert activity[0] == pytest.approx(8, rel=1e-3)
    assert mobility[0] == pytest.approx(2 * np.pi * 5, rel=0.01)
    assert complexity[0] == pytest.approx(1, rel=0.01)
    assert np.isnan([activity[1], mobility[1], complexity[1]]).all()
    neurokit = pytest.importorskip("neurokit2")
    y = signals.eeg(10)[:, 0]
    want, told = neurokit.complexity_hjorth(y)
    ours = hjorth(y[:, None], 1.0)[:, 0]
    assert ours[2] == pytest.approx(want, rel=0.02)
    assert ours[1] == pytest.approx(told["Mobility"], rel=0.02)


def test_makers_of_hjorth_connectivity_and_asymmetry(tmp_path: Path) -> None:
    from test_eeg_entropy import data, made

    x = data([4.0, 4.0, 0.0, 1.0])
    told = made(x, tmp_path, "eeg-hjorth")
    assert told.lengths.tolist() == [4, 4, 0, 1]
    assert told.fields[::3] == ("activity_F3", "mobility_F3", "complexity_F3")
    assert_allclose(told[0][1, 3:6], hjorth(x.features["eeg"][0][128:256].astype(float), RATE)[1], rtol=1e-5)
    told = made(x, tmp_path, "eeg-connectivity", measure="plv", bands="classical")
    assert told.lengths.tolist() == [1, 1, 0, 0]
    assert told.fields[:2] == ("delta_F3_F4", "delta_F3_Cz")
    with pytest.raises(UsageError, match="unknown measure"):
        made(x, tmp_path, "eeg-connectivity", measure="wpli")
    told, de = made(x, tmp_path, "eeg-asymmetry"), made(x, tmp_path)
    assert told.fields == tuple(f"{b}_dasm_F3_F4" for b in ("delta", "theta", "alpha", "beta", "gamma"))
    assert_allclose(told[0][:, 2], de[0][:, 6] - de[0][:, 7], atol=1e-5)
    with pytest.raises(UsageError, match="no pair of electrodes among Pz, Cz"):
        made(data([2.0] * 2, ("Pz", "Cz")), tmp_path, "eeg-asymmetry")


# ---- bad files, through the door ------------------------------------------------------------------------------------


def edf(path: Path, x: np.ndarray, names: list[str] | None = None, *, unit: str = "uV", size: float = 500.0) -> Path:
    from moodal.media.generated_edf import write

    table = [(f"EEG {n}", unit, 128, (-size, size), x[:, k]) for k, n in enumerate(names or NAMES)]
    write(path, table)
    return path


def quality(path: Path):
    import moodal

    return moodal.extract(path, "brain.quality")["body"]


def test_volts_written_as_microvolts_are_one_line(tmp_path: Path) -> None:
    from moodal import media
    from moodal.core.errors import InputError

    x = signals.eeg(20, 128)
    with pytest.raises(InputError, match=r"EEG Fp1: values of .* in µV are no EEG; they would fit V"):
        media.read(edf(tmp_path / "volts.edf", x * 1e-6, size=5e-4))
    with pytest.raises(InputError, match="in µV are no EEG"):
        media.read(edf(tmp_path / "huge.edf", x * 1e6, size=5e8))
    told = quality(edf(tmp_path / "right.edf", x * 1e-6, unit="V", size=5e-4))
    assert (told["Cz"] == 1).all()


def test_flat_saturated_and_missing_channels_are_named(tmp_path: Path) -> None:
    x = signals.eeg(20, 128)
    x[:, 3] = 0
    x[:, 5] = np.clip(6 * x[:, 5], -40, 40)
    told = quality(edf(tmp_path / "a.edf", x[:, :18], NAMES[:18]))
    assert [n for n in NAMES if (told[n] == 0).all()] == ["F3", "F4"]
    assert [n for n in NAMES if np.isnan(told[n]).all()] == ["O2"]
    assert_allclose(told["flat"], 1 / 18, atol=1e-6)
    assert_allclose(told["saturated"], 1 / 18, atol=1e-6)


def test_two_channels_of_one_name_are_told_and_the_first_counts(tmp_path: Path) -> None:
    from moodal import extract, media

    x = signals.eeg(20, 128)
    names = [*NAMES[:-1], "Fp1"]
    path = edf(tmp_path / "twice.edf", x, names)
    assert any("several channels are called" in w and "Fp1" in w for w in media.read(path).warnings)
    twice = extract(path, "brain.hjorth")["body"]
    once = extract(edf(tmp_path / "once.edf", x, [*NAMES[:-1], "X9"]), "brain.hjorth")["body"]
    assert np.isfinite(twice["activity_Fp1"]).all()
    assert once["activity_Fp1"].shape == twice["activity_Fp1"].shape
    own = (x - x.mean(axis=1, keepdims=True))[:, 0]
    assert twice["activity_Fp1"].mean() == pytest.approx(own.var(), rel=0.1)


def test_a_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    from moodal import media
    from moodal.core.errors import InputError

    path = edf(tmp_path / "a.edf", signals.eeg(20, 128))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    recording = media.read(path)
    assert any("breaks off" in w for w in recording.warnings)
    assert 8 <= len(quality(path)) <= 10
    path.write_bytes(whole[:200])
    with pytest.raises(InputError, match="breaks off in its header"):
        media.read(path)
