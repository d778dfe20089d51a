"""Split folders as toolkits write them, made from invented people: each with or without the leak it is known for."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

Row = dict[str, object]

#: torcheeg's columns of a data set's table of clips, as its readers of DEAP write them.
COLUMNS = ("start_at", "end_at", "clip_id", "subject_id", "trial_id", "valence", "_record_id")


def clips(people: int = 4, trials: int = 5, windows: int = 10, size: int = 128, step: int | None = None) -> list[Row]:
    """Windows of every trial of every person, in order; ``step`` below ``size`` makes them overlap."""
    step = step or size
    return [
        {
            "start_at": w * step,
            "end_at": w * step + size,
            "clip_id": f"{t}_{w}",
            "subject_id": f"s{s:02d}.dat",
            "trial_id": t,
            "valence": (s * 7 + t * 3) % 9 + 1,
            "_record_id": f"_record_{s}",
        }
        for s in range(people)
        for t in range(trials)
        for w in range(windows)
    ]


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _folds(order: Sequence[int], k: int) -> list[tuple[list[int], list[int]]]:
    """scikit-learn's KFold over those positions: consecutive blocks are tested on."""
    blocks = np.array_split(np.arange(len(order)), k)
    return [([order[i] for b in blocks if b is not t for i in b], [order[i] for i in t]) for t in blocks]


def _write(folder: Path, fold: str, train: Iterable[Row], test: Iterable[Row]) -> None:
    write_csv(folder / f"train_{fold}.csv", list(train))
    write_csv(folder / f"test_{fold}.csv", list(test))


def groupby_trial(folder: Path, rows: Sequence[Row], k: int = 5) -> Path:
    """KFoldGroupbyTrial: of each trial one stretch is tested on and the rest trained on."""
    by_trial: dict[tuple[object, object], list[Row]] = {}
    for row in rows:
        by_trial.setdefault((row["subject_id"], row["trial_id"]), []).append(row)
    for i in range(k):
        train, test = [], []
        for mine in by_trial.values():
            a, b = _folds(range(len(mine)), k)[i]
            train += [mine[j] for j in a]
            test += [mine[j] for j in b]
        _write(folder, f"fold_{i}", train, test)
    return folder


def k_fold(folder: Path, rows: Sequence[Row], k: int = 5, *, shuffle: bool = True, seed: int = 0) -> Path:
    """KFold: windows dealt out, whatever trial they are of."""
    order = np.random.default_rng(seed).permutation(len(rows)) if shuffle else np.arange(len(rows))
    for i, (a, b) in enumerate(_folds(order.tolist(), k)):
        _write(folder, f"fold_{i}", [rows[j] for j in sorted(a)], [rows[j] for j in sorted(b)])
    return folder


def cross_trial(folder: Path, rows: Sequence[Row], k: int = 5) -> Path:
    """KFoldCrossTrial: trial numbers dealt out, of all people at once."""
    for i, (a, b) in enumerate(_folds(sorted({int(str(r["trial_id"])) for r in rows}), k)):
        _write(folder, f"fold_{i}", [r for r in rows if r["trial_id"] in a], [r for r in rows if r["trial_id"] in b])
    return folder


def leave_one_subject_out(folder: Path, rows: Sequence[Row], *, nested: bool = False) -> Path:
    """LeaveOneSubjectOut: a pair of tables named after who is tested on."""
    for s in sorted({str(r["subject_id"]) for r in rows}):
        train, test = [r for r in rows if r["subject_id"] != s], [r for r in rows if r["subject_id"] == s]
        if nested:
            write_csv(folder / f"subject_{s}" / "train.csv", train)
            write_csv(folder / f"subject_{s}" / "test.csv", test)
        else:
            _write(folder, f"subject_{s}", train, test)
    return folder


def per_subject(
    folder: Path, rows: Sequence[Row], make: Callable[[Path, Sequence[Row]], Path], *, nested: bool = False
) -> Path:
    """The PerSubject variants: the folds of one person alone, ``train_subject_s_fold_k.csv`` or in folders."""
    for s in sorted({str(r["subject_id"]) for r in rows}):
        mine = make(folder / f"subject_{s}", [r for r in rows if r["subject_id"] == s])
        if not nested:
            for file in sorted(mine.iterdir()):
                part, _, fold = file.stem.partition("_")
                file.rename(folder / f"{part}_subject_{s}_{fold}.csv")
            mine.rmdir()
    return folder


def info(folder: Path, rows: Sequence[Row]) -> Path:
    """torcheeg's table of all clips, where its readers keep it: a folder for each record."""
    for record in sorted({str(r["_record_id"]) for r in rows}):
        mine = [{k: v for k, v in r.items() if k != "_record_id"} for r in rows if r["_record_id"] == record]
        write_csv(folder / record / "info.csv", mine)
    return folder


def emobox(
    root: Path, *, folds: int = 2, people: int = 4, each: int = 6, valid: bool = True, name: str = "toy"
) -> Path:
    """EmoBox's ``data/<set>``: folds by speaker, a table of the whole set and a map of labels."""
    home = root / "data" / name
    rows = [
        {
            "key": f"{name}-{s:02d}-{u}",
            "dataset": name,
            "wav": f"downloads/{name}/{s:02d}/{s:02d}-{u}.wav",
            "type": "raw",
            "sample_rate": 16000,
            "length": 2.0 + u / 10,
            "task": "category",
            "emo": "ha" if u % 2 else "sa",
            "channel": 1,
        }
        for s in range(people)
        for u in range(each)
    ]
    write_jsonl(home / f"{name}.jsonl", rows)
    (home / "label_map.json").write_text(json.dumps({"ha": "happy", "sa": "sad"}))
    for k in range(1, folds + 1):
        speaker = [int(str(r["key"]).split("-")[1]) for r in rows]
        held = {(k - 1) % people}
        chosen = {k % people} if valid else set()
        fold = home / f"fold_{k}"
        parts = {"train": [r for r, s in zip(rows, speaker, strict=True) if s not in held | chosen],
                 "valid": [r for r, s in zip(rows, speaker, strict=True) if s in chosen],
                 "test": [r for r, s in zip(rows, speaker, strict=True) if s in held]}  # fmt: skip
        for part, mine in parts.items():
            if mine:
                write_jsonl(fold / f"{name}_{part}_fold_{k}.jsonl", mine)
    return home


def write_jsonl(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def audformat(folder: Path, *, shared_speaker: bool = False) -> Path:
    """An audformat database: tables for each part, and one that says who speaks in which file."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"train": ["a", "b", "c"], "dev": ["d"], "test": ["e", "f"]}
    speaker = {f"{f}.wav": f"s{i}" for i, f in enumerate("abcdef")}
    if shared_speaker:
        speaker["e.wav"] = "s0"
    lines = ["name: toy", "source: made", "usage: unrestricted", "languages: []", "splits:"]
    lines += [f"  {s}: {{type: {s}}}" for s in names]
    lines += ["tables:"]
    for part, files in names.items():
        lines += [f"  emotion.{part}:", "    type: filewise", f"    split_id: {part}", "    columns:",
                  "      emotion: {scheme_id: emotion}"]  # fmt: skip
        write_csv(folder / f"db.emotion.{part}.csv", [{"file": f"{f}.wav", "emotion": "joy"} for f in files])
    lines += ["  files:", "    type: filewise", "    columns:", "      speaker: {scheme_id: speaker}"]
    write_csv(folder / "db.files.csv", [{"file": f, "speaker": s} for f, s in speaker.items()])
    (folder / "db.yaml").write_text("\n".join(lines) + "\n")
    return folder


def table(path: Path, **more: Sequence[object]) -> Path:
    """A table with the columns of ``moodal score`` and ``split``: six people, four clips each, people kept apart."""
    rows: list[Row] = []
    for s in range(6):
        for c in range(4):
            part = "train" if s < 4 else "validation" if s == 4 else "test"
            rows.append(
                {"file": f"s{s}-{c}.wav", "subject": f"s{s}", "label": "joy" if c % 2 else "anger", "split": part}
            )
    for name, values in more.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return write_csv(path, rows)
