"""Schemes: what emotion may be called, and the written tables that map one onto another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .clock import FloatArray
from .errors import UsageError

__all__ = ["CIRCUMPLEX", "SCHEMES", "Scheme", "SchemeMapping", "mapping", "scheme", "to_ekman8"]


@dataclass(frozen=True, slots=True)
class Scheme:
    """A closed vocabulary: ``classes`` in fixed order, or none for the two dimensions of ``va``."""

    name: str
    classes: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class SchemeMapping:
    """A written table from one scheme to another.

    ``table (from, to)`` has rows that sum to 1; ``loss`` says what the mapping gives up.
    """

    source: str
    target: str
    table: FloatArray
    loss: str

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """``(..., from)`` scores to ``(..., to)``; the same array where nothing is to be mapped."""
        if self.source == self.target:
            return np.asarray(probabilities)
        # Row by row: a matrix product would round differently with the number of rows.
        return np.asarray((np.asarray(probabilities)[..., None] * self.table).sum(axis=-2))


EKMAN8 = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
SENTIMENT3 = ("negative", "neutral", "positive")
VOICE8 = ("neutral", "calm", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
STRESS2 = ("no stress", "stress")
WORKLOAD2 = ("rest", "task")
MELD7 = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
GOEMOTIONS28 = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity",
    "desire", "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear",
    "gratitude", "grief", "joy", "love", "nervousness", "optimism", "pride", "realization", "relief",
    "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip

SCHEMES: dict[str, Scheme] = {
    s.name: s
    for s in (
        Scheme("ekman8", EKMAN8, "Ekman 1992 (six basic emotions), Matsumoto 1992 (contempt), and neutral"),
        Scheme("sentiment3", SENTIMENT3, "polarity as in MELD, Poria et al. 2019"),
        Scheme("meld7", MELD7, "Poria et al. 2019, after Ekman 1992: six basic emotions and neutral"),
        Scheme("voice8", VOICE8, "Livingstone and Russo 2018: six basic emotions, neutral, and calm apart from it"),
        Scheme("stress2", STRESS2, "whether a stressor acts: Iqbal et al. 2022"),
        Scheme("workload2", WORKLOAD2, "rest, or mental arithmetic: Zyma et al. 2019"),
        Scheme("goemotions28", GOEMOTIONS28, "Demszky et al. 2020"),
        Scheme("va", (), "Russell 1980: valence and arousal in [-1, 1]"),
    )
}

#: Mean valence and arousal in [-1, 1] of each class of ekman8 at full intensity. Placed by hand after
#: the circumplex (Russell 1980; Russell and Mehrabian 1977 for order and sign): not measured here.
CIRCUMPLEX: dict[str, tuple[float, float]] = {
    "neutral": (0.0, -0.1),
    "happiness": (0.75, 0.35),
    "surprise": (0.15, 0.6),
    "sadness": (-0.6, -0.4),
    "anger": (-0.55, 0.65),
    "disgust": (-0.6, 0.25),
    "fear": (-0.6, 0.6),
    "contempt": (-0.5, 0.15),
}

_EKMAN8_TO_SENTIMENT3 = {
    "neutral": {"neutral": 1.0},
    "happiness": {"positive": 1.0},
    "surprise": {"negative": 0.3, "neutral": 0.4, "positive": 0.3},
    "sadness": {"negative": 1.0},
    "anger": {"negative": 1.0},
    "disgust": {"negative": 1.0},
    "fear": {"negative": 1.0},
    "contempt": {"negative": 1.0},
}

#: The same emotions by other names; contempt was no choice of MELD's annotators, so nothing maps to it.
_MELD7_TO_EKMAN8 = {c: {"happiness" if c == "joy" else c: 1.0} for c in MELD7}

#: RAVDESS's calm is how its actors speak when nothing moves them; contempt was not among its emotions.
_VOICE8_TO_EKMAN8 = {c: {"neutral" if c == "calm" else c: 1.0} for c in VOICE8}

#: Demszky et al. 2020 publish the grouping of 27 labels into Ekman's six; pride, realization and the
#: like stand where they put them. Contempt has no label of its own there, so nothing maps to it.
_GOEMOTIONS_GROUPS = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "happiness": (
        "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love",
        "optimism", "pride", "relief",
    ),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
    "neutral": ("neutral",),
}  # fmt: skip


def _table(source: Scheme, target: Scheme, rows: dict[str, dict[str, float]]) -> FloatArray:
    table = np.zeros((len(source.classes), len(target.classes)))
    for name, cells in rows.items():
        for to, share in cells.items():
            table[source.classes.index(name), target.classes.index(to)] = share
    return table


def scheme(name: str) -> Scheme:
    """The scheme of that name.

    Raises
    ------
    UsageError : no such scheme.
    """
    if name not in SCHEMES:
        raise UsageError(f"unknown scheme {name!r}", fix=f"Known: {', '.join(SCHEMES)}.")
    return SCHEMES[name]


def mapping(source: str, target: str) -> SchemeMapping:
    """The written table from ``source`` to ``target``.

    Raises
    ------
    UsageError : no table has been written for this pair.
    """
    a, b = scheme(source), scheme(target)
    if source == target:
        return SchemeMapping(source, target, np.eye(len(a.classes)), "")
    if (source, target) == ("ekman8", "sentiment3"):
        loss = "surprise is split over all three, because its sign is not told"
        return SchemeMapping(source, target, _table(a, b, _EKMAN8_TO_SENTIMENT3), loss)
    if (source, target) == ("goemotions28", "ekman8"):
        rows = {label: {to: 1.0} for to, labels in _GOEMOTIONS_GROUPS.items() for label in labels}
        loss = "28 labels fold into 7; contempt is never told by it"
        return SchemeMapping(source, target, _table(a, b, rows), loss)
    if (source, target) == ("meld7", "ekman8"):
        loss = "contempt is never told by it"
        return SchemeMapping(source, target, _table(a, b, _MELD7_TO_EKMAN8), loss)
    if (source, target) == ("voice8", "ekman8"):
        return SchemeMapping(
            source, target, _table(a, b, _VOICE8_TO_EKMAN8), "calm counts as neutral; contempt is never told by it"
        )
    if source in ("meld7", "voice8") and target == "sentiment3":
        through = mapping("ekman8", target)
        table = mapping(source, "ekman8").table @ through.table
        return SchemeMapping(source, target, table, through.loss)
    if target == "va":
        return SchemeMapping(
            source, target, np.zeros((len(a.classes), 0)), "classes are dropped, valence and arousal stay"
        )
    pairs = (
        ("ekman8", "sentiment3"), ("goemotions28", "ekman8"), ("meld7", "ekman8"), ("meld7", "sentiment3"),
        ("voice8", "ekman8"), ("voice8", "sentiment3"),
    )  # fmt: skip
    told = ", ".join(t for t in SCHEMES if t == source or (source, t) in pairs or t == "va")
    raise UsageError(f"no table maps {source} to {target}", where="--scheme", fix=f"From {source} there are: {told}.")


def to_ekman8(source: str, classes: Sequence[str]) -> SchemeMapping:
    """The table from a model's own classes, in its order, to ekman8.

    ``source`` is the scheme they follow; a vocabulary without a scheme leads there if all of its classes are classes of
    ekman8.

    Raises
    ------
    UsageError : nothing leads there.
    """
    known = SCHEMES.get(source)
    if known is not None and set(classes) <= set(known.classes):
        written = mapping(source, "ekman8")
        rows = [known.classes.index(c) for c in classes]
        return SchemeMapping(source, "ekman8", written.table[rows], written.loss)
    if not classes or not set(classes) <= set(EKMAN8):
        raise UsageError(f"no table maps {', '.join(classes) or source} to ekman8", where=source)
    table = np.array([[float(a == b) for b in EKMAN8] for a in classes])
    never = [c for c in EKMAN8 if c not in classes]
    loss = f"{', '.join(never)} {'is' if len(never) == 1 else 'are'} never told by it" if never else ""
    return SchemeMapping(source, "ekman8", table, loss)
