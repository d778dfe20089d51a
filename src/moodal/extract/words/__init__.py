"""Words: speech to text or a transcript, and the emotion each sentence shows."""

from __future__ import annotations

from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext

from .tracks import EMOTION, TRANSCRIPT

__all__ = ["SPEC"]


def _make(context: MeasureContext) -> Extractor:
    from .extractor import WordsExtractor

    return WordsExtractor(context)


SPEC = ExtractorSpec(
    "words",
    ("words", "sound"),
    (TRANSCRIPT, EMOTION),
    ("whisper-tiny.en", "silero-vad", "words-v0"),
    _make,
    takes=("words.transcript",),
)
