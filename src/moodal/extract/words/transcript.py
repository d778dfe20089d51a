"""A given transcript: cues into words and utterances."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from moodal.core.extractor import MeasureContext
from moodal.core.stream import WordsChunk
from moodal.core.track import Piece

from .sentences import cue_words
from .teller import Teller

__all__ = ["FromTranscript"]


class FromTranscript:
    """Each cue is one utterance and is never split; its words share its time where it has no times for them."""

    def __init__(self, context: MeasureContext) -> None:
        self._span = context.span
        self._teller = Teller(context)
        self._language = context.options.get("language")
        self._last = self._until = context.span.start

    def push(self, chunk: WordsChunk) -> list[Piece]:
        """Take cues, in order of their starts over all chunks."""
        language = self._language or chunk.language
        reason = "language" if language and not is_english(language) else None
        for cue in sorted(chunk.cues, key=lambda c: c.start):
            start, end = max(cue.start, self._span.start), min(cue.end, self._span.end)
            if end <= start:
                continue
            words = cue_words(cue)
            inside = [
                replace(w, start=max(w.start, start), end=min(w.end, end))
                for w in words
                if w.end > start and w.start < end
            ]
            told = [w.probability for w in words if w.probability == w.probability]
            self._teller.words(inside)
            self._teller.sentence(
                start, end, cue.text, sum(told) / len(told) if told else 1.0, reason, cue.speaker or ""
            )
            self._last, self._until = max(self._last, start), max(self._until, end)
        return self._teller.until(self._last)

    def close(self) -> list[Piece]:
        """The rest, up to the span's end."""
        return self._teller.until(self._span.end if isfinite(self._span.end) else self._until, last=True)


def is_english(language: str) -> bool:
    """Whether a language code or name means English (``en``, ``en-GB``, ``eng``, ``English``)."""
    return language.strip().lower().replace("_", "-").split("-")[0] in ("en", "eng", "english")
