"""Sets of signals, sentences and faces: twins to the sample, real counts, bad input."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moodal.core import registry
from moodal.core.errors import InputError, UsageError
from moodal.lab.data import pickles
from moodal.lab.data.labels import Labels
from moodal.lab.data.sets import (
    apd,
    eegmat,
    emobank,
    ferplus,
    goemotions,
    isear,
    stress_predict,
    table,
    wesad,
    xed,
)
from moodal.lab.data.twin import tabled, write

SIGNALS = {"eegmat": eegmat, "stress-predict": stress_predict, "wesad": wesad, "apd": apd}
SETS = SIGNALS | {
    "goemotions": goemotions, "emobank": emobank, "xed": xed, "isear": isear, "ferplus": ferplus, "table": table,
}  # fmt: skip


# -- twins


@pytest.fixture(scope="module", params=sorted(SETS))
def twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Any]:
    root = tmp_path_factory.mktemp(request.param) / "twin"
    return request.param, root, SETS[request.param].generate(root)


def spelt(labels: Labels) -> list[Any]:
    if labels.kind == "class":
        return [labels.names[v] if v >= 0 else "" for v in labels.values]
    if labels.kind == "multilabel":
        return [tuple(n for n, on in zip(labels.names, row, strict=True) if on) for row in labels.values]
    return [tuple(row) for row in labels.values]


def test_what_a_twin_holds_is_read_in_its_order_to_the_sample(twin: tuple[str, Path, Any]) -> None:
    name, root, truth = twin
    data = registry.load("sets", name).read(root, **truth.settings)
    assert list(data.index["clip"]) == list(truth.clips)
    assert list(data.index["subject"]) == list(truth.subjects)
    assert list(data.index["split"]) == list(truth.splits)
    for label, told in truth.labels.items():
        read = spelt(data.index.label(label))
        if data.index.label(label).kind in ("class", "multilabel"):
            assert read == list(told), label
        else:
            np.testing.assert_allclose(np.array(read, float), np.array(told, float), atol=1e-9)
        assert data.index.label(label).source
    if name in SIGNALS:
        np.testing.assert_allclose(data.index["start_s"], truth.starts, atol=1e-9)
        assert (data.index["trial"] != "").all()
        assert (data.index["content"] != "").all()
    for modality, arrays in getattr(truth, "samples", {}).items():
        assert len(arrays) == len(data)
        for i, array in enumerate(arrays):
            got = data.features[modality][i]
            assert len(got) == (0 if array is None else len(array))
            if array is not None:
                np.testing.assert_allclose(got, array, atol=1e-4)


@pytest.mark.parametrize("name", ["stress-predict", "wesad", "apd"])
def test_windows_longer_than_any_stretch_are_one_line(name: str, tmp_path: Path) -> None:
    SETS[name].generate(tmp_path)
    with pytest.raises(InputError, match="no stretch of one state that lasts 5000 s"):
        SETS[name].read(tmp_path, window_s=5000.0)


@pytest.mark.parametrize("name", ["stress-predict", "wesad"])
def test_without_a_window_each_stretch_is_one_example(name: str, tmp_path: Path) -> None:
    SETS[name].generate(tmp_path)
    data = SETS[name].read(tmp_path, window_s=None)
    assert len(data) == len(set(data.index["trial"]))
    assert len(data) == {"stress-predict": 14, "wesad": 10}[name]


# -- EEGMAT


def test_the_recordings_are_filtered_and_keep_a_tone_within_the_band(tmp_path: Path) -> None:
    from moodal.media.generated_edf import write as write_edf

    eegmat.generate(tmp_path, people=1)
    for k, hertz in enumerate((10, 20)):
        tone = 20 * np.sin(2 * np.pi * hertz * np.arange(500 * 62) / 500) + 100
        names = [f"EEG {n}" for n in eegmat.EEG] + ["ECG ECG"]
        write_edf(tmp_path / f"Subject00_{k + 1}.edf", [(n, "uV", 500, (-500.0, 500.0), tone) for n in names])
    data = eegmat.read(tmp_path)
    for i, state in enumerate(data.index.label("workload").source):
        spectrum = np.abs(np.fft.rfft(data.features["eeg"][i], axis=0))
        peak = np.fft.rfftfreq(7750, 1 / 125)[spectrum.argmax(axis=0)]
        np.testing.assert_allclose(peak, 10 if state == "rest" else 20, atol=0.05)
        amplitude = np.sqrt(2) * data.features["eeg"][i][500:-500].std(axis=0)
        np.testing.assert_allclose(amplitude, 20, rtol=0.02)


# -- Stress-Predict


def test_tasks_that_cannot_be_numbered_are_told_and_stay_stress(tmp_path: Path) -> None:
    stress_predict.generate(tmp_path)
    file = tmp_path / "Processed_data" / "Improved_All_Combined_hr_rsp_binary.csv"
    lines = file.read_text().splitlines()
    # The first 34 s of S02 become rest: two stretches of label 1 are left.
    file.write_text("\n".join([line[:-1] + "0" if 0 < i <= 34 else line for i, line in enumerate(lines)]) + "\n")
    data = stress_predict.read(tmp_path, window_s=10)
    assert any("S02 has 2 stretches of label 1 instead of 3" in n for n in data.index.notices)
    rows = data.index["subject"] == "S02"
    task, stress = data.index.label("task").values[rows], data.index.label("stress").values[rows]
    assert (task[stress == 1] == -1).all()
    assert (task[stress == 0] == 0).all()


# -- WESAD


def test_the_order_of_phases_is_read_from_each_persons_file(tmp_path: Path) -> None:
    wesad.generate(tmp_path)
    data = wesad.read(tmp_path, window_s=10, modalities=("wrist_eda",))
    first, second = (data.index["order"][data.index["subject"] == s][0] for s in ("S2", "S10"))
    assert (first, second) == ("stress first", "amusement first")
    assert list(dict.fromkeys(data.index["subject"])) == ["S2", "S10"]
    assert data.modalities == ("wrist_eda",)
    assert [d.index["subject"][0] for d in wesad.people(tmp_path, window_s=10)] == ["S2", "S10"]


def test_an_order_that_the_labels_contradict_is_told(tmp_path: Path) -> None:
    wesad.generate(tmp_path)
    quest = tmp_path / "S2" / "S2_quest.csv"
    quest.write_text(quest.read_text().replace("Base;TSST;Medi 1;Fun", "Base;Fun;Medi 1;TSST"))
    data = wesad.read(tmp_path, window_s=10)
    assert any(n.startswith("S2: its label channel has the states [1, 2, 4, 3, 4]") for n in data.index.notices)
    rows = data.index["subject"] == "S2"
    assert np.isnan(data.index.label("sam").values[rows]).all()
    assert not np.isnan(data.index.label("sam").values[~rows]).any()


class Hostile:
    """Makes a folder where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("ran",))


def hostile_pickles() -> dict[str, bytes]:
    good = pickles.write({"label": np.arange(4, dtype=np.int32)})
    return {
        "runs a command": pickle.dumps({"signal": Hostile()}),
        "is an object array": pickle.dumps({"label": np.array([1, "a"], object)}),
        "is of structured type": pickle.dumps({"label": np.zeros(3, [("a", "f4")])}),
        "breaks off": good[:-20],
        "is empty": b"",
        "asks for a table of 32 GB": b"\x80\x02}r\xff\xff\xff\xff.",
        "asks for a table of 8 GB in text": b"\x80\x02}p1000000000\n.",
        "says it is long": b"\x80\x02T\xff\xff\xff\x7fabc.",
        "is one endless line": b"\x80\x02p" + b"1" * 5000,
        "is a list": pickle.dumps([1, 2]),
        "is text": b"<html>404</html>",
        "reads attributes": b"\x80\x04cbuiltins\ngetattr\n.",
        "nests numpy names": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
    }


@pytest.mark.parametrize("what", sorted(hostile_pickles()))
def test_a_hostile_pickle_runs_nothing_and_is_one_line(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "S2.pkl", hostile_pickles()[what])
    with pytest.raises(InputError) as caught:
        pickles.array(pickles.read(file), "label", where=str(file))
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_give_the_arrays(protocol: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    told = {"a": rng.normal(size=(5, 3)), "b": np.asfortranarray(rng.normal(size=(4, 2))).astype(">f4"),
            "c": np.arange(6, dtype=np.int64), "d": {"e": np.zeros((2, 1), np.float32)}}  # fmt: skip
    file = write(tmp_path / "a.pkl", pickle.dumps(told, protocol=protocol))
    held = pickles.read(file)
    for key in "abc":
        np.testing.assert_array_equal(pickles.array(held, key, where="a"), told[key])
    np.testing.assert_array_equal(pickles.array(held, "d", "e", where="a"), told["d"]["e"])
    with pytest.raises(InputError, match=r"has no d\.f"):
        pickles.array(held, "d", "f", where="a")


def test_what_is_written_is_what_python_reads(tmp_path: Path) -> None:
    told = {"x": np.arange(6.0).reshape(3, 2), "subject": "S2", "n": 3}
    plain = pickle.loads(pickles.write(told), encoding="latin1")
    np.testing.assert_array_equal(plain["x"], told["x"])
    assert (plain["subject"], plain["n"]) == ("S2", 3)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_pickle_is_one_line_or_numbers(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    good = bytearray(pickles.write({"label": np.arange(40, dtype=np.int32), "subject": "S2"}))
    for _ in range(data.draw(st.integers(1, 5))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    file = write(tmp_path_factory.mktemp("p") / "a.pkl", bytes(good))
    try:
        kind = pickles.array(pickles.read(file), "label", where="a").dtype.kind
    except InputError:
        return  # whatever else it raised would fail here
    assert kind in "biuf"


# -- APD


def test_phases_are_named_exactly_and_each_file_is_read_once(tmp_path: Path) -> None:
    home = tmp_path / "my_data_Base 2_x"
    columns = [["", "EDA"], *([k, 2.0] for k in range(300))]
    for phase in ("Base", "Base_2", "Base2"):
        write(home / "p_7" / f"EDA_{phase}.csv", tabled(columns[0], columns[1:]))
    write(home / "p_7" / "LeftWrist_Base.csv", "x\n")
    write(home / "p_7" / "notes.csv", "x\n")
    write(home / "participants_details.csv", tabled(["Participant", "Baseline_SUDS"], [["P7", 30]]))
    data = apd.read(home, window_s=None)
    assert sorted(data.index.label("phase").source) == ["Base", "Base2", "Base_2"]
    assert (data.features["eda"].lengths == 300).all()
    assert not data.features["ecg"].present.any()
    assert data.features["ecg"].width == 1


def test_a_phase_that_two_files_claim_is_refused(tmp_path: Path) -> None:
    apd.generate(tmp_path)
    shutil.copy(tmp_path / "p_4" / "my task" / "Heart_Base_2.csv", tmp_path / "p_4" / "ECG_Base_2.csv")
    with pytest.raises(InputError, match="is a second file of Base_2, ecg"):
        apd.read(tmp_path)


def test_timestamps_of_another_rate_are_refused(tmp_path: Path) -> None:
    apd.generate(tmp_path)
    write(
        tmp_path / "10" / "10_Base_2_ECG.csv", tabled(["", "ECG", "timestamp"], [[k, 1, k / 100] for k in range(900)])
    )
    with pytest.raises(InputError, match=r"its timestamps are not 0\.004 s apart"):
        apd.read(tmp_path, window_s=5)


# -- sentences and faces


def test_words_that_a_later_part_repeats_can_be_left_out(tmp_path: Path) -> None:
    truth = goemotions.generate(tmp_path)
    train, test = tmp_path / "train.tsv", tmp_path / "test.tsv"
    said = test.read_text(encoding="utf-8").split("\n")[2].split("\t")[0]
    write(train, train.read_text(encoding="utf-8") + f"{said}\t3\tcopy\n")
    kept = goemotions.read(tmp_path)
    assert len(kept) == len(truth.clips) + 1
    left = goemotions.read(tmp_path, duplicates="drop")
    assert sorted(left.index["clip"]) == sorted(truth.clips)
    assert "1 examples are left out" in left.index.notices[0]
    # A comment that its own part repeats stays, unless each is wanted once.
    write(train, train.read_text(encoding="utf-8") + "Twice.\t3\tt1\nTwice.\t4\tt2\n")
    assert len(goemotions.read(tmp_path, duplicates="drop")) == len(truth.clips) + 2
    once = goemotions.read(tmp_path, duplicates="once").index
    assert sorted(once["clip"]) == sorted([*truth.clips, "t1"])
    assert "2 examples are left out because others have the same content" in once.notices[0]
    with pytest.raises(UsageError, match="duplicates is 'merge'"):
        goemotions.read(tmp_path, duplicates="merge")


def test_labels_in_another_order_are_refused(tmp_path: Path) -> None:
    goemotions.generate(tmp_path)
    names = (tmp_path / "emotions.txt").read_text().split()
    write(tmp_path / "emotions.txt", "\n".join(names[::-1]))
    with pytest.raises(InputError, match="does not list the 28 emotions in their order"):
        goemotions.read(tmp_path)


def test_the_test_part_may_be_kept_apart(tmp_path: Path) -> None:
    goemotions.generate(tmp_path)
    (tmp_path / "test.tsv").unlink()
    assert set(goemotions.read(tmp_path).index["split"]) == {"train", "validation"}


def test_languages_and_kinds_are_chosen_by_name(tmp_path: Path) -> None:
    xed.generate(tmp_path)
    assert set(xed.read(tmp_path, languages=["de"]).index["kind"]) == {"projected"}
    assert len(xed.read(tmp_path, languages=["en"], kinds=["neutral"])) == 3
    assert xed.read(tmp_path, kinds=["projected"]).index["text"][0] == 'Line 0 of projected de, seed 0. "so"'
    with pytest.raises(UsageError, match="has no language 'ru'"):
        xed.read(tmp_path, languages=["ru"])


def test_unanswered_reports_are_left_out_and_counted(tmp_path: Path) -> None:
    isear.generate(tmp_path)
    assert len(isear.read(tmp_path)) == 20
    assert isear.read(tmp_path).index.notices == ("1 reports hold no answer and are left out",)
    assert len(isear.read(tmp_path, unanswered=True)) == 21
    assert isear.read(tmp_path).index["text"][0] == 'When "joy came, case 0-0-0'


def test_pixels_are_those_of_the_file_and_come_on_request(tmp_path: Path) -> None:
    ferplus.generate(tmp_path)
    assert ferplus.read(tmp_path).modalities == ()
    data = ferplus.read(tmp_path, pixels=True)
    line = (tmp_path / "fer2013.csv").read_text().splitlines()[1]
    told = np.array(line.split(",")[1].split(), float)
    np.testing.assert_allclose(data.features["face"][0], told[None] / 255, atol=1e-7)
    tie = list(data.index["clip"]).index("fer0000005")
    assert data.index.label("emotion").values[tie] == 1
    assert data.index.label("majority").values[tie] == -1


def test_votes_and_pictures_in_another_order_are_refused(tmp_path: Path) -> None:
    ferplus.generate(tmp_path)
    lines = (tmp_path / "fer2013.csv").read_text().splitlines()
    write(tmp_path / "fer2013.csv", "\n".join([lines[0], lines[3], *lines[2:]]))
    with pytest.raises(InputError, match=r"row 2 is of part 'PublicTest', the votes of 'Training'"):
        ferplus.read(tmp_path)
    write(tmp_path / "fer2013.csv", "\n".join([*lines, lines[1]]))
    with pytest.raises(InputError, match="holds more pictures than the 12"):
        ferplus.read(tmp_path)


# -- real data


def real(name: str) -> Path:
    home = Path(os.environ.get("MOODAL_DATA", ""))
    folder = home / SETS[name].SPEC.compact
    if not os.environ.get("MOODAL_DATA") or not folder.is_dir():
        pytest.skip(f"{SETS[name].SPEC.title} is not under MOODAL_DATA")
    return folder


@pytest.mark.parametrize(("name", "label", "counts"), [
    ("goemotions", "emotions", {"neutral": 14219 + 1766, "grief": 77 + 13}),
    ("xed", "emotions", {"neutral": 9674}),
    ("isear", "emotion", {"joy": 1077, "guilt": 1052}),
    ("ferplus", "emotion", {"neutral": 2086, "happiness": 1877, "contempt": 164}),
])  # fmt: skip
def test_real_sets_have_the_counts_that_their_notes_tell(name: str, label: str, counts: dict[str, int]) -> None:
    data = registry.load("sets", name).read(real(name))
    found = data.index.label(label).counts()
    assert {k: found[k] for k in counts} == counts


def test_emobank_keeps_its_documents_and_both_views() -> None:
    data = emobank.read(real("emobank"))
    assert len(data) == 9062
    assert {k: len(v) for k, v in data.index.groups("split").items()} == {"train": 8062, "validation": 1000}
    assert len(data.index.groups("category")) == 7
    assert data.index.label("reader").labelled.all()
    assert (data.index["document"] != "").all()


def test_the_official_recordings_give_what_the_compact_file_holds(tmp_path: Path) -> None:
    compact = real("eegmat")
    for part in ("Subject31_1.edf", "Subject31_2.edf", "subject-info.csv"):
        shutil.copy(compact / part, tmp_path / part)
    official, shared = eegmat.read(tmp_path), eegmat.read(compact)
    assert shared.index.label("workload").counts() == {"rest": 32, "task": 32}
    for i, clip in enumerate(official.index["clip"]):
        k = list(shared.index["clip"]).index(clip)
        # The compact file rounds to 0.2 and 1 µV.
        assert np.abs(official.features["eeg"][i] - shared.features["eeg"][k]).max() <= 0.1001
        assert np.abs(official.features["ecg"][i] - shared.features["ecg"][k]).max() <= 0.5001


def test_25_people_with_a_wristband_have_three_tasks_each() -> None:
    data = stress_predict.read(real("stress-predict"), window_s=None)
    assert len(data.index.groups("subject")) == 25
    assert data.index.label("task").counts() == {"none": 100, "stroop": 25, "interview": 25, "hyperventilation": 25}
    assert all(f.present.all() for f in data.features.values())
    assert data.features["eda"].values.max() < 60
    assert 20 < np.median(data.features["temp"].values) < 40
    assert np.abs(data.features["acc"].values).max() <= 2.0


@pytest.mark.parametrize(("name", "use", "told"), [
    ("eegmat", "leave-one-subject-out", {}), ("stress-predict", "group-kfold", {"k": 5}),
    ("isear", "group-kfold", {"k": 5}), ("emobank", "group-kfold", {"k": 5, "group": "document"}),
    ("goemotions", "official", {"test": "validation", "by": "clip"}),
    ("ferplus", "official", {"test": "validation", "by": "clip"}),
])  # fmt: skip
def test_real_sets_can_be_split_without_a_leak(name: str, use: str, told: dict[str, Any]) -> None:
    from moodal.lab.bench.protocols import protocol

    options = {} if name in SIGNALS else {"duplicates": "once"}
    data = registry.load("sets", name).read(real(name), **options)
    folds = protocol(use, **told).split(data)
    assert len(folds) == {"leave-one-subject-out": 32, "group-kfold": 5, "official": 1}[use]
