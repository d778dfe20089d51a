"""What tells the emotion of a sentence: the text model that ships, or a dialogue model that somebody chose."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.expert import HALF_WIDTH
from moodal.core.scheme import CIRCUMPLEX, scheme
from moodal.dsp.text import is_sign, is_word, tokens

from .dialogue import DialogueModel, Running
from .expert import LabelRunner, ValueRunner
from .model import DIMENSIONS, TextModel

__all__ = ["DialogueScorer", "ExpertScorer", "Scorer", "SentenceScorer", "Told"]

#: Cues before the present one that speak for its language too, and how many times the evidence is needed that a
#: sentence alone needs against English. Of MELD's 11 098 utterances two are then taken for another language, of which
#: one is; a foreign sentence of four words or more still is.
LANGUAGE_CUES, LANGUAGE_FLOORS = 5, 5.0


@dataclass(frozen=True)
class Told:
    """``values (14,)`` as `moodal.extract.words.tracks.EMOTION` names them; ``weight`` in [0, 1] of what they rest
    on."""

    values: FloatArray
    weight: float


class Scorer(Protocol):
    """Takes the sentences of a recording in order."""

    def tell(self, text: str, speaker: str, reason: str | None) -> Told | str:
        """What a sentence shows, or the reason why that is not told; ``reason`` withholds it beforehand."""
        ...


class SentenceScorer:
    """Each sentence for itself, by the bundle ``words-v0``."""

    def __init__(self, model: TextModel) -> None:
        self._model = model

    def tell(self, text: str, speaker: str, reason: str | None) -> Told | str:
        """As `Scorer.tell`; who speaks changes nothing."""
        if reason is None and not any(is_word(t) or is_sign(t) for t in tokens(text)):
            reason = "no_words"
        if reason is None and self._model.english(text) < self._model.english_floor:
            reason = "language"
        if reason is not None:
            return reason
        scored = self._model.score(text)
        if scored is None:
            return "out_of_domain"
        # Two known words count a third more than one; from ten on it hardly matters.
        return Told(
            np.concatenate([scored.classes, scored.affect, scored.half_width]), scored.known / (scored.known + 1.0)
        )


class ExpertScorer:
    """Each sentence for itself, by the bundles ``words`` and, where there is one that reads by the same encoder,
    ``words-vad``; else valence and arousal are those of the classes, mapped."""

    def __init__(self, labels: LabelRunner, values: ValueRunner | None) -> None:
        self._labels = labels
        self._values = values if values is not None and values.reader is labels.reader else None
        self._place = np.array([CIRCUMPLEX[c] for c in scheme("ekman8").classes])

    def tell(self, text: str, speaker: str, reason: str | None) -> Told | str:
        """As `Scorer.tell`; who speaks changes nothing."""
        read = self._labels.reader.read(text) if reason is None else reason
        if isinstance(read, str):
            return read
        told = self._labels.tell(read)
        if told.withheld:
            return told.withheld
        classes = self._labels.in_scheme("ekman8", told.scores)
        if self._values is None:
            valence, arousal = (classes[:, None] * self._place).sum(axis=0)
            affect = [valence, arousal, np.nan, HALF_WIDTH["valence"], HALF_WIDTH["arousal"], np.nan]
        else:
            found = self._values.tell(read)
            assert found.half_width is not None
            affect = [*found.scores, *found.half_width]
        said = sum(is_word(t) or is_sign(t) for t in tokens(text))
        return Told(np.concatenate([classes, affect]), said / (said + 1.0))


class DialogueScorer:
    """Each sentence with those before it. ``language`` tells whether they are English, as far as they are words."""

    def __init__(self, model: DialogueModel, language: TextModel) -> None:
        self._running = Running(model)
        self._language = language
        self._evidence: deque[float] = deque(maxlen=LANGUAGE_CUES + 1)
        half = model.expert.half_width
        self._half_width = np.array([half.get(d, np.nan) for d in DIMENSIONS])

    def tell(self, text: str, speaker: str, reason: str | None) -> Told | str:
        """As `Scorer.tell`; sentences that are withheld have been said all the same, and are past to later ones."""
        self._evidence.append(self._language.english(text))
        scores = self._running.tell(text, speaker)
        if reason is None and sum(self._evidence) < LANGUAGE_FLOORS * self._language.english_floor:
            reason = "language"
        if reason is not None or scores is None:
            return reason or "no_words"
        model = self._running.model
        classes = model.mapping.apply(scores)
        valence, arousal = (classes[:, None] * model.place).sum(axis=0)
        return Told(np.concatenate([classes, [valence, arousal, np.nan], self._half_width]), 1.0)
