from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from moodal.core.errors import UsageError
from moodal.core.mood import smallest_set
from moodal.core.scheme import CIRCUMPLEX, SCHEMES, mapping, scheme
from moodal.core.summary import MAX_SEGMENTS, segment_bounds
from moodal.core.track import GAP_REASONS, Field, Gap, Piece, Track, TrackSet, TrackSpec
from moods import make_mood

SPEC = TrackSpec("face.test", (Field("a"), Field("b")), None, "made up")


def piece(subject: str, times: list[float], *gaps: Gap) -> Piece:
    n = len(times)
    return Piece("face.test", subject, np.array(times), np.ones((n, 2), np.float32), np.ones(n, np.float32), gaps)


def test_gap_reasons_are_closed() -> None:
    with pytest.raises(ValueError, match="closed"):
        Gap(0, 1, "felt_like_it")
    assert len(GAP_REASONS) == 26


def test_pieces_join_in_order_and_touching_gaps_become_one() -> None:
    track = Track.from_pieces(SPEC, "p1", [piece("p1", [0, 1], Gap(2, 3, "dark")), piece("p1", [5], Gap(3, 5, "dark"))])
    assert track.times.tolist() == [0, 1, 5]
    assert track.gaps == (Gap(2, 5, "dark"),)
    assert track.missing("dark").duration == 3


def test_trackset_of_one_subject_reads_like_a_track_and_refuses_to_guess_among_two() -> None:
    one = TrackSet.from_pieces(SPEC, [piece("p1", [0, 1])])
    assert one.times.tolist() == [0, 1]
    assert one.to_pandas()["subject"].tolist() == ["p1", "p1"]
    two = TrackSet.from_pieces(SPEC, [piece("p1", [0]), piece("p2", [1])])
    with pytest.raises(UsageError, match="2 subjects"):
        _ = two.times


@given(arrays(np.float64, (5, 8), elements=st.floats(0.001, 1)), st.floats(0.5, 0.99))
def test_smallest_set_reaches_the_coverage_and_not_more(raw: np.ndarray, coverage: float) -> None:
    scores = raw / raw.sum(1, keepdims=True)
    chosen = smallest_set(scores, coverage)
    for row, kept in zip(scores, chosen, strict=True):
        assert row[kept].sum() >= coverage - 1e-6
        assert row[kept].min() >= row[~kept].max(initial=0) - 1e-12
        assert row[kept].sum() - row[kept].min() < coverage


def test_smallest_set_of_a_withheld_cell_is_empty() -> None:
    assert not smallest_set(np.full((1, 8), np.nan)).any()


def test_every_mapping_keeps_the_sum() -> None:
    for source in ("ekman8", "goemotions28"):
        for target in ("sentiment3", "ekman8"):
            if (source, target) == ("goemotions28", "sentiment3"):
                continue
            table = mapping(source, target)
            assert np.allclose(table.table.sum(1), 1)
            assert bool(table.loss) == (source != target)
    with pytest.raises(UsageError, match="no table maps"):
        mapping("ekman8", "goemotions28")
    with pytest.raises(UsageError, match="unknown scheme"):
        scheme("plutchik")
    assert set(CIRCUMPLEX) == set(SCHEMES["ekman8"].classes)


def test_summary_has_the_contracts_shape() -> None:
    mood = make_mood(schemes=("ekman8", "sentiment3", "va"))
    summary = json.loads(json.dumps(mood.summary(), allow_nan=False))
    assert {"moodal", "schema", "recording", "duration_s", "still", "clock", "streams", "scheme", "calibrated"} <= set(
        summary
    )
    for subject in summary["subjects"]:
        for state in [subject["overall"], *subject["segments"]]:
            assert set(state["valence"]) == {"value", "low", "high", "level", "basis"}
            if state["classes"]:
                assert set(state["classes"]) == set(SCHEMES["ekman8"].classes)
                assert sum(state["classes"].values()) == pytest.approx(1, abs=1e-5)
                assert set(state["label_set"]) <= set(state["classes"])
            assert set(state["schemes"]) == {"sentiment3", "va"}
            assert state["schemes"]["va"] == {"classes": {}, "label_set": []}
        ends = [s["end_s"] for s in subject["segments"]]
        starts = [s["start_s"] for s in subject["segments"]]
        assert starts[0] == 0
        assert ends[-1] == summary["duration_s"]
        assert starts[1:] == ends[:-1]
        assert len(ends) <= MAX_SEGMENTS


def test_covered_and_gap_make_the_duration() -> None:
    mood = make_mood(duration_s=24.63)
    table = mood.to_pandas()
    for subject in mood.subjects:
        rows = table[table.subject == subject]
        for modality in mood.modalities:
            covered = (rows[f"support_{modality}"] > 0).sum() * mood.step_s
            gap = sum(g.end - g.start for g in mood.gaps_of(subject, modality))
            assert covered + gap == pytest.approx(mood.duration_s, abs=mood.step_s)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=400))
def test_segments_cover_all_cells_and_keep_untold_apart(codes: list[int]) -> None:
    states = np.array([c * 2 + (c > 0) if c else 0 for c in codes], np.int64)
    bounds = segment_bounds(states, np.full(len(states), 0.1))
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(states)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))
    assert len(bounds) <= MAX_SEGMENTS
    for first, last in bounds:
        assert len({bool(s) for s in states[first:last]}) == 1


def test_a_flickering_hour_stays_under_the_limit_of_segments() -> None:
    states = np.tile(np.array([3, 3, 3, 3, 3, 0, 0, 0, 0, 0]), 3600)
    assert len(segment_bounds(states, np.full(len(states), 0.1))) <= MAX_SEGMENTS


def test_mood_draws_itself_and_escapes_names() -> None:
    html = make_mood(recording="<script>alert(1)</script>.mp4")._repr_html_()
    assert "<script>" not in html
    assert "svg" in html
