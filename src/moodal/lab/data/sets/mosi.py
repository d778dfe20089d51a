"""CMU-MOSI: people review films in front of a camera; opinion segments scored from -3 to 3."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moodal.core.errors import InputError
from moodal.lab.data import mmsa
from moodal.lab.data.compact import arrays, rows
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.index import Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.media import text_hash
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.told import checked, number, plain
from moodal.lab.data.twin import Truth

__all__ = ["PARTS", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="mosi",
    title="CMU-MOSI",
    modalities=("text", "audio", "video"),
    labels=("score", "sentiment"),
    licence="terms of the data not found; rights in the online videos not checked: research only",
    commercial="unclear",
    where="take the folder MOSI from the links in the README of https://github.com/thuiar/MMSA.",
    layout="Processed/unaligned_50.pkl (or aligned_50.pkl), label.csv, Raw/VIDEO/CLIP.mp4",
    source="Zadeh et al. 2016, IEEE Intelligent Systems 31(6); layout: github.com/thuiar/MMSA; compact: features of "
    "Poria et al. 2017, ACL, from github.com/declare-lab/multimodal-deep-learning",
    compact="fusion_mosi",
    subjects="subject (the video: each is taken as one speaker)",
)

LAYOUT = mmsa.Layout(SPEC, ("unaligned_50.pkl",), "label.csv", 3.0, 1, "en", speaker=True)
#: What ``part`` may be in the official layout; ``learned`` is for the compact one.
PARTS = ("features", "aligned", "clips", "learned")
_SIGN = ("negative", "positive")


def read(root: Path | str | None = None, part: str = "features") -> Dataset:
    """The opinion segments, in order of the file.

    ``part`` of the official layout: ``features`` (unaligned), ``aligned``, or ``clips`` (the table and its films).

    The compact layout has two classes for a label, the words in column ``text``, and modality ``audio`` (73
    columns). Its arrays ``text_cnn`` and ``video_cnn`` were by all signs learned on the labels of exactly these videos:
    ``part="learned"`` brings them marked as fitted on every clip, and a protocol refuses to test on them.

    Raises
    ------
    InputError : a part is not there, is damaged, or would run code; a score off its scale.
    """
    checked("part", part, PARTS, SPEC.name)
    path, compact = find(SPEC, root)
    if compact:
        return _compact(path, part)
    if part == "clips":
        return mmsa.clips(LAYOUT, path)
    if part == "learned":
        raise lacking(SPEC, "its learned arrays (fusion_mosi/mosi_train_features.npz)", path)
    return mmsa.features(LAYOUT, path, ("aligned_50.pkl",) if part == "aligned" else ())


def _compact(path: Path, part: str) -> Dataset:
    if part not in ("features", "learned"):
        raise lacking(SPEC, f"its {part} part", path)
    table, file = need(SPEC, path, ["mosi_train_index.csv.gz", "mosi_train_features.npz"])
    told = rows(table, ("utterance", "video", "clip", "label", "text"))
    keys = ["audio", *(("text_cnn", "video_cnn") if part == "learned" else ())]
    with arrays(file) as stored:
        place = {str(u): i for i, u in enumerate(stored["utterance"])}
        values = {k: np.asarray(stored[k], np.float32) for k in keys}
    if any(len(v) != len(place) for v in values.values()):
        raise InputError("has arrays of different lengths", where=str(file), fix="Get the file again.")
    for i, row in enumerate(told):
        if row["utterance"] not in place or row["label"] not in ("0", "1"):
            raise InputError(f"row {i + 1}: label {row['label']!r} or utterance {row['utterance']!r} is not known",
                             where=str(table))  # fmt: skip
    at = np.array([place[row["utterance"]] for row in told], np.int64)
    texts = [plain(row["text"]) for row in told]
    clips = [row["utterance"] for row in told]
    videos = [row["video"] for row in told]
    spelt = [row["label"] for row in told]
    index = Index.build(
        SPEC.name,
        {
            "clip": clips, "subject": videos, "session": videos, "dialogue": videos, "text": texts, "stimulus": texts,
            "turn": [number(row["clip"], "clip", str(table), i) for i, row in enumerate(told)],
            "split": ["train"] * len(told), "language": ["en"] * len(told),
            "content": [text_hash(v, c) for v, c in zip(videos, clips, strict=True)],
        },
        {"sentiment": Labels.of_classes([_SIGN[int(s)] for s in spelt], _SIGN, where=str(table), source=spelt)},
        terms=SPEC.licence,
        notices=["text_cnn and video_cnn were learned on these labels: nothing may be tested with them"]
        if part == "learned" else [],
    )  # fmt: skip
    made = {
        k: Feature.table(
            k, values[k][at], source="bc-LSTM data", fitted_on=frozenset() if k == "audio" else frozenset(clips)
        )
        for k in keys
    }
    return Dataset(index, made)


def generate(root: Path, seed: int = 0) -> Truth:
    """Seven videos in three parts, four clips each."""
    return mmsa.generate(LAYOUT, root, seed)
