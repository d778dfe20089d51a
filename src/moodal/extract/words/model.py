"""The text model of a bundle such as ``words-v0``: scores of one sentence, in numpy alone."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray
from moodal.core.errors import ModelError
from moodal.core.scheme import mapping, scheme
from moodal.dsp.text import is_sign, is_word, keys, mark_negation, tokens
from moodal.dsp.text_language import LanguageTable
from moodal.dsp.text_sparse import Vocabulary, text_keys, tfidf

__all__ = ["DIMENSIONS", "Scored", "TextModel", "open_model"]

DIMENSIONS = ("valence", "arousal", "dominance")
_CLASSES = scheme("ekman8").classes


@dataclass(frozen=True)
class Scored:
    """What the model says of one sentence.

    ``labels (28,)`` one score in (0, 1) a GoEmotions label, each for itself; ``classes (8,)`` shares of
    ekman8 that sum to 1; ``affect (3,)`` valence, arousal, dominance in [-1, 1]; ``half_width (3,)``
    of their intervals; ``known`` how many of its words and signs the model has met in training.
    """

    labels: FloatArray
    classes: FloatArray
    affect: FloatArray
    half_width: FloatArray
    known: int


@dataclass(frozen=True)
class TextModel:
    """A linear model on hashed n-grams; see the bundle's card for what it was trained on."""

    bundle: Bundle

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self._array("keys"), self._array("idf").astype(np.float32))

    @cached_property
    def _weights(self) -> npt.NDArray[np.int8]:
        # Those of the labels and of the dimensions in one row, which one look into memory finds.
        labels, affect = self._array("labels"), self._array("affect")
        if len(labels) != len(affect):
            raise self._fault("array affect is of the wrong length")
        return np.concatenate([labels, affect], axis=1)

    @cached_property
    def _outputs(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        scale, offset = (
            np.concatenate([self._array(f"labels_{n}"), self._array(f"affect_{n}")]) for n in ("scale", "offset")
        )
        return scale, offset, self._array("affect_from_labels")

    @cached_property
    def _language(self) -> LanguageTable:
        told = self.bundle.manifest["language"]
        odds = self._array("language_odds").astype(np.float32) * np.float32(told["step"])
        known = self._array("language_keys")
        if len(known) != len(odds):
            raise self._fault("array language_odds is of the wrong length")
        return LanguageTable(known, odds, float(told["unknown"]))

    @cached_property
    def _lift(self) -> FloatArray:
        classes = self.bundle.manifest["classes"]
        return np.array([classes["lift"][c] for c in _CLASSES])

    def load(self) -> TextModel:
        """The model with its arrays read, so that a damaged bundle is noticed before anything is scored.

        Raises
        ------
        ModelError : an array is missing or damaged.
        """
        vocabulary, _, _ = self._vocabulary, self._language, self._outputs
        rows = {"idf": len(vocabulary.idf), "labels": len(self._weights)}
        wrong = [name for name, n in rows.items() if n != len(vocabulary.keys)]
        if wrong:
            raise self._fault(f"array {wrong[0]} is of the wrong length")
        return self

    def _array(self, name: str) -> npt.NDArray[Any]:
        try:
            return self.bundle.array(name)
        except (ValueError, EOFError, zlib.error) as error:
            raise self._fault(f"array {name} cannot be read") from error

    def _fault(self, what: str) -> ModelError:
        return ModelError(what, where=str(self.bundle.path), fix="Install moodal again.")

    def english(self, text: str) -> float:
        """Evidence that a text is English, in nats: above 0 for, below against, 0 without any word."""
        return self._language.evidence(text)

    @property
    def english_floor(self) -> float:
        """Evidence below which a text is taken for another language."""
        return float(self.bundle.manifest["language"]["floor"])

    def known(self, text: str) -> int:
        """How many of its words and signs the model has met in training."""
        told = [t for t in mark_negation(tokens(text)) if is_word(t) or is_sign(t)]
        return len(self._vocabulary.find(keys(told)))

    def score(self, text: str) -> Scored | None:
        """Score one sentence; ``None`` where it holds nothing the model has met in training."""
        known = self.known(text)
        if not known:
            return None
        logits, affect = self.outputs(text)
        labels = 1.0 / (1.0 + np.exp(-logits))
        half_width = self.bundle.manifest["calibration"]["half_width"]
        return Scored(
            labels,
            self.classes(labels),
            np.clip(affect, -1.0, 1.0),
            np.array([half_width[d] for d in DIMENSIONS]),
            known,
        )

    def outputs(self, text: str) -> tuple[FloatArray, FloatArray]:
        """Log odds of the labels ``(28,)`` and the three dimensions ``(3,)``, uncut; those of no words at all where it
        holds nothing the model has met."""
        vocabulary = self._vocabulary
        words, characters = text_keys(text)
        weights = self.bundle.manifest["features"]["block_weights"]
        places, values = tfidf((words, characters), vocabulary, weights)
        scale, offset, from_labels = self._outputs
        rows = self._weights[places].astype(np.float64)
        rows *= values[:, None]
        told = rows.sum(axis=0) * scale + offset
        logits, affect = told[: len(from_labels)], told[len(from_labels) :]
        return logits, affect + (logits[:, None] * from_labels).sum(axis=0)

    def classes(self, labels: FloatArray) -> FloatArray:
        """GoEmotions scores ``(28,)`` as shares of ekman8 ``(8,)`` by the written table.

        Each class is lifted by what its rarity among the training texts cost it, and a class that no
        label stands for keeps the manifest's fixed share: no evidence is not evidence against.
        """
        table = mapping("goemotions28", "ekman8")
        silent = self.bundle.manifest["classes"]["unheard"]
        shares = table.apply(labels) * self._lift
        told = 1.0 - sum(silent.values())
        shares = shares * (told / shares.sum())
        for name, share in silent.items():
            shares[_CLASSES.index(name)] = share
        return np.asarray(shares)


@cache
def open_model(name: str = "words-v0") -> TextModel:
    """The bundle of that name, loaded.

    Raises
    ------
    ModelError : not installed, or damaged.
    """
    if name not in registry.bundles():
        raise ModelError(f"bundle {name} is not installed", fix="Install moodal again.")
    return TextModel(registry.bundles()[name]).load()
