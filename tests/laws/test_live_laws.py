"""Laws of what happens live: nothing comes later than announced, chunks leave no trace, the future changes nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from test_extractor_laws import CASES, FPS, SECONDS, chunks, run, spec_of, whole

import moodal
import recordings as made
import signals
from moodal.core.clock import Span
from moodal.core.errors import UsageError
from moodal.core.extractor import MeasureContext
from moodal.core.stream import Chunk, PictureChunk, SignalChunk, SoundChunk
from moodal.core.track import TrackSet
from moodal.fuse import Facts, conclude
from moodal.live import Point

pytestmark = pytest.mark.usefixtures("models")

STREAMS = ("picture", "sound")


def starts(chunk: Chunk) -> float:
    return chunk.start_sample / chunk.rate_hz if isinstance(chunk, SoundChunk) else float(chunk.times[0])  # type: ignore[union-attr]


def both(cut: float, until: float = SECONDS) -> Iterator[Chunk]:
    """Picture and sound as they would come: in order of their starts, one stream a little behind the other."""
    rows = [(starts(c), kind, c) for kind in STREAMS for c in chunks(kind, cut) if starts(c) < until]
    for _, _, chunk in sorted(rows, key=lambda row: row[:2]):
        yield chunk


def told(stream: Iterator[Chunk], *, close: bool = True) -> list[Point]:
    live = moodal.stream(STREAMS)
    points = [p for chunk in stream for p in live.push(chunk)]
    return points + (live.close() if close else [])


def bare(points: list[Point]) -> list[Point]:
    """Without the reasons of what is missing, which may be known better later."""
    return [replace(p, missing={}) for p in points]


@cache
def at_once() -> tuple[Point, ...]:
    return tuple(told(both(SECONDS)))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_nothing_comes_later_than_the_look_ahead(name: str, kind: str) -> None:
    spec = spec_of(name)
    extractor = spec.make(MeasureContext(Span(0.0, np.inf), options={"reads": kind, "live": True}))
    announced = {t.name: t.look_ahead_s for t in spec.tracks}
    reached = 0.0
    for chunk in chunks(kind, 0.5):
        for piece in extractor.push(chunk):
            if len(piece.times):
                assert piece.times[0] >= reached - announced[piece.track] - 1e-6, (piece.track, piece.times[0], reached)
        reached = (
            max(reached, starts(chunk) if kind == "picture" else starts(chunk) + 0.5) if kind != "words" else reached
        )


def test_there_is_something_to_look_at() -> None:
    assert "p1" in {p.subject for p in at_once()}
    assert sum(p.valence is not None for p in at_once()) > 30
    assert any(p.support.get("voice") for p in at_once())
    assert max(p.end for p in at_once()) == pytest.approx(SECONDS)


@pytest.mark.parametrize("cut", [0.01, 0.1, 0.37, 2.0, 30.0])
def test_chunks_leave_no_trace(cut: float) -> None:
    assert bare(told(both(cut))) == bare(list(at_once()))


@pytest.mark.parametrize("until", [5.6, 6.3, 7.5])
def test_the_future_changes_nothing(until: float) -> None:
    past = told(both(0.1, until), close=False)
    assert past
    assert max(p.end for p in past) > until - moodal.stream(STREAMS).delay_s - 0.5
    assert bare(past) == bare([p for p in at_once() if p.start < past[-1].end - 1e-9])


def test_points_are_what_conclude_says_of_the_whole() -> None:
    # By the written rules: the tracks here are measured without experts.
    live = moodal.stream(STREAMS, model="late-v0")
    points = [p for chunk in both(SECONDS) for p in live.push(chunk)] + live.close()
    tracks: dict[str, TrackSet] = {**whole("face", "picture"), **whole("voice", "sound")}
    duration = max(p.end for p in points)
    facts = Facts("x", duration, (), Span(0.0, duration), modalities=("face", "voice"))
    mood = conclude(tracks, facts, causal=True)
    assert sum(bool(p.subject) for p in points) == sum(s.told.sum() for s in mood.subjects.values())
    for point in points:
        if not point.subject:
            continue
        subject = mood[point.subject]
        i = round(point.start * 10)
        row = subject.valence[i]
        assert point.valence == ((row[0], row[1], row[2]) if np.isfinite(row[0]) else None)
        assert list(point.classes.values()) == (subject.classes["ekman8"][i].tolist() if point.classes else [])


def test_one_stream_may_run_ahead() -> None:
    pictures, sounds = list(chunks("picture", 0.3)), list(chunks("sound", 0.5))
    live = moodal.stream(STREAMS)
    early = [p for chunk in pictures for p in live.push(chunk)]
    assert early == [], "points wait for the slowest stream"
    rest = [p for chunk in sounds for p in live.push(chunk)] + live.close()
    assert bare(rest) == bare(list(at_once()))


def test_a_late_chunk_is_left_out_and_a_missing_one_is_a_gap() -> None:
    pictures = list(chunks("picture", 0.5))
    lost, late = 4, 9
    order = [c for i, c in enumerate(pictures) if i not in (lost, late)]
    order.insert(late + 1, pictures[late])
    live = moodal.stream(("picture",), only="face")
    points = [p for chunk in order for p in live.push(chunk)] + live.close()
    [warning] = live.warnings
    assert "picture: a chunk from 4.50 s came after" in warning
    untold = [p.start for p in points if p.valence is None]
    for index in (lost, late):
        hole = (index * 0.5 + 0.3, index * 0.5 + 0.45)
        assert any(hole[0] <= t <= hole[1] for t in untold)


def test_random_chunks_of_random_streams() -> None:
    rng = random.Random(3)
    pictures, sounds = list(chunks("picture", 1 / FPS)), list(chunks("sound", 0.25))
    live, points = moodal.stream(STREAMS), []
    while pictures or sounds:
        source = pictures if pictures and (not sounds or rng.random() < 0.6) else sounds
        points += live.push(source.pop(0))
    assert bare(points + live.close()) == bare(list(at_once()))


def test_wrong_use_is_one_line() -> None:
    with pytest.raises(UsageError, match="unknown 'smell'"):
        moodal.stream(("smell",))
    with pytest.raises(UsageError, match="unknown 'nose'"):
        moodal.stream(only="nose")
    with moodal.stream(("picture",), only="face") as live, pytest.raises(UsageError, match="was not announced"):
        live.push(SoundChunk("sound", 0, np.zeros(160, np.float32), made.RATE))
    with pytest.raises(UsageError, match="is closed"):
        live.push(PictureChunk("picture", np.zeros(0), np.zeros(0), []))


def test_the_same_extractors_as_for_a_file() -> None:
    live = moodal.stream(("picture",), only="face")
    for chunk in chunks("picture", 0.4):
        live.push(chunk)
    live.close()
    mine, theirs = (
        live.tracks()["face.blendshapes"]["p1"],
        run("face", "picture", chunks("picture", SECONDS))["face.blendshapes"]["p1"],
    )
    assert np.array_equal(mine.values, theirs.values)
    assert np.array_equal(mine.times, theirs.times)


def wrist(cut: float, until: float = np.inf) -> Iterator[Chunk]:
    """Four minutes of pulse and skin conductance, in order of their starts."""
    rows: list[tuple[float, Chunk]] = []
    for kind in ("ppg", "eda"):
        times, samples = signals.sampled(kind, 240.0)
        for begin in np.arange(0.0, 240.0, cut):
            inside = (times >= begin) & (times < min(begin + cut, until))
            if inside.any():
                rows.append((begin, SignalChunk(kind, times[inside], samples[inside], signals.RATES[kind])))
    yield from (chunk for _, chunk in sorted(rows, key=lambda row: row[0]))


def worn(stream: Iterator[Chunk], *, close: bool = True) -> list[Point]:
    live = moodal.stream(("ppg", "eda"), only="body")
    points = [p for chunk in stream for p in live.push(chunk)]
    return points + (live.close() if close else [])


def test_a_body_is_told_over_its_first_minute_and_by_its_past_alone() -> None:
    whole = bare(worn(wrist(240.0)))
    told = [p for p in whole if p.arousal is not None]
    assert told
    assert min(p.start for p in told) >= 60.0, "nothing is told before the baseline is over"
    assert all(p.valence is None and not p.classes for p in told)
    assert bare(worn(wrist(0.7))) == whole
    past = bare(worn(wrist(5.0, until=170.0), close=False))
    assert len(past) > 60
    assert past == whole[: len(past)]
