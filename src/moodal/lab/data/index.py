"""The index: a table of clips, one row an example, in which every leak is visible."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError

from .labels import Labels, SealedLabels

__all__ = ["TEXT_COLUMNS", "TIME_COLUMNS", "Index"]

#: Text columns that every index has, and what two rows with the same value share. Empty: not known.
TEXT_COLUMNS: dict[str, str] = {
    "clip": "the example itself; unique",
    "recording": "the file (or member of an archive) it was cut from",
    "subject": "the person whose emotion is told",
    "session": "one sitting of one or more people",
    "trial": "one presentation of one stimulus to one person",
    "dialogue": "one conversation",
    "stimulus": "the film, song, sentence or text that was shown, spoken or read",
    "split": "the part that the set's makers put it in: train, validation or test",
    "content": "a hash of the bytes or of the text: equal for duplicates",
    "text": "what was said or written",
}
TIME_COLUMNS: dict[str, str] = {
    "turn": "place in the dialogue, from 0",
    "start_s": "start in the recording, seconds",
    "end_s": "end in the recording, seconds",
}


@dataclass(frozen=True)
class Index:
    """A data set's examples, without their pixels and samples.

    ``columns`` holds the columns of `TEXT_COLUMNS` as text and those of `TIME_COLUMNS` as float64
    (NaN where not known), all ``(n,)``; further ones (sex, language, sentence …) may stand beside
    them and are what fairness rows group by. ``labels`` are the label columns by name.

    >>> index = Index.build("toy", {"clip": ["a", "b"], "subject": ["s1", "s2"]}, {})
    >>> len(index), index["subject"][1]
    (2, 's2')
    """

    name: str
    columns: Mapping[str, npt.NDArray[Any]]
    labels: Mapping[str, Labels | SealedLabels]
    terms: str = ""
    notices: tuple[str, ...] = field(default=())

    @classmethod
    def build(
        cls,
        name: str,
        columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
        labels: Mapping[str, Labels],
        *,
        terms: str = "",
        notices: Sequence[str] = (),
    ) -> Index:
        """An index from plain sequences; the standard columns that are not given are filled as unknown.

        Raises
        ------
        InputError : no clips, two clips of one name, columns of unequal length, an example that ends before it starts.
        """
        n = len(columns["clip"])
        if not n:
            raise InputError("has no examples", where=name, fix="Check the folder, and what was filtered out.")
        full: dict[str, npt.NDArray[Any]] = {}
        for column in (*TEXT_COLUMNS, *TIME_COLUMNS, *columns):
            timed = column in TIME_COLUMNS
            values = columns.get(column)
            if values is None:
                full[column] = np.full(n, np.nan) if timed else np.full(n, "", object)
                continue
            if len(values) != n:
                raise InputError(f"column {column} has {len(values)} rows, clip has {n}", where=name)
            full[column] = np.asarray(values, np.float64) if timed else np.array([str(v) for v in values], object)
        clips = full["clip"]
        first: dict[str, int] = {}
        for row, clip in enumerate(clips):
            if clip in first:
                raise InputError(
                    f"rows {first[clip] + 1} and {row + 1} are both called {clip!r}",
                    where=name,
                    fix="Give each example a name of its own.",
                )
            first[clip] = row
        if (backwards := np.flatnonzero(full["end_s"] < full["start_s"])).size:
            raise InputError(f"{clips[backwards[0]]} ends before it starts", where=name)
        for label, told in labels.items():
            if len(told) != n:
                raise InputError(f"label {label} has {len(told)} rows, the index {n}", where=name)
        return cls(name, full, dict(labels), terms, tuple(notices))

    def __len__(self) -> int:
        return len(self.columns["clip"])

    def __getitem__(self, column: str) -> npt.NDArray[Any]:
        if column not in self.columns:
            raise UsageError(f"has no column {column!r}", where=self.name, fix=f"It has: {', '.join(self.columns)}.")
        return self.columns[column]

    def label(self, name: str) -> Labels:
        """The label column of that name; the only one, for ``""``.

        Raises
        ------
        UsageError : no such label, or several and none was named.
        """
        if not name and len(self.labels) == 1:
            return next(iter(self.labels.values()))  # type: ignore[return-value]
        if name not in self.labels:
            known = ", ".join(self.labels) or "none"
            raise UsageError(f"has no label {name!r}", where=self.name, fix=f"It has: {known}.")
        return self.labels[name]  # type: ignore[return-value]

    def take(self, rows: npt.NDArray[Any]) -> Index:
        """Those rows (positions, or a mask), in that order."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, columns=columns, labels={k: v.take(rows) for k, v in self.labels.items()})

    def where(self, **kept: str | Sequence[str]) -> Index:
        """The rows whose columns have one of the values given: ``index.where(split=["train", "validation"])``."""
        mask = np.ones(len(self), bool)
        for column, wanted in kept.items():
            mask &= np.isin(self[column], [wanted] if isinstance(wanted, str) else list(wanted))
        return self.take(mask)

    def with_columns(self, **columns: Sequence[Any] | npt.NDArray[Any]) -> Index:
        """The same examples with those columns added or replaced."""
        made = Index.build(self.name, {**self.columns, **columns}, {})
        return replace(self, columns=made.columns)

    def with_labels(self, **labels: Labels) -> Index:
        """The same examples with those labels added or replaced."""
        return replace(self, labels={**self.labels, **labels})

    def sealed(self) -> Index:
        """The same examples with every label sealed: what a learner is given of the test part."""
        seals = {k: SealedLabels(v.kind, v.names, len(self)) for k, v in self.labels.items()}
        return replace(self, labels=seals)

    def groups(self, column: str) -> dict[str, npt.NDArray[np.int64]]:
        """Rows by value of a column, values in order of their names; rows without one are left out."""
        values = self[column]
        return {v: np.flatnonzero(values == v) for v in sorted(set(values)) if v != ""}

    def to_csv(self) -> str:
        """The table as CSV: standard columns that are known, further ones, then labels as their files spell them."""
        told = [c for c, v in self.columns.items() if c == "clip" or _known(v)]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*told, *self.labels])
        cells = [[_cell(v) for v in self.columns[c]] for c in told]
        cells += [list(_spelt(labels)) for labels in self.labels.values()]
        writer.writerows(zip(*cells, strict=True))
        return text.getvalue()


def _known(values: npt.NDArray[Any]) -> bool:
    return bool(np.isfinite(values).any() if values.dtype.kind == "f" else (values != "").any())


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.12g}"
    return str(value)


def _spelt(labels: Labels | SealedLabels) -> Sequence[str]:
    if isinstance(labels, SealedLabels):
        return [""] * len(labels)
    if labels.kind == "class":
        return [labels.names[v] if v >= 0 else "" for v in labels.values]
    if labels.kind == "multilabel":
        return ["|".join(n for n, on in zip(labels.names, row, strict=True) if on) for row in labels.values]
    return [" ".join(f"{v:.12g}" for v in row) for row in labels.values]
