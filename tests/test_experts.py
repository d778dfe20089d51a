"""What all experts share: calibration that keeps its promise, figures, the bundle, and scoring through a runner."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_allclose

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.errors import ModelError, UsageError
from moodal.core.register import training_clips
from moodal.core.runner import Evidence, Example, Told, open_runner
from moodal.dsp.calibration import softmax, tempered, weighted_threshold
from moodal.lab.data import people
from moodal.lab.experts import Made, OutOfFold, Work
from moodal.lab.experts.calibrate import adapted, checked, fit, half_widths
from moodal.lab.experts.make import make
from moodal.lab.experts.recipe import ExpertRecipe, load
from moodal.lab.score import score

CLASSES = ("neutral", "happiness", "sadness", "anger")


def part(n: int = 2400, people: int = 60, heat: float = 2.5, seed: int = 0) -> OutOfFold:
    """Labels drawn from known probabilities, and log scores of these that are ``heat`` times too sure."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 4)) * 1.5
    y = (rng.random(n)[:, None] > np.cumsum(softmax(z), axis=1)).sum(axis=1)
    return OutOfFold(z * heat, y, np.arange(n) % people, CLASSES, "uar", f"made up {seed}",
                     groups={"sex": np.array(["f", "m"])[np.arange(n) % 2]}, reach=0.5)  # fmt: skip


def test_temperature_undoes_a_known_heat_and_sets_cover_what_they_promise() -> None:
    told = fit([part()])
    assert told["temperature"] == pytest.approx(2.5, rel=0.1)
    assert told["people"] == 60
    fresh = part(seed=7)
    scores = tempered(fresh.logits, told)
    for level, least in told["label_sets"]["levels"].items():
        held = (scores[np.arange(len(scores)), fresh.truth] >= least).mean()
        assert held == pytest.approx(float(level), abs=0.03)
    report = checked([part()])["made up 0"]
    assert report["ece"] < 0.04 < report["ece_uncalibrated"]
    low, high = report["coverage"]["0.9"]["interval"]
    assert low <= 0.9 <= high


def test_vector_scaling_finds_a_class_that_is_told_too_often() -> None:
    crooked = part(heat=1.0)
    crooked = OutOfFold(crooked.logits + np.array([1.5, 0, 0, 0]), crooked.truth, crooked.subject, CLASSES, "uar", "x")
    told = fit([crooked], scaling="vector")
    bias = np.array(told["bias"])
    assert (bias[0] - bias[1:]).max() == pytest.approx(-1.5, abs=0.3)
    assert "bias" not in fit([crooked])


def test_the_power_of_a_lead_is_found_again() -> None:
    rng = np.random.default_rng(5)
    true = rng.normal(size=6000) * 1.5
    y = (rng.random(6000) < 1 / (1 + np.exp(-true))).astype(int)
    # The model tells the square root of the log odds: too unsure of what is clear, too sure of what is not.
    told = np.sign(true) * np.sqrt(np.abs(true))
    z = np.stack([-told / 2, told / 2], axis=1)
    rooted = OutOfFold(z, y, np.arange(6000) % 60, ("no", "yes"), "uar", "rooted")
    found = fit([rooted], scaling="power")
    assert found["power"] == pytest.approx(1.0, abs=0.2) or found["power"] == 0.9  # the bound lies just below
    right = 1 / (1 + np.exp(-true))
    assert np.abs(tempered(z, found)[:, 1] - right).mean() < 0.02
    assert np.abs(tempered(z, fit([rooted]))[:, 1] - right).mean() > 0.03
    assert (tempered(z, found).argmax(axis=1) == z.argmax(axis=1)).all()
    by = [checked([rooted], scaling=s)["rooted"]["ece"] for s in ("power", "temperature")]
    assert by[0] < by[1]


def test_an_error_of_calibration_stands_beside_what_chance_makes_of_it() -> None:
    right, hot = part(heat=1.0), part()
    told = checked([right], hot=False)["made up 0"]
    assert told["ece"] <= told["ece_by_chance"][1]
    wrong = checked([hot], hot=False)["made up 0"]
    assert wrong["ece"] > 3 * wrong["ece_by_chance"][1]
    few = checked([part(200, heat=1.0)], hot=False)["made up 0"]
    assert few["ece_by_chance"][0] > 2 * told["ece_by_chance"][0]


def test_parts_weigh_the_same_however_many_rows_they_have() -> None:
    few, many = part(300, seed=1, heat=1.0), part(6000, seed=2, heat=4.0)
    alone = [fit([p])["temperature"] for p in (few, many)]
    assert alone[0] < fit([few, many])["temperature"] < alone[1]


def test_intervals_of_values_cover_documents_they_were_not_fitted_on() -> None:
    rng = np.random.default_rng(0)
    value = rng.normal(size=(1500, 1))
    values = OutOfFold(value, value + rng.normal(size=value.shape), np.arange(1500) // 30, ("valence",), "pearson_r",
                       "values", kind="continuous", unit="document")  # fmt: skip
    told = half_widths(values)
    assert told["half_width"]["valence"]["0.9"] == pytest.approx(1.645, rel=0.08)
    assert told["coverage"]["valence"]["0.9"]["observed"] == pytest.approx(0.9, abs=0.02)


def test_a_corpus_with_more_hard_examples_is_covered_after_adaptation() -> None:
    easy, hard = part(4000, seed=1, heat=1.0), part(4000, seed=2, heat=1.0)
    rng = np.random.default_rng(3)
    # The hard corpus is one whose probabilities lie closer together: labels are drawn anew from them.
    z = hard.logits * 0.25
    y = (rng.random(len(z))[:, None] > np.cumsum(softmax(z), axis=1)).sum(axis=1)
    new = OutOfFold(z, y, hard.subject, CLASSES, "uar", "hard")
    some = np.concatenate([easy.logits, z[:400]])
    known = OutOfFold(some, np.concatenate([easy.truth, y[:400]]), np.arange(4400) % 60, CLASSES, "uar", "easy")
    told = adapted([known], new)["coverage"]["0.9"]
    assert told["as_it_is"]["observed"] != pytest.approx(0.9, abs=0.015)
    assert told["observed"] == pytest.approx(0.9, abs=0.03)


def test_weighted_thresholds_follow_a_shift() -> None:
    # Calibration examples of two sorts, the hard sort nine times as common among the new ones.
    rng = np.random.default_rng(0)
    easy, hard = rng.beta(9, 1, 5000), rng.beta(2, 2, 5000)
    scores = np.concatenate([easy, hard])
    plain = weighted_threshold(scores, np.ones(10_000), 0.9)
    shifted = weighted_threshold(scores, np.repeat([0.2, 1.8], 5000), 0.9)
    new = np.concatenate([easy[:500], hard[:4500]])
    assert (new >= plain).mean() < 0.86
    assert (new >= shifted).mean() == pytest.approx(0.9, abs=0.01)
    assert weighted_threshold(scores[:5], np.ones(5), 0.9) == 0.0  # too few: every class belongs


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"truth": np.zeros(3, int)}, "3 labels"),
        ({"classes": ("a", "b")}, "4 columns for 2 classes"),
        ({"logits": np.full((2400, 4), np.nan)}, "not finite"),
    ],
)
def test_crooked_predictions_are_refused(fault: dict[str, object], told: str) -> None:
    good = part()
    fields = {f: getattr(good, f) for f in good.__dataclass_fields__}
    with pytest.raises(UsageError, match=told):
        OutOfFold(**{**fields, **fault})  # type: ignore[arg-type]


# ---- a whole expert, made up ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settings:
    heat: float = 2.0


class LengthRunner:
    """Tells from how long a text is; a baseline shifts it."""

    uses_baseline, multilabel = True, frozenset[str]()

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.schemes = {"sentiment3": ("negative", "neutral", "positive")}

    def read(self, example: Example) -> Evidence | str:
        return np.array([[len(example.text)]], np.float32) if example.text else "no_words"

    def tell(self, evidence: Evidence, person: Sequence[Evidence] = ()) -> Told:
        x = float(evidence.mean()) - (float(np.mean([p.mean() for p in person])) if person else 20.0)
        if x > 1000:
            return Told(softmax(np.zeros(3)), "out_of_domain")
        return Told(tempered(np.array([-x, 1.0, x]), self.bundle.manifest["calibration"]))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> ExpertRecipe:
    calls: list[str] = []

    def computed() -> dict[str, np.ndarray]:
        calls.append("computed")
        return {"logits": part(300).logits[:, :3]}

    def made(settings: Settings, work: Work) -> Made:
        logits = work.kept("fold 0", computed, settings.heat)["logits"]
        told = OutOfFold(logits, logits.argmax(axis=1), np.arange(300) % 10, ("negative", "neutral", "positive"),
                         "uar", "5-fold", groups={"sex": np.repeat(["f", "m"], 150)}, reach=0.9)  # fmt: skip
        manifest = {"runner": "length", "scheme": "sentiment3", "inputs": ["words.transcript"]}
        return Made("toy", {"all": told}, manifest, "Made up.", [people(2, 3, seed=1).index], ("all",),
                    rivals={"length alone": told}, arrays={"w": np.ones(3)})  # fmt: skip

    maker = ModuleType("moodal.lab.experts.toy")
    maker.Settings, maker.make, maker.calls = Settings, made, calls  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "moodal.lab.experts.toy", maker)
    runner = ModuleType("toy_runner")
    runner.open_runner = LengthRunner  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_runner", runner)
    monkeypatch.setitem(registry.KINDS, "experts", {**registry.KINDS["experts"], "length": "toy_runner"})
    registry._table.cache_clear()
    monkeypatch.setattr("moodal.core.registry._table.cache_clear", lambda: None, raising=False)
    return ExpertRecipe("toy", "Toy", "toy", (), "Apache-2.0", True, "made up")


def test_an_expert_is_made_resumed_scored_and_the_same_bytes(made_up: ExpertRecipe, tmp_path: Path) -> None:
    (bundle,) = make(made_up, tmp_path / "run")
    told = bundle.manifest
    assert told["scores"]["all"]["value"] == 1.0
    assert told["scores"]["all"]["reach"] == 0.9
    assert told["scores"]["all"]["trivial"] == pytest.approx(1 / 3, abs=1e-4)
    assert told["groups"]["all"]["sex"]["f"]["n"] == 150
    assert told["calibration"]["label_sets"]["levels"].keys() == {"0.8", "0.9", "0.95"}
    assert training_clips(bundle)
    assert "| 5-fold | uar | 1.000 |" in bundle.card
    first = bundle.path.read_bytes()
    make(made_up, tmp_path / "run")
    assert sys.modules["moodal.lab.experts.toy"].calls == ["computed"]  # the second run took what was kept
    assert bundle.path.read_bytes() == first
    table = tmp_path / "rows.csv"
    rows = [
        ("a" * 5, "negative", "p"),
        ("b" * 35, "positive", "p"),
        ("c" * 20, "neutral", "p"),
        ("d" * 9000, "positive", "q"),
    ]
    table.write_text("text,label,subject\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    answer = score(table, bundle=bundle, label="label").answer
    assert answer["n"] == 4
    assert answer["withheld"] == 1
    assert answer["metrics"]["accuracy"] == 0.75
    assert not answer["baseline"]["used"]
    assert score(table, bundle=bundle, label="label", baseline="subject").answer["baseline"]["used"]
    json.dumps(answer, allow_nan=False)


def test_a_bundle_whose_runner_is_not_known_says_so(made_up: ExpertRecipe, tmp_path: Path) -> None:
    (bundle,) = make(made_up, tmp_path)
    other = Bundle(bundle.path, {**bundle.manifest, "runner": "crystal-ball"})
    with pytest.raises(ModelError, match="crystal-ball"):
        open_runner(other)


def test_recipes_of_experts_refuse_what_they_do_not_know(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown expert"):
        load("voise")
    file = tmp_path / "x.toml"
    file.write_text('name = "x"\ntitel = "X"\n')
    with pytest.raises(UsageError, match="title"):
        load(str(file))
    file.write_text('name = "x"\n')
    with pytest.raises(UsageError, match="lacks title"):
        load(str(file))


def test_probabilities_sum_to_one_at_any_temperature() -> None:
    z = np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]])
    for told in (None, {"temperature": 0.25}, {"temperature": 20.0, "bias": [1.0, 0.0, -1.0]}):
        assert_allclose(tempered(z, told).sum(axis=-1), 1.0)
