"""Features: makers that turn a data set's recordings and sentences into arrays, once, through the cache.

A maker is a module with ``make(data, modality, cache, **settings) -> Feature``; what it makes depends on the
example alone. Anything fitted on several examples is a step of a learner, inside the fold, and no maker.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from moodal.core.errors import UsageError
from moodal.lab.data.cache import Cache
from moodal.lab.data.dataset import Dataset, Feature

if TYPE_CHECKING:
    from moodal.lab.recipes import FeaturePart

__all__ = ["MAKERS", "features", "make"]

MAKERS: dict[str, str] = {
    "eeg-bands": "moodal.lab.data.features.eeg",
    "eeg-asymmetry": "moodal.lab.data.features.eeg_asymmetry",
    "eeg-connectivity": "moodal.lab.data.features.eeg_connectivity",
    "eeg-de": "moodal.lab.data.features.eeg_de",
    "eeg-hjorth": "moodal.lab.data.features.eeg_hjorth",
    "hand": "moodal.lab.data.features.hand",
    "sentence": "moodal.lab.data.features.sentence",
    "whisper": "moodal.lab.data.features.whisper",
}


def make(data: Dataset, modality: str, part: FeaturePart, cache: Cache | None = None) -> Feature:
    """One modality of a data set, as a recipe names it.

    Raises
    ------
    UsageError : no such maker, or the reader brings no such modality.
    """
    if part.use == "set":
        return data.only([modality]).features[modality]
    if part.use not in MAKERS:
        raise UsageError(f"unknown maker of features {part.use!r}", fix=f"Known: set, {', '.join(MAKERS)}.")
    module = import_module(MAKERS[part.use])
    return module.make(data, modality, cache or Cache(), **part.settings)


def features(data: Dataset, parts: Mapping[str, FeaturePart], cache: Cache | None = None) -> Dataset:
    """The data set with exactly the modalities that a recipe names."""
    return Dataset(data.index, {m: make(data, m, part, cache) for m, part in parts.items()})
