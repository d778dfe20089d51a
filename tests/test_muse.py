"""Exports of a Muse headband: times out of packets, what is no EEG, and what can be told of four electrodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import moodal
from moodal.core.errors import InputError
from moodal.dsp.eeg import POSITIONS
from moodal.media import read
from moodal.media.generated_muse import arrivals
from moodal.media.packets import Packets

SITES = ("TP9", "AF7", "AF8", "TP10")
START = 1_704_706_800.0


def export(
    path: Path,
    eeg: np.ndarray,
    came: np.ndarray,
    *,
    contact: np.ndarray | None = None,
    worn: np.ndarray | None = None,
    names: tuple[str, ...] = tuple(f"RAW_{s}" for s in SITES),
    aux: np.ndarray | None = None,
) -> Path:
    contact = np.ones((len(eeg), 4)) if contact is None else contact
    worn = np.ones(len(eeg)) if worn is None else worn
    aux = np.zeros(len(eeg)) if aux is None else aux
    head = ",".join(["TimeStamp", *names, "AUX_RIGHT", "HeadBandOn", *(f"HSI_{s}" for s in SITES), "Elements"])
    table = np.column_stack([came + START, eeg, aux, worn, contact])
    form = ["%.4f", *["%.3f"] * eeg.shape[1], "%.3f", "%.0f", *["%.1f"] * 4]
    np.savetxt(path, table, fmt=",".join(form) + ",", header=head, comments="")
    return path


def brain(n: int, rng: np.random.Generator) -> np.ndarray:
    alpha = np.sin(2 * np.pi * 10 * np.arange(n) / 256)
    return 840 + 15 * alpha[:, None] * [0.7, 0.4, 0.4, 0.7] + 12 * rng.normal(size=(n, 4))


def times_of(path: Path) -> np.ndarray:
    return np.concatenate([c.times for c in read(path).chunks("eeg")])


def test_samples_of_a_packet_are_spread_where_they_were_taken(tmp_path: Path) -> None:
    """Rows arrive twelve at a time; the stamps themselves are off by up to a packet and the radio's delay."""
    rng = np.random.default_rng(1)
    came = arrivals(256 * 30, 256.0, rng)
    path = export(tmp_path / "m.csv", brain(len(came), rng), came)
    times = times_of(path)
    assert np.abs(np.diff(times) - 1 / 256).max() < 1e-9
    wrong = times - times[0] - np.arange(len(came)) / 256
    assert np.abs(wrong).max() < 1e-6
    assert np.std(came - np.arange(len(came)) / 256) > 0.015  # what reading the stamps would have given


@pytest.mark.parametrize("lost_s", [0.2, 1.0, 7.5])
def test_lost_packets_leave_a_hole_and_late_ones_do_not(tmp_path: Path, lost_s: float) -> None:
    rng = np.random.default_rng(2)
    n, cut, gone = 256 * 40, 256 * 17, round(lost_s * 256)
    came = arrivals(n, 256.0, rng)
    stall = (came > 25) & (came < 26.5)  # everything of 1.5 s comes at once
    came[stall] = came[stall].max()
    keep = np.r_[0:cut, cut + gone : n]
    path = export(tmp_path / "m.csv", brain(len(keep), rng), came[keep])
    recording = read(path)
    times = np.concatenate([c.times for c in recording.chunks("eeg")])
    steps = np.diff(times)
    (hole,) = np.flatnonzero(steps > 1.5 / 256)
    assert abs(hole - cut) <= 32
    assert steps[hole] == pytest.approx(lost_s, abs=0.05)
    assert np.abs(times - keep / 256 - (times[0] - 0)).max() < 0.05
    assert any("packets were lost in 1 places" in w for w in recording.warnings)


@pytest.mark.parametrize("true_hz", [255.3, 256.8])
def test_a_device_whose_clock_is_off_keeps_time_with_its_stamps(tmp_path: Path, true_hz: float) -> None:
    rng = np.random.default_rng(3)
    came = arrivals(256 * 240, true_hz, rng)
    path = export(tmp_path / "m.csv", brain(len(came), rng), came)
    recording = read(path)
    assert recording.stream("eeg").rate_hz == pytest.approx(true_hz, rel=5e-4)
    wrong = times_of(path) - np.arange(len(came)) / true_hz
    assert np.ptp(wrong) < 0.06  # at 256 Hz it would be off by two thirds of a second


def test_an_electrode_without_contact_is_not_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    n = 256 * 20
    contact, worn = np.ones((n, 4)), np.ones(n)
    contact[256 * 5 : 256 * 10, 1] = 4
    contact[:, 2] = 2  # medium is read
    worn[256 * 15 :] = 0
    path = export(tmp_path / "m.csv", brain(n, rng), arrivals(n, 256.0, rng), contact=contact, worn=worn)
    recording = read(path)
    samples = np.concatenate([c.samples for c in recording.chunks("eeg")])
    missing = np.isnan(samples)
    assert missing[256 * 5 : 256 * 10].sum(axis=0).tolist() == [0, 1280, 0, 0]
    assert missing[256 * 15 :].all()
    assert not missing[: 256 * 5].any()
    assert any("off the head for 25 % of the time" in w for w in recording.warnings)


def refused(path: Path, **told: object) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **told)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_what_is_no_eeg_is_one_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    n = 256 * 10
    eeg, came = brain(n, rng), arrivals(n, 256.0, rng)
    path = tmp_path / "m.csv"
    assert "no EEG" in refused(export(path, eeg[:120], np.arange(120.0)))  # an interval of a second
    assert "they would fit" in refused(export(path, eeg * 1e-6 * 1e3, came))  # in mV / 1000
    assert "names RAW_AF7 twice" in refused(
        export(path, eeg, came, names=("RAW_TP9", "RAW_AF7", "RAW_AF7", "RAW_TP10"))
    )
    late = np.concatenate([came[: n // 2], came[n // 2 :] - 8])
    assert "steps back" in refused(export(path, eeg, late))
    bands = [f"{b}_{s}" for b in ("Delta", "Alpha") for s in SITES]
    path.write_text(
        ",".join(["TimeStamp", *bands, "Battery"]) + "\n" + "2024-01-08 09:40:00.004," + "0.5," * 8 + "80\n"
    )
    assert "band powers without raw EEG" in refused(path)
    path.write_text("TimeStamp,RAW_TP9,RAW_AF7,RAW_AF8,RAW_TP10\n2024-01-08 09:40:00.004,,,,\n")
    assert "no raw EEG" in refused(path)
    path.write_text("TimeStamp,RAW_TP9,RAW_AF7,RAW_AF8,RAW_TP10\nnow,1,2,3,4\nlater,1,2,3,4\n")
    assert "neither numbers nor ISO" in refused(path)


def test_an_auxiliary_channel_is_what_the_user_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    n = 256 * 10
    beat = 400 * (np.arange(n) % 256 < 10)
    path = export(tmp_path / "m.csv", brain(n, rng), arrivals(n, 256.0, rng), aux=beat.astype(float))
    assert [s.name for s in read(path).streams] == ["eeg"]
    recording = read(path, unit=["AUX_RIGHT=ecg:uV"])
    assert {s.name for s in recording.streams} == {"eeg", "ecg"}
    assert np.concatenate([c.samples for c in recording.chunks("ecg")]).max() == 400


def test_stamps_are_kept_in_a_thousandth_of_their_memory() -> None:
    packets = Packets(256.0)
    for block in np.split(np.arange(256 * 600) / 256, 60):
        packets.add(block)
    assert sum(a.nbytes for a in packets._lows + packets._steps) < 0.1 * 8 * 256 * 600
    assert packets.clock().times(1000, 1)[0] == pytest.approx(1000 / 256, abs=1e-6)


def test_four_electrodes_give_bands_and_a_workload_or_the_reason(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    n = 256 * 40
    eeg, came = brain(n, rng), arrivals(n, 256.0, rng)
    path = export(tmp_path / "muse.csv", eeg, came)
    (bands,) = moodal.extract(path, "brain.bands").by_subject.values()
    power = bands.values.mean(axis=0).reshape(5, 19)
    # Between the positions of the 10-20 system each is told at the nearest: TP9 at P7, AF7 at F7.
    assert [n for n, told in zip(POSITIONS, np.isfinite(power).all(axis=0), strict=True) if told] == [
        "F7",
        "F8",
        "P7",
        "P8",
    ]
    assert (power[2] > power[1]).sum() == 4  # alpha was planted
    told = moodal.analyze(path, scheme="workload2", out=tmp_path / "a").summary()["subjects"][0]["overall"]
    assert set(told["classes"]) == {"rest", "task"}
    assert told["label_set"]
    loose = np.ones((n, 4))
    loose[:, 0] = 4  # three electrodes are too few to estimate the others from
    path = export(tmp_path / "loose.csv", eeg, came, contact=loose)
    (bands,) = moodal.extract(path, "brain.bands").by_subject.values()
    assert np.isfinite(bands.values).any(axis=0).sum() == 3 * 5
    mood = moodal.analyze(path, scheme="workload2", out=tmp_path / "b")
    assert not mood.summary()["subjects"][0]["overall"]["classes"]
    (track,) = mood.tracks["brain.workload"].by_subject.values()
    assert {g.reason for g in track.gaps} == {"not_finite"}
