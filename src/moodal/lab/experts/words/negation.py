"""Sentences made by rule that say a feeling is not there, or is: comments rarely say so plainly, and who learns of them
alone takes "I am not afraid" for fear.

Labels are given by hand, as shares: what is denied is not told; the denial of something pleasant displeases, that of
something unpleasant is mostly neutral. The words of the written tests (happy, sad, angry, afraid, grateful) are not
among them, so that these ask whether it was understood.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import GOEMOTIONS28

__all__ = ["negated"]

#: Words by the label that they name.
_NAMED = {
    "sadness": ("unhappy", "depressed", "heartbroken", "miserable", "upset"),
    "anger": ("mad", "furious", "outraged"),
    "annoyance": ("annoyed", "irritated", "bothered"),
    "fear": ("scared", "frightened", "terrified"),
    "nervousness": ("nervous", "worried", "anxious"),
    "disgust": ("disgusted", "grossed out"),
    "embarrassment": ("embarrassed", "ashamed"),
    "disappointment": ("disappointed", "let down"),
    "joy": ("glad", "delighted", "pleased"),
    "excitement": ("excited", "thrilled"),
    "gratitude": ("thankful", "appreciative"),
    "pride": ("proud",),
    "optimism": ("hopeful", "optimistic"),
    "surprise": ("surprised", "shocked", "amazed"),
    "confusion": ("confused",),
}
_PLEASANT = ("joy", "excitement", "gratitude", "pride", "optimism")
_PLAIN = ("I'm {}.", "I feel {} right now.", "he was so {}", "We are really {}!", "she is {} about it")
_DENIED = (
    "I was not {}.", "i'm not {}", "I am not {} at all.", "I don't feel {}.", "He isn't {}.",
    "They weren't {} about it.",
    "I'm really not {} about that!", "I am never {}.", "Not {}, just tired.", "she was not {} anymore",
    "I'm not even {}", "nobody here is {}", "We are not {} now",
)  # fmt: skip
_DOUBLE = (
    "It's not like I'm not {}.", "I'm not saying I'm not {}.", "You can't say they aren't {}.",
    "There is no way he is not {}.", "It isn't that we're not {}",
)  # fmt: skip
#: Shares of labels where something is denied.
_NOT_PLEASANT = {"disapproval": 0.3, "disappointment": 0.35, "sadness": 0.2, "annoyance": 0.15, "neutral": 0.35}
_NOT_UNPLEASANT = {"neutral": 0.65, "approval": 0.25}
_NEITHER = {"neutral": 0.7}


def negated() -> tuple[list[str], npt.NDArray[np.float32]]:
    """The sentences, and ``(n, 28)`` what share of readers each label might have."""
    texts: list[str] = []
    rows: list[dict[str, float]] = []
    for label, named in _NAMED.items():
        if label in _PLEASANT:
            denied = _NOT_PLEASANT
        else:
            denied = _NEITHER if label in ("surprise", "confusion") else _NOT_UNPLEASANT
        for word in named:
            for told, shares in ((_PLAIN, {label: 0.9}), (_DENIED, {**denied, label: 0.04}),
                                 (_DOUBLE, {label: 0.5, "neutral": 0.4})):  # fmt: skip
                texts += [t.format(word) for t in told]
                rows += [shares] * len(told)
    target = np.zeros((len(texts), len(GOEMOTIONS28)), np.float32)
    for i, shares in enumerate(rows):
        for label, share in shares.items():
            target[i, GOEMOTIONS28.index(label)] = share
    return texts, target
