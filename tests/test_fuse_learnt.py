"""Fusion with learnt weights: one expert passes through, subsets have weights of their own, values keep intervals."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from moodal.core.bundle import Bundle
from moodal.core.mood import label_sets, least_of
from moodal.core.scheme import CIRCUMPLEX, scheme
from moodal.fuse.grid import Cells
from moodal.fuse.late import FIELDS
from moodal.fuse.learnt import LearntLate, log_scores, subset_name

CLASSES = scheme("ekman8").classes
HEARD = ("face", "voice", "words")


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> LearntLate:
    one = {"weight": 1.0, "bias": [0.0] * 8}
    subsets = {
        subset_name(s): {"weight": dict.fromkeys(s, one["weight"] if k == 1 else 0.7), "bias": one["bias"]}
        for k in (1, 2, 3)
        for s in combinations(HEARD, k)
    }
    manifest: dict[str, Any] = {
        "name": "late-toy", "version": "1", "kind": "fusion", "licence": "", "commercial": True, "data_terms": "",
        "inputs": [], "scheme": "ekman8", "calibration": {"label_sets": {"least": 0.2}}, "subsets": subsets,
        "prior": dict.fromkeys(CLASSES, 1 / 8), "never": {"voice": {"contempt": 0.125}},
        "measured": {"valence": ["words"]},
        "support_weight": {"voice": 0.3, "body": 0.4}, "body_scale": {}, "smoothing_s": dict.fromkeys(FIELDS, 0.0),
        "half_width": {"valence": {"unknown": 0.9, "face": 0.4, "voice": 0.5, "words": 0.2},
                       "arousal": {"unknown": 0.9, "face": 0.6, "voice": 0.45, "words": 0.8, "body": 0.6}},
    }  # fmt: skip
    path: Path = tmp_path_factory.mktemp("late") / "late-toy.bundle"
    Bundle.write(path, manifest, "# late-toy")
    return LearntLate(Bundle.open(path))


def cells(modality: str, scores: Any = None, quality: float = 1.0, n: int = 3, **values: float) -> Cells:
    fields = FIELDS[modality]
    told = np.full((n, len(fields)), np.nan)
    if scores is not None:
        told[:, : len(CLASSES)] = scores
    for name, value in values.items():
        told[:, fields.index(name)] = value
    return Cells(told, np.full(n, quality), np.ones(n, bool))


SURE = np.array([0.05, 0.6, 0.05, 0.05, 0.05, 0.1, 0.05, 0.05])
ANGRY = np.array([0.1, 0.05, 0.05, 0.1, 0.55, 0.05, 0.05, 0.05])


def test_one_expert_passes_through(late: LearntLate) -> None:
    for m in ("face", "words"):
        assert_allclose(late.fuse({m: cells(m, SURE)}).classes, np.tile(SURE, (3, 1)), atol=1e-12)


def test_low_quality_draws_towards_the_prior_and_none_reaches_it(late: LearntLate) -> None:
    top = [late.fuse({"face": cells("face", SURE, q)}).classes[0, 1] for q in (1.0, 0.5, 0.1)]
    assert top[0] > top[1] > top[2] > 1 / 8


def test_two_that_agree_are_surer_and_two_that_differ_are_less_sure(late: LearntLate) -> None:
    agree = late.fuse({"face": cells("face", SURE), "voice": cells("voice", SURE)}).classes[0]
    differ = late.fuse({"face": cells("face", SURE), "voice": cells("voice", ANGRY)}).classes[0]
    assert agree[1] > SURE[1]
    assert differ.max() < SURE[1]


def test_a_voice_without_classes_tells_arousal_alone(late: LearntLate) -> None:
    quiet = cells("voice", None, arousal=0.4, arousal_half_width=0.5)
    fused = late.fuse({"face": cells("face", SURE), "voice": quiet})
    alone = late.fuse({"face": cells("face", SURE)})
    assert_allclose(fused.classes, alone.classes)
    assert fused.support["voice"][0] > 0
    lonely = late.fuse({"voice": quiet})
    assert np.isnan(lonely.classes).all()
    assert_allclose(lonely.arousal[:, 0], 0.4)
    assert lonely.support["voice"][0] == 1


def test_a_class_that_an_expert_never_tells_is_not_spoken_against(late: LearntLate) -> None:
    never = np.array([0.3, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.0])
    told = np.exp(log_scores(never[None], np.array([0.0] * 7 + [0.125])))[0]
    assert told[-1] == pytest.approx(0.125)
    assert told.sum() == pytest.approx(1)
    scornful = np.array([0.05] * 7 + [0.65])
    fused = late.fuse({"face": cells("face", scornful), "voice": cells("voice", never)}).classes[0]
    assert fused.argmax() == 7


def test_values_of_a_checked_model_alone_keep_its_interval(late: LearntLate) -> None:
    told = {"valence": 0.3, "valence_half_width": 0.25, "arousal": 0.1, "arousal_half_width": 0.3}
    alone = late.fuse({"words": cells("words", SURE, **told)})
    assert_allclose(alone.valence[0], [0.3, 0.05, 0.55])
    both = late.fuse({"words": cells("words", SURE, **told), "face": cells("face", SURE)})
    assert both.valence[0, 0] != pytest.approx(0.3)
    assert late.measured("valence") == {"words"}
    assert late.measured("arousal") == frozenset()


def test_the_voice_tells_valence_by_the_table(late: LearntLate) -> None:
    fused = late.fuse({"voice": cells("voice", SURE, arousal=0.0, arousal_half_width=0.5)})
    expected = sum(p * CIRCUMPLEX[c][0] for p, c in zip(SURE, CLASSES, strict=True))
    assert fused.valence[0, 0] == pytest.approx(expected)


def test_cells_are_fused_for_themselves(late: LearntLate) -> None:
    rng = np.random.default_rng(0)
    parts = {m: cells(m, rng.dirichlet(np.ones(8), 50), n=50) for m in HEARD}
    for i, m in enumerate(HEARD):  # subsets of every kind among the cells
        gone = rng.random(50) < 0.3 + 0.1 * i
        parts[m] = parts[m].only(~gone)
    whole = late.fuse(parts).classes
    each = [late.fuse({m: c.part(slice(i, i + 1)) for m, c in parts.items()}).classes[0] for i in range(50)]
    assert np.array_equal(whole, np.array(each), equal_nan=True)
    order = dict(reversed(list(parts.items())))
    assert np.array_equal(whole, late.fuse(order).classes, equal_nan=True)


def test_label_sets_follow_the_calibrated_rule(late: LearntLate) -> None:
    assert late.calibrated
    assert late.label_rule == {"least": 0.2}


def test_each_subset_has_the_threshold_that_was_found_for_it(late: LearntLate) -> None:
    rule = {"least": 0.1, "level": 0.9, "by_subset": {s: {"0.9": round(0.1 + 0.05 * i, 2)} for i, s in enumerate(
        late.bundle.manifest["subsets"])}}  # fmt: skip
    told = LearntLate(Bundle(late.bundle.path, {**late.bundle.manifest, "calibration": {"label_sets": rule}}))
    by = {s: one["0.9"] for s, one in rule["by_subset"].items()}
    seen = np.array([True, False, True, False])
    evidence = {"face": cells("face", SURE, n=4).only(seen), "voice": cells("voice", SURE, n=4),
                "words": cells("words", SURE, n=4).only(np.array([True, True, False, False]))}  # fmt: skip
    least = told.least(evidence)
    assert least is not None
    assert_allclose(least, [by["face+voice+words"], by["voice+words"], by["face+voice"], by["voice"]])
    # Where the voice tells arousal alone, the cell rests on the face alone; where nothing tells a class, on no subset.
    quiet = cells("voice", None, arousal=0.4, arousal_half_width=0.5)
    assert_allclose(told.least({"face": cells("face", SURE), "voice": quiet}), by["face"])
    assert_allclose(told.least({"voice": quiet}), 0.1)
    assert late.least(evidence) is None
    # Of a mean over cells that rest on different subsets, the most cautious counts.
    assert least_of(rule, ("face", "body")) == by["face"]
    assert least_of(rule, ("face", "voice")) == min(by[s] for s in ("face", "voice", "face+voice"))
    assert least_of(rule, ()) == 0.1
    assert least_of({"least": 0.2}, ("face",)) == 0.2


def test_label_sets_take_a_threshold_of_each_row() -> None:
    scores = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    told = label_sets(scores, {"least": 0.05}, np.array([0.25, 0.5, 0.9]))
    assert told.tolist() == [[True, True, False], [True, False, False], [False, True, False]]
