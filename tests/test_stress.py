"""Stress from a wristband: its measures, forests as arrays, ranks, and the runner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import signals
from moodal.core.bundle import Bundle
from moodal.core.clock import Span
from moodal.core.runner import Example, open_runner
from moodal.dsp.normal import normal_quantile, normal_scores
from moodal.dsp.trees import forest
from moodal.extract.body import expert, wrist
from moodal.media.whole import Even, of_events

RATES = {"ppg": 64.0, "hr": 1.0, "ibi": 8.0, "eda": 4.0, "temp": 4.0, "acc": 32.0}
ABOUT = dict(zip(expert.NAMES, range(len(expert.NAMES)), strict=True))


def column(kind: str, seconds: float) -> np.ndarray:
    if kind == "hr":
        return np.full((round(seconds), 1), 66.0)
    if kind == "ibi":
        beats = signals.beats(seconds)
        return of_events(beats[1:], np.diff(beats), seconds).values
    x = getattr(signals, kind)(seconds)
    return x.reshape(len(x), -1)


def test_measures_find_what_was_put_in() -> None:
    told = wrist.measures({k: (column(k, 60), RATES[k]) for k in wrist.KINDS})
    values = {f"{k}.{n}": v for k, m in told.items() for n, v in zip(wrist.FIELDS[k], m, strict=True)}
    assert values["ppg.hr"] == pytest.approx(66, abs=1.5)
    assert values["hr.hr"] == 66
    assert values["hr.sd"] == 0
    assert values["ibi.hr"] == pytest.approx(66, abs=1)
    assert values["ibi.share"] == pytest.approx(1, abs=0.03)
    assert 0.2 < values["ppg.breath_hz"] < 0.32  # intervals swing at 0.25 Hz
    assert values["eda.scr_rate"] == pytest.approx(3, abs=1)
    assert np.exp(values["eda.log_level"]) == pytest.approx(5, abs=0.4)
    assert values["temp.slope"] == pytest.approx(0.3, abs=0.02)
    assert values["acc.still"] == pytest.approx(55 / 60, abs=0.02)
    quick = wrist.part("ppg", signals.ppg(60, times=signals.beats(60, rate=90))[:, None], 64.0)
    assert quick[0] == pytest.approx(90, abs=2)


@pytest.mark.parametrize(
    ("kind", "x", "reason"),
    [
        ("ppg", np.zeros((3840, 1)), "flat"),
        ("ppg", np.full((3840, 1), np.nan), "not_finite"),
        ("eda", np.full((240, 1), 0.001), "no_contact"),
        ("eda", np.full((240, 1), 2.0), "flat"),
        ("temp", np.full((240, 1), 3.0), "out_of_range"),
        ("temp", np.full((240, 1), 80.0), "out_of_range"),
        ("acc", np.zeros((1920, 3)), "flat"),
        ("hr", np.zeros((60, 1)), "artefact"),
        ("eda", np.zeros((0, 1)), "no_stream"),
    ],
)
def test_what_holds_nothing_has_a_reason(kind: str, x: np.ndarray, reason: str) -> None:
    assert wrist.part(kind, x, RATES[kind]) == reason


def test_normal_scores_are_ranks() -> None:
    p = np.linspace(1e-4, 1 - 1e-4, 999)
    stats = pytest.importorskip("scipy.stats")
    assert_allclose(normal_quantile(p), stats.norm.ppf(p), atol=1e-8)
    x = np.random.default_rng(0).standard_normal((101, 2))
    x[:97, 1] = np.nan
    scores = normal_scores(x, x)
    assert scores[np.argsort(x[:, 0])[50], 0] == pytest.approx(0, abs=1e-9)
    assert np.isnan(scores[:, 1]).all()  # four values tell no rank
    assert_allclose(normal_scores(np.exp(3 * x), np.exp(3 * x))[:, 0], scores[:, 0])


def test_a_forest_in_arrays_tells_what_scikit_learn_tells() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    from moodal.lab.experts.stress import _as_arrays

    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 6)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = ensemble.ExtraTreesClassifier(20, min_samples_leaf=5, random_state=0, class_weight="balanced").fit(x, y)
    arrays = _as_arrays(model)
    assert_allclose(forest(x, *arrays.values()), model.predict_proba(x)[:, 1], atol=1e-6)
    assert_allclose(forest(x[:1], *arrays.values()), forest(x, *arrays.values())[:1])


def test_cuts_keep_their_length_and_know_what_is_missing() -> None:
    even = Even(np.arange(40.0)[:, None], 4.0, 2.0)
    assert even.end_s == 12.0
    assert even.cut(2.0, 4.0)[:, 0].tolist() == list(range(8))
    assert np.isnan(even.cut(0, 3)).sum() == 8
    assert len(even.cut(0, 3)) == 12
    assert np.isnan(even.cut(11.5, 13.5)).sum() == 6
    assert np.isnan(even.cut(50, 51)).all()
    assert len(even.cut(50, 51)) == 4


# ---- the runner, on a bundle made up here --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle in which movement is stress: over the past, among one's own, or as such."""
    f = len(expert.NAMES)
    arrays: dict[str, np.ndarray] = {}
    now = wrist.measures({k: (column(k, 60), RATES[k]) for k in wrist.KINDS})
    arrays["typical"] = np.concatenate([now[k] for k in wrist.KINDS])
    arrays["scale"] = np.ones(f)
    for mode in expert.MODES:
        head = np.zeros((2 if mode == "baseline" else 1) * f + 1)
        head[ABOUT["acc.log_mad"]] = 2.0
        arrays[f"linear_{mode}"] = head
        arrays |= {
            f"forest_{mode}_feature": np.full((1, 1), -1, np.int16),
            f"forest_{mode}_threshold": np.zeros((1, 1), np.float32),
            f"forest_{mode}_left": np.zeros((1, 1), np.int16),
            f"forest_{mode}_right": np.zeros((1, 1), np.int16),
            f"forest_{mode}_value": np.full((1, 1), 0.5, np.float32),
        }
    heat = {m: {"all": 1.0, "heart+eda": 1.0, "few": 1.0} for m in expert.MODES}
    manifest = {
        "name": "stress-tiny", "version": "1", "kind": "expert", "licence": "made up", "commercial": True,
        "data_terms": "none", "inputs": list(wrist.KINDS), "scheme": "stress2", "runner": "wristband", "heat": heat,
        "farthest": 4.0, "level": 0.0, "calibration": {"temperature": 1.0, "label_sets": {"least": 0.3}},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("bundles") / "stress-tiny.bundle"
    Bundle.write(path, manifest, "# made up", arrays)
    return path


def wristband(folder: Path, *, without: tuple[str, ...] = (), seconds: int = 600, moved: tuple[int, int] = (300, 360),
              flat: bool = False) -> Path:  # fmt: skip
    """An E4 session; shaken from ``moved[0]`` to ``moved[1]`` s."""
    folder.mkdir(parents=True, exist_ok=True)
    beats = signals.beats(seconds)
    if "ibi" not in without and not flat:
        rows = [f"{t:.5f},{x:.5f}" for t, x in zip(beats[1:], np.diff(beats), strict=True)]
        (folder / "IBI.csv").write_text("\n".join(["1644226061.000000, IBI", *rows]) + "\n")
    for kind, name in (("ppg", "BVP"), ("hr", "HR"), ("eda", "EDA"), ("temp", "TEMP"), ("acc", "ACC")):
        if kind in without:
            continue
        x, rate = column(kind, seconds), RATES[kind]
        if kind == "temp":
            x = np.minimum(x, 33)
        if kind == "acc":
            x = np.tile(np.array([38.0, 0, 51]), (len(x), 1)) + np.random.default_rng(0).normal(size=x.shape)
            t = np.arange(len(x)) / rate
            x[(t >= moved[0]) & (t < moved[1])] += 30 * np.sin(20 * t[(t >= moved[0]) & (t < moved[1]), None])
            x = np.round(x)
        if flat:
            x = np.zeros_like(x)
        head = [",".join(["1644226061.000000"] * x.shape[1]), ",".join([f"{rate:.6f}"] * x.shape[1])]
        rows = [",".join(f"{v:.5f}" for v in row) for row in x]
        (folder / f"{name}.csv").write_text("\n".join([*head, *rows]) + "\n")
    return folder


def test_what_moves_more_than_before_is_told_and_the_future_does_not_count(made_up: Path, tmp_path: Path) -> None:
    runner = open_runner(Bundle.open(made_up))
    late = wristband(tmp_path / "a", moved=(300, 600))
    soon = wristband(tmp_path / "b", moved=(300, 360))
    calm = runner.read(Example(late, start_s=180, end_s=240))
    shaken = runner.read(Example(late, start_s=300, end_s=360))
    assert runner.tell(calm).scores[1] < 0.6 < 0.85 < runner.tell(shaken).scores[1]
    same = runner.read(Example(soon, start_s=300, end_s=360))
    assert_allclose(np.delete(same, 0, axis=1), np.delete(shaken, 0, axis=1))
    neutral = [runner.read(Example(late, start_s=60, end_s=120)), calm]
    assert runner.tell(shaken, neutral=neutral).scores[1] > 0.85
    own = [runner.read(Example(soon, start_s=60.0 * k, end_s=60.0 * k + 60)) for k in range(10)]
    told = [runner.tell(e, own).scores[1] for e in own]
    assert int(np.argmax(told)) == 5
    assert_allclose(runner.tell(own[5], own[::-1]).scores, runner.tell(own[5], own).scores)


@pytest.mark.parametrize(
    "without", [("ppg", "hr", "ibi"), ("eda",), ("acc",), ("ppg", "hr", "ibi", "temp", "acc"), ("hr", "ibi")]
)
def test_any_subset_runs(made_up: Path, tmp_path: Path, without: tuple[str, ...]) -> None:
    runner = open_runner(Bundle.open(made_up))
    found = runner.read(Example(wristband(tmp_path / "some", without=without, seconds=240), start_s=180, end_s=240))
    told = runner.tell(found)
    assert told.scores.sum() == pytest.approx(1)
    assert not told.withheld
    names = np.array([n.split(".")[0] in without for n in expert.NAMES])
    assert np.isnan(found[0, 3 : 3 + len(names)][names]).all()


def test_nothing_is_withheld_with_a_reason(made_up: Path, tmp_path: Path) -> None:
    runner = open_runner(Bundle.open(made_up))
    dead = wristband(tmp_path / "dead", seconds=120, flat=True)
    assert runner.read(Example(dead, start_s=0, end_s=60)) in ("flat", "no_contact", "out_of_range")
    assert runner.read(Example(dead, start_s=0, end_s=10)) == "too_short"
    fine = wristband(tmp_path / "fine", seconds=120)
    assert runner.read(Example(fine, start_s=500, end_s=560)) in ("no_stream", "not_finite")
    odd = np.asarray(runner.read(Example(fine, start_s=30, end_s=90))).copy()
    odd[:, 3 : 3 + len(expert.NAMES)] += 50
    assert runner.tell(odd).withheld == "out_of_domain"


def test_the_track_covers_the_session(made_up: Path, tmp_path: Path) -> None:
    from moodal import media

    runner = open_runner(Bundle.open(made_up))
    recording = media.read(wristband(tmp_path / "a"))
    found = expert.track(recording, runner, Span(0, 600))  # type: ignore[arg-type]
    assert found is not None
    told = found["body"]
    assert told.gaps[0].reason == "warm_up"
    assert told.gaps[0].start == 0
    assert told.times[-1] + 30 == 600
    after = told.times >= told.gaps[-1].end
    assert after.all()
    assert (np.diff(told.times) == 30).all()
    assert told.times[int(np.argmax(told["stress"]))] in (300, 330)
    calm = expert.track(recording, runner, Span(0, 600), baseline=Span(0, 120))  # type: ignore[arg-type]
    assert calm is not None
    assert calm["body"].times[0] == 30


@pytest.mark.slow
def test_the_recipe_makes_the_bundle_again(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from moodal.core import registry
    from moodal.lab.experts.make import make
    from moodal.lab.experts.recipe import load

    known = registry.bundles().get("stress")
    if known is None:
        pytest.skip("the bundle stress is not installed")
    fresh = make(load("stress"), tmp_path)[0]
    for name, told in known.manifest["scores"].items():
        low, high = told["interval"]
        assert low <= fresh.manifest["scores"][name]["value"] <= high, name
