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
