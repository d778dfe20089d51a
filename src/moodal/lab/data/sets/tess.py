"""TESS: two actresses say 200 words in a carrier phrase, in seven emotions."""

from __future__ import annotations

import re
from pathlib import Path

from moodal.core.errors import InputError
from moodal.lab.data.acted import files_named, named, speech
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.spec import SetSpec, find
from moodal.lab.data.twin import Truth, tone, write

__all__ = ["CLASSES", "EKMAN8", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="tess",
    title="TESS",
    modalities=("audio",),
    labels=("emotion", "ekman8"),
    licence="CC BY-NC-ND 4.0",
    commercial="no",
    where="download it from https://doi.org/10.5683/SP2/E8H2MF (Borealis, University of Toronto).",
    layout="OAF_WORD_EMOTION.wav and YAF_WORD_EMOTION.wav, flat or in folders such as OAF_angry",
    source="Pichora-Fuller and Dupuis 2020, doi 10.5683/SP2/E8H2MF; names: the set's page there",
    subjects="subject; only two speakers, so that nobody is left to choose on when one is tested",
)

_EMOTIONS = {
    "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness", "neutral": "neutral",
    "ps": "pleasant surprise", "sad": "sadness",
}  # fmt: skip
CLASSES = ("neutral", "anger", "disgust", "fear", "happiness", "pleasant surprise", "sadness")
EKMAN8 = {c: c for c in CLASSES if c != "pleasant surprise"} | {"pleasant surprise": "surprise"}

#: The older and the younger actress; the set itself has a file or two that begin with OA.
_SPEAKERS = {"OAF": "64", "YAF": "26"}
_NAME = re.compile(r"(?P<subject>OAF?|YAF)_(?P<word>[A-Za-z']+)_(?P<code>[A-Za-z]+)")


def read(root: Path | str | None = None) -> Dataset:
    """The set's clips; ``root`` is any folder above them.

    Raises
    ------
    InputError : there is none; a file is named otherwise, or has another emotion.
    """
    path, _ = find(SPEC, root)
    told = [_official(f) for f in files_named(SPEC, path, "[OY]A*_*.wav", "OAF_*.wav and YAF_*.wav")]
    kept = ("trial", "stimulus", "text", "sex", "age", "language")
    return speech(SPEC, told, CLASSES, EKMAN8, kept, where=path)


def _official(path: Path) -> dict[str, str]:
    row = named(path, _NAME, "SPEAKER_WORD_EMOTION.wav, such as OAF_back_angry.wav")
    code = row["code"].lower()
    if code not in _EMOTIONS:
        raise InputError(f"its emotion {row['code']!r} is not one of {', '.join(_EMOTIONS)}", where=str(path))
    subject = "OAF" if row["subject"] == "OA" else row["subject"]
    sentence = f"Say the word {row['word'].lower()}"
    return row | {
        "subject": subject, "emotion": _EMOTIONS[code], "age": _SPEAKERS[subject], "sex": "female", "language": "en",
        "text": sentence, "stimulus": sentence, "trial": row["clip"],
    }  # fmt: skip


def generate(root: Path, seed: int = 0) -> Truth:
    """Both speakers, three words, all emotions, in folders as the set is spread."""
    clips, subjects, emotions = [], [], []
    for speaker in _SPEAKERS:
        for word in ("back", "bar", "youth"):
            for code, emotion in _EMOTIONS.items():
                clips.append(f"{speaker}_{word}_{code}")
                subjects.append(speaker)
                emotions.append(emotion)
                write(root / f"{speaker}_{code}" / f"{clips[-1]}.wav", tone(1000 * seed + len(clips)))

    def spoil(where: Path) -> str:
        (where / "OAF_ps" / "OAF_bar_ps.wav").rename(where / "OAF_ps" / "OAF_bar_bored.wav")
        return "OAF_bar_bored.wav"

    return Truth(
        clips, subjects, [""] * len(clips),
        {"emotion": emotions, "ekman8": [EKMAN8[e] for e in emotions]},
        parts=[], tables=[], spoil=spoil,
    )  # fmt: skip
