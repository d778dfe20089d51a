"""MSP-Podcast: turns from podcasts, rated by listeners with one of nine emotions and on three dimensions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.errors import InputError
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.index import Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.media import content_of
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.told import mapped, number, plain
from moodal.lab.data.twin import Truth, tabled, tone, write

__all__ = ["CODES", "EKMAN8", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="msp",
    title="MSP-Podcast",
    modalities=("audio", "text"),
    labels=("emotion", "ekman8", "dimensions"),
    licence="by agreement with the University of Texas at Dallas: academic research only, no redistribution",
    commercial="no",
    where="ask for it at https://www.lab-msp.com/MSP/MSP-Podcast.html (an agreement of the institution).",
    layout="Labels/labels_consensus.csv (FileName, EmoClass, EmoAct, EmoVal, EmoDom, SpkrID, Gender, Split_Set), "
    "Audios/FILE.wav, Transcripts/FILE.txt",
    source="Lotfian and Busso 2019, IEEE Trans. Affective Computing 10(4); columns: its users' public code",
)

CODES = {
    "N": "neutral", "H": "happiness", "U": "surprise", "S": "sadness", "A": "anger", "D": "disgust", "F": "fear",
    "C": "contempt", "O": "other", "X": "no agreement",
}  # fmt: skip
CLASSES = tuple(CODES.values())
#: Other and no agreement are none of the eight.
EKMAN8 = {c: c for c in CLASSES[:8]}
_SPLITS = {"Train": "train", "Development": "validation", "Test1": "test", "Test2": "test2", "Test3": "test3"}
_DIMENSIONS = ("EmoVal", "EmoAct", "EmoDom")
_NEEDED = ("FileName", "EmoClass", *_DIMENSIONS, "SpkrID", "Split_Set")
_PODCAST = re.compile(r"(MSP-PODCAST_\d+)_")


def read(root: Path | str | None = None) -> Dataset:
    """The rated turns; ``root`` is the release's folder, or any set whose table has this form.

    Labels: ``emotion`` and ``ekman8`` by consensus, ``dimensions`` (valence, arousal, dominance from 1 to 7).
    ``split`` has ``test`` for Test1, ``test2`` and ``test3`` for the others; ``session`` is the podcast. A speaker
    who is not known has no ``subject``.

    Raises
    ------
    InputError : the table or the sound is not there; a row has another emotion, part, or a rating off its scale.
    """
    path, _ = find(SPEC, root)
    table = next(
        (p for p in (path / "Labels" / "labels_consensus.csv", path / "labels_consensus.csv") if p.is_file()), None
    )
    if table is None:
        raise lacking(SPEC, "Labels/labels_consensus.csv", path)
    sounds = next((p for p in (path / "Audios", path / "Audio") if p.is_dir()), None)
    if sounds is None:
        raise lacking(SPEC, "Audios", path)
    told = rows(table, _NEEDED)
    where = str(table)
    if not told:
        raise InputError("has no rows", where=where, fix="Get the file again.")
    emotions, ratings = [], np.full((len(told), 3), np.nan)
    columns: dict[str, list[str]] = {
        c: [] for c in ("clip", "recording", "content", "subject", "session", "split", "sex", "text", "language")
    }
    lost = 0
    for i, row in enumerate(told):
        if row["EmoClass"] not in CODES or row["Split_Set"] not in _SPLITS:
            raise InputError(
                f"row {i + 1}: EmoClass {row['EmoClass']!r} or Split_Set {row['Split_Set']!r} is not known",
                where=where,
                fix=f"Known: {', '.join(CODES)}; {', '.join(_SPLITS)}.",
            )  # fmt: skip
        ratings[i] = [number(row[c], c, where, i) for c in _DIMENSIONS]
        if not ((ratings[i] >= 1) & (ratings[i] <= 7) | np.isnan(ratings[i])).all():
            raise InputError(f"row {i + 1}: a rating is not between 1 and 7", where=where, fix="Correct the row.")
        emotions.append(CODES[row["EmoClass"]])
        name = Path(row["FileName"]).name
        sound, words = sounds / name, path / "Transcripts" / f"{Path(name).stem}.txt"
        there = sound.is_file()
        lost += not there
        podcast = _PODCAST.match(name)
        speaker = row["SpkrID"].strip()
        made = {
            "clip": Path(name).stem, "recording": str(sound) if there else "", "language": "en",
            "content": content_of(str(sound)) if there else "", "split": _SPLITS[row["Split_Set"]],
            "subject": "" if speaker.lower() in ("unknown", "") else speaker, "session": podcast[1] if podcast else "",
            "sex": row.get("Gender", "").strip().lower().replace("unknown", ""),
            "text": plain(words.read_text("utf-8", "replace")) if words.is_file() else "",
        }  # fmt: skip
        for column, value in made.items():
            columns[column].append(value)
    index = Index.build(
        SPEC.name, columns,
        {
            "emotion": Labels.of_classes(emotions, CLASSES, source=[row["EmoClass"] for row in told]),
            "ekman8": mapped(emotions, EKMAN8),
            "dimensions": Labels("continuous", ("valence", "arousal", "dominance"), ratings, units="1 to 7",
                                 source=tuple(" ".join(row[c] for c in _DIMENSIONS) for row in told)),
        },
        terms=SPEC.licence,
        notices=[f"{lost} of {len(told)} turns have no sound here"] if lost else [],
    )  # fmt: skip
    return Dataset(index, {})


def generate(root: Path, seed: int = 0) -> Truth:
    """Ten podcasts of two speakers; one speaker is unknown, one turn has no sound."""
    rng = np.random.default_rng(seed)
    clips, subjects, splits, emotions, ratings, table = [], [], [], [], [], []
    parts = ["Train"] * 5 + ["Development"] * 2 + ["Test1", "Test2", "Test3"]
    for podcast, part in enumerate(parts, start=1):
        for turn in range(1, 5):
            name = f"MSP-PODCAST_{podcast:04d}_{turn:04d}"
            code = list(CODES)[int(rng.integers(len(CODES)))] if turn > 1 else "N"
            rated = np.round(rng.uniform(1, 7, 3), 4)
            speaker = "Unknown" if (podcast, turn) == (3, 4) else str(2 * podcast + turn % 2)
            sex = "Unknown" if speaker == "Unknown" else ("Female", "Male")[turn % 2]
            table.append((f"{name}.wav", code, rated[1], rated[0], rated[2], speaker, sex, part))
            clips.append(name)
            subjects.append("" if speaker == "Unknown" else speaker)
            splits.append(_SPLITS[part])
            emotions.append(CODES[code])
            ratings.append(tuple(rated.tolist()))
            if (podcast, turn) != (1, 2):
                write(root / "Audios" / f"{name}.wav", tone(1000 * seed + len(clips)))
            write(root / "Transcripts" / f"{name}.txt", f"So that\u2019s {CODES[code]}.\n")
    header = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
    write(root / "Labels" / "labels_consensus.csv", tabled(header, table))

    def spoil(where: Path) -> str:
        file = where / "Labels" / "labels_consensus.csv"
        write(file, file.read_text(encoding="utf-8").replace("_0002_0001.wav,N", "_0002_0001.wav,Z"))
        return "row 5: EmoClass 'Z'"

    labels: dict[str, Sequence[Any]] = {
        "emotion": emotions,
        "ekman8": [EKMAN8.get(e, "") for e in emotions],
        "dimensions": ratings,
    }
    return Truth(
        clips, subjects, splits, labels, parts=["Labels/labels_consensus.csv", "Audios"],
        tables=["Labels/labels_consensus.csv"], spoil=spoil,
    )  # fmt: skip
