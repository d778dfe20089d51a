"""The layout that MMSA gives CMU-MOSI, CMU-MOSEI and CH-SIMS: one pickle of features, one table, films by video.

::

    Processed/unaligned_50.pkl   {train, valid, test} → id "VIDEO$_$CLIP", raw_text, text (n, steps, channels),
                                 text_bert (n, 3, steps), audio, vision, audio_lengths, vision_lengths,
                                 regression_labels (and _T, _A, _V)
    label.csv                    video_id, clip_id, text, label, label_T, label_A, label_V, annotation, mode
    Raw/VIDEO/CLIP.mp4
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.core.scheme import SENTIMENT3

from . import pickles
from .compact import rows
from .dataset import Dataset, Feature
from .index import Index
from .labels import Labels
from .media import content_of, text_hash
from .spec import SetSpec, lacking
from .told import numbers, plain
from .twin import Truth, movie, tabled, write

__all__ = ["Layout", "clips", "features", "generate"]

_PARTS = {"train": "train", "valid": "validation", "test": "test"}
_SINGLE = {"T": "text", "A": "audio", "V": "video"}

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """One set in this layout: names of its pickle and table, the scale of its score, the digits of a clip's number.

    ``single`` says whether each modality was rated by itself as well; ``speaker`` whether a video is one speaker.
    """

    spec: SetSpec
    files: tuple[str, ...]
    table: str
    most: float
    digits: int
    language: str
    single: bool = False
    speaker: bool = False


def _found(layout: Layout, root: Path, names: Sequence[str]) -> Path:
    for name in names:
        for place in (root / "Processed" / name, root / name):
            if place.is_file():
                return place
    raise lacking(layout.spec, names[0], root)


def features(layout: Layout, root: Path, files: Sequence[str] = ()) -> Dataset:
    """Every example of the pickle, with modalities ``text``, ``audio`` and ``video`` without their padding.

    Raises
    ------
    InputError : no pickle there; one that is damaged, would run code, or is of another form; a score off its scale.
    """
    path = _found(layout, root, files or layout.files)
    told = pickles.load(path)
    if not isinstance(told, dict) or not set(told) & set(_PARTS):
        raise InputError("has no part train, valid or test", where=str(path), fix="Get the file again.")
    where = str(path)
    columns: dict[str, list[Any]] = {}
    examples: dict[str, list[Array | None]] = {"text": [], "audio": [], "video": []}
    notices = []
    broken = 0
    for part, split in _PARTS.items():
        if part not in told:
            notices.append(f"the pickle has no {part} part")
            continue
        one = _Part(told[part], f"{where}, {part}", layout)
        for m, found in one.examples().items():
            examples[m] += found
        broken += one.broken
        for name, values in one.columns(split).items():
            columns.setdefault(name, []).extend(values)
    if broken:
        notices.append(f"{broken} values of audio or video are not finite in the pickle and stand as 0")
    scores, single = columns.pop("score"), columns.pop("single")
    columns["content"] = [
        _content(columns["text"][i], *(examples[m][i] for m in ("audio", "video"))) for i in range(len(scores))
    ]
    index = _index(layout, columns, scores, single, columns.pop("source"), notices)
    made = {m: Feature.build(m, found, source=path.name) for m, found in examples.items()}
    return Dataset(index, made)


def _content(text: str, *arrays: Array | None) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "replace"))
    for a in arrays:
        digest.update(b"|" if a is None else np.ascontiguousarray(a).tobytes())
    return digest.hexdigest()[:24]


class _Part:
    """One part of a pickle, its arrays checked against each other."""

    def __init__(self, told: Any, where: str, layout: Layout) -> None:
        self.told, self.where, self.layout, self.broken = told, where, layout, 0
        if not isinstance(told, dict):
            raise self.fault("is no table of arrays")
        self.ids = [str(i) for i in self._column("id")]
        self.n = len(self.ids)

    def fault(self, what: str) -> InputError:
        return InputError(what, where=self.where, fix="Get the file again.")

    def _column(self, key: str) -> list[Any]:
        values = self.told.get(key)
        if not isinstance(values, list | tuple | np.ndarray) or (isinstance(values, np.ndarray) and values.ndim < 1):
            raise self.fault(f"has no {key}")
        if key != "id" and len(values) != self.n:
            raise self.fault(f"has {len(values)} {key} for {self.n} ids")
        return list(values)

    def _array(self, key: str) -> Array:
        values = np.asarray(self.told.get(key))
        if values.ndim != 3 or len(values) != self.n or values.dtype.kind not in "fiu":
            raise self.fault(f"has no {key} of examples, steps and channels")
        return values

    def _numbers(self, key: str) -> list[float]:
        try:
            return [float(np.asarray(v, np.float64).reshape(())) for v in self._column(key)]
        except (TypeError, ValueError):
            raise self.fault(f"has {key} that are no numbers") from None

    def examples(self) -> dict[str, list[Array | None]]:
        """Each modality's steps without padding; None where nothing is left."""
        text = self._array("text")
        words: list[Array] | None = None
        if "text_bert" in self.told:
            masks = self._array("text_bert")
            if masks.shape[1] == 3 and masks.shape[2] == text.shape[1]:
                words = list(masks[:, 1] == 1)  # rows are ids, mask, segments
        found: dict[str, list[Array | None]] = {
            "text": [_trimmed(text[i], words[i] if words else None) for i in range(self.n)]
        }
        for name, key in (("audio", "audio"), ("video", "vision")):
            steps = np.asarray(self._array(key), np.float32)
            bad = ~np.isfinite(steps)
            self.broken += int(bad.sum())
            steps = np.where(bad, np.float32(0), steps)
            lengths = self._numbers(f"{key}_lengths") if f"{key}_lengths" in self.told else None
            kept: list[Array | None] = []
            for i in range(self.n):
                told = None if lengths is None else np.arange(steps.shape[1]) < lengths[i]
                kept.append(_trimmed(steps[i], told))
            found[name] = kept
        return found

    def columns(self, split: str) -> dict[str, list[Any]]:
        """The part's columns for the index, with ``score``, ``single`` and the ``source`` of the labels."""
        layout, columns = self.layout, {c: [] for c in _COLUMNS}  # type: tuple[Layout, dict[str, list[Any]]]
        texts = self._column("raw_text")
        scores = self._numbers("regression_labels")
        named = self._column("annotations") if "annotations" in self.told else [""] * self.n
        keys = [f"regression_labels_{k}" for k in _SINGLE] if layout.single else []
        single = [self._numbers(k) for k in keys]
        for i, name in enumerate(self.ids):
            video, mark, clip = name.partition("$_$")
            if not mark or not video or not clip:
                raise self.fault(f"row {i + 1}: its id {name[:60]!r} is not VIDEO$_$CLIP")
            if not abs(scores[i]) <= layout.most:
                raise self.fault(
                    f"row {i + 1}: its score {scores[i]:g} is not between -{layout.most:g} and {layout.most:g}"
                )
            _add(columns, layout, video, clip, split, str(texts[i]))
            columns["recording"].append("")
            columns["score"].append(scores[i])
            columns["single"].append([s[i] for s in single])
            columns["source"].append(f"{named[i]} {scores[i]:g}".strip())
        return columns


_COLUMNS = ("clip", "recording", "subject", "session", "dialogue", "turn", "split", "text", "stimulus", "language",
            "score", "single", "source")  # fmt: skip


def _trimmed(steps: Array, kept: Array | None) -> Array | None:
    """The steps that a mask keeps, or all but the all-zero ones at both ends."""
    if kept is None:
        some = np.flatnonzero((steps != 0).any(axis=1))
        return np.asarray(steps[some[0] : some[-1] + 1], np.float32) if len(some) else None
    return np.asarray(steps[kept], np.float32) if kept.any() else None


def _add(columns: dict[str, list[Any]], layout: Layout, video: str, clip: str, split: str, text: str) -> None:
    number = str(int(clip)) if clip.isdecimal() else clip
    columns["clip"].append(f"{video}_{number}")
    columns["subject"].append(video if layout.speaker else "")
    columns["session"].append(video)
    columns["dialogue"].append(video if clip.isdecimal() else "")
    columns["turn"].append(float(number) if clip.isdecimal() else float("nan"))
    columns["split"].append(split)
    columns["text"].append(plain(text))
    columns["stimulus"].append(plain(text))
    columns["language"].append(layout.language)


def _index(
    layout: Layout, columns: Mapping[str, list[Any]], scores: Sequence[float], single: Sequence[Sequence[float]],
    source: Sequence[str], notices: Sequence[str],
) -> Index:  # fmt: skip
    if not scores:
        raise InputError("has no examples", where=layout.spec.name, fix="Get the files again.")
    units = f"-{layout.most:g} to {layout.most:g}"
    sign = [SENTIMENT3[1 + (s > 0) - (s < 0)] for s in scores]
    labels = {
        "score": Labels("continuous", ("score",), np.array(scores)[:, None], units=units, source=tuple(source)),
        "sentiment": Labels.of_classes(sign, SENTIMENT3, scheme="sentiment3", source=source),
    }
    if layout.single:
        told = np.array(single, np.float64).reshape(len(scores), 3)
        spelt = tuple(" ".join(f"{v:g}" for v in row) for row in told)
        labels["single"] = Labels("continuous", tuple(_SINGLE.values()), told, units=units, source=spelt)
    return Index.build(layout.spec.name, columns, labels, terms=layout.spec.licence, notices=notices)


def clips(layout: Layout, root: Path) -> Dataset:
    """The rows of the table, with their films as recordings and no features.

    Raises
    ------
    InputError : no table there, or a row with another part, or a score off its scale.
    """
    path = _found(layout, root, (layout.table,))
    told = rows(path, ("video_id", "clip_id", "text", "label", "mode"))
    where = str(path)
    columns: dict[str, list[Any]] = {c: [] for c in (*_COLUMNS, "content")}
    scores = numbers([row["label"] for row in told], "label", where)
    keys = [f"label_{k}" for k in _SINGLE] if layout.single else []
    single = [numbers([row.get(k, "") for row in told], k, where) for k in keys]
    for i, row in enumerate(told):
        if row["mode"] not in _PARTS:
            raise InputError(f"row {i + 1}: mode {row['mode']!r} is not one of {', '.join(_PARTS)}", where=where)
        if not abs(scores[i]) <= layout.most:
            raise InputError(f"row {i + 1}: label {row['label']!r} is not between -{layout.most:g} and {layout.most:g}",
                             where=where)  # fmt: skip
        _add(columns, layout, row["video_id"], row["clip_id"], _PARTS[row["mode"]], row["text"])
        clip = row["clip_id"].zfill(layout.digits)
        film = root / "Raw" / row["video_id"] / f"{clip}.mp4"
        there = film.is_file()
        columns["recording"].append(str(film) if there else "")
        columns["content"].append(content_of(str(film)) if there else text_hash(row["video_id"], clip, row["text"]))
        columns["score"].append(scores[i])
        columns["single"].append([s[i] for s in single])
        columns["source"].append(f"{row.get('annotation', '')} {row['label']}".strip())
    lost = sum(not r for r in columns["recording"])
    notices = [f"{lost} of {len(told)} clips have no film here"] if lost else []
    kept = {k: v for k, v in columns.items() if k not in ("score", "single", "source")}
    return Dataset(_index(layout, kept, columns["score"], columns["single"], columns["source"], notices), {})


def generate(layout: Layout, root: Path, seed: int = 0) -> Truth:
    """Two or three videos a part with four clips each; arrays are padded and far narrower than the official ones."""
    rng = np.random.default_rng(seed)
    steps, widths = {"text": 6, "audio": 12, "vision": 9}, {"text": 16, "audio": 5, "vision": 20}
    told: dict[str, Any] = {}
    table = []
    names, subjects, splits, scores, single = [], [], [], [], []
    for p, (part, split) in enumerate(_PARTS.items()):
        videos = [f"video_{p + 1}{k:03d}" for k in range(3 if part == "train" else 2)]
        ids = [(v, c) for v in videos for c in range(1, 5)]
        n = len(ids)
        score = np.round(rng.uniform(-layout.most, layout.most, n), 1).astype(np.float32)
        score[0] = 0.0
        each = np.round(rng.uniform(-layout.most, layout.most, (3, n)), 1).astype(np.float32)
        named = ["Positive" if s > 0 else "Negative" if s < 0 else "Neutral" for s in score]
        texts = [f"clip {c} of {v} is {a.lower()}" for (v, c), a in zip(ids, named, strict=True)]
        one: dict[str, Any] = {
            "id": [f"{v}$_${str(c).zfill(layout.digits)}" for v, c in ids], "raw_text": texts, "annotations": named,
            "regression_labels": score, "text_bert": np.zeros((n, 3, steps["text"]), np.float32),
        }  # fmt: skip
        for m, longest in steps.items():
            lengths = rng.integers(2, longest + 1, n)
            padded = rng.normal(size=(n, longest, widths[m])).astype(np.float32)
            padded[np.arange(longest) >= lengths[:, None]] = 0
            one[m] = padded
            if m == "text":
                one["text_bert"][:, 1] = np.arange(longest) < lengths[:, None]
            else:
                one[f"{m}_lengths"] = lengths.tolist()
        if layout.single:
            one |= {f"regression_labels_{k}": each[j] for j, k in enumerate(_SINGLE)}
        told[part] = one
        for i, (v, c) in enumerate(ids):
            table.append((v, str(c).zfill(layout.digits), texts[i], score[i], *each[:, i], named[i], part))
            names.append(f"{v}_{c}")
            subjects.append(v if layout.speaker else "")
            splits.append(split)
            scores.append((float(score[i]),))
            single.append(tuple(each[:, i].tolist()))
            write(root / "Raw" / v / f"{str(c).zfill(layout.digits)}.mp4", movie(seed))
    file = root / "Processed" / layout.files[0]
    write(file, pickle.dumps(told, protocol=4))
    header = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode")
    write(root / layout.table, tabled(header, table))

    def spoil(where: Path) -> str:
        copy = where / "Processed" / layout.files[0]
        spoilt = pickle.loads(copy.read_bytes())  # our own, written above
        spoilt["valid"]["regression_labels"][2] = 2 * layout.most
        write(copy, pickle.dumps(spoilt, protocol=4))
        return f"row 3: its score {2 * layout.most:g}"

    labels: dict[str, Sequence[Any]] = {
        "score": scores, "sentiment": [SENTIMENT3[1 + (s > 0) - (s < 0)] for (s,) in scores],
    }  # fmt: skip
    if layout.single:
        labels["single"] = single
    name = f"Processed/{layout.files[0]}"
    return Truth(
        names, subjects, splits, labels, parts=[name], tables=[name], spoil=spoil,
        modalities={"text": widths["text"], "audio": widths["audio"], "video": widths["vision"]},
    )  # fmt: skip
