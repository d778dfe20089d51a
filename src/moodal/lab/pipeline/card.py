"""The run card: what was run on what, how it was split, what it scored, and what it may not be taken for."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from moodal import __version__
from moodal.core.errors import InputError, UsageError
from moodal.formats.files import json_text, write_text
from moodal.lab.bench.calibration import reliability
from moodal.lab.bench.intervals import Scores, Units, interval, resampled, units
from moodal.lab.bench.metrics import confusion, decided, metric
from moodal.lab.bench.trivial import Majority, Prior
from moodal.lab.data.learner import Prediction

from .graph import Pipeline

if TYPE_CHECKING:
    from .prepare import Prepared
    from .run import Run

__all__ = ["STATEMENT", "Card", "card_of", "compare"]

STATEMENT = "What is predicted is a displayed or induced state under these conditions, not what anybody felt."
#: Metrics by kind of label; the first is the one that is quoted.
_METRICS = {
    "class": ("uar", "accuracy", "macro_f1", "auc", "mcc", "ece"),
    "continuous": ("ccc", "pearson_r", "rmse", "mae"),
}
_TOP = 10


@dataclass(frozen=True)
class Card:
    """A run card as plain JSON in ``told``; times stand apart under ``timing``."""

    told: dict[str, Any]

    def __getitem__(self, estimate: str) -> dict[str, Any]:
        """The scores of one estimate.

        Raises
        ------
        UsageError : there is none of that name.
        """
        for row in self.told["estimates"]:
            if row["name"] == estimate:
                return row
        known = ", ".join(r["name"] for r in self.told["estimates"])
        raise UsageError(f"has no estimate {estimate!r}", where=self.told["name"], fix=f"It has: {known}.")

    @classmethod
    def open(cls, path: Path | str) -> Card:
        """Read a card.

        Raises
        ------
        InputError : not a card.
        """
        try:
            told = json.loads(Path(path).read_text(encoding="utf-8"))
            told["estimates"], told["pipeline"], told["name"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError("is no run card", where=str(path), fix="Name the card.json of a run.") from error
        return cls(told)

    def same(self, other: Card) -> bool:
        """Whether both tell the same, times apart."""
        return {**self.told, "timing": 0} == {**other.told, "timing": 0}

    def save(self, folder: Path) -> None:
        """``card.json`` and ``card.html``."""
        from .page import page

        write_text(folder / "card.json", json_text(self.told))
        write_text(folder / "card.html", page(self))


def card_of(
    pipeline: Pipeline, prepared: Prepared, runs: Sequence[Run], *, permuted: int | None, p_values: Mapping[str, float]
) -> Card:
    """The card of a run."""
    from .prepare import files_hash

    try:
        text, digest = pipeline.to_toml(), pipeline.fingerprint()
    except UsageError as error:
        text, digest = f"# {error}", ""
    first = runs[0]
    index = first.data.index
    sources = prepared.sources
    told: dict[str, Any] = {
        "card": 1, "name": pipeline.name, "statement": STATEMENT, "pipeline": text, "pipeline_sha256": digest,
        "versions": _versions(), "permuted_labels": permuted,
        "data": {
            "recordings": len(sources), "sha256": files_hash(sources),
            "hours": sum(s["duration_s"] for s in sources) / 3600,
            "subjects": sorted({s["subject"] for s in sources}),
            "streams": _streams(sources),
        },
        "windows": {
            "count": {w: len(d) for w, d in prepared.data.items()},
            "classes": {n: labels.counts() for n, labels in prepared.labels.items()},
            "unlabelled": {n: int((~labels.labelled).sum()) for n, labels in prepared.labels.items()},
            "withheld": prepared.reasons, "missing_values": prepared.missing,
            "by_subject": _by_subject(first),
        },
        "features": {e: list(f.fields) for d in prepared.data.values() for e, f in d.features.items()},
        "split": {
            **first.protocol.as_dict(),
            "default": "split" not in pipeline.parts,
            "folds": [
                {
                    "name": f.name, "purged": f.purged,
                    **{part: {"windows": len(rows), "subjects": sorted(set(index["subject"][rows]))}
                       for part, rows in f.parts.items()},
                }
                for f in first.folds
            ],
            "notices": first.protocol.notices(index, first.folds),
            "purged": sum(f.purged for f in first.folds),
        },
        "declared": declared(pipeline),
        "warnings": prepared.warnings,
        "estimates": [_estimate(r, p_values.get(r.node.id)) for r in runs],
        "graph": [[n.id, n.stage, n.told, list(n.inputs)] for n in pipeline.nodes],
        "timing": {"nodes_s": {**prepared.seconds, **{r.node.id: r.seconds for r in runs}}, "cpu": platform.machine(),
                   "cores": os.cpu_count()},
    }  # fmt: skip
    return Card(_plain(told))


def declared(pipeline: Pipeline) -> list[str]:
    """What may look like a leak and is allowed: one line each, to print beside every score."""
    lines = []
    for node in pipeline.nodes:
        s = node.settings
        if node.use == "scale" and s.get("scope") == "subject-unlabelled":
            lines.append(
                f"{node.told}: scaled by all unlabelled windows of each subject, test subjects' too (transductive)"
            )
        if node.use == "scale" and s.get("scope") == "baseline-phase":
            lines.append(
                f"{node.told}: scaled by each subject's phase {s['phase']!r}, which the wearer must give first"
            )
        if node.use == "threshold" and s.get("per") == "subject":
            lines.append(
                f"{node.told}: the threshold is each subject's own mean over the recordings, test subjects' too"
            )
        if node.use == "standardise":
            lines.append(f"{node.told}: each recording is standardised by itself, unlabelled, test recordings too")
    if (pipeline.parts.get("split") or {}).get("use") == "window-shuffle":
        lines.insert(0, "SUBJECTS OVERLAP: windows of one person stand in train and test; the score is not what a "
                        "stranger gets")  # fmt: skip
    return lines


def _estimate(run: Run, p: float | None) -> dict[str, Any]:
    labels = run.labels.take(run.tested)
    index = run.data.index.take(run.tested)
    among = units(index)
    told: dict[str, Any] = {
        "name": run.node.id, "use": run.node.told, "label": run.label, "classes": list(labels.names),
        "n": len(labels), "seeds": list(run.seeds), "withheld": int(run.predictions[0].withheld.sum()),
        "resampled": str(among),
    }  # fmt: skip
    names = [m for m in _METRICS[labels.kind] if not (m == "auc" and len(labels.names) != 2)]
    told["metric"] = names[0]
    told["metrics"], told["interval"], told["by_seed"] = {}, {}, {}
    for name in names:
        judge = metric(name, labels.kind)
        scores = Scores.of(judge, labels, run.predictions, among)
        told["metrics"][name] = scores.whole()
        told["interval"][name] = list(interval(resampled(scores)))
        told["by_seed"][name] = [judge.score(labels, q) for q in run.predictions]
    judge = metric(names[0], labels.kind)
    told["by_fold"] = {
        f.name: _mean_score(judge, labels, run.predictions, np.flatnonzero(np.isin(run.tested, f.test)))
        for f in run.folds
    }
    told["by_corpus"] = {}
    if len(corpora := index.groups("corpus")) > 1:
        told["by_corpus"] = {
            c: {m: _mean_score(metric(m, labels.kind), labels, run.predictions, rows) for m in names}
            for c, rows in corpora.items()
        }
    told["by_subject"] = _accuracies(labels, run.predictions, index["subject"])
    told["trivial"] = _trivial(run, names[0], among)
    low = told["interval"][names[0]][0]
    best = max((t["score"] for t in told["trivial"].values()), default=math.nan)
    above = low > max(best, 1 / len(labels.names)) if labels.kind == "class" else low > 0
    told["verdict"] = "above chance" if above else "not above chance"
    if labels.kind == "class":
        chosen = [decided("class", q) for q in run.predictions]
        told["confusion"] = np.sum([confusion(labels.values, c, len(labels.names)) for c in chosen], axis=0).tolist()
        if max(len(set(c.tolist())) for c in chosen) < 2:
            told["verdict"] = "collapsed: one class is predicted for everybody"
        q = run.predictions[0]
        told["reliability"] = [vars_of(b) for b in reliability(labels.values, q.scores, q.withheld)]
    told["importance"] = _importance(run)
    told["permutation_p"] = p
    return told


def vars_of(bin: Any) -> dict[str, float]:
    """One row of the reliability table."""
    return {"n": bin.n, "confidence": bin.confidence, "right": bin.right}


def _mean_score(judge: Any, labels: Any, predictions: Sequence[Prediction], rows: Any) -> float:
    some = labels.take(rows)
    return float(np.mean([judge.score(some, Prediction(q.scores[rows], q.withheld[rows])) for q in predictions]))


def _accuracies(labels: Any, predictions: Sequence[Prediction], subject: Any) -> dict[str, float]:
    if labels.kind != "class":
        return {}
    right = np.mean([decided("class", q) == labels.values for q in predictions], axis=0)
    return {s: float(right[subject == s].mean()) for s in sorted(set(subject))}


def _trivial(run: Run, name: str, among: Units) -> dict[str, dict[str, Any]]:
    """The same folds by learners that see no feature."""
    labels = run.labels.take(run.tested)
    judge = metric(name, labels.kind)
    data = run.data
    out: dict[str, dict[str, Any]] = {}
    place = {int(r): k for k, r in enumerate(run.tested)}
    for learner in (Majority(), Prior()):
        scores = np.zeros((len(run.tested), len(labels.names)))
        for k, f in enumerate(run.folds):
            train = data.take(np.sort(np.concatenate([f.train, f.validation])))
            fitted = learner.fit(train, train, label=run.label, seed=k)
            scores[[place[int(r)] for r in f.test]] = fitted.predict(data.take(f.test).sealed()).scores
        whole = Prediction(scores, np.zeros(len(scores), bool))
        said = Scores.of(judge, labels, [whole], among)
        out[learner.name] = {"score": said.whole(), "interval": list(interval(resampled(said)))}
    return out


def _importance(run: Run) -> dict[str, Any]:
    """Features by mean importance over folds, how it spreads, and how alike the folds' ten best are (Jaccard)."""
    told = [t["importance"] for t in run.told if t["importance"]]
    if not told:
        return {}
    names = sorted({n for t in told for n in t})
    block = np.array([[t.get(n, 0.0) for n in names] for t in told])
    block = block / np.maximum(np.abs(block).sum(axis=1, keepdims=True), 1e-300)
    order = [k for k in np.argsort(-block.mean(axis=0), kind="stable")[:_TOP] if block[:, k].any()]
    best = [{k for k in np.argsort(-row, kind="stable")[:_TOP].tolist() if row[k]} for row in block]
    pairs = [len(a & b) / max(len(a | b), 1) for k, a in enumerate(best) for b in best[k + 1 :]]
    return {
        "top": [
            {"feature": names[k], "mean": float(block[:, k].mean()), "sd": float(block[:, k].std())} for k in order
        ],
        "stability": float(np.mean(pairs)) if pairs else None,
    }


def _streams(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for s in sources:
        for name, rate in s["streams"].items():
            row = found.setdefault(name, {"rate_hz": rate, "recordings": 0})
            row["recordings"] += 1
    return found


def _by_subject(run: Run) -> dict[str, dict[str, int]]:
    index, labels = run.data.index, run.labels
    return {s: labels.take(rows).counts() for s, rows in index.groups("subject").items()}


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"moodal": __version__, "python": platform.python_version()}
    for package in ("numpy", "scikit-learn", "scipy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: Any) -> Any:
    """Numbers that JSON has: NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (np.floating, float)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.bool_):
        return bool(value)
    return value


def compare(a: Card, b: Card) -> dict[str, Any]:
    """What two cards have in common and where they part; scores stand side by side only where the task is the same."""
    same = partial(_same, a.told, b.told)
    rows = []
    theirs = {r["name"]: r for r in b.told["estimates"]}
    for row in a.told["estimates"]:
        if (other := theirs.get(row["name"])) is None:
            continue
        comparable = row["classes"] == other["classes"] and row["metric"] == other["metric"]
        rows.append({
            "name": row["name"], "metric": row["metric"], "comparable": comparable,
            "a": row["metrics"][row["metric"]], "a_interval": row["interval"][row["metric"]],
            "b": other["metrics"][other["metric"]], "b_interval": other["interval"][other["metric"]],
        })  # fmt: skip
    return {
        "same": {"pipeline": same("pipeline"), "data": same("data", "sha256"), "versions": same("versions"),
                 "split": same("split", "folds")},
        "pipeline": _lines(a.told["pipeline"], b.told["pipeline"]),
        "estimates": rows,
    }  # fmt: skip


def _same(a: Mapping[str, Any], b: Mapping[str, Any], *keys: str) -> bool:
    for key in keys:
        a, b = a[key], b[key]
    return a == b


def _lines(a: str, b: str) -> list[str]:
    """Lines of the pipeline that one has and the other has not."""
    import difflib

    return [d for d in difflib.ndiff(a.splitlines(), b.splitlines()) if d[:1] in "+-"]
