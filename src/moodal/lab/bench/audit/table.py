"""A table of a split as its file spells it, and what its columns stand for."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from moodal.core.errors import InputError

__all__ = ["LABELS", "PARTS", "ROLES", "Table", "part_of", "read_csv", "read_jsonl", "seconds", "token_of"]

PARTS = ("train", "validation", "test")

#: What a column stands for, by the names that data sets and toolkits give it (case does not matter).
ROLES: dict[str, tuple[str, ...]] = {
    "clip": ("clip", "clip_id", "key", "id", "segment_id"),
    "recording": ("file", "wav", "path", "filename", "file_name", "filepath", "audio", "video", "recording"),
    "record": ("_record_id", "record_id"),
    "subject": ("subject", "subject_id", "speaker", "speaker_id", "spk", "participant", "participant_id", "actor",
                "actor_id", "person"),
    "session": ("session", "session_id", "date"),
    "trial": ("trial", "trial_id"),
    "dialogue": ("dialogue", "dialogue_id", "dialog", "conversation", "conversation_id"),
    "turn": ("turn", "turn_id"),
    "stimulus": ("stimulus", "stimulus_id", "sentence", "statement", "song"),
    "start": ("start_s", "start", "start_time", "starttime", "start_at"),
    "end": ("end_s", "end", "end_time", "endtime", "end_at"),
    "text": ("text", "utterance", "transcript", "transcription"),
    "content": ("content", "sha256", "md5", "hash"),
    "split": ("split", "part", "subset", "partition"),
}  # fmt: skip

#: Columns that are labels by their names, never features.
LABELS = frozenset(
    {"label", "labels", "emo", "emotion", "emotions", "sentiment", "valence", "arousal", "dominance", "liking", "class",
     "gender", "sex", "age", "task", "channel", "sample_rate", "length", "num_frame", "season", "episode", "sr no.",
     "utterance_id", "baseline_id", "familiarity", "mark"}
)  # fmt: skip

_PART_NAMES = {
    "train": "train", "training": "train", "trn": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "devel": "validation", "development": "validation",
    "test": "test", "testing": "test", "tst": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
_TOKEN = re.compile(rf"(?:(?<=[_\-. /])|^)({'|'.join(_PART_NAMES)})\d?(?=[_\-. /]|$)", re.IGNORECASE)
_ROLE_OF = {name: role for role, names in ROLES.items() for name in names}
_CLOCK = re.compile(r"(?:(\d+) days? )?(\d+):(\d\d):(\d\d(?:[.,]\d+)?)$")


def part_of(told: str) -> str | None:
    """``train``, ``validation`` or ``test`` for what a split column says (``dev``, ``Test1`` …), or None."""
    return _PART_NAMES.get(re.sub(r"\s*\d$", "", told.strip().casefold()).rstrip("_-"))


def token_of(name: str) -> tuple[str, str] | None:
    """The part that a name tells, and what is left of the name: ``train_fold_1`` → train, ``fold_1``."""
    found = _TOKEN.search(name)
    if not found:
        return None
    rest = name[: found.start()].rstrip("_-. ") + name[found.end() :]
    return _PART_NAMES[found[1].casefold()], re.sub(r"(?<=/)[_\-. ]+|[_\-. ]+(?=/)", "", rest).strip("_-. /")


def seconds(told: str) -> float:
    """A time as tables spell it: a number, ``0 days 00:00:01.5`` or ``00:16:16,059``; NaN where empty.

    Raises
    ------
    ValueError : it is none of these.
    """
    told = told.strip()
    if told in ("", "NaT", "nan", "NaN", "None"):
        return math.nan
    if clock := _CLOCK.match(told):
        days, hours, minutes, rest = clock.groups()
        return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
    return float(told)


@dataclass(frozen=True)
class Table:
    """Cells by column as text; ``names[role]`` is the column that stands for a role, ``first`` the number of row 0."""

    path: Path
    columns: Mapping[str, Sequence[str]]
    first: int = 1
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, columns: Mapping[str, Sequence[str]]) -> Table:
        """A table with its roles found: the first column of each role, in the order of `ROLES`."""
        lower = {c.strip().casefold(): c for c in reversed(list(columns))}
        names = {role: lower[n] for role, known in ROLES.items() for n in reversed(known) if n in lower}
        return cls(path, columns, 1, names)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def role(self, name: str) -> Sequence[str]:
        """Cells of that role; empty texts where no column has it."""
        return self.columns[self.names[name]] if name in self.names else [""] * len(self)

    def others(self) -> list[str]:
        """Columns that stand for no role and are no labels by their names: perhaps features."""
        told = set(self.names.values())
        return [c for c in self.columns if c not in told and c.strip().casefold() not in {*LABELS, *_ROLE_OF}]

    def take(self, rows: Iterable[int]) -> Table:
        """Those rows; their numbers are kept by the caller."""
        kept = list(rows)
        return Table(self.path, {c: [v[i] for i in kept] for c, v in self.columns.items()}, self.first, self.names)


def read_csv(path: Path) -> Table:
    """A CSV (or, by its name, TSV) table with a header.

    Raises
    ------
    InputError : not readable, no header, no rows, or a row of the wrong length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            header = next(reader, [])
            rows = [row for row in reader if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read as a table ({why})", where=str(path)) from error
    if not header or not any(h.strip() for h in header):
        raise InputError("is empty", where=str(path), fix="It takes a header and a row an example.")
    if len({h.strip().casefold() for h in header}) < len(header):
        twice = next(
            h for i, h in enumerate(header) if h.strip().casefold() in {g.strip().casefold() for g in header[:i]}
        )
        raise InputError(f"has two columns called {twice!r}", where=str(path), fix="Rename one.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InputError(
                f"row {number} has {len(row)} cells, the header {len(header)}",
                where=str(path),
                fix="Quote cells that hold commas.",
            )
    if not rows:
        raise InputError("has a header and no rows", where=str(path), fix="It takes a row an example.")
    return Table.of(path, {h.strip(): [row[i].strip() for row in rows] for i, h in enumerate(header)})


def read_jsonl(path: Path) -> Table:
    """A table of one JSON object a line (or one list of objects, or objects by key, in one file).

    Raises
    ------
    InputError : not readable, or a line that is no object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", where=str(path)) from error
    rows: list[dict[str, object]] = []
    if path.suffix.lower() == ".json":
        try:
            told = json.loads(text)
        except ValueError as error:
            raise InputError(f"is not JSON ({error})", where=str(path)) from error
        if isinstance(told, dict):
            told = [{"key": k, **v} if isinstance(v, dict) else None for k, v in told.items()]
        rows = told if isinstance(told, list) else [told]
    else:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise InputError(f"line {number} is not JSON", where=str(path)) from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"row {number} is not an object", where=str(path), fix="EmoBox has one object a line.")
    if not rows:
        raise InputError("is empty", where=str(path), fix="It takes a line an example.")
    names = list(dict.fromkeys(k for row in rows for k in row))
    return Table.of(path, {n: ["" if row.get(n) is None else str(row[n]) for row in rows] for n in names})
