"""DEAP: three versions of one set, its traps, and what its users complained about."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.data import matlab, pickles
from moodal.lab.data.planted_clips import Clips
from moodal.lab.data.sets import deap
from moodal.lab.data.sets.deap_layout import EEG, FIELDS, TWENTE
from moodal.lab.data.windows import WindowsTruth
from moodal.media.edf_channels import EdfChannels

TABLE = "participant_ratings.csv"


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, WindowsTruth]]:
    made: dict[str, tuple[Path, WindowsTruth]] = {}

    def twin(version: str) -> tuple[Path, WindowsTruth]:
        if version not in made:
            root = tmp_path_factory.mktemp(version) / "twin"
            made[version] = root, deap.generate(root, people=2, trials=2, version=version)
        return made[version]

    return twin


@pytest.fixture
def copy(twins: Any, tmp_path: Path) -> Path:
    """A twin for Python, to be changed."""
    return Path(shutil.copytree(twins("python")[0], tmp_path / "deap"))


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    held = {k: pickles.array(pickles.read(path), k, where="").copy() for k in ("data", "labels")}
    change(held)
    path.write_bytes(pickles.write(held))


def relabelled(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """s01 changed, and no table that could tell."""
    changed(root / "data_preprocessed_python" / "s01.dat", change)
    (root / TABLE).unlink()


@pytest.mark.parametrize("version", ["python", "matlab", "raw"])
def test_each_version_gives_what_was_written(version: str, twins: Any) -> None:
    root, truth = twins(version)
    data = deap.read(root, version=version)
    assert list(data.index["clip"]) == list(truth.clips)
    np.testing.assert_allclose(data.index["start_s"], truth.starts)
    np.testing.assert_allclose(data.index["end_s"] - data.index["start_s"], 60)
    for m, wanted in truth.samples.items():
        for i, values in enumerate(wanted):
            np.testing.assert_allclose(data.features[m][i], values, atol=2e-3, rtol=1e-6)
    assert {m: f.rate_hz for m, f in data.features.items()} == dict.fromkeys(FIELDS, 512 if version == "raw" else 128)
    assert data.features["eeg"].fields == EEG
    assert list(data.index["site"]) == ["Twente", "Twente", "Geneva", "Geneva"]
    assert any("nS in 1, ohm in 1" in n for n in data.index.notices)
    for s in ("s01", "s32"):
        rows = data.index["subject"] == s
        assert sorted(data.index["order"][rows]) == ["1", "2"]
    assert not np.array_equal(data.index["order"], ["1", "2", "1", "2"])  # videos in order, not as they were shown


def test_a_band_that_its_makers_filtered_away_is_told(twins: Any) -> None:
    told = "its eeg holds nothing below 4 Hz and above 45 Hz: a band there is empty"
    assert told in deap.read(twins("python")[0], signals=["eeg"]).index.notices
    assert not any("holds nothing" in n for n in deap.read(twins("raw")[0], signals=["eeg"]).index.notices)
    assert not any("holds nothing" in n for n in deap.read(twins("python")[0], signals=["eda"]).index.notices)


def test_raw_recordings_hold_the_same_signals_under_other_names_and_orders(twins: Any) -> None:
    root, _ = twins("raw")
    data = deap.read(root, signals=["eeg", "eog", "eda"], window_s=10.0)
    one, two = (EdfChannels(root / "data_original" / f"s{n:02d}.bdf") for n in (1, 32))
    assert one.names[:32] == TWENTE
    assert one.names[-1] == "Status"
    assert two.names[:32] == EEG
    assert two.names[-2:] == ("", "")
    assert (len(one.names), len(two.names)) == (48, 49)
    made = Clips(0).signals(1, 2, {m: (FIELDS[m], 512.0) for m in ("eeg", "eog", "eda")}, 60, rest_s=3)
    first = int(np.flatnonzero(data.index["trial"] == "s01-v02")[0])
    for m, values in made.items():
        got, wanted = data.features[m][first], values[3 * 512 : 13 * 512]
        # BDF of ±262 mV has steps of 0.03 µV; each electrode has an offset of its own.
        np.testing.assert_allclose(
            got - got.mean(axis=0), wanted - wanted.mean(axis=0), atol=0.6 if m == "eda" else 0.1
        )
    assert abs(np.median(data.features["eda"].values) - 4) < 4


def test_markers_that_do_not_fit_the_table_are_one_line(twins: Any, tmp_path: Path) -> None:
    root = Path(shutil.copytree(twins("raw")[0], tmp_path / "raw"))
    lines = (root / TABLE).read_text().splitlines()
    cells = [line.split(",") for line in lines]
    cells[2][3] = str(int(cells[2][3]) + 50_000)  # five seconds
    (root / TABLE).write_text("\n".join(",".join(c) for c in cells) + "\n")
    with pytest.raises(InputError, match=r"begin up to 5\.0 s from where the table says"):
        deap.read(root, signals=["temp"])
    (root / TABLE).write_text("\n".join(lines[:2] + lines[3:]) + "\n")
    with pytest.raises(InputError, match=r"marks 2 starts of a video \(code 4\), its person rated 1"):
        deap.read(root, signals=["temp"])
    (root / TABLE).unlink()
    with pytest.raises(InputError, match=rf"DEAP lacks {TABLE}"):
        deap.read(root, signals=["temp"])


def test_the_rest_is_dropped_kept_or_subtracted(twins: Any) -> None:
    root, _ = twins("python")
    drop, keep, less = (deap.read(root, signals=["temp", "eda"], baseline=b) for b in ("drop", "keep", "subtract"))
    assert (keep.features["temp"].lengths == 63 * 128).all()
    assert (keep.index["start_s"] == drop.index["start_s"] - 3).all()
    for m in ("temp", "eda"):
        np.testing.assert_array_equal(keep.features[m][1][3 * 128 :], drop.features[m][1])
        rest = keep.features[m][1][: 3 * 128].mean(axis=0)
        np.testing.assert_allclose(less.features[m][1], drop.features[m][1] - rest, atol=1e-4)
    with pytest.raises(UsageError, match="baseline = 'cut' is not known"):
        deap.read(root, baseline="cut")


def test_a_person_at_a_time_is_the_same(twins: Any) -> None:
    root, _ = twins("python")
    whole = deap.read(root, signals=["eda"], window_s=20.0)
    parts = list(deap.people(root, signals=["eda"], window_s=20.0))
    assert [set(p.index["subject"]) for p in parts] == [{"s01"}, {"s32"}]
    np.testing.assert_array_equal(
        np.concatenate([p.features["eda"].values for p in parts]), whole.features["eda"].values
    )
    only = deap.read(root, signals=["eda"], window_s=20.0, subjects=[32])
    assert set(only.index["subject"]) == {"s32"}
    with pytest.raises(InputError, match="lacks its person 7"):
        deap.read(root, subjects=[7])


# -- what users complained about


def test_torcheeg_141_164_trials_have_numbers_and_one_trial_is_one_clip_of_one_person(twins: Any) -> None:
    data = deap.read(twins("python")[0], signals=["temp"], window_s=10.0)
    pairs = set(zip(data.index["trial"], data.index["subject"], data.index["stimulus"], strict=True))
    assert len(pairs) == len(set(data.index["trial"])) == 4
    for trial, subject, stimulus in pairs:
        assert trial == f"{subject}-{stimulus}"
        assert (int(subject[1:]), int(stimulus[1:])) in [(1, 1), (1, 2), (32, 1), (32, 2)]


def test_torcheeg_2_66_reading_leaves_nothing_behind_that_could_be_reused(twins: Any) -> None:
    root, _ = twins("python")
    before = sorted((p, p.stat().st_mtime_ns) for p in root.rglob("*"))
    one = deap.read(root, signals=["eeg"], window_s=10.0)
    two = deap.read(root, signals=["eeg"], window_s=20.0)
    assert len(one) == 2 * len(two)
    assert sorted((p, p.stat().st_mtime_ns) for p in root.rglob("*")) == before


def test_physiopro_23_people_are_sorted_by_number_and_keep_their_labels(copy: Path) -> None:
    folder = copy / "data_preprocessed_python"
    (folder / "s32.dat").rename(folder / "s2.dat")
    (folder / "s01.dat").rename(folder / "s10.dat")
    text = (copy / TABLE).read_text().splitlines()
    who = {"1": "10", "32": "2"}
    cells = [line.split(",", 1) for line in text[1:]]
    (copy / TABLE).write_text("\n".join([text[0], *(f"{who[a]},{b}" for a, b in cells), ""]))
    data = deap.read(copy, signals=["temp"])
    assert list(data.index["subject"]) == ["s02", "s02", "s10", "s10"]
    assert list(data.index["recording"])[::2] == [str(folder / "s2.dat"), str(folder / "s10.dat")]


def test_physiopro_23_labels_that_are_not_the_tables_are_one_line(copy: Path) -> None:
    changed(copy / "data_preprocessed_python" / "s32.dat", lambda h: h.update(labels=h["labels"][::-1]))
    with pytest.raises(InputError, match=r"s32, video 1 is rated valence .* trials and labels do not belong together"):
        deap.read(copy)


def test_eegain_casts_ratings_to_whole_numbers_here_4_9_stays_4_9(copy: Path) -> None:
    def change(held: dict[str, Any]) -> None:
        held["labels"][0] = [4.9, 5.0, 5.01, 4.999]

    relabelled(copy, change)
    for rule, told in (("ge5", "low high high low"), ("gt5", "low low high low"), ("le4.95", "low high high high")):
        data = deap.read(copy, signals=["temp"], rule=rule)
        labels = [data.index.label(n) for n in ("valence", "arousal", "dominance", "liking")]
        assert [x.names[x.values[0]] for x in labels] == told.split()
        np.testing.assert_allclose(data.index.label("ratings").values[0], [4.9, 5.0, 5.01, 4.999])
    assert any(
        "1 of 4 ratings lie at 5 and count as high" in n for n in deap.read(copy, signals=["temp"]).index.notices
    )


# -- bad input


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("run",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h: h["data"][:, :32].__imul__(1e-6), r"eeg has a deviation of .* \(is it in V\?\)"),
        (lambda h: h.update(data=h["data"][..., ::4]), r"lasts 15\.8 s at 128 Hz.*state the rate"),
        (lambda h: h.update(data=h["data"][..., :7000]), r"lasts 54\.7 s at 128 Hz, 63\.0 s were expected"),
        (lambda h: h.update(data=h["data"][:, :32]), r"its data have the shape \(2, 32, 8064\)"),
        (lambda h: h.update(labels=h["labels"][:1]), r"and its labels \(1, 4\)"),
        (lambda h: h["labels"].__setitem__((0, 0), 9.5), r"s01-v01 rates valence 9\.5, outside 1 to 9"),
        (lambda h: h["data"].__setitem__((slice(None), 36), -7.0), r"its eda has a level of -7, which is skin"),
        (lambda h: h["data"][:, 39].__imul__(3.0), r"temp has a level of \d+.*is it in °F"),
    ],
)
def test_what_cannot_be_right_is_one_line(copy: Path, change: Any, said: str) -> None:
    relabelled(copy, change)
    with pytest.raises(InputError, match=said) as caught:
        deap.read(copy)
    assert "s01" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_unit_that_cannot_be_proved_is_left_as_published_when_asked(copy: Path) -> None:
    relabelled(copy, lambda h: h["data"].__setitem__((slice(None), slice(36, 40)), -7.0))
    data = deap.read(copy, signals=["eda", "temp"], as_published=["eda", "temp"])
    assert (data.features["eda"][0] == -7).all()
    with pytest.raises(UsageError, match="has no signal 'gsr'"):
        deap.read(copy, signals=["gsr"])


def test_a_file_that_breaks_off_and_one_that_would_run_are_refused(copy: Path) -> None:
    file = copy / "data_preprocessed_python" / "s01.dat"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"s01\.dat: cannot be read as plain arrays"):
        deap.read(copy)
    file.write_bytes(pickle.dumps({"data": Evil(), "labels": 1}))
    with pytest.raises(InputError, match=r"which could run code"):
        deap.read(copy)


def test_people_without_trials_are_left_out_with_a_reason(copy: Path) -> None:
    relabelled(copy, lambda h: h.update(data=h["data"][:0], labels=h["labels"][:0]))
    data = deap.read(copy, signals=["eeg"])
    assert set(data.index["subject"]) == {"s32"}
    assert "s01 has no trials and is left out" in data.index.notices


def test_flat_channels_are_told(copy: Path) -> None:
    relabelled(copy, lambda h: h["data"].__setitem__((slice(None), 4), 0.0))
    told = deap.read(copy, signals=["eeg"]).index.notices
    assert any("eeg channel FC5 is flat in 2 of 4 stretches" in n for n in told)


def test_a_table_with_a_row_too_many_is_named(copy: Path) -> None:
    lines = (copy / TABLE).read_text().splitlines()
    (copy / TABLE).write_text("\n".join([*lines, lines[1], ""]))
    with pytest.raises(InputError, match=r"row 6 tells video \d of person 1 again"):
        deap.read(copy)
    (copy / TABLE).write_text("\n".join([lines[0], "1,x,2,3,4,5,6,7,1", ""]))
    with pytest.raises(InputError, match="'x', not a number"):
        deap.read(copy)


def test_two_files_of_one_person_are_named(copy: Path) -> None:
    folder = copy / "data_preprocessed_python"
    shutil.copy(folder / "s01.dat", folder / "s1.dat")
    with pytest.raises(InputError, match=r"s01\.dat and s1\.dat are of the same number"):
        deap.read(copy)


def test_version_7_3_is_read_as_well(twins: Any, tmp_path: Path) -> None:
    from test_matlab import hdf5

    root, truth = twins("matlab")
    held = matlab.load(root / "data_preprocessed_matlab" / "s01.mat")
    (tmp_path / "data_preprocessed_matlab").mkdir()
    hdf5(tmp_path / "data_preprocessed_matlab" / "s01.mat", held)
    data = deap.read(tmp_path, signals=["ppg"])
    np.testing.assert_allclose(data.features["ppg"][1], truth.samples["ppg"][1], atol=1e-4)
