"""Body measurements against what was put in, against nothing, and against NeuroKit2 where there is a signal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import signals
from moodal.core import registry
from moodal.core.clock import Span
from moodal.core.extractor import MeasureContext
from moodal.core.stream import SignalChunk
from moodal.core.track import Track, TrackSet
from moodal.dsp import beats as dsp_beats
from moodal.dsp import hrv, intervals


def measured(name: str, kind: str, x: np.ndarray, rate: float, want: str = "") -> dict[str, Track]:
    spec = registry.load("extractors", name).SPEC
    x = np.asarray(x, float).reshape(len(x), -1)
    want_set = frozenset([want] if want else [])
    extractor = spec.make(MeasureContext(Span(0, len(x) / rate), want=want_set, options={"reads": kind}))
    pieces = extractor.push(SignalChunk(kind, np.arange(len(x)) / rate, x, rate)) + extractor.close()
    tracks = {t.name: TrackSet.from_pieces(t, [p for p in pieces if p.track == t.name]) for t in spec.tracks}
    return {n: t.only for n, t in tracks.items() if len(t)}


def inside(track: Track, start: float, end: float) -> np.ndarray:
    return track.times[(track.times >= start) & (track.times < end)]


# No number without evidence: the seven cases in which a peer reports a rate or responses.


def _pulse(middle: np.ndarray) -> np.ndarray:
    x = signals.ppg(60)
    return np.concatenate([x, middle, x])


@pytest.mark.parametrize(
    ("case", "reason"), [("nan", "not_finite"), ("held", "flat"), ("floor", "no_contact"), ("noise", "artefact")]
)
def test_a_pulse_that_stops_has_no_rate(case: str, reason: str) -> None:
    n = 30 * 64
    noise = np.random.default_rng(0).standard_normal(n)
    middle = {
        "nan": np.full(n, np.nan),
        "held": np.full(n, signals.ppg(60)[-1]),
        "floor": 0.02 * noise,
        "noise": 20 * noise,
    }[case]
    tracks = measured("heart", "ppg", _pulse(middle), 64.0)
    heart = tracks["body.heart"]
    assert not len(inside(heart, 61, 89))
    assert heart.missing(reason).duration > 25
    assert len(inside(heart, 2, 58)) == 56
    assert np.abs(heart["hr"] - 66).max() < 6
    assert not len(inside(tracks["body.beats"], 60.5, 89))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "rate", "size"), [("ppg", 64.0, 1.0), ("ppg", 128.0, 50.0), ("ecg", 250.0, 300.0)])
def test_white_noise_has_no_heart(kind: str, rate: float, size: float, seed: int) -> None:
    x = size * np.random.default_rng(seed).standard_normal(round(120 * rate))
    heart = measured("heart", kind, x, rate)["body.heart"]
    assert len(heart) == 0
    assert {g.reason for g in heart.gaps} == {"artefact", "warm_up"}


def test_bumps_alike_without_a_rhythm_are_hardly_ever_a_pulse() -> None:
    """Motion that passes for beats: one bump again and again, at intervals of 0.4 to 1.6 s by chance."""
    seconds, told = 120, []
    for seed in range(8):
        times = np.cumsum(np.random.default_rng(seed).uniform(0.4, 1.6, 2 * seconds))
        told.append(len(measured("heart", "ppg", signals.ppg(seconds, times=times, noise=1.0), 64.0)["body.heart"]))
    # Chance makes a rhythm now and then. Without the rule more than half of these seconds had a rate.
    assert sum(told) < 0.1 * seconds * len(told)
    assert told.count(0) >= 4


@pytest.mark.parametrize("rate", [45, 70, 110, 160])
def test_a_pulse_of_any_rate_is_a_tone_at_it(rate: int) -> None:
    shape = dsp_beats.PPG
    interval = 60 / rate
    times = np.arange(0.5, 17.5, interval)
    x = signals.ppg(18, times=times + np.random.default_rng(rate).normal(0, 0.03 * interval, len(times)))
    share = dsp_beats.rate_share(dsp_beats.clean(x, 64.0, shape), interval, 64.0)
    assert shape.share + 0.05 < share <= 1
    # Beats found at half or twice the rate are not those of the wave; neither does noise have a rate.
    noise = np.random.default_rng(rate).standard_normal(18 * 64)
    for y, wrong in ((x, 2 * interval), (x, interval / 2), (noise, interval)):
        assert dsp_beats.rate_share(dsp_beats.clean(y, 64.0, shape), wrong, 64.0) < shape.share
    assert dsp_beats.rate_share(np.zeros(18 * 64), interval, 64.0) == 0


def test_an_ecg_with_a_hole_keeps_its_rate_beside_it() -> None:
    x = signals.ecg(60)
    x[20 * 250 : 40 * 250] = np.nan
    heart = measured("heart", "ecg", x, 250.0)["body.heart"]
    assert not len(inside(heart, 20, 40))
    assert heart.missing("not_finite").duration >= 20
    assert np.abs(heart["hr"] - 66).max() < 6


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.full(240, 2.0), "flat"),
        (np.full(240, 100.0), "saturated"),
        (np.zeros(240), "no_contact"),
        (np.full(240, 300.0), None),
    ],
)
def test_constant_skin_conductance_is_a_gap(x: np.ndarray, reason: str | None) -> None:
    tracks = measured("skin", "eda", x, 4.0)
    for track in tracks.values():
        assert len(track) == 0
        assert {g.reason for g in track.gaps} == {reason or "out_of_range"} or reason is None


def test_skin_conductance_that_stays_at_its_highest_value_is_saturated_and_a_frozen_one_flat() -> None:
    t = np.arange(2400) / 4
    wave = 4 + 2 * np.sin(2 * np.pi * t / 40)
    clipped = np.minimum(wave, 5.5)
    clipped[1200:1800] = 5.5
    frozen = wave.copy()
    frozen[1200:1800] = frozen[1200]
    for x, reason in ((clipped, "saturated"), (frozen, "flat")):
        track = measured("skin", "eda", x, 4.0)["body.eda"]
        assert {g.reason for g in track.gaps if g.end - g.start > 5} == {reason}
        assert track.missing(reason).duration >= 149


def test_noise_below_the_floor_is_no_response() -> None:
    x = 2 + 1e-4 * np.random.default_rng(0).standard_normal(240)
    tracks = measured("skin", "eda", x, 4.0)
    assert len(tracks["body.eda"]) == 240
    assert len(tracks["body.scr"]) == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x: x * 1e-6, "no_contact"),
        (lambda x: x * 1e3, "out_of_range"),
        (lambda x: np.clip(5 * x, -300, 250), "saturated"),
        (lambda x: x * 0, "flat"),
    ],
)
def test_an_ecg_in_the_wrong_unit_or_cut_off_is_none(change, reason: str) -> None:
    tracks = measured("heart", "ecg", change(signals.ecg(60)), 250.0)
    assert len(tracks["body.heart"]) == 0
    assert reason in {g.reason for g in tracks["body.heart"].gaps}
    wave = measured("ecg", "ecg", change(signals.ecg(60)), 250.0)["body.ecg"]
    assert len(wave) == 0


def test_a_heart_rate_of_4000_is_out_of_range() -> None:
    heart = measured("heart", "hr", np.full(60, 4000.0), 1.0)["body.heart"]
    assert len(heart) == 0
    assert {g.reason for g in heart.gaps} == {"out_of_range"}


@pytest.mark.parametrize(("name", "value"), [("temp", 320.0), ("acc", 9.8)])
def test_other_units_are_out_of_range(name: str, value: float) -> None:
    x = np.zeros((400, 3)) + np.array([0, 0, value]) if name == "acc" else np.full(400, value)
    track = measured(name, name, x, 4.0)[f"body.{name}"]
    assert len(track) == 0
    assert {g.reason for g in track.gaps} == {"out_of_range"}


# What was put in comes out.


@pytest.mark.parametrize(("kind", "rate", "late", "within"), [("ecg", 250.0, 0.0, 0.004), ("ppg", 64.0, 0.2, 0.03)])
def test_every_beat_is_found_where_it_is(kind: str, rate: float, late: float, within: float) -> None:
    truth = signals.beats(120)
    make = {"ecg": signals.ecg, "ppg": signals.ppg}[kind]
    beats = measured("heart", kind, make(120, rate, times=truth), rate)["body.beats"]
    found = np.append(beats.times, beats.ends[-1]) - late
    assert len(found) == len(truth) - (truth[-1] + late > 119.6) or len(found) in (len(truth) - 1, len(truth))
    assert max(np.abs(truth - t).min() for t in found) < within


def test_spectra_are_withheld_until_they_can_be_told() -> None:
    tracks = measured("heart", "ecg", signals.ecg(320), 250.0)
    heart, slow = tracks["body.heart"], tracks["body.hrv"]
    first = {f: heart.times[np.isfinite(heart[f])][0] for f in ("hr", "rmssd", "hf", "lf", "lf_hf")}
    assert first["hr"] < 5
    assert 20 < first["rmssd"] < 40
    assert 119 <= first["hf"] < 125
    assert 299 <= first["lf"] == first["lf_hf"] < 305
    assert slow.missing("too_short").duration >= 90
    assert np.isfinite(slow["sampen"]).all()
    # All of the breathing at 0.25 Hz is in the high band.
    assert heart["lf_hf"][-1] < 0.2


def test_missed_extra_and_early_beats_are_put_right_and_said() -> None:
    times = signals.beats(60, spread=0.02)
    sure, none = np.ones(len(times), bool), np.zeros(len(times), bool)
    plain = intervals.correct(times, sure, none)
    assert not plain.changed.any()
    assert plain.normal[1:].all()
    missed = np.delete(times, 30)
    fixed = intervals.correct(missed, sure[1:], none[1:])
    assert len(fixed.times) == len(times)
    assert np.abs(fixed.times - times).max() < 0.05
    assert fixed.changed.sum() == 2
    extra = np.insert(times, 31, times[30] + 0.35)
    fixed = intervals.correct(extra, np.append(sure, True), np.append(none, False))
    assert np.array_equal(fixed.times, times)
    early = times.copy()
    early[30] -= 0.3
    fixed = intervals.correct(early, sure, none)
    assert np.abs(fixed.times - times).max() < 0.05
    assert not fixed.normal[[30, 31]].any()
    holed = intervals.correct(missed, sure[1:], np.arange(len(missed)) == 30)
    assert len(holed.times) == len(missed)
    assert not holed.valid[30]


def test_responses_are_as_large_and_where_they_were_put() -> None:
    scr = measured("skin", "eda", signals.eda(80, 8.0, onsets=(12, 31, 50), size=0.4), 8.0)["body.scr"]
    assert np.abs(scr.times - [12, 31, 50]).max() < 0.6
    assert np.abs(scr["amplitude"] - 0.4).max() < 0.06
    assert np.abs(scr["rise_time"] - 1.6).max() < 0.6
    assert (scr["recovery_time"] > 1).all()


@pytest.mark.parametrize("rate", [4.0, 32.0])
@pytest.mark.parametrize("size", [1.0, 3.0, 5.0])
def test_a_large_response_has_no_echo_and_hides_no_small_one(rate: float, size: float) -> None:
    """The filter that takes the level away rings by a few per cent before and after: that is no response."""
    x = signals.eda(120, rate, onsets=(40,), size=size)
    one = measured("skin", "eda", x, rate)["body.scr"]
    assert len(one) == 1
    assert one.times[0] == pytest.approx(40, abs=0.6)
    assert one["amplitude"][0] == pytest.approx(size, rel=0.15)
    # A second one, a tenth as large, on the first one's tail where the trace has come down.
    two = measured("skin", "eda", x + signals.eda(120, rate, onsets=(62,), size=size / 10) - 5, rate)["body.scr"]
    assert np.abs(two.times - [40, 62]).max() < 1.5


def test_breath_muscle_warmth_and_movement() -> None:
    resp = measured("resp", "resp", signals.resp(120, breaths=14), 25.0)["body.resp"]
    assert len(resp) > 110
    assert np.abs(resp["rate"] - 14).max() < 1
    assert np.abs(resp["depth"] - 2).max() < 0.3
    emg = measured("emg", "emg", signals.emg(12), 500.0)["body.emg"]
    burst = (emg.times >= 5.2) & (emg.times < 7.8)
    assert emg["envelope"][burst].mean() > 10 * emg["envelope"][emg.times < 4.8].mean()
    temp = measured("temp", "temp", signals.temp(180, slope=0.3), 4.0)["body.temp"]
    assert np.abs(temp["slope"][60:] - 0.3).max() < 0.05
    acc = measured("acc", "acc", signals.acc(30), 32.0)["body.acc"]
    assert acc["mad"][(acc.times >= 10) & (acc.times < 15)].min() > 0.1 > 20 * acc["mad"][:9].max() / 10


def test_intervals_of_a_device_are_told_as_they_are() -> None:
    times = signals.beats(400)
    spec = registry.load("extractors", "heart").SPEC
    extractor = spec.make(MeasureContext(Span(0, 400), options={"reads": "ibi"}))
    chunk = SignalChunk("ibi", times[1:], np.diff(times)[:, None], None)
    pieces = extractor.push(chunk) + extractor.close()
    heart = TrackSet.from_pieces(spec.track("body.heart"), [p for p in pieces if p.track == "body.heart"]).only
    assert heart["rmssd"][-1] == pytest.approx(hrv.time_domain(1000 * np.diff(times[times > 100]))["rmssd"], abs=0.5)
    assert np.isfinite(heart["lf"][-5:]).all()


# Beside NeuroKit2, where there is a signal.


@pytest.fixture(scope="module")
def nk():
    return pytest.importorskip("neurokit2")


def _rmssd_of(nk, peaks: np.ndarray, rate: float) -> float:
    return float(nk.hrv_time(peaks, rate)["HRV_RMSSD"].iloc[0])


@pytest.mark.parametrize("rate", [250, 500])
@pytest.mark.parametrize("seed", [1, 2])
def test_rmssd_of_an_ecg_as_neurokit2(nk, rate: int, seed: int) -> None:
    x = 1000 * nk.ecg_simulate(duration=120, sampling_rate=rate, random_state=seed, heart_rate=68, heart_rate_std=4)
    peaks = nk.ecg_peaks(nk.ecg_clean(x, rate), rate, correct_artifacts=True)[1]["ECG_R_Peaks"]
    ours = measured("heart", "ecg", x, float(rate))["body.heart"]["rmssd"][-1]
    assert abs(ours - _rmssd_of(nk, peaks, rate)) < 2


def test_rmssd_of_a_clean_pulse_as_neurokit2(nk) -> None:
    x = signals.ppg(120, noise=0.05)
    peaks = nk.ppg_findpeaks(nk.ppg_clean(x, 64), 64)["PPG_Peaks"]
    ours = measured("heart", "ppg", x, 64.0)["body.heart"]["rmssd"][-1]
    assert abs(ours - _rmssd_of(nk, peaks, 64)) < 10


@pytest.mark.parametrize(("rate", "seed"), [(4, 1), (4, 2), (50, 1), (250, 1), (250, 2)])
def test_responses_are_counted_as_neurokit2_does(nk, rate: int, seed: int) -> None:
    x = nk.eda_simulate(duration=180, sampling_rate=rate, scr_number=18, noise=0.005, drift=0.01, random_state=seed)
    phasic = nk.eda_process(x, rate)[0]["EDA_Phasic"].to_numpy()
    amplitudes = np.asarray(nk.eda_peaks(phasic, rate, amplitude_min=1e-6)[1]["SCR_Amplitude"], float)
    theirs = int((amplitudes >= 0.01).sum())
    ours = len(measured("skin", "eda", x, float(rate))["body.scr"])
    assert abs(ours - theirs) <= max(1, 0.1 * theirs)


def test_real_hearts_as_neurokit2(nk, data: Path) -> None:
    """On the beats that both find: it makes up beats where these recordings have none (their last two seconds).

    Which point of a beat is taken may differ (R, or S where that is the larger): intervals do not."""
    store = np.load(data / "body_eegmat" / "eegmat_shared.npz")
    off = []
    for subject in range(12):
        x = store[f"S{subject:02d}_task_ECG"].astype(float)
        beats = measured("heart", "ecg", x, 250.0)["body.beats"]
        theirs = nk.ecg_peaks(nk.ecg_clean(x, 250), 250)[1]["ECG_R_Peaks"] / 250
        starts, ends = (theirs[np.abs(theirs[:, None] - t).argmin(0)] for t in (beats.times, beats.ends))
        same = (np.abs(starts - beats.times) < 0.06) & (np.abs(ends - beats.ends) < 0.06)
        assert same.mean() > 0.9, subject
        pair = same[1:] & same[:-1] & (beats.times[1:] == beats.ends[:-1]) & (beats["corrected"] == 0)[1:]
        both = [1000 * np.sqrt(np.mean(np.diff(i)[pair] ** 2)) for i in (beats.ends - beats.times, ends - starts)]
        off.append(both[0] - both[1])
    # In one recording the peer takes now R, now S.
    assert np.median(np.abs(off)) < 0.5
    assert (np.abs(off) < 2).sum() >= 11
