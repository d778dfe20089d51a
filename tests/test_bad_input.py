"""What goes wrong on the way: one clear line or a reasoned gap, and what was finished is kept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import moodal
import recordings as made
from moodal.analyze import analyze_into
from moodal.core.errors import InputError
from moodal.media import read
from moodal.settings import Settings

pytestmark = pytest.mark.usefixtures("models")


def when(share: float, act: Callable[[], object]) -> Callable[[float], None]:
    """A progress callback that acts once, when this share is done."""
    acted: list[bool] = []

    def progress(done: float) -> None:
        if done >= share and not acted:
            acted.append(True)
            act()

    return progress


def test_a_file_that_vanishes_midway_keeps_what_was_measured(tmp_path: Path) -> None:
    clip = made.write_video(tmp_path / "talk.mp4", made.portrait(60), sound=made.silence(60))
    recording = read(clip)
    mood, measured = analyze_into(recording, tmp_path / "talk.mood", Settings(only=("face",)), when(0.2, clip.unlink))
    assert measured.failed
    [line] = mood.warnings
    assert "talk.mp4: vanished while it was read" in line
    assert mood.provenance["recording"]["sha256"] is None
    told = np.flatnonzero(mood["p1"].told)
    assert len(told) > 50, "what had been measured is kept"
    assert told[-1] < len(mood.times) - 50, "it did not vanish in time: the test shows nothing"
    last = mood.gaps_of("p1", "face")[-1]
    assert last.end == pytest.approx(mood.duration_s)
    assert last.reason == "unreadable"
    assert (tmp_path / "talk.mood" / "index.html").exists()


def test_extract_keeps_what_was_measured_before_a_stream_breaks_off(tmp_path: Path) -> None:
    clip = made.write_video(tmp_path / "talk.mp4", made.portrait(60), sound=made.silence(60))
    recording = read(clip)
    with pytest.warns(UserWarning, match=r"talk\.mp4: vanished while it was read"):
        tracks = moodal.extract(recording, "face.quality", progress=when(0.2, clip.unlink))
    told = tracks["p1"].times
    assert len(told) > 50
    last = max(tracks["p1"].gaps, key=lambda g: g.end)
    assert (last.end, last.reason) == (pytest.approx(recording.duration_s), "unreadable")
    with pytest.raises(InputError, match=r"talk\.mp4"):
        moodal.extract(recording, "face.quality")


def test_a_file_that_vanished_before_it_was_read_is_one_line(tmp_path: Path) -> None:
    clip = made.write_wav(tmp_path / "a.wav", made.silence(2))
    recording = read(clip)
    clip.unlink()
    with pytest.raises(InputError, match=r"a\.wav"):
        list(recording.chunks("sound"))


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write everywhere and setpriv is not here"
)
def test_read_only_output_is_one_line(tmp_path: Path) -> None:
    made.write_wav(tmp_path / "a.wav", made.silence(1))
    (tmp_path / "out").mkdir(mode=0o500)
    # Root loses its right to write everywhere first.
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    command = [*(drop if os.geteuid() == 0 else []), sys.executable, "-m", "moodal", "analyze", "a.wav", "--out", "out"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    [line] = [x for x in result.stderr.splitlines() if not x.endswith("…")]
    assert line.startswith("moodal: ")
    assert "out" in line
    assert "cannot be written" in line
    assert list((tmp_path / "out").iterdir()) == []


def test_a_second_stream_of_a_kind_is_left_aside_and_said(tmp_path: Path) -> None:
    for name, low in (("one", 1.0), ("two", 2.0)):
        rows = "\n".join(f"{t / 4},{low + 0.1 * np.sin(t / 9):.4f}" for t in range(400))
        (tmp_path / f"{name}.csv").write_text(f"time_s,eda_uS\n{rows}\n")
    recording = read(tmp_path / "one.csv", with_=[f"{tmp_path / 'two.csv'}@0"])
    mood, _ = analyze_into(recording, tmp_path / "one.mood", Settings(only=("body",)))
    assert [w for w in mood.warnings if "is measured, not" in w] == [
        "one.csv: eda is measured, not eda2, which is of the same kind"
    ]


@pytest.mark.parametrize("seconds", [0.02, 0.2])
def test_a_blink_of_a_clip(tmp_path: Path, seconds: float) -> None:
    clip = made.write_video(tmp_path / "blink.mp4", list(made.portrait(1))[: max(1, round(seconds * 10))])
    mood, _ = analyze_into(read(clip), tmp_path / "blink.mood", Settings())
    summary = mood.summary()
    for subject in summary["subjects"]:
        for gap in subject["gaps"]:
            assert gap["end_s"] > gap["start_s"]
    json.dumps(summary, allow_nan=False)


@pytest.mark.slow
def test_eight_hours_of_sound(tmp_path: Path) -> None:
    """Mostly silence, with half a minute of speech after five hours: bounded memory, and only that is told."""
    import av

    hours, at = 8, 5 * 3600
    talk = made.speech(15).astype(np.float32)
    path = tmp_path / "night.flac"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=made.RATE, layout="mono")
        minute = np.zeros(60 * made.RATE, np.int16)
        for index in range(hours * 60):
            block = minute
            if index == at // 60:
                block = minute.copy()
                block[: len(talk)] = (talk * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(block[None], format="s16", layout="mono")
            frame.rate = made.RATE
            frame.pts = index * len(minute)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    # VmHWM is this program's own peak; getrusage would also count what the tests' process held when it started it.
    code = (
        "import json, re, sys, moodal; m = moodal.analyze(sys.argv[1], out=sys.argv[2]); "
        "told = re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read()); "
        "print(json.dumps({'peak_mb': int(told[1]) / 1024}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout)["peak_mb"] < 800
    summary = json.loads((tmp_path / "night.mood" / "summary.json").read_text())
    assert summary["duration_s"] == pytest.approx(hours * 3600, abs=0.2)
    [voice] = summary["subjects"]
    told = [s for s in voice["segments"] if s["arousal"]["value"] is not None]
    assert told
    assert all(at - 1 <= s["start_s"] and s["end_s"] <= at + 20 for s in told)
    assert (tmp_path / "night.mood" / "index.html").stat().st_size < 3_000_000
