"""PhysioSync by the tests of its specification that train it: people who watch the same clips, and twins of sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from moodal.core import registry  # noqa: E402
from moodal.lab import recipes  # noqa: E402
from moodal.lab.bench.protocols import protocol  # noqa: E402
from moodal.lab.bench.recipe import bench  # noqa: E402
from moodal.lab.data import Cache, Dataset  # noqa: E402
from moodal.lab.data.synthetic_sync import watching  # noqa: E402
from moodal.lab.train.physiosync import SyncLearner, SyncSettings, pretrain  # noqa: E402
from moodal.lab.train.physiosync.prepared import prepare  # noqa: E402
from moodal.lab.train.physiosync.synchrony import embedded, isc, retrieval  # noqa: E402

pytestmark = pytest.mark.slow
STREAMS = ("eda", "temp")
SETTINGS: dict[str, Any] = {
    "windows": {"long": 10.0, "short": 0.0},
    "pretrain": {"moments_per_batch": 16},
    "pretrain_train": {"epochs": 20, "lr": 3e-3},
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


def by_person(data: Dataset, first: int) -> tuple[Dataset, Dataset]:
    who = np.array([int(s[1:]) for s in data.index["subject"]])
    return data.take(who <= first), data.take(who > first)


@pytest.fixture(scope="module")
def world() -> tuple[Dataset, Dataset]:
    """Twelve people to learn from, six to look at."""
    return by_person(
        watching(18, 4, window_s=10.0, period_s=4.0, lag_s=0.0, streams=STREAMS, effect=0.0, seed=5)[0], 12
    )


@pytest.fixture(scope="module")
def trained(world):
    train, _ = world
    told = {}
    for positive in ("stimulus", "random"):
        s = SyncSettings.of({**SETTINGS, "pretrain": {**SETTINGS["pretrain"], "positive": positive}}, "test")
        told[positive] = s, pretrain(train, s), prepare(train, STREAMS, s.form(), s.norm).scales
    return told


def test_a_moment_is_found_again_in_people_never_seen(world, trained) -> None:
    found = {}
    for name, (s, made, scales) in trained.items():
        vectors = embedded(world[1], s, "temp", "long", weights=made, scales=scales)
        found[name], chance = retrieval(world[1], vectors, pool=5)
    assert found["stimulus"] > 6 * chance, (found, chance)
    # Even an untrained encoder tells something of what shows in a signal: a control, and not chance, is the measure.
    assert found["random"] < 0.85 * found["stimulus"], (found, chance)


def test_people_are_more_alike_after_training(world, trained) -> None:
    s, made, scales = trained["stimulus"]
    before, _ = isc(world[1], embedded(world[1], s, "temp", "long", scales=scales))
    vectors = embedded(world[1], s, "temp", "long", weights=made, scales=scales)
    after, null = isc(world[1], vectors, shifts=range(3, 20, 4))
    assert after > before + 0.1, (before, after)
    assert after > null.max() + 0.3, (after, null)


@pytest.mark.xfail(reason="0.658 for 0.613 from scratch, mean of two seeds; docs/lab/LOG.md", strict=False)
def test_few_labels_go_further_after_pretraining() -> None:
    """Held-out people; a quarter of the training people's trials have labels."""
    data = watching(18, 8, seconds=30, window_s=10.0, period_s=4.0, shared=0.7, lift=0.25, seed=8)[0]
    rest, test = by_person(data, 13)
    train, validation = by_person(rest, 10)
    told = sorted(set(train.index["trial"]))
    kept = np.isin(train.index["trial"], told[::4])
    labels = train.index.label("mood")
    values = np.where(kept, labels.values, -1)
    some = Dataset(train.index.with_labels(mood=type(labels)("class", labels.names, values)), train.features)
    score = {}
    for init in ("pretrain", "scratch"):
        hits = []
        for seed in (0, 1):
            fit = SyncLearner("p", {**SETTINGS, "init": init, "train": {"epochs": 10, "batch": 32}}).fit(
                some, validation, label="mood", seed=seed)  # fmt: skip
            hits.append((fit.predict(test.sealed()).scores.argmax(1) == test.index.label("mood").values).mean())
        score[init] = float(np.mean(hits))
    assert score["pretrain"] >= score["scratch"] + 0.05, score


@pytest.mark.parametrize("name", ["deap-physiosync", "dreamer-physiosync"])
@pytest.mark.parametrize("effect", [1.0, 0.0])
def test_recipes_find_a_planted_state_in_new_people_and_nothing_without(tmp_path, name: str, effect: float) -> None:
    """As who has the official files runs them; trainings are short, and that from scratch is left out."""
    recipe = recipes.load(name)
    registry.load("sets", recipe.data.set).generate(tmp_path / "set", 3, people=4, trials=4, effect=effect)
    told = {"select": "val_uar", "augment.copies": 0, "pretrain_train.epochs": 1, "train.epochs": 6,
            "train.batch": 32, "train.lr": 2e-3}  # fmt: skip
    changes: dict[str, Any] = {f"learner.physiosync.settings.{k}": v for k, v in told.items()}
    changes["learner.from scratch.settings.train.epochs"] = 0
    report = bench(name, tmp_path / "set", changes=changes, cache=Cache(tmp_path / "cache"))
    row = next(r for r in report.rows if r.name == "physiosync")
    assert report.protocol["name"] == "leave-one-subject-out"
    if effect:
        assert row.score > 0.65
    else:
        assert 0.35 < row.score < 0.62


def test_shuffled_windows_leak_where_there_is_nothing_to_learn() -> None:
    """Labels of trials drawn by lot: with shuffled windows a trial's fingerprint gives them away, else nothing does.

    Even an encoder that was never trained is enough for that, and the nearest window for a decision.
    """
    from sklearn.neighbors import KNeighborsClassifier

    told = {"streams": ("eeg",), "shared": 0.0, "effect": 0.0, "fingerprint": 4.0}
    data = watching(5, 12, seconds=40, window_s=4.0, seed=2, **told)[0]
    trials = sorted(set(data.index["trial"]))
    lot = dict(zip(trials, np.random.default_rng(0).permutation(np.arange(len(trials)) % 2), strict=True))
    truth = np.array([lot[t] for t in data.index["trial"]])
    s = SyncSettings.of({"windows": {"long": 4.0, "short": 0.0}}, "test")
    vectors = embedded(data, s, "eeg", "long")
    score = {}
    for use, settings in (("segment-shuffle", {"k": 4, "allow_leak": True}), ("within-session", {"k": 4})):
        hits = []
        for fold in protocol(use, **settings).split(data):
            near = KNeighborsClassifier(1).fit(vectors[fold.train], truth[fold.train])
            hits.append(near.score(vectors[fold.test], truth[fold.test]))
        score[use] = float(np.mean(hits))
    assert score["segment-shuffle"] > 0.65, score
    assert abs(score["within-session"] - 0.5) < 0.12, score
