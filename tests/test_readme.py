"""README as a newcomer follows it: every command and every line of its Python runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import recordings as made
from moodal.media.generated import e4

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("console") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ moodal ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what README's commands are about."""
    home = tmp_path_factory.mktemp("readme")
    sound = np.concatenate([made.silence(1), made.speech(4)])
    made.write_video(home / "talk.mp4", made.portrait(5), sound=sound)
    (home / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:04,000\nI am so happy that you came!\n")
    e4(home, 0).path.rename(home / "band.zip")
    (home / "split.csv").write_text("file,subject,split\na.wav,s1,train\nb.wav,s2,validation\nc.wav,s3,test\n")
    (home / "texts.csv").write_text(
        "text,emotion\nI am so happy!,joy\nThis is disgusting.,disgust\nI hate you.,anger\n"
    )
    (home / "recordings").mkdir()
    for name in ("one", "two"):
        (home / "recordings" / f"{name}.txt").write_text("I was glad. Then it rained.")
    return home


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("command", commands())
def test_commands_run(folder: Path, command: str) -> None:
    words = shlex.split(command)
    if words[1] in ("bench", "pipe"):
        pytest.importorskip("sklearn")
    result = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout or words[1] == "extract"


@pytest.mark.usefixtures("models")
def test_python_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(folder)
    [block] = blocks("python")
    space: dict[str, object] = {}
    exec(block, space)
    assert {"mood", "summary", "person", "grid", "shapes", "voice"} <= set(space)


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"^\$ make ([a-z-]+)", README, re.MULTILINE)
    assert {"demo", "test"} <= set(named)
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_there_are_commands_to_run() -> None:
    assert len(commands()) >= 8
