"""The commands as scripts call them: exit codes, JSON on standard output, one line of error."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import recordings as made
from moodal.core.track import GAP_REASONS

MOODAL = [sys.executable, "-m", "moodal"]


def run(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "80", **environment}
    return subprocess.run(
        [*MOODAL, *map(str, arguments)], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def one_line(result: subprocess.CompletedProcess[str], *parts: str) -> str:
    """The last line of standard error, which is the only complaint."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("moodal: ") and not line.endswith("…")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in lines[0], lines[0]
    return lines[0]


@pytest.mark.usefixtures("models")
def test_analyze_show_and_extract(tmp_path: Path) -> None:
    made.write_video(tmp_path / "talk.mp4", made.portrait(3), sound=made.speech(3))
    result = run("analyze", "talk.mp4", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    [line] = result.stdout.splitlines()
    summary = json.loads(line)
    assert summary["recording"] == "talk.mp4"
    assert set(summary["timing"]) == {"load_s", "analysis_s", "real_time"}
    assert [s["id"] for s in summary["subjects"]] == ["p1"]
    folder = tmp_path / "talk.mood"
    names = {p.name for p in folder.iterdir()}
    assert names == {
        "summary.json",
        "index.html",
        "mood.parquet",
        "words.parquet",
        "gaps.parquet",
        "tracks",
        "provenance.json",
    }
    assert "timing" not in json.loads((folder / "summary.json").read_text())
    assert not (folder / "tracks" / "face.landmarks.parquet").exists()

    shown = run("show", "talk.mood", "--json", cwd=tmp_path)
    summary.pop("timing")
    assert json.loads(shown.stdout) == summary
    text = run("show", "talk.mood", cwd=tmp_path)
    assert text.returncode == 0
    assert "p1" in text.stdout
    calibrated = json.loads((tmp_path / "talk.mood" / "summary.json").read_text())["calibrated"]
    assert ("not calibrated" in text.stdout) != calibrated
    assert max(map(len, text.stdout.splitlines())) <= 80

    table = run("extract", "talk.mp4", "--track", "face.blendshapes", "--out", "t", cwd=tmp_path)
    assert table.returncode == 0, table.stderr
    rows = list(csv.reader((tmp_path / "t" / "talk.face.blendshapes.csv").open()))
    assert rows[0][:2] == ["time_s", "subject"]
    assert rows[0][-1] == "quality"
    assert len(rows) == 31
    run("extract", "talk.mp4", "--track", "voice.egemaps", "--functionals", "--out", "t", cwd=tmp_path)
    header, *values = csv.reader((tmp_path / "t" / "voice.egemaps.functionals.csv").open())
    assert header[:2] == ["file", "subject"]
    assert len(header) == 90
    assert [v[:2] for v in values] == [["talk.mp4", "voice"]]
    run("extract", "talk.mp4", "--track", "face.landmarks", "--out", "t", "--format", "parquet", cwd=tmp_path)
    assert (tmp_path / "t" / "talk.face.landmarks.parquet").stat().st_size > 10_000


@pytest.mark.usefixtures("models")
def test_only_scheme_start_and_end(tmp_path: Path) -> None:
    made.write_video(tmp_path / "talk.mp4", made.portrait(3), sound=made.silence(3))
    arguments = (
        "--only",
        "face",
        "--scheme",
        "sentiment3",
        "--scheme",
        "ekman8",
        "--start",
        "1",
        "--end",
        "2",
        "--fps",
        "5",
    )
    summary = json.loads(run("analyze", "talk.mp4", "--json", *arguments, cwd=tmp_path).stdout)
    assert summary["scheme"] == "sentiment3"
    [subject] = summary["subjects"]
    assert set(subject["overall"]["classes"]) == {"negative", "neutral", "positive"}
    assert set(subject["overall"]["schemes"]) == {"ekman8"}
    reasons = {(g["modality"], g["reason"]) for g in subject["gaps"]}
    assert ("voice", "not_asked") in reasons
    assert ("face", "not_asked") in reasons
    told = [s for s in subject["segments"] if s["classes"]]
    assert told[0]["start_s"] == pytest.approx(1.0)
    assert told[-1]["end_s"] == pytest.approx(2.0)


@pytest.mark.usefixtures("models")
def test_folder_transcript_and_clashing_names(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    made.write_wav(folder / "talk.wav", made.silence(2))
    made.write_video(folder / "talk.mp4", made.wall(2))
    (folder / "talk.srt").write_text("1\n00:00:00,200 --> 00:00:01,500\nI am so happy today.\n")
    (folder / "notes.md").write_text("not a recording")
    (folder / "broken.mp4").write_bytes(b"nonsense" * 100)
    result = run("analyze", "in", "--json", "--out", "out", cwd=tmp_path)
    assert result.returncode == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["recording"] for r in rows] == ["broken.mp4", "talk.mp4", "talk.wav"]
    assert "error" in rows[0]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"talk.mood", "talk.wav.mood", "summary.csv", "index.html"}
    assert [w["text"] for w in rows[1]["words"]] == ["I", "am", "so", "happy", "today."]


def test_tracks_models_doctor(tmp_path: Path) -> None:
    tracks = json.loads(run("tracks", "--json", cwd=tmp_path).stdout)
    assert set(tracks["gap_reasons"]) == set(GAP_REASONS)
    names = {t["name"] for t in tracks["tracks"]}
    assert {"face.landmarks", "face.blendshapes", "face.action_units", "face.pose", "face.gaze", "face.eyes"} <= names
    assert {"face.quality", "face.expression", "voice.activity", "voice.egemaps", "voice.pitch", "voice.rate"} <= names
    assert {"voice.emotion", "words.transcript", "words.emotion"} <= names
    models = json.loads(run("models", "list", "--json", cwd=tmp_path).stdout)
    assert {"face-landmarks", "whisper-tiny.en", "late-v0"} <= {m["name"] for m in models}
    assert all(m["licence"] for m in models)
    for command in (("tracks",), ("models", "list"), ("models", "card", "late-v0"), ("doctor",), ("--help",)):
        result = run(*command, cwd=tmp_path)
        assert max(map(len, result.stdout.splitlines())) <= 80, command
    assert json.loads(run("doctor", "--json", cwd=tmp_path).stdout)["moodal"]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("content", "name", "part"),
    [
        (b"", "empty.mp4", "0 bytes"),
        (b"hello there, I am no video" * 50, "text.mp4", "can read"),
        (None, "gone.mp4", "no such file"),
    ],
)
def test_unreadable_input_is_one_line_and_exit_2(tmp_path: Path, content: bytes | None, name: str, part: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run("analyze", name, cwd=tmp_path)
    assert result.returncode == 2
    one_line(result, name, part)
    assert list(tmp_path.glob("*.mood")) == []


def test_unknown_options_are_one_line_and_exit_2(tmp_path: Path) -> None:
    made.write_wav(tmp_path / "a.wav", made.silence(1))
    one_line(run("analyze", "a.wav", "--only", "smell", cwd=tmp_path), "smell", "face, voice, words")
    one_line(run("analyze", "a.wav", "--scheme", "plutchik", cwd=tmp_path), "plutchik", "ekman8")
    one_line(run("extract", "a.wav", "--track", "face.nose", cwd=tmp_path), "face.nose", "face.landmarks")
    one_line(run("show", "nowhere.mood", cwd=tmp_path), "nowhere.mood", "moodal analyze")
    wrong = run("analyze", "a.wav", "--colour", "blue", cwd=tmp_path)
    assert wrong.returncode == 2
    one_line(wrong, "--colour", "moodal analyze --help")
    assert run("analyze", "a.wav", "--start", "5", cwd=tmp_path).returncode == 2


@pytest.mark.usefixtures("models")
def test_damaged_model_costs_its_own_modality(tmp_path: Path) -> None:
    from moodal import weights

    home = tmp_path / "home"
    shutil.copytree(weights.home() / "models", home / "models")
    broken = home / "models" / "face_landmarks.tflite"
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")
    made.write_video(tmp_path / "talk.mp4", made.portrait(2), sound=made.speech(2))
    result = run("analyze", "talk.mp4", "--json", cwd=tmp_path, MOODAL_HOME=str(home))
    assert result.returncode == 1, result.stderr
    summary = json.loads(result.stdout)
    assert any("damaged" in w for w in summary["warnings"])
    assert ("face", "no_model") in {(g["modality"], g["reason"]) for g in summary["subjects"][0]["gaps"]}
    only = run("analyze", "talk.mp4", "--only", "face", cwd=tmp_path, MOODAL_HOME=str(home))
    assert only.returncode == 2
    one_line(only, "damaged", "moodal models pull")


def test_output_that_is_a_file(tmp_path: Path) -> None:
    made.write_wav(tmp_path / "a.wav", made.silence(1))
    (tmp_path / "out").write_text("I am a file")
    result = run("analyze", "a.wav", "--out", "out/deep", cwd=tmp_path)
    assert result.returncode == 2
    one_line(result, "not a folder")


@pytest.mark.usefixtures("models")
def test_disk_full(tmp_path: Path) -> None:
    """A file-size limit stands in for a full disk: the first Parquet file hits it."""
    made.write_wav(tmp_path / "a.wav", made.noise(3))
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)); "
        "sys.argv = ['moodal', 'analyze', 'a.wav']; from moodal.cli import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    one_line(result, "disk is full")
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.usefixtures("models")
def test_short_and_clipped_sound(tmp_path: Path) -> None:
    made.write_wav(tmp_path / "short.wav", made.speech(2)[-3200:])
    clipped = np.clip(made.speech(6) * 200, -1, 1)
    made.write_wav(tmp_path / "clipped.wav", clipped)
    result = run("analyze", "short.wav", "clipped.wav", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    short, loud = (json.loads(line) for line in result.stdout.splitlines())
    assert short["duration_s"] == pytest.approx(0.2)
    assert short["subjects"][0]["overall"]["arousal"]["value"] is None
    assert "clipped" in {g["reason"] for g in loud["subjects"][0]["gaps"]}
