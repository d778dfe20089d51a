"""States of a recording that the page must show well, made up from `moods.make_mood`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from moodal.core.clock import Timeline
from moodal.core.mood import Mood, MoodGap, SubjectMood, Word, smallest_set
from moodal.core.scheme import scheme
from moodal.core.stream import Stream
from moods import make_mood

LABELS = scheme("ekman8").classes


def with_states(
    states: list[tuple[float, float, tuple[str, ...]]], duration_s: float = 100.0, **options: object
) -> Mood:
    """One person told from ``start`` to ``end`` with equal scores on some labels, and nothing elsewhere."""
    mood = make_mood(duration_s=duration_s, persons=1, **options)  # type: ignore[arg-type]
    old = mood.subjects["p1"]
    n = len(mood.times)
    scores = np.full((n, len(LABELS)), np.nan)
    for start, end, labels in states:
        inside = (mood.times >= start - 1e-9) & (mood.times < end - 1e-9)
        scores[inside] = 0.0
        for label in labels:
            scores[inside, LABELS.index(label)] = 1 / len(labels)
    told = np.isfinite(scores[:, 0])
    value = np.where(told, 0.2, np.nan)
    numbers = np.stack([value, value - 0.1, value + 0.1], 1)
    shares = {m: told.astype(float) if m == "face" else np.zeros(n) for m in mood.modalities}
    subject = SubjectMood(
        "p1", old.seen, numbers, numbers, {"ekman8": scores}, {"ekman8": smallest_set(scores)}, shares, shares, shares
    )
    gaps = [MoodGap("p1", "face", *span, "occluded") for span in Timeline.from_mask(~told, mood.edges)]
    gaps += [MoodGap("p1", m, 0.0, duration_s, r) for m, r in (("voice", "silence"), ("words", "no_words"))]
    return replace(mood, subjects={"p1": subject}, gaps=tuple(gaps))


def only(subject: str, kinds: tuple[str, ...], **options: object) -> Mood:
    """A recording of one unseen subject: a voice, or a text."""
    mood = make_mood(persons=1, **options)  # type: ignore[arg-type]
    old = replace(mood.subjects["p1"], id=subject, seen=Timeline())
    return replace(
        mood,
        subjects={subject: old},
        streams=tuple(Stream(k, k, None, 0.0, mood.duration_s) for k in kinds),  # type: ignore[arg-type]
        gaps=tuple(replace(g, subject=subject) for g in mood.gaps),
        words=tuple(replace(w, subject=subject) for w in mood.words),
        tracks={},
    )


def text_mood() -> Mood:
    """Plain text: three sentences, positions instead of times."""
    mood = only("text", ("words",), duration_s=3.0, step_s=1.0, recording="letter.txt")
    said = tuple(
        Word(float(k), k + 1.0, t, "text") for k, t in enumerate(("I was glad.", "Then it rained.", "We laughed."))
    )
    return replace(mood, clock="order", words=said)


def still_mood() -> Mood:
    """A still picture with two persons."""
    mood = make_mood(persons=2, duration_s=1.0, step_s=1.0, recording="group.jpg")
    return replace(mood, still=True, words=(), streams=(Stream("picture", "picture", 1.0, 0.0, 1.0),))


def nobody_mood() -> Mood:
    """Nothing told about anybody."""
    gaps = tuple(
        MoodGap("", m, 0.0, 24.6, r) for m, r in (("face", "no_face"), ("voice", "silence"), ("words", "no_words"))
    )
    return replace(make_mood(persons=0), gaps=gaps, words=())


def no_numbers(mood: Mood) -> Mood:
    """The same with valence and arousal withheld throughout."""
    subjects = {
        k: replace(s, valence=np.full_like(s.valence, np.nan), arousal=np.full_like(s.arousal, np.nan))
        for k, s in mood.subjects.items()
    }
    return replace(mood, subjects=subjects, basis={"valence": "none", "arousal": "none"})


STATES = {
    "two persons": lambda: make_mood(),
    "calibrated": lambda: make_mood(calibrated=True),
    "one person": lambda: make_mood(persons=1),
    "seven persons": lambda: make_mood(persons=7),
    "ten persons": lambda: make_mood(persons=10),
    "0.2 s": lambda: make_mood(duration_s=0.2, persons=1),
    "sound only": lambda: only("voice", ("sound",), recording="call.mp3"),
    "text": text_mood,
    "still picture": still_mood,
    "nothing told": nobody_mood,
    "valence and arousal only": lambda: make_mood(schemes=("va",)),
    "classes only": lambda: no_numbers(make_mood()),
    "sentiment": lambda: make_mood(schemes=("sentiment3", "ekman8")),
    "in part": lambda: replace(make_mood(), warnings=("talk.mp4: sound breaks off at 12.0 s, the file is damaged.",)),
}
