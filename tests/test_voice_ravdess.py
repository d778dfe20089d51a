"""Acted anger against calm: the voice's arousal tells them apart (all clips: benchmarks/run.py arousal)."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import numpy as np
import pytest

import moodal

pytestmark = pytest.mark.usefixtures("models")


def test_strong_anger_is_more_aroused_than_calm(data: Path, tmp_path: Path) -> None:
    """One clip of each of eight actors and either class; a withheld clip loses each of its pairs."""
    folder = data / "speech_ravdess"
    if not folder.is_dir():
        pytest.skip("RAVDESS is not here")
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["intensity"] == "strong" and r["repetition"] == "1"]
    rows = [r for r in rows if r["sentence"].startswith("Kids") and int(r["actor"]) <= 8]
    values: dict[str, list[float]] = {"angry": [], "calm": []}
    with tarfile.open(folder / "clips.tar") as tar:
        for row in rows:
            if row["emotion"] in values:
                tar.extract(row["clip"], tmp_path, filter="data")
                mood = moodal.analyze(tmp_path / row["clip"], only="voice")
                value = mood.summary()["subjects"][0]["overall"]["arousal"]["value"]
                values[row["emotion"]].append(np.nan if value is None else value)
    angry, calm = (np.array(values[k]) for k in ("angry", "calm"))
    assert len(angry) == len(calm) == 8
    assert (angry[:, None] > calm[None]).mean() >= 0.8
