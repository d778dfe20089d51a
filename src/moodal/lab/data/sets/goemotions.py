"""GoEmotions: English comments with one or several of 27 emotions, or neutral."""

from __future__ import annotations

from pathlib import Path

from moodal.core.errors import InputError
from moodal.core.scheme import GOEMOTIONS28
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.texts import lines, sentences, several
from moodal.lab.data.twin import Truth, write

__all__ = ["SPEC", "generate", "read"]

SPEC = SetSpec(
    name="goemotions",
    title="GoEmotions",
    modalities=("text",),
    labels=("emotions",),
    licence="annotations Apache-2.0; the comments are their authors' text.",
    commercial="unclear",
    where="https://github.com/google-research/google-research/tree/master/goemotions/data",
    layout="train.tsv, dev.tsv, test.tsv (text, label numbers, comment id) and emotions.txt",
    source="Demszky et al. 2020, ACL",
    compact="text_goemotions",
    subjects="none: authors are not told",
)
_OFFICIAL = {"train.tsv": "train", "dev.tsv": "validation", "test.tsv": "test"}
_COMPACT = {"goemotions_train.csv.gz": "train", "goemotions_dev.csv.gz": "validation"}


def read(root: Path | str | None = None, *, duplicates: str = "keep") -> Dataset:
    """All comments, the official parts in ``split``; label ``emotions`` (several of 28).

    ``duplicates``: what is done with comments that stand there several times (`moodal.lab.data.texts.DUPLICATES`).

    Raises
    ------
    InputError : a part is not there or cannot be read.
    """
    path, compact = find(SPEC, root)
    path = path / "data" if not compact and (path / "data").is_dir() else path
    names = need(SPEC, path, ["labels.txt" if compact else "emotions.txt"])[0]
    _same_order(names)
    found: list[tuple[str, str, str, str, str]] = []  # id, part, text, numbers, place
    for name, part in (_COMPACT if compact else _OFFICIAL).items():
        # The test part may be kept apart; the two others may not.
        if part == "test" and not (path / name).exists():
            continue
        (file,) = need(SPEC, path, [name])
        if compact:
            told = [(i + 2, [r["text"], r["labels"].replace(" ", ","), r["id"]]) for i, r in enumerate(rows(file))]
        else:
            told = list(lines(file, 3))
        found += [(key, part, text, numbers, f"{file}: row {i}") for i, (text, numbers, key) in told]
    if not found:
        raise lacking(SPEC, "its comments", path)
    ids, parts, texts, told_numbers, places = zip(*found, strict=True)
    labels = several([_numbers(n, p) for n, p in zip(told_numbers, places, strict=True)], GOEMOTIONS28, places,
                     "goemotions28", told_numbers)  # fmt: skip
    columns = {"clip": ids, "split": parts, "text": texts, "language": ["en"] * len(ids)}
    return sentences(SPEC.name, columns, {"emotions": labels}, terms=SPEC.licence, duplicates=duplicates)


def _numbers(told: str, where: str) -> list[int]:
    try:
        return [int(n) for n in told.split(",") if n.strip()]
    except ValueError:
        raise InputError(f"is labelled {told!r}, not with numbers", where=where, fix="Get the file again.") from None


def _same_order(path: Path) -> None:
    """Label numbers are lines of this file: another order would silently swap emotions."""
    told = tuple(cells[0].strip() for _, cells in lines(path))
    if told != GOEMOTIONS28:
        raise InputError("does not list the 28 emotions in their order", where=str(path), fix="Get the file again.")


def generate(root: Path, seed: int = 0) -> Truth:
    """Six comments a part in the official layout; one is neutral, one has two labels, one a quote that never ends."""
    clips, splits, emotions = [], [], []
    for name, part in _OFFICIAL.items():
        told = []
        for k in range(6):
            numbers = [27] if k == 0 else [(5 * k + seed) % 27] if k < 5 else [3, 17]
            clips.append(f"{part}{seed}{k}")
            splits.append(part)
            emotions.append(tuple(GOEMOTIONS28[n] for n in sorted(numbers)))
            text = f'"NA {part} comment, number {k} of seed {seed} \u2028 one line'
            told.append(f"{text}\t{','.join(map(str, numbers))}\t{clips[-1]}")
        write(root / name, "\n".join([*told, ""]))
    write(root / "emotions.txt", "\n".join([*GOEMOTIONS28, ""]))

    def spoil(where: Path) -> str:
        text = (where / "dev.tsv").read_text(encoding="utf-8")
        write(where / "dev.tsv", text.replace("3,17", "3,28"))
        return "row 6"

    return Truth(
        clips, [""] * len(clips), splits, {"emotions": emotions}, parts=["train.tsv", "dev.tsv", "emotions.txt"],
        tables=["train.tsv", "dev.tsv", "test.tsv"], spoil=spoil,
    )  # fmt: skip
