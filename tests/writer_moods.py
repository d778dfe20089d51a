"""Moods that writers must write well, beside the page's: body signals, faces frame by frame, hostile text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from moodal.core.mood import Mood, Word
from moodal.core.scheme import scheme
from moodal.core.stream import Stream
from moodal.core.track import Field, Gap, Track, TrackSet, TrackSpec
from moods import make_mood
from page_moods import STATES

HOSTILE = "=cmd|' /C calc'!A0 --> <i>tag</i>\r\n\r\n{\\an8}</v>&amp;\x00\x1b\u2028\ud800 \"quoted\", ]]> 1\n"


def hostile() -> Mood:
    """Names, words and the recording's own name that try to be something else."""
    mood = make_mood(recording="../../=a<b>&\n.mp4", persons=2)
    said = tuple(Word(2.0 + 0.4 * i, 2.3 + 0.4 * i, HOSTILE if i % 2 else "plain", f"p{1 + i % 2}") for i in range(6))
    people = {"edits": [], "names": {"p1": HOSTILE, "p2": "-->"}, "merged": {}}
    return replace(mood, words=said, warnings=(HOSTILE,), provenance={**mood.provenance, "people": people})


def track(name: str, fields: dict[str, np.ndarray], times: np.ndarray, subject: str = "p1", gaps: tuple = ()) -> Track:
    spec = TrackSpec(name, tuple(Field(f) for f in fields), None, "made up")
    values = np.stack(list(fields.values()), 1).astype(np.float32)
    return Track(spec, subject, times, values, np.full(len(times), 0.9, np.float32), gaps)


def with_tracks(mood: Mood, *tracks: Track) -> Mood:
    sets = {t.spec.name: TrackSet(t.spec, {t.subject: t}) for t in tracks}
    return replace(mood, tracks={**mood.tracks, **sets})


def body() -> Mood:
    """One person with every body signal; the heart is not told from 8 to 12 s."""
    duration = 20.0
    mood = make_mood(duration_s=duration, persons=1, recording="walk.mp4")
    at = {rate: np.arange(0, duration, 1 / rate) for rate in (1, 4, 64)}
    beats = np.array([(t, t + 0.8) for t in np.arange(0.3, duration - 1, 0.8) if t < 7 or t >= 12])
    lost = (Gap(8.0, 12.0, "no_contact"),)
    slow = at[1][(at[1] < 8) | (at[1] >= 12)]
    return with_tracks(
        mood,
        track("body.ppg", {"ppg": np.sin(at[64] * 7)}, at[64]),
        track("body.eda", {"eda": 2.1 + 0 * at[4], "tonic": 2 + 0 * at[4], "phasic": 0.1 + 0 * at[4]}, at[4]),
        track("body.heart", {"hr": 75 + 0 * slow, "rmssd": 30 + 0 * slow}, slow, gaps=lost),
        replace(track("body.beats", {"interval": np.full(len(beats), 0.8)}, beats[:, 0]), ends=beats[:, 1]),
        track(
            "body.scr",
            {"amplitude": [0.2, 0.3], "peak": [5.1, 9.0], "rise_time": [1.1, 1.0], "recovery_time": [np.nan, 2.0]},
            np.array([4.0, 8.0]),
        ),
    )


def faces() -> Mood:
    """One face frame by frame with a stretch in which nobody is there."""
    mood = make_mood(duration_s=4.0, persons=1)
    quality = mood.tracks["face.quality"]["p1"]
    times = np.arange(100) / 25
    times = times[(times < 1.0) | (times >= 1.5)]
    spec = TrackSpec("face.quality", (*quality.spec.fields, Field("presence")), None, "made up")
    boxes = np.tile(np.array([0.25, 0.5, 0.125, 0.25, 20.0], np.float32), (len(times), 1))
    gaps = (Gap(1.0, 1.5, "no_face"),)
    box = Track(spec, "p1", times, boxes, np.ones(len(times), np.float32), gaps)
    labels = scheme("ekman8").classes
    shares = {label: np.full(len(times) - 5, 1 / 8) for label in labels}
    return with_tracks(
        mood,
        box,
        track("face.expression", {**shares, "intensity": np.ones(len(times) - 5)}, times[5:]),
        track("face.action_units", {"AU01": np.full(len(times), 0.3), "AU16": 0 * times}, times),
        track("face.pose", {"yaw": 0 * times + 10, "pitch": 0 * times + 5, "roll": 0 * times - 3}, times),
        track("face.gaze", {"yaw": 0 * times + 90, "pitch": 0 * times}, times),
    )


def crowded() -> Mood:
    """Words that overlap, last no time, or belong to nobody of the subjects."""
    mood = make_mood(duration_s=10.0, persons=2)
    said = (
        Word(1.0, 1.6, "one", "p1"), Word(1.2, 1.4, "inside", "p1"), Word(1.3, 1.9, "across", "p1"),
        Word(1.2, 1.4, "other", "p2"), Word(2.0, 2.0, "still", "p1"), Word(9.9, 10.4, "late", "p2"),
        Word(5.0, 5.5, "whose", "voice"), Word(6.0, 6.5, "42", "p1"), Word(6.0, 6.5, "42", "p1"),
    )  # fmt: skip
    return replace(mood, words=said)


def long() -> Mood:
    """Two hours, of sound."""
    return replace(make_mood(duration_s=7200.0, persons=1, step_s=1.0, recording="day.wav"), tracks={})


MOODS: dict[str, Callable[[], Mood]] = {
    **STATES,
    "hostile": hostile,
    "body": body,
    "faces": faces,
    "crowded": crowded,
    "two hours": long,
    "no streams": lambda: replace(make_mood(persons=0), streams=(), gaps=(), words=()),
    "goemotions": lambda: make_mood(schemes=("sentiment3", "va")),
    "sound": lambda: replace(make_mood(persons=1), streams=(Stream("sound", "sound", 16000.0, 0.0, 24.6),)),
}
