"""Makes ``stress``: whether a stressor acts, from a minute of a wristband's signals, trained on Stress-Predict.

Causal: compared with the session's past. Baseline: that, ranks among the person's own windows, and what is around each
in time. Alone: nothing is known of person and session. Each has a linear head and a forest; both are trained with
signals hidden at random, so that any subset runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import STRESS2
from moodal.extract.body.expert import MODES, NAMES, WIDTH, Session, among_own, in_context, of_past, trees_log_odds
from moodal.extract.body.wrist import KINDS
from moodal.lab.data.sets import stress_predict
from moodal.media.whole import Even

from .heat import cooled, temperature
from .linear import folded, predicted
from .made import Made, OutOfFold
from .work import Work

__all__ = ["Settings", "make"]

Array = npt.NDArray[Any]
_F = len(NAMES)
_LOSO = "Stress-Predict leave one subject out"
_NAMES = {"causal": _LOSO, "baseline": f"{_LOSO}, baseline mode", "alone": f"{_LOSO}, nothing known of the session"}
_REACH = {"causal": 0.72, "baseline": 0.80, "alone": None}
#: What is hidden when a subset is tried: name → kinds that stay.
SUBSETS: dict[str, tuple[str, ...]] = {
    "without what the device computes": ("ppg", "eda", "temp", "acc"),
    "without acceleration": ("ppg", "hr", "ibi", "eda", "temp"),
    "without skin conductance": ("ppg", "hr", "ibi", "temp", "acc"),
    "without temperature": ("ppg", "hr", "ibi", "eda", "acc"),
    "heart and skin": ("ppg", "hr", "ibi", "eda"),
    "heart alone": ("ppg", "hr", "ibi"),
    "skin conductance alone": ("eda",),
}
_TRIED = {"all": KINDS, "heart+eda": ("ppg", "hr", "ibi", "eda"), "few": ("ppg", "hr", "ibi")}
#: From the first task to the last, s: where time says least of the label.
_MIDDLE = (500.0, 2300.0)
#: Log odds of one head are no larger; as in the runner.
_MOST = 4.0
ABOUT = """\
Tells whether a stressor acts (Stress-Predict: Stroop test, interview, hyperventilation against baseline, rest and
questionnaires) from the last minute of a wristband: pulse, skin conductance, skin temperature, movement. Its two states
count as equally likely beforehand: where stress is rare, fewer alarms are true than its probabilities say.

The set's sessions have a fixed order, so the time in the session alone tells the label better than any of these
signals (the row "time alone"); no model here is told the time, but what drifts over a session may tell of it. Movement
is a cue as well: people move otherwise at a keyboard than at rest. Read the rows of the middle of the session and of
subsets beside the quoted one. Hyperventilation, which the authors count as stress, is told worst.

Baseline mode ranks a window among all of a person's own and brings their mean log odds to one level: it assumes that
both states occur in what it is given, about as often as here (a third of the windows). Given a day in which nothing
happens, or nothing but stress, it still calls the upper windows stress and the lower ones none."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``c``: inverse strength of the linear heads' penalty. ``trees``, ``leaf``, ``features``: size of the forest,
    least rows of a leaf, share of features tried at a split. ``hidden``: chance of a signal to be hidden in the second
    copy of each training row. ``far``: share of held-out windows that count as what was trained on."""

    c: float = 0.01
    trees: int = 80
    leaf: int = 12
    features: float = 0.25
    hidden: float = 0.35
    far: float = 0.995


@dataclass(frozen=True)
class _Rows:
    """Windows every 30 s ``(n, WIDTH)``; ``scored (n,)`` marks those end to end, which alone are scored and are a
    person's own."""

    rows: Array
    truth: Array
    task: Array
    subject: Array
    scored: Array


def make(settings: Settings, work: Work) -> Made:
    """The bundle and the predictions of people left out."""
    data = work.data("stress-predict", window_s=60.0, hop_s=30.0)
    plain = work.data("stress-predict", window_s=60.0)
    index = data.index
    kept = work.kept("rows", lambda: {"rows": _measured(work, index)}, data.fingerprint())
    ends = {(s, float(t)) for s, t in zip(plain.index["subject"], plain.index["start_s"], strict=True)}
    rows = _Rows(
        kept["rows"], index.label("stress").values, index.label("task").values, np.asarray(index["subject"], str),
        np.array([(s, float(t)) in ends for s, t in zip(index["subject"], index["start_s"], strict=True)]),
    )  # fmt: skip
    out: dict[str, Array] = {}
    for k, mode in enumerate(MODES):
        work.progress(f"people left out, {mode}", 0.1 + 0.2 * k)
        left_out = partial(_left_out, rows, settings, mode, work.seed)
        told = work.kept(f"out-of-fold {mode}", left_out, data.fingerprint(), settings)
        out |= {f"{mode} {name}": a for name, a in told.items()}
    for name in ("all", *SUBSETS):
        out[f"baseline {name}"] = out[f"baseline {name}"] + out[f"causal {name}"]
    level = round(float(out["baseline all"][rows.scored].mean()), 5)
    for name in ("all", *SUBSETS):
        out[f"baseline {name}"] = _in_context(out[f"baseline {name}"], rows, level)
    work.progress("time alone", 0.8)
    rivals = work.kept("rivals", lambda: _rivals(rows), data.fingerprint(), settings)
    work.progress("the final model", 0.9)
    heat = _heat(out, rows)
    typical, scale = _population(rows, np.ones(len(rows.truth), bool))
    arrays = {"typical": typical, "scale": scale}
    for mode in MODES:
        x = _features(rows, mode, typical, scale)
        head, trees = _fit(x, rows, np.ones(len(x), bool), settings, work.seed)
        arrays[f"linear_{mode}"] = head.astype(np.float32)
        arrays |= {f"forest_{mode}_{part}": a for part, a in trees.items()}
    manifest = {
        "runner": "wristband",
        "scheme": "stress2",
        "inputs": list(KINDS),
        "window_s": 60.0,
        "measures": list(NAMES),
        "heat": heat,
        "level": level,
        "farthest": round(float(np.quantile(out["alone far"], settings.far)), 5),
        "prior": {"stress": 0.5},
    }
    scored = rows.scored
    return Made(
        "stress", _parts(out, rows, heat), manifest, ABOUT, trained_on=[index],
        calibrate_on=[_NAMES["causal"], _NAMES["baseline"]], scaling="power", arrays=arrays,
        rivals={n: _part(v[scored], rows, scored, n) for n, v in rivals.items()},
    )  # fmt: skip


def _measured(work: Work, index: Any) -> Array:
    """Rows of evidence in the order of the index, by the functions that read a user's file."""
    out = np.full((len(index), WIDTH), np.nan)
    subject = np.asarray(index["subject"], str)
    for k, (who, streams, _) in enumerate(stress_predict.sessions(work.root)):
        some = {
            kind: Even(np.asarray(c.values, np.float64) * c.scale, c.rate_hz, c.start_s)
            for kind, c in streams.items() if kind in KINDS
        }  # fmt: skip
        session = Session(some, float(k))
        for i in np.flatnonzero(subject == who):
            row = session.row(float(index["start_s"][i]), float(index["end_s"][i]))
            if not isinstance(row, str):
                out[i] = row.astype(np.float32)
    return out


def _population(rows: _Rows, use: Array) -> tuple[Array, Array]:
    """What is typical of people, and how far windows of one person lie apart."""
    now = rows.rows[:, 3 : 3 + _F]
    people = [now[use & (rows.subject == who)] for who in np.unique(rows.subject[use])]
    typical = np.nanmean([np.nanmean(p, axis=0) for p in people], axis=0)
    scale = np.nanmean([np.nanstd(p, axis=0) for p in people], axis=0)
    return typical, np.maximum(scale, 1e-6)


def _features(rows: _Rows, mode: str, typical: Array, scale: Array) -> Array:
    if mode == "alone":
        return np.clip(np.nan_to_num((rows.rows[:, 3 : 3 + _F] - typical) / scale), -_MOST, _MOST)
    if mode == "causal":
        return of_past(rows.rows, scale)
    out = np.zeros((len(rows.truth), 2 * _F))
    for who in np.unique(rows.subject):
        here = rows.subject == who
        out[here] = among_own(rows.rows[here], rows.rows[here & rows.scored])
    return out


def _columns(kinds: tuple[str, ...], width: int) -> Array:
    """Which columns of features ``(width,)`` come of those kinds."""
    mine = np.array([n.split(".")[0] in kinds for n in NAMES])
    return np.tile(mine, width // _F)


def _fit(x: Array, rows: _Rows, use: Array, settings: Settings, seed: int) -> tuple[Array, dict[str, Array]]:
    """A linear head and a forest of the rows in ``use``, each twice: as it is, and with signals hidden."""
    from sklearn.ensemble import ExtraTreesClassifier

    rng = np.random.default_rng(seed)
    some, truth = x[use], rows.truth[use]
    second = some.copy()
    for kind in KINDS:
        away = rng.random(len(second)) < settings.hidden
        second[np.ix_(away, _columns((kind,), x.shape[1]))] = 0.0
    both, labels = np.concatenate([some, second]), np.concatenate([truth, truth])
    head = folded(both, labels, settings.c)
    trees = ExtraTreesClassifier(
        settings.trees, min_samples_leaf=settings.leaf, max_features=settings.features, class_weight="balanced",
        random_state=seed,
    ).fit(both.astype(np.float32), labels)  # fmt: skip
    return head, _as_arrays(trees)


def _as_arrays(model: Any) -> dict[str, Array]:
    """A fitted forest as arrays ``(trees, nodes)``: see `moodal.dsp.trees`."""
    trees = [e.tree_ for e in model.estimators_]
    n = max(t.node_count for t in trees)
    out = {
        "feature": np.full((len(trees), n), -1, np.int16), "threshold": np.zeros((len(trees), n), np.float32),
        "left": np.zeros((len(trees), n), np.int16), "right": np.zeros((len(trees), n), np.int16),
        "value": np.zeros((len(trees), n), np.float32),
    }  # fmt: skip
    for k, t in enumerate(trees):
        m, leaf = t.node_count, t.children_left < 0
        share = t.value[:, 0, 1] / t.value[:, 0].sum(axis=1)
        out["feature"][k, :m] = np.where(leaf, -1, t.feature)
        # Rounded down, so that what scikit-learn sends left by its float64 goes left.
        low = t.threshold.astype(np.float32)
        out["threshold"][k, :m] = np.where(leaf, 0, np.where(low > t.threshold, np.nextafter(low, -np.inf), low))
        out["left"][k, :m], out["right"][k, :m] = np.maximum(t.children_left, 0), np.maximum(t.children_right, 0)
        out["value"][k, :m] = np.where(leaf, share, 0)
    return out


def _log_odds(x: Array, head: Array, trees: dict[str, Array]) -> Array:
    parts = tuple(trees[p] for p in ("feature", "threshold", "left", "right", "value"))
    return (np.clip(predicted(x, head.astype(np.float32)), -_MOST, _MOST) + trees_log_odds(x, parts)) / 2


def _left_out(rows: _Rows, settings: Settings, mode: str, seed: int) -> dict[str, Array]:
    """Log odds of each window by models that never saw its person, whole and with signals hidden."""
    n = len(rows.truth)
    tried = {"all": KINDS, **SUBSETS}
    out = {name: np.full(n, np.nan) for name in tried} | {"far": np.zeros(n)}
    for who in np.unique(rows.subject):
        test = rows.subject == who
        typical, scale = _population(rows, ~test)
        x = _features(rows, mode, typical, scale)
        head, trees = _fit(x, rows, ~test, settings, seed)
        for name, kinds in tried.items():
            here = np.where(_columns(kinds, x.shape[1]), x[test], 0.0)
            out[name][test] = _log_odds(here, head, trees)
        off = (rows.rows[test, 3 : 3 + _F] - typical) / scale
        out["far"][test] = np.sqrt(np.nanmean(np.square(np.clip(off, -20, 20)), axis=1))
    return out


def _in_context(log_odds: Array, rows: _Rows, level: float) -> Array:
    """Of each person's windows in the light of the others, as the runner does."""
    out = np.empty_like(log_odds)
    for who in np.unique(rows.subject):
        here, own = rows.subject == who, (rows.subject == who) & rows.scored
        out[here] = in_context(log_odds[here], rows.rows[here], log_odds[own], rows.rows[own], level)
    return out


def _heat(out: dict[str, Array], rows: _Rows) -> dict[str, dict[str, float]]:
    """A temperature for each mode and how much there is, on people left out."""
    asked = {"all": "all", "heart+eda": "heart and skin", "few": "heart alone"}
    use = rows.scored
    return {
        mode: {k: temperature(out[f"{mode} {v}"][use], rows.truth[use]) for k, v in asked.items()} for mode in MODES
    }


def _subset(kinds: tuple[str, ...]) -> str:
    if "eda" in kinds and {"ppg", "hr", "ibi"} & set(kinds):
        return "all" if {"temp", "acc"} <= set(kinds) else "heart+eda"
    return "few"


def _parts(out: dict[str, Array], rows: _Rows, heat: dict[str, dict[str, float]]) -> dict[str, OutOfFold]:
    parts: dict[str, OutOfFold] = {}
    for mode, name in _NAMES.items():
        told = cooled(out[f"{mode} all"], heat[mode]["all"])
        parts[name] = replace(_part(told[rows.scored], rows, rows.scored, name), reach=_REACH[mode])
    start = rows.rows[:, 1]
    middle = rows.scored & (start >= _MIDDLE[0]) & (start < _MIDDLE[1])
    for mode in ("causal", "baseline"):
        told = cooled(out[f"{mode} all"], heat[mode]["all"])
        name = f"{_NAMES[mode]}, middle of the session"
        parts[name] = _part(told[middle], rows, middle, name)
        for subset, kinds in SUBSETS.items():
            name = f"{_NAMES[mode]}, {subset}"
            told = cooled(out[f"{mode} {subset}"], heat[mode][_subset(kinds)])
            parts[name] = _part(told[rows.scored], rows, rows.scored, name)
    return parts


def _part(log_odds: Array, rows: _Rows, use: Array, protocol: str) -> OutOfFold:
    logits = np.stack([-log_odds / 2, log_odds / 2], axis=1)
    tasks = np.array(stress_predict.TASKS)[rows.task[use]]
    return OutOfFold(logits, rows.truth[use], rows.subject[use], STRESS2, "uar", protocol, groups={"task": tasks})


def _rivals(rows: _Rows) -> dict[str, Array]:
    """Time in the session alone (a forest), and logistic regression on the measures as they are and by person's z."""
    from sklearn.ensemble import ExtraTreesClassifier

    n = len(rows.truth)
    out = {k: np.zeros(n) for k in ("time alone", "measures, logistic", "measures, logistic, person's z")}
    typical, scale = _population(rows, np.ones(n, bool))
    raw = np.nan_to_num((rows.rows[:, 3 : 3 + _F] - typical) / scale)
    z = np.zeros_like(raw)
    for who in np.unique(rows.subject):
        here = rows.subject == who
        own = rows.rows[here & rows.scored, 3 : 3 + _F]
        spread = np.maximum(np.nanstd(own, axis=0), 1e-6)
        z[here] = np.nan_to_num((rows.rows[here, 3 : 3 + _F] - np.nanmean(own, axis=0)) / spread)
    for who in np.unique(rows.subject):
        test, use = rows.subject == who, (rows.subject != who) & rows.scored
        model = ExtraTreesClassifier(100, min_samples_leaf=10, class_weight="balanced", random_state=0)
        share = model.fit(rows.rows[use, 1:2], rows.truth[use]).predict_proba(rows.rows[test, 1:2])[:, 1]
        out["time alone"][test] = np.log(np.clip(share, 0.01, 0.99) / (1 - np.clip(share, 0.01, 0.99)))
        for name, x in (("measures, logistic", raw), ("measures, logistic, person's z", z)):
            out[name][test] = predicted(x[test], folded(x[use], rows.truth[use], 0.01))
    return out
