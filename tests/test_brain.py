"""The brain: positions, band powers, curved means, and the runner of workload."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import recordings as made
import signals
from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.clock import Span
from moodal.core.extractor import MeasureContext
from moodal.core.runner import Example, open_runner
from moodal.core.stream import SignalChunk
from moodal.core.track import TrackSet
from moodal.dsp import spd
from moodal.dsp.eeg import BANDS, POSITIONS, band_powers, cross_spectra, interpolation, position
from moodal.extract.brain import expert
from moodal.media.generated_edf import write as write_edf

RATE = 125.0


def tone(hertz: float, size: float = 20.0, seconds: float = 10.0) -> np.ndarray:
    return size * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize(
    ("spelt", "meant"),
    [("EEG Fp1", "Fp1"), ("FP2-REF", "Fp2"), ("EEG T3-LE", "T7"), ("t6", "P8"), ("Cz.", "Cz"), ("EEG A2-A1", None),
     ("ECG", None), ("", None), ("eeg:oz", "Oz"), ("EEG Pz-M1", "Pz")],
)  # fmt: skip
def test_names_of_electrodes(spelt: str, meant: str | None) -> None:
    assert position(spelt) == meant


def test_a_tone_lies_in_its_band_with_its_power() -> None:
    for band, hertz in (("delta", 2.5), ("theta", 6.0), ("alpha", 10.0), ("beta", 20.0), ("gamma", 40.0)):
        power = band_powers(tone(hertz)[:, None], RATE)[:, 0]
        assert power.argmax() == list(BANDS).index(band)
        assert power.max() == pytest.approx(20**2 / 2, rel=0.02)
        assert np.sort(power)[-2] < 0.02 * power.max()


def test_cross_spectra_are_covariances_and_hold_the_powers() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5000, 3)) @ np.array([[1.0, 0.5, 0], [0, 1, 0.3], [0, 0, 1]])
    c = cross_spectra(x, RATE, {"all": (0.5, RATE)})[0]
    assert_allclose(c, np.cov(x.T), rtol=0.08, atol=0.04)
    assert_allclose(np.diagonal(cross_spectra(x, RATE), axis1=1, axis2=2), band_powers(x, RATE))
    shifted = cross_spectra(np.stack([tone(10), np.roll(tone(10), 125)], axis=1), RATE)
    assert shifted[2, 0, 1] == pytest.approx(shifted[2, 0, 0], rel=0.01)


def test_an_electrode_that_is_missing_is_estimated_from_its_neighbours() -> None:
    names = list(POSITIONS)
    assert_allclose(interpolation(names), np.eye(19))
    few = interpolation([n for n in names if n != "Cz"])
    row = dict(zip([n for n in names if n != "Cz"], few[names.index("Cz")], strict=True))
    assert sum(row.values()) == pytest.approx(1)
    assert {n for n, w in row.items() if w > 0} == {"C3", "C4", "Fz", "Pz"}
    assert not interpolation([None, None]).any()
    assert interpolation(["Fpz", None, "Oz"])[:, 1].sum() == 0


def test_curved_means_and_tangents() -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal((6, 2, 4, 9))
    c = a @ np.swapaxes(a, -1, -2)
    mean = spd.log_mean(c)
    assert_allclose(spd.log_mean(np.stack([mean, mean])), mean, rtol=1e-9)
    white = spd.inverse_root(mean)
    assert_allclose(spd.tangent(mean, white), 0, atol=1e-9)
    # Lengths of tangent vectors are distances, which no invertible mixing of the channels changes.
    mix = rng.standard_normal((4, 4))
    mixed = mix @ c @ mix.T
    other = spd.tangent(mixed, spd.inverse_root(mix @ mean @ mix.T))
    assert_allclose(np.linalg.norm(other, axis=-1), np.linalg.norm(spd.tangent(c, white), axis=-1), rtol=1e-6)
    single = np.diag([4.0, 1, 1, 0])
    assert np.linalg.eigvalsh(spd.shrunk(single, 0.1)).min() > 0


def bands(x: np.ndarray, rate: float = 100.0, track: str = "brain.bands", **options: object) -> TrackSet:
    spec = registry.load("extractors", "brain").SPEC
    extractor = spec.make(MeasureContext(Span(0, len(x) / rate), options=dict(options)))
    pieces = extractor.push(SignalChunk("eeg", np.arange(len(x)) / rate, x, rate)) + extractor.close()
    told = next(t for t in spec.tracks if t.name == track)
    return TrackSet.from_pieces(told, [p for p in pieces if p.track == track])


def test_bands_find_the_rhythm_where_it_is_and_skip_what_tells_nothing() -> None:
    x = signals.eeg(30)
    x[:, 3] = 0.0
    x[:, 4] = np.nan
    told = bands(x)["body"]
    assert len(told) == 30
    assert not told.gaps
    names = list(POSITIONS)
    assert np.isnan(told[f"alpha_{names[3]}"]).all()
    assert np.isnan(told[f"alpha_{names[4]}"]).all()
    assert np.nanmean(told["alpha_O2"]) > 3 * np.nanmean(told["alpha_C4"])
    assert told.quality == pytest.approx(17 / 19)


def test_channels_are_found_by_name() -> None:
    x = signals.eeg(12)[:, :4]
    told = bands(x, channels=["EEG Fz-REF", "A1", "EEG T4", "Oz"])["body"]
    seen = {f.name for i, f in enumerate(told.spec.fields) if np.isfinite(told.values[:, i]).all()}
    assert seen == {f"{b}_{n}" for b in BANDS for n in ("Fz", "T8")}
    assert {g.reason for g in bands(x)["body"].gaps} == {"no_stream"}


def test_entropy_asymmetry_and_hjorth_follow_from_the_samples() -> None:
    x = signals.eeg(12)
    power, de = bands(x)["body"], bands(x, track="brain.de")["body"]
    # Theta is cut alike in both sets of bands.
    assert_allclose(de["theta_Cz"], 0.5 * np.log(2 * np.pi * np.e * power["theta_Cz"]), rtol=1e-4)
    sides = bands(x, track="brain.asymmetry")["body"]
    assert_allclose(sides["alpha_F3_F4"], de["alpha_F3"] - de["alpha_F4"], atol=1e-5)
    assert len(sides.fields) == 5 * 8
    louder = x.copy()
    louder[:, list(POSITIONS).index("F3")] *= 2
    assert (bands(louder, track="brain.asymmetry")["body"]["beta_F3_F4"] > sides["beta_F3_F4"] + 0.5).all()
    told = bands(x, track="brain.hjorth")["body"]
    own = x - x.mean(axis=1, keepdims=True)
    assert told["activity_Pz"][5] == pytest.approx(own[450:650, list(POSITIONS).index("Pz")].var(), rel=1e-4)
    # 100 Hz hold nothing above 50, 90 Hz not all of SEED's gamma.
    assert np.isfinite(de["gamma_Cz"]).all()
    slow = bands(signals.eeg(12, 90.0), 90.0, track="brain.de")["body"]
    assert np.isnan(slow["gamma_Cz"]).all()
    assert np.isfinite(slow["beta_Cz"]).all()


def test_quality_names_the_channel_and_the_reason() -> None:
    x = signals.eeg(20)
    names = list(POSITIONS)
    x[:, 3] = 7.0
    x[:, 4] = np.nan
    x[:, 5] *= 100
    x[:, 6] = np.clip(4 * x[:, 6], -20, 20)
    t = np.arange(len(x)) / 100.0
    x[:, 0] += 200 * np.exp(-0.5 * ((t - 7.5) / 0.07) ** 2)
    told = bands(x, track="brain.quality")["body"]
    for k, name in enumerate(names):
        assert (told[name] == (0 if k in (3, 4, 5, 6) else 1)).all(), name
    for reason in ("flat", "not_finite", "artefact", "saturated"):
        assert_allclose(told[reason], 1 / 19, atol=1e-6, err_msg=reason)
    assert np.flatnonzero(told["blink"]).tolist() == [7]
    without = bands(x[:, 2:], track="brain.quality", channels=names[2:])["body"]
    assert np.isnan(without["blink"]).all()
    assert np.isnan(without["Fp1"]).all()


# ---- the runner, on a bundle made up here --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with random heads and the mean of made-up EEG."""
    rng = np.random.default_rng(3)
    rows = [expert.eeg_row(signals.eeg(10, RATE, alpha=a), RATE, list(POSITIONS)) for a in (5, 10, 15, 20)]
    c = spd.shrunk(expert.matrices(np.stack([r[0] for r in rows if not isinstance(r, str)])), 0.05)
    arrays = {"whitener": spd.inverse_root(spd.log_mean(c))}
    for mode in expert.MODES:
        arrays[f"eeg_{mode}"] = rng.normal(size=expert.COVARIANCES + 1) / 40
        arrays[f"ecg_{mode}"] = rng.normal(size=len(expert.HEART) + 1) / 4
    arrays["eeg_few"] = arrays["eeg_causal"]
    heat = {m: {"eeg": 1.0, "ecg": 1.0, "ecg+eeg": 1.0} for m in expert.MODES}
    manifest = {
        "name": "workload-tiny", "version": "1", "kind": "expert", "licence": "made up", "commercial": True,
        "data_terms": "none", "inputs": ["eeg", "ecg"], "scheme": "workload2", "runner": "eeg_ecg", "ecg_share": 0.5,
        "shrink": dict.fromkeys(expert.MODES, 0.05), "heat": heat, "farthest": {"all": 1.0, "few": 2.0},
        "calibration": {"temperature": 1.0, "label_sets": {"least": 0.3}},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("bundles") / "workload-tiny.bundle"
    Bundle.write(path, manifest, "# made up", arrays)
    return path


def edf(path: Path, *, kinds: str = "eeg ecg", seconds: int = 40, rate: int = 125, noise: bool = False) -> Path:
    x = signals.eeg(seconds, rate)
    if noise:
        x = 30 * np.random.default_rng(0).standard_normal(x.shape)
    table = []
    if "eeg" in kinds:
        table += [(f"EEG {n}", "uV", rate, (-500.0, 500.0), x[:, k]) for k, n in enumerate(POSITIONS)]
    if "ecg" in kinds:
        table.append(("ECG ECG", "uV", rate, (-3000.0, 3000.0), signals.ecg(seconds, rate)))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_edf(path, table)
    return path


def test_any_subset_runs_and_hidden_is_absent(made_up: Path, tmp_path: Path) -> None:
    runner = open_runner(Bundle.open(made_up))
    both = runner.read(Example(edf(tmp_path / "both.edf")))
    assert not isinstance(both, str)
    assert both.shape == (4, expert.WIDTH)
    for kind in ("eeg", "ecg"):
        alone = runner.read(Example(edf(tmp_path / f"{kind}.edf", kinds=kind)))
        assert not isinstance(alone, str)
        hidden = both.copy()
        hidden[:, slice(expert.COVARIANCES, -1) if kind == "eeg" else slice(expert.COVARIANCES)] = np.nan
        assert_allclose(runner.tell(alone).scores, runner.tell(hidden).scores, rtol=1e-6)
    assert runner.read(Example(tmp_path / "both.edf", start_s=0, end_s=1)) == "too_short"


def test_rows_do_not_depend_on_each_other_and_the_person_matters(made_up: Path, tmp_path: Path) -> None:
    runner = open_runner(Bundle.open(made_up))
    file = edf(tmp_path / "a.edf")
    parts = [runner.read(Example(file, start_s=10.0 * k, end_s=10.0 * k + 10)) for k in range(4)]
    whole = runner.read(Example(file))
    assert not isinstance(whole, str)
    assert all(not isinstance(p, str) for p in parts)
    assert_allclose(np.concatenate(parts), whole)
    alone, own = runner.tell(parts[0]).scores, runner.tell(parts[0], parts).scores
    assert alone.sum() == pytest.approx(1)
    assert own.sum() == pytest.approx(1)
    assert not np.allclose(alone, own)
    assert_allclose(own, runner.tell(parts[0], parts[::-1]).scores, rtol=1e-9)


def test_what_is_no_eeg_is_not_told_confidently(made_up: Path, tmp_path: Path) -> None:
    runner = open_runner(Bundle.open(made_up))
    noise = runner.read(Example(edf(tmp_path / "noise.edf", kinds="eeg", noise=True)))
    assert not isinstance(noise, str)
    assert runner.tell(noise).withheld == "out_of_domain"
    flat = np.zeros((1250, 19))
    assert expert.eeg_row(flat, RATE, list(POSITIONS)) == "flat"
    assert expert.eeg_row(flat * np.nan, RATE, list(POSITIONS)) == "not_finite"
    assert expert.eeg_row(1e4 * signals.eeg(10, RATE), RATE, list(POSITIONS)) == "artefact"
    assert expert.eeg_row(flat[:100], RATE, list(POSITIONS)) == "too_short"
    assert expert.heart_row(np.zeros(2500), 250.0) == "flat"
    assert expert.heart_row(np.random.default_rng(0).standard_normal(2500), 250.0) == "artefact"


def test_the_track_covers_the_recording(made_up: Path, tmp_path: Path) -> None:
    from moodal import media

    runner = open_runner(Bundle.open(made_up))
    recording = media.read(edf(tmp_path / "a.edf", seconds=45))
    found = expert.track(recording, runner, Span(0, 45), baseline=Span(0, 20))  # type: ignore[arg-type]
    assert found is not None
    told = found["body"]
    assert told.times.tolist() == [0, 10, 20, 30] or told.gaps
    assert [(g.start, g.end, g.reason) for g in told.gaps][-1] == (40, 45, "too_short")
    assert ((told["task"] >= 0) & (told["task"] <= 1)).all()


def test_the_track_begins_and_ends_with_its_streams(made_up: Path, tmp_path: Path) -> None:
    from moodal import media

    made.write_wav(tmp_path / "long.wav", made.silence(60))
    recording = media.read(tmp_path / "long.wav", with_=[f"{edf(tmp_path / 'a.edf', seconds=31)}@12.5"])
    found = expert.track(recording, open_runner(Bundle.open(made_up)), Span(0, 60))  # type: ignore[arg-type]
    assert found is not None
    told = found["body"]
    assert [*told.times, *(g.start for g in told.gaps if g.reason == "out_of_domain")]
    gaps = [(g.start, g.end, g.reason) for g in told.gaps if g.reason in ("no_stream", "too_short")]
    assert gaps == [(0, 12.5, "no_stream"), (42.5, 43.5, "too_short"), (43.5, 60, "no_stream")]
    assert "Track('brain.workload', 'body', " in repr(told)
    # What ends some milliseconds after a whole window is no gap of its own.
    short = media.read(edf(tmp_path / "b.edf", seconds=20))
    ends = expert.track(short, open_runner(Bundle.open(made_up)), Span(0, 20.01))  # type: ignore[arg-type]
    assert ends is not None
    assert not [g for g in ends["body"].gaps if g.reason == "too_short"]


@pytest.mark.slow
def test_the_recipe_makes_the_bundle_again(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from moodal.lab.experts.make import make
    from moodal.lab.experts.recipe import load

    known = registry.bundles().get("workload")
    if known is None:
        pytest.skip("the bundle workload is not installed")
    fresh = make(load("workload"), tmp_path)[0]
    for name, told in known.manifest["scores"].items():
        low, high = told["interval"]
        assert low <= fresh.manifest["scores"][name]["value"] <= high, name
