"""What the parts of a split must not share, and finding where they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from moodal.lab.data.dataset import Dataset
from moodal.lab.data.index import Index
from moodal.lab.data.leak import LeakageError, rows_named

__all__ = ["ALWAYS", "Leak", "Parts", "check", "check_fitted", "overlaps", "shared"]

#: Disjoint under every protocol that is not marked leaky: the example, its trial, its duplicates, windows in time.
ALWAYS = ("clip", "trial", "content", "window")

#: Spans that touch are no overlap; times that went through a table may be off by this much, seconds.
_TOUCH = 1e-6

#: Part name → rows of the index.
Parts = dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Leak:
    """One key that two parts share: its values and the rows on both sides, counted from 0."""

    key: str
    parts: tuple[str, str]
    values: tuple[str, ...]
    rows: tuple[int, ...]
    sides: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    def __str__(self) -> str:
        shown = ", ".join(self.values[:3]) + (f" and {len(self.values) - 3} more" if len(self.values) > 3 else "")
        noun = {"window": "overlapping windows of", "content": "duplicates of"}.get(self.key, self.key)
        told = [f"{part} {rows_named(side, 3)}" for part, side in zip(self.parts, self.sides, strict=True) if side]
        where = "; ".join(told) or rows_named(self.rows)
        return f"{self.parts[0]} and {self.parts[1]} share {noun} {shown} ({where})"


def shared(index: Index, parts: Parts, keys: Sequence[str]) -> Iterator[Leak]:
    """Every key that two parts share; examples whose key is not known share nothing.

    ``window`` is not a column: two windows leak if they are of one recording and overlap in time.
    """
    for a, b in combinations(parts, 2):
        for key in keys:
            if key == "window":
                if leak := overlaps(index, a, parts[a], b, parts[b]):
                    yield leak
                continue
            column = index[key]
            left, right = column[parts[a]], column[parts[b]]
            common = (set(left) & set(right)) - {""}
            if common:
                ours, theirs = parts[a][_among(left, common)], parts[b][_among(right, common)]
                sides = tuple(sorted(ours.tolist())), tuple(sorted(theirs.tolist()))
                yield Leak(key, (a, b), tuple(sorted(common)), tuple(sorted(sides[0] + sides[1])), sides)


def _among(values: npt.NDArray[np.object_], kept: set[str]) -> npt.NDArray[np.bool_]:
    # np.isin compares objects with each of the kept in turn.
    return np.fromiter((v in kept for v in values), bool, len(values))


def overlaps(index: Index, a: str, left: npt.NDArray[np.int64], b: str, right: npt.NDArray[np.int64]) -> Leak | None:
    """Windows of the same recording on both sides that overlap in time; a sweep over sorted starts."""
    recording, start, end = index["recording"], index["start_s"], index["end_s"]
    rows = np.concatenate([left, right])
    side = np.repeat([0, 1], [len(left), len(right)])
    timed = np.isfinite(start[rows]) & np.isfinite(end[rows]) & (recording[rows] != "")
    rows, side = rows[timed], side[timed]
    order = np.lexsort((start[rows], recording[rows].astype(str)))
    rows, side = rows[order], side[order]
    found: set[int] = set()
    values: dict[str, None] = {}
    open_rows: list[tuple[int, int]] = []  # windows of this recording that have not ended yet
    last = None
    for row, s in zip(rows.tolist(), side.tolist(), strict=True):
        if recording[row] != last:
            last, open_rows = recording[row], []
        open_rows = [(r, t) for r, t in open_rows if end[r] > start[row] + _TOUCH]
        against = [r for r, t in open_rows if t != s]
        if against and end[row] > start[row]:
            found.update((row, *against))
            values[recording[row]] = None
        open_rows.append((row, s))
    if not found:
        return None
    sides = tuple(sorted(found & set(left.tolist()))), tuple(sorted(found & set(right.tolist())))
    return Leak("window", (a, b), tuple(values), tuple(sorted(found)), sides)


def check(index: Index, parts: Parts, keys: Sequence[str], where: str) -> None:
    """Refuse parts that share one of the keys.

    Raises
    ------
    LeakageError : naming key, values and rows.
    """
    for leak in shared(index, parts, keys):
        raise LeakageError(
            str(leak),
            where=where,
            fix=f"Split by {'recording' if leak.key == 'window' else leak.key}, or drop those rows.",
            key=leak.key,
            rows=leak.rows,
        )


def check_fitted(data: Dataset, held_out: npt.NDArray[np.int64], where: str) -> None:
    """Refuse features inside which something was fitted on held-out examples.

    Raises
    ------
    LeakageError : naming the feature and the rows.
    """
    for name, feature in data.features.items():
        if not feature.fitted_on:
            continue
        rows = [int(r) for r in held_out if data.index["clip"][r] in feature.fitted_on]
        if rows:
            raise LeakageError(
                f"feature {name} was fitted on examples that this fold holds out ({rows_named(rows)})",
                where=where,
                fix="Fit it inside the fold, as a step of the learner.",
                key="fitted",
                rows=rows,
            )
