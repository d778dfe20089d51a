"""Sentences: the states of a text encoder, one step a piece of the utterance, or their mean."""

from __future__ import annotations

import numpy as np

from moodal.core import registry
from moodal.core.dialogue import past_turns
from moodal.core.errors import ModelError, UsageError
from moodal.extract.words.encoder import TextEncoder
from moodal.lab.data.cache import Cache, key_of
from moodal.lab.data.dataset import Dataset, Feature

__all__ = ["make"]

VERSION = 1


def make(
    data: Dataset, modality: str, cache: Cache, *, encoder: str = "text-meld", past: int = -1, pooled: bool = False
) -> Feature:
    """States of a bundle of kind ``encoder`` for column ``text``: ``(pieces, width)``, or with ``pooled`` their mean.

    ``past`` utterances of the dialogue before each one are read along (-1: as many as the encoder was trained with).
    An example without text is absent. ``fitted_on`` holds the clips of this very set that the encoder was trained on.

    Raises
    ------
    ModelError : no such encoder.
    UsageError : more past than the encoder knows.
    """
    bundles = registry.bundles()
    if encoder not in bundles:
        raise ModelError(f"the text encoder {encoder} is not installed", fix="See: moodal models list")
    bundle = bundles[encoder]
    model = TextEncoder(bundle)
    k = model.past if past < 0 else past
    if k > model.past:
        raise UsageError(f"{encoder} reads {model.past} past utterances, not {k}", where=f"features.{modality}")
    texts = [str(t) for t in data.index["text"]]
    turns = past_turns(data.index["dialogue"], data.index["turn"], k) if k else np.zeros((len(texts), 0), np.int64)
    before = [[texts[j] for j in row if j >= 0] for row in turns]
    seen = {d["name"] for d in bundle.manifest.get("data", ())}
    trained = frozenset(bundle.array("training_names").tolist()) if data.index.name in seen else frozenset()
    source = f"{encoder} {bundle.sha256()} past {k} pooled {pooled}, {VERSION}"

    def computed() -> Feature:
        states = model.states(texts, before)
        rows = [s.mean(axis=0, keepdims=True) if pooled else s for s in states]
        fields = tuple(f"{encoder}_{c}" for c in range(model.width))
        return Feature.build(
            modality,
            [r if t.strip() else None for r, t in zip(rows, texts, strict=True)],
            fields=fields,
            source=source,
            fitted_on=trained & frozenset(data.index["clip"]),
        )

    return cache.feature(key_of("sentence", source, modality, texts, before, sorted(trained)), computed)
