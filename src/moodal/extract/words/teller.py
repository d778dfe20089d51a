"""Words and sentences into pieces of the two tracks, with every stretch accounted for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.expert import find_expert
from moodal.core.extractor import MeasureContext
from moodal.core.track import Gap, Piece

from .dialogue import open_dialogue
from .expert import open_label, open_value
from .ledger import Ledger
from .model import open_model
from .scorer import DialogueScorer, ExpertScorer, Scorer, SentenceScorer
from .sentences import Word
from .tracks import EMOTION, TRANSCRIPT

__all__ = ["PATIENCE_S", "Teller"]

#: Hours of silence are told of in parts of this length, not each second.
PATIENCE_S = 30.0


class Teller:
    """Takes words and sentences in order of their starts, gives pieces.

    ``subject`` is ``text`` for plain text without times, else ``voice``.
    """

    def __init__(self, context: MeasureContext, default: str = "no_words") -> None:
        self.subject = "text" if context.clock == "order" else "voice"
        self._transcript = context.wants(TRANSCRIPT.name)
        self._scorer: Scorer | None = _scorer(context) if context.wants(EMOTION.name) else None
        self._word_ledger = Ledger(context.span.start, default)
        self._ledger = Ledger(context.span.start, default)
        self._told = context.span.start
        self._words: list[Word] = []
        self._rows: list[tuple[float, float, str, FloatArray, float]] = []

    def words(self, words: Sequence[Word]) -> None:
        """Words as they were said; they may come before words said earlier, back to the last `until`."""
        if self._transcript:
            self._words += words
            for word in words:
                self._word_ledger.cover(word.start, word.end)

    def sentence(
        self, start: float, end: float, text: str, probability: float, reason: str | None = None, speaker: str = ""
    ) -> None:
        """A sentence to be scored; ``reason`` withholds it beforehand.

        ``probability`` is the mean score of its words, 1 for a given text; ``speaker`` who says it, where known.
        """
        if self._scorer is None:
            return
        told = self._scorer.tell(text, speaker, reason)
        if isinstance(told, str):
            self._ledger.explain(start, end, told)
            return
        self._rows.append((start, end, text, told.values, probability * told.weight))
        self._ledger.cover(start, end)

    def explain(self, start: float, end: float, reason: str) -> None:
        """Why neither words nor emotion are told in ``[start, end)``, where that is so."""
        self._word_ledger.explain(start, end, reason)
        self._ledger.explain(start, end, reason)

    def until(self, end: float, *, last: bool = False) -> list[Piece]:
        """Pieces with all that starts before ``end``; nothing earlier may come afterwards.

        Without words, and unless it is the ``last`` time, gaps wait until there is something to tell of.
        """
        news = any(w.start < end for w in self._words) or any(r[0] < end for r in self._rows)
        if not (last or news or end - self._told >= PATIENCE_S):
            return []
        self._told = max(self._told, end)
        pieces = []
        if self._transcript:
            ready = sorted((w for w in self._words if w.start < end), key=lambda w: (w.start, w.end))
            self._words = [w for w in self._words if w.start >= end]
            pieces.append(self._word_piece(ready, self._word_ledger.until(end)))
        if self._scorer is not None:
            rows = [r for r in self._rows if r[0] < end]
            self._rows = [r for r in self._rows if r[0] >= end]
            pieces.append(self._emotion_piece(rows, self._ledger.until(end)))
        return [p for p in pieces if len(p.times) or p.gaps]

    def _word_piece(self, words: list[Word], gaps: tuple[Gap, ...]) -> Piece:
        probability = np.array([w.probability for w in words], np.float32)
        return Piece(
            TRANSCRIPT.name,
            self.subject,
            np.array([w.start for w in words], float),
            probability[:, None],
            # A given transcript has no score to doubt.
            np.where(np.isnan(probability), np.float32(1), probability).astype(np.float32),
            gaps,
            np.array([w.end for w in words], float),
            tuple(w.text for w in words),
        )

    def _emotion_piece(self, rows: list[tuple[float, float, str, FloatArray, float]], gaps: tuple[Gap, ...]) -> Piece:
        values = [r[3] for r in rows]
        return Piece(
            EMOTION.name,
            self.subject,
            np.array([r[0] for r in rows], float),
            np.array(values, np.float32).reshape(len(rows), len(EMOTION.fields)),
            np.array([r[4] for r in rows], np.float32),
            gaps,
            np.array([r[1] for r in rows], float),
            tuple(r[2] for r in rows),
        )


def _scorer(context: MeasureContext) -> Scorer:
    """The dialogue model that was chosen for words, else the trained experts, else the text model of old."""
    chosen = context.options.get("model")
    expert = find_expert(chosen) if chosen else None
    if expert is not None and expert.modality == "words":
        return DialogueScorer(open_dialogue(expert), open_model())
    experts = context.options.get("experts", {})
    if "words" not in experts:
        return SentenceScorer(open_model())
    values = open_value(experts["words-vad"]) if "words-vad" in experts else None
    return ExpertScorer(open_label(experts["words"]), values)
