"""The runner: what a leak would gain is not gained, rows are kept, numbers come again, and each fault is one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, MoodalError, UsageError
from moodal.lab.data.cache import Cache
from moodal.lab.data.raw import Phase, Raw, Signal
from moodal.lab.pipeline import Pipeline
from moodal.lab.pipeline.card import Card, compare
from moodal.lab.pipeline.prepare import prepare
from moodal.lab.pipeline.run import evaluate_prepared
from moodal.lab.pipeline.steps import _anova
from pipelines import noise, people, segments, table

pytest.importorskip("sklearn")


def people_pipeline(*estimates: str, **source: Any) -> Pipeline:
    p = Pipeline("people").acquire("tests.people", **source).window(60, hop=30).extract("ecg.hrv", "eda.basic")
    p = p.label(phases={"rest": 0, "task": 1}).select("impute", "scale")
    return p.estimate(*(estimates or ("lda",)))


def canary(seed: int, source: Any = "tests.noise") -> float:
    p = Pipeline("canary").acquire(source, seed=seed).extract("stream").label(phases={"a": 0, "b": 1})
    p = p.select("k-best", k=10).estimate("svm").split("group-kfold", k=10)
    return float(p.evaluate()["svm"]["metrics"]["accuracy"])


def preselected(root: object = None, seed: int = 0) -> Iterator[Raw]:
    """What a notebook does: the ten best of all rows, before anything is split."""
    raws = list(noise(None, seed=seed))
    x = np.concatenate([r.signals["noise"].values for r in raws])
    y = np.array([r.phases[0].name == "b" for r in raws])
    best = np.argsort(_anova(x, y))[-10:]
    for r in raws:
        yield replace(r, signals={"noise": replace(r.signals["noise"], values=r.signals["noise"].values[:, best])})


def test_selection_canary() -> None:
    inside = [canary(s) for s in range(10)]
    assert np.mean(inside) < 0.60
    assert np.mean([canary(s, preselected) for s in range(3)]) > 0.75  # the canary can sing


def window_shuffle(seed: int, *split: str, **more: Any) -> float:
    p = Pipeline("segments").acquire("tests.segments", seed=seed).extract("stream").label(phases={"a": 0, "b": 1})
    p = p.select("scale").estimate("svm")
    card = (p.split(*split, **more) if split else p).evaluate()
    if split:
        assert any("OVERLAP" in line for line in card.told["declared"])
        assert any("LEAKY" in line for line in card.told["split"]["notices"])
    else:
        assert card.told["split"]["name"] == "leave-one-subject-out"
        assert card.told["split"]["default"]
    return float(card["svm"]["metrics"]["accuracy"])


def test_window_shuffle_canary() -> None:
    assert np.mean([window_shuffle(s) for s in range(2)]) < 0.60
    with pytest.raises(UsageError, match="allow_subject_overlap = true"):
        window_shuffle(0, "window-shuffle")
    assert window_shuffle(0, "window-shuffle", allow_subject_overlap=True) > 0.72


def test_more_than_twenty_subjects_are_dealt_into_five_folds() -> None:
    p = Pipeline("n").acquire("tests.noise", columns=3).extract("stream").label(phases={"a": 0, "b": 1}).estimate("lda")
    told = p.evaluate().told["split"]
    assert told["name"] == "5-fold by subject"
    assert len(told["folds"]) == 5


@pytest.fixture(scope="module")
def card() -> Card:
    return people_pipeline("lda", "random-forest").estimate("vote").evaluate()


def told_apart(root: object = None) -> Iterator[Raw]:
    """Twenty people, twelve windows each, two classes far apart."""
    rng = np.random.default_rng(0)
    labels = np.tile(["a", "b"], 120)
    subjects = [f"s{k // 12:02d}" for k in range(240)]
    values = rng.normal(size=(240, 4)) + 2 * (labels == "b")[:, None]
    yield from table(values, subjects, labels.tolist(), [f"t{k}" for k in range(240)])


def test_what_is_there_is_found(card: Card) -> None:
    for name in ("lda", "random-forest", "vote"):
        row = card[name]
        assert row["metrics"]["uar"] > 0.85
        assert row["verdict"] == "above chance"
        assert row["interval"]["uar"][0] <= row["metrics"]["uar"] <= row["interval"]["uar"][1] + 1e-9
        assert row["trivial"]["majority"]["score"] == 0.5
        assert np.sum(row["confusion"]) == row["n"] == 30
    assert "felt" in card.told["statement"]
    assert card["random-forest"]["importance"]["top"]
    assert set(card.told["split"]["folds"][0]["test"]["subjects"]).isdisjoint(
        card.told["split"]["folds"][0]["train"]["subjects"]
    )


def test_permuted_labels_give_chance() -> None:
    p = Pipeline("x").acquire(told_apart).extract("stream").label(phases={"a": 0, "b": 1}).estimate("lda")
    prepared = prepare(p, None)
    assert evaluate_prepared(p, prepared)["lda"]["metrics"]["uar"] > 0.9
    covers = 0
    for seed in range(6):
        card = evaluate_prepared(p, prepared, permute=seed)
        low, high = card["lda"]["interval"]["uar"]
        covers += low <= 0.5 <= high
        assert card["lda"]["metrics"]["uar"] < 0.62
        assert card.told["permuted_labels"] == seed
    assert covers >= 5


def test_no_effect_is_not_above_chance() -> None:
    assert people_pipeline(n=6, effect=0.0).evaluate()["lda"]["verdict"] == "not above chance"


def test_a_permutation_test_tells_the_two_apart() -> None:
    p = Pipeline("p").acquire("tests.people", n=8).window(60).extract("eda.basic").label(phases={"rest": 0, "task": 1})
    p = p.select("impute", "scale").estimate("lda")
    assert p.evaluate(permutations=9)["lda"]["permutation_p"] <= 0.1


def test_the_same_again_and_another_seed() -> None:
    p = people_pipeline(n=4, effect=0.3)
    p = Pipeline("people", p.nodes[:-1], p.parts).estimate("random-forest", n_estimators=15)
    assert p.evaluate().same(p.evaluate())
    other = Pipeline("people", p.nodes[:-1], p.parts).estimate("random-forest", seeds=[7], n_estimators=15)
    assert p.evaluate()["random-forest"]["reliability"] != other.evaluate()["random-forest"]["reliability"]


def test_a_cache_hit_is_the_same_to_the_bit(tmp_path: Path) -> None:
    p = people_pipeline("lda", n=4)
    cold, cache = p.evaluate(), Cache(tmp_path)
    first, warm = p.evaluate(cache=cache), p.evaluate(cache=cache)
    assert cold.same(first)
    assert first.same(warm)
    held = len(list(tmp_path.rglob("*.npz")))
    wider = Pipeline("people", tuple(replace(n, settings={"seconds": 50, "hop": 30}) if n.id == "window" else n
                                     for n in p.nodes), p.parts)  # fmt: skip
    assert not wider.evaluate(cache=cache).same(warm)
    assert len(list(tmp_path.rglob("*.npz"))) > held


# ---- holes


def with_a_hole(root: object = None) -> Iterator[Raw]:
    """The third person has no skin in the first minute; the fourth never."""
    for k, raw in enumerate(people(None, n=5)):
        skin = raw.signals["eda"]
        values = skin.values.copy()
        if k == 2:
            values[: 60 * 4] = np.nan
        held = raw.signals | {"eda": replace(skin, values=values)}
        yield replace(raw, signals=held) if k != 3 else raw.without(["eda"])


def test_a_missing_stream_masks_columns_and_drops_no_row() -> None:
    p = Pipeline("h").acquire(with_a_hole).window(60, hop=30).extract("ecg.hrv", "eda.basic")
    told = p.label(phases={"rest": 0, "task": 1}).select("impute", "scale").estimate("lda").evaluate()
    assert told["lda"]["n"] == told.told["windows"]["count"]["window"] == 30
    # Six windows of the fourth person; of the third one in the hole and one half in it.
    assert told.told["windows"]["withheld"]["eda.basic"] == {"no_stream": 7, "too_short": 1}
    assert told["lda"]["withheld"] == 0
    assert all(len(f["test"]["subjects"]) == 1 for f in told.told["split"]["folds"])


def nothing(window: Any) -> dict[str, float]:
    return {"one": float("nan") if window.start_s == 0 and window.raw.subject == "s1" else window.end_s}


def test_one_nan_keeps_its_row() -> None:
    p = Pipeline("h").acquire("tests.people", n=4).window(60).extract(nothing, "eda.basic")
    card = p.label(phases={"rest": 0, "task": 1}).select("impute", "scale").estimate("lda").evaluate()
    assert card["lda"]["n"] == 16
    assert card.told["windows"]["missing_values"]["nothing"] == {"one": 1}
    assert sum(sum(c.values()) for c in card.told["windows"]["by_subject"].values()) == 16


def test_a_row_without_any_feature_is_withheld_and_wrong() -> None:
    def bare(root: object = None) -> Iterator[Raw]:
        for k, raw in enumerate(people(None, n=4)):
            yield raw if k else raw.without(["eda", "ecg"])

    p = Pipeline("h").acquire(bare).window(60).extract("eda.basic").label(phases={"rest": 0, "task": 1})
    card = p.select("impute", "scale").estimate("lda").evaluate()
    assert card["lda"]["withheld"] == 4
    assert card["lda"]["by_subject"]["s0"] == 0.0


# ---- scopes, splits, labels


def shifted(root: object = None) -> Iterator[Raw]:
    """Each person has a level of skin of his own, far larger than the task's effect."""
    for k in range(6):
        rng = np.random.default_rng(k)
        x = 5 + 20 * k + np.repeat([0.0, 1.0], 240) + 0.1 * rng.normal(size=480)
        yield Raw(f"r{k}", f"s{k}", {"x": Signal("x", "", x[:, None], 4.0)},
                  (Phase("rest", 0, 60), Phase("task", 60, 120)), 0.0, 120.0)  # fmt: skip


def test_scopes_of_scaling_are_declared() -> None:
    def score(**scope: str) -> tuple[float, list[str]]:
        p = Pipeline("s").acquire(shifted).window(10).extract("stats").label(phases={"rest": 0, "task": 1})
        card = p.select("impute").select("scale", **scope).select("k-best", k=3).estimate("logistic").evaluate()
        return card["logistic"]["metrics"]["uar"], card.told["declared"]

    train, none = score()
    baseline, first = score(scope="baseline-phase", phase="rest")
    own, second = score(scope="subject-unlabelled")
    assert train < 0.8
    assert baseline > 0.95
    assert own > 0.95
    assert none == []
    assert "'rest'" in first[0]
    assert "transductive" in second[0]


def test_within_and_across_corpora() -> None:
    p = Pipeline("c").acquire("tests.people", n=3, corpus="one").acquire("tests.people", n=3, seed=1, corpus="two")
    p = p.window(60).extract("eda.basic").label(phases={"rest": 0, "task": 1}).select("impute").estimate("lda")
    across = p.split("leave-corpus-out").evaluate().told["split"]["folds"]
    assert [f["name"] for f in across] == ["one", "two"]
    assert all(s.startswith("two/") for s in across[0]["train"]["subjects"])
    within = p.split("leave-subject-out", within="corpus").evaluate()
    assert len(within.told["split"]["folds"]) == 6
    assert set(within["lda"]["by_corpus"]) == {"one", "two"}
    for f in within.told["split"]["folds"]:
        assert {s.split("/")[0] for s in f["train"]["subjects"] + f["test"]["subjects"]} == {f["name"].split("/")[0]}


def test_a_splitter_of_scikit_learn_makes_the_folds() -> None:
    from sklearn.model_selection import GroupKFold

    p = people_pipeline(n=6).split("sklearn.model_selection:GroupKFold", n_splits=3)
    folds = p.evaluate().told["split"]["folds"]
    groups = np.repeat([f"s{k}" for k in range(6)], 6)
    wanted = [sorted(set(groups[t])) for _, t in GroupKFold(3).split(np.zeros((36, 1)), None, groups)]
    assert [f["test"]["subjects"] for f in folds] == wanted


def test_the_bench_takes_a_pipeline() -> None:
    report = people_pipeline("lda", "knn", n=4).report()
    assert {"lda", "knn", "majority"} <= {row.name for row in report.rows}


def test_a_function_may_be_any_stage(tmp_path: Path) -> None:
    from sklearn.preprocessing import PowerTransformer
    from sklearn.tree import DecisionTreeClassifier

    def halves(raw: Raw) -> list[tuple[float, float]]:
        return [(p.start_s + k * 60, p.start_s + k * 60 + 60) for p in raw.phases for k in (0, 1)]

    p = Pipeline("f").acquire("tests.people", n=4).preprocess(lambda raw: raw).window(halves)
    p = p.extract(lambda w: {"sd": float(w.signal("eda").values.std()), "end": 0.0}, "ecg.hrv")
    p = p.label(lambda w: None if w.phase == "" else w.phase).select("impute").select(lambda: PowerTransformer())
    p = p.estimate(lambda seed: DecisionTreeClassifier(random_state=seed), seeds=[1])
    row = p.evaluate().told["estimates"][0]
    assert row["classes"] == ["rest", "task"]
    assert row["n"] == 16


# ---- faults

FAULTS: dict[str, tuple[type[MoodalError], Any]] = {
    "no recording has the phase 'reest'. Did you mean rest?": (
        InputError, lambda: people_pipeline().add("label", phases={"reest": 0}, id="l").evaluate()),
    "estimates nothing": (UsageError, lambda: Pipeline("x").acquire("tests.people").window(60).evaluate()),
    "the training rows are all rest": (InputError, lambda: Pipeline("x").acquire("tests.people", n=4).window(60)
        .extract("eda.basic").label(phases={"rest": 0}).estimate("lda").evaluate()),
    "Put \"impute\" in select": (InputError, lambda: Pipeline("x").acquire("tests.people", n=4).window(60)
        .extract("ecg.hrv").label(phases={"rest": 0, "task": 1}).estimate("lda").evaluate()),
    "unknown key 'shrinkag'. Did you mean shrinkage?": (UsageError, lambda: Pipeline("x").acquire("tests.people", n=4)
        .window(60).extract("eda.basic").label(phases={"rest": 0, "task": 1}).select("impute")
        .estimate("lda", shrinkag=1).evaluate()),
    "It takes three values of subject at least": (InputError, lambda: people_pipeline(n=2).evaluate()),
    "The longest": (InputError, lambda: Pipeline("x").acquire("tests.people", n=3).window(600).extract("eda.basic")
        .label(phases={"rest": 0}).estimate("lda").evaluate()),
    "has no window of phase 'calm'": (InputError, lambda: Pipeline("x").acquire("tests.people", n=4)
        .window(60).extract("eda.basic").label(phases={"rest": 0, "task": 1}).select("impute")
        .select("scale", scope="baseline-phase", phase="calm").estimate("lda").evaluate()),
    "ridge or forest-regression": (UsageError, lambda: Pipeline("x").acquire(rated).extract("stream")
        .label("set", name="sam").estimate("lda").evaluate()),
    "has the corpus 'people' alone": (InputError, lambda: people_pipeline(corpus="people").split("leave-corpus-out")
        .evaluate()),
}  # fmt: skip


def rated(root: object = None) -> Any:
    from moodal.lab.data import Dataset, Feature, Index, Labels

    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    index = Index.build("rated", {"clip": [str(k) for k in range(40)], "subject": [f"s{k % 8}" for k in range(40)]}, {
        "sam": Labels("continuous", ("valence",), x[:, :1] + 0.1 * rng.normal(size=(40, 1)))})  # fmt: skip
    return Dataset(index, {"x": Feature.table("x", x)})


@pytest.mark.parametrize("said", FAULTS)
def test_each_fault_is_one_line(said: str) -> None:
    kind, act = FAULTS[said]
    with pytest.raises(kind) as error:
        act()
    assert said.lower() in str(error.value).lower()
    assert "\n" not in str(error.value)


def test_numbers_are_learnt_too() -> None:
    p = Pipeline("x").acquire(rated).extract("stream").label("set", name="sam").select("scale").estimate("ridge")
    row = p.evaluate()["ridge"]
    assert row["metrics"]["ccc"] > 0.8
    assert row["verdict"] == "above chance"


# ---- cards


def test_cards_are_kept_shown_and_compared(card: Card, tmp_path: Path) -> None:
    told = replace(card, told={**card.told, "name": "<script>alert(1)</script>"})
    told.save(tmp_path)
    assert json.loads((tmp_path / "card.json").read_text())["estimates"] == card.told["estimates"]
    page = (tmp_path / "card.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<svg" in page
    assert "http-equiv" in page
    again = Card.open(tmp_path / "card.json")
    side = compare(card, again)
    assert side["same"]["data"]
    assert [r["a"] == r["b"] for r in side["estimates"]] == [True] * 3
    (tmp_path / "no.json").write_text("[]")
    with pytest.raises(InputError, match="is no run card"):
        Card.open(tmp_path / "no.json")
    with pytest.raises(UsageError, match="has no estimate"):
        card["svm"]


def test_segments_have_their_shape() -> None:
    assert len(list(segments(None, people=2))) == 120
