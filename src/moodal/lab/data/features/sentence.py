"""Sentences: the states of a text encoder, one step a piece of the utterance, or their mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from moodal.core import registry
from moodal.core.dialogue import past_turns
from moodal.core.errors import ModelError, UsageError
from moodal.core.expert import sha256_of
from moodal.extract.words.encoder import TextEncoder
from moodal.lab.data.cache import Cache, key_of
from moodal.lab.data.dataset import Dataset, Feature

__all__ = ["encoded_by", "make", "source_of"]

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
    told = encoded_by(modality, encoder=encoder, past=past, pooled=pooled)
    bundle, k = registry.bundles()[encoder], int(told["past"])
    model = TextEncoder(bundle)
    texts = [str(t) for t in data.index["text"]]
    turns = past_turns(data.index["dialogue"], data.index["turn"], k) if k else np.zeros((len(texts), 0), np.int64)
    before = [[texts[j] for j in row if j >= 0] for row in turns]
    seen = {d["name"] for d in bundle.manifest.get("data", ())}
    trained = frozenset(bundle.array("training_names").tolist()) if data.index.name in seen else frozenset()
    source = source_of(told)

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


def encoded_by(
    modality: str = "text", *, encoder: str = "text-meld", past: int = -1, pooled: bool = False
) -> dict[str, Any]:
    """What `make` does with these settings, as the manifest of an exported model names it: the encoder's ``name`` and
    ``sha256``, ``past`` utterances read along, whether states are ``pooled``.

    Raises
    ------
    ModelError, UsageError : as `make`.
    """
    bundles = registry.bundles()
    if encoder not in bundles:
        raise ModelError(f"the text encoder {encoder} is not installed", fix="See: moodal models list")
    model = TextEncoder(bundles[encoder])
    k = model.past if past < 0 else past
    if k > model.past:
        raise UsageError(f"{encoder} reads {model.past} past utterances, not {k}", where=f"features.{modality}")
    return {"name": encoder, "sha256": sha256_of(model.bundle), "past": k, "pooled": bool(pooled)}


def source_of(told: Mapping[str, Any]) -> str:
    """The source that a feature made so carries."""
    return f"{told['name']} {told['sha256']} past {told['past']} pooled {told['pooled']}, {VERSION}"
