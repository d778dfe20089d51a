"""EmoryNLP: scenes of the series "Friends", each utterance with one of seven feelings after Willcox's wheel."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from moodal.core.errors import InputError
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.index import Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.media import text_hash
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.told import checked, mapped, number, plain, span
from moodal.lab.data.twin import Truth, movie, tabled, write

__all__ = ["CLASSES", "EKMAN8", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="emorynlp",
    title="EmoryNLP",
    modalities=("text", "audio", "video"),
    labels=("emotion", "ekman8"),
    licence="terms of the tables not found; words and films belong to a television series: research only",
    commercial="no",
    where="git clone https://github.com/declare-lab/MELD (data/emorynlp); the films are linked in its README.",
    layout="emorynlp_train_final.csv, _dev_, _test_; emorynlp_train_splits, …: sea1_ep2_sc3_utt4.mp4",
    source="Zahiri and Choi 2018, AAAI workshops; columns: Utils/read_emorynlp.py of github.com/declare-lab/MELD",
)

CLASSES = ("neutral", "joyful", "scared", "mad", "peaceful", "powerful", "sad")
#: Peaceful and powerful are none of the eight.
EKMAN8 = {"neutral": "neutral", "joyful": "happiness", "scared": "fear", "mad": "anger", "sad": "sadness"}
_PARTS = {"train": "train", "validation": "dev", "test": "test"}
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode")


def read(root: Path | str | None = None, splits: Sequence[str] = ()) -> Dataset:
    """The utterances in the order of their scenes; ``root`` is any folder above the three tables.

    ``subject`` names all who speak a line, joined by ``+``. Films that are there stand in ``recording``.

    Raises
    ------
    InputError : a part is not there; a row has another emotion, or a speaker, time or number that is none.
    """
    path, _ = find(SPEC, root)
    wanted = tuple(splits) or tuple(_PARTS)
    told: list[dict[str, str]] = []
    labels: list[Labels] = []
    for split in wanted:
        checked("splits", split, tuple(_PARTS), SPEC.name)
        name = f"emorynlp_{_PARTS[split]}_final.csv"
        file = next((p for p in sorted(path.rglob(name)) if p.is_file()), None)
        if file is None:
            raise lacking(SPEC, f"its {split} part ({name})", path)
        new = rows(file, _COLUMNS)
        labels.append(Labels.of_classes([r["Emotion"].strip().lower() for r in new], CLASSES, where=str(file)))
        films = {p.stem: p for p in path.rglob(f"emorynlp_{_PARTS[split]}_splits/*.mp4")}
        told += [_example(row, split, str(file), i, films) for i, row in enumerate(new)]
    if not told:
        raise InputError("has no rows", where=str(path), fix="Get the files again.")
    emotions = [label for part in labels for label in part.source]
    columns: dict[str, Sequence[object]] = {c: [row[c] for row in told] for c in told[0] if c != "at"}
    columns["stimulus"] = columns["text"]
    lost = sum(not row["recording"] for row in told)
    index = Index.build(
        SPEC.name, columns,
        {"emotion": Labels.of_classes(emotions, CLASSES, where=str(path)), "ekman8": mapped(emotions, EKMAN8)},
        terms=SPEC.licence, notices=[f"{lost} of {len(told)} utterances have no film here"] if lost else [],
    )  # fmt: skip
    order = sorted(range(len(told)), key=lambda i: (told[i]["at"], float(told[i]["turn"])))
    return Dataset(index.take(np.array(order)), {})


def _example(row: dict[str, str], split: str, where: str, i: int, films: dict[str, Path]) -> dict[str, str]:
    season, episode, scene, turn = (
        int(number(row[c] or "x", c, where, i)) for c in ("Season", "Episode", "Scene_ID", "Utterance_ID")
    )
    place = f"sea{season}_ep{episode}_sc{scene}"
    film = films.get(f"{place}_utt{turn}")
    start, end = span(row.get("Start_Time", ""), row.get("End_Time", ""), where, i)
    text = plain(row["Utterance"])
    return {
        "clip": f"{split}-{place}_utt{turn}", "recording": str(film or ""),
        "subject": _speakers(row["Speaker"], where, i),
        "dialogue": f"{split}-{place}", "at": f"{split}-{season:03d}-{episode:03d}-{scene:03d}", "turn": str(turn),
        "session": f"s{season:02d}e{episode:02d}", "split": split, "text": text,
        "content": text_hash(place, str(turn), text),
        "start_s": f"{0 if film else start:.3f}", "end_s": f"{end - start if film else end:.3f}", "language": "en",
    }  # fmt: skip


def _speakers(text: str, where: str, row: int) -> str:
    """Names from a list in text form: ``['Monica Geller', 'Ross Geller']``."""
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise InputError(f"row {row + 1}: {text[:60]!r} is not a list of speakers", where=where)
    return "+".join(n.strip() for n in names)


def generate(root: Path, seed: int = 0) -> Truth:
    """Three parts of two scenes each."""
    rng = np.random.default_rng(seed)
    clips: list[str] = []
    subjects, splits, emotions = [], [], []
    for k, (split, short) in enumerate(_PARTS.items()):
        table = []
        for scene in (1, 2):
            for turn in range(1, 6):
                emotion = CLASSES[int(rng.integers(len(CLASSES)))] if turn > 1 else "neutral"
                who = ["Monica Geller"] if turn % 2 else ["Joey Tribbiani", "Ross Geller"]
                times = (f"00:0{scene}:{10 * turn:02d},000", f"00:0{scene}:{10 * turn + 4:02d},500")
                words = f"That\u2019s {emotion}, line {len(clips)}"
                table.append((words, str(who), emotion.capitalize(), scene, turn, k + 1, 2, *times))
                place = f"sea{k + 1}_ep2_sc{scene}"
                clips.append(f"{split}-{place}_utt{turn}")
                subjects.append("+".join(who))
                splits.append(split)
                emotions.append(emotion)
                write(root / f"emorynlp_{short}_splits" / f"{place}_utt{turn}.mp4", movie(seed))
        write(root / f"emorynlp_{short}_final.csv", tabled((*_COLUMNS, "Start_Time", "End_Time"), table))

    def spoil(where: Path) -> str:
        file = where / "emorynlp_test_final.csv"
        write(file, file.read_text(encoding="utf-8").replace(",Neutral,2,", ",Bored,2,"))
        return "row 6"

    tables = [f"emorynlp_{short}_final.csv" for short in _PARTS.values()]
    labels = {"emotion": emotions, "ekman8": [EKMAN8.get(e, "") for e in emotions]}
    return Truth(clips, subjects, splits, labels, parts=tables, tables=tables, spoil=spoil)
