"""ASCERTAIN: what its files must prove about themselves, and what is refused where they do not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.data import matlab
from moodal.lab.data.sets import ascertain
from moodal.lab.data.windows import WindowsTruth

ECG = "ASCERTAIN_Raw/ECGData/Movie_P01/ECG_Clip1.mat"
GSR = "ASCERTAIN_Raw/GSRData/Movie_P01/GSR_Clip1.mat"
RATINGS = "ASCERTAIN_Features/Dt_SelfReports.mat"
ORDER = "ASCERTAIN_Features/Dt_Order_Movie.mat"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WindowsTruth]:
    root = tmp_path_factory.mktemp("ascertain") / "twin"
    return root, ascertain.generate(root)


@pytest.fixture
def copy(twin: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(twin[0], tmp_path / "copy"))


def changed(root: Path, part: str, how: Callable[[dict[str, Any]], object]) -> None:
    held = matlab.load(root / part)
    how(held)
    (root / part).write_bytes(matlab.write(held))


def test_leads_are_found_in_narrow_and_wide_tables(twin: Any) -> None:
    root, truth = twin
    data = ascertain.read(root, ratings_by="clip")
    assert data.features["ecg"].rate_hz == 256
    assert data.features["eda"].rate_hz == 128
    for m in ("ecg", "eda"):
        for i in range(len(data)):
            np.testing.assert_allclose(data.features[m][i], truth.samples[m][i], atol=1e-2, rtol=1e-5)
    assert set(data.index["openness"]) != {""}
    assert sorted(data.index["order"][data.index["subject"] == "s01"]) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("by", ["clip", "order"])
def test_the_order_of_ratings_is_proved_by_what_people_agree_on(by: str, copy: Path) -> None:
    rng = np.random.default_rng(0)
    shown = np.stack([rng.permutation(36) + 1 for _ in range(58)])
    feeling = np.where(np.arange(36) < 18, 2.0, -2.0)
    valence = np.clip(np.round(feeling + rng.normal(size=(58, 36))), -3, 3)
    told = np.full((5, 58, 36), 3.0)
    told[1] = valence if by == "clip" else np.take_along_axis(valence, shown - 1, axis=1)
    (copy / RATINGS).write_bytes(matlab.write({"Ratings": told}))
    (copy / ORDER).write_bytes(matlab.write({"PermutationList": shown.astype(float)}))
    data = ascertain.read(copy)
    assert any(n.startswith(f"ratings stand by {by}") for n in data.index.notices)
    np.testing.assert_array_equal(data.index.label("ratings").values[:4, 0], valence[0, :4])
    assert list(data.index["order"][:4]) == [str(int(np.flatnonzero(shown[0] == c)[0]) + 1) for c in (1, 2, 3, 4)]
    assert list(data.index.label("valence").values[:4]) == list((valence[0, :4] > 0).astype(int))


def test_ratings_that_prove_no_order_are_refused_until_it_is_said(copy: Path) -> None:
    rng = np.random.default_rng(1)
    told = rng.integers(0, 4, (5, 58, 36)).astype(float)
    (copy / RATINGS).write_bytes(matlab.write({"Ratings": told}))
    shown = np.stack([rng.permutation(36) + 1 for _ in range(58)]).astype(float)
    (copy / ORDER).write_bytes(matlab.write({"PermutationList": shown}))
    with pytest.raises(InputError, match=r"people agree as much on clips .*ratings_by = \"clip\" or \"order\""):
        ascertain.read(copy)
    data = ascertain.read(copy, ratings_by="clip")
    np.testing.assert_array_equal(data.index.label("ratings").values[0], told[[1, 0], 0, 0])
    (copy / ORDER).unlink()
    assert any("taken to stand by clip" in n for n in ascertain.read(copy).index.notices)
    with pytest.raises(InputError, match="lacks ASCERTAIN_Features/Dt_Order_Movie"):
        ascertain.read(copy, ratings_by="order")


def test_eeg_is_read_only_when_asked_for_and_says_what_is_not_known(copy: Path) -> None:
    assert ascertain.read(copy, ratings_by="clip").modalities == ("ecg", "eda")
    data = ascertain.read(copy, ratings_by="clip", signals=["ecg", "eeg"])
    assert data.features["eeg"].fields == tuple(f"row{k}" for k in range(1, 9))
    assert data.features["eeg"].rate_hz == 32
    assert any("what they are, and in which unit, is not told" in n for n in data.index.notices)
    with pytest.raises(InputError, match="its eeg has no rate of its own"):
        ascertain.read(copy, ratings_by="clip", signals=["eeg"])
    changed(copy, "ASCERTAIN_Raw/EEGData/Movie_P01/EEG_Clip2.mat", lambda h: h.update(ThisEEG=np.ones((8, 900))))
    with pytest.raises(InputError, match="fits no one rate and number of rows"):
        ascertain.read(copy, ratings_by="clip", signals=["ecg", "eeg"])


def test_gaps_between_stamps_are_holes(copy: Path) -> None:
    def gap(held: dict[str, Any]) -> None:
        table = held["Data_GSR"]
        held["Data_GSR"] = np.delete(table, np.arange(1000, 1400), axis=0)

    changed(copy, GSR, gap)
    data = ascertain.read(copy, ratings_by="clip", window_s=10.0, signals=["ecg", "eda"])
    rows = np.flatnonzero(data.index["trial"] == "s01-v01")
    assert list(data.features["eda"].present[rows]) == [False, False, True, True, True]
    assert all(data.features["ecg"].present[rows])
    assert np.isfinite(data.features["eda"].values).all()


def test_people_one_by_one_and_clips_without_samples(copy: Path) -> None:
    changed(copy, ECG, lambda h: h.update(Data_ECG=np.zeros((0, 3))))
    changed(copy, GSR, lambda h: h.update(Data_GSR=np.zeros((0, 5))))
    data = ascertain.read(copy, ratings_by="clip")
    assert len(data) == 11
    assert "s01-v01 has no samples and is left out" in data.index.notices
    parts = list(ascertain.people(copy, ratings_by="clip", subjects=[2, 3]))
    assert [set(p.index["subject"]) for p in parts] == [{"s02"}, {"s03"}]
    with pytest.raises(InputError, match="lacks its person 9"):
        ascertain.read(copy, subjects=[9])
    with pytest.raises(UsageError, match="ratings_by = 'name' is not known"):
        ascertain.read(copy, ratings_by="name")


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        (ECG, lambda h: h["Data_ECG"][:, 0].__imul__(3.1), "bear out no rate of a sensor"),
        (ECG, lambda h: h["Data_ECG"][:, 1:].__imul__(1e-6), "ecg has a deviation of .*is it in V"),
        (ECG, lambda h: h.update(Data_ECG=h["Data_ECG"][:, :2]), r"its Data_ECG has the shape \(12800, 2\)"),
        (ECG, lambda h: h.update(Data_ECG="none"), "its Data_ECG is no array of numbers"),
        (GSR, lambda h: h["Data_GSR"][:, 4].__imul__(-1), "its eda has a level of"),
        (GSR, lambda h: h.update(Data_GSR=h["Data_GSR"][::-1]), "bear out no rate"),
        (RATINGS, lambda h: h.update(Ratings=h["Ratings"][:4]), r"its Ratings have the shape \(4, 3, 4\)"),
        (RATINGS, lambda h: h["Ratings"].__setitem__((1, 0, 0), -4.0), "s01-v01 rates valence -4, outside -3 to 3"),
        (RATINGS, lambda h: h.update(Ratings=h["Ratings"][:, :, :3]), "orders no clips"),
        (ORDER, lambda h: h["PermutationList"].__setitem__((0, 0), 3.5), "orders no clips"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_one_line(copy: Path, part: str, change: Any, said: str) -> None:
    changed(copy, part, change)
    with pytest.raises(InputError, match=said) as caught:
        ascertain.read(copy, ratings_by="clip")
    assert "\n" not in str(caught.value)
