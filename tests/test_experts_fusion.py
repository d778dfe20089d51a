"""Learning to fuse: dependent experts deserve less, made-up pairs flatter, a width is found again."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from moodal.dsp.calibration import softmax
from moodal.lab.experts.fusion.loglinear import apply, fit, out_of_fold
from moodal.lab.experts.fusion.pairs import Pool, paired
from moodal.lab.experts.fusion.smoothing import LEFT_OUT_S, width


def experts(n: int, shared: float, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two experts of four classes whose log scores are right for what each has, with that share of noise in common."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    common, own = rng.normal(size=(n, 4)), rng.normal(size=(2, n, 4))
    logs = {}
    for k, m in enumerate(("face", "voice")):
        z = 2.0 * np.eye(4)[y] + np.sqrt(2.0) * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own[k])
        logs[m] = np.log(softmax(z))
    return logs, y


def test_independent_experts_are_added_and_twins_are_averaged() -> None:
    logs, y = experts(6000, 0.0)
    assert list(fit(logs, np.eye(4)[y]).weight.values()) == pytest.approx([1.0, 1.0], abs=0.12)
    logs, y = experts(6000, 1.0)
    assert sum(fit(logs, np.eye(4)[y]).weight.values()) == pytest.approx(1.0, abs=0.15)


def test_a_lone_expert_passes_through() -> None:
    logs, y = experts(50, 0.0)
    one = fit({"face": logs["face"]}, np.eye(4)[y])
    assert np.array_equal(apply(one, {"face": logs["face"]}), logs["face"])


def test_weights_of_a_row_never_come_from_its_own_group() -> None:
    logs, y = experts(400, 0.3)
    group = np.repeat(np.arange(20), 20).astype(str)
    told = out_of_fold(logs, np.eye(4)[y], group)
    # The labels of one group change nothing that is told of it.
    here = group == "7"
    other = y.copy()
    other[here] = (y[here] + 1) % 4
    assert np.array_equal(out_of_fold(logs, np.eye(4)[other], group)[here], told[here])


def test_made_up_pairs_flatter_and_keep_people_apart() -> None:
    logs, y = experts(4000, 0.8)
    who = (np.arange(4000) // 40).astype(str)
    pools = {m: Pool(z, y, who) for m, z in logs.items()}
    told, truth, group = paired(pools, 4000, 4)
    assert len(set(group)) == 10
    made_up, real = fit(told, truth), fit(logs, np.eye(4)[y])
    assert np.mean(list(made_up.weight.values())) > np.mean(list(real.weight.values())) + 0.2
    again, _, _ = paired(pools, 4000, 4)
    assert all(np.array_equal(told[m], again[m]) for m in told)


def test_the_width_follows_how_fast_faces_change() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(0, 60, 0.04)

    def film(period: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
        share = 0.5 + 0.45 * np.sin(2 * np.pi * times / period)
        z = np.stack([np.log(share), np.log(1 - share)], axis=1) + noise * rng.normal(size=(len(times), 2))
        return times, softmax(z)

    fast, losses = width([film(1.5, 0.1)])
    assert losses[0.05] < losses[2.0]
    noisy, wide = width([film(40.0, 1.5), film(30.0, 1.5), film(50.0, 1.5)])
    assert wide[0.4] < wide[0.05]
    assert fast < noisy <= LEFT_OUT_S


def test_made_up_pairs_borrow_the_caution_of_what_was_recorded() -> None:
    from moodal.core.scheme import EKMAN8
    from moodal.lab.experts.fusion import _Learnt
    from moodal.lab.experts.fusion.loglinear import Weights
    from moodal.lab.experts.made import OutOfFold

    rng = np.random.default_rng(3)
    y = rng.integers(0, 8, 300)

    def part(sure: float) -> OutOfFold:
        z = sure * np.eye(8)[y] + rng.normal(size=(300, 8))
        return OutOfFold(z, y, np.arange(300).astype(str), EKMAN8, "uar", "toy")

    learnt = _Learnt()
    for subset, sure, made_up in (("face", 3.0, False), ("words", 2.0, False), ("face+words", 9.0, True)):
        learnt.add(subset, Weights({}, np.zeros(8)), part(sure), subset, made_up=made_up)
    assert learnt.least["face+words"]["0.9"] > learnt.least["face"]["0.9"] > learnt.least["words"]["0.9"]
    told = learnt.cautious()
    assert told["face+words"] == learnt.least["words"]
    assert told["face"] == learnt.least["face"]
