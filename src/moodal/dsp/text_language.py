"""Is a text English? Log-odds of its words and letter triples against other languages."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .text import is_word, key, tokens

__all__ = ["LanguageTable", "language_features"]


def language_features(word: str) -> Iterator[str]:
    """The word itself, then its letter triples with its edges."""
    yield f"={word}"
    edged = f"<{word}>"
    for i in range(len(edged) - 2):
        yield edged[i : i + 3]


class LanguageTable:
    """``known (n,)`` keys, ``odds (n,)`` their log-odds in nats (English above 0), ``unknown`` that of a triple no
    language of the training set has."""

    def __init__(self, known: npt.NDArray[np.uint32], odds: npt.NDArray[np.floating], unknown: float) -> None:
        self._odds: dict[int, float] = dict(zip(known.tolist(), odds.tolist(), strict=True))
        self._unknown = unknown

    def evidence(self, text: str) -> float:
        """Log-odds in nats that a text is English, summed over its words; 0 where it has none.

        A word counts by its own odds where they are known, else by the mean of its triples: they are too dependent to
        be summed.
        """
        return math.fsum(self._word(word) for word in tokens(text) if is_word(word))

    def _word(self, word: str) -> float:
        features = language_features(word)
        own = self._odds.get(key(next(features)))
        if own is not None:
            return own
        # Every word has a triple: with its two edges it is three characters at least.
        triples = [self._odds.get(key(t), self._unknown) for t in features]
        return math.fsum(triples) / len(triples)
