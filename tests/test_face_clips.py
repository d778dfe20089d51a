"""What is seen on real clips (their README says what is in them)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import moodal
from moodal.core.mood import Mood
from moodal.core.scheme import SCHEMES
from moodal.media.pictures import LONGEST

pytestmark = pytest.mark.usefixtures("models")
CLASSES = SCHEMES["ekman8"].classes


@cache
def analysed(path: Path) -> Mood:
    return moodal.analyze(path, only="face")


def top(mood: Mood, start: float, end: float) -> list[str]:
    """The strongest class of each told cell of p1 in a stretch."""
    rows = mood["p1"].classes["ekman8"][(mood.times >= start) & (mood.times < end)]
    return [CLASSES[i] for i in rows[np.isfinite(rows).all(1)].argmax(1)]


def test_neutral_then_a_grin(clips: Path) -> None:
    mood = analysed(clips / "single_face.mp4")
    assert list(mood.subjects) == ["p1"]
    assert set(top(mood, 0, 0.4)) == {"neutral"}
    assert set(top(mood, 0.9, 2.4)) == {"happiness"}


def test_a_grimace_is_no_smile(clips: Path) -> None:
    mood = analysed(clips / "WolfgangLanger_Pexels.mp4")
    assert list(mood.subjects) == ["p1"]
    grimace, smile = top(mood, 2, 9), top(mood, 11, 19.6)
    assert grimace
    assert "happiness" not in grimace
    assert set(smile) == {"happiness"}
    valence = mood["p1"].valence[:, 0]
    early = valence[(mood.times >= 2) & (mood.times < 9)]
    late = valence[(mood.times >= 11) & (mood.times < 19)]
    assert np.nanmean(late) - np.nanmean(early) >= 0.25


def test_a_calm_man_is_mostly_neutral(clips: Path) -> None:
    for name in ("openwillis_baseline.mp4", "ravdess_01-01-01-01-01-01-01.mp4"):
        labels = top(analysed(clips / name), 0, 9)
        assert labels.count("neutral") > 0.8 * len(labels), name


def test_no_face_no_person_and_a_reason(clips: Path) -> None:
    mood = analysed(clips / "no_face.mp4")
    assert not mood.subjects
    assert {g.reason for g in mood.gaps if g.modality == "face"} == {"no_face"}
    half = analysed(clips / "face_noface.mov")
    assert list(half.subjects) == ["p1"]
    assert not half["p1"].told[half.times > 2.6].any()
    gaps = half.gaps_of("p1", "face")
    assert gaps[-1].reason == "no_face"
    assert gaps[-1].end == pytest.approx(half.duration_s)


def test_five_persons_in_the_group_and_nobody_in_the_mountains(clips: Path) -> None:
    group = analysed(clips / "multi_face.jpg")
    assert group.still
    assert list(group.subjects) == ["p1", "p2", "p3", "p4", "p5"]
    assert not analysed(clips / "free-mountain-vector-01.jpg").subjects


def test_sizes_are_told_in_pixels_of_the_film_from_the_first_face_on(clips: Path) -> None:
    """A wide film is made smaller for the networks: what is told counts the pixels that were filmed."""
    recording = moodal.read(clips / "openwillis_baseline.mp4")
    width, height = (recording.stream("picture").info[side] for side in ("width", "height"))
    assert max(width, height) > LONGEST
    told = moodal.extract(recording, "face.quality")["p1"].values
    expected = np.maximum(told[:, 2] * width, told[:, 3] * height)
    assert len(told) > 50
    np.testing.assert_allclose(told[:, 4], expected, rtol=0.01)
