"""The SEED family and FACED: twins to the sample, complaints of users of other readers, bad input."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, MissingExtra, UsageError
from moodal.lab.bench.protocols import protocol
from moodal.lab.data import matlab, neuroscan, pickles, sjtu
from moodal.lab.data.generated_cnt import cnt
from moodal.lab.data.sets import faced, seed, seed_iv, seed_v, seed_vii
from moodal.lab.data.streams import Reading, Stream, gathered, lowered
from moodal.lab.data.twin import write
from moodal.lab.data.windows import joined
from twin_folders import twins

SETS: dict[str, Any] = {"seed": seed, "seed-iv": seed_iv, "seed-v": seed_v, "seed-vii": seed_vii, "faced": faced}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return twins(SETS, tmp_path_factory)


def linked(root: Path, to: Path, *changed: str) -> Path:
    """A twin's tree by links but for the files that a test changes, which are copies."""
    for file in root.rglob("*"):
        if file.is_file():
            at = to / file.relative_to(root)
            at.parent.mkdir(parents=True, exist_ok=True)
            if str(file.relative_to(root)) in changed:
                at.write_bytes(file.read_bytes())
            else:
                at.symlink_to(file)
    return to


# -- twins


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
        assert [held.names[v] if v >= 0 else "" for v in held.values] == list(told)
    for m, arrays in truth.samples.items():
        assert len(data.features[m].fields) == data.features[m].width
        for i, array in enumerate(arrays):
            # A NeuroScan file rounds to its resolution.
            np.testing.assert_allclose(data.features[m][i], array, atol=0.02)
    for column in ("subject", "session", "trial", "stimulus", "recording", "content"):
        assert (data.index[column] != "").all(), column


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_twin_shows_its_labels_with_the_effect_and_hides_them_without(name: str, tmp_path: Path) -> None:
    """Alpha of the right side of the head follows the state that is planted there, or does not."""
    spread = []
    for effect in (1.0, 0.0):
        root = tmp_path / str(effect)
        SETS[name].generate(root, people=1, effect=effect, fingerprint=0.0)
        data = SETS[name].read(root, window_s=None)
        right = [k for k, c in enumerate(data.features["eeg"].fields) if c in ("P4", "O2")]
        rate = data.features["eeg"].rate_hz
        told = data.index.label("emotion").values
        level = []
        for i in range(len(data)):
            values = data.features["eeg"][i][:, right]
            power = np.square(np.abs(np.fft.rfft(values, axis=0)))
            hertz = np.fft.rfftfreq(len(values), 1 / rate)
            level.append(np.log(power[(hertz >= 8) & (hertz <= 12)].mean()))
        means = [np.mean([v for v, t in zip(level, told, strict=True) if t == k]) for k in sorted(set(told.tolist()))]
        spread.append(float(np.std(means)))
    assert spread[0] > 2 * spread[1]


# -- complaints about other readers


def test_torcheeg_141_164_trial_ids_are_numbers_whatever_initials_the_file_has(made: Any, tmp_path: Path) -> None:
    root, _ = made("seed")
    data = seed.read(root, window_s=2.0)
    assert set(data.index["number"]) == {str(n) for n in range(1, 16)}
    assert not any(i in t for t in data.index["trial"] for i in ("djc", "jl", "eeg"))
    file = "Preprocessed_EEG/1_20131028.mat"
    renamed = linked(root, tmp_path, file)
    held = matlab.load(root / file)
    write(renamed / file, matlab.write({f"zz{k[k.index('_') :]}": v for k, v in held.items()}, compressed=False))
    again = seed.read(renamed, window_s=2.0)
    assert list(again.index["trial"]) == list(data.index["trial"])
    assert list(again.index["content"]) == list(data.index["content"])


def test_torcheeg_92_the_official_split_of_seed_is_nine_clips_to_six_in_every_sitting(tmp_path: Path) -> None:
    seed.generate(tmp_path, sittings=2, clip_s=2.0, features=False)
    index = seed.read(tmp_path, window_s=2.0).index
    for session, rows in index.groups("session").items():
        parts = index["split"][rows]
        assert (parts == "train").sum() == 9, session
        assert (parts == "test").sum() == 6, session
        assert set(index["number"][rows][parts == "test"]) == {str(n) for n in range(10, 16)}
    (fold,) = protocol("official", by="trial").folds(index)
    assert len(fold.test) == 4 * 6
    assert not set(index["trial"][fold.test]) & set(index["trial"][np.r_[fold.train, fold.validation]])


def test_torcheeg_127_features_that_were_smoothed_over_the_trial_are_stamped(made: Any) -> None:
    root, _ = made("seed")
    smoothed = seed.read(root, part="de_LDS", window_s=1.0)
    assert "NONCAUSAL" in smoothed.features["eeg"].source
    assert any(n.startswith("NOT CAUSAL: de_LDS") for n in smoothed.index.notices)
    assert smoothed.features["eeg"].fields[:2] == ("delta_FP1", "delta_FPZ")
    assert smoothed.features["eeg"].width == 310
    signals = seed.read(root, window_s=2.0)
    assert "NONCAUSAL" not in signals.features["eeg"].source
    assert not any("NOT CAUSAL" in n for n in signals.index.notices)
    # The file holds channel, time, band: one value found again by its name.
    file = next((root / "ExtractedFeatures").glob("10_*.mat"))
    held = matlab.load(file, "de_LDS3")["de_LDS3"]
    row = list(smoothed.index["trial"]).index(f"S10-{file.stem[-8:]}-03")
    column = smoothed.features["eeg"].fields.index("alpha_O2")
    np.testing.assert_allclose(
        smoothed.features["eeg"][row][0, column], held[sjtu.CHANNELS.index("O2"), 0, 2], rtol=1e-6
    )


def test_physiopro_23_person_ten_comes_after_two_and_keeps_their_own_clips(tmp_path: Path) -> None:
    seed.generate(tmp_path, people=3, clip_s=2.0, features=False)
    data = seed.read(tmp_path, window_s=2.0)
    assert list(dict.fromkeys(data.index["subject"])) == ["S01", "S02", "S10"]
    alone = seed.read(tmp_path, window_s=2.0, subjects=[10])
    rows = data.index["subject"] == "S10"
    assert list(alone.index["content"]) == list(data.index["content"][rows])
    assert alone.index.label("emotion").values.tolist() == data.index.label("emotion").values[rows].tolist()


def test_the_same_film_is_the_same_stimulus_on_every_day_and_the_other_sets_have_new_films(tmp_path: Path) -> None:
    seed.generate(tmp_path / "a", people=1, sittings=2, clip_s=2.0, features=False)
    one = seed.read(tmp_path / "a", window_s=2.0).index
    assert len(set(one["stimulus"])) == 15
    assert len(set(one["session"])) == 2
    assert list(dict.fromkeys(one["day"])) == ["1", "2"]
    seed_iv.generate(tmp_path / "b", people=1, sittings=2)
    two = seed_iv.read(tmp_path / "b", window_s=2.0).index
    assert len(set(two["stimulus"])) == 48


# -- memory


def test_one_person_is_in_memory_at_a_time(tmp_path: Path) -> None:
    peaks = []
    for people in (1, 3):
        root = tmp_path / str(people)
        faced.generate(root, people=people, clip_s=1.0)
        for _ in faced.people(root, window_s=1.0):  # what is loaded once
            pass
        tracemalloc.start()
        for _ in faced.people(root, window_s=1.0):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_people_are_read_when_they_are_asked_for(made: Any, tmp_path: Path) -> None:
    root = linked(made("seed")[0], tmp_path)
    each = seed.people(root, window_s=2.0)
    assert set(next(each).index["subject"]) == {"S01"}
    for file in (root / "Preprocessed_EEG").glob("10_*.mat"):
        file.unlink()
    with pytest.raises(InputError, match="10_"):
        next(each)


def test_parts_that_come_one_after_another_are_what_they_are_joined(tmp_path: Path) -> None:
    faced.generate(tmp_path, people=3, clip_s=1.0)
    parts = list(faced.people(tmp_path, window_s=1.0))
    assert gathered(iter(parts)).fingerprint() == joined(parts).fingerprint()
    assert gathered(parts[:1]).fingerprint() == parts[0].fingerprint()
    with pytest.raises(InputError, match="are both called 'S000-01-w001'"):
        gathered([parts[0], parts[0]])
    with pytest.raises(InputError, match="has no examples"):
        gathered([])


# -- rates


def test_a_lower_rate_does_not_alias_and_a_higher_one_is_not_made() -> None:
    time = np.arange(4000) / 1000
    tones = np.stack([np.sin(2 * np.pi * 10 * time) + 500, np.sin(2 * np.pi * 180 * time)], axis=1)
    low = lowered(tones, 1000.0, 200.0)
    assert low.shape == (800, 2)
    np.testing.assert_allclose(low[50:-50, 0], tones[::5][50:-50, 0], atol=0.02)
    assert np.abs(low[50:-50, 1]).max() < 0.02
    ask = Reading("toy", {"eeg": Stream("eeg", ("Cz",), 100.0)}, rate_hz=200.0)
    assert ask.target_hz("eeg") == 100.0


def test_each_signal_may_have_a_rate_of_its_own(made: Any) -> None:
    root, _ = made("seed-vii")
    data = seed_vii.read(root, window_s=1.0, rate_hz={"eeg": 200.0, "ecg": 500}, subjects=[1])
    assert {m: f.rate_hz for m, f in data.features.items()} == {"eeg": 200.0, "eog": 1000.0, "ecg": 500.0}
    assert {m: len(f[0]) for m, f in data.features.items()} == {"eeg": 200, "eog": 1000, "ecg": 500}
    with pytest.raises(UsageError, match="rate_hz names no signal 'emg'"):
        seed_vii.read(root, rate_hz={"emg": 200.0})


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), "fast", True])
def test_a_rate_that_is_none_is_refused(rate: Any) -> None:
    with pytest.raises(UsageError, match="rate_hz is"):
        Reading("toy", {"eeg": Stream("eeg", ("Cz",), 100.0)}, rate_hz=rate)


def test_a_rate_that_contradicts_how_long_the_clips_last_is_refused(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root, _ = made("seed-iv")
    real = {f"cz_eeg{n}": (62, 142_000) for n in range(1, 25)}  # two minutes and a half at 1000 Hz
    monkeypatch.setattr(matlab, "shapes", lambda _: real)
    with pytest.raises(InputError, match=r"last 710 s on average at 200 Hz.*Near 99\d Hz"):
        seed_iv.read(root)
    monkeypatch.setattr(
        matlab, "shapes", lambda _: {f"jl_eeg{n}": (62, 5 * 200 * s) for n, s in enumerate(seed.LASTS_S, 1)}
    )
    with pytest.raises(InputError, match="say source_hz"):
        seed.read(made("seed")[0])


def test_one_clip_that_breaks_off_is_named() -> None:
    seconds = dict(enumerate(map(float, seed.LASTS_S), start=1))
    assert sjtu.proven(seconds, Path("a.mat"), 200.0, lasts=seed.LASTS_S) == ""
    seconds[4] = 200.0
    with pytest.raises(InputError, match=r"a\.mat: its clip 4 lasts 200\.0 s and the film 238 s"):
        sjtu.proven(seconds, Path("a.mat"), 200.0, lasts=seed.LASTS_S)
    assert sjtu.proven(seconds, Path("a.mat"), 200.0, lasts=seed.LASTS_S, accept=["length"]) == ""


# -- bad input of MATLAB files and pickles


def first_of(root: Path) -> Path:
    return next((root / "Preprocessed_EEG").glob("1_*.mat"))


def test_a_unit_off_by_a_million_is_refused_and_can_be_accepted(made: Any, tmp_path: Path) -> None:
    root = linked(made("seed")[0], tmp_path, "Preprocessed_EEG/1_20131028.mat")
    held = {k: v * 1e-6 for k, v in matlab.load(first_of(root)).items()}
    write(first_of(root), matlab.write(held, compressed=False))
    with pytest.raises(InputError, match=r"1_20131028\.mat!djc_eeg1: its eeg has a deviation of .*is it in V"):
        seed.read(root, window_s=2.0)
    assert len(seed.read(root, window_s=2.0, accept=["unit"]))


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("lacks", r"holds 14 clips \(without 7\), 15 were shown"),
        ("twice", r"holds clip 7 as djc_eeg7 and as xx_eeg7"),
        ("breaks off", "cannot be read as a MATLAB file"),
        ("transposed", r"its djc_eeg1 is \(800, 62\), 62 rows were expected"),
    ],
)
def test_a_file_without_its_fifteen_clips_is_one_line(made: Any, tmp_path: Path, what: str, line: str) -> None:
    root = linked(made("seed")[0], tmp_path, "Preprocessed_EEG/1_20131028.mat")
    file = first_of(root)
    held = matlab.load(file)
    if what == "breaks off":
        write(file, file.read_bytes()[:-5000])
    else:
        if what == "lacks":
            del held["djc_eeg7"]
        elif what == "twice":
            held["xx_eeg7"] = held["djc_eeg7"]
        else:
            held = {k: v.T for k, v in held.items()}
        write(file, matlab.write(held, compressed=False))
    with pytest.raises(InputError, match=line) as caught:
        seed.read(root, window_s=2.0)
    assert "1_20131028.mat" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_version_7_3_gives_the_same(made: Any, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    file = "Preprocessed_EEG/1_20131028.mat"
    root, _ = made("seed")
    before = seed.read(root, window_s=2.0, subjects=[1])
    copy = linked(root, tmp_path, file)
    held = matlab.load(root / file)
    (copy / file).unlink()
    with h5py.File(copy / file, "w", userblock_size=512) as out:
        for name, values in held.items():
            # MATLAB writes its columns as rows.
            out.create_dataset(name, data=values.T).attrs["MATLAB_class"] = np.bytes_("double")
    assert matlab.shapes(copy / file) == {name: values.shape for name, values in held.items()}
    after = seed.read(copy, window_s=2.0, subjects=[1])
    assert list(after.index["content"]) == list(before.index["content"])


def test_seed_without_its_labels_says_so(made: Any, tmp_path: Path) -> None:
    root = linked(made("seed")[0], tmp_path)
    (root / "Preprocessed_EEG" / "label.mat").unlink()
    with pytest.raises(InputError, match=r"SEED lacks its labels \(label\.mat\)"):
        seed.read(root)


@pytest.mark.parametrize("name", sorted(SETS))
def test_people_and_parts_that_are_not_there_are_refused(made: Any, name: str) -> None:
    root, truth = made(name)
    with pytest.raises(UsageError, match="has no person 99"):
        SETS[name].read(root, **truth.settings, subjects=[99])
    with pytest.raises(UsageError, match="has no part 'smell'"):
        SETS[name].read(root, part="smell")
    with pytest.raises(UsageError, match="accept names no check 'all'"):
        SETS[name].read(root, accept=["all"])


def test_seed_ivs_order_is_read_from_its_readme(made: Any, tmp_path: Path) -> None:
    root = linked(made("seed-iv")[0], tmp_path, "ReadMe.txt")
    readme = root / "ReadMe.txt"
    text = readme.read_text()
    readme.write_text(text.replace("session1_label = [1,2,3,0", "session1_label = [0,2,3,1"))
    data = seed_iv.read(root, window_s=2.0)
    assert data.index.label("emotion").source[:4] == ("neutral", "fear", "happy", "sad")
    assert any("tells another order" in n for n in data.index.notices)
    readme.write_text(text.replace(",3,0,3];", "];"))
    with pytest.raises(InputError, match=r"ReadMe\.txt: session 1 labels 21 clips, 24 were shown"):
        seed_iv.read(root)
    readme.unlink()
    data = seed_iv.read(root, window_s=2.0)
    assert data.index.label("emotion").source[:4] == ("sad", "fear", "happy", "neutral")
    assert any("has no ReadMe.txt" in n for n in data.index.notices)


def test_faced_is_split_by_person_and_has_its_28_clips(tmp_path: Path) -> None:
    faced.generate(tmp_path, people=3, clip_s=1.0, features=True)
    data = faced.read(tmp_path, window_s=1.0)
    assert {(s, p) for s, p in zip(data.index["subject"], data.index["split"], strict=True)} == {
        ("S000", "train"), ("S080", "validation"), ("S100", "test"),
    }  # fmt: skip
    assert data.index.label("valence").counts() == {"negative": 36, "neutral": 12, "positive": 36}
    assert set(data.index.label("emotion").counts().values()) == {9, 12}
    entropy = faced.read(tmp_path, part="de", window_s=1.0)
    assert entropy.features["eeg"].width == 150
    held = pickles.load(tmp_path / "EEG_Features" / "DE" / "sub080.pkl.pkl")
    row = list(entropy.index["trial"]).index("S080-28")
    column = entropy.features["eeg"].fields.index("gamma_O2")
    np.testing.assert_allclose(entropy.features["eeg"][row][0, column], held[27, 29, 0, 4], rtol=1e-6)


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return (os.mkdir, ("ran",))


def test_a_hostile_pickle_of_faced_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    monkeypatch.chdir(tmp_path)
    for content, line in (
        (pickle.dumps(Hostile()), "could run code"),
        (pickle.dumps({"a": 1}), "holds object|holds dict"),
        (pickles.write_array(np.zeros((28, 30, 7500), np.float32)), r"holds float32 \(28, 30, 7500\)"),
        (pickles.write_array(np.zeros((28, 32, 7500)))[:-99], "breaks off"),
    ):
        write(tmp_path / "Processed_data" / "sub000.pkl", content)
        with pytest.raises(InputError, match=line) as caught:
            faced.read(tmp_path)
        assert "sub000.pkl" in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_a_rate_that_faceds_clips_contradict_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write(tmp_path / "Processed_data" / "sub000.pkl", pickles.write_array(rng.normal(size=(28, 32, 3000)).astype("f4")))
    with pytest.raises(InputError, match=r"lasts 12\.0 s at 250 Hz, 30\.0 s were expected"):
        faced.read(tmp_path)


# -- NeuroScan


def test_a_neuroscan_recording_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = 30 * rng.normal(size=(3000, 4))
    write(tmp_path / "a.cnt", cnt(("FP1", "Cz", "HEO", "ECG"), values, 1000, [(0, 1), (1500, 2), (2999, 1)]))
    with neuroscan.opened(tmp_path / "a.cnt") as held:
        assert (held.rate_hz, held.n, held.channels) == (1000.0, 3000, ("FP1", "Cz", "HEO", "ECG"))
        assert held.triggers == ((0.0, 1), (1.5, 2), (2.999, 1))
        np.testing.assert_allclose(held.cut(("CZ", "FP1"), 0.5, 2.0), values[500:2000, [1, 0]], atol=0.015)
        with pytest.raises(InputError, match=r"lacks the channels O1, O2. It has: FP1, Cz, HEO, ECG"):
            held.cut(("O1", "O2"), 0, 1)
        with pytest.raises(InputError, match=r"from 2\.0 to 4\.0 s is asked for and it lasts 3\.0 s"):
            held.cut(("FP1",), 2.0, 4.0)


def test_a_damaged_neuroscan_recording_is_one_line(tmp_path: Path) -> None:
    whole = cnt(("FP1", "Cz"), np.random.default_rng(0).normal(size=(2000, 2)), 1000, [(5, 1)])
    overflowed = bytearray(whole)
    overflowed[864:868] = (7).to_bytes(4, "little")
    for content in (b"", whole[:500], whole[:1040], whole[:9000], b"<html>404</html>" * 99, bytes(5000)):
        file = write(tmp_path / "a.cnt", content)
        with pytest.raises(InputError, match=r"a\.cnt") as caught, neuroscan.opened(file) as held:
            held.cut(("FP1",), 0, 2)
        assert "\n" not in str(caught.value)
    # A count that overflowed is counted again.
    with neuroscan.opened(write(tmp_path / "b.cnt", bytes(overflowed))) as held:
        assert held.n == 2000


def test_without_mne_a_neuroscan_recording_names_the_extra(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(MissingExtra, match=r"needs the package mne.*moodal\[eeg\]"):
        seed_vii.read(made("seed-vii")[0])


def test_seed_vs_folds_and_its_two_orders_of_features(made: Any, tmp_path: Path) -> None:
    root, _ = made("seed-v")
    index = seed_v.read(root, window_s=1.0).index
    folds = {(int(n) - 1) // 5 + 1: f for n, f in zip(index["number"], index["fold"], strict=True)}
    assert folds == {1: "1", 2: "2", 3: "3"}
    entropy = seed_v.read(root, part="de", window_s=None)
    assert len(entropy) == 2 * 45
    apart = linked(root, tmp_path, "EEG_DE_features/1_123.npz")
    held = seed_v._held(root / "EEG_DE_features" / "1_123.npz", "data")
    # The same numbers, bands one after another: found out, and given in the same order.
    by_band = {k: v.reshape(len(v), 62, 5).transpose(2, 0, 1).reshape(5, len(v), 62) for k, v in held.items()}
    np.savez(
        apart / "EEG_DE_features" / "1_123.npz",
        data=np.bytes_(pickles.write({k: np.ascontiguousarray(v.transpose(1, 0, 2).reshape(len(held[k]), 310))
                                      for k, v in by_band.items()})),
        label=np.bytes_(
            pickles.write({k: np.full(len(v), seed_v.ORDER[k // 15 + 1][k % 15]) for k, v in held.items()})
        ),
    )  # fmt: skip
    again = seed_v.read(apart, part="de", window_s=None)
    np.testing.assert_allclose(again.features["eeg"].values[:15], entropy.features["eeg"].values[:15])


def test_seed_vs_labels_are_held_against_the_published_order(made: Any, tmp_path: Path) -> None:
    root = linked(made("seed-v")[0], tmp_path, "EEG_DE_features/1_123.npz", "trial_start_end_timestamp.txt")
    file = root / "EEG_DE_features" / "1_123.npz"
    write(file, seed_v._written({}, wrong=16))
    for part in ("de", "signals"):
        with pytest.raises(InputError, match=r"trial 16 is labelled 7(\.0)?, the published order has 1 \(fear\)"):
            seed_v.read(root, part=part)
    import pickle

    np.savez(file, data=np.bytes_(pickle.dumps({k: Hostile() for k in range(45)})), label=np.bytes_(b"x"))
    with pytest.raises(InputError, match="cannot be read as plain arrays"):
        seed_v.read(root, part="de")
    file.unlink()
    times = root / "trial_start_end_timestamp.txt"
    text = times.read_text()
    for old, new, line in (
        ("[0.5, 2.0", "[2.6, 2.0", "session 1, clip 1: 2.6 to 1.5 s is no stretch"),
        ("[0.5, 2.0", "[0.5", "session 1 has 14 starts and 15 ends"),
        ("[0.5, 2.0", "[0.5, soon", "a time that is no number"),
        ("22.5]", "92.5]", "it lasts 23"),
        ("Session 2", "Day 2", "session 2 has 0 starts"),
    ):
        times.write_text(text.replace(old, new))
        assert times.read_text() != text, old
        with pytest.raises(InputError, match=line):
            seed_v.read(root, window_s=1.0)


def test_seed_viis_splits_and_its_recordings_with_wrong_triggers(made: Any, tmp_path: Path) -> None:
    root, _ = made("seed-vii")
    index = seed_vii.read(root, signals=["ecg"], window_s=1.0).index
    assert any("14_20221015_1.cnt has wrong triggers" in n for n in index.notices)
    told = {int(n): (f, s) for n, f, s in zip(index["number"], index["fold"], index["split"], strict=True)}
    assert [told[n][0] for n in (1, 5, 6, 10, 11, 16, 20)] == ["1", "1", "2", "2", "3", "4", "4"]
    assert [told[n][1] for n in (1, 10, 11, 15, 16, 20)] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    # Every fold of a session has each of its five emotions.
    for rows in index.groups("fold").values():
        assert set(np.bincount(index.label("emotion").values[rows], minlength=7)) <= {0, 2}
    copy = linked(root, tmp_path, "save_info/14_20221015_1_trigger_info.csv")
    table = copy / "save_info" / "14_20221015_1_trigger_info.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]))
    with pytest.raises(InputError, match=r"trigger_info\.csv: has 39 triggers, 40 were expected"):
        seed_vii.read(copy, subjects=[14])
    table.write_text("\n".join([*lines[:3], "2,late", *lines[4:]]))
    with pytest.raises(InputError, match="row 4 ends in no time of day"):
        seed_vii.read(copy, subjects=[14])
    table.unlink()
    with pytest.raises(InputError, match=r"SEED-VII lacks save_info/14_20221015_1_trigger_info\.csv"):
        seed_vii.read(copy, subjects=[14])


def test_seed_viis_own_files_are_read_beside(tmp_path: Path) -> None:
    seed_vii.generate(tmp_path, people=1, features=True)
    clips = seed_vii.read(tmp_path, part="preprocessed", window_s=1.0)
    assert len(clips) == 80
    assert clips.features["eeg"].rate_hz == 200.0
    signals = seed_vii.read(tmp_path, window_s=1.0, signals=["eeg"], rate_hz=None)
    np.testing.assert_allclose(clips.features["eeg"][0], signals.features["eeg"][0][::5], atol=0.02)
    smoothed = seed_vii.read(tmp_path, part="de_LDS", window_s=None)
    assert smoothed.features["eeg"].width == 310
    assert "NONCAUSAL" in smoothed.features["eeg"].source
    assert "NONCAUSAL" not in seed_vii.read(tmp_path, part="de", window_s=None).features["eeg"].source


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SETS))
def test_a_stranger_is_told_from_a_twin_with_the_effect_and_not_without(name: str, tmp_path: Path) -> None:
    """Logistic regression on log band power, a person left out: well above chance, or at chance."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores = []
    for effect in (1.0, 0.0):
        root = tmp_path / str(effect)
        SETS[name].generate(root, people=6, effect=effect)
        data = SETS[name].read(root, window_s=None)
        rate = data.features["eeg"].rate_hz or 0.0
        rows = []
        for i in range(len(data)):
            values = data.features["eeg"][i]
            power = np.square(np.abs(np.fft.rfft(values, axis=0)))
            hertz = np.fft.rfftfreq(len(values), 1 / rate)
            rows.append([np.log(power[(hertz >= a) & (hertz < b)].mean(axis=0)) for a, b in ((8, 13), (14, 31))])
        made = np.array(rows).reshape(len(data), -1)
        told, who = data.index.label("emotion").values, data.index["subject"]
        guessed = np.empty_like(told)
        for person in sorted(set(who)):
            rest = who != person
            learner = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
            guessed[~rest] = learner.fit(made[rest], told[rest]).predict(made[~rest])
        scores.append(float(balanced_accuracy_score(told, guessed)))
    chance = 1 / len(set(told.tolist()))
    assert scores[0] > chance + 0.15, scores
    assert abs(scores[1] - chance) < 0.1, scores
    print(name, scores, chance)
