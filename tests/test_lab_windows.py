"""Windows on the axis of time: whole, inside their stretch, the same for streams of any rate."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.windows import Channels, Windowed, checked, joined, runs, starts


def cut(streams: dict[str, Channels], end: float, window: float, hop: float) -> Dataset:
    collected = Windowed("toy", {m: (("x",), c.rate_hz) for m, c in streams.items()}, window, hop)
    collected.add(streams, 0.0, end, trial="t", recording="r", _y="a")
    return collected.dataset(lambda told: {"y": Labels.of_classes(told["_y"], ["a"])})


def ramp(seconds: float, rate: float) -> Channels:
    """Each sample holds its own time."""
    return Channels((np.arange(round(seconds * rate)) / rate)[:, None], rate)


def test_ten_minutes_in_minutes_every_45_s_are_13_windows_none_shorter() -> None:
    data = cut({"ecg": ramp(600, 700.0)}, 600.0, 60.0, 45.0)
    assert len(data) == 13
    assert (data.features["ecg"].lengths == 60 * 700).all()
    np.testing.assert_array_equal(data.index["start_s"], np.arange(13) * 45.0)
    np.testing.assert_array_equal(data.index["end_s"] - data.index["start_s"], 60.0)
    first = data.features["ecg"].values[data.features["ecg"].offsets[:-1], 0]
    np.testing.assert_allclose(first, data.index["start_s"], atol=1e-4)


def test_a_second_stream_of_another_rate_changes_no_window() -> None:
    both = cut({"ecg": ramp(600, 700.0), "eda": ramp(600, 4.0)}, 600.0, 60.0, 45.0)
    one = cut({"ecg": ramp(600, 700.0)}, 600.0, 60.0, 45.0)
    slow = cut({"eda": ramp(600, 4.0)}, 600.0, 60.0, 45.0)
    for other in (one, slow):
        assert list(both.index["clip"]) == list(other.index["clip"])
        np.testing.assert_array_equal(both.index["start_s"], other.index["start_s"])
    assert (both.features["eda"].lengths == 240).all()
    for m in both.modalities:
        begins = both.features[m].values[both.features[m].offsets[:-1], 0]
        np.testing.assert_allclose(begins, both.index["start_s"], atol=1e-4)


@settings(max_examples=150, deadline=None)
@given(
    begin=st.floats(0, 50), length=st.floats(0.5, 90), window=st.floats(0.5, 30), hop=st.floats(0.3, 30),
    rate=st.sampled_from([4.0, 32.0, 64.0, 125.0]), late=st.floats(0, 3),
)  # fmt: skip
def test_windows_lie_inside_are_whole_and_begin_with_their_first_sample(
    begin: float, length: float, window: float, hop: float, rate: float, late: float
) -> None:
    found = starts(begin, begin + length, window, hop)
    assert (found + window <= begin + length + hop * 1e-5).all()
    # No window more would have fitted.
    assert begin + len(found) * hop + window > begin + length - hop * 1e-5
    np.testing.assert_allclose(np.diff(found), hop)
    n = round((begin + length) * rate)
    stream = Channels((late + np.arange(n) / rate)[:, None], rate, late)
    for s in found:
        part = stream.cut(float(s), window)
        if part is None:
            assert s < late or s + window > stream.end_s - 1 / rate - 1e-6
            continue
        assert len(part) == round(window * rate)
        assert -1e-4 <= part[0, 0] - s < 1 / rate + 1e-4


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=40))
def test_runs_tile_the_codes(codes: list[int]) -> None:
    found = runs(np.array(codes, int))
    assert [c for a, b, c in found for _ in range(a, b)] == codes
    assert all(left[2] != right[2] for left, right in pairwise(found))


def test_a_stream_that_ends_early_is_absent_there_and_the_others_stay() -> None:
    data = cut({"ecg": ramp(60, 100.0), "eda": ramp(31, 4.0)}, 60.0, 10.0, 10.0)
    assert data.features["ecg"].present.all()
    assert data.features["eda"].present.tolist() == [True, True, True, False, False, False]


def test_a_whole_stretch_is_what_its_streams_share_and_a_short_one_is_absent() -> None:
    collected = Windowed("toy", dict.fromkeys(("a", "b", "c"), (("x",), 4.0)))
    streams = {"a": ramp(60, 4.0), "b": ramp(58.5, 4.0), "c": ramp(35, 4.0)}
    assert collected.add(streams, 20.0, 60.0, trial="t", _y="a") == 1
    data = collected.dataset(lambda told: {"y": Labels.of_classes(told["_y"], ["a"])})
    assert (data.index["start_s"][0], data.index["end_s"][0]) == (20.0, 58.5)
    assert [len(data.features[m][0]) for m in "abc"] == [154, 154, 0]


@pytest.mark.parametrize(
    ("window_s", "hop_s"),
    [(0, None), (-1, None), (float("nan"), None), ("60", None), (True, None), (60, 0), (None, 5)],
)
def test_windows_of_no_length_are_refused(window_s: Any, hop_s: Any) -> None:
    with pytest.raises(UsageError, match=r"window_s|hop_s"):
        checked(window_s, hop_s, "toy")


def test_parts_join_to_one_set() -> None:
    one = cut({"ecg": ramp(60, 10.0)}, 60.0, 10.0, 10.0)
    other = Dataset(one.index.with_columns(clip=[f"b{k}" for k in range(len(one))]), one.features)
    both = joined([one, other])
    assert len(both) == 2 * len(one)
    np.testing.assert_array_equal(both.features["ecg"][8], one.features["ecg"][2])
    assert both.index.label("y").values.tolist() == [0] * 12
    with pytest.raises(InputError, match="are both called"):
        joined([one, one])


def test_windows_are_in_memory_once() -> None:
    """braindecode #385: what is cut is copied once, into the array that is given."""
    import tracemalloc

    collected = Windowed("toy", {"eeg": (tuple("abcdefgh"), 128.0)}, 4.0, 4.0)
    stream = {"eeg": Channels(np.ones((60 * 128, 8), np.float32), 128.0)}
    tracemalloc.start()
    try:
        for k in range(60):
            collected.add(stream, 0.0, 60.0, trial=f"t{k}", recording="r", _y="a")
        data = collected.dataset(lambda told: {"y": Labels.of_classes(told["_y"], ["a"])})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert data.features["eeg"].values.nbytes == 60 * 15 * 512 * 8 * 4
    assert peak < 1.5 * data.features["eeg"].values.nbytes
