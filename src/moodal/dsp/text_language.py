"""Is a text English? Log-odds of its words and letter triples against other languages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

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
    features = [list(language_features(word)) for word in tokens(text) if is_word(word)]
    if not features:
        return 0.0
    lengths = np.array([len(f) for f in features])
    starts = np.cumsum(lengths) - lengths
    found = keys(chain.from_iterable(features))
    at = np.minimum(np.searchsorted(known, found), len(known) - 1)
    hit = known[at] == found
    values = np.where(hit, odds[at], unknown).astype(np.float64)
    own = values[starts]
    # Every word has a triple: with its two edges it is three characters at least.
    triples = (np.add.reduceat(values, starts) - own) / (lengths - 1)
    return float(np.where(hit[starts], own, triples).sum())
