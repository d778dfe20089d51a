"""What a benchmark found: one object that terminal, Markdown, CSV, JSON and page are written from.

One checkpoint (or candidate) a fit was chosen on validation, and every figure here comes from its predictions of the
test part: pooled over folds, mean over seeds, with an interval by bootstrap over people.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Prediction

from .calibration import conformal_threshold, coverage, ece, label_sets, reliability
from .intervals import Scores, Units, holm, interval, paired_p, resampled, taken, units
from .metrics import METRICS, Metric, confusion, decided, precision, recall
from .protocols import Fold, Protocol
from .results import Result, versions

__all__ = ["CardCell", "Comparison", "GroupRow", "Report", "Row", "Run", "assemble"]

#: Nominal coverage of label sets.
LEVEL = 0.9
#: Fewer units than these make a bootstrap interval too narrow to go without a word.
FEW = 8


@dataclass(frozen=True)
class Run:
    """What `moodal.lab.bench.run` hands over: results by fold, entry and seed, and what was asked."""

    name: str
    title: str
    data: Dataset
    label: str
    metric: Metric
    protocol: Protocol
    folds: tuple[Fold, ...]
    entries: tuple[Any, ...]
    seeds: tuple[int, ...]
    notices: tuple[str, ...]
    results: dict[tuple[str, str, int], Result]
    card: str
    patterns: tuple[str, ...]
    compare: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]
    unit: str

    def seeds_of(self, entry: Any) -> tuple[int, ...]:
        """Trivial rows have one seed."""
        return self.seeds[:1] if entry.trivial else self.seeds


@dataclass(frozen=True)
class Row:
    """One learner. ``low`` and ``high`` bound ``score`` (95 %); ``above``: it beats the best trivial row."""

    name: str
    trivial: bool
    modalities: tuple[str, ...]
    score: float
    low: float
    high: float
    folds_mean: float
    folds_sd: float
    by_fold: tuple[float, ...]
    by_seed: tuple[float, ...]
    metrics: dict[str, float]
    above: bool | None
    verdict: str
    flags: tuple[str, ...]
    withheld: int
    recall: dict[str, float]
    precision: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[tuple[int, float, float], ...]
    coverage: dict[str, float]
    units: tuple[tuple[str, float, int], ...]
    settings: dict[str, Any]
    chosen: tuple[str, ...]
    tried: int
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """Two learners over the same units: difference of the quoted figure, its interval, p and p after Holm."""

    a: str
    b: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class CardCell:
    """The figure with those modalities alone, under that pattern (``""`` for none)."""

    modalities: tuple[str, ...]
    pattern: str
    score: float
    low: float
    high: float
    withheld: int


@dataclass(frozen=True)
class GroupRow:
    """The figure of one learner within one group; ``n`` examples of ``units`` units."""

    learner: str
    column: str
    value: str
    score: float
    low: float
    high: float
    n: int
    units: int


@dataclass(frozen=True)
class Report:
    """A benchmark's findings; `to_dict` is all of it, and the writers in `tables` and `page` draw from it."""

    name: str
    title: str
    data: dict[str, Any]
    label: str
    kind: str
    classes: tuple[str, ...]
    metric: str
    higher: bool
    protocol: dict[str, Any]
    folds: tuple[tuple[str, int, int, int], ...]
    seeds: tuple[int, ...]
    notices: tuple[str, ...]
    unit: str
    n_units: int
    n: int
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    card: str
    cells: tuple[CardCell, ...]
    groups: tuple[GroupRow, ...]
    contamination: str
    versions: dict[str, str]
    published: tuple[dict[str, Any], ...] = ()
    goal: dict[str, Any] | None = None
    recipe: str = ""
    command: str = field(default="", compare=False)

    def __getitem__(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    def __str__(self) -> str:
        from .tables import markdown

        return markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-like: what is not defined is None, and times are apart from results."""
        told = _jsonable(asdict(self))
        told["timing"] = {row["name"]: round(row.pop("seconds"), 3) for row in told["rows"]}
        assert isinstance(told, dict)
        return told

    @property
    def headline(self) -> Row:
        """The row that is quoted: the goal's learner, the card's, or the first."""
        wanted = (self.goal or {}).get("learner") or self.card
        return self[wanted] if wanted else self.rows[0]


def assemble(run: Run) -> Report:
    """The report of a run."""
    tested = np.concatenate([fold.test for fold in run.folds])
    labels = run.data.index.label(run.label).take(tested)
    keep = np.flatnonzero(labels.labelled)
    tested, labels = tested[keep], labels.take(keep)
    index = run.data.index.take(tested)
    among = units(index, run.unit)
    place = np.concatenate([np.full(len(f.test), k) for k, f in enumerate(run.folds)])[keep]

    pooled: dict[str, tuple[Prediction, ...]] = {}
    scores: dict[str, Scores] = {}
    draws: dict[str, npt.NDArray[np.float64]] = {}
    for entry in run.entries:
        pooled[entry.name] = tuple(
            taken(_joined([run.results[f.name, entry.name, s].test for f in run.folds]), keep)
            for s in run.seeds_of(entry)
        )
        scores[entry.name] = Scores.of(run.metric, labels, pooled[entry.name], among)
        draws[entry.name] = resampled(scores[entry.name])
    sign = 1 if run.metric.higher else -1
    trivial = [e.name for e in run.entries if e.trivial]
    best = max(trivial, key=lambda t: sign * _or(scores[t].whole(), -sign * np.inf))
    rows = tuple(
        _row(run, e, pooled[e.name], scores[e.name], draws[e.name], draws[best], best, labels, place)
        for e in run.entries
    )
    notices = list(run.notices)
    if among.column == "row":
        notices.append("no people, dialogues or recordings are known: intervals are over rows, and too narrow")
    elif len(among.names) < FEW:
        notices.append(f"intervals rest on {among}: too few to be trusted to more than a digit")
    there = run.data.take(tested).present if run.data.features else np.ones((len(tested), 1), bool)
    silent: npt.NDArray[np.bool_] = np.logical_not(np.any(there, axis=1))
    for name in sorted({among.names[u] for u in set(among.of[silent])} if among.column != "row" else ()):
        mine = among.of == among.names.index(name)
        if silent[mine].all():
            notices.append(f"{among.column} {name} has no features at all: its {int(mine.sum())} examples are withheld")
    return Report(
        name=run.name,
        title=run.title,
        data={
            "name": run.data.index.name,
            "terms": run.data.index.terms,
            "examples": len(run.data),
            "subjects": len(set(run.data.index["subject"]) - {""}),
            "modalities": {m: int(f.present.sum()) for m, f in run.data.features.items()},
            "labels": labels.counts(),
        },
        label=run.label,
        kind=labels.kind,
        classes=labels.names,
        metric=run.metric.name,
        higher=run.metric.higher,
        protocol=run.protocol.as_dict(),
        folds=tuple((f.name, len(f.train), len(f.validation), len(f.test)) for f in run.folds),
        seeds=run.seeds,
        notices=tuple(dict.fromkeys(notices)),
        unit=among.column,
        n_units=len(among.names),
        n=len(tested),
        rows=rows,
        comparisons=_comparisons(run, scores, draws),
        card=run.card,
        cells=_cells(run, labels, keep, among),
        groups=_groups(run, index, labels, pooled, among),
        contamination=_contamination(run.data),
        versions=versions(),
    )


def _row(
    run: Run, entry: Any, predictions: tuple[Prediction, ...], scores: Scores, draws: npt.NDArray[np.float64],
    trivial: npt.NDArray[np.float64], best: str, labels: Labels, place: npt.NDArray[np.int64],
) -> Row:  # fmt: skip
    whole = scores.whole()
    low, high = interval(draws)
    by_fold = tuple(scores.rows(np.flatnonzero(place == k)) for k in range(len(run.folds)) if (place == k).any())
    told = np.array(by_fold)[np.isfinite(by_fold)]
    results = [run.results[f.name, entry.name, s] for s in run.seeds_of(entry) for f in run.folds]
    others = {m: k for m, k in METRICS.items() if labels.kind in k.kinds and (m != "auc" or len(labels.names) == 2)}
    flags = [] if entry.trivial else _flags(labels, predictions)
    above: bool | None = None
    verdict = "trivial"
    if not entry.trivial:
        ahead = interval((draws - trivial) * (1 if run.metric.higher else -1))[0]
        above = bool(np.isfinite(ahead) and ahead > 0)
        verdict = f"above chance ({best})" if above else f"not above chance ({best})"
    of_class: dict[str, Any] = {"recall": {}, "precision": {}, "confusion": (), "reliability": (), "coverage": {}}
    if labels.kind == "class":
        of_class = _of_classes(run, entry, predictions, labels)
    return Row(
        name=entry.name, trivial=entry.trivial, modalities=entry.modalities or run.data.modalities, score=whole,
        low=low, high=high, folds_mean=float(told.mean()) if len(told) else float("nan"),
        folds_sd=float(told.std(ddof=1)) if len(told) > 1 else float("nan"), by_fold=by_fold,
        by_seed=tuple(run.metric.score(labels, p) for p in predictions),
        metrics={m: float(np.mean([k.score(labels, p) for p in predictions])) for m, k in others.items()},
        above=above, verdict=verdict, flags=tuple(flags), withheld=int(predictions[0].withheld.sum()),
        units=tuple(
            (name, float(value), int(n)) for name, value, n in zip(
                scores.units.names, scores.by_unit(), np.bincount(scores.units.of), strict=True)
        ) if scores.units.column != "row" else (),
        settings=entry.learner.settings(), chosen=_chosen(results),
        tried=sum(int(r.told.get("tried", 1)) for r in results), seconds=sum(r.seconds for r in results), **of_class,
    )  # fmt: skip


def _of_classes(run: Run, entry: Any, predictions: tuple[Prediction, ...], labels: Labels) -> dict[str, Any]:
    size = len(labels.names)
    counts = np.sum([confusion(labels.values, decided("class", p), size) for p in predictions], axis=0)
    first = predictions[0]
    bins = reliability(labels.values, first.scores, first.withheld)
    hits, sizes, n = 0.0, 0.0, 0
    whole = run.data.index.label(run.label)
    for fold in run.folds:
        result = run.results[fold.name, entry.name, run.seeds[0]]
        held = np.flatnonzero(whole.labelled[fold.validation] & ~result.validation.withheld)
        here = np.flatnonzero(whole.labelled[fold.test] & ~result.test.withheld)
        cut = conformal_threshold(whole.values[fold.validation][held], result.validation.scores[held], LEVEL)
        sets = label_sets(result.test.scores[here], cut)
        share, mean = coverage(whole.values[fold.test][here], sets)
        if len(here):
            hits, sizes, n = hits + share * len(here), sizes + mean * len(here), n + len(here)
    told = {
        "level": LEVEL,
        "observed": hits / n if n else float("nan"),
        "mean_set_size": sizes / n if n else float("nan"),
    }
    return {
        "recall": dict(zip(labels.names, recall(counts).tolist(), strict=True)),
        "precision": dict(zip(labels.names, precision(counts).tolist(), strict=True)),
        "confusion": tuple(tuple(r) for r in counts.tolist()),
        "reliability": tuple((b.n, b.confidence, b.right) for b in bins),
        "coverage": told | {"ece_width": ece(labels.values, first.scores, first.withheld, by="width")},
    }


def _flags(labels: Labels, predictions: tuple[Prediction, ...]) -> list[str]:
    """What is wrong with a learner's output, whatever its score."""
    flags = []
    for p in predictions:
        spoken = p.scores[~p.withheld]
        if len(spoken) < 2:
            continue
        if labels.kind in ("class", "distribution"):
            same = len(set(spoken.argmax(axis=1).tolist())) == 1
        elif labels.kind == "multilabel":
            on = decided("multilabel", p)[~p.withheld]
            same = bool((on == on[0]).all())
        else:
            same = bool((np.ptp(spoken, axis=0) <= 1e-3 * np.std(labels.values, axis=0)).all())
        if same:
            flags.append("collapsed: constant output")
            break
    return flags


def _comparisons(
    run: Run, scores: dict[str, Scores], draws: dict[str, npt.NDArray[np.float64]]
) -> tuple[Comparison, ...]:
    real = [e.name for e in run.entries if not e.trivial]
    pairs = run.compare or tuple((real[0], other) for other in real[1:])
    p = [paired_p(scores[a], scores[b]) for a, b in pairs]
    out = []
    for (a, b), raw, corrected in zip(pairs, p, holm(p), strict=True):
        low, high = interval(draws[a] - draws[b])
        out.append(Comparison(a, b, scores[a].whole() - scores[b].whole(), low, high, raw, corrected))
    return tuple(out)


def _cells(run: Run, labels: Labels, keep: npt.NDArray[np.int64], among: Units) -> tuple[CardCell, ...]:
    cells = []
    for cell in run.patterns:
        subset, _, pattern = cell.partition(" / ")
        predictions = [
            taken(_joined([run.results[f.name, run.card, s].card[cell] for f in run.folds]), keep) for s in run.seeds
        ]
        scores = Scores.of(run.metric, labels, predictions, among)
        low, high = interval(resampled(scores))
        withheld = int(predictions[0].withheld.sum())
        cells.append(CardCell(tuple(subset.split("+")), pattern, scores.whole(), low, high, withheld))
    return tuple(cells)


def _groups(
    run: Run, index: Any, labels: Labels, pooled: dict[str, tuple[Prediction, ...]], among: Units
) -> tuple[GroupRow, ...]:
    out = []
    for column in run.groups:
        for value, rows in index.groups(column).items():
            names, of = np.unique(among.of[rows], return_inverse=True)
            mine = Units(among.column, tuple(among.names[i] for i in names), of.astype(np.int64))
            for entry in run.entries:
                if entry.trivial:
                    continue
                parts = [taken(p, rows) for p in pooled[entry.name]]
                scores = Scores.of(run.metric, labels.take(rows), parts, mine)
                # One person resampled is that person again: no interval.
                low, high = interval(resampled(scores)) if len(names) > 1 else (float("nan"), float("nan"))
                out.append(GroupRow(entry.name, column, value, scores.whole(), low, high, len(rows), len(names)))
    return tuple(out)


def _joined(parts: list[Prediction]) -> Prediction:
    extra = {}
    if all("decided" in p.extra for p in parts):
        extra["decided"] = np.concatenate([p.extra["decided"] for p in parts])
    return Prediction(np.concatenate([p.scores for p in parts]), np.concatenate([p.withheld for p in parts]), extra)


def _chosen(results: list[Result]) -> tuple[str, ...]:
    """What the search chose, with how often: ``C=0.1 in face: 3 of 5``; notes of the fits after them."""
    counted: dict[str, int] = {}
    notes: dict[str, int] = {}
    for result in results:
        for view, values in result.told.get("chosen", {}).items():
            if values:
                text = f"{view}: " + ", ".join(f"{k}={v}" for k, v in values.items())
                counted[text] = counted.get(text, 0) + 1
        for note in (*result.told.get("notes", ()), *result.told.get("not_learnt", ())):
            notes[note] = notes.get(note, 0) + 1
        if "best_epoch" in result.told:
            text = f"epoch {result.told['best_epoch']} of {result.told.get('epochs', '?')}"
            counted[text] = counted.get(text, 0) + 1
    ranked = sorted(counted.items(), key=lambda i: (-i[1], i[0]))
    return tuple(f"{text} ({n} of {len(results)} fits)" for text, n in [*ranked, *sorted(notes.items())])


def _or(value: float, other: float) -> float:
    return value if np.isfinite(value) else other


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


def _contamination(data: Dataset) -> str:
    """What is known of the examples that made the features themselves."""
    told = [
        f"{m}: its encoder was tuned on {len(f.fitted_on & set(data.index['clip']))} of these examples, none held out"
        for m, f in data.features.items()
        if f.fitted_on
    ]
    rest = [m for m, f in data.features.items() if not f.fitted_on]
    if rest:
        told.append(f"{', '.join(rest)}: unknown: their makers name nothing that they were fitted on")
    return "; ".join(told)
