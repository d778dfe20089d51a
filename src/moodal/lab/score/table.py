"""The user's table: a row an example, a file or a text, and a label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from moodal.core.content import of_file, of_text
from moodal.core.errors import InputError, UsageError
from moodal.lab.bench.audit.table import read_csv, seconds

__all__ = ["Row", "read_rows"]


@dataclass(frozen=True)
class Row:
    """One example. ``number`` counts rows from 1 after the header; ``labels`` are the label columns as they are spelt.

    It has a ``file`` (a recording, picture or folder) or a ``text``; ``start_s`` and ``end_s`` bound a stretch of the
    file. ``subject``, ``dialogue`` and ``data_set`` are empty where not told, ``turn`` is NaN.
    """

    number: int
    file: Path | None = None
    text: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    subject: str = ""
    dialogue: str = ""
    turn: float = math.nan
    data_set: str = ""
    labels: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """How an error names it."""
        return f"row {self.number}"

    def content(self) -> str:
        """The content hash of its file or text."""
        return of_text(self.text) if self.text is not None else of_file(self.file) if self.file is not None else ""


def read_rows(path: Path, labels: Sequence[str]) -> list[Row]:
    """The rows of a table with those label columns; files are relative to the table.

    Raises
    ------
    InputError : no such table, no rows, a row without or with both of file and text, a file that is not there, a time
        or turn that is no number.
    UsageError : a label column that is not there.
    """
    if not path.is_file():
        raise InputError("no such table", where=str(path), fix="It takes a CSV with file or text, and a label column.")
    table = read_csv(path)
    by_name = {c.casefold(): c for c in table.columns}
    missing = [name for name in labels if name.casefold() not in by_name]
    if missing or not labels:
        raise UsageError(
            f"has no column {missing[0]!r}" if missing else "no label column was named",
            where=str(path),
            fix=f"It has: {', '.join(list(table.columns)[:12])}.",
        )

    def cells(name: str) -> Sequence[str]:
        return table.columns[by_name[name]] if name in by_name else [""] * len(table)

    if "file" not in by_name and "text" not in by_name:
        raise InputError(
            "has neither a column file nor a column text", where=str(path), fix="Name what is to be scored."
        )
    told = [table.columns[by_name[name.casefold()]] for name in labels]
    columns = [cells(c) for c in ("file", "text", "start_s", "end_s", "subject", "dialogue", "turn", "dataset")]
    rows = []
    for i, (file, text, start, end, subject, dialogue, turn, data_set) in enumerate(zip(*columns, strict=True)):
        where = f"{path}, row {i + 1}"
        if bool(file) == bool(text):
            what = "has both a file and a text" if file else "has neither a file nor a text"
            raise InputError(what, where=where, fix="Each row is one or the other: leave one cell empty.")
        at = [_number(v, where, n) for v, n in ((start, "start_s"), (end, "end_s"), (turn, "turn"))]
        if at[0] is not None and at[1] is not None and at[1] <= at[0]:
            raise InputError(f"ends at {at[1]:g} s, before its start at {at[0]:g} s", where=where, fix="Correct it.")
        place = path.parent / file if file else None
        if place is not None and not place.exists():
            raise InputError(f"there is no file {file}", where=where, fix="Files are relative to the table.")
        rows.append(
            Row(
                number=i + 1,
                file=place,
                text=text or None,
                start_s=at[0],
                end_s=at[1],
                subject=subject,
                dialogue=dialogue,
                turn=math.nan if at[2] is None else at[2],
                data_set=data_set,
                labels=tuple(column[i] for column in told),
            )
        )
    return rows


def _number(told: str, where: str, name: str) -> float | None:
    try:
        value = seconds(told)
    except ValueError as error:
        raise InputError(f"{name} is {told!r}, which is no number", where=where, fix="Write seconds.") from error
    return None if math.isnan(value) else value
