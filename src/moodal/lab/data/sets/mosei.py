"""CMU-MOSEI: opinions of many speakers on many topics, scored from -3 to 3."""

from __future__ import annotations

from pathlib import Path

from moodal.lab.data import mmsa
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.spec import SetSpec, find
from moodal.lab.data.told import checked
from moodal.lab.data.twin import Truth

__all__ = ["PARTS", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="mosei",
    title="CMU-MOSEI",
    modalities=("text", "audio", "video"),
    labels=("score", "sentiment"),
    licence="terms of the data not found; rights in the online videos not checked: research only",
    commercial="unclear",
    where="take the folder MOSEI from the links in the README of https://github.com/thuiar/MMSA.",
    layout="Processed/unaligned_50.pkl (or aligned_50.pkl), label.csv, Raw/VIDEO/CLIP.mp4",
    source="Zadeh et al. 2018, ACL, pages 2236-2246; layout: github.com/thuiar/MMSA. Times of its clips do not always "
    "match the transcript (issue 359 of CMU-MultimodalSDK)",
    subjects="subject (the video: each is taken as one speaker)",
)

LAYOUT = mmsa.Layout(SPEC, ("unaligned_50.pkl",), "label.csv", 3.0, 1, "en", speaker=True)
PARTS = ("features", "aligned", "clips")


def read(root: Path | str | None = None, part: str = "features") -> Dataset:
    """The opinion segments; ``part``: ``features`` (unaligned), ``aligned``, or ``clips`` (the table and its films).

    Raises
    ------
    InputError : a part is not there, is damaged, or would run code; a score off its scale.
    """
    checked("part", part, PARTS, SPEC.name)
    path, _ = find(SPEC, root)
    if part == "clips":
        return mmsa.clips(LAYOUT, path)
    return mmsa.features(LAYOUT, path, ("aligned_50.pkl",) if part == "aligned" else ())


def generate(root: Path, seed: int = 0) -> Truth:
    """Seven videos in three parts, four clips each."""
    return mmsa.generate(LAYOUT, root, seed)
