"""Late fusion that is learnt: ``late-av`` (face and voice) and ``late-all`` (words, body and brain beside them).

::

    RAVDESS trials ─► the voice's answers, left out by actor ─────────┐
        heard, seen ─► a stand-in's answers to face measures, likewise ┴─► weights of face + voice
    CREMA-D's votes ─► how people weigh a voice and a face                (told beside, not used)
    FER+ faces × voices × GoEmotions sentences of one class ─► weights of the other subsets, shrunk by what
                                                               real pairs show made-up ones to flatter
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import EKMAN8
from moodal.dsp.calibration import softmax, weighted_threshold
from moodal.fuse.learnt import subset_name
from moodal.lab.bench.intervals import Scores, Units, interval, paired_p, resampled
from moodal.lab.bench.metrics import METRICS
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Prediction
from moodal.lab.experts import calibrate
from moodal.lab.experts.made import Made, OutOfFold
from moodal.lab.experts.work import Work

from . import sources
from .loglinear import Weights, fit, out_of_fold
from .pairs import paired

__all__ = ["Settings", "make"]

Array = npt.NDArray[Any]

_C = len(EKMAN8)
_PAIR = "face + voice, RAVDESS"
_LEVELS = (0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the recipe may say: whether ``words`` are among what is fused, how many ``pairs`` are made up of each kind,
    and the share of ``contempt`` that a voice, which never tells it, leaves to it."""

    words: bool = True
    pairs: int = 4000
    contempt: float = 0.02


@dataclass
class _Learnt:
    """Weights, label-set thresholds by level, and the name of its answers, each by subset; answers by name.
    ``made_up`` are the subsets that nobody was recorded in."""

    weights: dict[str, Weights] = field(default_factory=dict)
    least: dict[str, dict[str, float]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    made_up: set[str] = field(default_factory=set)
    parts: dict[str, OutOfFold] = field(default_factory=dict)

    def add(self, subset: str, weights: Weights, part: OutOfFold, name: str, *, made_up: bool = False) -> None:
        """A subset, with the answers that its thresholds are found on."""
        scores = softmax(part.logits)
        own = scores[np.arange(len(scores)), part.truth]
        self.weights[subset] = weights
        self.least[subset] = {str(v): round(weighted_threshold(own, np.ones(len(own)), v), 6) for v in _LEVELS}
        self.named[subset], self.parts[name] = name, part
        if made_up:
            self.made_up.add(subset)

    def cautious(self) -> dict[str, dict[str, float]]:
        """Thresholds by subset: its own where it was recorded or is one expert's alone; where its pairs are made up,
        which flatters, the lowest of its own and those of the recorded subsets within it."""
        found = {}
        for subset, own in self.least.items():
            within = [self.least[s] for s in self.least if set(s.split("+")) < set(subset.split("+"))
                      and s not in self.made_up] if subset in self.made_up else []  # fmt: skip
            found[subset] = {v: min(one[v] for one in (own, *within)) for v in own}
        return found


def make(settings: Settings, work: Work) -> Made:
    """Fit every subset's weights on examples that the experts had not seen; minutes, once the experts are made."""
    trials = sources.trials(work, settings.contempt)
    pools = {"face": sources.faces(work), "voice": sources.voices(work, settings.contempt)}
    if settings.words:
        pools["words"] = sources.sentences(work, settings.contempt)
    learnt = _Learnt()
    real = _real(trials, learnt)
    flattery = _flattery(real, pools, settings, work.seed)
    for k in range(1, len(pools) + 1):
        for members in combinations(sorted(pools), k):
            if subset_name(members) not in learnt.weights:
                _made_up({m: pools[m] for m in members}, flattery, settings, work.seed, learnt)
    votes = sources.crema(work)
    people = fit(votes.logs, votes.truth)
    learnt.parts["people's votes, CREMA-D"] = OutOfFold(
        out_of_fold(votes.logs, votes.truth, votes.subject, seed=work.seed), votes.truth, votes.subject, votes.classes,
        "top1_agreement", "CREMA-D: votes of those who heard and saw from those who did either, 10-fold by actor",
        kind="distribution",
    )  # fmt: skip
    width, losses, told_by = sources.smoothing(work)
    thresholds = learnt.cautious()
    least = {v: min(one[v] for one in thresholds.values()) for v in map(str, _LEVELS)}
    manifest = {
        **_fixed(settings),
        "prior": _prior(pools),
        "never": {m: {"contempt": settings.contempt} for m in pools if m != "face"},
        "subsets": {s: w.as_manifest() for s, w in sorted(learnt.weights.items())},
        "flattery": round(flattery, 4),
        "people_weigh": people.as_manifest(),
        "smoothing_s": {"face": width, "voice": 0.0, "words": 0.0, "body": 0.0},
        "smoothing_found": {"told_by": told_by, "cross_entropy": {f"{w:g}": round(v, 5) for w, v in losses.items()}},
        "subset_card": _card(trials, work.seed),
        "coverage_by_subset": _covered(learnt, thresholds, work.seed),
    }
    calibration = {
        "kind": "weights of each subset, by log loss",
        "on": "acted trials whose faces another program had measured; on films it was not checked",
        "label_sets": {"least": least["0.9"], "level": 0.9, "levels": least, "by_subset": thresholds},
        "fitted_on": learnt.parts[_PAIR].protocol,
        "n": len(trials.truth),
        "people": len(np.unique(trials.subject)),
        "temperature": 1.0,
    }
    name = "late-all" if settings.words else "late-av"
    return Made(name, learnt.parts, manifest, _about(settings, flattery), [trials.index, votes.index],
                calibrated=(_PAIR,), calibration=calibration)  # fmt: skip


def _fixed(settings: Settings) -> dict[str, Any]:
    """What no data set tells: which experts it takes, and the written rule of arousal from a body (see ``late-v0``)."""
    needs = ["face", "voice", *(["words"] if settings.words else [])]
    inputs = ["face.expression", "voice.emotion", *(["words.emotion"] if settings.words else [])]
    return {
        "kind": "fusion",
        "inputs": [*inputs, "body.heart", "body.eda", "body.scr"],
        "scheme": "ekman8",
        "needs": needs,
        "uses": [*needs, *(["words-vad"] if settings.words else []), "stress", "workload"],
        "measured": {"valence": ["words"], "arousal": ["words"]} if settings.words else {},
        "support_weight": {"body": 0.4, "voice": 0.3, "words": 0.3},
        "body_scale": {"hr": 12.0, "scr": 0.5, "both": 0.6, "one": 0.75},
        "half_width": {
            "valence": {"unknown": 0.9, "face": 0.4, "voice": 0.6, "words": 0.2},
            "arousal": {"unknown": 0.9, "face": 0.6, "voice": 0.45, "words": 0.2, "body": 0.6},
        },
    }


def _shares(truth: Array) -> Array:
    return np.eye(_C)[truth]


def _real(trials: sources.Trials, learnt: _Learnt) -> Weights:
    """Weights of face and voice from those who were both heard and seen."""
    weights = fit(trials.logs, _shares(trials.truth))
    told = out_of_fold(trials.logs, _shares(trials.truth), trials.subject)
    part = OutOfFold(told, trials.truth, trials.subject, EKMAN8, "uar",
                     f"{trials.protocol}; weights 10-fold by actor", reach=0.79)  # fmt: skip
    learnt.add("face+voice", weights, part, _PAIR)
    for m, one in trials.logs.items():
        what = "stand-in face" if m == "face" else m
        learnt.parts[f"{what} alone, RAVDESS"] = OutOfFold(
            one, trials.truth, trials.subject, EKMAN8, "uar", trials.protocol
        )
    return weights


def _flattery(real: Weights, pools: Mapping[str, sources.Pooled], settings: Settings, seed: int) -> float:
    """How much smaller the weights of real pairs are than those of made-up ones, at most 1."""
    logs, truth, _ = paired({m: pools[m].pool for m in ("face", "voice")}, settings.pairs, _C, seed)
    made_up = fit(logs, truth)
    mine, theirs = (float(np.mean(list(w.weight.values()))) for w in (real, made_up))
    return float(np.clip(mine / max(theirs, 1e-6), 0.3, 1.0))


def _made_up(
    pools: Mapping[str, sources.Pooled], flattery: float, settings: Settings, seed: int, learnt: _Learnt
) -> None:
    """A subset that nobody was recorded in; a lone expert passes through."""
    key = subset_name(pools)
    if len(pools) == 1:
        [told] = pools.values()
        part = OutOfFold(told.pool.logs, told.pool.truth, told.pool.subject, EKMAN8, "uar", told.protocol)
        learnt.add(key, Weights(dict.fromkeys(pools, 1.0), np.zeros(_C)), part, f"{key} alone")
        return
    logs, truth, group = paired({m: p.pool for m, p in pools.items()}, settings.pairs, _C, seed)
    part = OutOfFold(out_of_fold(logs, truth, group, seed=seed) * flattery, truth.argmax(axis=1), group, EKMAN8, "uar",
                     f"made-up pairs of {key.replace('+', ', ')}, ten groups of people", unit="group")  # fmt: skip
    learnt.add(key, fit(logs, truth).scaled(flattery), part, f"{key.replace('+', ' + ')}, made up", made_up=True)


def _covered(learnt: _Learnt, thresholds: Mapping[str, Mapping[str, float]], seed: int) -> list[dict[str, Any]]:
    """How often the label sets of each subset hold the truth: where its threshold is its own, fitted on other people
    than those it is counted on; where pairs are made up, as it stands."""
    rows = []
    for subset, name in learnt.named.items():
        part = learnt.parts[name]
        made_up = subset in learnt.made_up
        if made_up:
            told = calibrate.counted(part, thresholds[subset], seed)
        else:
            [told] = calibrate.checked([part], hot=False, seed=seed).values()
        rows.append({"subset": subset.replace("+", " + "), "seen": "made-up pairs" if made_up else name,
                     "least": thresholds[subset]["0.9"], "n": told["n"], **told["coverage"]["0.9"]})  # fmt: skip
    return rows


def _prior(pools: Mapping[str, sources.Pooled]) -> dict[str, float]:
    """What is said where the quality is nothing: the mean of what the experts say of everything."""
    mean = np.mean([np.exp(p.pool.logs).mean(axis=0) for p in pools.values()], axis=0)
    return {c: round(float(v), 5) for c, v in zip(EKMAN8, mean / mean.sum(), strict=True)}


def _card(trials: sources.Trials, seed: int) -> dict[str, Any]:
    """UAR on every non-empty subset of face and voice, and whether the mean falls as subsets grow."""
    occur, y = np.unique(trials.truth, return_inverse=True)
    told = {**trials.logs, "face + voice": out_of_fold(trials.logs, _shares(trials.truth), trials.subject)}
    names, of = np.unique(trials.subject.astype(str), return_inverse=True)
    units = Units("subject", tuple(names.tolist()), of.astype(np.int64))
    labels = Labels("class", tuple(EKMAN8[c] for c in occur), y.astype(np.int64))
    none = np.zeros(len(y), bool)
    scores = {
        s: Scores.of(
            METRICS["uar"], labels, [Prediction(np.asarray(softmax(z[:, occur]), np.float64), none)], units
        )
        for s, z in told.items()
    }  # fmt: skip
    rows = []
    for s, one in scores.items():
        low, high = interval(resampled(one, seed=seed))
        rows.append({"subset": s, "value": round(one.whole(), 4), "n": len(y),
                     "interval": [round(low, 4), round(high, 4)]})  # fmt: skip
    both = scores["face + voice"]
    singles = [scores["face"], scores["voice"]]
    best = max(singles, key=lambda s: s.whole())
    apart = resampled(both, seed=seed) - np.mean([resampled(s, seed=seed) for s in singles], axis=0)
    low, high = np.quantile(apart, [0.025, 0.975])
    return {
        "about": f"UAR over {len(occur)} classes; {trials.protocol}. The face is a stand-in's.",
        "rows": rows,
        "findings": [
            f"both over the better single one: {both.whole() - best.whole():+.3f}, "
            f"p = {paired_p(both, best, seed=seed):.4f} (permutation over actors)",
            f"two over the mean of one: {both.whole() - np.mean([s.whole() for s in singles]):+.3f} "
            f"({low:+.3f} to {high:+.3f}, paired by actor): the mean does not fall as subsets grow"
            + ("" if low >= 0 or high >= 0 else ", as far as this can tell"),
        ],
    }


def _about(settings: Settings, flattery: float) -> str:
    return _ABOUT.format(
        experts="face, voice and words" if settings.words else "face and voice",
        made_up=_MADE_UP.format(flattery=flattery) if settings.words else "",
    )


_ABOUT = """
Fuses what the experts for {experts} tell, log-linear, with weights of its own for every subset of them; a lone expert
passes through. Face and voice were weighed on 300 acted trials of 20 people, the face by a stand-in that reads another
program's measures of the same faces. {made_up}

**End-to-end coverage on films is not proven**: no set with films of unseen people was at hand. Label sets take the
threshold of the subset that is there; where its pairs are made up, the most cautious of those within it. Valence and
arousal of a face or a voice are mapped and claim no coverage; body signals move arousal by a written rule. How long a
face is averaged over was found on films: the widest that tells a left-out frame as well as any from those around it.
"""

_MADE_UP = (
    "Other subsets, which nobody was recorded in, were fitted on pairs made up from different people of one class, "
    "and shrunk to {flattery:.2f} of that: so much smaller are the weights of real pairs of face and voice."
)
