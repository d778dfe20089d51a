"""Subtitles of a Mood, whatever their spelling: what is said, and the emotion that is displayed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moodal.core.mood import Mood, Word

from .writer import one_line, person, set_words

__all__ = ["SubtitleCue", "cues", "stamp"]

#: A pause that begins a new cue, s, and the most words of one.
PAUSE_S, MAX_WORDS = 0.8, 14
#: A stretch without words gets a cue of its own only if it can be read, s.
LEAST_S = 0.5


@dataclass(frozen=True, slots=True)
class SubtitleCue:
    """``[start, end)`` in whole ms, who, the words on one line and the displayed label set in words, or none."""

    start: int
    end: int
    who: str
    said: str
    shown: str


def cues(mood: Mood) -> list[SubtitleCue]:
    """Every cue in order of time. Words are never left out; a stretch of which nothing is told says nothing."""
    found: list[SubtitleCue] = []
    subjects = mood.summary()["subjects"]
    for subject in subjects:
        mine = [w for w in mood.words if w.subject == subject["id"]]
        found += _of_subject(person(mood, subject["id"]), subject["segments"], mine)
    known = {s["id"] for s in subjects}
    others = [w for w in mood.words if w.subject not in known]
    for group in _groups(others):
        found += _spoken(group, person(mood, group[0].subject), "")
    return sorted(found, key=lambda c: (c.start, c.end, c.who))


def _of_subject(who: str, segments: list[dict[str, Any]], words: list[Word]) -> Iterator[SubtitleCue]:
    left = list(words)
    for index, segment in enumerate(segments):
        start, end, shown = segment["start_s"], segment["end_s"], set_words(segment["label_set"])
        last = index == len(segments) - 1
        mine = [w for w in left if last or (w.start + w.end) / 2 < end]
        left = [] if last else [w for w in left if (w.start + w.end) / 2 >= end]
        at = start
        for group in _groups(mine):
            yield from _alone(at, min(group[0].start, end), who, shown)
            yield from _spoken(group, who, shown)
            at = max(at, group[-1].end)
        yield from _alone(at, end, who, shown)
    for group in _groups(left):
        yield from _spoken(group, who, "")


def _alone(start: float, end: float, who: str, shown: str) -> Iterator[SubtitleCue]:
    if shown and end - start >= LEAST_S:
        yield SubtitleCue(round(start * 1000), round(end * 1000), who, "", shown)


def _spoken(group: list[Word], who: str, shown: str) -> Iterator[SubtitleCue]:
    said = " ".join(text for w in group if (text := one_line(w.text)))
    start = round(group[0].start * 1000)
    if said:
        yield SubtitleCue(start, max(start + 1, round(max(w.end for w in group) * 1000)), who, said, shown)


def _groups(words: list[Word]) -> Iterator[list[Word]]:
    """Words that follow each other, cut at pauses, at other speakers and at `MAX_WORDS`."""
    group: list[Word] = []
    for word in words:
        if group and (
            len(group) >= MAX_WORDS or word.start - group[-1].end > PAUSE_S or word.subject != group[0].subject
        ):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def stamp(ms: int, point: str) -> str:
    """``00:01:02,300`` with the format's own decimal sign."""
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"
