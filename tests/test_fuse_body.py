"""The body in the answer: arousal alone, over a baseline, of whoever wears the band."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from moodal.core.clock import Span
from moodal.core.mood import Mood
from moodal.core.stream import Stream
from moodal.core.track import Field, Gap, Track, TrackSet, TrackSpec
from moodal.fuse import Facts, conclude

DURATION = 300.0
HEART = TrackSpec("body.heart", (Field("hr"),), 1.0, "made up")
EDA = TrackSpec("body.eda", (Field("eda"),), 4.0, "made up")
SCR = TrackSpec("body.scr", (Field("amplitude"),), None, "made up")
FACE = TrackSpec("face.quality", (Field("x"),), None, "made up")


def track(spec: TrackSpec, times: np.ndarray, values: np.ndarray, *gaps: Gap, **more: Any) -> Track:
    values = np.asarray(values, np.float32).reshape(len(times), 1)
    return Track(spec, more.pop("subject", "body"), times, values, np.ones(len(times), np.float32), gaps, **more)


def heart(*gaps: Gap) -> Track:
    times = np.arange(DURATION)
    rate = np.where(times < 100, 75.0, np.where(times < 180, 62.0, 95.0))
    keep = np.ones(len(times), bool)
    for gap in gaps:
        keep &= ~((times >= gap.start) & (times < gap.end))
    return track(HEART, times[keep], rate[keep], *gaps)


def skin() -> list[Track]:
    times = np.arange(0, DURATION, 0.25)
    onsets = np.arange(200.0, 290.0, 5.0)
    return [track(EDA, times, np.full(len(times), 3.0)), track(SCR, onsets, np.full(len(onsets), 0.5), ends=onsets + 2)]


def seen(subject: str, start: float = 0.0, end: float = DURATION) -> Track:
    times = np.arange(start, end, 0.5)
    gaps = [Gap(a, b, "no_face") for a, b in ((0.0, start), (end, DURATION)) if b > a]
    return track(FACE, times, np.ones(len(times)), *gaps, subject=subject)


def told(*tracks: Track, **changes: Any) -> Mood:
    sets: dict[str, dict[str, Track]] = {}
    for one in tracks:
        sets.setdefault(one.spec.name, {})[one.subject] = one
        if one.spec is FACE:
            face = TrackSpec("face.expression", tuple(Field(c) for c in _classes()), None, "made up")
            rows = np.full((len(one.times), 8), 0.125, np.float32)
            sets.setdefault(face.name, {})[one.subject] = Track(
                face, one.subject, one.times, rows, one.quality, one.gaps
            )
    causal = changes.pop("causal", False)
    facts = Facts(
        "band.zip",
        DURATION,
        (Stream("ppg", "ppg", 64.0, 0.0, DURATION),),
        Span(0.0, DURATION),
        modalities=("face", "voice", "words", "body"),
        withheld={
            "voice": "no_stream",
            "words": "no_stream",
            **({} if "face.quality" in sets else {"face": "no_stream"}),
        },
        **changes,
    )
    return conclude({n: TrackSet(next(iter(by.values())).spec, by) for n, by in sets.items()}, facts, causal=causal)


def _classes() -> tuple[str, ...]:
    from moodal.core.scheme import SCHEMES

    return SCHEMES["ekman8"].classes


def at(mood: Mood, subject: str, start: float, end: float) -> np.ndarray:
    return mood[subject].arousal[(mood.times >= start) & (mood.times < end), 0]


def test_the_body_tells_arousal_and_nothing_else() -> None:
    mood = told(heart(), *skin())
    body = mood["body"]
    assert list(mood.subjects) == ["body"]
    assert np.abs(at(mood, "body", 110, 170)).max() < 0.1
    assert at(mood, "body", 215, 280).min() > 0.6
    assert np.isnan(body.valence[:, 0]).all()
    assert np.isnan(body.classes["ekman8"]).all()
    overall = mood.summary()["subjects"][0]["overall"]
    assert overall["valence"]["basis"] == "none"
    assert overall["arousal"]["basis"] == "mapped"
    assert (overall["classes"], overall["label_set"]) == ({}, [])


def test_the_baseline_is_said() -> None:
    calm = told(heart(), *skin())
    assert calm.provenance["baseline"]["how"] == "calmest minute"
    assert 100 <= calm.provenance["baseline"]["start_s"] <= 120
    assert calm.summary()["baseline"] == calm.provenance["baseline"]
    given = told(heart(), *skin(), baseline=Span(0, 60))
    assert given.provenance["baseline"] == {"start_s": 0.0, "end_s": 60.0, "how": "given"}
    assert at(given, "body", 110, 170).mean() < -0.3


def test_gaps_of_the_body_are_those_of_the_answer() -> None:
    mood = told(heart(Gap(120.0, 150.0, "artefact")))
    assert np.isnan(at(mood, "body", 120, 150)).all()
    assert [(g.start, g.end, g.reason) for g in mood.gaps_of("body", "body")] == [(120.0, 150.0, "artefact")]
    rows = mood.to_pandas()
    missing = sum(g.end - g.start for g in mood.gaps_of("body", "body"))
    assert (rows.support_body > 0).sum() * mood.step_s + missing == pytest.approx(DURATION)


def test_too_short_a_body_has_no_baseline() -> None:
    mood = told(track(HEART, np.arange(40.0), np.full(40, 70.0), Gap(40.0, DURATION, "artefact")))
    assert not mood["body"].told.any()
    assert {g.reason for g in mood.gaps_of("body", "body")} == {"too_short", "artefact"}


def test_the_only_face_wears_the_band() -> None:
    one = told(heart(), seen("p1", 0, 120))
    assert list(one.subjects) == ["p1"]
    assert np.isfinite(at(one, "p1", 200, 290)).all()
    two = told(heart(), seen("p1"), seen("p2"))
    assert list(two.subjects) == ["p1", "p2", "body"]
    assert np.isnan(two["p1"].quality["body"]).sum() == 0 == two["p1"].support["body"].sum()


def test_the_past_alone_decides_where_it_is_asked_to() -> None:
    whole = told(heart(), *skin(), causal=True)
    assert whole.provenance["baseline"]["how"] == "first minute"
    assert np.isnan(at(whole, "body", 0, 60)).all()
    part = heart()
    cut = track(HEART, part.times[:200], part.values[:200])
    early = told(cut, causal=True)
    late = told(heart(), causal=True)
    assert np.array_equal(at(early, "body", 0, 199), at(late, "body", 0, 199), equal_nan=True)


def test_a_body_alone_is_told_by_the_second() -> None:
    alone = told(heart())
    assert alone.step_s == 1.0
    assert len(alone.times) == DURATION
