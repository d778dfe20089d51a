"""Laws of protocols: parts disjoint in every key they name, planted leaks refused by row, the same each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moodal.core.errors import InputError, UsageError
from moodal.lab.bench.leaks import check, shared
from moodal.lab.bench.protocols import PROTOCOLS, Fold, GroupKFold, LeaveOneSubjectOut, Official, Protocol, protocol
from moodal.lab.data import Dataset, Index, LeakageError, people
from moodal.lab.data.labels import Labels

#: How each registered protocol is asked for here; a new one must be added to be held to its laws.
SETTINGS: dict[str, dict[str, Any]] = {
    "official": {"by": "subject"},
    "leave-one-subject-out": {},
    "group-kfold": {"k": 3},
    "stimulus-kfold": {"k": 3},
    "subject+stimulus": {"k": 2, "stimuli": 2},
    "trial-kfold-within-subject": {"k": 3},
    "within-session": {"k": 3},
    "segment-shuffle": {"k": 3, "allow_leak": True},
}
STRICT = [name for name, p in PROTOCOLS.items() if not p.leaky]


def data(subjects: int = 6, clips: int = 8, windows: int = 2, seed: int = 0) -> Dataset:
    made = people(subjects, clips, modalities=("eda",), windows=windows, steps=(2, 4), seed=seed)
    place = np.unique(made.index["subject"].astype(str), return_inverse=True)[1]
    split = np.array(["train", "train", "train", "validation", "test"])[place % 5]
    content = [f"bytes of {c}" for c in made.index["clip"]]
    return Dataset(made.index.with_columns(split=split, content=content), made.features)


def asked(name: str, **more: Any) -> Protocol:
    return protocol(name, **SETTINGS[name], **more)


def test_every_protocol_is_held_to_these_laws() -> None:
    assert set(SETTINGS) == set(PROTOCOLS)


@pytest.mark.parametrize("name", list(PROTOCOLS))
@given(subjects=st.integers(5, 9), clips=st.integers(6, 10), windows=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_parts_are_disjoint_and_never_empty(name: str, subjects: int, clips: int, windows: int, seed: int) -> None:
    made = data(subjects, clips, windows, seed)
    told = asked(name, seed=seed)
    folds = told.split(made)
    for fold in folds:
        assert all(len(rows) for rows in fold.parts.values())
        assert not list(shared(made.index, fold.parts, told.disjoint))
        rows = np.concatenate(list(fold.parts.values()))
        assert len(set(rows.tolist())) == len(rows)
    tested = np.concatenate([fold.test for fold in folds])
    assert len(set(tested.tolist())) == len(tested)
    if name != "official":
        assert len(tested) == len(made)


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_the_same_folds_each_time_and_others_from_another_seed(name: str) -> None:
    made = data(9)
    first, again = (asked(name, seed=3).split(made) for _ in range(2))
    other = asked(name, seed=4).split(made)

    def rows(folds: list[Fold]) -> list[list[int]]:
        return [part.tolist() for f in folds for part in f.parts.values()]

    assert rows(first) == rows(again)
    assert name == "official" or rows(first) != rows(other)


@pytest.mark.parametrize("name", STRICT)
def test_order_of_rows_changes_nothing(name: str) -> None:
    made = data()
    order = np.random.default_rng(1).permutation(len(made))
    turned = made.take(order)
    for a, b in zip(asked(name).split(made), asked(name).split(turned), strict=True):
        for part in a.parts:
            clips = [set(d.index["clip"][f.parts[part]]) for d, f in ((made, a), (turned, b))]
            assert clips[0] == clips[1]


def planted(made: Dataset, fold: Fold, key: str, part: str) -> tuple[Dataset, list[int]]:
    """The data set with one training row made to share ``key`` with a row of another part; the two rows."""
    index, a, b = made.index, int(fold.train[0]), int(fold.parts[part][0])
    if key == "window":
        columns = {c: index[c].copy() for c in ("recording", "start_s", "end_s")}
        columns["recording"][a] = columns["recording"][b]
        columns["start_s"][a] = index["start_s"][b] + 0.1
        columns["end_s"][a] = index["end_s"][b] + 0.1
    else:
        columns = {key: index[key].copy()}
        columns[key][a] = columns[key][b]
    return Dataset(index.with_columns(**columns), made.features), [a, b]


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize(("name", "key"), [(n, k) for n in STRICT for k in asked(n).disjoint if k != "clip"])
def test_a_planted_leak_is_refused_and_its_rows_named(name: str, key: str, part: str) -> None:
    made = data(windows=1)
    told = asked(name)
    fold = told.split(made)[0]
    leaky, rows = planted(made, fold, key, part)
    with pytest.raises(LeakageError) as caught:
        check(leaky.index, fold.parts, told.disjoint, "here")
    assert caught.value.key == key
    assert set(rows) <= set(caught.value.rows)
    assert f"train row {rows[0] + 1}" in str(caught.value)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "key"),
    # Within a session trials are dealt as they are named: two rows of one trial go to one part.
    [
        (n, k)
        for n in STRICT
        for k in ("trial", "content", "window")
        if k != "trial" or n not in ("within-session", "trial-kfold-within-subject")
    ],
)
def test_a_leak_across_what_the_protocol_splits_by_is_refused(name: str, key: str) -> None:
    made = data(windows=1)
    fold = asked(name).split(made)[0]
    leaky, rows = planted(made, fold, key, "test")
    with pytest.raises(LeakageError) as caught:
        asked(name).split(leaky)
    assert caught.value.key == key
    assert set(rows) & set(caught.value.rows)


def test_a_shared_person_is_refused_where_the_protocol_says_so_and_told_where_not() -> None:
    made = data(windows=1)
    split = made.index["split"].copy()
    split[0], split[1] = "train", "test"
    mixed = Dataset(made.index.with_columns(split=split), made.features)
    told = Official()
    folds = told.split(mixed)
    assert any(n.startswith("train and test share subject s01") for n in told.notices(mixed.index, folds))
    with pytest.raises(LeakageError, match="share subject s01"):
        Official(disjoint=(*told.disjoint, "subject")).split(mixed)


@pytest.mark.parametrize("name", STRICT)
def test_features_fitted_on_held_out_examples_are_refused(name: str) -> None:
    made = data()
    fold = asked(name).split(made)[0]
    clip = made.index["clip"][fold.test[0]]
    fitted = {m: replace(f, fitted_on=frozenset({clip})) for m, f in made.features.items()}
    with pytest.raises(LeakageError, match="was fitted on examples") as caught:
        asked(name).split(Dataset(made.index, fitted))
    assert caught.value.rows == (int(fold.test[0]),)


def test_fitted_on_training_clips_of_an_official_split_is_no_leak() -> None:
    made = data()
    fold = asked("official").split(made)[0]
    clips = frozenset(made.index["clip"][fold.train])
    fitted = {m: replace(f, fitted_on=clips) for m, f in made.features.items()}
    assert asked("official").split(Dataset(made.index, fitted))


def test_windows_that_touch_do_not_overlap_and_a_hair_of_rounding_is_no_leak() -> None:
    index = Index.build(
        "toy",
        {
            "clip": ["a", "b", "c"],
            "recording": ["r"] * 3,
            "start_s": [0, 0.1 + 0.2, 0.6],
            "end_s": [0.3 + 1e-9, 0.6, 1],
        },
        {},
    )
    parts = {"train": np.array([0]), "validation": np.array([1]), "test": np.array([2])}
    assert not list(shared(index, parts, ["window"]))
    longer = index.with_columns(end_s=[0.31, 0.6, 1])
    assert [leak.rows for leak in shared(longer, parts, ["window"])] == [(0, 1)]


def test_a_long_window_overlaps_ones_that_start_much_later() -> None:
    index = Index.build(
        "toy",
        {"clip": list("abcd"), "recording": ["r"] * 4, "start_s": [0, 1, 2, 50], "end_s": [60, 2, 3, 51]},
        {},
    )
    parts = {"train": np.array([0, 1, 2]), "test": np.array([3])}
    assert [leak.rows for leak in shared(index, parts, ["window"])] == [(0, 3)]


def test_sessions_of_like_name_are_those_of_each_person() -> None:
    made = data(windows=1)
    index = made.index.with_columns(session=["1"] * len(made))
    for fold in asked("within-session").split(Dataset(index, made.features)):
        for rows in fold.parts.values():
            assert len(set(index["subject"][rows])) == 6


def test_what_could_not_be_checked_is_said() -> None:
    made = data(windows=2)
    index = made.index.with_columns(start_s=np.full(len(made), np.nan), end_s=np.full(len(made), np.nan))
    told = asked("leave-one-subject-out")
    lines = told.notices(index, told.split(index))
    assert (
        f"{len(made)} of {len(made)} examples have no times in their recording: not checked for what they share"
        in lines
    )
    half = made.index.with_columns(split=["", *made.index["split"][1:]])
    lines = asked("official").notices(half, asked("official").split(half))
    assert f"1 of {len(made)} examples are in no part" in lines


def test_training_windows_that_overlap_held_out_ones_are_left_out_where_trials_may_be_shared() -> None:
    made = data(windows=3)
    told = GroupKFold(group="clip", k=3, disjoint=("clip", "window"), validation=0.3)
    with pytest.raises(LeakageError, match="validation and test share overlapping windows"):
        told.split(made)  # nobody may choose on what overlaps the test part either
    calm = made.index.where(subject=["s01", "s02", "s03"])
    firsts = np.array([c.endswith(("w1", "w3")) for c in calm["clip"]])
    apart = calm.take(firsts)
    folds = told.split(apart)
    assert all(f.purged == 0 for f in folds)
    assert any("share trial" in n for n in told.notices(apart, folds))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: protocol("loto"), "unknown protocol 'loto'"),
        (lambda: protocol("subject+stimulus", stimuli=1), "two folds of stimuli at least"),
        (lambda: protocol("trial_kfold_within_subject", k=1), "needs two folds at least"),
        (lambda: protocol("group-kfold", folds=3), "no setting 'folds'"),
        (lambda: protocol("group-kfold", k="3"), "not of the type int"),
        (lambda: protocol("group-kfold", k=1), "needs two folds at least"),
        (lambda: protocol("segment-shuffle", k=1, allow_leak=True), "needs two folds at least"),
        (lambda: protocol("group-kfold", validation=0), "between 0 and 1"),
        (lambda: protocol("group-kfold", disjoint=["subject"]), "may not let its parts share clip"),
        (lambda: protocol("official", disjoint=["clip"]), "may not let its parts share window"),
        (lambda: Official(test="dev").split(data()), "test = 'dev'"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("official", {"split": ["train"] * 48}, "the official split has"),
        ("leave-one-subject-out", {"subject": [""] * 48}, "48 of 48 examples have no subject"),
        ("leave-one-subject-out", {"subject": ["a"] * 24 + ["b"] * 24}, "only one subject is left"),
        ("group-kfold", {"subject": ["a"] * 24 + ["b"] * 24}, "has 2 subjects for 3 folds"),
        ("stimulus-kfold", {"stimulus": ["a"] * 24 + ["b"] * 24}, "has 2 stimuli for 3 folds"),
        ("subject+stimulus", {"stimulus": [""] * 48}, "48 of 48 examples have no stimulus"),
        ("subject+stimulus", {"subject": ["a"] * 24 + ["b"] * 24}, "has 2 subjects for 2 folds"),
        ("trial-kfold-within-subject", {"subject": [""] * 48}, "48 of 48 examples have no subject"),
        ("trial-kfold-within-subject", {"trial": ["t"] * 48}, "subject s01 has 1 trials for 3 folds"),
        ("within-session", {"trial": [""] * 48}, "48 of 48 examples have no trial"),
        ("within-session", {"session": ["", *["1"] * 47]}, "1 of 48 examples have no session"),
        ("within-session", {"trial": ["t"] * 48}, "has 1 trials for 3 folds"),
    ],
)
def test_an_index_that_cannot_be_split_is_one_line(name: str, change: dict[str, list[str]], told: str) -> None:
    made = data(windows=1)
    with pytest.raises(InputError, match=told) as caught:
        asked(name).split(made.index.with_columns(**change))
    assert "\n" not in str(caught.value)


def test_keys_asked_for_are_kept_whatever_is_split_by() -> None:
    asked_for = GroupKFold(group="recording", disjoint=("clip", "trial", "content", "window", "subject"), k=3)
    assert "subject" in asked_for.disjoint
    with pytest.raises(LeakageError, match="share subject"):
        asked_for.split(data(windows=1))
    assert GroupKFold(group="dialogue").disjoint == ("clip", "trial", "content", "window", "dialogue")


def test_test_labels_are_sealed_for_whoever_takes_them() -> None:
    made = data()
    test = made.take(LeaveOneSubjectOut().split(made)[0].test).sealed()
    with pytest.raises(LeakageError, match="labels of the test part were asked for"):
        _ = test.index.label("emotion").values
    assert isinstance(made.index.label("emotion"), Labels)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("loso", "leave-one-subject-out"),
        ("LOSO", "leave-one-subject-out"),
        ("leave_one_subject_out", "leave-one-subject-out"),
        ("trial_kfold_within_subject", "trial-kfold-within-subject"),
        ("subject_stimulus", "subject+stimulus"),
        ("stimulus_kfold", "stimulus-kfold"),
    ],
)
def test_names_of_papers_and_of_python_are_understood(told: str, name: str) -> None:
    assert protocol(told).name == name


def test_a_leak_by_another_spelling_is_still_a_leak() -> None:
    with pytest.raises(LeakageError, match="allow_leak = true"):
        protocol("segment_shuffle").split(data())
    told = protocol("segment_shuffle", allow_leak=True)
    assert told.as_dict()["leaky"] is True
    assert "LEAKY" in told.notices(data().index, told.split(data()))[0]


def test_new_people_on_new_films_are_told_what_is_left_aside() -> None:
    made = data(8, 12)
    told = asked("subject+stimulus")
    folds = told.split(made)
    assert len(folds) == 4
    for fold in folds:
        for key in ("subject", "stimulus"):
            sides = [set(made.index[key][rows]) for rows in fold.parts.values()]
            assert len(set.union(*sides)) == sum(map(len, sides))
        # Nothing that could be learnt from is dropped beyond what the two divisions of two keys cost.
        assert len(fold.train) >= len(made) / 8
    assert "of the examples are in no part of a fold" in told.notices(made.index, folds)[0]


def test_films_are_held_out_and_people_are_told() -> None:
    made = data(windows=1)
    told = asked("stimulus-kfold")
    folds = told.split(made)
    for fold in folds:
        assert not set(made.index["stimulus"][fold.test]) & set(made.index["stimulus"][fold.train])
    assert any("share subject" in n for n in told.notices(made.index, folds))


@pytest.mark.parametrize("within", ["subject", "session"])
def test_a_person_s_own_model_sees_nobody_else(within: str) -> None:
    made = data(5, 12)
    index = made.index.with_columns(session=[str(i // 4 % 2) for i in range(len(made))])
    # Two sittings that bear the same name for all: trials belong to one of them.
    index = index.with_columns(trial=[f"{t}-{s}" for t, s in zip(index["trial"], index["session"], strict=True)])
    told = asked("trial-kfold-within-subject", within=within)
    folds = told.split(Dataset(index, made.features))
    assert len(folds) == 3 * 5 * (2 if within == "session" else 1)
    for fold in folds:
        rows = np.concatenate(list(fold.parts.values()))
        assert len(set(index["subject"][rows])) == 1
        assert within == "subject" or len(set(index["session"][rows])) == 1
    assert told.unit == "subject"


def test_an_official_split_within_each_person_is_a_model_each() -> None:
    made = data(5, 12, windows=1)
    place = np.arange(len(made)) % 12
    split = np.where(place < 9, "train", "test")
    split[made.index["subject"] == "s05"] = "train"  # who has no test part is in no fold
    index = made.index.with_columns(split=split)
    told = protocol("official", by="trial", each="subject")
    folds = told.split(index)
    assert [f.name for f in folds] == ["s01", "s02", "s03", "s04"]
    for fold in folds:
        assert set(index["split"][fold.test]) == {"test"}
        assert {fold.name} == set(index["subject"][np.concatenate(list(fold.parts.values()))])
    assert "12 of 60 examples are in no part" in told.notices(index, folds)
    assert str(told) == "official, within each subject"
