"""Laws of metrics: each agrees with an independent oracle, keeps its bounds, and does not hang on the order of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moodal.core.errors import UsageError
from moodal.lab.bench import calibration, metrics
from moodal.lab.bench.intervals import Scores, Units
from moodal.lab.bench.metrics import DEFAULT, METRICS
from moodal.lab.data.labels import LABEL_KINDS, Labels
from moodal.lab.data.learner import Prediction

CASES = [(name, kind) for name, m in METRICS.items() for kind in m.kinds]


def made(kind: str, seed: int, n: int = 60, classes: int = 4, withheld: float = 0.1) -> tuple[Labels, Prediction]:
    rng = np.random.default_rng(seed)
    names = tuple(f"c{i}" for i in range(classes))
    if kind == "class":
        values: Any = rng.integers(0, classes, n)
        scores = rng.dirichlet(np.ones(classes), n) + 0.3 * np.eye(classes)[values]
    elif kind == "multilabel":
        values = rng.random((n, classes)) < 0.4
        scores = rng.random((n, classes)) * 1.3
    elif kind == "continuous":
        values = rng.normal(3, 2, (n, classes))
        return Labels(kind, names, values), Prediction(values + rng.normal(size=values.shape), rng.random(n) < withheld)
    else:
        values = rng.dirichlet(np.ones(classes), n)
        values[: n // 5] = np.eye(classes)[rng.integers(0, classes, n // 5)]
        scores = rng.dirichlet(np.ones(classes), n)
    scores = scores / scores.sum(axis=1, keepdims=True) if kind != "multilabel" else np.clip(scores, 0, 1)
    return Labels(kind, names, values), Prediction(scores, rng.random(n) < withheld)  # type: ignore[arg-type]


def oracle(name: str, kind: str, labels: Labels, p: Prediction) -> float:
    """The same figure by scikit-learn or scipy, withheld rows spelt out as the docstring says."""
    sk = pytest.importorskip("sklearn.metrics")
    stats = pytest.importorskip("scipy.stats")
    truth, c = labels.values, len(labels.names)
    if kind == "class":
        told = np.where(p.withheld, -1, p.scores.argmax(axis=1))
        there = sorted(set(truth.tolist()))
        spoken = ~p.withheld
        return {
            "accuracy": lambda: sk.accuracy_score(truth, told),
            "uar": lambda: sk.recall_score(truth, told, labels=there, average="macro", zero_division=0),
            "macro_f1": lambda: sk.f1_score(truth, told, labels=there, average="macro", zero_division=0),
            "weighted_f1": lambda: sk.f1_score(truth, told, labels=there, average="weighted", zero_division=0),
            "mcc": lambda: sk.matthews_corrcoef(truth, told),
            "auc": lambda: sk.roc_auc_score(truth, np.where(p.withheld, np.where(truth == 1, -9, 9), p.scores[:, 1])),
            "brier": lambda: sk.brier_score_loss(
                truth, np.where(p.withheld[:, None], 1 / c, p.scores), labels=range(c), scale_by_half=False
            ),
            "ece": lambda: slow_ece(truth[spoken], p.scores[spoken]),
        }[name]()
    if kind == "multilabel":
        told = (p.scores >= 0.5) & ~p.withheld[:, None]
        there = np.flatnonzero(truth.any(axis=0))
        return {
            "macro_f1": lambda: sk.f1_score(truth, told, labels=there, average="macro", zero_division=0),
            "weighted_f1": lambda: sk.f1_score(truth, told, average="weighted", zero_division=0),
            "micro_f1": lambda: sk.f1_score(truth, told, average="micro", zero_division=0),
            "mean_average_precision": lambda: np.mean(
                [sk.average_precision_score(truth[:, k], np.where(p.withheld, -1, p.scores[:, k])) for k in there]
            ),
        }[name]()
    if kind == "continuous":
        x, y = truth[~p.withheld], p.scores[~p.withheld]
        return {
            "pearson_r": lambda: np.mean([stats.pearsonr(a, b)[0] for a, b in zip(x.T, y.T, strict=True)]),
            "ccc": lambda: np.mean(
                [
                    2 * np.cov(a, b, bias=True)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
                    for a, b in zip(x.T, y.T, strict=True)
                ]
            ),
            "rmse": lambda: np.mean(sk.root_mean_squared_error(x, y, multioutput="raw_values")),
            "r2": lambda: np.mean(sk.r2_score(x, y, multioutput="raw_values")),
            "mae": lambda: sk.mean_absolute_error(x, y),
        }[name]()
    from scipy.spatial.distance import cosine, jensenshannon

    told = np.where(p.withheld[:, None], 1 / c, p.scores)
    floor = np.maximum(told, 1e-7)
    return {
        "kl": lambda: np.mean([stats.entropy(a, b) + np.log(1 / b.sum()) for a, b in zip(truth, floor, strict=True)]),
        "js": lambda: np.mean([jensenshannon(a, b) ** 2 for a, b in zip(truth, told, strict=True)]),
        "cross_entropy": lambda: np.mean([-(a * np.log(b)).sum() for a, b in zip(truth, floor, strict=True)]),
        "cosine": lambda: np.mean([1 - cosine(a, b) for a, b in zip(truth, told, strict=True)]),
        "top1_agreement": lambda: np.mean([a[b.argmax()] == a.max() for a, b in zip(truth, told, strict=True)]),
    }[name]()


def slow_ece(truth: Any, scores: Any, bins: int = 10) -> float:
    """Row by row, from the definition: a row belongs to the first bin whose upper quantile it does not pass."""
    sure = [max(row) for row in scores]
    edges = [np.percentile(sure, 100 * k / bins) for k in range(1, bins)]
    total = 0.0
    for b in range(bins):
        rows = [i for i, s in enumerate(sure) if sum(s > e for e in edges) == b]
        if rows:
            right = np.mean([np.argmax(scores[i]) == truth[i] for i in rows])
            total += len(rows) / len(sure) * abs(right - np.mean([sure[i] for i in rows]))
    return total


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_its_oracle(name: str, kind: str, seed: int) -> None:
    labels, prediction = made(kind, seed, classes=2 if name == "auc" else 4)
    assert METRICS[name].score(labels, prediction) == pytest.approx(oracle(name, kind, labels, prediction), abs=1e-9)


@pytest.mark.parametrize(("name", "kind"), CASES)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 40), classes=st.integers(2, 5), withheld=st.sampled_from([0, 0.5]))
@settings(max_examples=25, deadline=None)
def test_keeps_its_bounds_and_does_not_hang_on_order(
    name: str, kind: str, seed: int, n: int, classes: int, withheld: float
) -> None:
    metric = METRICS[name]
    labels, prediction = made(kind, seed, n, 2 if name == "auc" else classes, withheld)
    value = metric.score(labels, prediction)
    if np.isfinite(value):
        assert metric.low - 1e-9 <= value <= metric.high + 1e-9
    order = np.random.default_rng(seed).permutation(n)
    again = metric.score(labels.take(order), Prediction(prediction.scores[order], prediction.withheld[order]))
    assert again == pytest.approx(value, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_being_right_is_the_best(name: str, kind: str) -> None:
    metric = METRICS[name]
    labels, prediction = made(kind, 3, classes=2 if name == "auc" else 4)
    told = np.eye(len(labels.names))[labels.values] if kind == "class" else labels.values.astype(float)
    best = metric.score(labels, Prediction(told, np.zeros(len(labels), bool)))
    actual = metric.score(labels, prediction)
    assert best > actual if metric.higher else best < actual
    if name not in ("cross_entropy",):  # whose least is the truth's own entropy
        assert best == pytest.approx(metric.high if metric.higher else 0, abs=1e-6)


@pytest.mark.parametrize(("name", "kind"), [c for c in CASES if METRICS[c[0]].sums is not None])
def test_sums_of_groups_give_the_figure_of_any_part(name: str, kind: str) -> None:
    metric = METRICS[name]
    labels, prediction = made(kind, 5, n=80)
    units = Units("subject", ("a", "b", "c"), np.random.default_rng(0).integers(0, 3, 80))
    scores = Scores.of(metric, labels, [prediction], units)
    assert scores.sums is not None
    assert metric.total is not None
    assert metric.total(scores.sums[0].sum(axis=0)) == pytest.approx(scores.whole(), abs=1e-9)
    for u, value in enumerate(scores.by_unit()):
        assert value == pytest.approx(scores.rows(np.flatnonzero(units.of == u)), abs=1e-9)
    twice = np.concatenate([np.flatnonzero(units.of == 0)] * 2 + [np.flatnonzero(units.of == 2)])
    drawn = np.tensordot([2.0, 0.0, 1.0], scores.sums[0], axes=1)
    assert metric.total(drawn) == pytest.approx(scores.rows(twice), abs=1e-9)


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if "class" in m.kinds and m.wants == "decided"])
def test_withholding_a_right_answer_never_pays(name: str) -> None:
    labels, prediction = made("class", 7, withheld=0)
    right = prediction.scores.argmax(axis=1) == labels.values
    shy = Prediction(prediction.scores, right & (np.arange(len(right)) % 2 == 0))
    assert METRICS[name].score(labels, shy) < METRICS[name].score(labels, prediction)


def test_the_table_serves_every_kind_of_label() -> None:
    for kind in LABEL_KINDS:
        assert kind in METRICS[DEFAULT[kind]].kinds
    labels, prediction = made("continuous", 0)
    with pytest.raises(UsageError, match="no metric of continuous labels"):
        METRICS["uar"].score(labels, prediction)
    with pytest.raises(UsageError, match="two classes, not 4"):
        METRICS["auc"].score(*made("class", 0))
    with pytest.raises(UsageError, match="unknown metric 'f1'"):
        metrics.metric("f1", "class")


def test_a_constant_is_worth_nothing() -> None:
    truth = np.random.default_rng(0).normal(size=50)
    assert metrics.ccc(truth, np.full(50, 0.3)) == 0
    assert np.isnan(metrics.pearson_r(truth, np.full(50, 0.3)))
    assert metrics.mcc(np.arange(50) % 3, np.zeros(50, int)) == 0
    assert metrics.uar(np.arange(60) % 3, np.zeros(60, int)) == pytest.approx(1 / 3)


def test_bins_of_equal_width_follow_the_definition() -> None:
    labels, p = made("class", 2, n=200, withheld=0)
    sure, right = p.scores.max(axis=1), p.scores.argmax(axis=1) == labels.values
    expected = 0.0
    for b in range(10):
        rows = (sure > b / 10) & (sure <= (b + 1) / 10)
        if rows.any():
            expected += rows.mean() * abs(right[rows].mean() - sure[rows].mean())
    assert calibration.ece(labels.values, p.scores, by="width") == pytest.approx(expected)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_label_sets_hold_the_truth_as_often_as_they_say(level: float) -> None:
    held, told = made("class", 11, n=4000, withheld=0), made("class", 12, n=4000, withheld=0)
    cut = calibration.conformal_threshold(held[0].values, held[1].scores, level)
    observed, size = calibration.coverage(told[0].values, calibration.label_sets(told[1].scores, cut))
    assert observed == pytest.approx(level, abs=0.025)
    assert 1 <= size < 4


def test_too_few_rows_to_calibrate_give_every_class() -> None:
    assert calibration.conformal_threshold(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]), 0.9) == 0


def _functions() -> list[Callable[..., float]]:
    return [m.function for m in METRICS.values()]


def test_every_function_says_what_it_is() -> None:
    assert all(f.__doc__ for f in _functions())
