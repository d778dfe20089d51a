"""Whether to believe what was recognised: tiny.en answers any sound with English words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .recogniser import Heard
from .sentences import Word

__all__ = ["BELIEVED", "first_sayings", "surprise", "why_not"]

#: Mean log-probability of a word, of those said for the first time, below which all are taken for invention.
#: The middle of the range with fewest errors on part A of acted English (RAVDESS), Polish (nEMO) and German
#: (EmoDB) clips of other speakers than part B; ``tools/words_gate.py`` counts the errors on both.
BELIEVED = -0.62
#: Score that nobody speaks above which doubtful words say "no words" rather than "another language":
#: instrumental music gave 0.46 to 0.91, Polish and German speech 0.01 to 0.3.
NOBODY_SPEAKS = 0.45


def first_sayings(words: Sequence[Word]) -> list[Word]:
    """Words that do not end three in a row said before.

    A recogniser that invents falls into loops, and is sure of itself from the second round on.
    """
    seen: set[tuple[str, ...]] = set()
    fresh = []
    plain = [w.text.lower().strip(".,;:!?\"'") for w in words]
    for i, word in enumerate(words):
        three = tuple(plain[max(i - 2, 0) : i + 1])
        if three not in seen:
            fresh.append(word)
        seen.add(three)
    return fresh


def surprise(words: Sequence[Word]) -> float:
    """Mean log-probability of the words said for the first time; minus infinity for no words."""
    if not words:
        return float("-inf")
    return float(np.mean([np.log(max(w.probability, 1e-4)) for w in first_sayings(words)]))


def why_not(heard: Heard) -> str | None:
    """Why nothing of a window is to be believed: ``language``, ``no_words``; ``None`` where it is."""
    if not any(c.isalpha() for w in heard.words for c in w.text):
        return "no_words"
    if surprise(heard.words) >= BELIEVED:
        return None
    return "no_words" if heard.no_speech > NOBODY_SPEAKS else "language"
