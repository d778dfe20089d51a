"""Every recipe of physiology, each variant too, runs on a twin of its set: who has the official files sets the path.

Trainings are cut to an epoch and folds to what a few made-up people allow; layout, units, labels, features, protocols
and learners are those of the recipe.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core import registry
from moodal.lab import bench, recipes
from moodal.lab.data import Cache

pytest.importorskip("torch")
pytest.importorskip("scipy")

#: Streams of the body: a recipe on a set that has one of them must run here.
BODY = {"eeg", "ecg", "eda", "ppg", "emg", "eog", "resp", "temp", "wrist_ppg", "wrist_eda"}


@dataclass(frozen=True)
class Small:
    """How a twin is made, and what a recipe is told of it."""

    made: dict[str, Any]
    data: dict[str, Any] = field(default_factory=dict)


SMALL: dict[str, Small] = {
    "deap": Small({"people": 3, "trials": 5}, {"hop_s": 30.0}),
    "dreamer": Small({"people": 3, "trials": 5}, {"hop_s": 30.0}),
    "amigos": Small({"people": 3, "trials": 6}, {"hop_s": 8.0}),
    "mahnob": Small({"people": 3, "trials": 6}, {"hop_s": 24.0}),
    "seed": Small({"people": 3, "clip_s": 4.0, "features": False}, {"rate_hz": 128.0}),
    "seed-iv": Small({"people": 3, "clip_s": 4.0}, {"rate_hz": 128.0}),
    "seed-v": Small({"people": 3, "clip_s": 4.0, "features": False}),
    "seed-vii": Small({"people": 3, "clip_s": 4.0}, {"window_s": 4.0}),
    "faced": Small({"people": 5, "clip_s": 30.0}, {"hop_s": 15.0}),
    "wesad": Small({"people": 4, "trials": 4}, {"window_s": 20.0, "hop_s": 20.0}),
    "eegmat": Small({"people": 4}, {"hop_s": 12.0}),
    "hmc": Small({"people": 5}),
    "sleep-edf": Small({"people": 4}, {"wake_min": 0.5}),
    "fbm": Small({"people": 3, "trials": 3}, {"hop_s": 3.0}),
    "stress-predict": Small({"people": 3, "trials": 2}, {"window_s": 20.0}),
    "k-emocon": Small({"people": 6, "trials": 12}),
    "case": Small({"people": 4, "trials": 6, "seconds": 20}),
    "ceap-360vr": Small({"people": 4, "trials": 6, "seconds": 20}),
}


def ours() -> list[str]:
    """Recipes on recordings of the body, by name; variants among them."""
    found = []
    for name in recipes.names():
        use = recipes.load(name).data.set
        if use in registry.names("sets") and BODY & set(registry.load("sets", use).SPEC.modalities):
            found.append(name)
    return found


#: Settings that make a learner of a system small, by what it uses.
ONCE = {"epochs": 1, "batch": 16}
CUT: dict[str, dict[str, Any]] = {
    "physioomni": {"tokenizer_train": ONCE, "msm_train": ONCE, "train": ONCE},
    "physiosync": {"pretrain_train": {"epochs": 1}, "train": {"epochs": 1}, "augment": {"copies": 0}},
}


def less(recipe: recipes.Recipe) -> dict[str, Any]:
    """What is changed so that a run takes seconds."""
    told: dict[str, Any] = {f"data.settings.{k}": v for k, v in SMALL[recipe.data.set].data.items()}
    if "k" in recipe.protocol.settings:
        told["protocol.settings.k"] = 2 if recipe.protocol.use == "subject+stimulus" else 3
    if "stimuli" in recipe.protocol.settings:
        told["protocol.settings.stimuli"] = 2
    for part in recipe.learner:
        at = f"learner.{part.name}.settings"
        if part.use in CUT:
            told |= {f"{at}.{k}": v for k, v in CUT[part.use].items()}
        elif part.use in (*registry.names("learners"), *registry.names("models")):
            told[f"{at}.train.epochs"] = 1
        if "forest" in part.use:
            told[f"{at}.n_estimators"] = 10
        if part.settings.get("net") == "labram":
            told[f"{at}.layers"] = 1
    if recipe.data.set == "stress-predict":
        for part in ("physiosync", "from scratch"):
            told[f"learner.{part}.settings.windows"] = {"long": 20.0, "short": 5.0}
    return told


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all recipes, as users have: what two variants share is computed once."""
    return tmp_path_factory.mktemp("cache")


def twin(made: dict[str, Path], name: str, factory: pytest.TempPathFactory) -> Path:
    if name not in made:
        made[name] = factory.mktemp(name)
        registry.load("sets", name).generate(made[name], 0, **SMALL[name].made)
    return made[name]


def run(name: str, root: Path, cache: Path) -> bench.Report:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few windows: sklearn and the readers say so
        return bench.bench(name, root, changes=less(recipes.load(name)), cache=Cache(cache))


def test_recipes_of_every_set_are_run_here() -> None:
    """A recipe of the body on a set that has no twin here is told of, and so is a twin that no recipe uses."""
    assert {recipes.load(name).data.set for name in ours()} == set(SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", ours())
def test_a_recipe_runs_on_a_twin(
    name: str, twins: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, shared: Path
) -> None:
    recipe = recipes.load(name)
    report = run(name, twin(twins, recipe.data.set, tmp_path_factory), shared)
    assert report.n > 0
    assert [row.name for row in report.rows] == [*(p.name for p in recipe.learner), "majority", "prior", "shuffled"]
    for row in report.rows:
        assert np.isfinite([row.score, row.low, row.high]).all(), row.name
        assert row.withheld < report.n, row.name
    assert report.protocol["leaky"] == (recipe.protocol.use == "segment-shuffle")
    if recipe.report.subsets:
        assert report.card
    assert name in str(report)


#: A recipe, how its set's twin is made, how its trials are cut, and what chance is: unweighted recall of its classes.
PLANTED: dict[str, tuple[dict[str, Any], dict[str, Any], float]] = {
    "deap-libeer": ({"people": 6, "trials": 8}, {"data.settings.hop_s": 15.0}, 1 / 2),
    "dreamer-eegain": ({"people": 6, "trials": 8}, {"data.settings.hop_s": 15.0}, 1 / 2),
    "seed-libeer": ({"people": 6, "clip_s": 4.0, "features": False}, {}, 1 / 3),
    "hmc-sleep": ({"people": 6, "trials": 24}, {}, 1 / 5),
}


def floor(name: str, folder: Path, effect: float) -> bench.Report:
    """A support vector machine on differential entropy in place of the recipe's learners, strangers tested on."""
    made, told, _ = PLANTED[name]
    recipe = recipes.load(name)
    registry.load("sets", recipe.data.set).generate(folder / "twin", 1, effect=effect, **made)
    changes = {
        **told, "metric": "uar", "report": {}, "protocol": {"use": "loso"},
        "features": {"de": {"use": "eeg-de", "settings": {"of": "eeg"}}},
        "learner": [{"name": "SVM", "use": "svm", "settings": {"C": 1.0, "class_weight": "balanced"}}],
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bench.bench(name, folder / "twin", changes=changes, cache=Cache(folder / "cache"))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PLANTED))
def test_strangers_are_told_where_a_state_is_planted_and_not_where_it_is_not(name: str, tmp_path: Path) -> None:
    chance = PLANTED[name][2]
    shown, hidden = (floor(name, tmp_path / str(effect), effect)["SVM"] for effect in (1.0, 0.0))
    assert shown.above
    assert shown.low > chance + 0.1, (shown.score, shown.low)
    # Six people: an interval that holds chance, or misses it by the little that six people allow.
    assert hidden.low < chance + 0.05, (hidden.score, hidden.low, hidden.high)
    assert hidden.score < chance + 0.12, hidden.score
