"""Maps of the head on the page."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources
from xml.etree import ElementTree

import numpy as np
import pytest

import page_moods
from moodal.core.track import Piece, TrackSet
from moodal.dsp.eeg import BANDS, POSITIONS
from moodal.extract.brain.tracks import BANDS_TRACK, SUBJECT
from moodal.page.build import render
from moodal.page.scalp import POINTS, SIZE, contour, scalp


def mood(power: np.ndarray):
    """A wristband's Mood with an EEG of that power ``(seconds, bands, 19)``."""
    base = page_moods.only(SUBJECT, ("ppg",))
    n = len(power)
    piece = Piece(BANDS_TRACK.name, SUBJECT, np.arange(n, dtype=float), power.reshape(n, -1).astype(np.float32),
                  np.ones(n, np.float32), ())  # fmt: skip
    return replace(base, tracks={**base.tracks, BANDS_TRACK.name: TrackSet.from_pieces(BANDS_TRACK, [piece])})


def even(n: int = 30) -> np.ndarray:
    power = np.ones((n, len(BANDS), len(POSITIONS)))
    power[:, 2, list(POSITIONS).index("O1")] = 6  # alpha at the back
    return power


def area(d: str) -> float:
    """Area of a path of closed polygons, in squared radii of the head."""
    total = 0.0
    for part in re.findall(r"M[^z]*z", d):
        points = []
        for command, numbers in re.findall(r"([MLHV])([-\d. ]+)", part):
            v = [float(x) for x in numbers.split()]
            points.append(
                (v[0], points[-1][1]) if command == "H" else (points[-1][0], v[0]) if command == "V" else (v[0], v[1])
            )
        x, y = np.array(points).T
        total += abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    return total / SIZE**2


def test_a_contour_encloses_what_is_above_its_level() -> None:
    axis = np.linspace(-1, 1, POINTS)
    x, y = np.meshgrid(axis, axis)
    field = 1 - np.hypot(x, y)
    for level in (0.3, 0.6):
        assert area(contour(axis, field, level)) == pytest.approx(np.pi * (1 - level) ** 2, rel=0.02)
    assert contour(axis, field, 1.1) == ""
    hidden = np.where(x > 0, np.nan, field)
    assert area(contour(axis, hidden, 0.3)) == pytest.approx(np.pi * 0.7**2 / 2, rel=0.08)


def test_a_map_a_band_says_in_words_what_it_shows() -> None:
    text = scalp(mood(even()))
    section = ElementTree.fromstring(text.replace("&nbsp;", " "))
    pictures = [e for e in section.iter("svg") if e.get("role") == "img"]
    labels = [e.get("aria-label") for e in pictures]
    assert [label.split(",")[0] for label in labels if label] == list(BANDS)
    assert "most at O1, 60 %" in str(labels[2]).replace("\u00a0", " ")
    names = [e.text for e in pictures[0].iter("text")]
    assert names == list(POSITIONS)
    cells = [[e.text for e in row] for row in section.iter("tr")]
    assert cells[1 + names.index("O1")][3].replace("\u00a0", " ") == "60 %"
    # The darkest steps of alpha lie at the back on the left: down is y > 0.
    steps = pictures[2].find("g").findall("path")  # type: ignore[union-attr]
    points = np.array([[float(a), float(b)] for a, b in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", steps[-1].get("d"))])
    assert points[:, 0].mean() < 0 < points[:, 1].mean()
    assert text == scalp(mood(even()))


def test_an_even_head_has_one_strength() -> None:
    section = ElementTree.fromstring(scalp(mood(np.ones((10, 5, 19)))))
    picture = next(e for e in section.iter("svg") if e.get("role") == "img")
    areas = [area(str(p.get("d"))) for p in picture.find("g").findall("path")]  # type: ignore[union-attr]
    # Reach of 42° beyond the equator covers the whole head; every step is as large as the first.
    assert np.ptp(areas) < 0.02 * areas[0]


def test_what_does_not_tell_is_not_drawn_and_named() -> None:
    power = even()
    power[:, :, 2] = np.nan
    power[:27, :, 3] = np.nan
    text = scalp(mood(power)).replace("\u00a0", " ")
    assert "do not tell: F7, F3." in text
    assert "F3 tells in 10 % of the seconds" in text
    assert ">F7</text>" not in text
    few = np.full((30, 5, 19), np.nan)
    few[:, :, :3] = 1
    assert scalp(mood(few)) == ""
    few[:, :, 18] = 1
    assert 'role="img"' in scalp(mood(few))


def test_the_page_holds_it_and_one_without_eeg_does_not() -> None:
    assert 'class="scalp s0"' in render(mood(even()))
    assert 'class="scalp' not in render(page_moods.only(SUBJECT, ("ppg",)))


def test_maps_style_nothing_but_themselves() -> None:
    """Their sheet follows the page's: a class of both would bend what the page draws (the ruler of the overview)."""
    ours, page = ((resources.files("moodal.page") / n).read_text(encoding="utf-8") for n in ("scalp.css", "page.css"))
    rules = re.sub(r"/\*.*?\*/|@media[^{]*", "", ours)
    first = {
        s.split()[0].split(".")[1] for r in re.findall(r"([^{}]+)\{[^{}]", rules) for s in r.split(",") if s.strip()
    }
    assert first == {"scalp", "heads", "headbar", "scalpmap", "steps"}
    assert not first & set(re.findall(r"\.([a-z][\w-]*)", page))
