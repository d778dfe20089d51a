"""Recipes on signals of heart and skin: each tells a planted state of its set's twin, and none where there is none."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from moodal.core import registry
from moodal.lab import bench, recipes
from moodal.lab.data import Cache

#: What every recipe's learners are replaced by: the forest alone, with fewer trees.
FOREST: dict[str, Any] = {
    "learner": [{"name": "forest", "use": "late-random-forest", "settings": {"n_estimators": 30}}],
    "report": {},
}
#: Recipe → how its twin is made, and what fewer people and films change of it.
SMALL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "k-emocon-arousal": ({"people": 8, "trials": 12}, {"protocol.settings.k": 3}),
    "ceap-360vr-ratings-arousal": (
        {"people": 8, "trials": 8, "seconds": 20},
        {"protocol.settings": {"k": 4, "stimuli": 4}},
    ),
    "case-ratings": ({"people": 6, "trials": 8, "seconds": 20}, {}),
}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_people_or_debates_are_held_out_whole(name: str) -> None:
    recipe = recipes.load(name)
    assert recipe.protocol.use in ("subject+stimulus", "group-kfold", "leave-one-subject-out")
    if name == "k-emocon-arousal":
        assert "dialogue" in recipe.protocol.settings["disjoint"]
        assert "subject" in recipe.protocol.settings["disjoint"]


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.0, 1.0])
@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_planted_state_is_told_and_none_where_there_is_none(name: str, effect: float, tmp_path: Path) -> None:
    made, changes = SMALL[name]
    recipe = recipes.load(name)
    root = tmp_path / "set"
    registry.load("sets", recipe.data.set).generate(root, seed=5, effect=effect, fingerprint=0.5, **made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few windows: sklearn says so
        report = bench.bench(name, root, changes=changes | FOREST, cache=Cache(tmp_path / "cache"))
    forest, chance = report["forest"], {"uar": 0.5, "ccc": 0.0}[report.metric]
    if effect:
        assert forest.score > 0.8
        assert forest.low > chance + 0.2
        assert forest.above
    else:
        assert abs(forest.score - chance) < 0.25
    assert not report.protocol["leaky"]
