"""What users of other tools complain about, one test a complaint, named after the issue it was told in.

Repositories: NeuroKit (neuropsychology/NeuroKit), HeartPy (paulvangentcom/heartrate_analysis_python), MNE
(mne-tools/mne-python), mnelab (cbrnr/mnelab), braindecode (braindecode/braindecode), torcheeg (torcheeg/torcheeg),
PhysioPro (microsoft/PhysioPro).
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import signals
from moodal import media
from moodal.core import registry
from moodal.core.clock import Span
from moodal.core.errors import InputError, UsageError
from moodal.core.extractor import MeasureContext
from moodal.core.stream import SignalChunk
from moodal.dsp import hrv
from moodal.lab.bench.protocols import GroupKFold
from moodal.lab.data import sets
from moodal.lab.data.sets import case, eegmat
from moodal.media.generated_edf import write as write_edf
from test_body import measured


def heart_of(x: np.ndarray, kind: str, rate: float) -> dict[str, object]:
    return measured("heart", kind, x, rate)


# -- NeuroKit


@pytest.mark.parametrize(("kind", "rate"), [("ecg", 250.0), ("ppg", 64.0)])
@pytest.mark.parametrize("beats", [0, 1, 2, 3])
@pytest.mark.parametrize("seconds", [0.2, 1.0, 8.0, 40.0])
def test_neurokit_1151_1185_773_472_586_few_beats_give_gaps_and_no_exception(
    kind: str, rate: float, beats: int, seconds: float
) -> None:
    times = np.linspace(0.1, 0.9, beats) * seconds if beats else np.empty(0)
    make = {"ecg": signals.ecg, "ppg": signals.ppg}[kind]
    for x in (
        make(seconds, rate, times=times),
        np.zeros(round(seconds * rate)),
        np.full(round(seconds * rate), np.nan),
    ):
        tracks = heart_of(x, kind, rate)
        for track in tracks.values():
            assert np.isfinite(track.quality).all()
            assert track.gaps or not len(track)
        assert "body.hrv" not in tracks or not np.isfinite(tracks["body.hrv"].values).any()


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_neurokit_1185_variability_of_few_intervals_is_nothing_and_no_exception(n: int) -> None:
    x = np.full(n, 800.0)
    assert all(not np.isinf(v) for v in hrv.time_domain(x).values())
    assert not np.isinf(hrv.sample_entropy(x))
    assert not np.isinf(hrv.dfa_alpha1(x))


def test_neurokit_134_no_rate_is_taken_for_granted(tmp_path: Path) -> None:
    """There a signal without a rate is silently taken for one of 1000 Hz: a heart at 64 Hz beats 16 times as fast."""
    for name, kind in (("heart", "ecg"), ("heart", "ppg"), ("skin", "eda"), ("brain", "eeg"), ("resp", "resp")):
        spec = registry.load("extractors", name).SPEC
        extractor = spec.make(MeasureContext(Span(0, 10), options={"reads": kind}))
        with pytest.raises(UsageError, match="rate"):
            extractor.push(SignalChunk(kind, np.arange(100) / 10, np.zeros((100, 1)), None))
    path = tmp_path / "table.csv"
    path.write_text("eda_uS\n" + "\n".join(f"{v:.4f}" for v in signals.eda(60)))
    with pytest.raises(InputError, match="states no rate"):
        media.read(path)
    assert media.read(path, unit=["rate=4Hz"]).stream("eda").rate_hz == 4.0


@pytest.mark.parametrize("rate", [2.0, 4.0, 8.0, 32.0])
@pytest.mark.parametrize("size", [0.3, 1.0, 3.0])
def test_neurokit_554_603_851_1041_skin_is_measured_at_low_rates_and_any_level(rate: float, size: float) -> None:
    """Filters of there cannot be made below 10 Hz, and thresholds of one range find nothing in another."""
    onsets = (12.0, 31.0, 50.0, 75.0, 100.0)
    tracks = measured("skin", "eda", size * signals.eda(120, rate, onsets=onsets), rate)
    found = tracks["body.scr"].times
    assert len(found) == len(onsets)
    assert np.abs(found - np.array(onsets)).max() < 1.5
    assert np.median(tracks["body.eda"]["tonic"]) == pytest.approx(5 * size, rel=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_neurokit_447_462_1115_605_variability_of_a_shaken_pulse_is_near_the_truth_or_not_told(seed: int) -> None:
    """There RMSSD of a wrist's pulse comes out in the hundreds and thousands of ms."""
    rng = np.random.default_rng(seed)
    times = signals.beats(300, seed=seed)
    true = float(np.sqrt(np.mean(np.square(np.diff(1000 * np.diff(times))))))
    x = signals.ppg(300, times=times)
    for start in rng.integers(0, 280, 12):
        cut = slice(64 * start, 64 * start + 64 * int(rng.integers(3, 12)))
        x[cut] += 80 * np.convolve(rng.normal(size=len(x[cut]) + 15), np.hanning(16), "valid")[: len(x[cut])]
    tracks = heart_of(x, "ppg", 64.0)
    told = tracks["body.heart"]["rmssd"]
    told = told[np.isfinite(told)]
    assert len(told)
    assert told.max() < 2 * true + 15


def test_neurokit_605_variability_is_refused_where_too_few_beats_are_sound() -> None:
    x = signals.ppg(120)
    rng = np.random.default_rng(0)
    for start in range(0, 120, 8):  # five of every eight seconds are noise
        x[64 * start : 64 * (start + 5)] = 60 * rng.normal(size=320)
    told = heart_of(x, "ppg", 64.0)["body.heart"]
    assert not np.isfinite(told["rmssd"]).any() if len(told) else True


# -- HeartPy


@pytest.mark.parametrize("noise", [0.3, 8.0])
@pytest.mark.parametrize("rate", [30.0, 64.0])
def test_heartpy_70_23_beats_of_a_slow_or_noisy_pulse_are_right_or_not_told(rate: float, noise: float) -> None:
    times = signals.beats(120)
    told = heart_of(signals.ppg(120, rate, times=times, noise=noise), "ppg", rate)["body.heart"]
    if noise < 1:
        assert len(told) > 100
    if len(told):
        assert np.abs(told["hr"] - 66).max() < 8


# -- MNE, mnelab


@pytest.mark.parametrize(("dimension", "factor"), [("uV", 1.0), ("mV", 1e-3), ("V", 1e-6), ("nV", 1e3)])
def test_mne_6584_9186_5003_1560_11099_units_of_a_file_hold_and_impossible_ones_are_errors(
    dimension: str, factor: float, tmp_path: Path
) -> None:
    """There a wrong or unknown dimension leaves values off by a million, with a warning at most."""
    rng = np.random.default_rng(0)
    x = 20 * rng.normal(size=2000)
    path = tmp_path / "x.edf"
    write_edf(path, [(f"EEG {n}", dimension, 200, (-500 * factor, 500 * factor), x * factor) for n in ("C3", "C4")])
    samples = np.concatenate([c.samples for c in media.read(path).chunks("eeg")])
    np.testing.assert_allclose(samples[:, 0], x, atol=0.05)


@pytest.mark.parametrize("dimension", ["V", "nV", ".V", ""])
def test_mne_6584_values_that_no_head_gives_are_one_line_with_a_fix(dimension: str, tmp_path: Path) -> None:
    eegmat.generate(tmp_path, people=1)
    x = 20e-3 * np.random.default_rng(0).normal(size=500 * 62)  # in mV
    names = [f"EEG {n}" for n in eegmat.EEG] + ["ECG ECG"]
    write_edf(tmp_path / "Subject00_1.edf", [(n, dimension, 500, (-0.5, 0.5), x) for n in names])
    with pytest.raises(InputError, match=r"µV|unit|mV") as caught:
        sets.read("eegmat", tmp_path)
    assert "\n" not in str(caught.value)


def test_mnelab_383_a_channel_declared_to_be_another_kind_is_rescaled(tmp_path: Path) -> None:
    """There changing a channel's type leaves its numbers in the unit of the old one."""
    t = np.arange(500 * 20) / 500
    x = signals.ecg(20, 500.0) / 1000  # an ECG in mV in a column called AI 3
    path = tmp_path / "x.csv"
    path.write_text("time_s,AI 3\n" + "\n".join(f"{a:.4f},{b:.6f}" for a, b in zip(t, x, strict=True)))
    stream = media.read(path, unit=["AI 3=ecg:mV"])
    samples = np.concatenate([c.samples for c in stream.chunks("ecg")])[:, 0]
    np.testing.assert_allclose(samples, 1000 * x, atol=1e-3)


def test_mne_7485_14296_a_signal_is_the_same_from_every_format(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = np.round(30 * rng.normal(size=(2560, 2)), 3)
    t = np.arange(2560) / 256
    edf = tmp_path / "x.edf"
    stored = write_edf(edf, [(f"EEG {n}", "uV", 256, (-500.0, 500.0), x[:, i]) for i, n in enumerate(("TP9", "TP10"))])
    bdf = tmp_path / "x.bdf"
    write_edf(bdf, [(f"EEG {n}", "uV", 256, (-500.0, 500.0), x[:, i]) for i, n in enumerate(("TP9", "TP10"))], width=3)
    csv = tmp_path / "x.csv"
    csv.write_text(
        "time_s,eeg_TP9_uV,eeg_TP10_uV\n" + "\n".join(f"{a:.8f},{b},{c}" for a, (b, c) in zip(t, x, strict=True))
    )
    muse = tmp_path / "m.csv"
    muse.write_text(
        "TimeStamp,RAW_TP9,RAW_TP10\n" + "\n".join(f"{a:.8f},{b},{c}" for a, (b, c) in zip(t, x, strict=True))
    )
    read = {p.name: media.read(p) for p in (edf, bdf, csv, muse)}
    samples = {n: np.concatenate([c.samples for c in r.chunks("eeg")]) for n, r in read.items()}
    np.testing.assert_allclose(samples["x.edf"], np.column_stack(stored), atol=1e-9)
    np.testing.assert_allclose(samples["x.edf"], x, atol=1000 / 2**16)
    np.testing.assert_allclose(samples["x.bdf"], x, atol=1000 / 2**24)
    np.testing.assert_allclose(samples["x.csv"], x, atol=1e-9)
    np.testing.assert_allclose(samples["m.csv"], x, atol=1e-9)
    assert {r.stream("eeg").rate_hz for r in read.values()} == {256.0}


# -- braindecode, torcheeg


def test_braindecode_385_188_62_456_a_person_at_a_time_needs_the_memory_of_one(tmp_path: Path) -> None:
    peaks = []
    for people in (2, 6):
        root = tmp_path / str(people)
        case.generate(root, people=people, trials=2, seconds=10)
        tracemalloc.start()
        assert sum(len(d) for d in case.people(root, window_s=5.0)) == 4 * people
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.parametrize("name", ["case", "k-emocon", "ceap-360vr", "wesad", "stress-predict"])
def test_torcheeg_141_164_trials_are_held_out_whole_whatever_their_names(name: str, tmp_path: Path) -> None:
    """There trials are told apart by names that begin with a person's initials, and the split by trial breaks."""
    truth = registry.load("sets", name).generate(tmp_path, people=4)
    data = sets.read(name, tmp_path, **truth.settings)
    owner = {}
    for trial, subject in zip(data.index["trial"], data.index["subject"], strict=True):
        assert owner.setdefault(trial, subject) == subject
    folds = GroupKFold(k=3, group="trial").split(data)
    for fold in folds:
        train, validation, test = (set(data.index["trial"][rows]) for rows in fold.parts.values())
        assert not train & validation
        assert not train & test
        assert not validation & test
