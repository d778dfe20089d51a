"""The drift monitor says when much of a recording is unlike training, and is quiet otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moodal.core.mood import MoodGap
from moodal.fuse.drift import drift, warnings
from moods import make_mood


def test_what_is_unlike_is_counted_and_said() -> None:
    mood = make_mood()
    before = drift(mood)
    assert all(share == 0 for share in before.values())
    assert not warnings(mood, before)
    who = next(iter(mood.subjects))
    told = {m: float((s > 0).sum() * mood.step_s) for m, s in mood.subjects[who].support.items()}
    modality = max(told, key=lambda m: told[m])
    gap = MoodGap(who, modality, 0.0, told[modality], "out_of_domain")
    unlike = replace(mood, gaps=(*mood.gaps, gap))
    shares = drift(unlike)
    assert 0.3 < shares[modality] <= 0.5 + 1e-9
    [line] = warnings(unlike, shares)
    assert "unlike" in line
    assert f"{shares[modality]:.0%}" in line


@pytest.mark.parametrize("reason", ["silence", "no_face"])
def test_other_gaps_are_no_drift(reason: str) -> None:
    mood = make_mood()
    gap = MoodGap(next(iter(mood.subjects)), "face", 0.0, 5.0, reason)
    assert drift(replace(mood, gaps=(gap,))).get("face", 0) == 0
