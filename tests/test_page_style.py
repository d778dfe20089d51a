"""The stylesheet keeps the design's colours and contrasts (WCAG 2.2 relative luminance)."""

from __future__ import annotations

import re
from importlib import resources

import numpy as np
import pytest

CSS = (resources.files("moodal.page") / "page.css").read_text(encoding="utf-8")
THEMES = {
    "light": re.search(r":root \{(.*?)\}", CSS, re.S),
    "dark": re.search(r':root\[data-theme="dark"\] \{(.*?)\}', CSS, re.S),
}
#: Ratios on paper and on rail that the design states.
STATED = {
    "light": {"ink": (16.5, 15.1), "ink2": (7.6, 7.0), "ink3": (5.3, 4.8), "hatch": (3.5, 3.2), "line": (1.3, None),
              "p1": (6.7, 6.1), "p2": (6.0, 5.5), "p3": (5.7, 5.2), "p4": (12.3, 11.2)},
    "dark": {"ink": (15.6, 14.1), "ink2": (9.4, 8.5), "ink3": (6.5, 5.9), "hatch": (3.8, 3.4), "line": (1.5, None),
             "p1": (8.8, 8.0), "p2": (9.6, 8.7), "p3": (6.5, 5.9), "p4": (14.8, 13.4)},
}  # fmt: skip


def variables(theme: str) -> dict[str, str]:
    block = THEMES[theme]
    assert block is not None
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", block[1]))


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def luminance(colour: np.ndarray) -> float:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def ratio(a: np.ndarray, b: np.ndarray) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def over(colour: np.ndarray, paper: np.ndarray, alpha: float) -> np.ndarray:
    return colour * alpha + paper * (1 - alpha)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_stated_ratios(theme: str) -> None:
    v = variables(theme)
    for role, (on_paper, on_rail) in STATED[theme].items():
        assert ratio(rgb(v[role]), rgb(v["paper"])) == pytest.approx(on_paper, abs=0.06), role
        if on_rail:
            assert ratio(rgb(v[role]), rgb(v["rail"])) == pytest.approx(on_rail, abs=0.06), role


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_at_least_aa_and_drawing_at_least_three(theme: str) -> None:
    v = variables(theme)
    for ground in ("paper", "rail"):
        for role in ("ink", "ink2", "ink3", "p1", "p2", "p3", "p4"):
            assert ratio(rgb(v[role]), rgb(v[ground])) >= 4.5
        assert ratio(rgb(v["hatch"]), rgb(v[ground])) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_on_fills_and_edges_of_fills(theme: str) -> None:
    v = variables(theme)
    paper, ink = rgb(v["paper"]), rgb(v["ink"])
    for p in ("p1", "p2", "p3", "p4"):
        hue = rgb(v[p])
        assert ratio(over(hue, paper, float(v["set1"])), paper) >= 4.9
        for size in ("set2", "set3", "set4"):
            assert ratio(over(hue, paper, float(v[size])), ink) >= 4.65  # 4.7 to one decimal
        assert ratio(over(hue, paper, float(v["edge"])), paper) >= 3.4


def test_dark_is_the_same_by_preference_and_by_button() -> None:
    preferred = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\}', CSS, re.S)
    assert preferred is not None
    assert dict(re.findall(r"--([\w-]+):\s*([^;]+);", preferred[1])) == variables("dark")


# Full deficiency after Machado, Oliveira and Fernandes 2009, table 1 (severity 1.0), on linear RGB.
MACHADO = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(linear: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.array([t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz / [0.9505, 1.0, 1.089]])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(("theme", "least"), [("light", 16), ("dark", 24)])
def test_four_hues_stay_apart_for_the_colour_blind(theme: str, least: float) -> None:
    v = variables(theme)
    for matrix in MACHADO.values():
        seen = []
        for p in ("p1", "p2", "p3", "p4"):
            c = rgb(v[p])
            linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
            seen.append(lab(np.clip(np.array(matrix) @ linear, 0, 1)))
        for i in range(4):
            for j in range(i):
                assert np.linalg.norm(seen[i] - seen[j]) >= least - 0.5


def test_no_type_below_eleven_pixels_on_screen() -> None:
    screen = CSS[: CSS.index("@media print")]
    sizes = [float(s) for s in re.findall(r"font(?:-size)?:[^;]*?(\d*\.\d+|\d+)rem", screen)]
    assert min(sizes) >= 0.6875
