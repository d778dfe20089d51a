"""States that one expert tells of by itself: beside the fusion, of who wears the sensor, with their own label rule."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from moodal.core.clock import Span
from moodal.core.errors import UsageError
from moodal.core.stream import Stream
from moodal.core.track import Field, Gap, Track, TrackSet, TrackSpec
from moodal.fuse import Facts, conclude, states
from moodal.settings import Settings

SPEC = TrackSpec("body.stress", (Field("stress", "", 0, 1),), 1 / 30, "made up", ends=True)


def tracks() -> dict[str, TrackSet]:
    """Windows of 30 s: calm, a gap, then stress."""
    starts, ends = np.array([0.0, 60.0]), np.array([30.0, 90.0])
    values, quality = np.array([[0.2], [0.9]], np.float32), np.full(2, 0.8, np.float32)
    track = Track(SPEC, "body", starts, values, quality, (Gap(30.0, 60.0, "no_contact"),), ends)
    return {SPEC.name: TrackSet(SPEC, {"body": track})}


def facts(*schemes: str, **more: object) -> Facts:
    streams = (Stream("ppg", "ppg", 64.0, 0.0, 90.0),)
    return Facts("band", 90.0, streams, Span(0.0, 90.0), schemes=schemes, modalities=("body",), **more)  # type: ignore[arg-type]


def test_a_state_is_told_of_the_wearer_and_nothing_else_is() -> None:
    mood = conclude(tracks(), facts("stress2"))
    [(name, subject)] = mood.subjects.items()
    shares = subject.classes["stress2"]
    assert name == "body"
    assert_allclose(shares[10], [0.8, 0.2], atol=1e-6)
    assert np.isnan(shares[45]).all()
    assert_allclose(shares[75], [0.1, 0.9], atol=1e-6)
    assert not mood.calibrated
    assert np.isnan(subject.valence).all()
    summary = mood.summary()
    assert summary["scheme"] == "stress2"
    assert set(summary["subjects"][0]["overall"]["classes"]) == {"no stress", "stress"}


WORKLOAD = TrackSpec("brain.workload", tuple(map(Field, ("task", "eeg", "ecg"))), 0.1, "made up")


def test_what_a_state_rests_on_is_what_moved_it() -> None:
    """Windows of 10 s: EEG and ECG, EEG alone, ECG alone."""
    values = np.array([[0.9, 3.0, -1.0], [0.9, 2.0, np.nan], [0.2, np.nan, -1.0]], np.float32)
    gap = (Gap(30.0, 40.0, "too_short"),)
    track = Track(WORKLOAD, "body", np.array([0.0, 10.0, 20.0]), values, np.ones(3, np.float32), gap)
    streams = (Stream("eeg", "eeg", 128.0, 0.0, 40.0), Stream("ecg", "ecg", 128.0, 0.0, 40.0))
    told = Facts("cap", 40.0, streams, Span(0.0, 40.0), schemes=("workload2",), modalities=("body", "brain"))
    mood = conclude({WORKLOAD.name: TrackSet(WORKLOAD, {"body": track})}, told)
    [subject] = mood.subjects.values()
    at = [5, 15, 25, 35]
    assert_allclose(subject.support["brain"][at], [0.75, 1, 0, 0])
    assert_allclose(subject.support["body"][at], [0.25, 0, 1, 0])
    missing = {(g.modality, g.start, g.end) for g in mood.gaps}
    assert missing == {("body", 10, 20), ("body", 30, 40), ("brain", 20, 30), ("brain", 30, 40)}


def test_label_sets_follow_the_experts_own_rule() -> None:
    mood = conclude(tracks(), facts("stress2", label_rules={"stress2": {"least": 0.15}}))
    sets = mood.subjects["body"].label_set["stress2"]
    assert mood.calibrated
    assert sets[10].tolist() == [True, True]
    assert sets[75].tolist() == [False, True]


def test_it_stands_beside_emotion() -> None:
    mood = conclude(tracks(), facts("ekman8", "stress2"))
    [subject] = mood.subjects.values()
    assert np.isnan(subject.classes["ekman8"]).all()
    assert np.isfinite(subject.classes["stress2"][75]).all()


def test_a_scheme_that_nobody_can_tell_is_one_line() -> None:
    with pytest.raises(UsageError, match="meld7"):
        states.check("meld7")
    with pytest.raises(UsageError, match="left out"):
        Settings(only=("face",), schemes=("stress2",))
