"""A split read from a table or folder: folds of rows with their keys, in the form that the leak checks take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.content import normalised, of_text
from moodal.core.errors import InputError
from moodal.lab.bench.leaks import Parts
from moodal.lab.data.index import Index

from .table import PARTS, Table, seconds

__all__ = ["Split", "SplitFold", "Stale", "fold_of", "identities"]

#: Words from which a text is long enough that two people will not write it by chance.
LONG_TEXT = 6


@dataclass(frozen=True)
class SplitFold:
    """One fold: its rows as an `Index` and the rows of each part.

    Beside the standard columns the index has ``example`` (what two rows share if they are one example) and
    ``short_text`` (the hash of a text of fewer than `LONG_TEXT` words). ``files[file_of[i]]`` row ``number[i]``
    is where row i stands. ``within`` says that the split declares itself within-subject, ``derived`` that people were
    read from names of files. ``features`` are numeric columns ``(n,)`` that stand for no key.
    """

    name: str
    index: Index
    parts: Parts
    files: tuple[Path, ...]
    file_of: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    features: Mapping[str, npt.NDArray[np.float64]]
    within: bool = False
    derived: bool = False
    apart: bool = False
    tables: tuple[Table, ...] = field(default=(), repr=False)

    def named(self, rows: Sequence[int], most: int = 5) -> str:
        """Rows as a person finds them again: ``train.csv rows 1, 2 and 30 more; test.csv row 7``."""
        told = []
        for f, path in enumerate(self.files):
            mine = [int(self.number[r]) for r in rows if self.file_of[r] == f]
            if mine:
                shown = ", ".join(map(str, mine[:most]))
                more = f" and {len(mine) - most} more" if len(mine) > most else ""
                told.append(f"{path.name} row{'s' if len(mine) > 1 else ''} {shown}{more}")
        return "; ".join(told)


@dataclass(frozen=True)
class Stale:
    """The table of clips that a split was made from; ``whole`` where the splitter deals out every clip of it."""

    table: Table
    whole: bool


@dataclass(frozen=True)
class Split:
    """What a reader gives: folds (read one at a time), and what is known beside them."""

    path: Path
    layout: str
    folds: Callable[[], Iterator[SplitFold]]
    notes: tuple[str, ...] = ()
    stale: Stale | None = None
    #: Folders in which files named by the tables may lie.
    roots: tuple[Path, ...] = ()
    #: The splitter deals every clip into each fold, so that folds of unequal clips are a mixture of runs.
    even: bool = False


def identities(table: Table, roles: Sequence[str]) -> list[tuple[str, ...]]:
    """What tells each row apart, by those roles; numbers alike however they are spelt."""
    cells = [[_plain(v) for v in table.role(role)] for role in roles]
    return list(zip(*cells, strict=True)) if cells else []


def _plain(value: str) -> str:
    """``3.0`` and ``3`` alike, for a column that once held a gap is written back as decimals."""
    head, dot, tail = value.partition(".")
    return head if dot and not tail.strip("0") and head.lstrip("-").isdigit() else value


def fold_of(
    name: str,
    tables: Mapping[str, Sequence[Table]],
    numbers: Mapping[str, Sequence[Sequence[int]]] | None = None,
    *,
    within: bool = False,
    apart: bool = False,
    subjects: Callable[[Table], Sequence[str]] | None = None,
) -> SplitFold:
    """A fold from the tables of its parts; ``numbers`` are the rows' numbers where they are not 1, 2, 3 …

    ``apart`` says that each table numbers its dialogues for itself, perhaps; ``subjects`` reads people from elsewhere
    where no column names them.

    Raises
    ------
    InputError : a time that is none, naming the row.
    """
    flat = [(part, table) for part in PARTS for table in tables.get(part, ())]
    counts = [len(t) for _, t in flat]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
    n = int(starts[-1])

    def column(role: str) -> list[str]:
        return [_plain(v) if role not in ("text", "recording") else v for _, t in flat for v in t.role(role)]

    cells = {role: column(role) for role in ("clip", "recording", "record", "subject", "session", "trial", "dialogue",
                                             "turn", "stimulus", "text", "content")}  # fmt: skip
    derived = False
    if subjects is not None and not any(cells["subject"]):
        cells["subject"] = [s for _, t in flat for s in subjects(t)]
        derived = any(cells["subject"])
    # Trials are counted anew for each person and sitting; where nobody is named, for each record.
    among = [""] * n if any(cells["subject"]) else cells["record"]
    trial = [_joined(c) for c in zip(cells["trial"], cells["subject"], cells["session"], among, strict=True)]
    trial = [t if raw else "" for t, raw in zip(trial, cells["trial"], strict=True)]
    timed = {role: _times(flat, role) for role in ("start", "end")}
    for row in np.flatnonzero(timed["end"] < timed["start"])[:1]:
        table = next(t for (_, t), end in zip(flat, starts[1:], strict=True) if row < end)
        raise InputError(f"row {row - starts[[t for _, t in flat].index(table)] + 1} ends before it starts",
                         where=str(table.path), fix="Correct its times.")  # fmt: skip
    within_trial = any(t.names.get("start", "").casefold() == "start_at" for _, t in flat)
    recording = cells["recording"] if not within_trial and any(cells["recording"]) else trial
    if not any(recording):
        recording = cells["record"]
    texts_only = not any(cells["recording"]) and any(cells["text"])
    long = [len(normalised(t).split()) >= LONG_TEXT for t in cells["text"]]
    hashes = [of_text(t) if texts_only and t else "" for t in cells["text"]]
    content = (
        cells["content"] if any(cells["content"]) else [h if ok else "" for h, ok in zip(hashes, long, strict=True)]
    )
    stimulus = cells["stimulus"]
    if not any(stimulus):
        # A trial's number that is the same for several people is the number of what they were shown.
        stimulus = cells["trial"] if len(set(trial)) > len(set(cells["trial"])) else stimulus
        if any(cells["recording"]) and any(cells["text"]):
            stimulus = [of_text(t) if t else "" for t in cells["text"]]
    index = Index.build(
        name or "split",
        {
            "clip": [str(i) for i in range(n)],
            "example": _examples(cells, timed, recording, counts, texts_only),
            "recording": recording,
            "subject": cells["subject"],
            "session": [_joined(c) if c[0] else "" for c in zip(cells["session"], cells["subject"], strict=True)],
            "trial": trial,
            "dialogue": cells["dialogue"],
            "stimulus": stimulus,
            "content": content,
            "short_text": [h if not ok else "" for h, ok in zip(hashes, long, strict=True)],
            "text": cells["text"],
            "start_s": timed["start"],
            "end_s": timed["end"],
            "told_trial": cells["trial"],
            "told_file": cells["recording"],
        },
        {},
    )  # fmt: skip
    files = tuple(dict.fromkeys(t.path for _, t in flat))
    parts: Parts = {p: np.concatenate([np.arange(starts[i], starts[i + 1]) for i, (q, _) in enumerate(flat) if q == p])
                    for p in PARTS if any(q == p for q, _ in flat)}  # fmt: skip
    number = np.concatenate([
        np.asarray(numbers[p][[q for q, _ in flat[:i]].count(p)], np.int64) if numbers else np.arange(1, counts[i] + 1)
        for i, (p, _) in enumerate(flat)
    ])  # fmt: skip
    return SplitFold(
        name=name,
        index=index,
        parts=parts,
        files=files,
        file_of=np.repeat([files.index(t.path) for _, t in flat], counts),
        number=number,
        features=_features([t for _, t in flat]),
        within=within,
        derived=derived,
        apart=apart,
        tables=tuple(t for _, t in flat),
    )


def _joined(cells: tuple[str, ...]) -> str:
    return " of ".join(c for c in cells if c)


def _times(flat: Sequence[tuple[str, Table]], role: str) -> npt.NDArray[np.float64]:
    out: list[float] = []
    for _, table in flat:
        for row, told in enumerate(table.role(role), 1):
            try:
                out.append(seconds(told))
            except ValueError as error:
                raise InputError(
                    f"row {row}: {table.names[role]} is {told!r}, which is no time",
                    where=str(table.path),
                    fix="Write seconds.",
                ) from error
    return np.array(out, np.float64)


def _examples(
    cells: Mapping[str, list[str]],
    timed: Mapping[str, npt.NDArray[np.float64]],
    recording: list[str],
    counts: list[int],
    texts_only: bool,
) -> list[str]:
    """What each row is: the first of clip, stretch of a recording and everything known that tells rows apart."""
    if texts_only and not any(cells["clip"]):
        # The same words may be said twice; that is for `content` to judge.
        return [""] * sum(counts)
    times = [f"{a:g}-{b:g}" if a == a or b == b else "" for a, b in zip(timed["start"], timed["end"], strict=True)]
    stretch = [recording, times, cells["dialogue"], cells["turn"]]
    everything = [cells["clip"], *stretch, *(cells[k] for k in ("record", "subject", "session", "trial"))]
    for columns in ([cells["clip"]], stretch, everything):
        if any(columns[0]):
            told = [_joined(c) for c in zip(*columns, strict=True)]
            if columns is everything or _tells_apart(told, counts):
                return told
    return [_joined(c) for c in zip(*everything, strict=True)]


def _tells_apart(told: list[str], counts: list[int]) -> bool:
    """Within each table hardly any two rows are alike: a row or two written twice do not make a name useless."""
    ends = np.cumsum(counts).tolist()
    return all(len(set(told[e - c : e])) >= 0.95 * c for e, c in zip(ends, counts, strict=True))


def _features(tables: Sequence[Table]) -> dict[str, npt.NDArray[np.float64]]:
    """Columns that every table has, that stand for no key and that are numbers throughout (gaps apart)."""
    shared = [c for c in tables[0].others() if all(c in t.columns for t in tables)] if tables else []
    out = {}
    for name in shared:
        try:
            values = np.array([float(v) if v else np.nan for t in tables for v in t.columns[name]])
        except ValueError:
            continue
        if np.isfinite(values).sum() >= 10 and len(np.unique(values[np.isfinite(values)])) > 2:
            out[name] = values
    return out


def with_content(fold: SplitFold, content: Sequence[str]) -> SplitFold:
    """The fold with the hashes of its media as ``content``."""
    return replace(fold, index=fold.index.with_columns(content=list(content)))
