"""The runner: it makes the folds, fits inside them, and scores what each fold said of the rows it never saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core import registry
from moodal.core.errors import InputError, UsageError
from moodal.lab.bench.learners import learner as named_learner
from moodal.lab.bench.protocols import Fold, Protocol
from moodal.lab.bench.report import Report
from moodal.lab.bench.results import code
from moodal.lab.bench.run import Entry
from moodal.lab.bench.run import run as bench_run
from moodal.lab.data.cache import Cache, key_of
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Learner, Prediction

from .card import Card, card_of
from .check import check
from .graph import Node, Pipeline
from .learn import Chain
from .prepare import Prepared, code_version, prepare
from .splits import protocol_of

__all__ = ["Run", "evaluate", "evaluate_prepared", "report"]

Progress = Callable[[str, float], None]


@dataclass
class Run:
    """One estimate under its protocol: predictions of every tested row, one a seed, and what each fit told."""

    node: Node
    label: str
    labels: Labels
    data: Dataset
    protocol: Protocol
    folds: list[Fold]
    predictions: list[Prediction]
    tested: npt.NDArray[np.int64]
    told: list[dict[str, Any]]
    seeds: tuple[int, ...]
    seconds: float = 0.0


def evaluate(
    pipeline: Pipeline,
    root: Path | str | None = None,
    *,
    cache: Cache | None = None,
    permute: int | None = None,
    permutations: int = 0,
    progress: Progress | None = None,
) -> Card:
    """Score a pipeline.

    Parameters
    ----------
    root : the folder of its recordings; None where the pipeline or ``MOODAL_DATA`` tells.
    cache : where features and fits are kept and found again.
    permute : labels are permuted within subjects with this seed first: what chance gives; the card says so.
    permutations : so many permuted runs of each estimate for a p-value.

    Raises
    ------
    UsageError : the pipeline is wrong. InputError : the data are. LeakageError : the split leaks.
    """
    check(pipeline)
    if not pipeline.of("estimate"):
        raise UsageError("estimates nothing", where=pipeline.name, fix="Add label and estimate.")
    prepared = prepare(pipeline, root, cache=cache, progress=progress)
    return evaluate_prepared(
        pipeline, prepared, cache=cache, permute=permute, permutations=permutations, progress=progress
    )


def evaluate_prepared(
    pipeline: Pipeline,
    prepared: Prepared,
    *,
    cache: Cache | None = None,
    permute: int | None = None,
    permutations: int = 0,
    progress: Progress | None = None,
) -> Card:
    """The rest of `evaluate`, after the features are there."""
    runs: dict[str, Run] = {}
    p_values: dict[str, float] = {}
    from .check import ordered

    for node in [n for n in ordered(pipeline) if n.stage == "estimate"]:
        if node.use == "vote":
            runs[node.id] = _voted(node, [runs[i] for i in node.inputs])
            continue
        data, labels, name = _data_of(pipeline, node, prepared)
        if permute is not None:
            labels = permuted(labels, data, permute)
        runs[node.id] = _run(pipeline, node, data, labels, name, cache, progress)
        if permutations:
            p_values[node.id] = _p(pipeline, runs[node.id], permutations)
    ordered_runs = [runs[n.id] for n in pipeline.of("estimate")]
    return card_of(pipeline, prepared, ordered_runs, permuted=permute, p_values=p_values)


def _data_of(pipeline: Pipeline, node: Node, prepared: Prepared) -> tuple[Dataset, Labels, str]:
    """The labelled rows of an estimate, their labels, and the label node's id."""
    window = next(n.id for n in pipeline.upstream(node.id) if n.stage == "window")
    label = next(i for i in node.inputs if i in prepared.labels)
    extracts = [n.id for n in pipeline.upstream(node.id) if n.stage == "extract"]
    labels = prepared.labels[label]
    data = prepared.data[window].only([e for e in prepared.data[window].features if e in extracts])
    kept = labels.labelled
    return data.take(kept), labels.take(kept), label


def permuted(labels: Labels, data: Dataset, seed: int) -> Labels:
    """Labels permuted within each subject, by recording phase (trial) where there are several windows of one."""
    rng = np.random.default_rng([seed, 51])
    order = np.arange(len(labels))
    for rows in data.index.groups("subject").values():
        order[rows] = rng.permutation(rows)
    return labels.take(order)


def _run(
    pipeline: Pipeline, node: Node, data: Dataset, labels: Labels, name: str, cache: Cache | None,
    progress: Progress | None, seeds: Sequence[int] | None = None,
) -> Run:  # fmt: skip
    began = time.perf_counter()
    index = data.index.with_labels(**{name: labels})
    data = Dataset(index, data.features)
    protocol = protocol_of(pipeline.parts.get("split"), index)
    folds = protocol.split(data)
    chain = learner_of(pipeline, node)
    seeds = tuple(seeds or node.settings.get("seeds", (0,)))
    width = len(labels.names)
    scores = np.full((len(seeds), len(data), width), np.nan)
    withheld = np.zeros((len(seeds), len(data)), bool)
    told: list[dict[str, Any]] = []
    named = all(isinstance(n.use, str) for n in pipeline.upstream(node.id) if n.stage in ("select", "estimate"))
    fingerprint = key_of(data.fingerprint(), labels.values.tobytes().hex(), labels.names) if cache else ""
    for f, fold in enumerate(folds):
        train, test = data.take(fold.train), data.take(fold.test)
        validation = data.take(fold.validation)
        for s, seed in enumerate(seeds):
            if progress:
                progress(f"{node.id}", (f * len(seeds) + s) / (len(folds) * len(seeds)))

            def fit(train: Dataset = train, validation: Dataset = validation, test: Dataset = test,
                    seed: int = seed, fold: Fold = fold) -> dict[str, npt.NDArray[Any]]:  # fmt: skip
                try:
                    fitted = chain.fit(train, validation, label=name, seed=seed)
                except InputError as error:
                    raise InputError(error.what, where=f"{node.told}, fold {fold.name}", fix=error.fix) from error
                made = fitted.predict(test.sealed())
                importance = fitted.told.get("importance", {}) if isinstance(chain, Chain) else {}
                return {
                    "scores": made.scores, "withheld": made.withheld,
                    "names": np.array(list(importance), str), "weights": np.array(list(importance.values()), float),
                }  # fmt: skip

            settings = {**chain.settings(), "seed": seed}
            whole = (fold.name, fold.train.tolist(), fold.validation.tolist(), fold.test.tolist())
            key = key_of("fit", code(), code_version(), settings, fingerprint, whole)
            made = cache.arrays(key, fit) if cache and named else fit()
            scores[s, fold.test], withheld[s, fold.test] = made["scores"], made["withheld"]
            told.append({"fold": fold.name, "seed": seed, "importance": dict(zip(
                made["names"].tolist(), made["weights"].tolist(), strict=True))})  # fmt: skip
    tested = np.unique(np.concatenate([f.test for f in folds]))
    predictions = [Prediction(a[tested], b[tested]) for a, b in zip(scores, withheld, strict=True)]
    return Run(node, name, labels, data, protocol, folds, predictions, tested, told, seeds, time.perf_counter() - began)


def learner_of(pipeline: Pipeline, node: Node) -> Learner:
    """The learner of an estimate node: a chain of steps and an estimator, or a fusion model fed with the extracts."""
    if isinstance(node.use, str) and node.use in registry.names("models"):
        settings = {k: v for k, v in node.settings.items() if k != "seeds"}
        return named_learner(node.use, settings, name=node.id)
    return Chain.of(pipeline, node.id)


def report(pipeline: Pipeline, root: Path | str | None = None, *, label: str = "", **options: Any) -> Report:
    """The same pipeline by `moodal.lab.bench.run.run`: paired tests, the any-subset card, fairness rows, a page.

    ``label`` names one label node (the only one, for ``""``); ``options`` are those of the bench.

    Raises
    ------
    UsageError, InputError, LeakageError : as `evaluate`.
    """
    check(pipeline)
    prepared = prepare(pipeline, root, cache=options.get("cache"))
    nodes = [n for n in pipeline.of("estimate") if n.use != "vote" and label in ("", *n.inputs)]
    if not nodes:
        raise UsageError(f"estimates no label {label!r}", where=pipeline.name, fix="See its label nodes.")
    parts = [_data_of(pipeline, n, prepared) for n in nodes]
    data, labels, name = parts[0]
    if any(p[2] != name for p in parts):
        raise UsageError("has several labels", where=pipeline.name, fix="Name one: label = ...")
    every = {m: f for d, _, _ in parts for m, f in d.features.items()}
    data = Dataset(data.index.with_labels(**{name: labels}), every)
    entries = [Entry(n.id, learner_of(pipeline, n), tuple(p[0].features)) for n, p in zip(nodes, parts, strict=True)]
    seeds = max((tuple(n.settings.get("seeds", (0,))) for n in nodes), key=len)
    protocol = protocol_of(pipeline.parts.get("split"), data.index)
    return bench_run(data, protocol, entries, label=name, seeds=seeds, name=pipeline.name, **options)


def _voted(node: Node, members: Sequence[Run]) -> Run:
    """The mean of the members' probabilities, seed by seed (a member with fewer seeds lends its first)."""
    first = members[0]
    for other in members[1:]:
        if other.label != first.label or not np.array_equal(other.tested, first.tested):
            raise UsageError(
                f"node {node.told} votes over {first.node.id} and {other.node.id}, which say different things",
                fix="Let a vote take estimates of one label.",
            )
    seeds = max((m.seeds for m in members), key=len)
    predictions = []
    for s in range(len(seeds)):
        some = [m.predictions[s if s < len(m.predictions) else 0] for m in members]
        predictions.append(
            Prediction(np.mean([p.scores for p in some], axis=0), np.all([p.withheld for p in some], axis=0))
        )
    return Run(
        node, first.label, first.labels, first.data, first.protocol, first.folds, predictions, first.tested, [], seeds
    )


def _p(pipeline: Pipeline, run: Run, times: int) -> float:
    """Share of runs on permuted labels (this one among them) that score at least as well."""
    from moodal.lab.bench.metrics import metric

    judge = metric("", run.labels.kind)

    def score(r: Run) -> float:
        value = judge.score(r.labels.take(r.tested), r.predictions[0])
        return value if judge.higher else -value

    real = score(run)
    least = 1
    for k in range(times):
        labels = permuted(run.labels, run.data, k)
        least += score(_run(pipeline, run.node, run.data, labels, run.label, None, None, run.seeds[:1])) >= real
    return least / (times + 1)
