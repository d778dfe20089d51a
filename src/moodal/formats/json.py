"""``--write json``: the summary and the whole grid, words and gaps as one JSON object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.mood import SCHEMA, Mood

from .csv import gap_columns, word_columns
from .files import json_text, write_text
from .writer import WriterSpec, stem

__all__ = ["SPEC"]

#: Decimals of a stored number: times to the microsecond, scores beyond what any of them is good for.
DECIMALS = 6


def write(mood: Mood, folder: Path) -> list[str]:
    """``STEM.json``: ``{"schema", "summary", "grid", "words", "gaps"}``; tables are lists a column."""
    summary = mood.summary()
    summary.pop("timing", None)
    tables = {"grid": mood.columns(), "words": word_columns(mood), "gaps": gap_columns(mood)}
    content: dict[str, Any] = {"schema": SCHEMA, "summary": summary}
    for name, columns in tables.items():
        content[name] = {column: _plain(values) for column, values in columns.items()}
    write_text(folder / f"{stem(mood)}.json", json_text(content, indent=None))
    return []


def _plain(values: Any) -> list[Any]:
    """A column as JSON knows it: missing is null."""
    array = np.asarray(values)
    if array.dtype.kind != "f":
        return [v if v is None else str(v) for v in array.tolist()]
    return [None if v != v else round(v, DECIMALS) for v in array.astype(float).tolist()]


SPEC = WriterSpec("json", "summary, grid, words and gaps in one object", ("{stem}.json",), write)
