"""FER+: the pictures of FER2013 with the votes of ten people each on eight emotions."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.core.scheme import EKMAN8
from moodal.lab.data.compact import rows, tiles
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.index import Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.spec import SetSpec, find, need
from moodal.lab.data.texts import duplicates_dropped
from moodal.lab.data.twin import Truth, tabled, write

__all__ = ["SPEC", "generate", "read"]

SPEC = SetSpec(
    name="ferplus",
    title="FER+",
    modalities=("face",),
    labels=("votes", "emotion", "majority"),
    licence="votes MIT; rights in the pictures are unknown: never pass them on.",
    commercial="unclear",
    where="https://github.com/microsoft/FERPlus (votes) and the FER2013 challenge on Kaggle (fer2013.csv)",
    layout="fer2013new.csv (votes) and fer2013.csv (pixels), row by row the same pictures",
    source="Barsoum et al. 2016, ICMI; Goodfellow et al. 2013",
    compact="faces_ferplus",
    subjects="none: people are not told",
)
SIDE = 48
#: Votes of the official file that are no emotion.
_OTHER = ("unknown", "NF")
_PARTS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
_FER2013_CELL = 1 << 20


def read(root: Path | str | None = None, *, pixels: bool = False, duplicates: str = "keep") -> Dataset:
    """All faces; with ``pixels`` the modality ``face``, one step of 2304 grey values in [0, 1], row by row of 48 x 48.

    Labels: ``votes`` (share of the eight emotions among the votes for any of them), ``emotion`` (the most voted of the
    eight, the first in `moodal.core.scheme.EKMAN8` of a tie), ``majority`` (the same where more than half of all votes
    agree, else not labelled). Faces without a vote for an emotion, or that the votes call no face, are left out.

    ``duplicates``: what is done with pictures that stand there several times (`moodal.lab.data.texts.DUPLICATES`).

    Raises
    ------
    InputError : a part is not there or cannot be read.
    """
    path, compact = find(SPEC, root)
    names, parts, votes, faces, notices = _compact(path) if compact else _official(path)
    emotions = votes[:, : len(EKMAN8)]
    top = np.argmax(emotions, axis=1)
    most = emotions[np.arange(len(top)), top]
    shares = emotions / emotions.sum(axis=1, keepdims=True)
    told = tuple(" ".join(f"{v:g}" for v in row) for row in votes)
    labels = {
        "votes": Labels("distribution", EKMAN8, shares, "ekman8", source=told),
        "emotion": Labels("class", EKMAN8, top, "ekman8", source=told),
        "majority": Labels("class", EKMAN8, np.where(2 * most > votes.sum(axis=1), top, -1), "ekman8", source=told),
    }
    content = [hashlib.sha256(face.tobytes()).hexdigest() for face in faces]
    index = Index.build(
        SPEC.name,
        {"clip": names, "split": parts, "content": content},
        labels,
        terms=SPEC.licence,
        notices=notices,
    )
    features = {}
    if pixels:
        flat = faces.reshape(len(faces), SIDE * SIDE).astype(np.float32) / np.float32(255)
        features["face"] = Feature(
            "face", flat, np.arange(len(flat) + 1, dtype=np.int64), source=f"{SPEC.name}: grey pixels, as published"
        )
    return duplicates_dropped(Dataset(index, features), duplicates)


#: Names, parts, votes ``(n, 10)``, faces ``(n, 48, 48)``, notices.
_Read = tuple[list[str], list[str], npt.NDArray[np.float64], npt.NDArray[np.uint8], list[str]]


def _compact(path: Path) -> _Read:
    names, parts, votes, faces = [], [], [], []
    for stem, part in (("train", "train"), ("valid", "validation")):
        table, sheet = need(SPEC, path, [f"{stem}.csv", f"{stem}.png"])
        told = rows(table)
        try:
            votes.append([[float(r[f"votes_{e.lower()}"]) for e in (*EKMAN8, *_OTHER)] for r in told])
            place = np.array([[int(r["row"]), int(r["col"])] for r in told])
            names += [r["image"] for r in told]
        except (KeyError, ValueError) as error:
            raise InputError(f"has a row without place, name or votes ({error})", where=str(table),
                             fix="Get the file again.") from error  # fmt: skip
        if not told:
            raise InputError("holds no faces", where=str(table), fix="Get the file again.")
        faces.append(tiles(sheet, place[:, 0], place[:, 1], SIDE))
        parts += [part] * len(told)
    return names, parts, np.concatenate([np.array(v) for v in votes]), np.concatenate(faces), []


def _official(path: Path) -> _Read:
    table, pictures = need(SPEC, path, ["fer2013new.csv", "fer2013.csv"])
    told = rows(table)
    header = ("Usage", "Image name", *EKMAN8, *_OTHER)
    if not told or any(c not in told[0] for c in header):
        raise InputError(f"has not the columns {', '.join(header)}", where=str(table), fix="Get the file again.")
    names: list[str] = []
    parts: list[str] = []
    votes: list[list[int]] = []
    faces: list[npt.NDArray[np.uint8]] = []
    gone = 0
    drawn = _pixels(pictures)
    for i, row in enumerate(told):
        where = f"row {i + 2}"
        if row["Usage"] not in _PARTS:
            raise InputError(
                f"{where} is of part {row['Usage']!r}", where=str(table), fix=f"Known: {', '.join(_PARTS)}."
            )
        try:
            counted = [int(row[c]) for c in (*EKMAN8, *_OTHER)]
            if min(counted) < 0:
                raise ValueError
        except ValueError:
            raise InputError(f"{where} has votes that are no numbers", where=str(table), fix="Get it again.") from None
        usage, face = next(drawn, ("", None))
        if face is None:
            raise InputError(f"ends after {i} pictures of {len(told)}", where=str(pictures), fix="Get the file again.")
        if usage != row["Usage"]:
            raise InputError(f"{where} is of part {usage!r}, the votes of {row['Usage']!r}", where=str(pictures),
                             fix="The two files must have the same order: get both again.")  # fmt: skip
        if not row["Image name"] or not sum(counted[:8]) or max(counted[8:]) > max(counted[:8]):
            gone += 1
            continue
        names.append(row["Image name"].removesuffix(".png"))
        parts.append(_PARTS[row["Usage"]])
        votes.append(counted)
        faces.append(face)
    if next(drawn, None) is not None:
        raise InputError(f"holds more pictures than the {len(told)} that were voted on", where=str(pictures),
                         fix="Get both files again.")  # fmt: skip
    if not names:
        raise InputError("holds no faces", where=str(table), fix="Get the file again.")
    notices = [f"{gone} pictures that the votes call no face or no emotion are left out"] if gone else []
    return names, parts, np.array(votes, float), np.stack(faces), notices


def _pixels(path: Path) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Usage and picture of each row, read one after another: the file is large."""
    csv.field_size_limit(max(csv.field_size_limit(), _FER2013_CELL))
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for i, row in enumerate(csv.DictReader(file)):
                try:
                    values = np.array((row["pixels"] or "").split(), np.int64)
                    usage = row["Usage"] or ""
                except (KeyError, ValueError, OverflowError):
                    values, usage = np.zeros(0, np.int64), ""
                if len(values) != SIDE * SIDE or values.min() < 0 or values.max() > 255:
                    raise InputError(f"row {i + 2} is no picture of {SIDE} x {SIDE}", where=str(path),
                                     fix="Get the file again.")  # fmt: skip
                yield usage, values.astype(np.uint8).reshape(SIDE, SIDE)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read as a table ({error})", where=str(path), fix="Get the file again.") from error


def generate(root: Path, seed: int = 0) -> Truth:
    """Twelve faces in the official layout; one has been removed, one is no face, one a tie."""
    rng = np.random.default_rng(seed)
    votes_table, pixel_table = [], []
    clips, splits, emotions, shares, majority = [], [], [], [], []
    for k in range(12):
        usage = ("Training", "Training", "PublicTest", "PrivateTest")[k % 4]
        votes = [0] * 10
        votes[k % 8] += 6
        votes[(k + 3) % 8] += 3
        votes[8] += 1
        if k == 5:
            votes = [0, 5, 5, 0, 0, 0, 0, 0, 0, 0]
        if k == 6:
            votes = [1, 0, 0, 0, 0, 0, 0, 0, 2, 7]
        name = "" if k == 7 else f"fer{k:07d}.png"
        votes_table.append([usage, name, *votes])
        pixel_table.append([0, " ".join(map(str, rng.integers(0, 256, SIDE * SIDE))), usage])
        if k not in (6, 7):
            clips.append(name[:-4])
            splits.append(_PARTS[usage])
            emotions.append(EKMAN8[int(np.argmax(votes[:8]))])
            shares.append(tuple(v / sum(votes[:8]) for v in votes[:8]))
            majority.append("" if k == 5 else emotions[-1])
    header = ["Usage", "Image name", *EKMAN8, *_OTHER]
    write(root / "fer2013new.csv", tabled(header, votes_table))
    write(root / "fer2013.csv", tabled(["emotion", "pixels", "Usage"], pixel_table))

    def spoil(where: Path) -> str:
        votes_table[3][4] = "many"
        write(where / "fer2013new.csv", tabled(header, votes_table))
        return "row 5"

    labels: dict[str, Sequence[object]] = {"emotion": emotions, "votes": shares, "majority": majority}
    return Truth(
        clips, [""] * len(clips), splits, labels, parts=["fer2013new.csv", "fer2013.csv"],
        tables=["fer2013new.csv", "fer2013.csv"], spoil=spoil, modalities={"face": SIDE * SIDE},
        settings={"pixels": True},
    )  # fmt: skip
