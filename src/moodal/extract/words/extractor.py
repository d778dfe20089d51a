"""The pass over a recording's words: a transcript where there is one, else its sound."""

from __future__ import annotations

from math import isfinite

from moodal.core.errors import MissingExtra, ModelError
from moodal.core.extractor import MeasureContext
from moodal.core.stream import Chunk, SoundChunk, WordsChunk
from moodal.core.track import Piece

from .speech import FromSpeech
from .teller import Teller
from .transcript import FromTranscript, is_english

__all__ = ["WordsExtractor"]


class WordsExtractor:
    """Reads what it is given: cues, or sound through speech to text.

    ``context.options``: ``asr_model`` (folder of another faster-whisper model), ``language`` (code of what is
    spoken), ``model`` (a bundle of dialogues that tells the emotion instead of ``words-v0``), ``reads`` (``sound`` or
    ``words``, where it is known beforehand what will come).

    Raises
    ------
    MissingExtra : sound is to be read and faster-whisper is not installed.
    ModelError : sound is to be read and a model is not installed, or the text model is damaged.
    """

    def __init__(self, context: MeasureContext) -> None:
        self._context = context
        self._pass: FromTranscript | FromSpeech | _Withheld | None = None
        reads = context.options.get("reads")
        if reads is not None:
            self._pass = _speech(context) if reads == "sound" else FromTranscript(context)

    def push(self, chunk: Chunk) -> list[Piece]:
        """Take cues or sound; one pass takes one kind."""
        if isinstance(chunk, WordsChunk):
            if self._pass is None:
                self._pass = FromTranscript(self._context)
            return self._pass.push(chunk) if isinstance(self._pass, FromTranscript) else []
        if not isinstance(chunk, SoundChunk):
            return []
        if self._pass is None:
            # Nobody said beforehand that sound would come, so it is too late to refuse it: say why in the gaps.
            try:
                self._pass = _speech(self._context)
            except (MissingExtra, ModelError):
                self._pass = _Withheld(self._context, "no_model")
        return self._pass.push(chunk) if isinstance(self._pass, FromSpeech) else []

    def close(self) -> list[Piece]:
        """The rest, up to the span's end."""
        return (self._pass or _Withheld(self._context, "no_words")).close()


class _Withheld:
    """Nothing can be told, for one reason throughout."""

    def __init__(self, context: MeasureContext, reason: str) -> None:
        self._span = context.span
        self._teller = Teller(context, reason)

    def close(self) -> list[Piece]:
        return self._teller.until(self._span.end, last=True) if isfinite(self._span.end) else []


def _speech(context: MeasureContext) -> FromSpeech:
    from moodal.extract.voice.activity import SpeechDetector

    from .recogniser import Recogniser

    language = context.options.get("language")
    recogniser = Recogniser(context.options.get("asr_model"), language)
    foreign = language is not None and not recogniser.multilingual and not is_english(language)
    return FromSpeech(context, None if foreign else recogniser, SpeechDetector())
