"""``NAME.mood/``: a Mood as a folder that other tools read, saved whole and loaded without loss."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.clock import Timeline
from moodal.core.errors import InputError
from moodal.core.mood import SCHEMA, Mood, MoodGap, SubjectMood, Word
from moodal.core.recording import Recording
from moodal.core.scheme import scheme
from moodal.core.stream import Stream

from .columns import arrow_table, numpy_column, text_codes
from .csv import gap_columns, word_columns
from .files import disk_errors, json_text, write_text
from .tables import TrackReader

__all__ = ["folder_for", "load", "save", "with_file"]


def save(mood: Mood, folder: Path) -> None:
    """Write every file of a Mood but its page and its tracks into ``folder``, which exists.

    The summary carries no timing, so that the same input gives the same bytes.
    """
    summary = mood.summary()
    summary.pop("timing", None)
    write_text(folder / "summary.json", json_text(summary))
    write_text(folder / "provenance.json", json_text(mood.provenance))
    _parquet(folder / "mood.parquet", mood.columns(), _notes(mood))
    _parquet(folder / "words.parquet", word_columns(mood))
    _parquet(folder / "gaps.parquet", gap_columns(mood))


def _notes(mood: Mood) -> dict[str, Any]:
    """All that the grid itself cannot carry, to the last digit."""
    return {
        "schema": SCHEMA,
        "recording": mood.recording,
        "duration_s": mood.duration_s,
        "streams": [[s.name, s.kind, s.rate_hz, s.start_s, s.end_s, s.info] for s in mood.streams],
        "step_s": mood.step_s,
        "cells": len(mood.times),
        "schemes": list(mood.schemes),
        "subjects": {s.id: [list(span) for span in s.seen] for s in mood.subjects.values()},
        "modalities": list(mood.modalities),
        "basis": dict(mood.basis),
        "calibrated": mood.calibrated,
        "models": [dict(m) for m in mood.models],
        "still": mood.still,
        "clock": mood.clock,
        "warnings": list(mood.warnings),
    }


#: Rows written at once.
_ROWS = 131_072


def _parquet(path: Path, columns: dict[str, Any], notes: dict[str, Any] | None = None) -> None:
    import pyarrow.parquet as pq

    told = None if notes is None else {"moodal": json.dumps(notes, ensure_ascii=False)}
    n = len(next(iter(columns.values())))
    with disk_errors(path):
        writer = None
        # In groups of rows: a day's grid need not lie in memory a second time.
        for first in range(0, max(n, 1), _ROWS):
            table = arrow_table({k: v[first : first + _ROWS] for k, v in columns.items()}, told)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
        assert writer is not None
        writer.close()


def _read(path: Path) -> Any:
    import pyarrow.parquet as pq

    # Not read_table, which loads pyarrow's data sets and, with them, pandas.
    with pq.ParquetFile(path) as file:
        return file.read()


def folder_for(recording: Recording | str, out: Path, taken: Collection[Path] = ()) -> Path:
    """``OUT/STEM.mood``, or ``OUT/NAME.mood`` where the short one belongs to another recording (or name).

    A folder in ``taken`` is another's whatever lies in it; a number tells apart what has all its name in common.
    """
    name = recording if isinstance(recording, str) else recording.name
    short = out / f"{Path(name).stem}.mood"
    try:
        other = json.loads((short / "summary.json").read_text(encoding="utf-8"))["recording"]
    except (OSError, ValueError, KeyError):
        other = name
    if other == name and short not in taken:
        return short
    numbered = (out / f"{name}-{number}.mood" for number in count(2))
    return next(f for f in chain([out / f"{name}.mood"], numbered) if f not in taken)


def with_file(provenance: Mapping[str, Any], file: Path | None) -> dict[str, Any]:
    """Provenance that says where the recording lies, seen from the Mood's folder."""
    recorded = {**provenance["recording"], "file": None if file is None else file.as_posix()}
    return {**provenance, "recording": recorded}


def load(path: str | Path) -> Mood:
    """Open a saved Mood; its tracks are read when asked for.

    Raises
    ------
    InputError : no such folder, not a Mood, damaged, or of a newer schema.
    """
    import pyarrow as pa

    folder = Path(path)
    if not (folder / "mood.parquet").is_file():
        what = "is not a saved Mood (no mood.parquet in it)" if folder.is_dir() else "no such folder"
        raise InputError(what, where=str(folder), fix="Make one with: moodal analyze RECORDING")
    try:
        table = _read(folder / "mood.parquet")
        notes = json.loads(table.schema.metadata[b"moodal"])
        if notes["schema"] > SCHEMA:
            raise InputError(
                f"was written by a newer moodal (schema {notes['schema']})", where=str(folder), fix="Update moodal."
            )
        words = _read(folder / "words.parquet").to_pylist()
        gaps = _read(folder / "gaps.parquet").to_pylist()
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        return _mood(folder, table, notes, words, gaps, provenance)
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"is damaged ({error})", where=str(folder), fix="Analyse the recording again.") from error


def _mood(folder: Path, table: Any, notes: Any, words: Any, gaps: Any, provenance: Any) -> Mood:
    texts = [name for name in table.column_names if name.endswith("label_set")]
    columns = {name: numpy_column(table[name]) for name in table.column_names if name not in ("subject", *texts)}
    # A day has as many label sets as cells, and few that differ.
    coded = {name: text_codes(table[name]) for name in texts}
    n, modalities = notes["cells"], tuple(notes["modalities"])
    subjects = {}
    for i, (subject, seen) in enumerate(notes["subjects"].items()):
        cells = slice(i * n, (i + 1) * n)

        def rows(*names: str, at: slice = cells) -> Any:
            return np.stack([np.asarray(columns[name][at], float) for name in names], axis=1)

        classes, sets = {}, {}
        for j, name in enumerate(notes["schemes"]):
            prefix, labels = "" if j == 0 else f"{name}_", scheme(name).classes
            codes, kinds = coded[f"{prefix}label_set"]
            told = np.array([[label in kind.split("|") for label in labels] for kind in kinds], bool)
            sets[name] = told.reshape(len(kinds), len(labels))[codes[cells]]
            classes[name] = rows(*(f"{prefix}p_{label}" for label in labels)) if labels else np.zeros((n, 0))
        subjects[subject] = SubjectMood(
            subject,
            Timeline(tuple(span) for span in seen),
            rows("valence", "valence_low", "valence_high"),
            rows("arousal", "arousal_low", "arousal_high"),
            classes,
            sets,
            *({m: rows(f"{kind}_{m}")[:, 0] for m in modalities} for kind in ("support", "attribution", "quality")),
        )
    times = np.arange(n) * notes["step_s"]
    return Mood(
        recording=notes["recording"],
        duration_s=notes["duration_s"],
        streams=tuple(Stream(*s) for s in notes["streams"]),
        step_s=notes["step_s"],
        times=times,
        schemes=tuple(notes["schemes"]),
        subjects=subjects,
        gaps=tuple(MoodGap(g["subject"], g["modality"], g["start_s"], g["end_s"], g["reason"]) for g in gaps),
        words=tuple(Word(w["start_s"], w["end_s"], w["text"], w["subject"], w["score"]) for w in words),
        modalities=modalities,
        basis=notes["basis"],
        calibrated=notes["calibrated"],
        models=tuple(notes["models"]),
        provenance=provenance,
        still=notes["still"],
        clock=notes["clock"],
        warnings=tuple(notes["warnings"]),
        tracks=TrackReader(folder / "tracks"),
        path=folder,
    )
