"""Same input, same bytes: whatever the chunks, however many run at once, in this process or another."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import moodal
import recordings as made
from moodal.media import pictures, sounds

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("same")
    sound = np.concatenate([made.silence(1), made.speech(6), made.silence(1)])
    return made.write_video(folder / "talk.mp4", made.portrait(8, 25, away=(3, 4)), fps=25, sound=sound)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a Mood; its page names the recording by the way to it, so Moods lie beside it."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def once(clip: Path) -> dict[str, str]:
    return digests(moodal.analyze(clip, out=clip.parent / "once").path)  # type: ignore[arg-type]


def test_again_in_another_process(clip: Path, once: dict[str, str]) -> None:
    out = clip.parent / "twice"
    code = "import sys, moodal; moodal.analyze(sys.argv[1], out=sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, str(clip), str(out)], check=True)
    assert digests(out / "talk.mood") == once
    assert len(once) > 10


@pytest.mark.parametrize(("frames", "samples"), [(1, 1600), (7, 4801), (50, 100_000)])
def test_whatever_the_chunks(
    clip: Path, once: dict[str, str], monkeypatch: pytest.MonkeyPatch, frames: int, samples: int
) -> None:
    monkeypatch.setattr(pictures, "FRAMES", frames)
    monkeypatch.setattr(sounds, "SAMPLES", samples)
    out = clip.parent / f"chunks-{frames}"
    assert digests(moodal.analyze(clip, out=out).path) == once  # type: ignore[arg-type]


def test_several_at_once(clip: Path, once: dict[str, str]) -> None:
    with ThreadPoolExecutor(3) as pool:
        moods = list(pool.map(lambda i: moodal.analyze(clip, out=clip.parent / f"at-once-{i}"), range(3)))
    for mood in moods:
        assert digests(mood.path) == once  # type: ignore[arg-type]
