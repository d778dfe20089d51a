"""Features: makers that turn a data set's recordings and sentences into arrays, once, through the cache.

A maker is a module with ``make(data, modality, cache, **settings) -> Feature``; what it makes depends on the
example alone. Anything fitted on several examples is a step of a learner, inside the fold, and no maker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from moodal.core.errors import UsageError
from moodal.lab.data.cache import Cache
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.streams import each, gathered

if TYPE_CHECKING:
    from moodal.lab.recipes import FeaturePart

__all__ = ["MAKERS", "by_person", "features", "make"]

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
#: Makers whose fields are what the windows allow: one that no window allows (spectra of ten seconds, say) is no field.
_FOUND = {"hand"}


def make(data: Dataset, modality: str, part: FeaturePart, cache: Cache | None = None) -> Feature:
    """One modality of a data set, as a recipe names it.

    Raises
    ------
    UsageError : no such maker, or the reader brings no such modality.
    """
    if part.use == "set":
        return data.only([modality]).features[modality]
    return _whole([_made(data, modality, part, cache)], part.use)


def features(data: Dataset, parts: Mapping[str, FeaturePart], cache: Cache | None = None) -> Dataset:
    """The data set with exactly the modalities that a recipe names."""
    return Dataset(data.index, {m: make(data, m, part, cache) for m, part in parts.items()})


def by_person(people: Iterable[Dataset], parts: Mapping[str, FeaturePart], cache: Cache | None = None) -> Dataset:
    """What `features` gives of all, from people who are read one after another: signals that no part names go as soon
    as the person's features are made.

    Raises
    ------
    UsageError : no such maker, or the reader brings no such modality.
    """
    made: dict[str, list[Feature]] = {m: [] for m, part in parts.items() if part.use != "set"}
    kept = [m for m in parts if m not in made]

    def one(person: Dataset) -> Dataset:
        for m in made:
            made[m].append(_made(person, m, parts[m], cache))
        return person.only(kept)

    rest = gathered(each(one, people))
    return Dataset(rest.index, {m: _whole(made[m], parts[m].use) if m in made else rest.features[m] for m in parts})


def _made(data: Dataset, modality: str, part: FeaturePart, cache: Cache | None) -> Feature:
    if part.use not in MAKERS:
        raise UsageError(f"unknown maker of features {part.use!r}", fix=f"Known: set, {', '.join(MAKERS)}.")
    module = import_module(MAKERS[part.use])
    made: Feature = module.make(data, modality, cache or Cache(), **part.settings)
    return made


def _whole(parts: Sequence[Feature], use: str) -> Feature:
    """Features of several parts of a set as one of them all, examples one part after another; a field that one part
    lacks is NaN there."""
    first = parts[0]
    fields, width = first.fields, max(p.width for p in parts)
    if any(p.fields != fields for p in parts):
        fields = tuple(dict.fromkeys(name for p in parts for name in p.fields))
        width = len(fields)
    values = np.full((sum(len(p.values) for p in parts), width), np.nan, np.float32)
    at = 0
    for p in parts:
        columns = slice(None) if p.fields == fields else [fields.index(name) for name in p.fields]
        if len(p.values):
            values[at : at + len(p.values), columns] = p.values
            at += len(p.values)
    if use in _FOUND:
        there = np.asarray(~np.isnan(values).all(axis=0))
        values, fields = values[:, there], tuple(f for f, t in zip(fields, there, strict=True) if t)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([p.lengths for p in parts]))]).astype(np.int64)
    return replace(first, values=values, offsets=offsets, fields=fields)
