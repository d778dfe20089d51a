"""A table of the user's own clips: the columns of ``moodal score``, or an audformat database.

``file`` (relative to the table, or absolute) or ``text``; optional ``clip``, ``start_s``, ``end_s``, ``subject``,
``session``, ``trial``, ``dialogue``, ``turn``, ``stimulus``, ``split``; one or more columns of labels. Further
columns (sex, age, language …) stay beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.index import TIME_COLUMNS, Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.media import text_hash
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.told import number
from moodal.lab.data.twin import Truth, tabled, tone, write

__all__ = ["SPEC", "generate", "labelled", "read"]

SPEC = SetSpec(
    name="table",
    title="A table of clips",
    modalities=("audio", "picture", "text"),
    labels=("emotion", "label", "labels", "class", "sentiment", "valence"),
    licence="those of your own data.",
    commercial="unclear",
    where="write a CSV with the columns file or text, and your labels.",
    layout="index.csv (columns of moodal score), or an audformat database (db.yaml and its tables)",
    source="your own data",
    subjects="subject, where the table has it",
)
#: Names of columns that are taken for labels where nobody says which are.
_USUAL = ("emotion", "emotions", "label", "labels", "class", "sentiment", "stress", "valence", "arousal", "dominance")
_PARTS = {"": "", "train": "train", "training": "train", "dev": "validation", "devel": "validation",
          "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}  # fmt: skip


def read(root: Path | str | None = None, *, labels: Sequence[str] | str = (), media: bool = True) -> Dataset:
    """A CSV, a folder with ``index.csv``, or an audformat database.

    ``labels`` are the columns of labels (not said: those with a usual name, such as emotion or valence). A column of
    numbers is a continuous label, one in which a cell joins names by ``|`` a multi-label one, any other one of classes,
    in alphabetical order. With ``media=False`` the files need not be there.

    Raises
    ------
    InputError : no such table, a row without file and text, a file that is not there, or a label that cannot be read.
    MissingExtra : an audformat database, and the package audformat is not installed.
    """
    path, _ = find(SPEC, root)
    wanted = [labels] if isinstance(labels, str) else list(labels)
    if path.is_dir() and (path / "db.yaml").exists():
        from moodal.lab.data.audformat import rows_of

        told, home, file = rows_of(path, SPEC.name), path, path / "db.yaml"
    else:
        file = need(SPEC, path, ["index.csv"])[0] if path.is_dir() else path
        told, home = rows(file), file.parent
    if not told:
        raise lacking(SPEC, "its rows", file)
    return _dataset(told, home, str(file), wanted, media)


def _dataset(told: Sequence[Mapping[str, str]], home: Path, where: str, wanted: Sequence[str], media: bool) -> Dataset:
    names = list(told[0])
    wanted = list(wanted) or [c for c in names if c.lower() in _USUAL]
    for column in wanted:
        if column not in names:
            raise UsageError(f"has no column {column!r}", where=where, fix=f"It has: {', '.join(names)}.")
    if not wanted:
        raise UsageError("has no column of labels with a usual name", where=where, fix="Name them: labels = [...].")
    if "file" not in names and "text" not in names:
        raise InputError("has neither a column file nor a column text", where=where, fix="Add one of them.")
    columns: dict[str, Sequence[Any]] = {c: [r[c] for r in told] for c in names if c not in (*wanted, "file", "part")}
    for column in TIME_COLUMNS:
        if column in columns:
            columns[column] = _numbers(columns[column], column, where)
    if "split" in columns:
        columns["split"] = [_part(s, i, where) for i, s in enumerate(columns["split"])]
    starts = columns.get("start_s", [np.nan] * len(told))
    ends = columns.get("end_s", [np.nan] * len(told))
    recordings, contents, clips = [], [], []
    for i, row in enumerate(told):
        file, text = row.get("file", "").strip(), row.get("text", "")
        if not file and not text.strip():
            raise InputError(f"row {i + 2} has neither file nor text", where=where, fix="Fill one of them.")
        place = str(home / file) if file else ""
        if file and media and not Path(place).exists():
            raise InputError(
                f"row {i + 2}: no such file {file}", where=where, fix="Correct the row, or say media = false."
            )
        span = "" if np.isnan(starts[i]) and np.isnan(ends[i]) else f"@{starts[i]:g}-{ends[i]:g}"
        recordings.append(place)
        contents.append(_content(place, span, media) if file else text_hash(text))
        clips.append(row.get("clip") or (f"{file}{span}" if file else f"row-{i + 2}"))
    columns |= {"clip": clips, "recording": recordings, "content": contents}
    made = {c: labelled([r[c] for r in told], where, c) for c in wanted}
    if "text" in columns:
        columns["text"] = [str(t) for t in columns["text"]]
    return Dataset(Index.build(SPEC.name, columns, made, terms=SPEC.licence), {})


def _part(told: str, row: int, where: str) -> str:
    if (key := told.strip().lower()) not in _PARTS:
        raise InputError(f"row {row + 2} is of part {told!r}", where=where, fix="Known: train, validation, test.")
    return _PARTS[key]


def _content(place: str, span: str, media: bool) -> str:
    return f"{_sha256(place)[:24]}{span}" if media and Path(place).is_file() else ""


@cache
def _sha256(place: str) -> str:
    try:
        with open(place, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=place, fix="Check its permissions.") from error


def labelled(told: Sequence[str], where: str, column: str) -> Labels:
    """A column of labels: numbers, several names joined by ``|``, or names.

    Raises
    ------
    InputError : a cell that is no number among numbers, or an infinite one.
    """
    cells = [t.strip() for t in told]
    filled = [c for c in cells if c]
    if not filled:
        raise InputError(f"column {column} is empty", where=where, fix="Fill it, or name another column of labels.")
    # A column is one of numbers if most of it is: a lone word among them is then an error, not a class.
    if sum(_is_number(c) for c in filled) * 2 > len(filled):
        values = np.array(_numbers(cells, column, where))[:, None]
        return Labels("continuous", (column,), values, source=tuple(told))
    if any("|" in c for c in filled):
        parts = [[p.strip() for p in c.split("|") if p.strip()] for c in cells]
        names = tuple(sorted({p for row in parts for p in row}))
        on = np.array([[n in row for n in names] for row in parts])
        return Labels("multilabel", names, on, source=tuple(told))
    return Labels.of_classes(cells, sorted(set(filled)), where=where, source=told)


def _numbers(told: Sequence[str], column: str, where: str) -> list[float]:
    """A column of numbers; errors count rows as an editor does, the header being the first."""
    return [number(t, column, where, i + 1) for i, t in enumerate(told)]


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def generate(root: Path, seed: int = 0) -> Truth:
    """A table of eight clips of four people, some of text alone, with a class, a number and several labels each."""
    rng = np.random.default_rng(seed)
    header = ["file", "text", "start_s", "end_s", "subject", "dialogue", "turn", "split", "sex", "emotion", "labels",
              "valence"]  # fmt: skip
    table, clips = [], []
    for k in range(8):
        file = "" if k >= 6 else f"clips/{k // 2}.wav"
        if file and k % 2 == 0:
            write(root / file, tone(100 * seed + k, 0.4))
        span = ["", ""] if not file else [0.2 * (k % 2), 0.2 * (k % 2) + 0.2]
        part = ("train", "train", "train", "train", "dev", "dev", "test", "test")[k]
        table.append([
            file, f"Sentence {k}, of seed {seed}.", *span, f"s{k // 2}", f"d{k // 2}", k % 2, part, "female",
            "" if k == 1 else ("joy", "anger", "sadness")[k % 3], "joy|fear" if k % 2 else "fear",
            round(float(rng.uniform(-1, 1)), 3),
        ])  # fmt: skip
        clips.append(f"{file}@{span[0]:g}-{span[1]:g}" if file else f"row-{k + 2}")
    write(root / "index.csv", tabled(header, table))

    def spoil(where: Path) -> str:
        table[2][11] = "glad"
        write(where / "index.csv", tabled(header, table))
        return "row 4"

    labels: dict[str, Sequence[Any]] = {
        "emotion": [r[9] for r in table],
        "labels": [tuple(sorted(str(r[10]).split("|"))) for r in table],
        "valence": [(r[11],) for r in table],
    }
    return Truth(
        clips, [str(r[4]) for r in table], [_PARTS[str(r[7])] for r in table], labels, parts=["index.csv"],
        tables=["index.csv"], spoil=spoil,
    )  # fmt: skip
