"""Probabilities that mean what they say, and label sets that keep their promise for people nobody has seen.

All of it is fitted on out-of-fold predictions. How well it does is measured in a second, outer loop: people are dealt
into groups, temperature and thresholds are fitted on all but one group, and that one is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.dsp.calibration import lead, softmax, tempered, weighted_threshold
from moodal.lab.bench.calibration import ece

from .made import OutOfFold, Scaling

__all__ = ["GROUPS", "LEVELS", "adapted", "checked", "counted", "fit", "half_widths", "pooled"]

Array = npt.NDArray[Any]

#: Coverages at which label sets and intervals are stored.
LEVELS = (0.8, 0.9, 0.95)
#: Groups that people are dealt into where coverage is measured.
GROUPS = 10
#: Temperatures between which one is looked for; the bound keeps a small part that is got right throughout from asking
#: for no doubt at all.
_COLDEST, _HOTTEST = 0.25, 20.0
#: Strength of the pull of biases to 0, in examples of each class.
_PULL = 5.0


def pooled(parts: Sequence[OutOfFold]) -> tuple[Array, Array, Array, Array]:
    """Logits, truth as shares ``(n, C)``, people and weights of several parts; each part counts the same in all."""
    logits = np.concatenate([p.logits for p in parts]).astype(np.float64)
    truth = np.concatenate([_shares(p) for p in parts])
    subject = np.concatenate([np.char.add(f"{i}|", np.asarray(p.subject, str)) for i, p in enumerate(parts)])
    weights = np.concatenate([np.full(len(p.logits), 1 / len(p.logits)) for p in parts])
    return logits, truth, subject, weights * len(logits) / len(parts)


def _shares(part: OutOfFold) -> Array:
    if np.ndim(part.truth) == 2:
        return np.asarray(part.truth, np.float64)
    return np.eye(len(part.classes))[np.asarray(part.truth)]


def fit(parts: Sequence[OutOfFold], *, scaling: Scaling = "temperature") -> dict[str, Any]:
    """The manifest's ``calibration`` of parts of kind ``class`` or ``distribution``.

    One temperature of lowest log loss (``vector``: also one number a class, drawn to 0; ``power``: also by what power
    of the lead the leading class is told the surer), and for each level of `LEVELS` the probability from which a class
    belongs to the label set.
    """
    logits, truth, subject, weights = pooled(parts)
    told = _fitted(logits, truth, weights, scaling)
    sets = _thresholds(logits, truth, weights, told)
    return {
        **told,
        "label_sets": {"least": sets["0.9"], "levels": sets},
        "n": len(logits),
        "people": len(np.unique(subject)),
        "fitted_on": "; ".join(p.protocol for p in parts),
    }


def _fitted(logits: Array, truth: Array, weights: Array, scaling: Scaling) -> dict[str, Any]:
    from scipy.optimize import minimize

    further = {"temperature": 0, "vector": logits.shape[1], "power": 1}[scaling]
    ahead = lead(logits) if scaling == "power" else np.ones((len(logits), 1))

    def loss(x: Array) -> float:
        z = logits * ahead ** x[1] / np.exp(x[0]) if scaling == "power" else logits / np.exp(x[0])
        z = z + x[1:] if scaling == "vector" else z
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return float(-(weights @ (truth * log_p).sum(axis=1)) + _PULL * (x[1:] ** 2).sum()) / len(logits)

    furthest = 0.9 if scaling == "power" else 3.0  # a power of -1 would tell nothing but which class leads
    bounds = [(np.log(_COLDEST), np.log(_HOTTEST))] + [(-furthest, furthest)] * further
    found = minimize(loss, np.zeros(len(bounds)), method="L-BFGS-B", bounds=bounds)
    told: dict[str, Any] = {"kind": scaling, "temperature": round(float(np.exp(found.x[0])), 5)}
    if scaling == "vector":
        told["bias"] = [round(float(b), 5) for b in found.x[1:]]
    if scaling == "power":
        told["power"] = round(float(found.x[1]), 5)
    return told


def _thresholds(logits: Array, truth: Array, weights: Array, told: Mapping[str, Any]) -> dict[str, float]:
    scores = tempered(logits, told)
    own = scores[np.arange(len(scores)), truth.argmax(axis=1)]
    return {str(level): round(weighted_threshold(own, weights, level), 6) for level in LEVELS}


def checked(
    parts: Sequence[OutOfFold], *, scaling: Scaling = "temperature", hot: bool = True, seed: int = 0
) -> dict[str, Any]:
    """How label sets and probabilities do on people that neither the model nor the calibration has seen.

    For each part: ``coverage`` by level (share of sets that hold the truth, its interval over people, the sets' mean
    size), ``ece`` (ten bins of equal mass) with what chance alone makes of it, and the same uncalibrated.
    ``hot=False``: the log scores are calibrated as they are, and only the thresholds are fitted.
    """
    logits, truth, subject, weights = pooled(parts)
    names = np.unique(subject)
    rng = np.random.default_rng(seed)
    dealt = dict(zip(names, rng.permutation(len(names)) % min(GROUPS, len(names)), strict=True))
    group = np.array([dealt[s] for s in subject])
    scores = np.zeros_like(logits)
    least = np.zeros((len(LEVELS), len(logits)))
    for g in np.unique(group):
        rest, here = group != g, group == g
        told = _fitted(logits[rest], truth[rest], weights[rest], scaling) if hot else {"temperature": 1.0}
        scores[here] = tempered(logits[here], told)
        for k, value in enumerate(_thresholds(logits[rest], truth[rest], weights[rest], told).values()):
            least[k, here] = value
    out, first = {}, 0
    for part in parts:
        rows = slice(first, first + len(part.logits))
        first += len(part.logits)
        out[part.protocol] = _part(part, scores[rows], least[:, rows], seed)
    return out


def counted(part: OutOfFold, thresholds: Mapping[str, float], seed: int = 0) -> dict[str, Any]:
    """As `checked`, of log scores that are calibrated as they are, with thresholds by level from elsewhere."""
    least = np.array([np.full(len(part.logits), thresholds[str(level)]) for level in LEVELS])
    return _part(part, softmax(part.logits), least, seed)


def _part(part: OutOfFold, scores: Array, least: Array, seed: int) -> dict[str, Any]:
    best = _shares(part).argmax(axis=1)
    rows = np.arange(len(best))
    there = np.ones(len(best), bool) if part.withheld is None else ~part.withheld
    occur = np.isin(np.arange(scores.shape[1]), best)
    few = scores[:, occur] / scores[:, occur].sum(axis=1, keepdims=True)
    place = np.cumsum(occur) - 1
    plain = softmax(part.logits[:, occur])
    coverage = {}
    for k, level in enumerate(LEVELS):
        sets = scores >= least[k][:, None]
        sets[rows, scores.argmax(axis=1)] = True
        held = sets[rows, best] & there
        coverage[str(level)] = {
            "observed": round(float(held.mean()), 4),
            "interval": _interval(held, part.subject, seed),
            "mean_set_size": round(float(sets.sum(axis=1).mean()), 3),
        }
    return {
        "n": len(best),
        "coverage": coverage,
        "ece": round(ece(place[best], few, ~there), 4),
        "ece_by_chance": _by_chance(few, ~there, seed),
        "ece_uncalibrated": round(ece(place[best], plain, ~there), 4),
    }


def adapted(
    sources: Sequence[OutOfFold], target: OutOfFold, *, scaling: Scaling = "temperature", seed: int = 0
) -> dict[str, Any]:
    """Coverage on a corpus whose people, room and labels nobody has used: as it is, and after label-free adaptation.

    Temperature and thresholds are fitted on ``sources``, among the classes that occur in the target. Adapted: each
    calibration example counts as often as examples like it occur in the target (Tibshirani et al. 2019), where likeness
    is told by a logistic regression on calibrated log scores; the target's labels are not looked at.
    """
    from sklearn.linear_model import LogisticRegression

    occur = np.flatnonzero(np.bincount(target.truth, minlength=len(target.classes)))
    place = np.full(len(target.classes), -1)
    place[occur] = np.arange(len(occur))
    kept = [np.flatnonzero(place[p.truth] >= 0) for p in sources]
    few = [
        OutOfFold(p.logits[np.ix_(rows, occur)], place[p.truth[rows]], np.asarray(p.subject)[rows],
                  tuple(target.classes[c] for c in occur), p.metric, p.protocol)
        for p, rows in zip(sources, kept, strict=True)
    ]  # fmt: skip
    logits, truth, _, weights = pooled(few)
    told = _fitted(logits, truth, weights, scaling)
    known, new = tempered(logits, told), tempered(target.logits[:, occur], told)
    best = place[target.truth]

    def likeness(scores: Array) -> Array:
        return np.log(np.maximum(scores, 1e-4))

    judge = LogisticRegression(C=1.0, max_iter=1000)
    judge.fit(np.concatenate([likeness(known), likeness(new)]), np.repeat([0, 1], [len(known), len(new)]),
              np.concatenate([weights / weights.sum(), np.full(len(new), 1 / len(new))]) * len(new))  # fmt: skip
    odds = judge.predict_proba(likeness(known))
    alike = weights * np.clip(odds[:, 1] / np.maximum(odds[:, 0], 1e-6), 0.05, 20.0)
    own = known[np.arange(len(known)), truth.argmax(axis=1)]
    out: dict[str, Any] = {"n": len(best), "coverage": {}, "ece": round(ece(best, new), 4)}
    for level in LEVELS:
        row: dict[str, Any] = {}
        for name, mass in (("as it is", weights), ("adapted", alike)):
            sets = new >= weighted_threshold(own, mass, level)
            sets[np.arange(len(new)), new.argmax(axis=1)] = True
            held = sets[np.arange(len(new)), best]
            row[name] = {"observed": round(float(held.mean()), 4), "interval": _interval(held, target.subject, seed),
                         "mean_set_size": round(float(sets.sum(axis=1).mean()), 3)}  # fmt: skip
        out["coverage"][str(level)] = {**row["adapted"], "as_it_is": row["as it is"]}
    return out


def _by_chance(scores: Array, withheld: Array, seed: int, draws: int = 200) -> list[float]:
    """Mean and 95 % quantile of the error that probabilities have which mean just what they say: labels are drawn from
    them. So few examples in a bin differ from their mean by luck; an error is told from that only beyond it."""
    rng = np.random.default_rng([seed, 1])
    below = scores.cumsum(axis=1)
    found = []
    for _ in range(draws):
        drawn = (rng.random(len(scores))[:, None] > below).sum(axis=1).clip(0, scores.shape[1] - 1)
        found.append(ece(drawn, scores, withheld))
    return [round(float(np.mean(found)), 4), round(float(np.quantile(found, 0.95)), 4)]


def _interval(held: Array, subject: Array, seed: int) -> list[float]:
    """95 % interval of a share, people drawn with replacement."""
    _, of = np.unique(np.asarray(subject, str), return_inverse=True)
    hits, n = np.bincount(of, held.astype(float)), np.bincount(of)
    drawn = np.random.default_rng([seed, 20_407]).multinomial(len(n), np.full(len(n), 1 / len(n)), size=1000)
    values = (drawn @ hits) / (drawn @ n)
    return [round(float(v), 4) for v in np.quantile(values, [0.025, 0.975])]


def half_widths(part: OutOfFold, seed: int = 0) -> dict[str, Any]:
    """Half-widths of the intervals of values, by dimension and level (split conformal on the absolute error), and the
    coverage they have on documents that they were not fitted on."""
    error = np.abs(np.asarray(part.truth, np.float64) - part.logits)
    names, of = np.unique(np.asarray(part.subject, str), return_inverse=True)
    group = (np.random.default_rng(seed).permutation(len(names)) % min(GROUPS, len(names)))[of]
    widths: dict[str, dict[str, float]] = {}
    coverage: dict[str, dict[str, Any]] = {}
    for j, dimension in enumerate(part.classes):
        # A threshold on 1 / (1 + error): the larger the error, the smaller the score.
        score = 1 / (1 + error[:, j])
        widths[dimension], coverage[dimension] = {}, {}
        for level in LEVELS:
            least = weighted_threshold(score, np.ones(len(score)), level)
            widths[dimension][str(level)] = round(1 / max(least, 1e-9) - 1, 5)
            held = np.zeros(len(score), bool)
            for g in np.unique(group):
                rest, here = group != g, group == g
                held[here] = score[here] >= weighted_threshold(score[rest], np.ones(int(rest.sum())), level)
            coverage[dimension][str(level)] = {
                "observed": round(float(held.mean()), 4), "interval": _interval(held, part.subject, seed)
            }  # fmt: skip
    return {"half_width": widths, "coverage": coverage, "n": len(error), "people": len(names),
            "fitted_on": part.protocol}  # fmt: skip
