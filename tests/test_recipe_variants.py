"""Variants of a recipe in one file, and single values changed for one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moodal.core.errors import UsageError
from moodal.lab import bench, recipes
from moodal.lab.data import Cache

pytest.importorskip("sklearn")

TEXT = """
name = "toy"
title = "Toy"
label = "emotion"
metric = "uar"
published = [{ value = 0.5, metric = "uar", protocol = "theirs", source = "here" }]

[data]
set = "synthetic"
settings = { subjects = 6, clips = 8, windows = 1, modalities = ["face", "audio"], steps = [2, 4] }

[features.face]
[features.audio]

[protocol]
use = "group-kfold"
settings = { k = 3 }

[[learner]]
name = "plain"
use = "ridge"
settings = { alpha = 1.0 }

[[learner]]
name = "face"
use = "ridge"
modalities = ["face"]

[goal]
learner = "plain"
reach = 0.4

[variant.loud]
title = "Toy, loud"
data.settings = { effect = 2.0 }

[variant.own]
protocol = { use = "trial-kfold-within-subject", settings = { k = 4 } }
published = [{ value = 0.9, metric = "uar", protocol = "their own", source = "here" }]
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_variant_replaces_what_it_says_and_keeps_the_rest(toy: Path) -> None:
    base, loud, own = (recipes.load(str(toy) + end) for end in ("", ":loud", ":own"))
    assert (base.name, loud.name, own.name) == ("toy", "toy-loud", "toy-own")
    assert loud.data.settings == {**base.data.settings, "effect": 2.0}
    assert loud.learner == base.learner
    assert (loud.protocol, own.protocol.use) == (base.protocol, "trial-kfold-within-subject")
    # Figures and goals are of one label and protocol.
    assert (len(base.published), len(loud.published), own.published[0].value) == (1, 0, 0.9)
    assert (base.goal is not None, loud.goal, own.goal) == (True, None, None)


def test_variants_that_ship_are_listed_under_names_of_their_own() -> None:
    assert {"deap-eegain", "deap-eegain-arousal", "seed-libeer-within"} <= set(recipes.names())
    assert recipes.load("deap-eegain-arousal").label == "arousal"
    for name in recipes.names():
        assert recipes.load(name).name == name


def test_values_changed_for_one_run_are_told_in_its_report(toy: Path, tmp_path: Path) -> None:
    changes = {"protocol.settings.k": 2, "learner.plain.settings.alpha": 5.0, "learner.*.settings.fusion": "early"}
    changed = recipes.load(str(toy), changes)
    assert changed.protocol.settings == {"k": 2}
    assert [part.settings for part in changed.learner] == [{"alpha": 5.0, "fusion": "early"}, {"fusion": "early"}]
    report = bench.bench(str(toy), cache=Cache(tmp_path / "cache"), changes=changes)
    assert len(report.folds) == 2
    assert "changed for this run: protocol.settings.k = 2" in report.notices
    assert "--set protocol.settings.k=2" in report.command
    assert recipes.load(str(toy)).protocol.settings == {"k": 3}


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda p: recipes.load(f"{p}:quiet"), "has no variant 'quiet'. It has: loud, own"),
        (lambda p: recipes.load(str(p), {"protocl.use": "official"}), "Did you mean protocol?"),
        (lambda p: recipes.load(str(p), {"learner.voice.use": "svm"}), "there is no 'voice'. Known: plain, face"),
        (lambda p: recipes.load(str(p), {"title.x.y": 1}), "leads into no table"),
        (lambda p: recipes.load(str(p), {"protocol.setings": {}}), "unknown key 'setings'"),
        (lambda p: recipes.parse(TEXT + "name = 'x'\n", "t"), r"\[variant.own\] may not say name"),
        (lambda p: recipes.parse(TEXT.replace("[variant.loud]", "[variants.loud]"), "t"), "unknown key 'variants'"),
        (lambda p: recipes.parse("variant = 3", "t"), "must hold tables"),
        (lambda p: bench.bench(recipes.load(str(p)), changes={"label": "x"}), "by name or path"),
    ],
)
def test_each_fault_is_one_line(toy: Path, make: Callable[[Path], Any], match: str) -> None:
    with pytest.raises(UsageError, match=match) as caught:
        make(toy)
    assert "\n" not in str(caught.value)


def _command(toy: Path, *told: str) -> subprocess.CompletedProcess[str]:
    code = "from moodal.cli import main; main()"
    env = {**os.environ, "MOODAL_HOME": str(toy.parent / "home")}
    return subprocess.run(
        [sys.executable, "-c", code, "bench", str(toy), *told], capture_output=True, text=True, env=env, check=False
    )


def test_the_command_sets_values_and_records_no_changed_run(toy: Path) -> None:
    told = _command(toy, "--set", "protocol.settings.k=2", "--set", "learner.face.use=lda", "--json")
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert len(report["folds"]) == 2
    assert 'changed for this run: learner.face.use = "lda"' in report["notices"]
    assert not (toy.parent / "home" / "lab" / "scores").exists()
    for wrong in (("--set", "protocol.settings.k=2", "--record"), ("--set", "k")):
        refused = _command(toy, *wrong)
        assert refused.returncode == 2, refused.stderr
