"""``--write csv``: the grid, the words, the gaps and every kept track as comma-separated tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.mood import Mood

from .files import disk_errors
from .tables import write_table
from .writer import WriterSpec, stem

__all__ = ["SPEC", "gap_columns", "word_columns"]


def word_columns(mood: Mood) -> dict[str, Any]:
    """``start_s, end_s, text, subject, score``, a row a word."""
    return {
        "start_s": np.array([w.start for w in mood.words], float),
        "end_s": np.array([w.end for w in mood.words], float),
        "text": np.array([w.text for w in mood.words], object),
        "subject": np.array([w.subject for w in mood.words], object),
        "score": np.array([np.nan if w.score is None else w.score for w in mood.words], float),
    }


def gap_columns(mood: Mood) -> dict[str, Any]:
    """``subject, modality, start_s, end_s, reason``, a row a gap."""
    return {
        "subject": np.array([g.subject for g in mood.gaps], object),
        "modality": np.array([g.modality for g in mood.gaps], object),
        "start_s": np.array([g.start for g in mood.gaps], float),
        "end_s": np.array([g.end for g in mood.gaps], float),
        "reason": np.array([g.reason for g in mood.gaps], object),
    }


def write(mood: Mood, folder: Path) -> list[str]:
    """``STEM-csv/``: ``mood.csv``, ``words.csv``, ``gaps.csv`` and ``TRACK.csv`` for each stored track."""
    home = folder / f"{stem(mood)}-csv"
    with disk_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    write_table(home / "mood.csv", mood.columns())
    write_table(home / "words.csv", word_columns(mood))
    write_table(home / "gaps.csv", gap_columns(mood))
    for name in mood.tracks:
        write_table(home / f"{name}.csv", mood.tracks[name].columns())
    return []


SPEC = WriterSpec(
    "csv",
    "grid, words, gaps and every kept track as tables",
    ("{stem}-csv/mood.csv", "{stem}-csv/words.csv", "{stem}-csv/gaps.csv"),
    write,
)
