"""Which experts and which fusion `analyze` takes: the best that is installed and allowed, and it says which."""

from __future__ import annotations

from pathlib import Path

import pytest

import moodal
from moodal.core import registry
from moodal.core.errors import ModelError, UsageError
from moodal.core.expert import choose, find_expert
from moodal.settings import settings_from

CLEAN = {"words", "words-vad", "stress", "workload"}
RESEARCH = pytest.mark.skipif("late-all" not in registry.bundles(), reason="moodal-research is not installed")


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where moodal is installed without moodal-research."""
    monkeypatch.setattr(registry, "bundle_folders", lambda: (registry._BUNDLES,))


@RESEARCH
def test_the_best_that_is_installed_runs() -> None:
    chosen = choose()
    assert chosen.fusion == "late-all"
    assert set(chosen.experts) == CLEAN | {"face", "voice"}
    assert {"late-all", "face", "voice", "words", "text"} <= {b.name for b in chosen.bundles}


def test_without_the_research_bundles_the_clean_ones_run(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch)
    chosen = choose()
    assert chosen.fusion == "late-v0"
    assert set(chosen.experts) == CLEAN
    assert all(b.manifest["commercial"] for b in chosen.bundles)


def test_commercial_leaves_out_what_forbids_it() -> None:
    chosen = choose(commercial=True)
    assert chosen.fusion == "late-v0"
    assert all(b.manifest["commercial"] for b in chosen.bundles)


@RESEARCH
def test_a_fusion_that_is_named_brings_its_own_experts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(choose("late-av").experts) == {"face", "voice", "stress", "workload"}
    path = str(registry.bundles()["late-av"].path)
    alone(monkeypatch)
    with pytest.raises(UsageError, match="late-av"):
        choose("late-av")
    with pytest.raises((ModelError, UsageError)):
        choose(path)


@RESEARCH
@pytest.mark.parametrize(("name", "modality"), [("voice", "voice"), ("face", "face"), ("words", "words")])
def test_an_expert_can_tell_alone(name: str, modality: str) -> None:
    expert = find_expert(name)
    assert expert is not None
    assert (expert.modality, expert.role) == (modality, name)
    assert settings_from(model=name).only == (modality,)
    assert settings_from(model=name).options["experts"] == {name: str(expert.bundle.path)}


@pytest.mark.parametrize("name", ["stress", "workload", "words-vad"])
def test_what_tells_no_emotion_cannot_tell_alone(name: str) -> None:
    with pytest.raises(ModelError, match="tells no emotion by itself"):
        find_expert(name)


def test_another_choice_is_another_result(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings_from().sha256
    assert settings_from(model="late-v0").sha256 == settings_from(model="late-v0").sha256
    if "late-all" in registry.bundles():
        assert settings_from(commercial=True).sha256 != before
        alone(monkeypatch)
        assert settings_from().sha256 != before


def test_the_summary_names_who_told_and_values_of_a_checked_model_keep_their_level(tmp_path: Path) -> None:
    (tmp_path / "said.txt").write_text("I am so happy today! This is wonderful.\n")
    told = moodal.analyze(tmp_path / "said.txt", out=tmp_path).summary()
    named = {m["name"] for m in told["models"]}
    assert {"words", "words-vad", "text"} <= named
    [subject] = told["subjects"]
    assert "happiness" in subject["overall"]["label_set"]
    if "late-all" in named:
        assert told["calibrated"]
        assert subject["overall"]["valence"]["basis"] == "measured"
        assert subject["overall"]["valence"]["level"] == 0.9
    else:
        assert subject["overall"]["valence"]["level"] is None
