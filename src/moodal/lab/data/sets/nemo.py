"""nEMO: nine Polish speakers act six emotions over the same 90 sentences."""

from __future__ import annotations

from pathlib import Path

from moodal.core.errors import InputError
from moodal.lab.data.acted import clips_in_tar, speech
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.media import content_of
from moodal.lab.data.spec import SetSpec, find, need
from moodal.lab.data.twin import Truth, tabled, tone, write

__all__ = ["CLASSES", "EKMAN8", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="nemo",
    title="nEMO",
    modalities=("audio",),
    labels=("emotion", "ekman8"),
    licence="CC BY-NC-SA 4.0",
    commercial="no",
    where="git clone https://github.com/amu-cai/nEMO",
    layout="data.tsv (file_id, emotion, raw_text, normalized_text, speaker_id, gender, age) and samples/FILE_ID",
    source="Christop 2024, LREC-COLING, pages 12111-12116; columns: the README of github.com/amu-cai/nEMO",
    compact="speech_nemo",
)

CLASSES = ("neutral", "anger", "fear", "happiness", "sadness", "surprised")
EKMAN8 = {c: c for c in CLASSES if c != "surprised"} | {"surprised": "surprise"}
_HEADER = ("file_id", "emotion", "raw_text", "normalized_text", "speaker_id", "gender", "age")


def read(root: Path | str | None = None) -> Dataset:
    """The set's clips; ``root`` is the folder that holds ``data.tsv`` and ``samples``, or our compact layout.

    Raises
    ------
    InputError : it, or a part of it, is not there; a row names a file that is not there, or another emotion.
    """
    path, compact = find(SPEC, root)
    if compact:
        table = path / "index.csv"
        told = clips_in_tar(SPEC, path, ("speaker", "sex", "age", "emotion", "sentence_id", "text"))
        told = [row | {"subject": row["speaker"]} for row in told]
    else:
        table, told = path / "data.tsv", _official(path)
    told = [row | {"language": "pl", "stimulus": row["text"], "trial": row["clip"]} for row in told]
    kept = ("trial", "stimulus", "text", "sex", "age", "language")
    return speech(SPEC, told, CLASSES, EKMAN8, kept, where=table)


def _official(path: Path) -> list[dict[str, str]]:
    table, samples = need(SPEC, path, ["data.tsv", "samples"])
    told = []
    for i, row in enumerate(rows(table, [c for c in _HEADER if c != "normalized_text"], "\t")):
        name = Path(row["file_id"]).name
        file = samples / (name if name.endswith(".wav") else f"{name}.wav")
        if not file.is_file():
            raise InputError(f"row {i + 1}: there is no samples/{file.name}", where=str(table), fix="Get it again.")
        told.append({
            "clip": file.stem, "recording": str(file), "content": content_of(str(file)), "subject": row["speaker_id"],
            "emotion": row["emotion"], "text": row["raw_text"], "sex": row["gender"], "age": row["age"],
        })  # fmt: skip
    return told


def generate(root: Path, seed: int = 0) -> Truth:
    """Three speakers, two sentences, all emotions."""
    clips, subjects, emotions, table = [], [], [], []
    texts = {"13": "Interesuje mnie historia Polski.", "2": "Nie waśńmy się ze sobą."}
    for speaker, sex, age in (("EB0", "female", "27"), ("KS0", "male", "23"), ("WR0", "male", "23")):
        for sentence, text in texts.items():
            for emotion in CLASSES:
                clips.append(f"{speaker}_{emotion}_{sentence}")
                subjects.append(speaker)
                emotions.append(emotion)
                write(root / "samples" / f"{clips[-1]}.wav", tone(1000 * seed + len(clips)))
                plainer = text.lower().rstrip(".")
                table.append((f"{clips[-1]}.wav", emotion, text, plainer, speaker, sex, age))
    write(root / "data.tsv", tabled(_HEADER, table, "\t"))

    def spoil(where: Path) -> str:
        file = where / "data.tsv"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        lines[3] = lines[3].replace(f"\t{emotions[2]}\t", "\tboredom\t")
        write(file, "".join(lines))
        return "row 3"

    return Truth(
        clips, subjects, [""] * len(clips),
        {"emotion": emotions, "ekman8": [EKMAN8[e] for e in emotions]},
        parts=["data.tsv", "samples"], tables=["data.tsv"], spoil=spoil,
    )  # fmt: skip
