"""Clips of the speech sets: their tables, a seeded draw, and files on disk."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import numpy as np

#: Column of the speaker in each set's table.
SPEAKER = {"ravdess": "actor", "nemo": "speaker", "emodb": "speaker"}


def table(data: Path, name: str) -> list[dict[str, str]]:
    """Rows of a set's index, each with ``set`` and ``speaker``."""
    with (data / f"speech_{name}" / "index.csv").open(encoding="utf-8", newline="") as file:
        return [{**row, "set": name, "speaker": row[SPEAKER[name]]} for row in csv.DictReader(file)]


def archive(data: Path, name: str) -> Path:
    return data / f"speech_{name}" / "clips.tar"


def draw(data: Path, counts: dict[str, int], seed: int) -> list[tuple[str, str]]:
    """Archive and member of so many clips of each set, the same for the same seed."""
    rng = np.random.default_rng(seed)
    out = []
    for name, count in counts.items():
        members = sorted(row["clip"] for row in table(data, name))
        out += [(str(archive(data, name)), members[i]) for i in sorted(rng.choice(len(members), count, replace=False))]
    return out


def unpack(data: Path, rows: list[dict[str, str]], folder: Path) -> list[Path]:
    """The rows' clips as files."""
    out = []
    for row in rows:
        path = folder / row["set"] / row["clip"]
        path.parent.mkdir(parents=True, exist_ok=True)
        out.append(path)
    for name in {row["set"] for row in rows}:
        with tarfile.open(archive(data, name)) as tar:
            for row, path in zip(rows, out, strict=True):
                if row["set"] == name:
                    member = tar.extractfile(row["clip"])
                    assert member is not None
                    path.write_bytes(member.read())
    return out
