from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodal.core.clock import Span, Timeline
from moodal.core.mood import Mood
from moodal.core.scheme import SCHEMES
from moodal.core.stream import Stream
from moodal.core.track import NOBODY, Field, Gap, Track, TrackSet, TrackSpec
from moodal.fuse import Facts, conclude
from moodal.fuse.grid import Cells, Grid, on_grid, smooth
from moodal.fuse.late import FIELDS, open_fusion

CLASSES = SCHEMES["ekman8"].classes
FACE = TrackSpec("face.expression", tuple(Field(c) for c in (*CLASSES, "intensity")), None, "made up")
QUALITY = TrackSpec("face.quality", (Field("x"),), None, "made up")
VOICE = TrackSpec("voice.emotion", (Field("arousal"), Field("arousal_half_width")), 2.0, "made up")
WORDS = TrackSpec(
    "words.emotion",
    tuple(Field(f) for f in (*CLASSES, "valence", "arousal", "dominance", "valence_half_width", "arousal_half_width")),
    None,
    "made up",
)
DURATION = 10.03


def scores(label: str, sure: float = 0.9) -> np.ndarray:
    row = np.full(8, (1 - sure) / 7)
    row[CLASSES.index(label)] = sure
    return row


def face(subject: str, label: str, *gaps: Gap, fps: float = 25.0, first: float = 0.0) -> dict[str, Track]:
    times = np.arange(first, DURATION, 1 / fps)
    times = times[~Timeline((g.start, g.end) for g in gaps).mask(times)]
    values = np.tile(np.append(scores(label), 0.8), (len(times), 1)).astype(np.float32)
    quality = np.ones(len(times), np.float32)
    return {
        "face.expression": Track(FACE, subject, times, values, quality, gaps),
        "face.quality": Track(QUALITY, subject, times, values[:, :1], quality, gaps),
    }


def voice(arousal: float, *spans: tuple[float, float]) -> Track:
    starts = np.array([t for a, b in spans for t in np.arange(a, b - 0.5, 0.5)])
    values = np.tile([arousal, 0.4], (len(starts), 1)).astype(np.float32)
    silent = Timeline([(0, DURATION)]) - Timeline(spans)
    gaps = tuple(Gap(*s, "silence") for s in silent)
    return Track(
        VOICE, "voice", starts, values, np.ones(len(starts), np.float32), gaps, np.minimum(starts + 1.0, spans[-1][1])
    )


def words(label: str, valence: float, span: tuple[float, float]) -> Track:
    values = np.concatenate([scores(label), [valence, 0.1, 0.0, 0.5, 0.6]])[None].astype(np.float32)
    gaps = tuple(Gap(*s, "no_words") for s in Timeline([(0, DURATION)]) - Timeline([span]))
    one = np.ones(1, np.float32)
    return Track(WORDS, "voice", np.array([span[0]]), values, one, gaps, np.array([span[1]]), ("so it goes",))


def tracks(*rows: Track | dict[str, Track]) -> dict[str, TrackSet]:
    found: dict[str, dict[str, Track]] = {}
    for row in rows:
        for track in row.values() if isinstance(row, dict) else [row]:
            found.setdefault(track.spec.name, {})[track.subject] = track
    return {name: TrackSet(next(iter(by.values())).spec, by) for name, by in found.items()}


def facts(**changes: Any) -> Facts:
    streams = (Stream("picture", "picture", 25.0, 0.0, DURATION), Stream("sound", "sound", 16000.0, 0.0, DURATION))
    return Facts("talk.mp4", DURATION, streams, changes.pop("span", Span(0.0, DURATION)), **changes)


def ledger_is_whole(mood: Mood) -> None:
    table = mood.to_pandas()
    for subject in mood.subjects:
        rows = table[table.subject == subject]
        for modality in mood.modalities:
            covered = (rows[f"support_{modality}"].to_numpy() > 0) * np.diff(mood.edges)
            missing = sum(g.end - g.start for g in mood.gaps_of(subject, modality))
            assert covered.sum() + missing == pytest.approx(DURATION, abs=1e-6), (subject, modality)


def test_a_happy_face_is_told_as_happiness_and_pleasant() -> None:
    mood = conclude(tracks(face("p1", "happiness")), facts(withheld={"voice": "no_stream", "words": "no_stream"}))
    overall = mood.summary()["subjects"][0]["overall"]
    assert overall["label_set"][0] == "happiness"
    assert overall["valence"]["value"] > 0.4
    assert overall["valence"]["basis"] == "mapped"
    assert overall["valence"]["level"] is None
    assert {g.reason for g in mood.gaps_of("p1", "voice")} == {"no_stream"}
    ledger_is_whole(mood)


def test_a_gap_in_the_face_is_a_gap_in_the_answer_with_its_reason() -> None:
    mood = conclude(tracks(face("p1", "anger", Gap(3.0, 4.0, "occluded"))), facts())
    subject = mood["p1"]
    inside = (mood.times >= 3.0) & (mood.times < 4.0)
    assert np.isnan(subject.valence[inside]).all()
    assert np.isfinite(subject.valence[~inside]).all()
    assert [(g.start, g.end, g.reason) for g in mood.gaps_of("p1", "face")] == [(3.0, 4.0, "occluded")]
    assert len(mood.summary()["subjects"][0]["segments"]) == 3
    ledger_is_whole(mood)


def test_speech_belongs_to_the_only_face_in_view() -> None:
    mood = conclude(tracks(face("p1", "neutral"), voice(0.7, (1.0, 5.0)), words("anger", -0.5, (1.0, 4.0))), facts())
    assert list(mood.subjects) == ["p1"]
    told = mood["p1"]
    at = (mood.times > 1.2) & (mood.times < 3.8)
    assert (told.support["voice"][at] > 0).all()
    assert (told.support["words"][at] > 0).all()
    assert np.allclose(sum(told.support.values())[at], 1)
    ledger_is_whole(mood)


def test_speech_before_two_faces_belongs_to_a_voice() -> None:
    mood = conclude(tracks(face("p1", "neutral"), face("p2", "sadness"), voice(0.7, (1.0, 5.0))), facts())
    assert list(mood.subjects) == ["p1", "p2", "voice"]
    assert "overlap" in {g.reason for g in mood.gaps_of("p1", "voice")}
    assert {g.reason for g in mood.gaps_of("voice", "face")} == {"no_face"}
    ledger_is_whole(mood)


def test_voice_alone_tells_arousal_and_withholds_valence() -> None:
    loud = conclude(tracks(voice(0.8, (0.0, 9.0))), facts(withheld={"face": "no_stream"}))
    calm = conclude(tracks(voice(-0.8, (0.0, 9.0))), facts(withheld={"face": "no_stream"}))
    a, b = (m.summary()["subjects"][0]["overall"] for m in (loud, calm))
    assert loud.summary()["subjects"][0]["id"] == "voice"
    assert a["arousal"]["value"] > 0.5 > -0.5 > b["arousal"]["value"]
    assert a["valence"] == {"value": None, "low": None, "high": None, "level": None, "basis": "none"}
    assert a["classes"]["anger"] > b["classes"]["anger"]
    assert len(a["label_set"]) >= 4


def test_nobody_and_nothing_still_has_its_reasons() -> None:
    dark = Track(
        QUALITY, NOBODY, np.empty(0), np.empty((0, 1), np.float32), np.empty(0, np.float32), (Gap(0, DURATION, "dark"),)
    )
    withheld = {"voice": "no_stream", "words": "no_stream"}
    mood = conclude(tracks(dark), facts(withheld=withheld))
    assert mood.summary()["subjects"] == []
    assert {(g["modality"], g["reason"]) for g in mood.summary()["gaps"]} == {
        ("face", "dark"),
        ("voice", "no_stream"),
        ("words", "no_stream"),
    }
    heard = conclude(tracks(dark), facts())
    assert [s["id"] for s in heard.summary()["subjects"]] == ["voice"]
    assert not heard["voice"].told.any()


def test_only_a_stretch_is_asked_for() -> None:
    mood = conclude(
        tracks(face("p1", "neutral", Gap(0, 2, "not_asked"), Gap(6, DURATION, "not_asked"))), facts(span=Span(2.0, 6.0))
    )
    assert {g.reason for g in mood.gaps_of("p1", "face")} == {"not_asked"}
    assert mood["p1"].told.sum() == 40


def test_further_schemes_follow_their_tables() -> None:
    mood = conclude(tracks(face("p1", "happiness")), facts(schemes=("sentiment3", "ekman8", "va")))
    main = mood["p1"].classes["sentiment3"]
    assert mood.scheme == "sentiment3"
    assert np.allclose(main[:, 2], mood["p1"].classes["ekman8"][:, 1] + 0.3 * mood["p1"].classes["ekman8"][:, 2])


def test_a_slow_face_holds_until_the_next_frame() -> None:
    mood = conclude(tracks(face("p1", "neutral", fps=2.0)), facts())
    assert mood["p1"].told.all()


@given(st.integers(0, 2**31), st.floats(0.05, 0.6))
def test_smoothing_stays_inside_runs_and_bounds(seed: int, width: float) -> None:
    rng = np.random.default_rng(seed)
    grid = Grid(0.1, 6.0)
    times = np.arange(0, 6, 0.1)
    kept = np.repeat(rng.random(12) > 0.3, 5)
    gaps = tuple(Gap(t, t + 0.1, "dark") for t in times[~kept])
    spec = TrackSpec("a.b", (Field("x"),), 10.0, "made up")
    track = Track(spec, "p1", times[kept], rng.random((kept.sum(), 1)), np.ones(kept.sum()), gaps)
    cells = on_grid(track, grid, 1)
    assert (cells.covered == kept).all()
    for causal in (False, True):
        smoothed = smooth(cells, grid, width, causal=causal)
        assert (np.isfinite(smoothed.values[:, 0]) == kept).all()
        if kept.any():
            assert np.nanmin(smoothed.values) >= np.nanmin(cells.values) - 1e-12
            assert np.nanmax(smoothed.values) <= np.nanmax(cells.values) + 1e-12
    past = smooth(cells, grid, width, causal=True).values
    later = np.where(np.arange(60)[:, None] < 30, cells.values, 1 - cells.values)
    changed = smooth(type(cells)(later, cells.quality, cells.covered), grid, width, causal=True).values
    assert np.array_equal(past[:30], changed[:30], equal_nan=True)


def test_a_long_recording_fused_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    late_module = importlib.import_module("moodal.fuse.late")
    late = open_fusion()
    rng = np.random.default_rng(5)
    cells = {}
    for modality, fields in FIELDS.items():
        covered = rng.random(100) < 0.7
        values = np.where(covered[:, None], rng.random((100, len(fields))), np.nan)
        cells[modality] = Cells(values, np.where(covered, rng.random(100), 0.0), covered)
    whole = late.fuse(cells)
    monkeypatch.setattr(late_module, "_BLOCK", 7)
    parts = late.fuse(cells)
    for name in ("classes", "valence", "arousal"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name), equal_nan=True)
    for name in ("support", "attribution"):
        for modality in cells:
            assert np.array_equal(getattr(whole, name)[modality], getattr(parts, name)[modality])
