"""Intervals and tests between learners: against formulas, enumeration by hand, and how often they err."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from moodal.lab.bench.intervals import Scores, Units, holm, interval, paired_p, resampled, taken, units
from moodal.lab.bench.metrics import METRICS
from moodal.lab.data import Index, Labels, Prediction


def classes(right: np.ndarray, seed: int = 0) -> tuple[Labels, Prediction]:
    """Labels of two classes, and a prediction that is right where told."""
    truth = np.random.default_rng(seed).integers(0, 2, len(right))
    told = np.where(right, truth, 1 - truth)
    return Labels("class", ("a", "b"), truth), Prediction(np.eye(2)[told], np.zeros(len(right), bool))


def test_the_bootstrap_of_a_mean_over_subjects_has_the_width_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    people, each = 60, 20
    skill = rng.beta(4, 2, people)
    right = rng.random((people, each)) < skill[:, None]
    labels, p = classes(right.ravel())
    among = Units("subject", tuple(map(str, range(people))), np.repeat(np.arange(people), each))
    low, high = interval(resampled(Scores.of(METRICS["accuracy"], labels, [p], among)))
    spread = right.mean(axis=1).std(ddof=1) / np.sqrt(people)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.12)
    rows = Units("row", tuple(map(str, range(people * each))), np.arange(people * each))
    narrow = interval(resampled(Scores.of(METRICS["accuracy"], labels, [p], rows)))
    assert narrow[1] - narrow[0] < 0.75 * (high - low)


def test_p_is_that_of_every_flip_counted_by_hand() -> None:
    rng = np.random.default_rng(1)
    among = Units("subject", tuple("abcdef"), np.repeat(np.arange(6), 10))
    labels, a = classes(rng.random(60) < 0.8)
    b = classes(rng.random(60) < 0.6)[1]
    metric = METRICS["uar"]
    found = paired_p(*(Scores.of(metric, labels, [x], among) for x in (a, b)))
    differences = []
    for flips in product([False, True], repeat=6):
        rows = np.array(flips)[among.of][:, None]
        x, y = np.where(rows, b.scores, a.scores), np.where(rows, a.scores, b.scores)
        none = np.zeros(60, bool)
        differences.append(metric.score(labels, Prediction(x, none)) - metric.score(labels, Prediction(y, none)))
    expected = np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("name", ["uar", "auc"])
def test_a_learner_does_not_differ_from_itself_and_differs_from_noise(name: str) -> None:
    rng = np.random.default_rng(2)
    among = Units("subject", tuple(map(str, range(20))), np.repeat(np.arange(20), 8))
    labels, good = classes(rng.random(160) < 0.9)
    bad = classes(rng.random(160) < 0.5)[1]
    one, same, other = (Scores.of(METRICS[name], labels, [p], among) for p in (good, good, bad))
    assert paired_p(one, same) == 1
    assert paired_p(one, other) < 0.01


def test_two_equal_learners_are_rarely_told_apart() -> None:
    among = Units("subject", tuple(map(str, range(12))), np.repeat(np.arange(12), 6))
    rng = np.random.default_rng(3)
    found = []
    for _ in range(120):
        skill = np.repeat(rng.random(12), 6)
        labels, a = classes(rng.random(72) < skill)
        b = classes(rng.random(72) < skill)[1]
        found.append(paired_p(*(Scores.of(METRICS["accuracy"], labels, [x], among) for x in (a, b)), times=500))
    assert np.mean(np.array(found) < 0.05) < 0.12


def test_withheld_rows_and_decisions_go_with_their_learner() -> None:
    labels = Labels("multilabel", ("a", "b"), np.array([[True, False], [False, True]] * 10))
    shy = Prediction(np.full((20, 2), 0.4), np.zeros(20, bool), {"decided": labels.values.copy()})
    wrong = Prediction(np.full((20, 2), 0.4), np.zeros(20, bool), {"decided": ~labels.values})
    among = Units("subject", tuple("abcde"), np.repeat(np.arange(5), 4))
    metric = METRICS["macro_f1"]
    assert paired_p(*(Scores.of(metric, labels, [p], among) for p in (shy, wrong))) == 2 / 2**5
    assert taken(shy, np.array([1])).extra["decided"].tolist() == [[False, True]]


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
    with_gap = holm([0.02, float("nan"), 0.01])
    assert with_gap[0] == pytest.approx(0.02)
    assert np.isnan(with_gap[1])


def test_units_are_people_then_dialogues_then_rows() -> None:
    told = {"clip": list("abcd")}

    def index(**columns: list[str]) -> Index:
        return Index.build("toy", told | columns, {})

    assert str(units(index(subject=["x", "x", "y", "z"]))) == "3 subjects"
    assert units(index(subject=["x", "x", "y", ""], dialogue=["1", "1", "2", "2"])).column == "dialogue"
    assert units(index(subject=["x"] * 4)).column == "row"
    assert units(index(subject=["x", "x", "y", "z"], dialogue=["1", "2", "2", "2"]), "dialogue").column == "dialogue"
