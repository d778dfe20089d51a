"""EmoBank: English sentences rated on valence, arousal and dominance, 1 to 5.

The official split is by sentence, and sentences of one document fall on both sides: column ``document`` is there to
split by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from moodal.core.errors import InputError
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.spec import SetSpec, find, need
from moodal.lab.data.texts import lines, sentences
from moodal.lab.data.told import number
from moodal.lab.data.twin import Truth, tabled, write

__all__ = ["SPEC", "generate", "read"]

SPEC = SetSpec(
    name="emobank",
    title="EmoBank",
    modalities=("text",),
    labels=("vad", "reader", "writer"),
    licence="CC BY-SA 4.0.",
    commercial="yes",
    where="https://github.com/JULIELab/EmoBank",
    layout="corpus/emobank.csv, corpus/meta.tsv; corpus/reader.csv and corpus/writer.csv if there",
    source="Buechel and Hahn 2017, EACL",
    compact="text_emobank",
    subjects="none: writers are not told; split by document",
)
DIMENSIONS = ("valence", "arousal", "dominance")
_PARTS = {"train": "train", "dev": "validation", "test": "test"}


def read(root: Path | str | None = None, *, duplicates: str = "keep") -> Dataset:
    """All sentences; labels ``vad`` (both perspectives), ``reader`` and ``writer`` (where their files are there).

    Columns beside the standard ones: ``document``, ``category``. ``duplicates``: what is done with
    sentences that stand there several times (`moodal.lab.data.texts.DUPLICATES`).

    Raises
    ------
    InputError : a part is not there or cannot be read.
    """
    path, compact = find(SPEC, root)
    if compact:
        (file,) = need(SPEC, path, ["emobank_train_dev.csv.gz"])
        told = rows(file)
        views = {
            v: {r.get("id", ""): [r.get(f"{v}_{d}", "") for d in "VAD"] for r in told} for v in ("reader", "writer")
        }
    else:
        path = path / "corpus" if (path / "corpus").is_dir() else path
        file, meta = need(SPEC, path, ["emobank.csv", "meta.tsv"])
        told, documents = rows(file), _documents(meta)
        for i, row in enumerate(told):
            if row.get("id", "") not in documents:
                raise InputError(f"row {i + 2}: {row.get('id', '')!r} is not in meta.tsv", where=str(file),
                                 fix="Get both files again.")  # fmt: skip
            row["document"], row["category"] = documents[row["id"]]
        views = {
            v: {r.get("id", ""): [r.get(d, "") for d in "VAD"] for r in rows(path / f"{v}.csv")}
            if (path / f"{v}.csv").exists()
            else {}
            for v in ("reader", "writer")
        }
    where = str(file)
    for column in ("id", "split", "text", "document", *"VAD"):
        if not told or column not in told[0]:
            raise InputError(f"has no column {column}" if told else "holds no sentences", where=where,
                             fix="Get the file again.")  # fmt: skip
    for i, row in enumerate(told):
        if row["split"] not in _PARTS:
            raise InputError(
                f"row {i + 2} is of part {row['split']!r}", where=where, fix=f"Known: {', '.join(_PARTS)}."
            )
    ids = [r["id"] for r in told]
    labels = {"vad": _rated([[r[d] for d in "VAD"] for r in told], where)}
    labels |= {v: _rated([views[v].get(i, ["", "", ""]) for i in ids], where) for v in views if views[v]}
    columns: Mapping[str, Sequence[str]] = {
        "clip": ids,
        "split": [_PARTS[r["split"]] for r in told],
        "text": [r["text"] for r in told],
        "document": [r["document"] for r in told],
        "category": [r.get("category", "") for r in told],
        "language": ["en"] * len(told),
    }
    return sentences(SPEC.name, columns, labels, terms=SPEC.licence, duplicates=duplicates)


def _documents(path: Path) -> dict[str, tuple[str, str]]:
    """Sentence → document and category."""
    found = {cells[0]: (cells[1], cells[2]) for _, cells in lines(path) if len(cells) > 2}
    if not found:
        raise InputError("names no documents", where=str(path), fix="Get the file again.")
    return found


def _rated(told: Sequence[Sequence[str]], where: str) -> Labels:
    values = np.full((len(told), 3), np.nan)
    for i, cells in enumerate(told):
        for k, cell in enumerate(cells):
            values[i, k] = number(cell, DIMENSIONS[k], where, i + 1)
            if values[i, k] < 1 or values[i, k] > 5:
                raise InputError(f"row {i + 2}: {DIMENSIONS[k]} is {cell}, outside 1 to 5", where=where,
                                 fix="Get the file again.")  # fmt: skip
    return Labels("continuous", DIMENSIONS, values, units="1 to 5", source=tuple(" ".join(c) for c in told))


def generate(root: Path, seed: int = 0) -> Truth:
    """Twelve sentences of four documents in the official layout; each document stands in several parts."""
    rng = np.random.default_rng(seed)
    clips, splits = [], []
    ratings = {"emobank": np.round(rng.uniform(1, 5, (12, 3)), 2), "writer": np.round(rng.uniform(1, 5, (12, 3)), 2)}
    table, meta = [], [["id", "document", "category", "subcategory"]]
    for k in range(12):
        part = ("train", "train", "dev", "test")[k % 4]
        clips.append(f"doc{k // 3}_{10 * k}_{10 * k + 9}")
        splits.append(_PARTS[part])
        table.append([clips[-1], part, *ratings["emobank"][k], f'Sentence {k}, "quoted", of seed {seed}.'])
        meta.append([clips[-1], f"doc{k // 3}", "letters", " "])
    write(root / "corpus" / "emobank.csv", tabled(["id", "split", "V", "A", "D", "text"], table))
    write(root / "corpus" / "meta.tsv", "\n".join(["\t".join(cells) for cells in meta] + [""]))
    told = [[clip, *values, 0.5, 0.5, 0.5, 3] for clip, values in zip(clips, ratings["writer"], strict=True)]
    write(root / "corpus" / "writer.csv", tabled(["id", "V", "A", "D", "stdV", "stdA", "stdD", "N"], told))

    def spoil(where: Path) -> str:
        table[4][2] = 7.5
        write(where / "corpus" / "emobank.csv", tabled(["id", "split", "V", "A", "D", "text"], table))
        return "row 6"

    labels = {
        "vad": [tuple(v) for v in ratings["emobank"]],
        "writer": [tuple(v) for v in ratings["writer"]],
    }
    return Truth(
        clips, [""] * 12, splits, labels, parts=["corpus/emobank.csv", "corpus/meta.tsv"],
        tables=["corpus/emobank.csv", "corpus/meta.tsv", "corpus/writer.csv"], spoil=spoil,
    )  # fmt: skip
