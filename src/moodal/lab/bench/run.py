"""Folds × learners × seeds: fitted on train, chosen on validation, and the test part only ever seen sealed.

::

    Dataset ─ Protocol.split ─▶ fold: train  validation  test.sealed()
                                        │        │          │
                                        └─ fit ──┘          │
                                            └── predict ────┘──▶ Result, on disk at once
                                                                   └── every Result ──▶ Report
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.errors import InputError, MissingExtra, MoodalError, OutputError, UsageError
from moodal.lab.data.cache import Cache, key_of
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.leak import LeakageError
from moodal.lab.data.learner import Learner, Prediction
from moodal.lab.data.missing import Missing
from moodal.weights.cache import home

from .folds import learnable
from .learners import learner as named_learner
from .learners import of_estimator
from .metrics import metric as known_metric
from .protocols import Fold, Protocol
from .report import Report, Run, assemble
from .results import Result, code, data_key
from .trivial import Majority, Prior, Shuffled

__all__ = ["Entry", "run"]

#: Random patterns over every subset of more modalities than this would not fit a table.
_MOST = 6


@dataclass(frozen=True)
class Entry:
    """A row of the table: a learner, and the modalities that it is given (all, for none)."""

    name: str
    learner: Learner
    modalities: tuple[str, ...] = ()
    trivial: bool = False

    def given(self, data: Dataset) -> Dataset:
        """The data set as this learner sees it."""
        return data.only(self.modalities) if self.modalities else data

    def key(self) -> list[Any]:
        """What its results hang on."""
        cls = type(self.learner)
        return [f"{cls.__module__}.{cls.__qualname__}", self.learner.settings(), self.modalities]


@dataclass(frozen=True)
class Task:
    """One fit to be done, by whichever process."""

    fold: Fold
    entry: Entry
    seed: int
    key: str
    patterns: tuple[str, ...]


def run(
    dataset: Dataset,
    protocol: Protocol,
    learners: Mapping[str, Any] | Sequence[Any],
    *,
    label: str = "",
    metric: str = "",
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    cache: Cache | None = None,
    missing: Sequence[str | Missing] = (),
    subsets: str = "",
    compare: Sequence[tuple[str, str]] = (),
    groups: Sequence[str] = (),
    unit: str = "",
    name: str = "",
    title: str = "",
    fresh: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Report:
    """Benchmark learners on a data set under a protocol.

    Parameters
    ----------
    learners : by name, or in a list: learners, unfitted scikit-learn estimators, short names (``"logistic"``), or
        entries. ``majority``, ``prior`` and ``shuffled`` (the first of them on shuffled labels) are added.
    metric : the figure that is quoted, and by which learners of short names choose; by the kind of label, for ``""``.
    jobs : processes that work at a time. Numbers do not hang on it.
    cache : where results are kept; ``lab/bench`` in moodal's cache folder unless given.
    missing, subsets : the any-subset card of one learner (the first that has several modalities), and patterns of
        missing modalities that it adds to every subset.
    compare : pairs of learners to be tested against each other; the first with every other, unless given.
    groups : columns by whose values scores are told apart.
    unit : the column whose values are resampled for intervals and tests; by the protocol or ``subject``, for ``""``.
    fresh : compute everything again.

    Raises
    ------
    LeakageError : parts that share what they must not, an estimator that is fitted already, or a learner that asks for
        test labels.
    InputError : an empty part, one class only, a learner that fails.
    UsageError : a learner, metric, pattern or column that is not known.
    """
    labels = dataset.index.label(label)
    label = label or next(iter(dataset.index.labels))
    figure = known_metric(metric, labels.kind)
    if figure.name == "auc" and len(labels.names) != 2:
        raise UsageError(f"auc is for two classes, not {len(labels.names)}", fix="Choose uar, say.")
    entries = _entries(learners, figure.name)
    for entry in entries:
        entry.given(dataset)
    folds, left_out = learnable(dataset, label, protocol.split(dataset), protocol)
    card = _card_entry(entries, dataset, subsets)
    patterns = _patterns(entries, card, dataset, missing)
    for a, b in compare:
        for told in (a, b):
            if told not in {e.name for e in entries}:
                known = ", ".join(e.name for e in entries)
                raise UsageError(f"compares {told!r}, which is no learner", where=name, fix=f"Learners: {known}.")
    for column in groups:
        dataset.index[column]

    store = cache or Cache(home() / "lab" / "bench")
    base = [data_key(dataset, label), label, code()]
    tasks = []
    for fold in folds:
        rows = [part.tolist() for part in fold.parts.values()]
        for entry in entries:
            for seed in seeds if not entry.trivial else seeds[:1]:
                mine = patterns if entry.name == card else ()
                told = json.dumps([*base, rows, *entry.key(), seed, mine], sort_keys=True, default=str)
                tasks.append(Task(fold, entry, int(seed), key_of(told), mine))
    found = _results(dataset, label, tasks, store, jobs, fresh, progress)
    notices = [*dataset.index.notices, *left_out, *protocol.notices(dataset.index, folds)]
    for entry in entries:
        notices += getattr(entry.learner, "notices", list)()
    return assemble(
        Run(
            name=name or dataset.index.name, title=title, data=dataset, label=label, metric=figure, protocol=protocol,
            folds=tuple(folds), entries=tuple(entries), seeds=tuple(int(s) for s in seeds), notices=tuple(notices),
            results={(t.fold.name, t.entry.name, t.seed): found[t.key] for t in tasks}, card=card, patterns=patterns,
            compare=tuple(compare), groups=tuple(groups), unit=unit or protocol.unit,
        )
    )  # fmt: skip


def _entries(learners: Mapping[str, Any] | Sequence[Any], choose: str) -> list[Entry]:
    given = list(learners.items()) if isinstance(learners, Mapping) else [("", item) for item in learners]
    entries: list[Entry] = []
    for name, item in given:
        if isinstance(item, Entry):
            entries.append(item)
        elif isinstance(item, str):
            named = named_learner(item, name=name or item, choose=choose)
            entries.append(Entry(named.name, named))
        elif hasattr(item, "get_params"):
            made = of_estimator(item, name or type(item).__name__, choose=choose)
            entries.append(Entry(made.name, made))
        elif isinstance(item, Learner):
            entries.append(Entry(name or item.name, item))
        else:
            raise UsageError(
                f"{name or item!r} is no learner", fix="Give a short name, a learner, or an estimator such as SVC()."
            )
    if not entries:
        raise UsageError("no learner was given", fix="Give one: \"logistic\", say.")  # fmt: skip
    names = [e.name for e in entries]
    for trivial in ("majority", "prior", "shuffled"):
        if trivial in names:
            raise UsageError(f"{trivial} is always in the table", fix="Call the learner something else.")
    if len(set(names)) != len(names):
        raise UsageError("two learners have the same name", fix="Name each: {\"mine\": SVC()}, say.")  # fmt: skip
    first = entries[0]
    shuffled = Entry("shuffled", Shuffled(first.learner), first.modalities, True)
    return [*entries, Entry("majority", Majority(), (), True), Entry("prior", Prior(), (), True), shuffled]


def _card_entry(entries: Sequence[Entry], data: Dataset, wanted: str) -> str:
    """The learner that the any-subset card is made of, or ``""`` where none has several modalities."""
    able = [e for e in entries if not e.trivial and not getattr(e.learner, "text", False)]
    if wanted:
        if wanted not in {e.name for e in able}:
            raise UsageError(f"no card can be made of {wanted!r}", fix=f"Of: {', '.join(e.name for e in able)}.")
        return wanted
    return next((e.name for e in able if len(e.modalities or data.modalities) > 1), "")


def _patterns(entries: Sequence[Entry], card: str, data: Dataset, missing: Sequence[str | Missing]) -> tuple[str, ...]:
    """Names of the card's cells: ``SUBSET`` or ``SUBSET / PATTERN``; the whole set is the test prediction itself."""
    asked = [m if isinstance(m, Missing) else Missing.parse(m) for m in missing]
    if not card:
        if asked:
            raise UsageError("no learner has several modalities to be missing", fix="Leave missing out.")
        return ()
    entry = next(e for e in entries if e.name == card)
    modalities = entry.modalities or data.modalities
    for pattern in asked:
        data.only(pattern.modalities)
    subsets = [s for k in range(1, len(modalities) + 1) for s in combinations(modalities, k)]
    if len(modalities) > _MOST:
        subsets = [s for s in subsets if len(s) in (1, len(modalities) - 1, len(modalities))]
    cells = []
    for subset in sorted(subsets, key=lambda s: (-len(s), [modalities.index(m) for m in s])):
        cells.append("+".join(subset))
        for pattern in asked:
            if pattern.kind == "fixed" and len(subset) < len(modalities):
                continue  # it is a subset itself
            if pattern.kind == "random" and len(subset) == 1:
                continue  # one always stays
            if pattern.kind != "none":
                cells.append(f"{'+'.join(subset)} / {pattern}")
    return tuple(cells)


def _results(
    data: Dataset, label: str, tasks: Sequence[Task], store: Cache, jobs: int, fresh: bool,
    progress: Callable[[float], None] | None,
) -> dict[str, Result]:  # fmt: skip
    """What is kept already, and the rest, computed now."""
    found: dict[str, Result] = {}
    for task in tasks:
        if not fresh and task.key not in found and _kept(task) and (stored := store.get(task.key)) is not None:
            found[task.key] = Result.of(stored)
    todo = list({t.key: t for t in tasks if t.key not in found}.values())
    for entry in {t.entry.name: t.entry for t in todo}.values():
        getattr(getattr(entry.learner, "learner", entry.learner), "made", lambda: None)()  # a wrong setting tells now
    before, done = len(found), 0

    failed: list[tuple[str, str]] = []

    def note(key: str, answer: Result | tuple[str, str]) -> None:
        nonlocal done
        if not isinstance(answer, Result):
            failed.append(answer)
            return
        found[key] = answer
        done += 1
        if progress is not None:
            progress((before + done) / (before + len(todo)))

    def rest() -> Iterator[Task]:
        # After a failure nothing new is begun; what others are at is finished and kept.
        for task in todo:
            if failed:
                return
            yield task

    if jobs <= 1 or len(todo) <= 1:
        for task in rest():
            note(task.key, _work(data, label, task, store.folder))
    else:
        from joblib import Parallel, delayed

        work = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch=jobs + 1, batch_size=1)
        me = os.getpid()
        for key, answer in work(delayed(_keyed)(data, label, task, store.folder, me) for task in rest()):
            note(key, answer)
    if failed:
        raise _error(*failed[0])
    return found


def _kept(task: Task) -> bool:
    inner = getattr(task.entry.learner, "learner", task.entry.learner)
    return bool(getattr(inner, "keeps", True))


def _keyed(data: Dataset, label: str, task: Task, folder: Path, parent: int) -> tuple[str, Result | tuple[str, str]]:
    _end_with(parent)
    return task.key, _work(data, label, task, folder)


@cache
def _end_with(parent: int) -> None:
    """End this process when the one that began it is gone: a run that was killed leaves nobody working."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=watch, daemon=True).start()


def _work(data: Dataset, label: str, task: Task, folder: Path) -> Result | tuple[str, str]:
    """Fit and predict, keep the result, return it; or the kind and text of what went wrong."""
    store = Cache(folder)
    where = f"{task.entry.name}, fold {task.fold.name}, seed {task.seed}"
    try:
        with _one_thread():
            result = _fitted(data, label, task, folder / "fits" / task.key)
        if _kept(task):
            store.put(task.key, result.arrays())
            shutil.rmtree(folder / "fits" / task.key, ignore_errors=True)
        return result
    except MoodalError as error:
        kind = type(error).__name__
        return kind, f"{where}: {error}"
    except Exception as error:
        if os.environ.get("MOODAL_DEBUG"):
            raise
        first = (str(error).strip() or "no message").splitlines()[0]
        return "InputError", f"{where}: failed with {type(error).__name__}: {first}"


def _error(kind: str, text: str) -> MoodalError:
    """The error of a process that failed: those with several arguments do not travel as they are."""
    kinds: dict[str, type[MoodalError]] = {c.__name__: c for c in (LeakageError, UsageError, OutputError, InputError)}
    return UsageError(text) if kind == MissingExtra.__name__ else kinds.get(kind, InputError)(text)


def _fitted(data: Dataset, label: str, task: Task, folder: Path) -> Result:
    entry, fold = task.entry, task.fold
    seen = entry.given(data)
    train, validation = seen.take(fold.train), seen.take(fold.validation)
    test = seen.take(fold.test).sealed()
    began = time.perf_counter()
    fitted = entry.learner.fit(train, validation, label=label, seed=task.seed, folder=folder)
    told = dict(fitted.told)
    held = getattr(fitted, "validation", None)
    if held is None:
        held = fitted.predict(validation.sealed())
    kind = validation.index.label(label).kind
    held = _checked(held, len(validation), kind, told, entry.name)
    whole = _checked(fitted.predict(test), len(test), kind, told, entry.name)
    card: dict[str, Prediction] = {}
    for cell in task.patterns:
        subset, _, pattern = cell.partition(" / ")
        there = subset.split("+")
        hidden = [m for m in test.modalities if m not in there]
        shown = test.without(hidden)
        if pattern:
            # Patterns draw among the modalities that are left: one of them always stays.
            part = Missing.parse(pattern).apply(test.only(there))
            shown = Dataset(test.index, {m: part.features.get(m, shown.features[m]) for m in test.modalities})
        same = not hidden and not pattern
        card[cell] = whole if same else _checked(fitted.predict(shown), len(test), kind, told, entry.name)
    return Result(whole, held, told, time.perf_counter() - began, card)


def _checked(prediction: Prediction, n: int, kind: str, told: Mapping[str, Any], name: str) -> Prediction:
    """The prediction with what was decided of several labels; refused if it is none."""
    scores = np.asarray(prediction.scores, np.float64)
    if scores.ndim != 2 or len(scores) != n or prediction.withheld.shape != (n,):
        raise InputError(f"predicts {scores.shape} scores for {n} examples", where=name)
    spoken = scores[~prediction.withheld]
    if not np.isfinite(spoken).all():
        raise InputError(
            f"predicts values that are not finite for {int((~np.isfinite(spoken)).any(axis=1).sum())} examples",
            where=name, fix="Withhold them.",
        )  # fmt: skip
    scores = np.where(prediction.withheld[:, None] & ~np.isfinite(scores), 0.0, scores)
    extra = {k: np.asarray(v) for k, v in prediction.extra.items() if k == "decided"}
    if kind == "multilabel" and "decided" not in extra and told.get("thresholds") is not None:
        extra["decided"] = scores >= np.asarray(told["thresholds"])
    return replace(prediction, scores=scores, withheld=np.asarray(prediction.withheld, bool), extra=extra)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for the numbers: sums in another order would differ in the last digit with the number of processes."""
    try:
        import sklearn  # noqa: F401  (its libraries must be there before their threads can be limited)
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(1):
        yield
