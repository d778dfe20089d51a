from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import moodal.core.clock
from moodal.core.clock import Span, Timeline

spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda p: (p[0] / 4, (p[0] + p[1]) / 4)), max_size=8
)
PROBE = np.arange(0, 13, 0.125) + 0.0625


def test_docstrings_run() -> None:
    assert doctest.testmod(moodal.core.clock).failed == 0


def test_span_refuses_to_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="must not end"):
        Span(2, 1)


@given(spans, spans)
def test_timelines_are_sets_of_moments(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> None:
    one, two = Timeline(a), Timeline(b)
    in_a = np.array([any(s <= t < e for s, e in a) for t in PROBE])
    in_b = np.array([any(s <= t < e for s, e in b) for t in PROBE])
    assert (one.mask(PROBE) == in_a).all()
    assert ((one | two).mask(PROBE) == (in_a | in_b)).all()
    assert ((one & two).mask(PROBE) == (in_a & in_b)).all()
    assert ((one - two).mask(PROBE) == (in_a & ~in_b)).all()


@given(spans)
def test_timeline_is_sorted_disjoint_and_idempotent(a: list[tuple[float, float]]) -> None:
    line = Timeline(a)
    assert all(x.end < y.start for x, y in itertools.pairwise(line))
    assert Timeline(line) == line
    assert line - line == Timeline()
    assert (line & line) == line
    assert line.duration == pytest.approx(sum(e - s for s, e in line))


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_from_mask_and_back(cells: list[bool]) -> None:
    mask = np.array(cells)
    edges = np.arange(len(mask) + 1) / 10
    middles = (edges[1:] + edges[:-1]) / 2
    assert (Timeline.from_mask(mask, edges).mask(middles) == mask).all()


def test_bridged_closes_short_holes_only() -> None:
    line = Timeline([(0, 1), (1.5, 2), (5, 6)])
    assert line.bridged(0.5) == Timeline([(0, 2), (5, 6)])
    assert line.bridged(0.4) == line
