"""CASE, K-EmoCon and CEAP-360VR: twins to the sample, what their makers did, what must not leak, real ratings."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.bench.protocols import GroupKFold, LeaveOneSubjectOut
from moodal.lab.data.columns import columns, even, window_means, write_columns
from moodal.lab.data.leak import LeakageError
from moodal.lab.data.sets import case, ceap360, eegmat, k_emocon, stress_predict, wesad

SETS = {"case": case, "k-emocon": k_emocon, "ceap-360vr": ceap360}


@pytest.fixture(scope="module", params=sorted(SETS))
def twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, Path, Any]:
    root = tmp_path_factory.mktemp(request.param)
    return SETS[request.param], root, SETS[request.param].generate(root)


def test_what_a_twin_holds_is_read_to_the_sample(twin: tuple[ModuleType, Path, Any]) -> None:
    reader, root, truth = twin
    data = reader.read(root, **truth.settings)
    place = {c: i for i, c in enumerate(truth.clips)}
    for row, clip in enumerate(data.index["clip"]):
        i = place[clip]
        assert data.index["start_s"][row] == pytest.approx(truth.starts[i])
        for m, arrays in truth.samples.items():
            np.testing.assert_allclose(data.features[m][row], arrays[i], rtol=1e-6, atol=1e-4)


def test_issue_physiopro_23_people_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """PhysioPro #23: text sorted, person 10 comes before 2, and labels of one are put to signals of the other."""
    truth = ceap360.generate(tmp_path, people=3)
    data = ceap360.read(tmp_path, **truth.settings)
    assert list(dict.fromkeys(data.index["subject"])) == ["P02", "P10", "P11"]
    rows = [i for i, c in enumerate(data.index["clip"]) if c.startswith("P02-V1")]
    told = dict(zip(truth.clips, truth.labels["valence"], strict=True))
    assert [told[data.index["clip"][i]] for i in rows] == ["high"] * len(rows)


@pytest.mark.parametrize("name", sorted(SETS))
def test_the_state_is_planted_and_gone_without_effect(name: str, tmp_path: Path) -> None:
    """A threshold on skin responses and heart tells new people's windows where the effect is, and does not without."""
    found = {}
    for effect in (0.0, 1.0):
        root = tmp_path / str(effect)
        settings = {"trials": 8, "people": 4} | {"case": {"seconds": 10, "people": 2}}.get(name, {})
        truth = SETS[name].generate(root, seed=3, effect=effect, fingerprint=0.3, **settings)
        data = SETS[name].read(root, **truth.settings | {"window_s": 10.0})
        high = np.array(data.index.label("arousal").values) == 1
        beat = "hr" if name != "case" else "emg"
        who, names = np.array(data.index["subject"]), sorted(set(data.index["subject"]))
        strength = np.array(
            [float(np.log(np.nanstd(x)) if beat == "emg" else np.nanmean(x)) for x in data.features[beat]]
        )
        own = strength - np.array([strength[who == s].mean() for s in names])[[names.index(s) for s in who]]
        found[effect] = np.mean((own > 0) == high)
    assert found[1.0] > 0.85
    assert abs(found[0.0] - 0.5) < 0.2


def area(values: np.ndarray, high: np.ndarray, who: np.ndarray) -> float:
    """How often a window that is high stands above one of the same person that is not."""
    told = [(values[(who == s) & high][:, None] > values[(who == s) & ~high]).mean() for s in sorted(set(who))]
    return float(np.mean(told))


def alpha(x: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(x - x.mean(axis=0), axis=0)) ** 2
    f = np.fft.rfftfreq(len(x), 1 / 125)
    return -float(np.log(power[(f >= 8) & (f < 13)].sum() / power[(f >= 1) & (f < 30)].sum()))


@pytest.mark.parametrize(
    ("reader", "settings", "label", "modality", "feature"),
    [
        (eegmat, {"people": 3}, "workload", "eeg", alpha),
        (stress_predict, {"people": 3, "trials": 2}, "stress", "acc", lambda x: x.std(axis=0).mean()),
        (wesad, {"people": 3}, "stress", "chest_emg", np.std),
    ],
)
def test_twins_of_the_sets_that_stood_before_carry_a_state_too(
    reader: ModuleType, settings: dict[str, Any], label: str, modality: str, feature: Any, tmp_path: Path
) -> None:
    found = []
    for effect in (0.0, 1.0):
        root = tmp_path / str(effect)
        reader.generate(root, seed=1, effect=effect, **settings)
        data = reader.read(root, window_s=10.0)
        rows = np.flatnonzero(data.index.label(label).values >= 0)
        values = np.array([feature(data.features[modality][i]) for i in rows])
        found.append(area(values, data.index.label(label).values[rows] == 1, data.index["subject"][rows]))
        assert len(set(data.index["subject"])) == 3
    assert abs(found[0] - 0.5) < 0.3
    assert found[1] > 0.9


def test_a_fingerprint_tells_people_apart_and_can_be_left_out(tmp_path: Path) -> None:
    spread = []
    for fingerprint in (0.0, 1.0):
        root = tmp_path / str(fingerprint)
        stress_predict.generate(root, people=4, effect=0.0, fingerprint=fingerprint)
        data = stress_predict.read(root, window_s=10.0)
        level = np.array([x.mean() for x in data.features["temp"]])
        own = [level[data.index["subject"] == s] for s in sorted(set(data.index["subject"]))]
        spread.append(np.std([x.mean() for x in own]) / np.mean([x.std() for x in own]))
    assert spread[0] < 1
    assert spread[1] > 30


# -- CASE


def test_volts_become_the_units_of_the_interpolated_files(tmp_path: Path) -> None:
    truth = case.generate(tmp_path)
    told = case.read(tmp_path, **truth.settings)
    raw = case.read(tmp_path, **truth.settings, signals="raw")
    assert list(raw.index["clip"]) == list(told.index["clip"])
    for m in case.SPEC.modalities:
        np.testing.assert_allclose(raw.features[m].values, told.features[m].values, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(raw.index.label("ratings").values, told.index.label("ratings").values, atol=1e-3)
    # Makers' script, by hand: 3 V at each sensor.
    gains = {
        "ecg": (3 - 2.8) / 50 * 1000,
        "gsr": 24 * 3 - 49.2,
        "skt": 21.341 * 3 - 32.085,
        "emg_zygo": (3 - 2) / 4000 * 1e6,
    }
    for column, value in gains.items():
        assert case._VOLTS[column][0] * 3 + case._VOLTS[column][1] == pytest.approx(value)


def test_films_that_start_and_separate_are_no_trials(tmp_path: Path) -> None:
    truth = case.generate(tmp_path, people=1)
    data = case.read(tmp_path, window_s=None)
    assert sorted(data.index["stimulus"]) == ["v1", "v2", "v3", "v5"]
    assert set(data.index["trial"]) == {f"S01-v{k}" for k in (1, 2, 3, 5)}
    assert len(truth.clips) == 8


def test_a_file_in_other_units_of_time_is_refused(tmp_path: Path) -> None:
    case.generate(tmp_path, people=1)
    file = tmp_path / "data/interpolated/annotations/sub_1.csv"
    held = columns(file, ("jstime", "valence", "arousal", "video"))
    write_columns(file, [("jstime", held["jstime"] / 1000), *((n, held[n]) for n in ("valence", "arousal", "video"))])
    with pytest.raises(InputError, match="not 20"):
        case.read(tmp_path)


# -- K-EmoCon


def test_the_two_of_a_debate_are_never_split(tmp_path: Path) -> None:
    truth = k_emocon.generate(tmp_path, people=8)
    data = k_emocon.read(tmp_path, **truth.settings)
    assert dict(zip(data.index["subject"], data.index["dialogue"], strict=True))["P32"] == "p31.p32"
    keys = ("clip", "trial", "window", "subject", "dialogue")
    for fold in GroupKFold(k=4, group="dialogue", disjoint=keys).split(data):
        for part in fold.parts.values():
            assert set(np.bincount([int(p[1:]) for p in set(data.index["subject"][part])], minlength=34)) <= {0, 1}
            pairs = data.index["dialogue"][part]
            others = np.setdiff1d(np.arange(len(data)), part)
            assert not set(pairs) & set(data.index["dialogue"][others])
    with pytest.raises(LeakageError, match="dialogue"):
        LeaveOneSubjectOut(disjoint=keys).split(data)


def test_only_the_wristband_that_was_worn_is_read(tmp_path: Path) -> None:
    truth = k_emocon.generate(tmp_path)
    data = k_emocon.read(tmp_path, **truth.settings)
    assert any("P31: E4_BVP has wristbands A013E1, A0FFFF; A013E1 is read" in n for n in data.index.notices)
    assert not any("P32" in n for n in data.index.notices)


def test_the_belt_gives_a_heart_rate_and_no_waveform(tmp_path: Path) -> None:
    """Each stamp stands twice in the file; one sample a second is left, in 1/min."""
    truth = k_emocon.generate(tmp_path)
    data = k_emocon.read(tmp_path, **truth.settings)
    assert "ecg" not in data.features
    assert data.features["hr"].rate_hz == 1.0
    assert set(data.features["hr"].lengths) == {10}
    assert 40 < np.median(data.features["hr"].values) < 120


def test_the_sides_that_tell_are_read_apart(tmp_path: Path) -> None:
    truth = k_emocon.generate(tmp_path)
    file = tmp_path / "emotion_annotations/partner_annotations/P31.partner.csv"
    text = file.read_text()
    file.write_text(re.sub(r"\n(\d+),\d,\d", r"\n\1,5,1", text))
    data = k_emocon.read(tmp_path, **truth.settings, by="partner")
    mine = data.index["subject"] == "P31"
    assert set(data.index.label("arousal").values[mine]) == {1}
    assert set(data.index.label("valence").values[mine]) == {0}
    assert len(set(data.index.label("arousal").values[~mine])) == 2
    (tmp_path / "emotion_annotations/self_annotations/P32.self.csv").unlink()
    alone = k_emocon.read(tmp_path, **truth.settings)
    assert set(alone.index["subject"]) == {"P31"}
    assert any("P32 has no P32.self.csv" in n for n in alone.index.notices)
    baseline = k_emocon.read(tmp_path, **truth.settings, baseline=True)
    calm = baseline.index["stimulus"] == "baseline"
    assert calm.any()
    assert (baseline.index.label("arousal").values[calm] == -1).all()


# -- CEAP-360VR


def frames(root: Path) -> None:
    """The two further levels, as the makers' scripts write them."""
    home = root / "CEAP-360VR"
    for file in sorted((home / "5_PhysioData/Raw").glob("*.json")):
        (person,) = json.loads(file.read_text())["Physio_RawData"]
        stick = home / "3_AnnotationData/Transformed" / file.name.replace("Physio_Raw", "Annotation_Trans")
        (rated,) = json.loads(stick.read_text())["ContinuousAnnotation_TransData"]
        trans, frame, frame_stick = [], [], []
        for film, told in zip(person["Video_Physio_RawData"], rated["Video_Annotation_TransData"], strict=True):
            fps = 25 if film["VideoID"] == "V1" else 30
            grid = np.linspace(0, 20, 20 * fps)
            a, b = {"VideoID": film["VideoID"]}, {"VideoID": film["VideoID"]}
            for key, names in (("ACC", ("ACC_X", "ACC_Y", "ACC_Z")), *((k, (k,)) for k in ("SKT", "EDA", "BVP", "HR"))):
                records = film[f"{key}_RawData"]
                at = [r["TimeStamp"] for r in records]
                values = {n: np.array([r[n] for r in records]) for n in names}
                if key in ("SKT", "EDA", "BVP"):
                    values = {n: (v - v.min()) / np.ptp(v) for n, v in values.items()}
                shown = f"{key}_RawData" if key == "ACC" else f"{key}_TransData"
                a[shown] = [{"TimeStamp": t, **{n: float(v[i]) for n, v in values.items()}} for i, t in enumerate(at)]
                lines = {n: np.interp(grid, at, v) for n, v in values.items()}
                b[f"{key}_FrameData"] = [
                    {"TimeStamp": round(float(t), 3), **{n: float(v[i]) for n, v in lines.items()}}
                    for i, t in enumerate(grid)
                ]
            trans.append(a)
            frame.append(b)
            records = told["TimeStamp_Valence_Arousal"]
            at = [r["TimeStamp"] for r in records]
            frame_stick.append({"VideoID": film["VideoID"], "TimeStamp_Valence_Arousal": [
                {"TimeStamp": round(float(t), 3), **{n: float(np.interp(t, at, [r[n] for r in records]))
                                                     for n in ("Valence", "Arousal")}} for t in grid
            ]})  # fmt: skip
        for level, stem, held in (("Transformed", "Trans", trans), ("Frame", "Frame", frame)):
            where = home / "5_PhysioData" / level / file.name.replace("Raw", stem)
            where.parent.mkdir(exist_ok=True)
            whole = [{"ParticipantID": person["ParticipantID"], f"Video_Physio_{stem}Data": held}]
            where.write_text(json.dumps({f"Physio_{stem}Data": whole}))
        where = home / "3_AnnotationData/Frame" / file.name.replace("Physio_Raw", "Annotation_Frame")
        where.parent.mkdir(exist_ok=True)
        whole = [{"ParticipantID": file.name[1:].partition("_")[0], "Video_Annotation_FrameData": frame_stick}]
        where.write_text(json.dumps({"ContinuousAnnotation_FrameData": whole}))


def test_the_levels_of_processing_agree_where_they_can(tmp_path: Path) -> None:
    truth = ceap360.generate(tmp_path)
    frames(tmp_path)
    raw, trans, frame = (ceap360.read(tmp_path, **truth.settings, level=v) for v in ("raw", "transformed", "frame"))
    np.testing.assert_allclose(trans.features["acc"].values, raw.features["acc"].values)
    assert np.nanmax(trans.features["eda"].values) <= 1.0
    assert any("stretched" in n for n in trans.index.notices)
    assert {f.rate_hz for f in frame.features.values()} == {25.0}
    assert np.nanstd(frame.features["acc"].values) > 0
    ratings = [d.index.label("ratings").values for d in (raw, frame)]
    # The joystick's first answer comes after .1 s, which the frames fill.
    np.testing.assert_allclose(ratings[1][: len(ratings[0])], ratings[0][: len(ratings[1])], atol=0.2)


def test_a_person_is_told_in_two_spellings(tmp_path: Path) -> None:
    truth = ceap360.generate(tmp_path)
    assert len(ceap360.read(tmp_path, **truth.settings)) == len(truth.clips)  # "P2" in one file, "2" in the other
    file = tmp_path / "CEAP-360VR/5_PhysioData/Raw/P2_Physio_RawData.json"
    file.write_text(file.read_text().replace('"ParticipantID": "2"', '"ParticipantID": "P3"'))
    with pytest.raises(InputError, match="says that it is of P3"):
        ceap360.read(tmp_path, **truth.settings)


def test_what_the_label_is_made_of_is_no_input(tmp_path: Path) -> None:
    ceap360.generate(tmp_path)
    with pytest.raises(UsageError, match="what its labels are made of"):
        ceap360.read(tmp_path, modalities=["rating"], by="running")
    data = ceap360.read(tmp_path, modalities=["rating"])
    assert set(data.features) == {"rating"}
    assert set(data.index.label("ratings").values[:, 0]) == {8.0, 3.0}


@pytest.mark.skipif("MOODAL_DATA" not in os.environ, reason="real data: MOODAL_DATA is not set")
def test_real_ratings_of_32_people() -> None:
    data = ceap360.read(window_s=None)
    index = data.index
    assert len(index) == 32 * 8
    assert list(dict.fromkeys(index["subject"])) == [f"P{k:02d}" for k in range(1, 33)]
    assert data.features["rating"].lengths.tolist() == [300] * 256
    starts = np.array([x[0] for x in data.features["rating"]])
    assert np.median(starts) == 5.0  # the joystick rests in the middle
    final = index.label("ratings").values
    assert final.min() == 1
    assert final.max() == 9
    means = np.array([x[150:].mean(axis=0) for x in data.features["rating"]])
    # What was told while it ran goes with what was told after it.
    assert np.corrcoef(means[:, 0], final[:, 0])[0, 1] > 0.6
    assert any("ratings lie at 5" in n for n in index.notices)


# -- columns and even samples


def test_samples_stand_on_an_even_grid_and_holes_stay_holes() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(100) / 4 + 2
    values = rng.normal(size=(100, 2))
    same = even(times, values, 4.0, "here")
    np.testing.assert_allclose(same.values, values, atol=1e-6)
    assert same.start_s == 2.0
    keep = np.r_[0:30, 50:100]
    holed = even(times[keep], values[keep], 4.0, "here")
    assert np.isnan(holed.values[30:50]).all()
    assert np.isfinite(holed.values[[*range(30), *range(50, 100)]]).all()
    np.testing.assert_allclose(
        even(np.repeat(times, 2), np.repeat(values, 2, 0), 4.0, "here").values, values, atol=1e-6
    )
    assert even(np.array([3.0]), np.ones((1, 1)), 4.0, "here").values.tolist() == [[1.0]]
    for bad, what in ((times[::-1], "go back"), (times * 4, "not 4"), (times * np.nan, "no samples")):
        with pytest.raises(InputError, match=what):
            even(bad, values, 4.0, "here")


def test_means_of_windows() -> None:
    at, values = np.arange(10.0), np.arange(10.0)[:, None] * [1, 2]
    values[3] = np.nan
    means = window_means(at, values, [0, 2, 20], [2, 5, 30])
    np.testing.assert_allclose(means[:2], [[0.5, 1.0], [3.0, 6.0]])
    assert np.isnan(means[2]).all()


@pytest.mark.parametrize(
    ("text", "what"),
    [("a,b\n1,2\n3\n", "cannot be read"), ("a,b\n1,x\n", "cannot be read"), ("a\n1\n", "no column b"),
     ("a,b,a\n1,2,3\n", "two columns called a"), ("a,b\n", "no rows"), ("", "no column"), ("a,b\n1,2,3\n", "cannot")],
)  # fmt: skip
def test_a_table_that_is_none_is_one_line(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=what) as caught:
        columns(file, ("a", "b"))
    assert "\n" not in str(caught.value)
