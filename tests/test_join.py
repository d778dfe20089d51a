"""Several recordings on one clock: offsets, drift, zones, summer time, and the certificate."""

from __future__ import annotations

import json
import wave
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import moodal
import recordings as made
from moodal.core.clock import Span
from moodal.core.errors import InputError
from moodal.core.stream import SoundChunk
from moodal.media.generated import EPOCH, e4
from moodal.media.generated_edf import write
from moodal.media.join import parsed

RATE = 16000


def sound(path: Path, seconds: float, claps: list[float], seed: int = 0) -> Path:
    """Quiet noise, a voice-like tone that swells, and claps."""
    rng, n = np.random.default_rng(seed), round(seconds * RATE)
    t = np.arange(n) / RATE
    samples = 0.003 * rng.normal(size=n) + 0.2 * np.sin(2 * np.pi * 180 * t) * np.clip(np.sin(2 * np.pi * t / 7), 0, 1)
    for at in claps:
        k, m = round(at * RATE), round(0.03 * RATE)
        samples[k : k + m] += 0.8 * np.exp(-np.arange(m) / (0.006 * RATE)) * rng.normal(size=m)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32000).astype("<i2").tobytes())
    return path


def band(home: Path, seconds: float, taps: list[float], seed: int = 1) -> Path:
    """A wristband whose acceleration moves a little, and jolts where it was tapped."""
    home.mkdir(exist_ok=True)
    rng, n = np.random.default_rng(seed), round(seconds * 32)
    acc = np.array([3.0, 10.0, 63.0]) + rng.normal(0, 0.8, (n, 3))
    acc[:, 0] += 20 * np.sin(np.arange(n) / 90)
    for at in taps:
        for k in range(int(32 * at), int(32 * at) + 3):
            acc[k] += np.array([60.0, -30.0, 50.0]) * np.exp(-abs(k - 32 * at))
    rows = (",".join(str(int(v)) for v in row) for row in np.clip(np.round(acc), -128, 127))
    (home / "ACC.csv").write_text("\n".join([f"{EPOCH}, {EPOCH}, {EPOCH}", "32.0, 32.0, 32.0", *rows, ""]))
    eda = (f"{2 + np.sin(k / 40):.4f}" for k in range(round(4 * seconds)))
    (home / "EDA.csv").write_text("\n".join([f"{EPOCH}", "4.0", *eda, ""]))
    return home


def table(path: Path, head: str, row: object, n: int = 200) -> Path:
    path.write_text("\n".join([head, *(str(row(k)) for k in range(n)), ""]))  # type: ignore[operator]
    return path


@pytest.mark.parametrize(
    ("offset", "ppm", "seconds", "claps"),
    [
        (12.345, 0.0, 120.0, [15.0, 16.1, 17.6]),
        (-8.2, 200.0, 900.0, [20.0, 21.1, 22.3, 880.0, 881.3, 882.1]),
        (30.5, -150.0, 900.0, [45.0, 46.2, 47.1, 860.0, 861.5, 862.2, 864.0]),
    ],
)
def test_claps_and_taps_join_a_video_and_a_wristband(
    tmp_path: Path, offset: float, ppm: float, seconds: float, claps: list[float]
) -> None:
    heard = sound(tmp_path / "talk.wav", seconds, claps)
    felt = band(tmp_path / "band", seconds, [(c - offset) / (1 + 1e-6 * ppm) for c in claps])
    joined = moodal.read(heard, with_=[felt])
    row = next(j for j in joined.joins if j.stream == "acc")
    assert (row.how, row.onto) == ("tap", "sound")
    t = np.array([0, seconds / 2, seconds])
    wrong = (row.offset_s + t * (1 + 1e-6 * row.drift_ppm)) - (offset + t * (1 + 1e-6 * ppm))
    assert np.abs(wrong).max() < 0.05
    assert row.error_ms is not None
    assert row.error_ms < 50
    assert joined.basis == "utc"
    assert joined.epoch_s == pytest.approx(EPOCH - offset, abs=0.05)


def test_claps_without_taps_are_not_believed(tmp_path: Path) -> None:
    heard = sound(tmp_path / "talk.wav", 300, [20.0, 21.1, 22.3])
    felt = band(tmp_path / "band", 300, [100.0, 140.0, 211.0])
    joined = moodal.read(heard, with_=[felt])
    row = next(j for j in joined.joins if j.stream == "acc")
    assert (row.how, row.offset_s, row.error_ms) == ("assumed start", 0.0, None)
    assert any("nothing tells when it began" in w and "@OFFSET_S" in w for w in joined.warnings)


@pytest.mark.parametrize("ppm", [0.0, 200.0, -120.0])
def test_shared_markers_give_offset_and_drift(tmp_path: Path, ppm: float) -> None:
    rng = np.random.default_rng(7)
    marks = np.sort(rng.uniform(20, 980, 12)).round(2)
    own = (marks - 15.25) / (1 + 1e-6 * ppm)
    first, second = ({round(t * 25): f"m{k % 3}" for k, t in enumerate(times)} for times in (marks, own))
    a = table(tmp_path / "a.csv", "time_s,eda_uS,marker", lambda k: f"{k / 25},2.{k % 9},{first.get(k, '')}", 25000)
    b = table(tmp_path / "b.csv", "time_s,temp_C,marker", lambda k: f"{k / 25},32.{k % 9},{second.get(k, '')}", 25000)
    joined = moodal.read(a, with_=[b])
    row = next(j for j in joined.joins if j.stream == "temp")
    assert row.how == "shared markers"
    t = np.array([0.0, 1000.0])
    wrong = (row.offset_s + t * (1 + 1e-6 * row.drift_ppm)) - (15.25 + t * (1 + 1e-6 * ppm))
    assert np.abs(wrong).max() < 0.05
    assert {s.name for s in joined.streams} == {"eda", "notes", "temp", "notes2"}


def test_a_given_offset_moves_everything(tmp_path: Path) -> None:
    first, second = e4(tmp_path, 0), e4(tmp_path, 3)
    joined = moodal.read(first.path, with_=[f"{second.path}@7.5"])
    assert joined.duration_s == 27.5
    alone, base = moodal.read(second.path), moodal.read(first.path)
    assert [s.name for s in joined.streams][-1] == "notes2"
    for stream in alone.streams:
        name = f"{stream.name}2"
        found = next(s for s in joined.streams if s.name == name)
        assert found.start_s == stream.start_s + 7.5
        row = next(j for j in joined.joins if j.stream == name)
        assert (row.how, row.offset_s, row.drift_ppm, row.error_ms) == ("given offset", 7.5, 0.0, None)
        if stream.kind == "notes":
            continue
        times = np.concatenate([c.times for c in alone.chunks(stream.name)])
        moved = np.concatenate([c.times for c in joined.chunks(name)])
        assert np.allclose(moved, times + 7.5)
        part = np.concatenate([c.times for c in joined.chunks(name, start=12, end=18)])
        assert np.array_equal(part, moved[(moved >= 12) & (moved < 18)])
    assert len({joined.sha256(), alone.sha256(), base.sha256()}) == 3
    again = moodal.read(first.path, with_=[f"{second.path}@7.5"])
    assert again.sha256() == joined.sha256()


def test_utc_stamps_join(tmp_path: Path) -> None:
    def at(name: str, begun: float, field: str) -> Path:
        return table(tmp_path / name, f"unix,{field}", lambda k: f"{begun + k / 4:.3f},32.{k % 9}")

    joined = moodal.read(at("a.csv", EPOCH, "temp_C"), with_=[at("b.csv", EPOCH + 10.25, "eda_uS")])
    row = joined.joins[-1]
    assert (row.how, row.offset_s) == ("start stamps", 10.25)
    assert row.error_ms == pytest.approx(200, abs=200)
    late = moodal.read(tmp_path / "b.csv", with_=[tmp_path / "a.csv"])
    assert any("10.2 s of it lie before b.csv begins" in w for w in late.warnings)
    assert min(c.times[0] for c in late.chunks("temp")) >= 0


@pytest.mark.parametrize("hours", [-5, 0, 1, 2])
def test_a_wall_clock_without_a_zone_is_not_guessed(tmp_path: Path, hours: int) -> None:
    """Whatever the hours apart: zones and summer time (March and October) look alike from here."""
    for month in (3, 10):
        begun = datetime(2024, month, 27, 1, 59, 30, tzinfo=UTC)
        utc = table(tmp_path / "utc.csv", "time,eda_uS", lambda k, b=begun: f"{b + timedelta(seconds=k)},2.{k % 9}")
        wall = begun.replace(tzinfo=None) + timedelta(hours=hours)
        local = table(tmp_path / "local.csv", "time,temp_C", lambda k, w=wall: f"{w + timedelta(seconds=k)},32.{k % 9}")
        with pytest.raises(InputError, match=r"states no zone .* --with .*local.csv@OFFSET_S") as caught:
            moodal.read(utc, with_=[local])
        assert f"{hours:+.2f} h apart" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert moodal.read(utc, with_=[f"{local}@0"]).joins[-1].how == "given offset"
        later = wall + timedelta(seconds=5)
        also = table(tmp_path / "l2.csv", "time,hr_bpm", lambda k, w=later: f"{w + timedelta(seconds=k)},7{k % 9}")
        both = moodal.read(local, with_=[also])
        assert both.joins[-1].offset_s == 5.0
        assert any("states a zone" in w for w in both.warnings)


def test_files_that_do_not_overlap_are_one_line(tmp_path: Path) -> None:
    def at(name: str, begun: float, field: str) -> Path:
        return table(tmp_path / name, f"unix,{field}", lambda k: f"{begun + k / 4:.3f},32.{k % 9}")

    a, b = at("a.csv", EPOCH, "temp_C"), at("b.csv", EPOCH + 7250, "eda_uS")
    with pytest.raises(InputError, match=r"b.csv: does not overlap a.csv \(start stamps: 2.00 h after it\)"):
        moodal.read(a, with_=[b])
    with pytest.raises(InputError, match="does not overlap"):
        moodal.read(a, with_=[f"{b}@-60"])


def test_an_offset_is_told_from_a_name(tmp_path: Path) -> None:
    odd = tmp_path / "a@12.csv"
    odd.write_text("x")
    assert parsed(odd) == (odd, None)
    assert parsed(f"{odd}@-3.5") == (odd, -3.5)
    assert parsed("gone@me.csv") == (Path("gone@me.csv"), None)
    with pytest.raises(InputError, match="is no offset"):
        parsed(f"{odd}@soon")


def test_transcripts_join_signals_and_move(tmp_path: Path) -> None:
    truth = e4(tmp_path, 1)
    words = tmp_path / "talk.srt"
    words.write_text("1\n00:00:01,000 --> 00:00:03,000\nhello\n")
    joined = moodal.read(truth.path, with_=[f"{words}@4"])
    (chunk,) = joined.chunks("words")
    assert [(c.start, c.end, c.text) for c in chunk.cues] == [(5.0, 7.0, "hello")]
    assert moodal.read(truth.path, with_=[words]).stream("words").start_s == 1.0


def test_stills_and_text_have_no_clock(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    truth = e4(tmp_path, 1)
    with pytest.raises(InputError, match="has no clock"):
        moodal.read(tmp_path / "a.png", with_=[truth.path])


def test_sound_that_drifts_keeps_each_sample_in_its_place(tmp_path: Path) -> None:
    made.write_video(tmp_path / "a.mp4", [np.full((64, 64, 3), 8 * k, np.uint8) for k in range(20)], fps=10)
    home = tmp_path / "both"
    home.mkdir()
    sound(home / "b.wav", 4, [1.0, 2.0])
    (tmp_path / "a.mp4").rename(home / "a.mp4")
    (home / "recording.toml").write_text(
        '[[file]]\npath = "a.mp4"\n[[file]]\npath = "b.wav"\noffset_s = -0.25\ndrift_ppm = 200.0\n'
    )
    joined, alone = moodal.read(home), moodal.read(home / "b.wav")
    chunks = [c for c in joined.chunks("sound") if isinstance(c, SoundChunk)]
    assert all(a.start_sample + len(a.samples) == b.start_sample for a, b in pairwise(chunks))
    assert chunks[0].start_sample == 0
    new = np.concatenate([c.samples for c in chunks])
    old = np.concatenate([c.samples for c in alone.chunks("sound")])
    index = np.floor((np.arange(len(new)) + 0.25 * RATE) / (1 + 200e-6) + 0.5).astype(int)
    good = index < len(old)
    assert np.array_equal(new[good], old[index[good]])
    parts = [c for a, b in ((0, 1.3), (1.3, 9)) for c in joined.openers["sound"](Span(a, b))]
    assert np.array_equal(np.concatenate([c.samples for c in parts]), new)
    rows = {j.stream: j for j in joined.joins}
    assert (rows["sound"].how, rows["sound"].drift_ppm) == ("given offset", pytest.approx(200.0))
    assert rows["picture"].how == "same file"


def test_edf_annotations_and_stamps_meet_a_wristband(tmp_path: Path) -> None:
    """An EDF's wall clock states no zone; the same markers in both settle it."""
    notes = ((3.0, 0.0, "tag"), (11.0, 0.0, "tag"), (29.5, 0.0, "tag"), (44.0, 0.0, "tag"))
    eeg = [("EEG Fp1", "uV", 100, (-200.0, 200.0), 50 * np.sin(np.arange(6000) / 5))]
    write(tmp_path / "eeg.edf", eeg, reserved="EDF+C", notes=notes)
    home = band(tmp_path / "band", 60, [])
    (home / "tags.csv").write_text("".join(f"{EPOCH + t - 2.0:.2f}\n" for t, _, _ in notes))
    joined = moodal.read(tmp_path / "eeg.edf", with_=[home])
    row = next(j for j in joined.joins if j.stream == "eda")
    assert (row.how, row.offset_s) == ("shared markers", pytest.approx(2.0, abs=0.01))


def test_the_command_takes_several_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sys
    from unittest import mock

    from moodal.cli import main

    truth = e4(tmp_path, 1)
    other = table(tmp_path / "b.csv", "time_s,gsr", lambda k: f"{k / 4},{3000 + k % 9}")
    arguments = ["moodal", "analyze", str(truth.path), "--with", f"{other}@2", "--unit", "gsr=nS", "--only", "words"]
    with (
        mock.patch.object(sys, "argv", [*arguments, "--out", str(tmp_path), "--json"]),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert end.value.code == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"gsr", "eda2"} & {s["name"] for s in summary["streams"]} == {"eda2"} or truth.signals.get("eda") is None
    assert summary["duration_s"] == pytest.approx(52.0)
