"""The recipes of PhysioOmni: that they read, and that a planted state is told. All run in ``test_twin_recipes.py``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from moodal.core import registry  # noqa: E402
from moodal.lab import recipes  # noqa: E402
from moodal.lab.bench import learner  # noqa: E402
from moodal.lab.bench.recipe import bench  # noqa: E402
from moodal.lab.data.cache import Cache  # noqa: E402

NAMES = [n for n in recipes.names() if "physioomni" in n]
STAGE = {"epochs": 1, "batch": 16}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


def short(name: str, **train) -> recipes.Recipe:
    """The recipe with next to no training before that of the task."""
    told = recipes.load(name)
    rows = []
    for row in told.learner:
        stages = dict.fromkeys(("tokenizer_train", "msm_train", "train"), STAGE)
        more = {**row.settings, **stages, "train": {**STAGE, **train}} if row.use == "physioomni" else row.settings
        rows.append(replace(row, settings=more))
    return replace(told, learner=tuple(rows))


def twin(name: str, folder: Path, **asked) -> Path:
    registry.load("sets", recipes.load(name).data.set).generate(folder, 0, **asked)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_it_reads(name: str) -> None:
    told = recipes.load(name)
    for row in told.learner:
        learner(row.use, row.settings, name=row.name, choose=told.metric)
    assert told.report.subsets == "physioomni"


def test_every_task_of_it_has_a_recipe() -> None:
    assert {recipes.load(n).data.set for n in NAMES} == {"seed-vii", "hmc", "sleep-edf", "fbm", "eegmat"}


@pytest.mark.slow
def test_nights_with_a_planted_stage_are_told_and_others_are_not(tmp_path: Path) -> None:
    found = {}
    for effect in (1.0, 0.0):
        folder = twin("hmc-physioomni", tmp_path / f"{effect}", people=15, trials=12, effect=effect)
        # Band power stays first: its labels are shuffled for the table, which costs next to nothing.
        told = replace(short("hmc-physioomni", epochs=12, lr=2e-3), report=recipes.ReportPart())
        report = bench(told, folder, cache=Cache(tmp_path / "c"))
        found[effect] = next(r for r in report.to_dict()["rows"] if r["name"] == "physioomni")["score"]
    assert found[1.0] > 0.5, found  # chance is 0.2
    assert found[0.0] < 0.38, found
