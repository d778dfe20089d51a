"""XED: film subtitles with Plutchik's eight emotions, annotated in English and Finnish, projected into other languages.

Lines in several languages may translate each other, so a language that was not learnt from is not thereby unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.texts import lines, sentences, several
from moodal.lab.data.twin import Truth, write

__all__ = ["SPEC", "generate", "read"]

SPEC = SetSpec(
    name="xed",
    title="XED",
    modalities=("text",),
    labels=("emotions",),
    licence="CC BY 4.0.",
    commercial="yes",
    where="https://github.com/Helsinki-NLP/XED",
    layout="AnnotatedData/{en,fi}-annotated.tsv, AnnotatedData/neu_{en,fi}.txt, Projections/LANG-projections.tsv",
    source="Öhman et al. 2020, COLING",
    compact="text_xed",
    subjects="none: speakers are not told",
)
#: 0 is ours: the files of neutral lines have another number.
EMOTIONS = ("neutral", "anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')

#: Language, kind, text, labels as told, place in the files.
Row = tuple[str, str, str, str, str]


def read(
    root: Path | str | None = None,
    *,
    languages: Sequence[str] = (),
    kinds: Sequence[str] = (),
    duplicates: str = "keep",
) -> Dataset:
    """All lines, or those of some ``languages`` (en, fi, de …) and ``kinds`` (annotated, neutral, projected).

    Label ``emotions``: several of nine. Columns beside the standard ones: ``language``, ``kind``. No official split.
    ``duplicates``: what is done with lines that stand there several times (`moodal.lab.data.texts.DUPLICATES`).

    Raises
    ------
    InputError : a part is not there or cannot be read.
    UsageError : a language or kind that is not there.
    """
    path, compact = find(SPEC, root)
    found = list(_compact(path) if compact else _official(path))
    for option, wanted, have in (
        ("languages", languages, {r[0] for r in found}),
        ("kinds", kinds, {r[1] for r in found}),
    ):
        if unknown := [w for w in wanted if w not in have]:
            raise UsageError(
                f"has no {option[:-1]} {unknown[0]!r}", where=SPEC.name, fix=f"It has: {', '.join(sorted(have))}."
            )
    found = [r for r in found if (not languages or r[0] in languages) and (not kinds or r[1] in kinds)]
    if not found:
        raise lacking(SPEC, "its lines", path)
    language, kind, texts, told, places = zip(*found, strict=True)
    numbers = [sorted({int(n) for n in re.findall(r"\d{1,9}", t)}) for t in told]
    labels = several(numbers, EMOTIONS, places, source=told)
    counts: dict[str, int] = {}
    clips = []
    for r in found:
        name = f"{r[0]}-{r[1]}"
        counts[name] = counts.get(name, 0) + 1
        clips.append(f"{name}-{counts[name]:05d}")
    columns = {"clip": clips, "text": texts, "language": language, "kind": kind}
    return sentences(SPEC.name, columns, {"emotions": labels}, terms=SPEC.licence, duplicates=duplicates)


def _compact(path: Path) -> Iterator[Row]:
    (file,) = need(SPEC, path, ["xed.csv.gz"])
    for i, row in enumerate(rows(file)):
        try:
            yield row["lang"], row["kind"], row["text"], row["labels"], f"{file}: row {i + 2}"
        except KeyError as error:
            raise InputError(f"has no column {error}", where=str(file), fix="Get the file again.") from None


def _official(path: Path) -> Iterator[Row]:
    (home,) = need(SPEC, path, ["AnnotatedData"])
    annotated = sorted(home.glob("??-annotated.tsv"))
    if not annotated:
        raise lacking(SPEC, "AnnotatedData/en-annotated.tsv", path)
    for file in annotated:
        yield from ((file.name[:2], "annotated", t, n, f"{file}: row {i}") for i, (t, n) in lines(file, 2))
    for file in sorted(home.glob("neu_??.txt")):
        for i, cells in lines(file):
            if text := "\t".join(cells[1:]).strip():
                yield file.stem[-2:], "neutral", text, "0", f"{file}: row {i}"
    # These were written by a program that quotes a cell with a quotation mark inside, and doubles that mark.
    for file in sorted((path / "Projections").glob("*-projections.tsv")):
        for i, (text, told) in lines(file, 2):
            quoted = _QUOTED.fullmatch(text)
            plain = quoted[1].replace('""', '"') if quoted else text
            yield file.name.partition("-")[0], "projected", plain, told, f"{file}: row {i}"


def generate(root: Path, seed: int = 0) -> Truth:
    """English and Finnish annotated lines, neutral ones, and German projections, in the official layout."""
    clips, emotions = [], []

    def told(language: str, kind: str, n: int) -> list[tuple[str, list[int]]]:
        made = []
        for k in range(n):
            numbers = [0] if kind == "neutral" else sorted({1 + (k + seed) % 8, 1 + 3 * k % 8})
            clips.append(f"{language}-{kind}-{k + 1:05d}")
            emotions.append(tuple(EMOTIONS[i] for i in numbers))
            made.append((f"Line {k} of {kind} {language}, seed {seed}.", numbers))
        return made

    for language in ("en", "fi"):
        text = "".join(f"{t}\t{', '.join(map(str, n))}\n" for t, n in told(language, "annotated", 9))
        write(root / "AnnotatedData" / f"{language}-annotated.tsv", text)
    for language in ("en", "fi"):
        text = "".join(f"9\t{t}\n" for t, _ in told(language, "neutral", 3))
        write(root / "AnnotatedData" / f"neu_{language}.txt", text + "\t\t\t\t\n")
    projected = told("de", "projected", 5)
    text = "".join(f'"{t} ""so"""\t{{{", ".join(repr(str(i)) for i in n)}}}\n' for t, n in projected)
    write(root / "Projections" / "de-projections.tsv", text)

    def spoil(where: Path) -> str:
        text = (where / "AnnotatedData" / "fi-annotated.tsv").read_text(encoding="utf-8")
        write(where / "AnnotatedData" / "fi-annotated.tsv", text.replace("\t", "\t9, ", 1))
        return "row 1"

    tables = ["AnnotatedData/en-annotated.tsv", "AnnotatedData/neu_en.txt", "Projections/de-projections.tsv"]
    return Truth(
        clips, [""] * len(clips), [""] * len(clips), {"emotions": emotions}, parts=["AnnotatedData"], tables=tables,
        spoil=spoil,
    )  # fmt: skip
