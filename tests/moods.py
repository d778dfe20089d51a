"""Made-up Moods for tests of the page, the formats and the summary: no media, no models."""

from __future__ import annotations

import numpy as np

from moodal.core.clock import Span, Timeline
from moodal.core.mood import Mood, MoodGap, SubjectMood, Word, smallest_set
from moodal.core.scheme import mapping, scheme
from moodal.core.stream import Stream
from moodal.core.track import Field, Gap, Track, TrackSet, TrackSpec

MODALITIES = ("face", "voice", "words")


def make_mood(
    *,
    duration_s: float = 24.6,
    persons: int = 2,
    step_s: float = 0.1,
    seed: int = 0,
    recording: str = "talk.mp4",
    schemes: tuple[str, ...] = ("ekman8",),
    calibrated: bool = False,
    sentences: tuple[str, ...] = ("My sister called on Sunday, actually", "and we laughed for an hour"),
) -> Mood:
    """A Mood with gaps in every modality, two changes a person, and words."""
    rng = np.random.default_rng(seed)
    n = int(np.ceil(round(duration_s / step_s, 6)))
    times = np.arange(n) * step_s
    edges = np.concatenate([times, [duration_s]])
    subjects: dict[str, SubjectMood] = {}
    gaps: list[MoodGap] = []
    boxes: dict[str, Track] = {}
    for p in range(persons):
        name = f"p{p + 1}"
        face = ~Timeline([(0.2 * duration_s, (0.28 + 0.03 * p) * duration_s)]).mask(times)
        voice = Timeline([(0.1 * duration_s, 0.5 * duration_s), (0.7 * duration_s, 0.8 * duration_s)]).mask(times)
        voice &= p == 0
        words = voice & (times < 0.45 * duration_s)
        for modality, mask, reason in (
            ("face", face, "occluded"),
            ("voice", voice, "silence"),
            ("words", words, "no_words"),
        ):
            gaps += [MoodGap(name, modality, *span, reason) for span in Timeline.from_mask(~mask, edges)]
        weights = np.stack([0.6 * face, 0.3 * voice, 0.1 * words])
        told = weights.sum(0) > 0
        share = np.divide(weights, weights.sum(0), out=np.zeros_like(weights), where=weights.sum(0) > 0)
        wave = np.sin(2 * np.pi * times / duration_s * (1 + 0.5 * p)) + 0.1 * rng.standard_normal(n)
        logits = np.full((n, 8), -2.0) + 0.3 * rng.standard_normal((n, 8))
        logits[:, 0] += 2.5
        logits[:, 1] += 4 * np.clip(wave, 0, None)
        logits[:, 3] += 4 * np.clip(-wave, 0, None)
        scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        scores[~told] = np.nan
        value = np.where(told, 0.5 * wave, np.nan)
        half = 0.2 + 0.1 * rng.random(n)
        valence = np.clip(np.stack([value, value - half, value + half], axis=1), -1, 1)
        arousal = np.clip(np.stack([0.6 * value, 0.6 * value - half, 0.6 * value + half], axis=1), -1, 1)
        classes = {s: mapping("ekman8", s).apply(scores) for s in schemes}
        shares = {m: share[i] for i, m in enumerate(MODALITIES)}
        subjects[name] = SubjectMood(
            name,
            Timeline([(0.0, duration_s)]),
            valence,
            arousal,
            classes,
            {s: smallest_set(c) if c.shape[1] else np.zeros(c.shape, bool) for s, c in classes.items()},
            shares,
            shares,
            {m: 0.3 + 0.7 * rng.random(n) * (share[i] > 0) for i, m in enumerate(MODALITIES)},
        )
        frames = np.arange(0, duration_s, 0.04)
        box = np.stack(
            [
                0.2 + 0.4 * p + 0.02 * np.sin(frames),
                np.full_like(frames, 0.25),
                np.full_like(frames, 0.2),
                np.full_like(frames, 0.4),
            ],
            1,
        )
        spec = TrackSpec("face.quality", tuple(Field(f) for f in ("x", "y", "width", "height")), None, "made up")
        seen_gap = (Gap(0.2 * duration_s, (0.28 + 0.03 * p) * duration_s, "occluded"),)
        boxes[name] = Track(spec, name, frames, box.astype(np.float32), np.ones(len(frames), np.float32), seen_gap)
    spoken = [
        Word(0.12 * duration_s + 0.4 * i, 0.12 * duration_s + 0.4 * i + 0.3, text, "p1" if persons else "voice", 0.9)
        for i, text in enumerate(w for s in sentences for w in s.split())
    ]
    tracks = {"face.quality": TrackSet(boxes["p1"].spec, boxes)} if boxes else {}
    streams = (
        Stream("picture", "picture", 25.0, 0.0, duration_s, {"width": 640, "height": 360, "codec": "h264"}),
        Stream("sound", "sound", 16000.0, 0.0, duration_s, {"codec": "aac"}),
    )
    assert all(scheme(s) for s in schemes)
    assert Span(0, duration_s)
    return Mood(
        recording=recording,
        duration_s=duration_s,
        streams=streams,
        step_s=step_s,
        times=times,
        schemes=schemes,
        subjects=subjects,
        gaps=tuple(gaps),
        words=tuple(spoken),
        modalities=MODALITIES,
        basis={"valence": "mapped", "arousal": "mapped"},
        calibrated=calibrated,
        models=({"name": "late-v0", "version": "1", "licence": "Apache-2.0", "commercial": True},),
        provenance={
            "moodal": "0.1.0",
            "schema": 1,
            "recording": {"name": recording, "sha256": "9f3c" * 16},
            "settings": {"fps": None, "only": list(MODALITIES)},
            "settings_sha256": "27be" * 16,
            "models": [{"name": "face-landmarks", "version": "1", "licence": "Apache-2.0", "commercial": True}],
            "fusion": {
                "name": "late-v0",
                "version": "1",
                "licence": "Apache-2.0",
                "commercial": True,
                "calibration": None,
                "not_for": ["diagnosis", "hiring", "policing", "lie detection"],
                "about": "hand-set weights, not calibrated on people",
            },
        },
        warnings=(),
        tracks=tracks,
    )
