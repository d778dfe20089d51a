"""Laws of every registered writer: same bytes twice, valid whatever the Mood, nothing invented, nothing acts."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from moodal.core import registry
from moodal.core.errors import OutputError
from moodal.core.mood import Mood
from moodal.formats.writer import chosen, outputs
from writer_moods import MOODS

WRITERS = registry.names("writers")
CASES = [(writer, name) for writer in WRITERS for name in MOODS]


def written(mood: Mood, name: str, folder: Path) -> dict[str, bytes]:
    mood.write(folder, name)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_says_what_it_is(name: str) -> None:
    spec = registry.load("writers", name).SPEC
    assert spec.name == name
    assert spec.about
    assert spec.files
    assert chosen(f"{name}, {name}") == (name,)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_same_bytes_twice_and_the_files_it_promises(name: str, kind: str, tmp_path: Path) -> None:
    first = written(MOODS[kind](), name, tmp_path / "a" / "deep")
    assert first == written(MOODS[kind](), name, tmp_path / "b")
    assert set(outputs(MOODS[kind](), name)) <= set(first)
    # Written over itself, it is the same; and it never leaves its folder.
    assert first == written(MOODS[kind](), name, tmp_path / "b")
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b"}
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"deep"}


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_file_is_valid_text_of_its_kind(name: str, kind: str, tmp_path: Path) -> None:
    for file, data in written(MOODS[kind](), name, tmp_path).items():
        text = data.decode("utf-8")
        assert "\x00" not in text
        if file.endswith(".csv"):
            rows = list(csv.reader(text.splitlines(keepends=True)))
            assert len({len(r) for r in rows}) == 1, file
            numbers = re.compile(r"-?[\d.]+(e[+-]?\d+)?")
            for cell in (c for r in rows for c in r):
                assert not cell.startswith(("=", "+", "@", "\t", "\r", "-")) or numbers.fullmatch(cell), (file, cell)
                assert cell.lower() not in ("nan", "inf", "-inf", "none"), (file, cell)
        if file.endswith(".json"):
            json.loads(text, parse_constant=pytest.fail)
        if file.endswith(".eaf"):
            ET.fromstring(data)


@pytest.mark.parametrize("name", WRITERS)
def test_a_mood_that_tells_nothing_gives_no_value(name: str, tmp_path: Path) -> None:
    mood = MOODS["one person"]()
    old = mood.subjects["p1"]
    blank = {
        "valence": np.full_like(old.valence, np.nan),
        "arousal": np.full_like(old.arousal, np.nan),
        "classes": {k: np.full_like(v, np.nan) for k, v in old.classes.items()},
        "label_set": {k: np.zeros_like(v) for k, v in old.label_set.items()},
        **{k: {m: np.zeros(len(mood.times)) for m in mood.modalities} for k in ("support", "attribution", "quality")},
    }
    silent = replace(mood, subjects={"p1": replace(old, **blank)}, words=(), tracks={})
    labels = {"happiness", "neutral", "sadness", "anger"}
    for file, data in written(silent, name, tmp_path).items():
        text = data.decode()
        if file.endswith("-csv/mood.csv"):
            header, *rows = csv.reader(text.splitlines())
            told = [i for i, c in enumerate(header) if c.startswith(("valence", "arousal", "p_", "label_set"))]
            assert {r[i] for r in rows for i in told} == {""}
        elif file.endswith(".json"):
            grid = json.loads(text)["grid"]
            assert set(grid["valence"]) | set(grid["p_neutral"]) == {None}
        elif file.endswith((".srt", ".vtt")):
            assert "00:0" not in text
        elif file.endswith(".eaf"):
            values = {v.text for v in ET.fromstring(data).iter("ANNOTATION_VALUE")}
            assert not values & labels
        elif file.endswith("db.emotion.p1.csv"):
            _, *rows = csv.reader(text.splitlines())
            assert {c for r in rows for c in r[3:-1]} == {""}
        elif "fex" in file or "neurokit" in file:
            assert len(text.splitlines()) == 1


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_cannot_be_made_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="not a folder"):
        MOODS["two persons"]().write(tmp_path / "file" / "exports", name)
