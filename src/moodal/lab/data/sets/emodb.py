"""EmoDB, the Berlin Database of Emotional Speech: ten actors, ten sentences, seven emotions, in German."""

from __future__ import annotations

import re
from pathlib import Path

from moodal.core.errors import InputError
from moodal.lab.data.acted import clips_in_tar, files_named, named, speech
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.spec import SetSpec, find
from moodal.lab.data.twin import Truth, tone, write

__all__ = ["EKMAN8", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="emodb",
    title="EmoDB",
    modalities=("audio",),
    labels=("emotion", "ekman8"),
    licence="offered free of charge by its authors; no formal licence text was found: research only",
    commercial="unclear",
    where="download http://emodb.bilderbar.info and unpack it.",
    layout="wav/SSTTTEV.wav: speaker (03, 08 to 16), sentence (a01 … b10), emotion (W L E A F T N), take",
    source="Burkhardt et al. 2005, Interspeech; the names are explained at emodb.bilderbar.info",
    compact="speech_emodb",
)  # fmt: skip

#: German initials: Wut, Langeweile, Ekel, Angst, Freude, Trauer, neutral.
_EMOTIONS = {
    "W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral",
}  # fmt: skip
CLASSES = ("neutral", "anger", "boredom", "disgust", "fear", "happiness", "sadness")
#: Boredom is none of the eight.
EKMAN8 = {c: c for c in CLASSES if c != "boredom"}

#: Sex and age by speaker, from the set's page.
_SPEAKERS = {
    "03": ("male", "31"), "08": ("female", "34"), "09": ("female", "21"), "10": ("male", "32"), "11": ("male", "26"),
    "12": ("male", "30"), "13": ("female", "32"), "14": ("female", "35"), "15": ("male", "25"), "16": ("female", "31"),
}  # fmt: skip
_SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
_NAME = re.compile(r"(?P<subject>\d\d)(?P<code>[ab]\d\d)(?P<letter>[A-Z])(?P<take>[a-z]?)")


def read(root: Path | str | None = None) -> Dataset:
    """The set's clips; ``root`` is the folder that holds ``wav``, or our compact layout.

    Raises
    ------
    InputError : it, or a part of it, is not there; a file is named otherwise; a row has another emotion.
    """
    path, compact = find(SPEC, root)
    if compact:
        told = clips_in_tar(SPEC, path, ("speaker", "sex", "age", "emotion", "sentence_code"))
        for row in told:
            row |= {"subject": row["speaker"], "code": row["sentence_code"]}
    else:
        told = [_official(f) for f in files_named(SPEC, path, "wav/*.wav", "wav")]
    for row in told:
        sentence = _SENTENCES.get(row["code"], row["code"])
        row |= {"stimulus": sentence, "text": sentence, "language": "de", "trial": Path(row["clip"]).stem}
    kept = ("trial", "stimulus", "text", "sex", "age", "language")
    return speech(SPEC, told, CLASSES, EKMAN8, kept, where=path / "index.csv" if compact else path)


def _official(path: Path) -> dict[str, str]:
    row = named(path, _NAME, "SSTTTEV.wav, such as 03a01Fa.wav")
    if row["letter"] not in _EMOTIONS:
        raise InputError(f"its emotion {row['letter']!r} is not one of {', '.join(_EMOTIONS)}", where=str(path))
    sex, age = _SPEAKERS.get(row["subject"], ("", ""))
    return row | {"emotion": _EMOTIONS[row["letter"]], "sex": sex, "age": age}


def generate(root: Path, seed: int = 0) -> Truth:
    """Four speakers, two sentences, all emotions."""
    clips, subjects, emotions = [], [], []
    for speaker in ("03", "08", "15", "16"):
        for code in ("a01", "b10"):
            for letter, emotion in _EMOTIONS.items():
                clips.append(f"{speaker}{code}{letter}a")
                subjects.append(speaker)
                emotions.append(emotion)
                write(root / "wav" / f"{clips[-1]}.wav", tone(1000 * seed + len(clips)))

    def spoil(where: Path) -> str:
        (where / "wav" / "03a01Wa.wav").rename(where / "wav" / "03a01Xa.wav")
        return "03a01Xa.wav"

    mapped = [EKMAN8.get(e, "") for e in emotions]
    labels = {"emotion": emotions, "ekman8": mapped}
    return Truth(clips, subjects, [""] * len(clips), labels, parts=["wav"], tables=[], spoil=spoil)
