"""CREMA-D: 91 actors, twelve sentences, six emotions, and how many people heard, saw, or heard and saw which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data.acted import speech
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.labels import Labels
from moodal.lab.data.media import content_of
from moodal.lab.data.spec import SetSpec, find, need
from moodal.lab.data.told import checked, number
from moodal.lab.data.twin import Truth, movie, tabled, tone, write

__all__ = ["CLASSES", "EKMAN8", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="crema",
    title="CREMA-D",
    modalities=("audio", "video", "voice_votes", "face_votes"),
    labels=("av_votes", "intended", "ekman8"),
    licence="Open Database License 1.0, contents Database Contents License 1.0",
    commercial="yes",
    where="git lfs clone https://github.com/CheyneyComputerScience/CREMA-D (or its GitLab mirror).",
    layout="AudioWAV/1001_IEO_NEU_XX.wav, VideoFlash/….flv, processedResults/tabulatedVotes.csv (row 1xxxxx voice, "
    "2xxxxx face, 3xxxxx both), VideoDemographics.csv",
    source="Cao et al. 2014, IEEE Trans. Affective Computing 5(4); columns: docs/README.md and tabulateVotesV2.r of "
    "the repository",
    compact="crema_votes",
)

#: In the order of the vote columns A D F H N S.
CLASSES = ("anger", "disgust", "fear", "happy", "neutral", "sad")
EKMAN8 = {
    "anger": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness", "neutral": "neutral",
    "sad": "sadness",
}  # fmt: skip
_CODES = dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), CLASSES, strict=True))
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
_SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
_NAME = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<code>[A-Z]{3})_(?P<level>[A-Z]{2})")
_CONDITIONS = {"1": "voice", "2": "face", "3": "av"}
_MEDIA = {"audio": ("AudioWAV", ".wav"), "video": ("VideoFlash", ".flv")}
_VOTES = ("A", "D", "F", "H", "N", "S")

Counts = dict[str, npt.NDArray[np.float64]]


def read(root: Path | str | None = None, media: str = "audio") -> Dataset:
    """The set's clips with their votes; ``root`` is the repository's folder, or our compact layout (no media).

    Modalities ``voice_votes`` and ``face_votes`` are shares of the votes of people who only heard or only saw the
    clip, in the order of `CLASSES`; label ``av_votes`` is the distribution of those who did both, ``intended`` what
    the actor was told to show. ``media`` chooses what ``recording`` names: ``audio`` or ``video``.

    Raises
    ------
    InputError : a part is not there; a clip is named otherwise; votes that are no counts.
    """
    checked("media", media, tuple(_MEDIA), SPEC.name)
    path, compact = find(SPEC, root)
    told, votes = _compact(path) if compact else _official(path, media)
    shares = {k: _shares([v.get(k) for v in votes]) for k in _CONDITIONS.values()}
    labels = {"av_votes": Labels("distribution", CLASSES, shares["av"], source=tuple(map(_spelt, votes)))}
    kept = ("trial", "stimulus", "text", "sex", "age", "level", "language")
    lost = sum(not row["recording"] for row in told)
    notices = [f"{lost} of {len(told)} clips have no {media} here"] if lost and not compact else []
    told = [
        row
        | {"subject": row["actor"], "text": _SENTENCES.get(row["sentence"], row["sentence"]), "language": "en"}
        | {"trial": row["clip"], "stimulus": _SENTENCES.get(row["sentence"], row["sentence"])}
        for row in told
    ]
    where = path / ("votes.csv.gz" if compact else "processedResults/tabulatedVotes.csv")
    data = speech(SPEC, told, CLASSES, EKMAN8, kept, where=where, labels=labels, label="intended", notices=notices)
    features = {
        f"{k}_votes": Feature.table(f"{k}_votes", shares[k], fields=CLASSES, source="share of votes")
        for k in ("voice", "face")
    }
    return Dataset(data.index, features)


def _shares(counts: Sequence[npt.NDArray[np.float64] | None]) -> npt.NDArray[np.float64]:
    """``(n, 6)`` shares; NaN where nobody voted."""
    table = np.array([np.zeros(len(CLASSES)) if c is None else c for c in counts])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(table / table.sum(axis=1, keepdims=True))


def _spelt(votes: Mapping[str, npt.NDArray[np.float64]]) -> str:
    return " ".join(f"{v:g}" for v in votes["av"]) if "av" in votes else ""


def _compact(path: Path) -> tuple[list[dict[str, str]], list[Counts]]:
    (table,) = need(SPEC, path, ["votes.csv.gz"])
    columns = {k: [f"{k}_{c}" for c in CLASSES] for k in _CONDITIONS.values()}
    needed = (
        "clip",
        "actor",
        "sex",
        "age",
        "sentence",
        "intended_emotion",
        "intended_level",
        *(c for cs in columns.values() for c in cs),
    )
    told = rows(table, needed)
    votes = [
        {k: _counts([row[c] for c in cs], str(table), i) for k, cs in columns.items()} for i, row in enumerate(told)
    ]
    found = [
        row | {"emotion": row["intended_emotion"], "level": row["intended_level"], "recording": "", "content": ""}
        for row in told
    ]
    return found, votes


def _official(path: Path, media: str) -> tuple[list[dict[str, str]], list[Counts]]:
    table, people = need(SPEC, path, ["processedResults/tabulatedVotes.csv", "VideoDemographics.csv"])
    actors = {row["ActorID"]: row for row in rows(people, ("ActorID", "Age", "Sex"))}
    votes: dict[str, Counts] = {}
    first: dict[str, int] = {}
    for i, row in enumerate(rows(table, ("", *_VOTES, "fileName"))):
        clip = row["fileName"]
        if clip.endswith("_practice"):
            continue
        condition = _CONDITIONS.get(row[""][:1])
        if condition is None or len(row[""]) != 6 or condition in votes.get(clip, {}):
            raise InputError(f"row {i + 1}: {row['']!r} is no new condition of {clip!r}", where=str(table))
        votes.setdefault(clip, {})[condition] = _counts([row[c] for c in _VOTES], str(table), i)
        first.setdefault(clip, i)
    told = []
    for clip in sorted(votes):
        match = _NAME.fullmatch(clip)
        if match is None or match["code"] not in _CODES or match["level"] not in _LEVELS:
            raise InputError(
                f"row {first[clip] + 1}: {clip!r} is not ACTOR_SENTENCE_EMOTION_LEVEL with an emotion of "
                f"{', '.join(_CODES)}", where=str(table), fix="Correct the row.",
            )  # fmt: skip
        if match["actor"] not in actors:
            raise InputError(f"has no actor {match['actor']}, who says {clip}", where=str(people))
        folder, ending = _MEDIA[media]
        file = path / folder / f"{clip}{ending}"
        there = file.is_file()
        person = actors[match["actor"]]
        told.append({
            "clip": clip, "actor": match["actor"], "sentence": match["sentence"], "emotion": _CODES[match["code"]],
            "level": _LEVELS[match["level"]], "sex": person["Sex"].lower(), "age": person["Age"],
            "recording": str(file) if there else "", "content": content_of(str(file)) if there else "",
        })  # fmt: skip
    if not told:
        raise InputError("has no rows", where=str(table), fix="Get the file again.")
    return told, [votes[row["clip"]] for row in told]


def _counts(cells: Sequence[str], where: str, row: int) -> npt.NDArray[np.float64]:
    counts = np.array([number(c, "a count of votes", where, row) for c in cells])
    if not (counts >= 0).all():
        raise InputError(f"row {row + 1}: a count of votes is missing or below 0", where=where, fix="Correct the row.")
    return counts


def generate(root: Path, seed: int = 0) -> Truth:
    """Four actors, two sentences, all emotions; one clip that nobody saw and heard, one without its sound."""
    rng = np.random.default_rng(seed)
    clips = [f"{a}_{s}_{c}_XX" for a in ("1001", "1002", "1003", "1091") for s in ("IEO", "WSI") for c in _CODES]
    emotions = [_CODES[c[9:12]] for c in clips]
    # Ten raters a condition, most of whom see what was meant; the face says more than the voice.
    table, av = [], []
    for key, clear in (("1", 0.3), ("2", 0.5), ("3", 0.7)):
        for i, (clip, emotion) in enumerate(zip(clips, emotions, strict=True)):
            p = np.full(6, (1 - clear) / 6)
            p[CLASSES.index(emotion)] += clear
            votes = rng.multinomial(10, p)
            unseen = key == "3" and i == 5
            if key == "3":
                av.append(tuple([np.nan] * 6) if unseen else tuple((votes / 10).tolist()))
            if not unseen:
                best = ":".join(v for v, n in zip(_VOTES, votes, strict=True) if n == votes.max())
                table.append((f"{key}{i + 1:05d}", *votes, clip, 10, votes.max() / 10, best))
    table.append(("107443", 10, 0, 0, 0, 0, 0, "ANG_HI_practice", 10, 1.0, "A"))
    header = ("", *_VOTES, "fileName", "numResponses", "agreement", "emoVote")
    write(root / "processedResults" / "tabulatedVotes.csv", tabled(header, table))
    people = [("1001", 51, "Male"), ("1002", 21, "Female"), ("1003", 21, "Female"), ("1091", 29, "Female")]
    demographics = [(a, age, sex, "Unspecified", "Not Hispanic") for a, age, sex in people]
    write(root / "VideoDemographics.csv", tabled(("ActorID", "Age", "Sex", "Race", "Ethnicity"), demographics))
    for i, clip in enumerate(clips):
        if i != 7:
            write(root / "AudioWAV" / f"{clip}.wav", tone(1000 * seed + i))
    write(root / "VideoFlash" / f"{clips[0]}.flv", movie(seed, "flv"))

    def spoil(where: Path) -> str:
        file = where / "processedResults" / "tabulatedVotes.csv"
        write(file, file.read_text(encoding="utf-8").replace("1001_IEO_FEA_XX", "1001_IEO_JOY_XX"))
        return "row 3"

    return Truth(
        clips, [c[:4] for c in clips], [""] * len(clips),
        {"intended": emotions, "ekman8": [EKMAN8[e] for e in emotions], "av_votes": av},
        parts=["processedResults/tabulatedVotes.csv", "VideoDemographics.csv"],
        tables=["processedResults/tabulatedVotes.csv", "VideoDemographics.csv"],
        spoil=spoil, modalities={"voice_votes": 6, "face_votes": 6},
    )  # fmt: skip
