"""The contract's sentences about `analyze`, checked from outside: shapes, exit codes, what goes where."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import recordings as made
from contract import check_cover, check_folder, check_summary, run

pytestmark = pytest.mark.usefixtures("models")

SRT = '1\n00:00:00,200 --> 00:00:01,500\n<script>alert(1)</script> I am so "happy" today.\n'


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small recordings, good and bad."""
    home = tmp_path_factory.mktemp("contract")
    made.write_wav(home / "silence.wav", made.silence(2))
    made.write_wav(home / "noise.wav", made.noise(2))
    made.write_wav(home / "short.wav", made.silence(0.2))
    made.write_float_wav(home / "nan.wav", np.full(32000, np.nan, np.float32))
    made.write_video(home / "talk.mp4", made.portrait(2), sound=made.silence(2))
    (home / "zero.mp4").write_bytes(b"")
    (home / "junk.wav").write_bytes(b"nonsense" * 200)
    (home / "note.txt").write_text("I am so happy today. This is terrible!")
    (home / "evil.srt").write_text(SRT)
    rows = [(t / 4, 2 + 0.3 * np.sin(t / 36)) for t in range(600)]
    (home / "bom.csv").write_text("\ufefftime,eda (uS)\n" + "\n".join(f"{t},{v:.4f}" for t, v in rows))
    comma = "\n".join(f"{t};{v:.4f}".replace(".", ",") for t, v in rows)
    (home / "comma.csv").write_text(f"time;eda\n{comma}")
    (home / "swapped.csv").write_text("time,hr\n" + "\n".join(f"{t},4000" for t, _ in rows))
    (home / "band").mkdir()
    (home / "band" / "HR.csv").write_text("1544027337.0\n1.0\n" + "72.0\n" * 120)
    with zipfile.ZipFile(home / "band.zip", "w") as file:
        file.write(home / "band" / "HR.csv", "HR.csv")
    (home / "nothing").mkdir()
    return home


@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("silence.wav", ["voice"]),
        ("noise.wav", ["voice"]),
        ("short.wav", ["voice"]),
        ("nan.wav", ["voice"]),
        ("talk.mp4", ["p1"]),
        ("note.txt", ["text"]),
        ("evil.srt", ["voice"]),
        ("bom.csv", ["body"]),
        ("comma.csv", ["body"]),
        ("band", ["body"]),
        ("band.zip", ["body"]),
    ],
)
def test_one_readable_recording(bench: Path, tmp_path: Path, name: str, subjects: list[str]) -> None:
    ran = run("analyze", bench / name, "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    [summary] = ran.rows
    check_summary(summary)
    assert summary["recording"] == name
    assert [s["id"] for s in summary["subjects"]] == subjects
    assert summary["clock"] == ("order" if name == "note.txt" else "time")
    [folder] = tmp_path.glob("*.mood")
    assert folder.name == f"{Path(name).stem}.mood"
    check_folder(folder)
    check_cover(folder)
    assert ran.complaints == [f"moodal: {w}" for w in summary["warnings"]]
    summary.pop("timing")
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8")) == summary
    shown = run("show", folder, "--json", cwd=tmp_path)
    assert shown.rows == [summary]
    assert "<script>alert" not in (folder / "index.html").read_text(encoding="utf-8")
    assert run("show", folder, cwd=tmp_path).code == 0


@pytest.mark.parametrize("name", ["zero.mp4", "junk.wav", "swapped.csv", "nothing", "nothing/here.mp4"])
def test_one_unreadable_input(bench: Path, tmp_path: Path, name: str) -> None:
    ran = run("analyze", bench / name, "--json", cwd=tmp_path)
    assert ran.code == 2
    [row] = ran.rows
    assert row["recording"] == Path(name).name
    assert ran.complaints == [f"moodal: {row['error']}"]
    assert run("analyze", bench / name, cwd=tmp_path).out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--only", "smell"),
        ("--scheme", "plutchik"),
        ("--keep", "face.nose"),
        ("--write", "doc"),
        ("--colour", "blue"),
        ("--jobs", "0"),
        ("--jobs", "two"),
        ("--fps", "0"),
        ("--fps", "nan"),
        ("--start", "nan"),
        ("--start", "-1"),
        ("--start", "9"),
        ("--end", "inf"),
        ("--start", "1", "--end", "1"),
        ("--baseline", "5"),
        ("--baseline", "nan:3"),
        ("--baseline", "1:inf"),
        ("--baseline", "50:60"),
        ("--baseline", "0:0.5", "--start", "1"),
        ("--unit", "eda"),
        ("--with", "nowhere.srt"),
        ("--model", "late-v1"),
        ("--model", "words-v0"),
        ("--model", "nowhere.bundle"),
        ("--commercial", "--model", "nowhere"),
    ],
)
def test_wrong_usage_is_one_line(bench: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    ran = run("analyze", bench / "silence.wav", *options, cwd=tmp_path)
    assert ran.code == 2
    assert ran.out == ""
    assert len(ran.complaints) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("as_json", [True, False])
def test_several_inputs_of_which_some_fail(bench: Path, tmp_path: Path, as_json: bool) -> None:
    names = ["silence.wav", "nothing", "junk.wav", "note.txt"]
    ran = run("analyze", *(bench / n for n in names), *(["--json"] if as_json else []), cwd=tmp_path)
    assert ran.code == 1
    assert {p.name for p in tmp_path.iterdir()} == {"silence.mood", "note.mood", "summary.csv", "index.html"}
    assert [r["recording"] for r in csv.DictReader((tmp_path / "summary.csv").open())] == names
    assert sum("nothing could be told" in line for line in ran.complaints) == 1, "a warning, with and without --json"
    assert sum("junk.wav: is not" in line or "nothing: holds no file" in line for line in ran.complaints) == 2
    if as_json:
        assert [r["recording"] for r in ran.rows] == names
        assert ["error" in r for r in ran.rows] == [False, True, True, False]
        again = run("analyze", *(bench / n for n in names), "--json", cwd=tmp_path)
        for row in again.rows:
            if "error" not in row:
                check_summary(row)
    assert run("analyze", bench / "junk.wav", bench / "zero.mp4", "--out", "none", cwd=tmp_path).code == 2


def test_a_missing_model_costs_the_recordings_that_need_it(
    bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOODAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOODAL_OFFLINE", "1")
    ran = run("analyze", bench / "talk.mp4", bench / "note.txt", "--json", cwd=tmp_path)
    assert ran.code == 1
    assert "models pull" in ran.rows[0]["error"]
    check_summary(ran.rows[1])
    alone = run("analyze", bench / "talk.mp4", "--json", cwd=tmp_path)
    assert alone.code == 2
    assert set(alone.rows[0]) == {"recording", "error"}
    assert run("models", "pull", cwd=tmp_path).code == 2
    assert run("models", "verify", cwd=tmp_path).code == 1
    assert run("doctor", cwd=tmp_path).code == 1


def test_a_folder_is_each_file_in_it(bench: Path, tmp_path: Path) -> None:
    home = tmp_path / "in"
    (home / "deeper").mkdir(parents=True)
    for name in ("talk.mp4", "deeper/more.wav", "talk.wav", "talk.srt", "readme.md"):
        source = {"talk.srt": "evil.srt", "talk.mp4": "talk.mp4", "readme.md": "note.txt"}.get(name, "silence.wav")
        shutil.copy(bench / source, home / name)
    ran = run("analyze", "in", "--json", "--jobs", "1", "--out", "out", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert [r["recording"] for r in ran.rows] == ["talk.mp4", "talk.wav"]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"talk.mood", "talk.wav.mood", "summary.csv", "index.html"}
    for row in ran.rows:
        check_summary(row)
        assert "happy" in " ".join(w["text"] for w in row["words"])


def test_keep_start_end_fps_and_schemes(bench: Path, tmp_path: Path) -> None:
    options = ("--only", "face", "--start", "0.5", "--end", "1.5", "--fps", "5", "--commercial")
    schemes = ("--scheme", "sentiment3", "--scheme", "va", "--scheme", "ekman8")
    ran = run("analyze", bench / "talk.mp4", "--json", "--keep", "face.landmarks", *options, *schemes, cwd=tmp_path)
    [summary] = ran.rows
    check_summary(summary, others=("va", "ekman8"))
    assert summary["scheme"] == "sentiment3"
    check_folder(tmp_path / "talk.mood", kept=("face.landmarks",))
    import moodal

    kept = moodal.load(tmp_path / "talk.mood").tracks["face.landmarks"].only
    assert len(kept) == 5
    assert kept.values.shape[1] == 3 * 478
    assert 0.5 <= kept.times[0] <= kept.times[-1] < 1.5


def test_files_join_on_one_clock(bench: Path, tmp_path: Path) -> None:
    joined = ("--with", f"{bench / 'evil.srt'}@0.25", "--with", f"{bench / 'comma.csv'}@-1")
    ran = run("analyze", bench / "talk.mp4", *joined, "--unit", "eda=uS", "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    [summary] = ran.rows
    check_summary(summary)
    assert [s["id"] for s in summary["subjects"]] == ["p1"], "words and signals belong to the only face in view"
    assert summary["words"][0]["start_s"] == pytest.approx(0.45)
    assert {"picture", "sound", "words", "eda"} <= {s["kind"] for s in summary["streams"]}
    assert not any("without a unit" in w for w in summary["warnings"])
    wrong = run("analyze", bench / "comma.csv", "--unit", "eda=parsec", cwd=tmp_path)
    assert wrong.code == 2
    assert "parsec" in wrong.complaints[0]


def test_a_still_picture_lasts_one_second(tmp_path: Path, clips: Path) -> None:
    [summary] = run("analyze", clips / "single_face.jpg", "--json", cwd=tmp_path).rows
    check_summary(summary)
    assert summary["still"] is True
    assert summary["duration_s"] == 1
    [stream] = summary["streams"]
    assert stream["rate_hz"] == 1
    [group] = run("analyze", clips / "multi_face.jpg", "--json", cwd=tmp_path).rows
    check_summary(group)
    assert len(group["subjects"]) == 5


def test_real_signals(tmp_path: Path, data: Path) -> None:
    home = data / "fixtures_signals"
    for name in ("a103l.hea", "edf_annotations.edf", "minimal.xdf"):
        ran = run("analyze", home / name, "--json", cwd=tmp_path)
        assert ran.code == 0, ran.err
        [summary] = ran.rows
        check_summary(summary)
        check_folder(tmp_path / f"{Path(name).stem}.mood")
        check_cover(tmp_path / f"{Path(name).stem}.mood")
    assert run("analyze", home / "generator.bdf", cwd=tmp_path).code == 2


def test_a_hostile_name_is_one_line_and_steers_no_terminal(tmp_path: Path) -> None:
    name = "a\x1b[31m\nb [bold] <i>.wav"
    made.write_wav(tmp_path / name, made.silence(0.5))
    for arguments in (("analyze", name, "--json"), ("analyze", name), ("show", "a\x1b[31m\nb [bold] <i>.mood")):
        ran = run(*arguments, cwd=tmp_path)
        assert ran.code == 0
        assert "\x1b" not in ran.out + ran.err
        assert "[bold]" in ran.out
        assert all(line.startswith("moodal: ") for line in ran.err.splitlines())
        if "--json" in arguments:
            [summary] = ran.rows
            check_summary(summary)
            assert summary["recording"] == name
    assert "\x1b" not in run("analyze", "gone" + name, cwd=tmp_path).err


def test_a_folder_and_a_file_that_may_not_be_read(bench: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.wav", "b.wav", "c.wav"):
        shutil.copy(bench / "silence.wav", tmp_path / name)
    (tmp_path / "in").chmod(0)
    (tmp_path / "b.wav").chmod(0)
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may read everything and setpriv is not here")
    command = [*(drop if os.geteuid() == 0 else []), sys.executable, "-m", "moodal", "analyze", "in", "b.wav", "c.wav"]
    try:
        ran = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        (tmp_path / "in").chmod(0o700)
    assert ran.returncode == 1, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [r["recording"] for r in rows] == ["in", "b.wav", "c.wav"]
    assert all("cannot be opened (Permission denied)" in r["error"] for r in rows[:2])
    assert "Traceback" not in ran.stderr


def test_a_name_that_is_no_text_and_a_terminal_of_few_characters(tmp_path: Path) -> None:
    try:
        shutil.copy(made.write_wav(tmp_path / "a.wav", made.silence(0.5)), os.fsencode(tmp_path) + b"/b\xff.wav")
    except OSError:
        pytest.skip("this file system takes no such name")
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "moodal", "analyze", os.fsencode(tmp_path) + b"/b\xff.wav"]
    for more, codec in (([], "ascii"), (["--json"], "utf-8"), ([os.fsencode(tmp_path / "a.wav"), "--json"], "utf-8")):
        env["PYTHONIOENCODING"] = codec
        ran = subprocess.run([*command, *more], cwd=tmp_path, env=env, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr
        if "--json" in more:
            check_summary(json.loads(ran.stdout.splitlines()[0]))
            assert json.loads(ran.stdout.splitlines()[0])["recording"] == "b?.wav"
    assert (tmp_path / "summary.csv").exists()
    check_folder(tmp_path / "b?.mood")
