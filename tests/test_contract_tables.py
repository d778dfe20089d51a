"""The contract's sentences about tracks, tables, models and Python names, checked from outside."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import moodal
import recordings as made
from contract import REASONS, check_summary, run

TRACKS = frozenset(
    f"{modality}.{name}"
    for modality, names in {
        "face": "landmarks blendshapes action_units pose gaze eyes quality expression",
        "voice": "activity egemaps pitch rate emotion",
        "words": "transcript emotion",
        "body": "ppg ecg heart eda resp emg temp acc",
    }.items()
    for name in names.split()
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip, a sound of speech and one of silence."""
    folder = tmp_path_factory.mktemp("tables")
    made.write_video(folder / "talk.mp4", made.portrait(2), sound=made.speech(2))
    made.write_wav(folder / "talk.wav", made.silence(1))
    (folder / "other").mkdir()
    made.write_wav(folder / "other" / "talk.wav", made.speech(2))
    (folder / "junk.mp3").write_bytes(b"nonsense" * 100)
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tracks_are_named_as_promised(tmp_path: Path) -> None:
    [told] = run("tracks", "--json", cwd=tmp_path).rows
    assert set(told["gap_reasons"]) == REASONS
    tracks = {t["name"]: t for t in told["tracks"]}
    assert set(tracks) >= TRACKS
    for track in tracks.values():
        assert {"name", "fields", "rate_hz", "look_ahead_s", "source"} <= set(track)
        assert track["source"]
        assert all({"name", "unit"} <= set(f) for f in track["fields"])
    assert tracks["body.heart"]["rate_hz"] == 1
    assert {"hr", "rmssd"} <= {f["name"] for f in tracks["body.heart"]["fields"]}
    assert len(tracks["face.blendshapes"]["fields"]) == 52
    assert len(tracks["face.landmarks"]["fields"]) == 3 * 478
    shown = run("tracks", cwd=tmp_path)
    assert all(name in shown.out for name in TRACKS)


def test_models_and_doctor(tmp_path: Path) -> None:
    [rows] = run("models", "list", "--json", cwd=tmp_path).rows
    assert all(r["licence"] and r["data_terms"] and "commercial" in r for r in rows)
    assert {"late-v0", "face-landmarks"} <= {r["name"] for r in rows}
    assert all("scores" in r for r in rows if r["kind"] != "model")
    [card] = run("models", "card", "late-v0", "--json", cwd=tmp_path).rows
    assert "Not for" in card["card"]
    for command in (("models", "list"), ("models", "card", "late-v0"), ("models", "card", "silero-vad"), ("--help",)):
        assert run(*command, cwd=tmp_path).code == 0
    assert run("models", "card", "nobody", cwd=tmp_path).code == 2
    [found] = run("doctor", "--json", cwd=tmp_path).rows
    assert {"ok", "packages", "models", "cache", "problems"} <= set(found)
    assert run("doctor", cwd=tmp_path).code == (0 if found["ok"] else 1)
    assert run("smile", cwd=tmp_path).code == 2
    assert run(cwd=tmp_path).code == 2


@pytest.mark.usefixtures("models")
def test_extract_writes_one_table_a_recording(home: Path, tmp_path: Path) -> None:
    ran = run("extract", home, home / "other", "--track", "voice.pitch", "--out", "t", cwd=tmp_path)
    assert ran.code == 1
    assert ran.out == ""
    names = {p.name for p in (tmp_path / "t").iterdir()}
    assert names == {f"{n}.voice.pitch.csv" for n in ("talk", "talk.wav", "talk.wav-2")}
    rows = table(tmp_path / "t" / "talk.voice.pitch.csv")
    assert list(rows[0]) == ["time_s", "subject", "f0", "voicing", "quality"]
    assert any(r["f0"] == "" for r in rows), "missing is empty"
    assert any(float(r["f0"] or 0) > 60 for r in rows)
    assert table(tmp_path / "t" / "talk.wav.voice.pitch.csv") == []
    assert sum("talk.wav: voice.pitch: nothing could be measured (silence)" in c for c in ran.complaints) == 1
    assert sum("junk.mp3: is not" in c for c in ran.complaints) == 1


@pytest.mark.usefixtures("models")
def test_extract_one_row_a_file_and_subject(home: Path, tmp_path: Path) -> None:
    files = (home / "talk.mp4", home / "talk.wav")
    for track in ("voice.egemaps", "face.pose", "body.heart"):
        assert run("extract", *files, "--track", track, "--functionals", "--out", ".", cwd=tmp_path).code == 0
    assert {p.name for p in tmp_path.iterdir()} == {
        f"{t}.functionals.csv" for t in ("voice.egemaps", "face.pose", "body.heart")
    }
    [header, *rows] = list(csv.reader((tmp_path / "voice.egemaps.functionals.csv").open()))
    assert header[:3] == ["file", "subject", "F0semitoneFrom27.5Hz_sma3nz_amean"]
    assert len(header) == 2 + 88
    assert [r[:2] for r in rows] == [["talk.mp4", "voice"], ["talk.wav", "voice"]]
    assert set(rows[1][2:]) == {""}, "silence has no functionals"
    [pose] = table(tmp_path / "face.pose.functionals.csv")
    assert list(pose) == ["file", "subject", *(f"{a}_{s}" for a in ("yaw", "pitch", "roll") for s in ("mean", "std"))]
    [heart] = list(csv.reader((tmp_path / "body.heart.functionals.csv").open()))
    assert heart[:4] == ["file", "subject", "hr_mean", "hr_std"]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("talk.wav", "--track", "face.nose"), 2),
        (("talk.wav",), 2),
        (("talk.wav", "--track", "voice.pitch", "--format", "xlsx"), 2),
        (("talk.wav", "--track", "voice.pitch", "--start", "1.5"), 2),
        (("gone.wav", "--track", "voice.pitch"), 2),
        (("talk.wav", "talk.mp4", "--track", "voice.pitch", "--start", "1.5"), 1),
    ],
)
def test_extract_says_what_is_wrong(home: Path, tmp_path: Path, options: tuple[str, ...], code: int) -> None:
    ran = run("extract", *options, "--out", tmp_path, cwd=home)
    assert ran.code == code
    assert sum(line.startswith("moodal: ") for line in ran.complaints) == 1
    assert len(list(tmp_path.iterdir())) == (code == 1)


@pytest.mark.usefixtures("models")
def test_python_names(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    mood = moodal.analyze(home / "talk.mp4")
    check_summary(mood.summary())
    frame = mood.to_pandas()
    wanted = ["time_s", "subject", "valence", "valence_low", "valence_high", "arousal", "arousal_low", "arousal_high"]
    assert list(frame.columns[:9]) == [*wanted, "p_neutral"]
    assert "support_face" in frame
    shapes = mood.tracks["face.blendshapes"].to_pandas()
    assert list(shapes.columns[:2]) == ["time_s", "subject"]
    assert shapes.columns[-1] == "quality"
    recording = moodal.read(home / "talk.mp4")
    assert len(moodal.extract(recording, "voice.egemaps").to_pandas())
    several = moodal.analyze([recording, home / "talk.wav", home / "other" / "talk.wav"], out=tmp_path, only="voice")
    folders = [m.path.name for m in several if m.path is not None]
    assert folders == ["talk.mood", "talk.wav.mood", "talk.wav-2.mood"]
    loaded = moodal.load(tmp_path / "talk.mood")
    assert loaded.summary() == {k: v for k, v in several[0].summary().items() if k != "timing"}
    with pytest.raises(moodal.MoodalError, match="unknown option colour"):
        moodal.analyze(home / "talk.mp4", colour="blue")
    with moodal.stream(streams=("sound",), only="voice") as live:
        points = [p for chunk in recording.chunks("sound") for p in live.push(chunk)]
    assert all(-1 <= p.arousal[0] <= 1 for p in points if p.arousal)


@pytest.mark.usefixtures("models")
def test_people_merged_and_named(home: Path, tmp_path: Path) -> None:
    moodal.analyze(home / "talk.mp4", out=tmp_path)
    ran = run("people", "talk.mood", "--merge", "p1", "--name", "Ann <b>", cwd=tmp_path)
    assert ran.code == 0
    assert "Ann <b>" in ran.out
    [summary] = run("show", "talk.mood", "--json", cwd=tmp_path).rows
    check_summary(summary, timing=False)
    assert summary["subjects"][0]["name"] == "Ann <b>"
    assert "Ann <b>" not in (tmp_path / "talk.mood" / "index.html").read_text(encoding="utf-8")
    for wrong in (("--merge", "p1,p9"), ("--merge", ""), ()):
        assert run("people", "talk.mood", *wrong, cwd=tmp_path).code == 2


def test_scores_sum_to_one_whatever_they_are() -> None:
    from moodal.core.summary import _summing_to_one

    rng = np.random.default_rng(0)
    for size in (2, 3, 8, 28):
        labels = tuple(map(str, range(size)))
        for row in rng.dirichlet(np.full(size, 0.3), 200):
            told = _summing_to_one(labels, row / row.sum())
            assert round(sum(told.values()), 9) == 1
            assert max(abs(told[c] - p) for c, p in zip(labels, row, strict=True)) < 1.1e-6
