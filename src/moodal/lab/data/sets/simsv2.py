"""CH-SIMS v2, the labelled part: more Chinese clips, scored as a whole and by each modality alone."""

from __future__ import annotations

from pathlib import Path

from moodal.lab.data import mmsa
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.spec import SetSpec, find
from moodal.lab.data.told import checked
from moodal.lab.data.twin import Truth

__all__ = ["PARTS", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="simsv2",
    title="CH-SIMS v2(s)",
    modalities=("text", "audio", "video"),
    labels=("score", "sentiment", "single"),
    licence="terms of the data not found; films belong to their makers: research only",
    commercial="unclear",
    where="take ch-simsv2s.pkl, meta.csv and ch-simsv2s.zip from the links in https://github.com/thuiar/ch-sims-v2.",
    layout="ch-simsv2s.pkl (or Processed/…), meta.csv, Raw/VIDEO/0001.mp4",
    source="Liu et al. 2022, ICMI; layout: github.com/thuiar/ch-sims-v2",
    subjects="not told; column session has the video, which may show several people",
)

LAYOUT = mmsa.Layout(SPEC, ("ch-simsv2s.pkl", "unaligned.pkl"), "meta.csv", 1.0, 4, "zh", single=True)
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
