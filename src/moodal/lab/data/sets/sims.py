"""CH-SIMS: Chinese film and television clips, scored from -1 to 1 as a whole and by each modality alone."""

from __future__ import annotations

from pathlib import Path

from moodal.lab.data import mmsa
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.spec import SetSpec, find
from moodal.lab.data.told import checked
from moodal.lab.data.twin import Truth

__all__ = ["PARTS", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="sims",
    title="CH-SIMS",
    modalities=("text", "audio", "video"),
    labels=("score", "sentiment", "single"),
    licence="terms of the data not found (the code is MIT); films belong to their makers: research only",
    commercial="unclear",
    where="take the folder SIMS from the links in the README of https://github.com/thuiar/MMSA.",
    layout="Processed/unaligned_39.pkl, label.csv, Raw/VIDEO/0001.mp4",
    source="Yu et al. 2020, ACL, pages 3718-3727; layout: github.com/thuiar/MMSA",
    subjects="not told; column session has the video, which may show several people",
)

LAYOUT = mmsa.Layout(SPEC, ("unaligned_39.pkl",), "label.csv", 1.0, 4, "zh", single=True)
PARTS = ("features", "clips")


def read(root: Path | str | None = None, part: str = "features") -> Dataset:
    """The clips; ``part``: ``features`` (the pickle), or ``clips`` (the table and its films).

    Label ``single`` is the score by ``text``, ``audio`` and ``video`` alone.

    Raises
    ------
    InputError : a part is not there, is damaged, or would run code; a score off its scale.
    """
    checked("part", part, PARTS, SPEC.name)
    path, _ = find(SPEC, root)
    return mmsa.clips(LAYOUT, path) if part == "clips" else mmsa.features(LAYOUT, path)


def generate(root: Path, seed: int = 0) -> Truth:
    """Seven videos in three parts, four clips each."""
    return mmsa.generate(LAYOUT, root, seed)
