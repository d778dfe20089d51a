"""What readers of sentences share: tables without quotes, several labels at once, copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError

from .dataset import Dataset
from .index import Index
from .labels import Labels
from .media import text_hash

__all__ = ["DUPLICATES", "duplicates_dropped", "lines", "sentences", "several"]

#: What may be done with content that stands in the set several times.
DUPLICATES: dict[str, str] = {
    "keep": "nothing: a protocol that deals copies to both sides refuses to",
    "drop": "examples of an earlier part whose content a later part of the official split holds are left out",
    "once": "each content is kept once, in the latest part that holds it: every way to split is then possible",
}


def lines(path: Path, cells: int | None = None, encoding: str = "utf-8") -> Iterator[tuple[int, list[str]]]:
    """Lines of a table that separates by tabs and quotes nothing: number (from 1) and cells; empty lines are skipped.

    Raises
    ------
    InputError : not readable, or a line with another number of cells.
    """
    try:
        # By hand: only a line feed ends a line here, whatever else of Unicode a comment holds.
        text = path.read_bytes().decode(encoding).removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read as a table ({error})", where=str(path), fix="Get the file again.") from error
    for i, line in enumerate(text.split("\n")):
        line = line.removesuffix("\r")
        if not line.strip():
            continue
        told = line.split("\t")
        if cells is not None and len(told) != cells:
            raise InputError(f"row {i + 1} has {len(told)} cells instead of {cells}", where=str(path),
                             fix="Get the file again.")  # fmt: skip
        yield i + 1, told


def several(
    told: Sequence[Sequence[int]],
    names: Sequence[str],
    where: Sequence[str],
    scheme: str = "",
    source: Sequence[str] = (),
) -> Labels:
    """Labels of several classes at once from their numbers, counted from 0; ``where`` names each example in errors.

    Raises
    ------
    InputError : a number that is no class, or an example without any.
    """
    values = np.zeros((len(told), len(names)), bool)
    for row, numbers in enumerate(told):
        if not numbers or min(numbers) < 0 or max(numbers) >= len(names):
            said = ", ".join(map(str, numbers)) or "nothing"
            raise InputError(f"is labelled {said}, not a class 0 to {len(names) - 1}", where=where[row],
                             fix="Get the file again.")  # fmt: skip
        values[row, list(numbers)] = True
    return Labels("multilabel", tuple(names), values, scheme, "", tuple(source))


def sentences(
    name: str,
    columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
    labels: Mapping[str, Labels],
    *,
    terms: str,
    duplicates: str = "keep",
    notices: Sequence[str] = (),
) -> Dataset:
    """A set of sentences: an index whose ``text`` makers of features read; no features of its own.

    ``duplicates`` is one of `DUPLICATES`: protocols refuse a split with the same text on both sides.

    Raises
    ------
    UsageError : another word for it.
    """
    content = [text_hash(t) for t in columns["text"]]
    index = Index.build(name, {**columns, "content": content}, labels, terms=terms, notices=notices)
    return duplicates_dropped(Dataset(index, {}), duplicates)


def duplicates_dropped(data: Dataset, duplicates: str) -> Dataset:
    """The data set after one of `DUPLICATES`; a notice counts what is left out.

    Raises
    ------
    UsageError : none of them.
    """
    if duplicates not in DUPLICATES:
        raise UsageError(f"duplicates is {duplicates!r}", where=data.index.name, fix=f"Known: {', '.join(DUPLICATES)}.")
    held: set[str] = set()
    keep = np.ones(len(data), bool)
    for part in ("test", "validation", "train", "") if duplicates != "keep" else ():
        fresh: set[str] = set()
        for row in np.flatnonzero(data.index["split"] == part):
            content = data.index["content"][row]
            keep[row] = content not in held and not (duplicates == "once" and content in fresh)
            fresh.add(content)
        held |= fresh
    if keep.all():
        return data
    kept = data.take(keep)
    why = "a later part of the split holds the same content" if duplicates == "drop" else "others have the same content"
    gone = f"{int((~keep).sum())} examples are left out because {why}"
    return replace(kept, index=replace(kept.index, notices=(*kept.index.notices, gone)))
