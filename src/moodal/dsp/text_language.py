"""Is a text English? Log-odds of its words and letter triples against other languages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .text import is_word, keys, tokens

__all__ = ["english_evidence", "language_features"]


def language_features(word: str) -> Iterator[str]:
    """The word itself, then its letter triples with its edges."""
    yield f"={word}"
    edged = f"<{word}>"
    for i in range(len(edged) - 2):
        yield edged[i : i + 3]


def english_evidence(text: str, known: npt.NDArray[np.uint32], odds: npt.NDArray[np.floating], unknown: float) -> float:
    """Log-odds in nats that a text is English, summed over its words; 0 where it has none.

    ``known (n,)`` keys in rising order, ``odds (n,)`` their log-odds (English above 0), ``unknown`` that
    of a triple no language of the training set has. A word counts by its own odds where they are
    known, else by the mean of its triples: they are too dependent to be summed.
    """
    total = 0.0
    for word in tokens(text):
        if not is_word(word):
            continue
        found = keys(language_features(word))
        at = np.minimum(np.searchsorted(known, found), len(known) - 1)
        values = np.where(known[at] == found, odds[at], unknown)
        total += float(values[0] if known[at[0]] == found[0] else values[1:].mean())
    return total
