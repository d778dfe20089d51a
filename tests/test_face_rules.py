"""Geometry and rules of the face on made-up points and blendshapes."""

from __future__ import annotations

import numpy as np
import pytest

from moodal.core.scheme import SCHEMES
from moodal.dsp.face_expression import ACTION_UNITS, DEAD, action_units, expression
from moodal.dsp.face_geometry import gaze, head_pose, picture_quality
from moodal.extract.face.extractor import face_quality
from moodal.extract.face.nets import BLENDSHAPES, _anchors, overlap
from moodal.extract.face.tracker import descriptor

CLASSES = SCHEMES["ekman8"].classes
REST = dict.fromkeys(BLENDSHAPES, 0.0)


def told(**shapes: float) -> tuple[str, float]:
    """The strongest class and its score; names without a side stand for both."""
    full = dict(REST)
    for name, value in shapes.items():
        for key in (name, f"{name}Left", f"{name}Right"):
            if key in full:
                full[key] = value
    scores, intensity = expression(full)
    assert scores.sum() == pytest.approx(1)
    assert 0 <= intensity <= 1
    return CLASSES[int(scores.argmax())], float(scores.max())


def test_anchors_are_those_of_blazeface() -> None:
    assert _anchors(128, [(8, 2), (16, 6)]).shape == (896, 2)
    assert _anchors(192, [(4, 1)]).shape == (2304, 2)


def test_a_resting_face_is_neutral_whatever_it_looks_like() -> None:
    assert told()[0] == "neutral"
    assert told(browDown=0.55, eyeSquint=0.63)[0] == "neutral"
    assert told(browInnerUp=0.3, mouthShrugLower=0.47, eyeSquint=0.42)[0] == "neutral"


def test_a_smile_wants_the_upper_lip_and_a_grimace_is_none() -> None:
    assert told(mouthSmile=0.86, mouthUpperUp=0.65, eyeSquint=0.43) == ("happiness", pytest.approx(0.99, abs=0.02))
    assert told(mouthSmile=0.9, mouthUpperUp=0.05, eyeBlink=0.75, eyeSquint=0.6)[0] != "happiness"


def test_other_classes_answer_to_their_action_units() -> None:
    assert told(browInnerUp=0.9, browOuterUp=0.8, jawOpen=0.6)[0] == "surprise"
    assert told(browInnerUp=0.9, mouthShrugLower=0.7)[0] == "sadness"
    assert told(browDown=0.9, mouthPress=0.7)[0] == "anger"
    assert told(mouthUpperUp=0.8, browDown=0.6)[0] == "disgust"
    assert told(browInnerUp=0.8, browOuterUp=0.6, mouthStretch=0.6)[0] == "fear"
    lopsided = {**REST, "mouthSmileLeft": 0.8}
    assert CLASSES[int(expression(lopsided)[0].argmax())] == "contempt"


def test_dead_blendshapes_carry_no_weight() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        shapes = dict(zip(BLENDSHAPES, rng.random(52), strict=True))
        moved = {**shapes, **{name: rng.random() for name in DEAD}}
        assert np.array_equal(expression(shapes)[0], expression(moved)[0])
        assert np.array_equal(action_units(shapes), action_units(moved))
    assert not {"AU06", "AU09"} & set(ACTION_UNITS)


def head(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """A rigid made-up head turned by these angles: to its left, up, and leaning to its left."""
    rng = np.random.default_rng(1)
    points = rng.uniform(-60, 60, (478, 3))
    for index, at in {
        33: (-45, -30, 0), 133: (-15, -30, 0), 362: (15, -30, 0), 263: (45, -30, 0), 234: (-70, 0, 40),
        454: (70, 0, 40), 10: (0, -90, 0), 152: (0, 90, 0), 468: (-30, -30, 0), 473: (30, -30, 0),
    }.items():  # fmt: skip
        points[index] = at
    y, p, r = np.radians([yaw, -pitch, roll])
    turn_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]).T
    turn_p = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    turn_r = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return points @ (turn_r @ turn_p @ turn_y).T + [320, 180, 0]


@pytest.mark.parametrize("angle", [-30.0, 0.0, 30.0])
def test_head_pose_is_what_the_head_does(angle: float) -> None:
    rest = head_pose(head())[1]
    assert head_pose(head(yaw=angle))[0] == pytest.approx(angle, abs=0.5)
    assert head_pose(head(pitch=angle))[1] - rest == pytest.approx(angle, abs=0.5)
    assert head_pose(head(roll=angle))[2] == pytest.approx(angle, abs=0.5)


def test_gaze_follows_the_iris() -> None:
    points = head()
    assert gaze(points) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    points[[468, 473]] += [4, -4, 0]
    left, up = gaze(points)
    assert left > 5
    assert up > 5


def test_descriptor_ignores_place_size_and_turn() -> None:
    one = descriptor(head())
    assert np.allclose(descriptor(head(25, 10, -15) * 2 + 50), one, atol=1e-6)


def test_quality_falls_and_then_becomes_a_reason() -> None:
    good = {"size": 200, "sharpness": 15, "light": 0.5, "yaw": 0, "pitch": 0, "presence": 20}
    assert face_quality(**good) == (pytest.approx(1), "")
    for change, reason in (
        ({"size": 15}, "face_small"),
        ({"sharpness": 0.5}, "face_blurred"),
        ({"light": 0.02}, "dark"),
        ({"yaw": -70}, "face_turned"),
        ({"presence": 1}, "occluded"),
    ):
        assert face_quality(**{**good, **change})[1] == reason
    worse = [face_quality(**{**good, "presence": p})[0] for p in (14, 10, 6, 4)]
    assert worse == sorted(worse, reverse=True)


def test_sharpness_and_light_see_blur_and_dark() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    flat = np.full((256, 256, 3), 90, np.uint8)
    assert picture_quality(sharp)[0] > 50
    assert picture_quality(flat) == (0.0, pytest.approx(90 / 255, abs=0.01))


def test_overlap_is_intersection_over_union() -> None:
    a, b = np.array([0, 0, 10, 10.0]), np.array([5, 0, 10, 10.0])
    assert overlap(a, a) == 1
    assert overlap(a, b) == pytest.approx(1 / 3)
    assert overlap(a, np.add(b, [100, 0, 0, 0])) == 0
