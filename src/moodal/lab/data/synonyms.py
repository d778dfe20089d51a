"""Words for one and the same class: how data sets spell what a scheme calls by another name.

A source label and what it became are both kept wherever this is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moodal.core.errors import UsageError
from moodal.core.scheme import SCHEMES, mapping

__all__ = ["DIMENSIONS", "GROUPS", "Resolved", "dimension", "resolve", "spelt"]

#: Words that mean one class; a scheme's own name for it is whichever of them it has.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("neutral", "neu", "neutrality", "normal", "no emotion"),
    ("happiness", "happy", "hap", "joy", "joyful", "joyfulness", "enjoyment"),
    ("sadness", "sad", "sorrow", "sorrowful"),
    ("anger", "angry", "ang", "angriness", "mad"),
    ("fear", "fearful", "fea", "scared", "afraid"),
    ("surprise", "surprised", "sur", "ps", "pleasant surprise", "pleasantly surprised"),
    ("disgust", "disgusted", "dis"),
    ("contempt", "contemptuous"),
    ("calm", "calmness"),
    ("excitement", "excited", "exc"),
    ("frustration", "frustrated", "fru"),
    ("boredom", "bored"),
    ("nervousness", "nervous", "anxiety", "anxious", "worry", "worried"),
    ("embarrassment", "embarrassed", "shame", "ashamed"),
    ("remorse", "guilt", "guilty", "remorseful"),
    ("admiration", "admiring"), ("amusement", "amused"), ("annoyance", "annoyed"), ("approval", "approving"),
    ("caring",), ("confusion", "confused"), ("curiosity", "curious"), ("desire", "desiring"),
    ("disappointment", "disappointed"), ("disapproval", "disapproving"), ("gratitude", "grateful"),
    ("grief", "grieving"), ("love", "loving"), ("optimism", "optimistic"), ("pride", "proud"),
    ("realization", "realisation"), ("relief", "relieved"),
    ("positive", "pos"), ("negative", "neg"),
    # Two states of a body; a scheme has either pair, and a table of measurements says 0 and 1.
    ("stress", "task", "stressed", "load", "high", "mental arithmetic", "arithmetic", "counting", "1", "yes", "true"),
    ("no stress", "rest", "no-stress", "not stressed", "unstressed", "none", "baseline", "resting", "relaxed", "low",
     "background", "0", "no", "false"),
)  # fmt: skip

#: A scheme without the first is given the second: RAVDESS's calm is how its actors speak when nothing moves them.
_NEAREST = {"calm": "neutral"}

#: Names of dimensions.
DIMENSIONS: dict[str, tuple[str, ...]] = {
    "valence": ("valence", "v", "val", "pleasure", "pleasantness", "emoval"),
    "arousal": ("arousal", "a", "aro", "act", "activation", "emoact"),
    "dominance": ("dominance", "d", "dom", "power", "emodom"),
}

_GROUP_OF = {word: group for group in GROUPS for word in group}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a label became. ``how``: ``same``, ``synonym``, ``scheme`` (a written table between two), ``nearest``."""

    name: str
    how: str


def _plain(label: str) -> str:
    return " ".join(label.casefold().replace("_", " ").split())


def spelt(label: str, classes: Sequence[str]) -> Resolved | None:
    """The class of that name, or of a synonym of it; None where there is none."""
    plain = _plain(label)
    by_name = {_plain(c): c for c in classes}
    if plain in by_name:
        return Resolved(by_name[plain], "same")
    for word in _GROUP_OF.get(plain, ()):
        if _plain(word) in by_name:
            return Resolved(by_name[_plain(word)], "synonym")
    return None


def resolve(label: str, classes: Sequence[str], scheme: str = "") -> Resolved | None:
    """The class that a label means: by name, by synonym, by the table from another scheme, or the nearest there is.

    Of a table's row the largest share counts (GoEmotions' ``gratitude`` is ekman8's ``happiness``); None where nothing
    leads to one of the classes.
    """
    if found := spelt(label, classes):
        return found
    for source, known in SCHEMES.items():
        if not scheme or source == scheme or scheme not in SCHEMES:
            continue
        inside = spelt(label, known.classes)
        if inside is None:
            continue
        try:
            table = mapping(source, scheme).table
        except UsageError:
            continue
        if not table.shape[1]:
            continue
        row = table[known.classes.index(inside.name)]
        if row.max() > 0:
            target = SCHEMES[scheme].classes[int(np.argmax(row))]
            if target in classes:
                return Resolved(target, "scheme")
    nearest = _NEAREST.get(next(iter(_GROUP_OF.get(_plain(label), ("",)))))
    found = spelt(nearest, classes) if nearest else None
    return Resolved(found.name, "nearest") if found else None


def dimension(name: str) -> str | None:
    """``valence``, ``arousal`` or ``dominance`` for a column's name; None for another."""
    plain = _plain(name)
    return next((d for d, words in DIMENSIONS.items() if plain in words), None)
