"""A label column in the words of a bundle: which of its schemes it is told in, and what each label became."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.labels import Labels
from moodal.lab.data.synonyms import dimension, resolve, spelt

from .table import Row

__all__ = ["Targets", "read_targets"]

#: Scales that ratings come on, the smallest that holds all of them is taken.
_SCALES = ((-1.0, 1.0), (0.0, 1.0), (1.0, 5.0), (-3.0, 3.0), (1.0, 7.0), (1.0, 9.0), (0.0, 10.0), (0.0, 100.0))


@dataclass(frozen=True)
class Targets:
    """``rows`` are those that are labelled, ``labels`` theirs in ``scheme``; ``mapped`` how source labels were read.

    For numbers ``scheme`` is ``va`` and ``scale`` the range they were taken to be on, mapped to [-1, 1].
    """

    scheme: str
    rows: tuple[Row, ...]
    labels: Labels
    mapped: tuple[Mapping[str, object], ...]
    scale: tuple[float, float] | None = None


def read_targets(
    rows: Sequence[Row],
    columns: Sequence[str],
    schemes: Mapping[str, tuple[str, ...]],
    multilabel: frozenset[str],
    where: str,
) -> Targets:
    """The labels of those rows; rows with an empty label are left out.

    ``schemes`` are what the bundle tells: classes by scheme, its own first, and under ``va`` its dimensions. The scheme
    taken is the smallest in which every label is spelt, else the one in which most are and the others map to.

    Raises
    ------
    InputError : a label that means no class of the bundle, several in a row for a bundle that tells one, one class
        only, no label at all; each naming the row.
    UsageError : a dimension that the bundle does not tell.
    """
    numbers = _numbers(rows, columns, schemes, where)
    if numbers is not None:
        return numbers
    if len(columns) > 1:
        raise UsageError(
            f"{', '.join(columns)}: several label columns are for numbers, and these are not all numbers",
            where=where,
            fix="Name one column of classes, or columns of ratings.",
        )
    labelled = [r for r in rows if r.labels[0].strip()]
    if not labelled:
        raise InputError(f"no row has a label in column {columns[0]}", where=where, fix="Fill the column.")
    told = [[t.strip() for t in r.labels[0].split("|") if t.strip()] for r in labelled]
    several = next((i for i, t in enumerate(told) if len(t) > 1), None)
    known = {name: classes for name, classes in schemes.items() if classes and name != "va"}
    if several is not None:
        known = {name: classes for name, classes in known.items() if name in multilabel}
        if not known:
            raise InputError(
                f"has several labels ({labelled[several].labels[0]}), and this bundle tells one class",
                where=f"{where}, {labelled[several].name}",
                fix="Leave one label a row, or choose a bundle that tells several.",
            )
    if not known:
        raise UsageError(
            "this bundle tells no classes", where=where, fix="Name columns of ratings: --label valence,arousal."
        )
    counts = Counter(label for tokens in told for label in tokens)
    scheme = _scheme(counts, known)
    classes = known[scheme]
    became = {label: resolve(label, classes, scheme) for label in counts}
    for row, tokens in zip(labelled, told, strict=True):
        for token in tokens:
            if became[token] is None:
                raise InputError(
                    f"is labelled {token!r}, which is no class of this bundle and maps to none",
                    where=f"{where}, {row.name}",
                    fix=f"It tells: {', '.join(classes)}. Rename the label, or leave the cell empty.",
                )
    names = {label: r.name for label, r in became.items() if r is not None}
    mapped = tuple(
        {"source": label, "label": r.name, "how": r.how, "n": counts[label]}
        for label, r in became.items() if r is not None
    )  # fmt: skip
    if len(set(names.values())) < 2:
        raise InputError(
            f"all {len(labelled)} rows are labelled {next(iter(names.values()))!r}",
            where=where,
            fix="It takes two classes to tell whether a bundle can tell them apart.",
        )
    place = {c: i for i, c in enumerate(classes)}
    source = tuple(r.labels[0] for r in labelled)
    if several is not None:
        on = np.zeros((len(labelled), len(classes)), bool)
        for i, tokens in enumerate(told):
            on[i, [place[names[t]] for t in tokens]] = True
        labels = Labels("multilabel", classes, on, scheme, "", source)
    else:
        values = np.array([place[names[tokens[0]]] for tokens in told], np.int64)
        labels = Labels("class", classes, values, scheme, "", source)
    return Targets(scheme, tuple(labelled), labels, mapped)


def _scheme(labels: Counter[str], known: Mapping[str, tuple[str, ...]]) -> str:
    fits = {name: sum(spelt(label, classes) is not None for label in labels) for name, classes in known.items()}
    whole = [name for name, n in fits.items() if n == len(labels)]
    if whole:
        return min(whole, key=lambda name: len(known[name]))
    reached = [name for name in known if all(resolve(label, known[name], name) for label in labels)]
    return max(reached or list(known), key=lambda name: fits[name])


def _numbers(
    rows: Sequence[Row], columns: Sequence[str], schemes: Mapping[str, tuple[str, ...]], where: str
) -> Targets | None:
    named = [dimension(c) for c in columns]
    if None in named or (len(columns) == 1 and not any(_is_number(r.labels[0]) for r in rows)):
        return None
    values = np.full((len(rows), len(columns)), np.nan)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row.labels):
            try:
                values[i, j] = float(cell) if cell.strip() else np.nan
            except ValueError as error:
                raise InputError(
                    f"{columns[j]} is {cell!r}, which is no number",
                    where=f"{where}, {row.name}",
                    fix="Correct the row.",
                ) from error
    dimensions = schemes.get("va", ())
    names = tuple(str(d) for d in named)
    for column, name in zip(columns, names, strict=True):
        if name not in dimensions:
            raise UsageError(
                f"this bundle does not tell {name} (column {column})",
                where=where,
                fix=f"It tells {', '.join(dimensions)}." if dimensions else "It tells classes.",
            )
    whole = np.isfinite(values).all(axis=1)
    if not whole.any():
        raise InputError(f"no row has all of {', '.join(columns)}", where=where, fix="Fill the columns.")
    values = values[whole]
    for j, column in enumerate(columns):
        if len(np.unique(values[:, j])) < 2:
            raise InputError(
                f"all {len(values)} rows have the {column} {values[0, j]:g}",
                where=where,
                fix="It takes different values to tell whether a bundle follows them.",
            )
    fits = [s for s in _SCALES if s[0] <= values.min() and values.max() <= s[1]]
    low, high = min(fits, key=lambda s: s[1] - s[0], default=(float(values.min()), float(values.max())))
    kept = tuple(r for r, ok in zip(rows, whole, strict=True) if ok)
    source = tuple(" ".join(r.labels) for r in kept)
    scaled: npt.NDArray[np.float64] = 2 * (values - low) / (high - low) - 1
    labels = Labels("continuous", names, scaled, "va", f"from {low:g} to {high:g}, mapped to [-1, 1]", source)
    return Targets("va", kept, labels, (), (low, high))


def _is_number(cell: str) -> bool:
    try:
        return bool(cell.strip()) and np.isfinite(float(cell))
    except ValueError:
        return False
