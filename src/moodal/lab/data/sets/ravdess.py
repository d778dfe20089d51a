"""RAVDESS: 24 actors say two sentences in eight emotions, heard and seen; our table of face and voice measures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from moodal.core.errors import InputError
from moodal.lab.data.acted import clips_in_tar, files_named, named, speech
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.media import in_tar
from moodal.lab.data.spec import SetSpec, data_home, find, lacking
from moodal.lab.data.told import checked, numbers
from moodal.lab.data.twin import Truth, movie, tone, write

__all__ = ["CLASSES", "EKMAN8", "PARTS", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="ravdess",
    title="RAVDESS",
    modalities=("audio", "video", "face", "voice"),
    labels=("emotion", "ekman8"),
    licence="CC BY-NC-SA 4.0 (a commercial licence is sold apart)",
    commercial="no",
    where="download Audio_Speech_Actors_01-24.zip (and the video zips) from https://zenodo.org/records/1188976.",
    layout="Actor_01 … Actor_24/MM-VV-EE-II-SS-RR-AA.wav or .mp4: modality, channel, emotion, intensity, sentence, "
    "repetition, actor",
    source="Livingstone and Russo 2018, PLoS ONE 13(5) e0196391; part av: openwillis measures of the audio-visual "
    "clips from github.com/neselidondurma/DMMH_workshop, no licence stated",
    compact="speech_ravdess",
)

#: What ``part`` may be, with the first two fields of the names it takes.
PARTS = {
    "speech": ("03-01", ".wav"),
    "song": ("03-02", ".wav"),
    "video": ("01-01", ".mp4"),
    "av": ("", ""),
    "av+speech": ("", ""),
}
CLASSES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
#: Calm stays a class of its own in ``emotion``; none of the eight means it.
EKMAN8 = {
    "neutral": "neutral", "happy": "happiness", "sad": "sadness", "angry": "anger", "fearful": "fear",
    "disgust": "disgust", "surprised": "surprise",
}  # fmt: skip
_ACTORS = {f"{a:02d}" for a in range(1, 25)}
_SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
_NAME = re.compile(
    r"(?P<modality>0[123])-(?P<channel>0[12])-(?P<emotion>\d\d)-(?P<intensity>0[12])-(?P<sentence>0[12])"
    r"-(?P<repetition>0[12])-(?P<actor>\d\d)"
)
_KEPT = ("trial", "stimulus", "text", "sex", "intensity", "repetition", "language")


def read(root: Path | str | None = None, part: str = "speech") -> Dataset:
    """The set's clips; ``root`` is the folder that holds ``Actor_01`` …, or our compact layout.

    ``part``: ``speech`` (the sound-only clips), ``song``, ``video`` (the audio-visual films of speech), or ``av``:
    300 trials with modalities ``face`` (56 columns) and ``voice`` (67) from the compact table
    ``ravdess_face_features``, and in column ``audio_clip`` the same trial's sound. ``av+speech`` are these and every
    other sound-only clip, which has no face; column ``measured`` tells them apart.

    Raises
    ------
    InputError : it, or a part of it, is not there; a file is named otherwise; a row has another emotion.
    """
    checked("part", part, tuple(PARTS), SPEC.name)
    if part in ("av", "av+speech"):
        return _measured(root, part == "av+speech")
    path, compact = find(SPEC, root)
    begin, ending = PARTS[part]
    if compact:
        if part != "speech":
            raise lacking(SPEC, f"its {part} part", path)
        told = clips_in_tar(SPEC, path, ("actor", "sex", "emotion", "intensity", "sentence", "repetition"))
        told = [_same_trial(row) | {"text": row["sentence"]} for row in told]
    else:
        pattern = f"Actor_*/{begin}-*{ending}"
        told = [_official(f) for f in files_named(SPEC, path, pattern, f"Actor_01 … with {begin}-*{ending}")]
    told = [row | _spoken(row) for row in told]
    # Actor 18 sang nothing.
    gone = sorted(_ACTORS - {row["actor"] for row in told} - ({"18"} if part == "song" else set()))
    notices = [f"actors {', '.join(gone)} are not here"] if gone and not compact else []
    where = path / "index.csv" if compact else path
    return speech(SPEC, told, CLASSES, EKMAN8, _KEPT, where=where, notices=notices)


def _spoken(row: dict[str, str]) -> dict[str, str]:
    return {"stimulus": row["text"], "subject": row["actor"], "language": "en"}


def _same_trial(row: dict[str, str]) -> dict[str, str]:
    # The films and the sound of a trial differ in the first field alone.
    return row | {"trial": row["clip"].partition("-")[2]}


def _official(path: Path) -> dict[str, str]:
    row = named(path, _NAME, "MM-VV-EE-II-SS-RR-AA")
    code = int(row["emotion"])
    if not 1 <= code <= len(CLASSES):
        raise InputError(f"its emotion {row['emotion']!r} is not one of 01 to 08", where=str(path))
    return _same_trial(row) | {
        "emotion": CLASSES[code - 1],
        "intensity": ("normal", "strong")[int(row["intensity"]) - 1],
        "repetition": str(int(row["repetition"])),
        "text": _SENTENCES[row["sentence"]],
        "sex": "male" if int(row["actor"]) % 2 else "female",
    }


def _measured(root: Path | str | None, more: bool) -> Dataset:
    """The trials of ``ravdess_face_features``, with the measures as modalities."""
    folder = "ravdess_face_features"
    home = data_home() if root is None else Path(root)
    places = [] if home is None else [home, home / folder, home.parent / folder]
    found = next((p for p in places if (p / "features.csv").exists()), None)
    if found is None:
        raise lacking(SPEC, f"its measures of face and voice ({folder}/features.csv)", home or "MOODAL_DATA")
    path = found / "features.csv"
    told = rows(path, ("clip", "audio_clip", "actor", "sex", "emotion", "intensity"))
    if not told:
        raise InputError("has no rows", where=str(path), fix="Get the file again.")
    tar = found.parent / SPEC.compact / "clips.tar"
    trials = []
    for row in told:
        match = _NAME.fullmatch(row["clip"])
        text = _SENTENCES[match["sentence"]] if match else ""
        trials.append(
            _same_trial(row)
            | {"recording": in_tar(tar, row["audio_clip"]) if tar.exists() else "", "content": "", "language": "en"}
            | {"subject": row["actor"], "text": text, "stimulus": text}
            | {"repetition": str(int(match["repetition"])) if match else "", "measured": "yes"}
        )
    if more:
        met = {row["trial"] for row in trials}
        clips = clips_in_tar(SPEC, tar.parent, ("actor", "sex", "emotion", "intensity", "sentence", "repetition"))
        spoken = [_same_trial(row) | {"text": row["sentence"], "measured": "no", "audio_clip": ""} for row in clips]
        trials += [r | _spoken(r) for r in spoken if r["trial"] not in met]
    data = speech(SPEC, trials, CLASSES, EKMAN8, (*_KEPT, "audio_clip", "measured"), where=path)
    features = {}
    for modality in ("face", "voice"):
        fields = tuple(c for c in told[0] if c.startswith(f"{modality}_"))
        values = np.full((len(trials), len(fields)), np.nan)
        for k, c in enumerate(fields):
            values[: len(told), k] = numbers([row[c] for row in told], c, str(path))
        features[modality] = Feature.table(modality, values, fields=fields, source="openwillis")
    return Dataset(data.index, features)


def generate(root: Path, seed: int = 0) -> Truth:
    """Four actors: every emotion as sound, one as film and one as song."""
    clips, subjects, emotions = [], [], []
    for actor in ("01", "02", "03", "24"):
        folder = root / f"Actor_{actor}"
        for k, emotion in enumerate(CLASSES):
            tail = f"{k + 1:02d}-01-{k % 2 + 1:02d}-01-{actor}"
            clips.append(f"03-01-{tail}")
            subjects.append(actor)
            emotions.append(emotion)
            write(folder / f"{clips[-1]}.wav", tone(1000 * seed + len(clips)))
        write(folder / f"01-01-03-02-01-01-{actor}.mp4", movie(seed))
        write(folder / f"03-02-03-02-01-01-{actor}.wav", tone(1000 * seed + 900 + int(actor)))

    def spoil(where: Path) -> str:
        folder = where / "Actor_02"
        (folder / "03-01-01-01-01-01-02.wav").rename(folder / "03-01-09-01-01-01-02.wav")
        return "03-01-09-01-01-01-02.wav"

    return Truth(
        clips, subjects, [""] * len(clips),
        {"emotion": emotions, "ekman8": [EKMAN8.get(e, "") for e in emotions]},
        parts=[], tables=[], spoil=spoil,
    )  # fmt: skip
