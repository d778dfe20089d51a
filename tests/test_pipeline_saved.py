"""A fitted pipeline is kept without a pickle, and says the same of a file and of a stream that comes in pieces."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from moodal.core.errors import InputError, ModelError, UsageError
from moodal.lab.data.raw import Raw, Signal
from moodal.lab.pipeline import Pipeline, keep
from moodal.lab.pipeline.learn import ESTIMATORS, make_estimator
from moodal.lab.pipeline.saved import SavedPipeline, Told
from pipelines import people

pytest.importorskip("sklearn")

CHUNK_S = 1.0


def chain(*before: Callable[[Pipeline], Pipeline]) -> Pipeline:
    p = Pipeline("people").acquire("tests.people", n=4)
    for step in before:
        p = step(p)
    p = p.window(60, hop=30).extract("ecg.hrv", "eda.basic").label(phases={"rest": "rest", "task": "task"})
    return p.select("impute", "scale").estimate("lda", "random-forest").estimate("vote")


@pytest.fixture(scope="module")
def saved() -> SavedPipeline:
    return chain().fit()


@pytest.fixture(scope="module")
def stranger() -> Raw:
    return next(people(None, n=1, seed=9))


def live(saved: SavedPipeline, raw: Raw, estimate: str, seconds: float = CHUNK_S) -> list[Told]:
    """Every stream in pieces of so many seconds."""
    running = saved.live(streams=list(raw.signals), estimate=estimate)
    told = []
    for k in range(round(raw.end_s / seconds)):
        for name, s in raw.signals.items():
            n = round(seconds * float(s.rate_hz or 0))
            told += running.push(name, s.values[k * n : (k + 1) * n], rate_hz=float(s.rate_hz or 0))
    return [*told, *running.close()]


def test_it_is_kept_and_comes_back(saved: SavedPipeline, stranger: Raw, tmp_path: Path) -> None:
    saved.save(tmp_path / "kept")
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == ["fitted.json", "fitted.npz", "pipeline.toml"]
    back = SavedPipeline.load(tmp_path / "kept")
    assert back.pipeline == saved.pipeline
    for name in ("lda", "random-forest", "vote"):
        np.testing.assert_array_equal(
            saved.predict(stranger, estimate=name).scores, back.predict(stranger, estimate=name).scores
        )
    rows = back.predict(stranger, estimate="vote").rows()
    assert [r["start_s"] for r in rows] == [30.0 * k for k in range(7)]
    assert rows[0]["rest"] > 0.5 > rows[-1]["rest"]


@pytest.mark.parametrize("seconds", [1.0, 7.5])
def test_live_is_the_file(saved: SavedPipeline, stranger: Raw, seconds: float) -> None:
    whole = saved.predict(stranger, estimate="vote")
    pieces = live(saved, stranger, "vote", seconds)
    assert [float(p.start_s[0]) for p in pieces] == whole.start_s.tolist()
    np.testing.assert_allclose(np.concatenate([p.scores for p in pieces]), whole.scores, atol=1e-6)


def test_causal_nodes_give_the_same_live() -> None:
    causal = chain(
        lambda p: p.preprocess("band-pass", of=["ecg"], low_hz=0.5, high_hz=30, causal=True),
        lambda p: p.preprocess("clip", of=["eda"], low=0.0, high=60.0),
        lambda p: p.preprocess("decimate", of=["eda"], by=2),
    )
    made = causal.fit()
    raw = next(people(None, n=1, seed=9))
    pieces = live(made, raw, "lda", 1.5)
    whole = made.predict(raw, estimate="lda")
    np.testing.assert_allclose(np.concatenate([p.scores for p in pieces]), whole.scores, atol=1e-6)
    table = made.features(raw)["eda.basic"]
    assert table.shape[0] == 7


def test_nodes_that_need_the_future_are_refused_live_by_name() -> None:
    for before, name in (
        (lambda p: p.preprocess("band-pass", of=["ecg"], low_hz=0.5, high_hz=30), "band-pass"),
        (lambda p: p.preprocess("artefacts"), "artefacts"),
    ):
        made = chain(before).fit()
        with pytest.raises(UsageError, match=f"node {name} needs samples"):
            made.live(streams=["ecg"], estimate="lda")
    p = Pipeline("x").acquire("tests.people", n=3).window(60).extract("eda.basic").label(phases={"rest": 0, "task": 1})
    made = p.select("impute").select("scale", scope="subject-unlabelled").estimate("lda").fit()
    with pytest.raises(UsageError, match="node scale scales by windows"):
        made.live(streams=["eda"])
    whole = Pipeline("x").acquire("tests.people", n=3).extract("eda.basic").label(phases={"rest": 0, "task": 1})
    with pytest.raises(UsageError, match="node window \\(whole\\) needs the whole"):
        whole.select("impute").estimate("lda").fit().live(streams=["eda"])


def test_a_missing_stream_still_predicts_and_is_told(saved: SavedPipeline, stranger: Raw) -> None:
    both, one = (saved.predict(r, estimate="lda") for r in (stranger, stranger.without(["ecg"])))
    assert one.absent == ("ecg.hrv",)
    assert both.absent == ()
    assert not one.withheld.any()
    assert np.abs(one.scores - both.scores).max() > 1e-9  # this far from the boundary little is left to differ
    none = saved.predict(stranger.without(["ecg", "eda"]), estimate="lda")
    assert none.withheld.all()
    assert none.rows()[0]["rest"] is None


def test_live_faults_are_one_line(saved: SavedPipeline) -> None:
    with pytest.raises(UsageError, match="no stream is named"):
        saved.live(estimate="lda")
    running = saved.live(streams=["eda"], estimate="lda")
    with pytest.raises(UsageError, match="'ecg' was not named"):
        running.push("ecg", np.zeros(3), rate_hz=100.0)
    with pytest.raises(UsageError, match="has several estimates"):
        saved.live(streams=["eda"])
    assert running.close() == []


def test_live_memory_does_not_grow(saved: SavedPipeline) -> None:
    running = saved.live(streams=["eda"], estimate="lda")
    rng = np.random.default_rng(0)
    held = []
    for _ in range(20):
        running.push("eda", 3 + 0.1 * rng.normal(size=4 * 60), rate_hz=4.0)
        held.append(len(running._held["eda"].values))
    assert max(held[5:]) <= 4 * 60 + 8


def test_a_shorter_recording_than_a_window_says_so(saved: SavedPipeline) -> None:
    short = Raw("r", "", {"eda": Signal("eda", "eda", np.ones((40, 1)), 4.0)}, (), 0.0, 10.0)
    with pytest.raises(InputError, match=r"longest lasts 10\.0 s"):
        saved.predict(short, estimate="lda")


def test_files_are_read_as_they_are(saved: SavedPipeline, stranger: Raw, tmp_path: Path) -> None:
    s = stranger.signals["eda"]
    lines = ["time_s,eda_uS", *(f"{i / 4:.2f},{v:.6f}" for i, v in enumerate(s.values[:, 0]))]
    (tmp_path / "night.csv").write_text("\n".join([*lines, ""]))
    told = saved.predict(tmp_path / "night.csv", estimate="lda")
    assert told.absent == ("ecg.hrv",)
    assert len(told.scores) == 7


# ---- without a pickle


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("kind", ["class", "continuous"])
def test_every_estimator_is_kept_without_a_pickle(name: str, kind: str) -> None:
    from moodal.lab.pipeline.graph import Node

    if kind == "continuous" and not ESTIMATORS[name][1]:
        pytest.skip("it learns no numbers")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    y = (x[:, 0] + 0.1 * rng.normal(size=60) > 0).astype(int) if kind == "class" else x[:, 0] + x[:, 1]
    settings = {"max_iter": 300} if name in ("mlp", "hist-gradient-boosting") else {}
    made = make_estimator(Node("e", "estimate", name, (), settings), kind, 0).fit(x, y)
    arrays: keep.Arrays = {}
    told = json.loads(json.dumps(keep.write(made, arrays)))
    assert all(a.dtype != object for a in arrays.values())
    np.testing.assert_array_equal(keep.read(told, arrays).predict(x), made.predict(x))


def test_only_classes_of_scikit_learn_are_made() -> None:
    for name in (
        "os:system",
        "subprocess:Popen",
        "numpy:memmap",
        "moodal.core.errors:MoodalError",
        "sklearn:no",
        "sklearn.utils:Bunch",
    ):
        with pytest.raises(ModelError):
            keep.read({"object": name, "made": [], "state": None}, {})
    with pytest.raises(UsageError, match="cannot be saved without a pickle"):
        keep.write(Path("."), {})


def test_damaged_folders_are_one_line(saved: SavedPipeline, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no saved pipeline"):
        SavedPipeline.load(tmp_path)
    saved.save(tmp_path / "kept")
    (tmp_path / "kept" / "fitted.npz").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(ModelError, match="is no saved pipeline"):
        SavedPipeline.load(tmp_path / "kept")
    saved.save(tmp_path / "kept")
    (tmp_path / "kept" / "fitted.json").write_text('{"chains": {"lda": {}}, "fields": {}}')
    with pytest.raises(ModelError, match="is no saved pipeline"):
        SavedPipeline.load(tmp_path / "kept")


def test_a_lambda_cannot_be_saved_and_leaves_nothing(tmp_path: Path) -> None:
    p = Pipeline("x").acquire("tests.people", n=3).window(60).extract(lambda w: {"end": w.end_s})
    made = p.label(phases={"rest": 0, "task": 1}).estimate("lda").fit()
    with pytest.raises(UsageError, match="cannot be written to TOML"):
        made.save(tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []
