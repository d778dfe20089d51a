"""Measured signals as the page holds them: what was told comes back from the bytes, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moodal.core.mood import Mood
from moodal.core.track import Field, Gap, Track, TrackSet, TrackSpec
from moodal.page import signals
from moodal.page.signals import SIGNALS, packed_signals
from moods import make_mood

Column = np.ndarray


def track(
    name: str, fields: dict[str, np.ndarray], times: np.ndarray, *gaps: Gap, ends: np.ndarray | None = None
) -> TrackSet:
    spec = TrackSpec(name, tuple(Field(f) for f in fields), None, "made up")
    values = np.stack(list(fields.values()), axis=1)
    one = Track(spec, "body", times, values, np.ones(len(times)), gaps, ends)
    return TrackSet(spec, {"body": one})


def packed(mood: Mood) -> tuple[list[dict], list[np.ndarray]]:
    columns: list[np.ndarray] = []

    def add(parts: list[np.ndarray]) -> int:
        columns.extend(parts)
        return len(columns) - len(parts)

    return packed_signals(mood, add), columns  # type: ignore[arg-type]


def mood_with(*tracks: TrackSet, duration: float = 100.0) -> Mood:
    return replace(make_mood(), duration_s=duration, tracks={t.spec.name: t for t in tracks})


def entry(rows: list[dict], name: str) -> dict:
    return next(r for r in rows if r["name"] == name)


def test_values_come_back_and_holes_stay_holes() -> None:
    times = np.arange(100.0)
    rate = 60 + 20 * np.sin(times / 10)
    told = (times < 40) | (times >= 55)
    heart = track("body.heart", {"hr": rate[told]}, times[told], Gap(40, 55, "artefact"))
    rows, columns = packed(mood_with(heart))
    row = entry(rows, "Heart rate")
    assert row["step"] == 1.0
    assert row["single"]
    found = columns[row["at"]].astype(int)
    assert (found[40:55] == 255).all()
    back = row["low"] + found[told] / 250 * (row["high"] - row["low"])
    assert back == pytest.approx(rate[told], abs=(row["high"] - row["low"]) / 400)
    assert row["gaps"] == [[40000, 55000, "artefact"]]


def test_an_axis_never_makes_noise_look_like_change() -> None:
    times = np.arange(100.0)
    heart = track("body.heart", {"hr": 70 + 0.1 * np.sin(times)}, times)
    row = entry(packed(mood_with(heart))[0], "Heart rate")
    assert row["high"] - row["low"] >= 30
    assert row["low"] < 70 < row["high"]


def test_several_samples_of_a_cell_keep_least_and_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "MAX_CELLS", 10)
    times = np.arange(100.0)
    values = 20 + np.where(times % 10 == 3, 15.0, 0.0)
    rows, columns = packed(mood_with(track("body.resp", {"rate": values}, times)))
    row = entry(rows, "Breathing")
    assert (row["n"], row["single"]) == (10, False)
    least, most = (columns[row["at"] + i] / 250 * 40 for i in (0, 1))
    assert least == pytest.approx(20, abs=0.1)
    assert most == pytest.approx(35, abs=0.1)


def test_beats_and_responses_are_marked_at_their_times() -> None:
    times = np.arange(0, 400, 0.25)
    beats = np.sort(np.random.default_rng(2).uniform(0, 200, 300))
    beats[200:] = np.linspace(300, 399, 100)
    wave = track("body.ppg", {"ppg": np.sin(times)}, times)
    made = track("body.beats", {"interval": np.ones(300)}, beats - 0.5, ends=beats)
    rows, columns = packed(mood_with(wave, made, duration=400.0))
    marks = entry(rows, "Pulse wave")["marks"]
    assert marks["name"] == "beat"
    steps = columns[marks["at"]].astype(int) * 256 + columns[marks["at"] + 1]
    at = np.cumsum(steps)[steps != 65535] / 1000
    assert at == pytest.approx(np.round(beats, 3), abs=1e-6)
    assert (steps == 65535).any(), "the long pause should take more than one step"


def test_poor_quality_is_told_by_the_second() -> None:
    times = np.arange(0, 100, 0.5)
    heart = track("body.heart", {"hr": 70 + 0 * times}, times)
    one = heart["body"]
    worse = np.where((times >= 20) & (times < 30), 0.1, 0.9)
    heart = TrackSet(heart.spec, {"body": replace(one, quality=worse)})
    rows, columns = packed(mood_with(heart))
    quality = entry(rows, "Heart rate")["quality"]
    grades = columns[quality["at"]]
    assert (grades[20:30] == 0).all()
    assert (np.delete(grades, slice(20, 30)) == 2).all()


def test_nothing_is_judged_before_the_measurement_has_warmed_up_or_where_nothing_was_analysed() -> None:
    times = np.arange(10, 100.0)
    gaps = (Gap(0, 4, "no_stream"), Gap(4, 9, "warm_up"), Gap(9, 10, "artefact"), Gap(50, 60, "warm_up"))
    rows, _ = packed(mood_with(track("body.heart", {"hr": 70 + 0 * times}, times, *gaps)))
    assert entry(rows, "Heart rate")["judged"] == [9, 99]
    rows, _ = packed(mood_with(track("body.heart", {"hr": 70 + 0 * times}, times)))
    assert entry(rows, "Heart rate")["judged"] == [10, 99]


def test_nothing_measured_has_no_row() -> None:
    times = np.arange(10.0)
    assert packed(mood_with(track("body.heart", {"hr": np.full(10, np.nan)}, times)))[0] == []
    assert packed(mood_with())[0] == []


def test_rows_name_fields_that_extractors_say() -> None:
    from moodal.measure import extractor_specs

    fields = {t.name: t.columns for s in extractor_specs().values() for t in s.tracks}
    for signal in SIGNALS:
        assert signal.field in fields[signal.track]
        assert not signal.marks or signal.marks in fields
        assert signal.mark_at in ("end", *fields.get(signal.marks, ()), "time")
