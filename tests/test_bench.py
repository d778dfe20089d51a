"""The bench: the same numbers after a kill and by any number of processes, honest rows, one line for each fault."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab import bench, recipes
from moodal.lab.bench.learners import learner
from moodal.lab.bench.results import Result
from moodal.lab.data import Cache, Dataset, Feature, LeakageError, Prediction, people
from moodal.lab.data.labels import Labels

pytest.importorskip("sklearn")

FOLDS = bench.protocol("group-kfold", k=3)
QUICK = {"C": 0.1}


def some(subjects: int = 6, clips: int = 8, **told: Any) -> Dataset:
    told = {"modalities": ("face", "eda"), "steps": (2, 4), "effect": 0.8, **told}
    return people(subjects, clips, **told)


def quick(name: str = "plain", use: str = "logistic", **settings: Any) -> Any:
    one = {"alpha": 10.0} if use == "ridge" else QUICK
    return learner(use, {**one, **settings}, name=name, choose="uar")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@dataclass
class Nearest:
    """A learner of one's own: the class mean that is nearest. It counts its fits, and stops at one if told."""

    name: str = "nearest"
    stop_at: int = 0
    fits: list[str] = field(default_factory=list)

    def settings(self) -> dict[str, Any]:
        return {"own": 1}

    def fit(self, train: Dataset, validation: Dataset, *, label: str, seed: int, **_: Any) -> Any:
        self.fits.append(train.index["clip"][0])
        if len(self.fits) == self.stop_at:
            raise KeyboardInterrupt
        labels = train.index.label(label)
        rows = np.nan_to_num(np.concatenate([f.pooled()[:, : f.width] for f in train.features.values()], axis=1))
        return _Means(np.stack([rows[labels.values == c].mean(axis=0) for c in range(len(labels.names))]))


class _Means:
    def __init__(self, means: Any) -> None:
        self.means, self.told = means, {}

    def predict(self, data: Dataset) -> Prediction:
        rows = np.nan_to_num(np.concatenate([f.pooled()[:, : f.width] for f in data.features.values()], axis=1))
        far = ((rows[:, None] - self.means) ** 2).sum(axis=2)
        scores = np.exp(-(far - far.min(axis=1, keepdims=True)))
        return Prediction(scores / scores.sum(axis=1, keepdims=True), ~data.present.any(axis=1))


# ---- the same numbers ------------------------------------------------------------------------------------------------


def told(report: bench.Report) -> dict[str, Any]:
    out = report.to_dict()
    del out["timing"]
    return out


def test_a_killed_run_goes_on_to_the_same_numbers(cache: Cache, tmp_path: Path) -> None:
    data = some()
    whole = bench.run(data, FOLDS, [Nearest(), quick()], cache=Cache(tmp_path / "other"))
    with pytest.raises(KeyboardInterrupt):
        bench.run(data, FOLDS, [Nearest(stop_at=3), quick()], cache=cache)
    rest = Nearest()
    resumed = bench.run(data, FOLDS, [rest, quick()], cache=cache)
    assert told(resumed) == told(whole)
    assert len(rest.fits) == 4  # of six, with those on shuffled labels: two were kept


_KILLED = """
import os, signal, sys
from pathlib import Path
from moodal.lab import bench
from moodal.lab.data import Cache, people
import moodal.lab.data.cache as room
real, count = room.Cache.put, 0
def put(self, key, arrays):
    global count
    real(self, key, arrays)
    count += 1
    if count == 4:
        os.kill(os.getpid(), signal.SIGKILL)
room.Cache.put = put
data = people(6, 8, modalities=("face", "eda"), steps=(2, 4), effect=0.8)
bench.run(data, bench.protocol("group-kfold", k=3), {"plain": "ridge"}, cache=Cache(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is not Windows'")
def test_what_a_killed_process_had_finished_is_kept(cache: Cache, tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", _KILLED, str(cache.folder)], check=False, capture_output=True)
    assert died.returncode == -9, died.stderr
    assert len(list(cache.folder.rglob("*.npz"))) == 4
    resumed = bench.run(some(), FOLDS, {"plain": "ridge"}, cache=cache)
    fresh = bench.run(some(), FOLDS, {"plain": "ridge"}, cache=Cache(tmp_path / "other"))
    assert told(resumed) == told(fresh)


_ORPHANS = """
import os, sys, time
from pathlib import Path
from moodal.lab import bench
from moodal.lab.data import Cache, people
class Sleeping:
    name = "sleeping"
    def settings(self):
        return {}
    def fit(self, train, validation, **_):
        Path(sys.argv[1], f"{os.getpid()}.pid").touch()
        time.sleep(600)
if __name__ == "__main__":
    data = people(6, 8, modalities=("eda",), steps=(2, 4))
    bench.run(data, bench.protocol("group-kfold", k=3), [Sleeping()], cache=Cache(Path(sys.argv[1])), jobs=2)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is not Windows'")
def test_a_killed_run_leaves_nobody_working(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_ORPHANS, encoding="utf-8")
    run = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stderr=subprocess.DEVNULL)
    workers: list[int] = []
    for _ in range(600):
        workers = [int(p.stem) for p in tmp_path.glob("*.pid")]
        if len(workers) == 2:
            break
        time.sleep(0.1)
    assert len(workers) == 2
    run.kill()
    run.wait()
    for _ in range(300):
        workers = [w for w in workers if _lives(w)]
        if not workers:
            break
        time.sleep(0.1)
    assert not workers


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        state = ""
    if state:
        return state != "Z"  # a zombie only waits to be counted
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_processes_give_the_numbers_of_one(cache: Cache, tmp_path: Path) -> None:
    data = some(absent=0.2)
    asked: dict[str, Any] = {"seeds": (0, 1), "missing": ["random(0.5, seed=0)"]}
    learners = [quick(), learner("random-forest", {"n_estimators": 5}, name="forest")]
    one = bench.run(data, FOLDS, learners, cache=cache, **asked)
    two = bench.run(data, FOLDS, learners, cache=Cache(tmp_path / "other"), jobs=2, **asked)
    assert told(one) == told(two)
    assert one.rows[1].by_seed[0] != one.rows[1].by_seed[1]


def test_a_warm_run_fits_nothing_and_a_changed_one_fits_again(cache: Cache) -> None:
    first, again, changed, refitted = Nearest(), Nearest(), Nearest(), Nearest()
    data = some()
    bench.run(data, FOLDS, [first], cache=cache)
    bench.run(data, FOLDS, [again], cache=cache)
    assert (len(first.fits), len(again.fits)) == (6, 0)
    values = data.features["eda"].values.copy()
    values[0, 0] += 1e-3
    features = {**data.features, "eda": replace(data.features["eda"], values=values)}
    bench.run(Dataset(data.index, features), FOLDS, [changed], cache=cache)
    assert len(changed.fits) == 6
    bench.run(data, FOLDS, [refitted], cache=cache, fresh=True)
    assert len(refitted.fits) == 6


def test_a_corrupt_cache_entry_is_a_line_and_made_again(cache: Cache) -> None:
    data = some()
    first = bench.run(data, FOLDS, [quick()], cache=cache)
    entry = sorted(cache.folder.rglob("*.npz"))[0]
    entry.write_bytes(entry.read_bytes()[:-7])
    with pytest.warns(UserWarning, match="a damaged cache entry; it is made again"):
        again = bench.run(data, FOLDS, [quick()], cache=cache)
    assert told(again) == told(first)


def test_a_result_survives_its_way_to_disk() -> None:
    p = Prediction(np.array([[0.2, 0.8]]), np.array([False]), {"decided": np.array([[False, True]])})
    stored = Result.of(Result(p, p, {"a": np.float32(1), "b": [np.int64(2)]}, 1.5, {"face / x": p}).arrays())
    assert stored.told == {"a": 1.0, "b": [2]}
    assert stored.card["face / x"].extra["decided"].tolist() == [[False, True]]


# ---- leaks -----------------------------------------------------------------------------------------------------------


def test_a_fitted_estimator_is_refused_wherever_it_hides(cache: Cache) -> None:
    from sklearn.ensemble import VotingClassifier
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    rows = np.random.default_rng(0).normal(size=(20, 3))
    fitted = SVC().fit(rows, np.arange(20) % 2)
    scaler = StandardScaler().fit(rows)
    for estimator in (
        fitted, make_pipeline(scaler, SVC()), VotingClassifier([("a", SVC()), ("b", fitted)]), FrozenEstimator(SVC()),
    ):  # fmt: skip
        with pytest.raises(LeakageError, match="is fitted already") as caught:
            bench.run(some(), FOLDS, {"mine": estimator}, cache=cache)
        assert caught.value.exit_code == 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_learner_that_asks_for_test_labels_is_stopped(cache: Cache, jobs: int) -> None:
    with pytest.raises(LeakageError, match="labels of the test part were asked for"):
        bench.run(some(), FOLDS, [Peeping()], cache=cache, jobs=jobs)


class Peeping(Nearest):
    def fit(self, train: Dataset, validation: Dataset, **told: Any) -> Any:
        return _Peeping(super().fit(train, validation, **told).means)


class _Peeping(_Means):
    def predict(self, data: Dataset) -> Prediction:
        return Prediction(np.eye(4)[data.index.label("emotion").values], np.zeros(len(data), bool))


@pytest.mark.parametrize("use", ["logistic", "late-logistic", "svm"])
def test_what_is_said_of_an_example_hangs_on_no_other_test_example(use: str) -> None:
    data = some(absent=0.2)
    fold = FOLDS.split(data)[0]
    fitted = quick(use=use).fit(data.take(fold.train), data.take(fold.validation), label="emotion", seed=0)
    whole = fitted.predict(data.take(fold.test).sealed())
    alone = [fitted.predict(data.take(fold.test[i : i + 1]).sealed()).scores[0] for i in range(len(fold.test))]
    assert np.allclose(whole.scores, alone)


def test_normalising_by_person_is_named_transductive(cache: Cache) -> None:
    data = some(fingerprint=4, effect=0.6)
    report = bench.run(data, FOLDS, [quick(normalise="subject-unlabelled"), quick("other")], cache=cache)
    assert any(n.startswith("plain: z-scores") and "transductive" in n for n in report.notices)
    assert report["plain"].score > report["other"].score


# ---- learners --------------------------------------------------------------------------------------------------------

SMALL: dict[str, dict[str, Any]] = {
    "random-forest": {"n_estimators": 5},
    "adaboost": {"n_estimators": 5},
    "gradient-boosting": {"max_iter": 5},
    "mlp": {"max_iter": 20},
}


@pytest.mark.parametrize("use", [u for u in bench.LEARNERS if u != "tfidf-logistic"])
def test_every_learner_predicts_with_anything_missing(use: str) -> None:
    data = some(absent=0.3)
    fold = FOLDS.split(data)[0]
    made = learner(use, SMALL.get(use.removeprefix("late-"), {}))
    fitted = made.fit(data.take(fold.train), data.take(fold.validation), label="emotion", seed=0)
    for hidden in ((), ("face",), ("eda",), ("face", "eda")):
        p = fitted.predict(data.take(fold.test).without(hidden).sealed())
        assert np.allclose(p.scores.sum(axis=1), 1)
        there = data.take(fold.test).without(hidden).present.any(axis=1)
        assert p.withheld.tolist() == (~there).tolist()


def _numbers(kind: str) -> Dataset:
    data = some(8, 10, effect=1.5)
    truth = np.eye(4)[data.index.label("emotion").values]
    rng = np.random.default_rng(0)
    if kind == "continuous":
        labels = Labels("continuous", ("valence", "arousal"), truth[:, :2] + 0.1 * rng.normal(size=(len(data), 2)))
    elif kind == "distribution":
        votes = truth + 0.2 * rng.random(truth.shape)
        labels = Labels("distribution", ("a", "b", "c", "d"), votes / votes.sum(axis=1, keepdims=True))
    else:
        labels = Labels("multilabel", ("a", "b", "c", "d"), (truth > 0) | (rng.random(truth.shape) < 0.1))
    return Dataset(replace(data.index, labels={"told": labels}), data.features)


@pytest.mark.parametrize(
    ("kind", "uses"),
    [
        ("continuous", ("ridge", "late-ridge", "svm", "random-forest", "knn")),
        ("multilabel", ("logistic", "ridge")),
        ("distribution", ("logistic", "late-logistic")),
    ],
)
def test_labels_of_every_kind_are_learnt(kind: str, uses: tuple[str, ...], cache: Cache) -> None:
    small = {**SMALL, "logistic": QUICK, "late-logistic": QUICK, "ridge": {"alpha": 1.0}}
    report = bench.run(_numbers(kind), FOLDS, [learner(u, small.get(u, {})) for u in uses], cache=cache)
    for use in uses:
        row = report[use]
        assert row.above, (use, row.score, [(r.name, r.score) for r in report.rows])
        assert not row.flags
    assert "Scores" in str(report)


def test_words_are_learnt_inside_the_fold(cache: Cache) -> None:
    data = some()
    names = data.index.label("emotion").names
    told_words = [f"well I am {names[v]} number {i}" for i, v in enumerate(data.index.label("emotion").values)]
    told_words[0] = ""
    data = Dataset(data.index.with_columns(text=told_words), data.features)
    report = bench.run(data, FOLDS, [learner("tfidf-logistic", {"C": 10.0})], cache=cache)
    assert report["tfidf-logistic"].score > 0.9
    assert report["tfidf-logistic"].withheld == 1
    fold = FOLDS.split(data)[0]
    fitted: Any = learner("tfidf-logistic", {"refit": False}).fit(
        data.take(fold.train), data.take(fold.validation), label="emotion", seed=0
    )
    words = fitted.views[0].design._vectorizer.vocabulary_
    held = {w for i in fold.test for w in told_words[i].split()} - {
        w for i in fold.train for w in told_words[i].split()
    }
    assert held
    assert not held & set(words)


def test_any_estimator_of_ones_own_runs_and_is_not_touched(cache: Cache) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    mine = make_pipeline(StandardScaler(), SVC(kernel="linear", decision_function_shape="ovo"))
    report = bench.run(some(effect=2), FOLDS, {"mine": mine, "plain": quick()}, cache=cache)
    assert report["mine"].above
    assert not hasattr(mine[-1], "support_")
    assert report.comparisons[0].a == "mine"


def test_late_fusion_is_the_mean_of_log_probabilities_of_what_is_there() -> None:
    data = some(absent=0.3)
    fold = FOLDS.split(data)[0]
    parts = [data.take(fold.train), data.take(fold.validation)]
    late = quick(use="late-logistic").fit(*parts, label="emotion", seed=0).predict(data.take(fold.test))
    alone = {m: quick().fit(*(p.only([m]) for p in parts), label="emotion", seed=0) for m in data.modalities}
    for i, row in enumerate(fold.test):
        one = data.take(np.array([row]))
        logs = [
            np.log(alone[m].predict(one.only([m])).scores[0]) for m in data.modalities if one.features[m].present[0]
        ]
        expected = np.exp(np.mean(logs, axis=0))
        assert np.allclose(late.scores[i], expected / expected.sum())


def test_a_choice_is_made_on_validation_alone() -> None:
    data = some(effect=1.5)
    fold = FOLDS.split(data)[0]
    labels = data.index.label("emotion")
    wrong = labels.values.copy()
    wrong[fold.test] = (wrong[fold.test] + 1) % 4
    other = Dataset(data.index.with_labels(emotion=replace(labels, values=wrong)), data.features)
    fits = [
        learner("logistic").fit(d.take(fold.train), d.take(fold.validation), label="emotion", seed=0)
        for d in (data, other)
    ]
    assert fits[0].told == fits[1].told
    assert fits[0].told["tried"] == 5


def test_steps_that_only_training_has_do_not_change_the_width() -> None:
    data = some(steps=(3, 4))
    fold = FOLDS.split(data)[0]
    fitted = quick().fit(data.take(fold.train), data.take(fold.validation), label="emotion", seed=0)
    test = data.take(fold.test)
    single = {m: Feature.build(m, [f[i][:1] for i in range(len(test))]) for m, f in test.features.items()}
    assert fitted.predict(Dataset(test.index, single)).scores.shape == (len(test), 4)


# ---- honest rows -----------------------------------------------------------------------------------------------------


def test_with_nothing_to_learn_nobody_is_above_chance(cache: Cache) -> None:
    alarms = 0
    for seed in range(6):
        report = bench.run(some(10, 12, effect=0, seed=seed), FOLDS, [quick(), quick("ridge", "ridge")], cache=cache)
        for name in ("plain", "ridge"):
            alarms += bool(report[name].above)
            assert report[name].verdict.startswith("above" if report[name].above else "not above chance")
    assert alarms <= 1  # of twelve, at a nominal rate of one in forty
    assert [r.name for r in report.rows if r.trivial] == ["majority", "prior", "shuffled"]
    assert report["majority"].score == pytest.approx(0.25)
    good = bench.run(some(10, 12, effect=2), FOLDS, [quick()], cache=cache)
    assert good["plain"].above
    assert good["shuffled"].score < good["plain"].score / 2


class Constant(Nearest):
    name = "stuck"

    def fit(self, train: Dataset, validation: Dataset, **told: Any) -> Any:
        return _Stuck(None)


class _Stuck(_Means):
    def predict(self, data: Dataset) -> Prediction:
        return Prediction(np.tile([0.1, 0.6, 0.2, 0.1], (len(data), 1)), np.zeros(len(data), bool))


def test_a_collapsed_model_is_named(cache: Cache) -> None:
    report = bench.run(some(), FOLDS, [Constant(name="stuck"), quick()], cache=cache)
    assert report["stuck"].flags == ("collapsed: constant output",)
    assert report["plain"].flags == ()
    assert "collapsed: constant output" in str(report)


def test_a_withheld_example_counts_as_wrong(cache: Cache) -> None:
    data = some(effect=3)
    hidden = data.take(np.arange(len(data)))
    lengths = hidden.features["face"].lengths.copy()
    gone = np.arange(len(data)) % 8 == 0
    features = {
        m: Feature.build(m, [None if gone[i] else f[i] for i in range(len(data))]) for m, f in data.features.items()
    }
    report = bench.run(Dataset(data.index, features), FOLDS, [quick()], cache=cache)
    row = report["plain"]
    assert row.withheld == gone.sum()
    assert row.metrics["accuracy"] <= 1 - gone.mean() + 1e-9
    assert sum(r[-1] for r in row.confusion) == gone.sum()
    assert lengths.all()


def test_the_card_says_what_hiding_modalities_does(cache: Cache) -> None:
    data = some(absent=0.1)
    asked = ["random(0.5, seed=3)", "fixed(eda)", "noise(2, seed=0)"]
    report = bench.run(data, FOLDS, [quick()], cache=cache, missing=asked)
    cells = {(c.modalities, c.pattern): c for c in report.cells}
    whole = ("face", "eda")
    assert cells[whole, ""].score == report["plain"].score
    assert cells[whole, "fixed(eda)"].score == cells[("face",), ""].score
    assert (("face",), "random(0.5, seed=3)") not in cells
    expected = []
    for fold in FOLDS.split(data):
        fitted = quick().fit(data.take(fold.train), data.take(fold.validation), label="emotion", seed=0)
        test = data.take(fold.test)
        p = fitted.predict(test.without(["eda"]))
        right = np.where(p.withheld, -1, p.scores.argmax(axis=1)) == test.index.label("emotion").values
        expected.append(right)
    missed = {c.modalities: c.withheld for c in report.cells if not c.pattern}
    assert missed["face",] == int((~data.features["face"].present).sum())
    labels = data.index.label("emotion").values[np.concatenate([f.test for f in FOLDS.split(data)])]
    right = np.concatenate(expected)
    assert cells[("face",), ""].score == pytest.approx(np.mean([right[labels == c].mean() for c in range(4)]))


def test_groups_are_told_apart_with_their_sizes(cache: Cache) -> None:
    report = bench.run(some(), FOLDS, [quick()], cache=cache, groups=["sex"])
    assert [(g.value, g.n, g.units) for g in report.groups] == [("female", 24, 3), ("male", 24, 3)]
    with pytest.raises(UsageError, match="no column 'age'"):
        bench.run(some(), FOLDS, [quick()], cache=cache, groups=["age"])


def test_without_people_the_interval_says_so(cache: Cache) -> None:
    data = some()
    blank = {c: [""] * len(data) for c in ("subject", "session", "trial", "recording")}
    nobody = Dataset(data.index.with_columns(stimulus=[f"f{i % 9}" for i in range(len(data))], **blank), data.features)
    report = bench.run(nobody, bench.protocol("group-kfold", k=3, group="clip"), [quick()], cache=cache)
    assert report.unit == "clip"
    split = ["train", "validation", "test"] * (len(data) // 3)
    official = Dataset(nobody.index.with_columns(split=split), data.features)
    report = bench.run(official, bench.protocol("official"), [quick()], cache=cache)
    assert report.unit == "row"
    assert any("too narrow" in n for n in report.notices)


# ---- one line for each fault -----------------------------------------------------------------------------------------


def _nan(data: Dataset) -> Dataset:
    values = data.features["face"].values.copy()
    values[::7, 3] = np.nan
    values[5] = np.inf
    return Dataset(data.index, {**data.features, "face": replace(data.features["face"], values=values)})


def test_nan_features_are_imputed_inside_the_fold(cache: Cache) -> None:
    report = bench.run(_nan(some(effect=2)), FOLDS, [quick(), quick("late", "late-logistic")], cache=cache)
    assert report["plain"].above
    assert report["late"].above


def test_nan_features_stop_a_learner_that_cannot_take_them_with_one_line(cache: Cache) -> None:
    class Careless(Nearest):
        def fit(self, train: Dataset, validation: Dataset, **told: Any) -> Any:
            train.check_finite()

    with pytest.raises(InputError, match="not finite") as caught:
        bench.run(_nan(some()), FOLDS, [Careless()], cache=cache)
    assert "\n" not in str(caught.value)


def _one_class(data: Dataset) -> Dataset:
    labels = data.index.label("emotion")
    same = replace(labels, values=np.zeros_like(labels.values))
    return Dataset(data.index.with_labels(emotion=same), data.features)


def _unlabelled(data: Dataset) -> Dataset:
    labels = data.index.label("emotion")
    values = np.where(data.index["subject"] == "s02", -1, labels.values)
    return Dataset(data.index.with_labels(emotion=replace(labels, values=values)), data.features)


@pytest.mark.parametrize(
    ("change", "protocol", "told_"),
    [
        (_one_class, FOLDS, "the training part has one class only (neutral)"),
        (_unlabelled, bench.LeaveOneSubjectOut(), "fold s02: no example of the test part has a label emotion"),
        (lambda d: d, bench.protocol("group-kfold", k=9), "has 6 subjects for 9 folds"),
        (lambda d: d, bench.protocol("official"), "the official split has"),
    ],
)
def test_what_cannot_be_learnt_is_one_line(
    change: Callable[[Dataset], Dataset], protocol: bench.Protocol, told_: str, cache: Cache
) -> None:
    with pytest.raises(InputError) as caught:
        bench.run(change(some()), protocol, [quick()], cache=cache)
    assert told_ in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cache.folder.exists()


def test_a_subject_without_any_features_is_withheld_and_named(cache: Cache) -> None:
    data = some()
    gone = data.index["subject"] == "s03"
    features = {
        m: Feature.build(m, [None if gone[i] else f[i] for i in range(len(data))]) for m, f in data.features.items()
    }
    report = bench.run(Dataset(data.index, features), bench.LeaveOneSubjectOut(), [quick()], cache=cache)
    assert "subject s03 has no features at all: its 8 examples are withheld" in report.notices
    assert {n: v for n, v, _ in report["plain"].units}["s03"] == 0


def test_unlabelled_examples_are_left_out_of_every_figure(cache: Cache) -> None:
    data = some(effect=2)
    labels = data.index.label("emotion")
    values = np.where(np.arange(len(data)) % 5 == 0, -1, labels.values)
    report = bench.run(
        Dataset(data.index.with_labels(emotion=replace(labels, values=values)), data.features),
        FOLDS,
        [quick()],
        cache=cache,
    )
    assert report.n == int((values >= 0).sum())
    assert sum(map(sum, report["plain"].confusion)) == report.n


class Failing(Nearest):
    def fit(self, train: Dataset, validation: Dataset, **told: Any) -> Any:
        raise ValueError("shapes (3,) and (4,)\nnot aligned")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_learner_that_fails_is_one_line_and_nothing_finished_is_lost(cache: Cache, jobs: int) -> None:
    with pytest.raises(InputError, match=r"nearest, fold \d, seed 0: failed with ValueError: shapes") as caught:
        bench.run(some(), FOLDS, [quick(), Failing()], cache=cache, jobs=jobs)
    assert "\n" not in str(caught.value)
    assert list(cache.folder.rglob("*.npz"))


@pytest.mark.parametrize(
    ("learners", "told_"),
    [
        ([], "no learner was given"),
        (["logistc"], "Did you mean logistic"),
        ({"majority": "logistic"}, "majority is always in the table"),
        (["logistic", "logistic"], "the same name"),
        ([object()], "is no learner"),
        ({"mine": dict}, "is no learner"),
    ],
)
def test_learners_that_are_none_are_one_line(learners: Any, told_: str, cache: Cache) -> None:
    with pytest.raises(UsageError, match=told_):
        bench.run(some(), FOLDS, learners, cache=cache)


@pytest.mark.parametrize(
    ("use", "settings", "told_"),
    [
        ("logistic", {"D": 1}, "has no such setting"),
        ("logistic", {"fusion": "middle"}, "unknown fusion"),
        ("logistic", {"normalise": "all"}, "unknown normalisation"),
        ("lda", {}, "does not estimate numbers"),
    ],
)
def test_settings_that_are_none_are_one_line(use: str, settings: dict[str, Any], told_: str, cache: Cache) -> None:
    data = _numbers("continuous") if use == "lda" else some()
    with pytest.raises(UsageError, match=told_):
        bench.run(data, FOLDS, [learner(use, settings)], cache=cache)


@pytest.mark.parametrize(
    ("asked", "told_"),
    [
        ({"metric": "ccc"}, "no metric of class labels"),
        ({"metric": "auc"}, "two classes, not 4"),
        ({"label": "mood"}, "has no label 'mood'"),
        ({"missing": ["sometimes"]}, "is not a pattern"),
        ({"missing": ["fixed(ecg)"]}, "no modality 'ecg'"),
        ({"subsets": "other"}, "no card can be made of 'other'"),
        ({"compare": [("plain", "other")]}, "compares 'other'"),
    ],
)
def test_questions_that_make_no_sense_are_one_line(asked: dict[str, Any], told_: str, cache: Cache) -> None:
    with pytest.raises(UsageError, match=told_):
        bench.run(some(), FOLDS, [quick()], cache=cache, **asked)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(Exception, match="cannot be written to"):
        bench.run(some(), FOLDS, [quick()], cache=Cache(tmp_path / "shut"))


def test_a_full_disk_is_one_line(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    from moodal.core.errors import OutputError

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        bench.run(some(), FOLDS, [quick()], cache=cache)


# ---- the permanent test of what a leak pays --------------------------------------------------------------------------


def test_without_emotion_strangers_are_at_chance_and_shuffled_segments_far_above(cache: Cache) -> None:
    recipe = recipes.load("synthetic-leak")
    strangers = bench.bench(recipe, cache=cache)
    split = recipes.ProtocolPart("segment-shuffle", {"allow_leak": True})
    shuffled = bench.bench(replace(recipe, protocol=split), cache=cache)
    fair, leaky = strangers["logistic"], shuffled["logistic"]
    assert fair.low < 0.25 < fair.high
    assert fair.above is False
    assert leaky.above is True
    assert leaky.low > 0.45
    assert leaky.low > fair.high
    assert any("LEAKY by design" in n for n in shuffled.notices)
    assert any("share subject" in n for n in shuffled.notices)
    assert not any("share subject" in n for n in strangers.notices)


def test_a_person_who_cannot_be_learnt_costs_no_other_their_own_model(cache: Cache) -> None:
    data = some(effect=2)
    values = data.index.label("emotion").values.copy()
    values[data.index["subject"] == "s02"] = 0
    labels = replace(data.index.label("emotion"), values=values)
    one_sided = Dataset(data.index.with_labels(emotion=labels), data.features)
    own = bench.protocol("trial-kfold-within-subject", k=4)
    report = bench.run(one_sided, own, [quick()], cache=cache)
    assert report.n == 5 * 8
    assert "4 of 24 folds are left out: s02/1 (the training part has one class only (" in " ".join(report.notices)
    with pytest.raises(InputError, match="no fold can be learnt: s02/1"):
        bench.run(one_sided.take(data.index["subject"] == "s02"), own, [quick()], cache=cache)
