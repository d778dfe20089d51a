"""MELD: dialogues of the series "Friends", each utterance with speaker, emotion and sentiment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.errors import InputError
from moodal.core.scheme import MELD7, SENTIMENT3
from moodal.lab.data.compact import arrays, rows
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.index import Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.media import text_hash
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.told import checked, mapped, number, plain, span
from moodal.lab.data.twin import Truth, movie, tabled, write

__all__ = ["CLASSES", "EKMAN8", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="meld",
    title="MELD",
    modalities=("text", "audio", "video"),
    labels=("emotion", "sentiment", "ekman8"),
    licence="annotations GPL-3.0; words and films belong to a television series: research only",
    commercial="no",
    where="git clone https://github.com/declare-lab/MELD; the films are MELD.Raw.tar.gz, linked in its README.",
    layout="data/MELD/train_sent_emo.csv, dev_…, test_…; train_splits, dev_splits_complete, "
    "output_repeated_splits_test: dia0_utt0.mp4 (ids restart in each part)",
    source="Poria et al. 2019, ACL, pages 527-536; part dev-audio: embeddings of "
    "github.com/iosonopersia/Multimodal-Emotion-Recognition, no licence stated",
    compact="fusion_meld",
)

CLASSES = MELD7
EKMAN8 = {c: c for c in CLASSES if c != "joy"} | {"joy": "happiness"}
#: Part → what the files call it, and the folder of its films.
_PARTS = {
    "train": ("train", "train_splits"),
    "validation": ("dev", "dev_splits_complete"),
    "test": ("test", "output_repeated_splits_test"),
}
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode",
            "StartTime", "EndTime")  # fmt: skip
_LEADS = {"Chandler": "male", "Joey": "male", "Ross": "male", "Monica": "female", "Phoebe": "female",
          "Rachel": "female"}  # fmt: skip

Row = dict[str, str]


def read(root: Path | str | None = None, part: str = "all", splits: Sequence[str] = ()) -> Dataset:
    """The utterances in the order of their dialogues; ``root`` is the repository, or our compact layout.

    ``start_s`` and ``end_s`` are seconds in the clip where its film is there (``recording``), else in the episode; the
    place in the episode also stands in ``episode_start_s`` and ``episode_end_s``. Times that run backwards are not
    known. ``content`` is equal for rows that
    tell the same stretch of the same episode. ``splits`` are the official parts wanted; all that the layout has, if
    not said. ``part="dev-audio"`` gives the rows of the validation part that have embeddings, with modalities
    ``audio`` and ``text`` (768 each).

    Raises
    ------
    InputError : it, or a part of it, is not there; a row has another label, or a time that is none.
    """
    checked("part", part, ("all", "dev-audio"), SPEC.name)
    path, compact = find(SPEC, root)
    wanted = tuple(splits) or (("train", "validation") if compact else tuple(_PARTS))
    for split in wanted:
        checked("splits", split, tuple(_PARTS), SPEC.name)
    if part == "dev-audio":
        if not compact:
            raise lacking(SPEC, "its embeddings (fusion_meld/meld_audio_dev.npz)", path)
        wanted = ("validation",)
    told: list[Row] = []
    emotions: list[Labels] = []
    sentiments: list[Labels] = []
    for split in wanted:
        file = _table(path, compact, split)
        new = rows(file, _COLUMNS)
        emotions.append(
            Labels.of_classes([r["Emotion"].lower() for r in new], CLASSES, scheme="meld7", where=str(file))
        )
        sentiments.append(
            Labels.of_classes([r["Sentiment"].lower() for r in new], SENTIMENT3, scheme="sentiment3", where=str(file))
        )
        told += _examples(new, split, file, None if compact else _films(path, split))
    if not told:
        raise InputError("has no rows", where=str(path), fix="Get the files again.")
    index = _index(told, _joined(emotions), _joined(sentiments), compact)
    order = np.array(sorted(range(len(told)), key=lambda i: (told[i]["at"], int(told[i]["turn"]))))
    data = Dataset(index.take(order), {})
    return _embedded(data, path) if part == "dev-audio" else data


def _joined(parts: Sequence[Labels]) -> Labels:
    source = sum((p.source for p in parts), ())
    return Labels("class", parts[0].names, np.concatenate([p.values for p in parts]), parts[0].scheme, "", source)


def _table(path: Path, compact: bool, split: str) -> Path:
    short = _PARTS[split][0]
    names = [f"meld_{short}.csv.gz"] if compact else [f"data/MELD/{short}_sent_emo.csv", f"{short}_sent_emo.csv"]
    for name in names:
        if (path / name).is_file():
            return path / name
    raise lacking(SPEC, f"its {split} part ({names[0]})", path)


def _films(path: Path, split: str) -> dict[str, Path]:
    return {p.stem: p for p in sorted(path.rglob(f"{_PARTS[split][1]}/dia*_utt*.mp4"), reverse=True)}


def _examples(new: Sequence[Row], split: str, file: Path, films: dict[str, Path] | None) -> list[Row]:
    told = []
    for i, row in enumerate(new):
        where = str(file)
        if not (row["Dialogue_ID"].isdecimal() and row["Utterance_ID"].isdecimal()):
            raise InputError(f"row {i + 1}: Dialogue_ID and Utterance_ID must be whole numbers", where=where)
        dialogue, turn = int(row["Dialogue_ID"]), int(row["Utterance_ID"])
        start, end = span(row["StartTime"], row["EndTime"], where, i)
        episode = f"s{int(number(row['Season'], 'Season', where, i)):02d}" \
                  f"e{int(number(row['Episode'], 'Episode', where, i)):02d}"  # fmt: skip
        film = (films or {}).get(f"dia{dialogue}_utt{turn}")
        told.append({
            "clip": f"{split}-dia{dialogue}-utt{turn}", "recording": str(film or ""), "subject": row["Speaker"].strip(),
            "dialogue": f"{split}-dia{dialogue}", "at": f"{split}-{dialogue:06d}", "turn": str(turn), "split": split,
            "session": episode, "text": plain(row["Utterance"]),
            "content": text_hash(episode, f"{start:.3f} {end:.3f}", plain(row["Utterance"])),
            "start_s": f"{0 if film else start:.3f}", "end_s": f"{end - start if film else end:.3f}",
            "episode_start_s": f"{start:.3f}", "episode_end_s": f"{end:.3f}",
            "sex": _LEADS.get(row["Speaker"].strip(), ""), "language": "en",
        })  # fmt: skip
    return told


def _index(told: Sequence[Row], emotion: Labels, sentiment: Labels, compact: bool) -> Index:
    columns: dict[str, Sequence[object]] = {c: [row[c] for row in told] for c in told[0] if c != "at"}
    columns["stimulus"] = columns["text"]
    lost = sum(not row["recording"] for row in told)
    notices = [f"{lost} of {len(told)} utterances have no film here"] if lost and not compact else []
    ekman8 = mapped([emotion.names[v] for v in emotion.values], EKMAN8)
    labels = {"emotion": emotion, "sentiment": sentiment, "ekman8": ekman8}
    return Index.build(SPEC.name, columns, labels, terms=SPEC.licence, notices=notices)


def _embedded(data: Dataset, path: Path) -> Dataset:
    """The rows that have embeddings, with them as modalities."""
    file = path / "meld_audio_dev.npz"
    if not file.exists():
        raise lacking(SPEC, f"its embeddings ({file.name})", path)
    with arrays(file) as stored:
        keys = ("Dialogue_ID", "Utterance_ID", "audio_w2v2", "text_roberta")
        dialogues, turns, audio, text = (stored[k] for k in keys)
    if len({len(dialogues), len(turns), len(audio), len(text)}) > 1:
        raise InputError("has arrays of different lengths", where=str(file), fix="Get the file again.")
    place = {f"validation-dia{d}-utt{t}": i for i, (d, t) in enumerate(zip(dialogues, turns, strict=True))}
    kept = np.array([i for i, clip in enumerate(data.index["clip"]) if clip in place], np.int64)
    data = data.take(kept)
    at = np.array([place[clip] for clip in data.index["clip"]], np.int64)
    return Dataset(
        data.index,
        {
            "audio": Feature.table("audio", audio[at].astype(np.float32), source="wav2vec 2.0 tuned on MELD's train"),
            "text": Feature.table("text", text[at].astype(np.float32), source="RoBERTa tuned on MELD's train"),
        },
    )


def generate(root: Path, seed: int = 0) -> Truth:
    """Three parts of two or three dialogues; one film is missing, as one of the official dev part is."""
    rng = np.random.default_rng(seed)
    people = ("Monica", "Ross", "Phoebe", "Waitress")
    sentiment_of = {"neutral": "neutral", "joy": "positive"}
    clips: list[str] = []
    subjects, splits, emotions, sentiments = [], [], [], []
    for split, (short, folder) in _PARTS.items():
        table: list[tuple[Any, ...]] = []
        for dialogue in range(3 if split == "train" else 2):
            clock = 60.0 * (dialogue + 1)
            for turn in range(4 + dialogue):
                emotion = CLASSES[int(rng.integers(len(CLASSES)))] if turn else "neutral"
                sentiment = sentiment_of.get(emotion, "negative")
                start, end = clock, clock + float(rng.uniform(0.8, 3))
                clock = end + 0.2
                speaker = people[(turn + dialogue) % 4]
                words = f"Well, it\u2019s {emotion}\u2026 number {len(clips)}"
                table.append((
                    len(table) + 1, words, speaker, emotion, sentiment, dialogue, turn, 4, 7, _clock(start), _clock(end)
                ))  # fmt: skip
                clips.append(f"{split}-dia{dialogue}-utt{turn}")
                subjects.append(speaker)
                splits.append(split)
                emotions.append(emotion)
                sentiments.append(sentiment)
                if clips[-1] != "validation-dia1-utt2":
                    write(root / folder / f"dia{dialogue}_utt{turn}.mp4", movie(seed))
        text = tabled(("Sr No.", *_COLUMNS), table)
        write(root / "data" / "MELD" / f"{short}_sent_emo.csv", text)

    def spoil(where: Path) -> str:
        file = where / "data" / "MELD" / "dev_sent_emo.csv"
        text = file.read_text(encoding="utf-8")
        write(file, re.sub(r",neutral,neutral,0,0,", ",bored,neutral,0,0,", text))
        return "row 1"

    tables = [f"data/MELD/{short}_sent_emo.csv" for short, _ in _PARTS.values()]
    labels = {"emotion": emotions, "sentiment": sentiments, "ekman8": [EKMAN8[e] for e in emotions]}
    return Truth(clips, subjects, splits, labels, parts=tables, tables=tables, spoil=spoil)


def _clock(at: float) -> str:
    ms = round(at * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"
