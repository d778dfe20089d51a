"""No number without evidence: every kind of nothing gives gaps with reasons, and the sums agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import moodal
import recordings as made
from moodal.core.mood import Mood
from moodal.core.track import GAP_REASONS

pytestmark = pytest.mark.usefixtures("models")


def tell(mood: Mood) -> set[str]:
    """Reasons of all gaps, after checking that nothing is told anywhere."""
    summary = mood.summary()
    for subject in summary["subjects"]:
        for state in [subject["overall"], *subject["segments"]]:
            assert state["valence"]["value"] is None
            assert state["arousal"]["value"] is None
            assert state["classes"] == {}
            assert state["label_set"] == []
    table = mood.columns()
    for name, values in table.items():
        if name.startswith(("valence", "arousal", "p_")):
            assert np.isnan(np.asarray(values, float)).all(), name
    gaps = [g for s in summary["subjects"] for g in s["gaps"]] + summary["gaps"]
    assert {g["reason"] for g in gaps} <= set(GAP_REASONS)
    assert any("nothing could be told" in w for w in summary["warnings"])
    return {g["reason"] for g in gaps}


SOUNDS: dict[str, tuple[Callable[[], np.ndarray], str]] = {
    "silence": (lambda: made.silence(3), "silence"),
    "white noise": (lambda: made.noise(4), "noise"),
    "hum": (lambda: 0.2 * np.sin(2 * np.pi * 50 * np.arange(3 * made.RATE) / made.RATE), "noise"),
    "not a number": (lambda: np.full(3 * made.RATE, np.nan), "not_finite"),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_sound_of_nothing(tmp_path: Path, kind: str) -> None:
    samples, reason = SOUNDS[kind][0](), SOUNDS[kind][1]
    write = made.write_float_wav if np.isnan(samples).any() else made.write_wav
    mood = moodal.analyze(write(tmp_path / "nothing.wav", samples), out=tmp_path)
    assert reason in tell(mood)
    voice = [g for g in mood.gaps if g.modality == "voice"]
    assert sum(g.end - g.start for g in voice) == pytest.approx(mood.duration_s)


@pytest.mark.parametrize(("kind", "reason"), [("wall", "no_face"), ("black", "dark"), ("snow", "no_face")])
def test_picture_of_nobody(tmp_path: Path, kind: str, reason: str) -> None:
    frames = {"wall": made.wall(2), "black": made.wall(2, colour=(0, 0, 0)), "snow": made.snow(2)}[kind]
    mood = moodal.analyze(made.write_video(tmp_path / "nobody.mp4", frames), out=tmp_path)
    assert mood.summary()["subjects"] == []
    assert reason in tell(mood)


def test_empty_and_blank_text(tmp_path: Path) -> None:
    path = tmp_path / "blank.txt"
    path.write_text("  \n\n ")
    assert "no_words" in tell(moodal.analyze(path, out=tmp_path))


def test_a_face_in_silence_is_told_by_the_face_alone(tmp_path: Path) -> None:
    clip = made.write_video(tmp_path / "face.mp4", made.portrait(6, away=(2, 4)), sound=made.silence(6))
    mood = moodal.analyze(clip, out=tmp_path)
    assert list(mood.subjects) == ["p1"]
    subject = mood["p1"]
    assert subject.told[(mood.times < 1.8) | (mood.times > 4.5)].all()
    assert not subject.told[(mood.times > 2.2) & (mood.times < 3.8)].any()
    assert (subject.support["voice"] == 0).all()
    assert {g.reason for g in mood.gaps_of("p1", "voice")} == {"silence"}
    check_ledger(mood)


def check_ledger(mood: Mood) -> None:
    """Page, table and JSON agree: covered + gap = duration within one cell."""
    table = mood.to_pandas()
    saved = json.loads((mood.path / "summary.json").read_text())  # type: ignore[operator]
    for subject in saved["subjects"]:
        rows = table[table.subject == subject["id"]]
        for modality in mood.modalities:
            covered = float(np.diff(mood.edges)[(rows[f"support_{modality}"] > 0).to_numpy()].sum())
            missing = sum(g["end_s"] - g["start_s"] for g in subject["gaps"] if g["modality"] == modality)
            assert covered + missing == pytest.approx(saved["duration_s"], abs=mood.step_s), (subject["id"], modality)
        for segment in subject["segments"]:
            inside = (rows.time_s >= segment["start_s"] - 1e-6) & (rows.time_s < segment["end_s"] - 1e-6)
            assert bool(segment["classes"]) == bool(rows[inside].p_neutral.notna().any())


def test_speech_is_told_with_words_and_gaps_that_add_up(tmp_path: Path) -> None:
    clip = made.write_wav(tmp_path / "talk.wav", np.concatenate([made.silence(2), made.speech(8), made.silence(2)]))
    mood = moodal.analyze(clip, out=tmp_path)
    assert list(mood.subjects) == ["voice"]
    assert np.isfinite(mood["voice"].arousal[:, 0]).sum() > 30
    assert {"silence"} <= {g.reason for g in mood.gaps_of("voice", "voice")}
    assert not mood["voice"].told[mood.times < 1.5].any()
    check_ledger(mood)
