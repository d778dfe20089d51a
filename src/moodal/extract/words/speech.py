"""Sound to words and sentences: find speech, recognise it window by window, withhold what is not to be believed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import isfinite

from moodal.core.errors import InputError, ModelError
from moodal.core.extractor import MeasureContext
from moodal.core.stream import SoundChunk
from moodal.core.track import Piece

from .gate import BELIEVED, surprise, why_not
from .recogniser import Recogniser
from .sentences import PAUSE_S, Sentence, Splitter
from .sound import Block, Blocks
from .teller import Teller
from .transcript import is_english
from .windows import RATE, Detector, Packer, Window

__all__ = ["FromSpeech"]

#: Words of a doubtful sentence up to which it is taken for noise at the edge of speech.
SCRAPS = 2


class FromSpeech:
    """Speech to text over a sound stream; ``recogniser`` ``None`` withholds all speech, reason ``language``."""

    def __init__(self, context: MeasureContext, recogniser: Recogniser | None, detector: Detector) -> None:
        self._span = context.span
        self._teller = Teller(context)
        self._recogniser = recogniser
        self._blocks = Blocks()
        self._packer = Packer(detector)
        self._splitter = Splitter()
        self._english = True
        self._said = context.span.start
        self._heard = round(context.span.start * RATE)

    def push(self, chunk: SoundChunk) -> list[Piece]:
        """Take sound.

        Raises
        ------
        InputError : not at 16 kHz.
        """
        if chunk.rate_hz != RATE:
            raise InputError(f"is at {chunk.rate_hz} Hz", where=chunk.stream, fix="Words are recognised at 16000 Hz.")
        pieces: list[Piece] = []
        for block in self._blocks.push(chunk.samples, chunk.start_sample):
            pieces += self._take(block)
        return pieces

    def close(self) -> list[Piece]:
        """The rest, up to the span's end."""
        pieces: list[Piece] = []
        for block in self._blocks.close():
            pieces += self._take(block)
        for window in self._packer.close():
            self._hear(window)
        self._sentences(self._splitter.close())
        end = self._span.end if isfinite(self._span.end) else self._heard / RATE
        self._teller.explain(self._heard / RATE, end, "no_stream")
        return pieces + self._teller.until(end, last=True)

    def _take(self, block: Block) -> list[Piece]:
        if block.start > self._heard:
            # Before the first sound there was no stream; after it, a hole.
            why = "no_stream" if self._heard <= round(self._span.start * RATE) else "unreadable"
            self._teller.explain(self._heard / RATE, block.start / RATE, why)
        for first, last, why in block.reasons:
            self._teller.explain(first / RATE, last / RATE, why)
        for window in self._packer.push(block.samples, block.start):
            self._hear(window)
        self._heard = block.start + len(block.samples)
        pending = self._packer.pending
        # A stretch may yet be found to have begun a little before the end of what was heard.
        final = (self._heard if pending is None else pending) / RATE - (0.0 if pending is not None else 2.0)
        since = self._splitter.since
        if since is not None and final - self._said >= PAUSE_S:
            self._sentences(self._splitter.close())
            since = None
        return self._teller.until(final if since is None else min(final, since))

    def _hear(self, window: Window) -> None:
        if self._recogniser is None:
            self._withhold(window, "language")
            return
        try:
            heard = self._recogniser.hear(window)
        except ModelError:
            self._withhold(window, "no_model")
            return
        why = why_not(heard)
        if why is not None:
            self._withhold(window, why)
            return
        english = is_english(heard.language)
        if english != self._english:
            self._sentences(self._splitter.close())
            self._english = english
        for word in heard.words:
            # The padding of the last stretch may reach past the end of the sound.
            said = replace(word, end=min(word.end, self._span.end))
            if said.end > said.start:
                self._sentences(self._splitter.push(said))
                self._said = said.end

    def _withhold(self, window: Window, why: str) -> None:
        self._sentences(self._splitter.close())
        for start, end in window.spans:
            self._teller.explain(start, end, why)

    def _sentences(self, ended: Iterable[Sentence]) -> None:
        for sentence in ended:
            if surprise(sentence.words) < BELIEVED:
                # One speaker of a window may well speak another language than the rest; a word or two are scraps.
                why = "language" if len(sentence.words) > SCRAPS else "no_words"
                self._teller.explain(sentence.start, sentence.end, why)
                continue
            self._teller.words(sentence.words)
            probability = sum(w.probability for w in sentence.words) / len(sentence.words)
            reason = None if self._english else "language"
            self._teller.sentence(sentence.start, sentence.end, sentence.text, probability, reason)
