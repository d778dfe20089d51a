"""Dialogue context: the past turns of each modality as a modality of their own."""

from __future__ import annotations

import numpy as np

from moodal.core.dialogue import PAST_FLAGS, past_turns, past_values
from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset, Feature

__all__ = ["PAST", "with_past"]

#: What the name of a context modality ends in.
PAST = "_past"


def with_past(data: Dataset, k: int) -> Dataset:
    """The data set with ``MODALITY_past`` beside each modality: up to ``k`` past turns, one step each (its mean).

    The past of an example is looked for in these very rows, so a part of a split never sees another part; later turns
    are never used. Steps carry `moodal.core.dialogue.PAST_FLAGS` behind the features.

    Raises
    ------
    InputError : the index knows no dialogues or turns.
    """
    if not k:
        return data
    dialogue, turn = data.index["dialogue"], data.index["turn"]
    if not ((dialogue != "") & np.isfinite(turn)).any():
        raise InputError(
            "context was asked for, but no example has a dialogue and a turn",
            where=data.index.name,
            fix="Fill the columns dialogue and turn, or set context = 0.",
        )
    past = past_turns(dialogue, turn, k)
    features = dict(data.features)
    for m, feature in data.features.items():
        values, there = past_values(_means(feature), past, data.index["subject"])
        offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
        features[m + PAST] = Feature(
            m + PAST, values[there], offsets, (*feature.fields, *PAST_FLAGS), None, feature.source
        )
    return Dataset(data.index, features)


def _means(feature: Feature) -> np.ndarray:
    """``(n, channels)`` mean over steps, NaN where absent."""
    lengths = feature.lengths
    if (lengths <= 1).all():
        return feature.pooled()
    means = np.full((len(feature), feature.width), np.nan, np.float32)
    there = np.flatnonzero(lengths)
    if there.size:
        sums = np.add.reduceat(feature.values, feature.offsets[:-1][there], axis=0, dtype=np.float64)
        means[there] = sums / lengths[there, None]
    return means
