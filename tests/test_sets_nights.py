"""HMC, Sleep-EDF and FBM: twins to the sample, complaints of users of other readers, bad input."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.bench.protocols import protocol
from moodal.lab.data import matlab, sleep
from moodal.lab.data.sets import fbm, hmc, sleep_edf
from moodal.lab.data.twin import write
from moodal.media.generated_edf import write as write_edf
from twin_folders import twins

SETS: dict[str, Any] = {"hmc": hmc, "sleep-edf": sleep_edf, "fbm": fbm}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return twins(SETS, tmp_path_factory)


def copied(made: Any, name: str, to: Path) -> Path:
    return Path(shutil.copytree(made(name)[0], to / "copy"))


@pytest.mark.parametrize("name", sorted(SETS))
def test_what_a_twin_holds_is_read_in_its_order_to_the_sample(made: Any, name: str) -> None:
    root, truth = made(name)
    data = SETS[name].read(root, **truth.settings)
    assert list(data.index["clip"]) == list(truth.clips)
    assert list(data.index["subject"]) == list(truth.subjects)
    assert list(data.index["split"]) == list(truth.splits)
    np.testing.assert_allclose(data.index["start_s"], truth.starts, atol=1e-6)
    for label, told in truth.labels.items():
        held = data.index.label(label)
        if held.kind == "class":
            assert [held.names[v] for v in held.values] == list(told)
        else:
            np.testing.assert_allclose(held.values, np.array(told), atol=1e-9)
    for m, arrays in truth.samples.items():
        for i, array in enumerate(arrays):
            assert len(data.features[m][i]) == (0 if array is None else len(array))
            if array is not None:
                np.testing.assert_allclose(data.features[m][i], array, atol=0.1)  # 16 bits of the file's range


@pytest.mark.parametrize("name", ["hmc", "sleep-edf"])
def test_a_twins_stages_differ_with_the_effect_and_not_without(name: str, tmp_path: Path) -> None:
    spread = []
    for effect in (1.0, 0.0):
        SETS[name].generate(tmp_path / str(effect), people=1, effect=effect, fingerprint=0.0)
        data = SETS[name].read(tmp_path / str(effect))
        told = data.index.label("stage").values
        level = [np.log(np.abs(np.diff(data.features["eeg"][i], axis=0)).mean()) for i in range(len(data))]
        spread.append(np.std([np.mean([v for v, t in zip(level, told, strict=True) if t == k]) for k in range(5)]))
    assert spread[0] > 3 * spread[1]


# -- HMC


def test_neurolm_epochs_are_scored_ones_and_none_is_of_zeros_labelled_wake(made: Any) -> None:
    root, _ = made("hmc")
    data = hmc.read(root)
    rows = data.index["subject"] == "SN001"
    # The scoring holds 12 stages and two other annotations: no row for those.
    assert rows.sum() == 12
    assert all(np.abs(data.features["eeg"][i]).max() > 1 for i in range(len(data)))
    assert data.index.label("stage").counts()["W"] == 2 * 2
    np.testing.assert_array_equal(data.features["eeg"].lengths, 7680)


def test_hmcs_split_by_number_is_the_published_one_of_151_nights() -> None:
    numbers = [n for n in range(1, 155) if n not in (14, 64, 135)]
    parts = [hmc._split(n) for n in numbers]
    assert [parts.count(p) for p in ("train", "validation", "test")] == [100, 25, 26]
    assert parts == sorted(parts, key=["train", "validation", "test"].index)


def test_the_scoring_as_text_tells_the_same_as_the_edf(made: Any, tmp_path: Path) -> None:
    root = copied(made, "hmc", tmp_path)
    before = hmc.read(root)
    for file in root.rglob("*_sleepscoring.edf"):
        file.unlink()
    after = hmc.read(root)
    assert after.fingerprint() == before.fingerprint()
    txt = root / "recordings" / "SN001_sleepscoring.txt"
    text = txt.read_text()
    for old, new, line in (
        (", 30, Sleep stage W, ", "", "row 2 has 3 cells, five are needed"),
        (" 0, 30, Sleep", " soon, 30, Sleep", "row 2: a time is 'soon'"),
        ("Sleep stage N1", "Sleep stage N9", "'Sleep stage N9', which is none of W, N1, N2, N3, R"),
        (" 30, 30, Sleep", " 25, 30, Sleep", "begins before the one before it ends"),
        ("Sleep stage", "Comment", "scores no sleep stage"),
    ):
        txt.write_text(text.replace(old, new))
        assert txt.read_text() != text
        with pytest.raises(InputError, match=line) as caught:
            hmc.read(root, subjects=[1])
        assert "SN001_sleepscoring.txt" in str(caught.value)
    txt.unlink()
    with pytest.raises(InputError, match=r"lacks SN001_sleepscoring\.edf, the scoring of SN001\.edf"):
        hmc.read(root)


def test_a_night_that_breaks_off_loses_its_last_epochs_and_says_so(made: Any, tmp_path: Path) -> None:
    root = copied(made, "hmc", tmp_path)
    file = root / "recordings" / "SN001.edf"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 3 // 4])
    night = hmc.read(root, subjects=[1])
    assert len(night) == 8  # 269 of 360 s are left
    assert any("4 of 12 epochs lie where no signal is" in n for n in night.index.notices)
    assert any("breaks off" in n for n in night.index.notices)
    file.write_bytes(data[:200])
    with pytest.raises(InputError, match=r"SN001\.edf: breaks off in its header"):
        hmc.read(root)


@pytest.mark.parametrize(
    ("label", "unit", "line"),
    [
        ("EEG C4-M1", "uV", r"lacks the eeg channel O2-M1"),
        ("EEG O2-M1", "nV", "are no EEG; they would fit mV"),
        ("EEG C3-M2", "uV", r"lacks the eeg channel O2-M1"),
    ],
)
def test_a_night_with_other_channels_or_units_is_one_line(
    made: Any, tmp_path: Path, label: str, unit: str, line: str
) -> None:
    root = copied(made, "hmc", tmp_path)
    rng = np.random.default_rng(0)
    names = ("EEG F4-M1", "EEG C4-M1", label, "EEG C3-M2")
    table = [(n, unit, 256, (-500.0, 500.0), 20 * rng.normal(size=256 * 360)) for n in names]
    write_edf(root / "recordings" / "SN001.edf", table)
    with pytest.raises(InputError, match=line) as caught:
        hmc.read(root, signals=["eeg"])
    assert "SN001" in str(caught.value)
    with pytest.raises(InputError, match=r"SN001\.edf: has no ecg|are no EEG"):
        hmc.read(root, signals=["ecg"])


def test_windows_of_ten_seconds_stay_inside_a_bout_and_a_lower_rate_is_given(made: Any) -> None:
    root, _ = made("hmc")
    data = hmc.read(root, signals=["eeg"], window_s=10.0, rate_hz=128.0)
    assert len(data) == 3 * 24
    assert data.features["eeg"].rate_hz == 128.0
    np.testing.assert_array_equal(data.features["eeg"].lengths, 1280)
    bouts = hmc.read(root, signals=["eeg"], window_s=None)
    assert len(bouts) == len(set(data.index["trial"]))
    with pytest.raises(UsageError, match=r"has no signal 'ppg'\. It has: eeg, eog, emg, ecg"):
        hmc.read(root, signals=["ppg"])


# -- Sleep-EDF


def test_nights_and_hypnograms_are_paired_by_name_wherever_they_lie(made: Any, tmp_path: Path) -> None:
    """torcheeg compares the first six letters of the path, which are always equal."""
    root = copied(made, "sleep-edf", tmp_path)
    before = sleep_edf.read(root)
    (root / "scores").mkdir()
    for file in sorted(root.rglob("*-Hypnogram.edf")):
        file.rename(root / "scores" / file.name)
    after = sleep_edf.read(root)
    assert list(after.index["clip"]) == list(before.index["clip"])
    assert list(after.index["content"]) == list(before.index["content"])
    # Another score for one night changes that night alone.
    write_edf(root / "scores" / "SC4002EC-Hypnogram.edf", [], reserved="EDF+C", onsets=np.array([0.0]),
              notes=((0.0, 480.0, "Sleep stage 2"),))  # fmt: skip
    changed = sleep_edf.read(root)
    rows = changed.index["session"] == "SC00-2"
    assert set(changed.index.label("stage").values[rows]) == {2}
    others = before.index["session"] != "SC00-2"
    assert list(changed.index["content"][~rows]) == list(before.index["content"][others])
    (root / "scores" / "SC4002EC-Hypnogram.edf").unlink()
    with pytest.raises(InputError, match=r"lacks SC4002\*-Hypnogram\.edf, which belongs to SC4002E0-PSG\.edf"):
        sleep_edf.read(root)


def test_rk_stages_are_merged_and_what_was_not_scored_is_left_out(made: Any) -> None:
    root, _ = made("sleep-edf")
    data = sleep_edf.read(root, wake_min=None)
    night = data.index["session"] == "ST01-1"
    assert data.index.label("stage").names == sleep.STAGES
    told = np.bincount(data.index.label("stage").values[night], minlength=5)
    # 2 + 1.5 min awake, .5 of 1, 1 of 2, .5 of 3 and .5 of 4 together, 1 of REM; movement and ? are nobody's.
    assert told.tolist() == [7, 1, 2, 2, 2]
    assert len({t for t, s in zip(data.index["trial"][night], data.index.label("stage").values[night], strict=True)
                if s == 3}) == 1  # fmt: skip
    short = sleep_edf.read(root, wake_min=0.5)
    assert np.bincount(short.index.label("stage").values[short.index["session"] == "ST01-1"])[0] == 2


def test_two_nights_of_a_person_stay_together(tmp_path: Path) -> None:
    sleep_edf.generate(tmp_path, people=6)
    index = sleep_edf.read(tmp_path, signals=["eog"]).index
    assert set(index["subject"]) == {"SC00", "SC01", "SC02", "ST01", "ST02", "ST03"}
    assert set(index["session"][index["subject"] == "SC01"]) == {"SC01-1", "SC01-2"}
    for fold in protocol("group-kfold", k=3).folds(index):
        assert not set(index["subject"][fold.test]) & set(index["subject"][fold.train])


def test_the_envelope_of_sc_nights_is_no_emg(made: Any) -> None:
    root, _ = made("sleep-edf")
    data = sleep_edf.read(root)
    present = data.features["emg"].present
    np.testing.assert_array_equal(present, np.char.startswith(data.index["subject"].astype(str), "ST"))
    assert any("envelope" in n for n in data.index.notices)
    with pytest.raises(UsageError, match="has no person 'SC7'"):
        sleep_edf.read(root, subjects=["SC7"])
    with pytest.raises(UsageError, match="wake_min is -1"):
        sleep_edf.read(root, wake_min=-1)


def test_an_epoch_that_ends_after_the_signal_is_left_out(made: Any, tmp_path: Path) -> None:
    root = copied(made, "sleep-edf", tmp_path)
    file = next(root.rglob("SC4001EC-Hypnogram.edf"))
    write_edf(file, [], reserved="EDF+C", onsets=np.array([0.0]), notes=((0.0, 600.0, "Sleep stage 2"),))
    data = sleep_edf.read(root, subjects=["SC00"])
    assert (data.index["session"] == "SC00-1").sum() == 16  # 480 s were recorded
    assert any("SC00-1: 4 of 20 epochs lie where no signal is" in n for n in data.index.notices)


# -- FBM


def test_electrodes_are_named_by_the_cap_and_angles_are_those_at_the_windows_end(made: Any, tmp_path: Path) -> None:
    root = copied(made, "fbm", tmp_path)
    data = fbm.read(root, rate_hz=None)
    angles = data.index.label("angles")
    assert angles.names == fbm.ANGLES
    assert len(angles.names) == 66
    held = matlab.load(next(root.glob("AB_UH_10-T02-*-kin.mat")))["kin"]["data"]["jointAngle"]
    row = list(data.index["clip"]).index("S10-T02-w004")  # 1.5 to 3.5 s, at 100 Hz
    np.testing.assert_allclose(angles.values[row, fbm.ANGLES.index("jRightKneeY")], held["jRightKnee"][349, 1])
    cap = next(root.glob("AB_UH_10-*.bvct"))
    text = cap.read_text()
    swapped = text.replace(">CZ<", ">X<").replace(">OZ<", ">CZ<").replace(">X<", ">OZ<")
    cap.write_text(swapped)
    after = fbm.read(root, rate_hz=None)
    cz, oz = (fbm.EEG.index(n) for n in ("CZ", "OZ"))
    np.testing.assert_array_equal(after.features["eeg"][row][:, cz], data.features["eeg"][row][:, oz])
    cap.write_text(text.replace(">CZ<", ">NASION<"))
    with pytest.raises(InputError, match=r"bvct: names 59 of 60 electrodes \(not CZ\)"):
        fbm.read(root)
    cap.unlink()
    with pytest.raises(InputError, match=r"FBM .*lacks the cap of person 10 \(AB_UH_10\.bvct\)"):
        fbm.read(root)


def test_what_of_fbm_is_otherwise_is_refused(made: Any, tmp_path: Path) -> None:
    root = copied(made, "fbm", tmp_path)
    (kin,), (emg,), (eeg,) = (list(root.glob(f"AB_UH_01-T01-*-{k}.mat")) for k in ("kin", "emg", "eeg"))
    whole = {f: f.read_bytes() for f in (kin, emg, eeg)}
    joints = matlab.load(kin)["kin"]["data"]["jointAngle"]

    def told(**changed: Any) -> bytes:
        return matlab.write({"kin": {"data": {"jointAngle": {**joints, **changed}}, "srate": 100.0}})

    held = matlab.load(eeg)["eeg"]
    lost = {k: v for k, v in joints.items() if k != "jL5S1"}
    for file, content, line in (
        (
            kin,
            matlab.write({"kin": {"data": {"jointAngle": joints}, "srate": 30.0}}),
            r"lasts 6\.0 s at 1000 Hz, the joint",
        ),
        (kin, matlab.write({"kin": {"data": {"jointAngle": lost}, "srate": 100.0}}), "has no jL5S1"),
        (kin, told(**{k: np.deg2rad(v) for k, v in joints.items()}), "in radians"),
        (kin, told(jLeftKnee=np.zeros((600, 2))), "three angles a row"),
        (kin, told(jLeftKnee=np.zeros((500, 3))), "different lengths"),
        (kin, whole[kin][:-3000], "cannot be read as a MATLAB file"),
        (
            emg,
            matlab.write({"emg": {"left": np.zeros((5, 6000)), "right": np.zeros((6, 6000))}}),
            r"emg\.left is \(5, 6000\)",
        ),
        (eeg, matlab.write({"eeg": {**held, "rawdata": held["rawdata"][:32]}}), "60 rows were expected"),
        (eeg, matlab.write({"EEG": held}), "has no eeg"),
        (eeg, matlab.write({"eeg": {**held, "rawdata": held["rawdata"] * 1e-6}}), "is it in V"),
    ):
        write(file, content)
        with pytest.raises(InputError, match=line) as caught:
            fbm.read(root)
        assert "AB_UH_01-T01" in str(caught.value)
        assert "\n" not in str(caught.value)
        write(file, whole[file])
    emg.unlink()
    with pytest.raises(InputError, match=r"lacks AB_UH_01-T01-emg\.mat"):
        fbm.read(root)


def test_fbm_is_read_a_trial_at_a_time_and_split_by_trial_or_person(made: Any) -> None:
    root, _ = made("fbm")
    each = fbm.people(root)
    assert set(next(each).index["trial"]) == {"S01-T01"}
    index = fbm.read(root, signals=["emg"]).index
    assert sorted(set(index["trial"])) == ["S01-T01", "S01-T02", "S10-T01", "S10-T02"]
    assert list(dict.fromkeys(index["subject"])) == ["S01", "S10"]
