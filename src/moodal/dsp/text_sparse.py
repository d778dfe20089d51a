"""Sparse vectors of texts: tf-idf over a vocabulary of hashed keys, in numpy alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .text import character_keys, keys, mark_negation, tokens, word_features

__all__ = ["SparseRows", "Vocabulary", "text_keys", "tfidf"]

Keys = npt.NDArray[np.uint32]


def text_keys(text: str) -> tuple[Keys, Keys]:
    """Keys of a text's word features and of its character features, repeats kept.

    Negation is marked on words; a negated word gives no character features, which would bring back
    what the negation took.
    """
    words = tokens(text)
    marked = mark_negation(words)
    plain = [word for word, mark in zip(words, marked, strict=True) if word == mark]
    return keys(word_features(marked)), character_keys(plain, 3, 4)


@dataclass(frozen=True)
class Vocabulary:
    """Known keys in rising order ``(n,)`` with their inverse document frequency ``(n,)``."""

    keys: Keys
    idf: npt.NDArray[np.float32]

    def find(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Place of each key, those unknown left out."""
        if not len(self.keys):
            return np.empty(0, np.int64)
        at = self.keys.searchsorted(keys)
        return np.asarray(at[self.keys.take(at, mode="clip") == keys], np.int64)


def tfidf(
    blocks: Sequence[Keys], vocabulary: Vocabulary, weights: Sequence[float]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """A text as places in the vocabulary ``(m,)`` and values ``(m,)``.

    Each block of features is weighted (1 + ln tf) · idf, brought to unit length (Manning, Raghavan and
    Schütze 2008, §6.4) and scaled by its weight, so that the many character features do not drown
    the words.
    """
    places, values = [], []
    for found, weight in zip(blocks, weights, strict=True):
        at = vocabulary.find(found)
        at.sort()
        # Counted in order; of a sentence's few features faster than by whole arrays.
        counts = Counter(at.tolist())
        at = np.fromiter(counts, np.int64, len(counts))
        value = (1.0 + np.log(np.fromiter(counts.values(), np.int64, len(counts)))) * vocabulary.idf[at]
        length = math.sqrt((value * value).sum())
        if length:
            value *= weight / length
        places.append(at)
        values.append(value)
    return np.concatenate(places), np.concatenate(values)


@dataclass(frozen=True)
class SparseRows:
    """Rows of a sparse matrix: row i holds ``values[starts[i]:starts[i + 1]]`` at ``places[...]``."""

    starts: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    width: int

    @classmethod
    def stack(cls, rows: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]], width: int) -> SparseRows:
        """Rows as `tfidf` gives them."""
        parts = list(rows)
        lengths = np.array([len(p) for p, _ in parts], np.int64)
        return cls(
            np.concatenate([[0], np.cumsum(lengths)]),
            np.concatenate([p for p, _ in parts]) if parts else np.empty(0, np.int64),
            np.concatenate([v for _, v in parts]) if parts else np.empty(0),
            width,
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> npt.NDArray[np.int64]:
        """Row of each stored value."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def times(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Product with a vector ``(width,)``: ``(rows,)``."""
        return np.bincount(self.owners, self.values * column[self.places], len(self)).astype(np.float64)

    def back(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Product of the transpose with a vector ``(rows,)``: ``(width,)``."""
        return np.bincount(self.places, self.values * column[self.owners], self.width).astype(np.float64)
