"""AMIGOS: order of its ratings, people and clips that are left out, holes, and what cannot be right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.data import matlab
from moodal.lab.data.sets import amigos
from moodal.lab.data.windows import WindowsTruth

FIRST = "Data_Preprocessed_P01.mat"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WindowsTruth]:
    root = tmp_path_factory.mktemp("amigos") / "twin"
    return root, amigos.generate(root, trials=2)


@pytest.fixture
def changed(twin: Any, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    def change(how: Callable[[dict[str, Any]], object]) -> Path:
        root = Path(shutil.copytree(twin[0], tmp_path / "copy"))
        held = matlab.load(root / FIRST)
        how(held)
        (root / FIRST).write_bytes(matlab.write(held))
        return root

    return change


def clip(held: dict[str, Any], k: int, how: Callable[[np.ndarray], object]) -> None:
    values = held["joined_data"][k].copy()
    how(values)
    held["joined_data"][k] = values


def test_arousal_comes_first_and_emotions_are_those_ticked(twin: Any) -> None:
    root, _ = twin
    data = amigos.read(root)
    row = matlab.load(root / FIRST)["labels_selfassessment"][1].ravel()
    at = int(np.flatnonzero(data.index["clip"] == "s01-v13")[0])
    assert data.index.label("ratings").names[:2] == ("arousal", "valence")
    np.testing.assert_array_equal(data.index.label("ratings").values[at], row[:5])
    assert data.index.label("arousal").source[at] == f"{row[0]:g}"
    assert data.index.label("valence").source[at] == f"{row[1]:g}"
    ticked = [amigos.EMOTIONS[i] for i in np.flatnonzero(row[5:])]
    assert data.index.label("emotions").source[at] == "|".join(ticked) != ""
    assert data.index["position"][at] == "2"
    assert data.index["session"][at] == "s01-short"


def test_long_clips_are_read_when_asked_and_who_saw_none_is_told(twin: Any) -> None:
    root, _ = twin
    data = amigos.read(root, videos="long")
    assert list(data.index["clip"]) == ["s01-vN1"]
    assert "s02 has no long trials and is left out" in data.index.notices
    assert len(amigos.read(root, videos="all")) == 5
    with pytest.raises(UsageError, match="videos = 'medium' is not known"):
        amigos.read(root, videos="medium")


def test_people_with_invalid_signals_are_left_out_with_a_reason(twin: Any, tmp_path: Path) -> None:
    root = Path(shutil.copytree(twin[0], tmp_path / "copy"))
    home = root / "Data_Preprocessed_P09"
    home.mkdir()
    shutil.copy(root / FIRST, home / "Data_Preprocessed_P09.mat")
    data = amigos.read(root, signals=["eda"])
    assert set(data.index["subject"]) == {"s01", "s02"}
    assert any(n.startswith("people 9 are left out: parts of their signals are not valid") for n in data.index.notices)
    assert set(amigos.read(root, signals=["eda"], skip=[]).index["subject"]) == {"s01", "s02", "s09"}
    assert set(amigos.read(root, signals=["eda"], subjects=[9]).index["subject"]) == {"s09"}
    parts = list(amigos.people(root, signals=["eda"]))
    assert [set(p.index["subject"]) for p in parts] == [{"s01"}, {"s02"}]
    assert all("emotions" in p.index.labels for p in parts)


def test_a_window_with_a_hole_lacks_that_signal_alone(changed: Any) -> None:
    def holes(held: dict[str, Any]) -> None:
        clip(held, 0, lambda v: v.__setitem__((slice(1000, 1200), 3), np.nan))
        clip(held, 1, lambda v: v.__setitem__((slice(None), slice(0, 14)), np.nan))

    data = amigos.read(changed(holes), window_s=5.0)
    eeg, ecg = data.features["eeg"], data.features["ecg"]
    assert np.isfinite(eeg.values).all()
    rows = [i for i, t in enumerate(data.index["trial"]) if t == "s01-v10"]
    # Rest until 5 s; the hole lies from 7.8 to 9.4 s, in the first window.
    assert [bool(eeg.present[i]) for i in rows] == [False, True, True, True]
    assert all(ecg.present[i] for i in rows)
    assert not any(eeg.present[data.index["trial"] == "s01-v13"])
    assert any("eeg has no values in 1 trials (first: s01-v13)" in n for n in data.index.notices)
    assert any("eeg channel FC5 holds holes" in n for n in data.index.notices)


def test_trials_that_nobody_rated_have_no_label(changed: Any) -> None:
    data = amigos.read(changed(lambda h: h["labels_selfassessment"].__setitem__(1, np.zeros((0, 0)))), signals=["eda"])
    at = list(data.index["clip"]).index("s01-v13")
    assert data.index.label("valence").values[at] == -1
    assert np.isnan(data.index.label("ratings").values[at]).all()
    assert data.index.label("emotions").source[at] == ""


def test_the_rest_is_kept_or_subtracted(twin: Any) -> None:
    drop, keep, less = (amigos.read(twin[0], signals=["eda"], baseline=b) for b in ("drop", "keep", "subtract"))
    np.testing.assert_array_equal(keep.features["eda"][0][640:], drop.features["eda"][0])
    rest = keep.features["eda"][0][:640].mean()
    np.testing.assert_allclose(less.features["eda"][0], drop.features["eda"][0] - rest, atol=1e-5)


def test_skin_in_another_unit_is_found_by_its_values(changed: Any, twin: Any) -> None:
    usual = amigos.read(twin[0], signals=["eda"])

    def ohm(held: dict[str, Any]) -> None:
        for k in (0, 1, 16):
            clip(held, k, lambda v: v.__setitem__((slice(None), 16), 1e6 / v[:, 16]))

    data = amigos.read(changed(ohm), signals=["eda"])
    np.testing.assert_allclose(data.features["eda"].values, usual.features["eda"].values, rtol=1e-5)
    assert any("ohm in 1, µS in 1" in n for n in data.index.notices)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h: clip(h, 0, lambda v: v[:, :14].__imul__(1e-6)), "eeg has a deviation of .*is it in V"),
        (lambda h: h["joined_data"].__setitem__(0, h["joined_data"][0][:, :16]), r"a clip has the shape \(\d+, 16\)"),
        (lambda h: h["joined_data"].__setitem__(1, h["joined_data"][1][::2]), "were expected.*state the rate"),
        (lambda h: h["labels_selfassessment"].__setitem__(0, np.ones((1, 5))), "clip 10 has 5 ratings, not 12"),
        (lambda h: h["VideoIDs"].__setitem__(1, "10"), "its VideoIDs do not name each clip once"),
        (lambda h: h.pop("joined_data"), "has no joined_data"),
        (lambda h: h["joined_data"].pop(), "are not cells of one length"),
        (lambda h: clip(h, 0, lambda v: v[:, 14:16].__imul__(1e-6)), "ecg has a deviation of"),
    ],
)
def test_what_cannot_be_right_is_one_line(changed: Any, change: Any, said: str) -> None:
    root = changed(change)
    # The second person is read first, so that a clip's length is known.
    (root / FIRST).rename(root / "Data_Preprocessed_P03.mat")
    with pytest.raises(InputError, match=said) as caught:
        amigos.read(root)
    assert "\n" not in str(caught.value)
    assert "Data_Preprocessed_P03.mat" in str(caught.value)
