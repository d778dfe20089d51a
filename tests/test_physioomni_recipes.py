"""The recipes of PhysioOmni, each on its set's generated twin: a user with the official files only sets the path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from moodal.core import registry  # noqa: E402
from moodal.lab import recipes  # noqa: E402
from moodal.lab.bench import learner  # noqa: E402
from moodal.lab.bench.recipe import bench  # noqa: E402
from moodal.lab.data.cache import Cache  # noqa: E402

#: Recipe → what its set's twin is asked for.
TWINS = {
    "seed-vii-physioomni": {"clip_s": 8.0},
    "hmc-physioomni": {"people": 5},
    "sleepedf-physioomni": {"people": 4},
    "fbm-physioomni": {"people": 2, "trials": 3},
    "fbm-physioomni-person": {"people": 3},
    "eegmat-physioomni": {},
}
STAGE = {"epochs": 1, "batch": 16}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


def short(name: str, k: int = 0, **train) -> recipes.Recipe:
    """The recipe with next to no training, and as many folds as the twin has people for."""
    told = recipes.load(name)
    rows = []
    for row in told.learner:
        stages = dict.fromkeys(("tokenizer_train", "msm_train", "train"), STAGE)
        more = {**row.settings, **stages, "train": {**STAGE, **train}} if row.use == "physioomni" else row.settings
        rows.append(replace(row, settings=more))
    settings = {**told.protocol.settings, **({"k": k} if k and "k" in told.protocol.settings else {})}
    return replace(told, learner=tuple(rows), protocol=replace(told.protocol, settings=settings))


def twin(name: str, folder: Path, **asked) -> Path:
    registry.load("sets", recipes.load(name).data.set).generate(folder, 0, **asked)
    return folder


@pytest.mark.parametrize("name", TWINS)
def test_it_reads(name: str) -> None:
    told = recipes.load(name)
    for row in told.learner:
        learner(row.use, row.settings, name=row.name, choose=told.metric)
    assert told.report.subsets == "physioomni"


def test_every_recipe_of_it_is_run_on_a_twin() -> None:
    assert set(TWINS) == {n for n in recipes.names() if "physioomni" in n}


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in TWINS if n != "eegmat-physioomni"])
def test_it_runs_on_the_twin_of_its_set(name: str, tmp_path: Path) -> None:
    report = bench(short(name, k=3), twin(name, tmp_path / "twin", **TWINS[name]), cache=Cache(tmp_path / "cache"))
    told = report.to_dict()
    mine = next(r for r in told["rows"] if r["name"] == "physioomni")
    assert np.isfinite(mine["score"])
    # Every subset of its modalities that there are is told.
    shown = {"+".join(sorted(r["shown"])) for r in told["subsets"]} if told.get("subsets") else set()
    assert shown or report.card


@pytest.mark.slow
def test_nights_with_a_planted_stage_are_told_and_others_are_not(tmp_path: Path) -> None:
    found = {}
    for effect in (1.0, 0.0):
        folder = twin("hmc-physioomni", tmp_path / f"{effect}", people=25, trials=12, effect=effect)
        told = short("hmc-physioomni", epochs=12, lr=2e-3)
        rows = tuple(r for r in told.learner if r.use == "physioomni")
        report = bench(replace(told, learner=rows, report=recipes.ReportPart()), folder, cache=Cache(tmp_path / "c"))
        found[effect] = next(r for r in report.to_dict()["rows"] if r["name"] == "physioomni")["score"]
    assert found[1.0] > 0.5, found  # chance is 0.2
    assert found[0.0] < 0.38, found
