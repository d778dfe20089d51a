"""audformat databases (``db.yaml`` and tables) as rows of the columns that ``moodal score`` knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moodal.core.errors import InputError, MissingExtra

__all__ = ["rows_of"]

#: Name of a column in most databases → ours.
_OURS = {"speaker": "subject", "transcription": "text", "gender": "sex"}
_TYPES = {"train": "train", "dev": "validation", "test": "test"}


def rows_of(path: Path, name: str) -> list[dict[str, str]]:
    """One row an entry of the tables of files and segments; columns of several tables stand side by side.

    The media need not be there. ``split`` is the type of the table's split (train, dev, test).

    Raises
    ------
    MissingExtra : audformat is not installed.
    InputError : the database cannot be read, or has no table of files or segments.
    """
    try:
        import audformat
    except ImportError as error:
        raise MissingExtra("audformat", "audformat", "reading an audformat database") from error
    try:
        base = audformat.Database.load(str(path), load_data=True, num_workers=1)
        found: dict[tuple[str, float, float], dict[str, str]] = {}
        for table_id in sorted(base.tables):
            _fill(base, base.tables[table_id], found)
    except MissingExtra:
        raise
    except Exception as error:  # whatever yaml, pandas and audformat say of a damaged file
        first = str(error).split("\n")[0][:200]
        raise InputError(
            f"cannot be read as an audformat database ({type(error).__name__}: {first})", where=str(path),
            fix="Check db.yaml and its tables with audformat.Database.load.",
        ) from error  # fmt: skip
    if not found:
        raise InputError("has no table of files or segments", where=str(path), fix="Add one with your labels.")
    columns: dict[str, None] = dict.fromkeys(c for row in found.values() for c in row)
    return [{c: row.get(c, "") for c in columns} for row in found.values()]


def _fill(base: Any, table: Any, found: dict[tuple[str, float, float], dict[str, str]]) -> None:
    frame = table.get()
    part = _TYPES.get(base.splits[table.split_id].type, "") if table.split_id else ""
    segmented = "start" in frame.index.names
    for at, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        file, start, end = at if segmented else (at, None, None)
        span = [float("nan") if t is None or t != t else t.total_seconds() for t in (start, end)]
        key = (str(file), *(-1.0 if t != t else t for t in span))
        told = found.setdefault(key, {"file": str(file)})  # type: ignore[arg-type]
        if segmented:
            told |= {c: "" if t != t else f"{t:.6f}" for c, t in zip(("start_s", "end_s"), span, strict=True)}
        if part:
            told["split"] = part
        for column, value in zip(frame.columns, row, strict=True):
            told[_OURS.get(str(column), str(column))] = "" if value is None or value != value else str(value)
