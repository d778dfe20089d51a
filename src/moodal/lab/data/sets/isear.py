"""ISEAR: reports of students in many countries of situations in which they felt one of seven emotions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moodal.core.errors import InputError
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.spec import SetSpec, find, need
from moodal.lab.data.texts import sentences
from moodal.lab.data.twin import Truth, write

__all__ = ["SPEC", "generate", "read"]

SPEC = SetSpec(
    name="isear",
    title="ISEAR",
    modalities=("text",),
    labels=("emotion",),
    licence="none stated with the copies that are passed on; research only.",
    commercial="unclear",
    where="https://www.unige.ch/cisa/research/materials-and-online-research/research-material/",
    layout="isear.csv, cells parted by |: ID, COUN, SEX, AGE, WHEN, LONG, INTS, Field1 (emotion), SIT (text) and more",
    source="Scherer and Wallbott 1994, J. Pers. Soc. Psychol. 66, 310",
    compact="text_isear",
)
EMOTIONS = ("joy", "fear", "anger", "sadness", "disgust", "shame", "guilt")
#: Column of ours → column of the official file.
_COLUMNS = {"respondent": "ID", "country_code": "COUN", "sex": "SEX", "age": "AGE", "emotion": "Field1",
            "intensity": "INTS", "duration": "LONG", "when": "WHEN", "text": "SIT"}  # fmt: skip


def read(root: Path | str | None = None, *, unanswered: bool = False, duplicates: str = "keep") -> Dataset:
    """All reports; label ``emotion``. Answers that are none (``[No response.]``) are left out unless ``unanswered``.

    ``duplicates``: what is done with texts that stand there several times (`moodal.lab.data.texts.DUPLICATES`).
    Each respondent (column ``subject``) reports about seven times. Columns beside the standard ones:
    ``country_code``, ``sex_code``, ``age``, ``intensity``, ``duration``, ``when`` (codes of the questionnaire).

    Raises
    ------
    InputError : a part is not there or cannot be read.
    """
    path, compact = find(SPEC, root)
    (file,) = need(SPEC, path, ["isear.csv.gz" if compact else "isear.csv"])
    told = rows(file) if compact else _official(file)
    for column in _COLUMNS:
        if not told or column not in told[0]:
            raise InputError(f"has no column {column}" if told else "holds no reports", where=str(file),
                             fix="Get the file again.")  # fmt: skip
    emotions = Labels.of_classes([r["emotion"] for r in told], EMOTIONS, where=str(file))
    kept = [i for i, r in enumerate(told) if unanswered or (r["text"] and not r["text"].startswith("["))]
    gone = len(told) - len(kept)
    notices = [f"{gone} reports hold no answer and are left out"] if gone else []
    if not kept:
        raise InputError("holds no answered reports", where=str(file), fix="Get the file again.")
    seen: dict[str, int] = {}
    clips = []
    for r in told:
        key = f"{r['respondent']}-{r['emotion']}"
        seen[key] = seen.get(key, 0) + 1
        clips.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    columns = {
        "clip": [clips[i] for i in kept],
        "subject": [told[i]["respondent"] for i in kept],
        "session": [told[i]["respondent"] for i in kept],
        "text": [told[i]["text"] for i in kept],
        "language": ["en"] * len(kept),
        "sex_code": [told[i]["sex"] for i in kept],
        **{c: [told[i][c] for i in kept] for c in ("country_code", "age", "intensity", "duration", "when")},
    }
    labels = {"emotion": emotions.take(np.array(kept))}
    return sentences(SPEC.name, columns, labels, terms=SPEC.licence, duplicates=duplicates, notices=notices)


def _official(path: Path) -> list[dict[str, str]]:
    """Rows by our names; ``á`` stands where the conversion of the file lost a line's end."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), fix="Get the file again.") from error
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    # By hand: the file quotes nothing, and a quotation mark of a report opens no cell.
    head, *body = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()] or [""]
    names = head.removesuffix("|").split("|")
    if absent := [c for c in _COLUMNS.values() if c not in names]:
        raise InputError(f"has no column {absent[0]}", where=str(path), fix="Get the file again.")
    found = []
    for i, line in enumerate(body):
        cells = line.removesuffix("|").split("|")
        if len(cells) != len(names):
            raise InputError(f"row {i + 2} has {len(cells)} cells instead of {len(names)}", where=str(path),
                             fix="Get the file again.")  # fmt: skip
        row = dict(zip(names, cells, strict=True))
        told = {ours: row[theirs].strip() for ours, theirs in _COLUMNS.items()}
        told["text"] = " ".join(told["text"].replace("\u00e1", " ").split())
        found.append(told)
    return found


def generate(root: Path, seed: int = 0) -> Truth:
    """Three respondents with seven reports each, in the official layout; one of them holds no answer."""
    names = ["ID", "CITY", "COUN", "SEX", "AGE", "WHEN", "LONG", "INTS", "Field1", "MYKEY", "SIT", "STATE", ""]
    told, clips, subjects, emotions = ["|".join(names)], [], [], []
    for who in range(3):
        for k, emotion in enumerate(EMOTIONS):
            number = f"{11001 + who}"
            silent = who == 1 and k == 3
            text = "[ No response.]" if silent else f'When "{emotion} \u00e1came, case {seed}-{who}-{k}'
            told.append(
                "|".join([number, "1", "1", "1", "33", "4", "3", "2", emotion, f"{number}{k + 1}", text, "1", ""])
            )
            if not silent:
                clips.append(f"{number}-{emotion}")
                subjects.append(number)
                emotions.append(emotion)
    write(root / "isear.csv", "\n".join([*told, ""]))

    def spoil(where: Path) -> str:
        text = (where / "isear.csv").read_text(encoding="utf-8").replace("|anger|", "|envy|", 1)
        write(where / "isear.csv", text)
        return "row 3"

    return Truth(
        clips, subjects, [""] * len(clips), {"emotion": emotions}, parts=["isear.csv"], tables=["isear.csv"],
        spoil=spoil,
    )  # fmt: skip
