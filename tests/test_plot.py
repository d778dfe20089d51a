"""Drawings: what is in the data is in the SVG, gaps are hatched, and outside text is escaped."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import moodal
import recordings as made
from moodal.core.errors import UsageError
from moodal.core.track import Field, Gap, Track, TrackSpec

SVG = "{http://www.w3.org/2000/svg}"
SPEC = TrackSpec("made.up", (Field("level", "dB"), Field("other")), 10.0, "made up")


def track(*gaps: Gap) -> Track:
    times = np.arange(100) / 10
    kept = ~np.any([[g.start <= t < g.end for t in times] for g in gaps], axis=0) if gaps else np.ones(100, bool)
    values = np.stack([np.sin(times), np.cos(times)], axis=1)[kept]
    return Track(SPEC, "p1", times[kept], values, np.ones(kept.sum()), gaps)


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_track_with_its_gap() -> None:
    drawing = track(Gap(3.0, 5.0, "occluded")).plot("level")
    root = ElementTree.fromstring(drawing.svg)
    assert {"level", "dB"} <= set(texts(drawing.svg))
    assert "other" not in texts(drawing.svg)
    hatched = [r for r in root.iter(f"{SVG}rect") if r.get("fill") == "url(#gap)"]
    assert len(hatched) == 1
    [path] = [p for p in root.iter(f"{SVG}path") if p.get("stroke") != "#7F8B96"]
    columns = [float(step.split()[0]) for step in path.get("d", "").split("M")[1:]]
    x0 = float(hatched[0].get("x", "nan"))
    x1 = x0 + float(hatched[0].get("width", "nan"))
    assert not [x for x in columns if x0 + 1 < x < x1 - 1], "a line crosses the gap"
    assert drawing._repr_svg_() == track(Gap(3.0, 5.0, "occluded")).plot("level").svg


def test_an_unknown_field_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"made\.up: has no field 'nose'\. Known: level, other"):
        track().plot("nose")


def test_a_recording_and_hostile_words(tmp_path: Path) -> None:
    (tmp_path / "talk.srt").write_text("1\n00:00:00,200 --> 00:00:01,500\n<script>alert(1)</script>\n")
    made.write_video(tmp_path / "talk.mp4", made.portrait(2), sound=made.speech(2))
    recording = moodal.read(tmp_path / "talk.mp4", with_=[tmp_path / "talk.srt"])
    path = recording.plot().save(tmp_path / "talk.svg")
    svg = path.read_text()
    assert {"picture", "sound", "words"} <= set(texts(svg))
    assert "<script>" not in svg


def test_nothing_measured_is_drawn_as_nothing() -> None:
    empty = Track(SPEC, "", np.empty(0), np.empty((0, 2)), np.empty(0), (Gap(0, 5, "silence"),))
    assert "silence" in texts(empty.plot().svg)
