"""Words into sentences, and cues into words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from moodal.core.stream import Cue

__all__ = ["MAX_WORDS", "PAUSE_S", "SHORTEST_S", "Sentence", "Splitter", "Word", "cue_words"]

#: A pause this long ends a sentence even without a mark: speakers pause 0.2 to 1 s inside one.
PAUSE_S = 1.2
#: A sentence this long is cut: recognisers lose the marks now and then.
MAX_WORDS = 60
#: Shortest word: one step of Whisper's clock; recognisers give some words no length at all.
SHORTEST_S = 0.02

#: Mark and closing quotes at the end of a word that end a sentence.
_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*$")
#: Words with a full stop that end none.
_SHORT = re.compile(r"^[\"'“(]*(?:mr|mrs|ms|dr|prof|st|sr|jr|vs|[a-z])\.$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Word:
    """A word in ``[start, end)`` s with the recogniser's score (NaN where there is none)."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words that belong together."""

    words: tuple[Word, ...]

    @property
    def start(self) -> float:
        """Start of its first word, s."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """End of its last word, s."""
        return max(w.end for w in self.words)

    @property
    def text(self) -> str:
        """Its words with spaces between."""
        return " ".join(w.text for w in self.words)


class Splitter:
    """Sentences from a stream of words: they end at a mark, at a long pause, or when they grow too long."""

    def __init__(self) -> None:
        self._held: list[Word] = []

    @property
    def since(self) -> float | None:
        """Where the unfinished sentence began, s."""
        return self._held[0].start if self._held else None

    def push(self, word: Word) -> Iterator[Sentence]:
        """Take a word; give the sentences that ended."""
        if self._held and word.start - self._held[-1].end >= PAUSE_S:
            yield from self.close()
        self._held.append(word)
        ended = _END.search(word.text) and not _SHORT.match(word.text)
        if ended or len(self._held) >= MAX_WORDS:
            yield from self.close()

    def close(self) -> Iterator[Sentence]:
        """Give the unfinished sentence."""
        if self._held:
            yield Sentence(tuple(self._held))
            self._held = []


def cue_words(cue: Cue) -> tuple[Word, ...]:
    """A cue's words: its own times where it has them, else its time shared out by length.

    Times never leave the cue, rise, and no word is without length.
    """
    if cue.words:
        timed = [w for given in cue.words if (w := _timed(cue, *given)) is not None]
        if timed:
            return tuple(sorted(timed, key=lambda w: (w.start, w.end)))
    parts = cue.text.split()
    # A space counts as a letter, so that a pause is left to short words too.
    sizes = [len(p) + 1 for p in parts]
    whole = sum(sizes)
    edges = [cue.start]
    done = 0
    for size in sizes:
        done += size
        edges.append(min(cue.start + (cue.end - cue.start) * done / whole, cue.end))
    return tuple(Word(a, b, part, float("nan")) for part, a, b in zip(parts, edges, edges[1:], strict=False) if b > a)


def _timed(cue: Cue, start: float, end: float, text: str, probability: float) -> Word | None:
    """A word with times of its own, kept inside the cue; ``None`` where there is no word or no time."""
    if not (text.strip() and isfinite(start) and isfinite(end)):
        return None
    begin = min(max(start, cue.start), max(cue.end - SHORTEST_S, cue.start))
    stop = min(max(end, begin + SHORTEST_S), cue.end)
    # Some programs write log-probabilities or percentages here: what is no probability is no score.
    score = probability if 0.0 <= probability <= 1.0 else float("nan")
    return Word(begin, stop, text.strip(), score) if stop > begin else None
