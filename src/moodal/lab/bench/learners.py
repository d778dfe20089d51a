"""Learners of scikit-learn: pooled features or words, early or late fusion, everything fitted inside the fold."""

from __future__ import annotations

import hashlib
import inspect
import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Learner, Prediction

from .designs import NORMALISE, Design, PooledDesign, TextDesign
from .estimators import ESTIMATORS, fitted_parts, outputs, softmax, told
from .metrics import METRICS, metric

__all__ = ["LEARNERS", "SklearnFitted", "SklearnLearner", "learner", "of_estimator"]

Array = npt.NDArray[Any]
_LEAST = 1e-12

#: Short names of what scikit-learn brings; ``late-`` in front of those of features chooses late fusion.
LEARNERS: tuple[str, ...] = (*ESTIMATORS, *(f"late-{name}" for name in ESTIMATORS), "tfidf-logistic")


@dataclass(frozen=True)
class SklearnLearner:
    """An estimator of scikit-learn as a learner of the bench.

    ``grid`` holds what is tried: every combination is fitted on the training part, the best on the validation part
    by ``choose`` (a metric) is taken, the first of equals. With ``refit`` that one is fitted again on both parts;
    what it said of the validation part before is kept for calibration. ``early`` puts the modalities side by side;
    ``late`` fits one estimator a modality and averages the log-probabilities (the numbers, for numbers) of those
    that are there. An estimator without probabilities gets them from its margins by a softmax whose temperature is
    set on the validation part. ``normalise`` is one of `moodal.lab.bench.designs.NORMALISE`.
    """

    name: str
    make: Callable[[str], Any] = field(repr=False)
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    fusion: Literal["early", "late"] = "early"
    normalise: str = "train"
    refit: bool = True
    choose: str = ""
    text: bool = False
    identity: str = ""
    #: False where the estimator could not be told apart from another, so that its results are not kept.
    keeps: bool = True

    def __post_init__(self) -> None:
        if self.fusion not in ("early", "late"):
            raise UsageError(f"unknown fusion {self.fusion!r}", where=self.name, fix="It is early or late.")
        if self.normalise not in NORMALISE:
            raise UsageError(
                f"unknown normalisation {self.normalise!r}", where=self.name, fix=f"Known: {', '.join(NORMALISE)}."
            )
        if self.choose and self.choose not in METRICS:
            raise UsageError(f"chooses by an unknown metric {self.choose!r}", where=self.name)

    def settings(self) -> dict[str, Any]:
        """All settings."""
        return {
            "estimator": self.identity,
            "fixed": told(self.fixed),
            "grid": {k: list(v) for k, v in self.grid.items()},
            "fusion": self.fusion,
            "normalise": self.normalise,
            "refit": self.refit,
            "choose": self.choose,
        }

    def notices(self) -> list[str]:
        """What has to be printed beside its scores."""
        return [f"{self.name}: {NORMALISE[self.normalise]}"] if self.normalise == "subject-unlabelled" else []

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> SklearnFitted:
        """Search on the two parts and fit.

        Raises
        ------
        InputError : one class only to learn from, or nothing present in training.
        """
        labels = train.index.label(label)
        known = metric(self.choose, labels.kind)
        views: list[_View] = []
        alone = self.text or self.fusion == "early" or len(train.modalities) == 1
        names = ["text"] if self.text else ["+".join(train.modalities)] if alone else list(train.modalities)
        skipped: list[str] = []
        for name in names:
            modalities = train.modalities if alone else (name,)
            design: Design = TextDesign() if self.text else PooledDesign(modalities, self.normalise)
            view = _View(self, name, design, labels.kind, len(labels.names), seed)
            if why := view.cannot(train, label):
                if alone:
                    raise InputError(why, where=f"{train.index.name}, {self.name}", fix="Check labels and features.")
                skipped.append(f"{name}: {why}")
                continue
            view.search(train, validation, label, known.name)
            views.append(view)
        if not views:
            raise InputError("no modality can be learnt from", where=self.name, fix="; ".join(skipped))
        fitted = SklearnFitted(views, labels.kind, len(labels.names), _rest(labels))
        fitted.thresholds = _thresholds(fitted, validation, label)
        fitted.validation = fitted.predict(validation)
        if self.refit:
            for view in views:
                view.again([train, validation], label)
        fitted.told = {
            "chosen": {v.name: told(v.chosen) for v in views},
            "tried": sum(v.tried for v in views),
            "not_learnt": skipped,
            "notes": sorted({note for v in views for note in v.notes}),
        }
        return fitted


class SklearnFitted:
    """A fitted learner; ``validation`` is what it said of the validation part before it was fitted on it."""

    def __init__(self, views: Sequence[_View], kind: str, classes: int, rest: Array) -> None:
        self.views, self.kind, self.classes, self.rest = views, kind, classes, rest
        self.told: dict[str, Any] = {}
        self.thresholds: Array | None = None
        self.validation: Prediction | None = None

    def predict(self, data: Dataset) -> Prediction:
        """Average what is there; withhold where nothing is."""
        n = len(data)
        sums, counts = np.zeros((n, self.classes)), np.zeros(n)
        for view in self.views:
            scores, present = view.tell(data)
            sums[present] += scores[present] if self.kind == "continuous" else _into(self.kind, scores[present])
            counts += present
        withheld = counts == 0
        mean = sums / np.maximum(counts, 1)[:, None]
        scores = mean if self.kind == "continuous" else _out_of(self.kind, mean)
        scores[withheld] = self.rest
        extra = {}
        if self.thresholds is not None:
            extra["decided"] = scores >= self.thresholds
        return Prediction(scores, withheld, extra)


class _View:
    """One estimator on one design: everything side by side, or one modality alone."""

    def __init__(self, owner: SklearnLearner, name: str, design: Design, kind: str, classes: int, seed: int) -> None:
        self.owner, self.name, self.design, self.seed = owner, name, design, seed
        self.kind, self.classes = kind, classes
        self.chosen: dict[str, Any] = {}
        self.tried = 0
        self.notes: list[str] = []
        self.model: _Model | None = None

    def cannot(self, train: Dataset, label: str) -> str:
        """Why there is nothing to learn, or ``""``."""
        labels = train.index.label(label)
        if self.owner.text:
            there = np.asarray(train.index["text"] != "", bool)
        else:
            modalities = cast(PooledDesign, self.design).modalities
            there = np.any([train.features[m].present for m in modalities], axis=0)
        rows = there & labels.labelled
        if not rows.any():
            return "no labelled example of the training part is there"
        if labels.kind == "class" and len(set(labels.values[rows].tolist())) < 2:
            return f"the training part has one class only ({labels.names[int(labels.values[rows][0])]})"
        return ""

    def search(self, train: Dataset, validation: Dataset, label: str, by: str) -> None:
        """Fit every candidate on train, keep the best on validation."""
        self.design.fit([train])
        rows, there = self.design.transform(train)
        held, held_there = self.design.transform(validation)
        labels, truth = train.index.label(label), validation.index.label(label)
        keep = there & labels.labelled
        count = np.flatnonzero(truth.labelled)
        names, values = list(self.owner.grid), list(self.owner.grid.values())
        candidates = [dict(zip(names, v, strict=True)) for v in product(*values)]
        candidates = [c for c in candidates if c.get("n_neighbors", 1) <= keep.sum()] or [{"n_neighbors": 1}]
        known = metric(by, labels.kind)
        best = -np.inf
        for candidate in candidates:
            model = _Model(self, candidate).fit(rows[keep], labels.values[keep])
            if labels.kind in ("class", "distribution"):
                model.warm(held[held_there & truth.labelled], truth.values[held_there & truth.labelled])
            self.tried += 1
            scores = model.tell(held)
            told_ = Prediction(scores[count], ~held_there[count])
            value = known.score(truth.take(count), told_) if len(count) else float("nan")
            value = (value if known.higher else -value) if np.isfinite(value) else -np.inf
            if self.model is None or value > best:
                best, self.model, self.chosen = value, model, candidate

    def again(self, parts: Sequence[Dataset], label: str) -> None:
        """Fit the chosen candidate on all parts."""
        assert self.model is not None
        self.design.fit(parts)
        stacks, values = [], []
        for data in parts:
            rows, there = self.design.transform(data)
            labels = data.index.label(label)
            keep = there & labels.labelled
            stacks.append(rows[keep])
            values.append(labels.values[keep])
        temperature = self.model.temperature
        self.model = _Model(self, self.chosen).fit(_stacked(stacks), np.concatenate(values))
        self.model.temperature = temperature

    def tell(self, data: Dataset) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Scores of all examples, and which of them it may speak of."""
        assert self.model is not None
        rows, there = self.design.transform(data)
        return self.model.tell(rows), there


class _Model:
    """One candidate: an estimator wrapped for its kind of label."""

    def __init__(self, view: _View, candidate: Mapping[str, Any]) -> None:
        self.view, self.candidate = view, candidate
        self.temperature = 1.0
        self.margins = False
        self.estimator: Any = None
        self.scale: tuple[Array, Array] | None = None

    def fit(self, rows: Any, values: Array) -> _Model:
        """Fit a fresh clone."""
        from sklearn.base import clone

        view = self.view
        base = clone(view.owner.make(view.kind))
        try:
            base.set_params(**{k: _value(v) for k, v in {**view.owner.fixed, **self.candidate}.items()})
        except ValueError as error:
            raise UsageError(f"has no such setting ({error})".split("\n")[0], where=view.owner.name) from error
        unset = [
            k for k, v in base.get_params(deep=True).items() if k.rpartition("__")[2] == "random_state" and v is None
        ]
        base.set_params(**dict.fromkeys(unset, view.seed))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._fit(base, rows, values)
        view.notes += [f"{view.name}: {str(w.message).splitlines()[0]}" for w in caught if _worth(w)]
        return self

    def _fit(self, base: Any, rows: Any, values: Array) -> None:
        kind = self.view.kind
        if kind == "class":
            self.estimator = base.fit(rows, values)
        elif kind == "multilabel":
            from sklearn.multiclass import OneVsRestClassifier

            self.estimator = OneVsRestClassifier(base).fit(rows, values.astype(int))
        elif kind == "continuous":
            mean, spread = values.mean(axis=0), values.std(axis=0)
            self.scale = mean, np.where(spread > 0, spread, 1.0)
            target = (values - mean) / self.scale[1]
            if values.shape[1] == 1:
                self.estimator = base.fit(rows, target[:, 0])
            else:
                from sklearn.multioutput import MultiOutputRegressor

                self.estimator = MultiOutputRegressor(base).fit(rows, target)
        else:
            # Votes as weights: each example stands once for every class that anybody named.
            at, cls = np.nonzero(values > 0)
            if "sample_weight" not in inspect.signature(base.fit).parameters:
                raise UsageError(
                    "cannot learn distributions of votes: it takes no weights", where=self.view.owner.name,
                    fix="Choose logistic, random-forest or gradient-boosting.",
                )  # fmt: skip
            self.estimator = base.fit(rows[at], cls, sample_weight=values[at, cls])

    def warm(self, rows: Any, truth: Array) -> None:
        """Set the temperature of an estimator without probabilities on rows that it has not seen."""
        if not rows.shape[0]:
            return
        margin, are = outputs(self.estimator, rows, self.view.classes)
        self.margins = not are
        if are:
            return
        weight = np.eye(self.view.classes)[truth] if truth.ndim == 1 else truth
        tries = np.logspace(-2, 2, 41)
        loss = [-(weight * np.log(np.maximum(softmax(margin / t), _LEAST))).sum() for t in tries]
        self.temperature = float(tries[int(np.argmin(loss))])

    def tell(self, rows: Any) -> npt.NDArray[np.float64]:
        """``(n, classes)`` scores."""
        if not rows.shape[0]:
            return np.zeros((0, self.view.classes))
        if self.view.kind == "continuous":
            assert self.scale is not None
            told_ = np.asarray(self.estimator.predict(rows), np.float64).reshape(rows.shape[0], -1)
            return np.asarray(told_ * self.scale[1] + self.scale[0])
        if self.view.kind == "multilabel":
            if hasattr(self.estimator, "predict_proba"):
                return np.asarray(self.estimator.predict_proba(rows), np.float64)
            margin = np.asarray(self.estimator.decision_function(rows)).reshape(rows.shape[0], -1)
            return np.asarray(1 / (1 + np.exp(-margin)))
        out, are = outputs(self.estimator, rows, self.view.classes)
        return out if are else softmax(out / self.temperature)


def _value(value: Any) -> Any:
    """TOML has no tuples: a list is one."""
    return tuple(value) if isinstance(value, list) else value


def _worth(warning: Any) -> bool:
    return "Convergence" in warning.category.__name__


def _stacked(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    from scipy.sparse import vstack

    return vstack(parts).tocsr()


def _into(kind: str, scores: Array) -> Array:
    safe = np.clip(scores, _LEAST, 1 - _LEAST if kind == "multilabel" else 1)
    return np.asarray(np.log(safe) - np.log1p(-safe) if kind == "multilabel" else np.log(safe))


def _out_of(kind: str, mean: Array) -> Array:
    return 1 / (1 + np.exp(-mean)) if kind == "multilabel" else softmax(mean)


def _rest(labels: Labels) -> Array:
    """What is said of an example that has nothing: the training part's mean."""
    values = labels.values[labels.labelled]
    if labels.kind == "class":
        return np.bincount(values, minlength=len(labels.names)) / max(1, len(values))
    return np.asarray(values.mean(axis=0), np.float64)


def _thresholds(fitted: SklearnFitted, validation: Dataset, label: str) -> Array | None:
    """For several labels: each label's threshold, the one of best F1 on the validation part."""
    labels = validation.index.label(label)
    if labels.kind != "multilabel":
        return None
    told_ = fitted.predict(validation)
    rows = ~told_.withheld
    truth, scores = labels.values[rows].astype(bool), told_.scores[rows]
    tries = np.linspace(0.05, 0.95, 19)
    out = np.full(len(labels.names), 0.5)
    for c in range(len(out)):
        if truth[:, c].any():
            on = scores[:, c][None] >= tries[:, None]
            hits = (on & truth[:, c]).sum(axis=1)
            out[c] = tries[int(np.argmax(2 * hits / (on.sum(axis=1) + truth[:, c].sum())))]
    return out


#: Metrics that the training loop can choose an epoch by.
_SELECTS = ("accuracy", "uar", "macro_f1", "weighted_f1", "micro_f1", "pearson_r", "ccc", "mae")
_OPTIONS = ("fusion", "normalise", "refit", "choose")


def learner(use: str, settings: Mapping[str, Any] | None = None, *, name: str = "", choose: str = "") -> Learner:
    """The learner of that short name, or the model of `moodal.lab.models`.

    ``settings`` are those of the learner (``fusion``, ``normalise``, ``refit``, ``choose``) and of its estimator; a
    list is a grid to search. ``choose`` is the metric to choose by where the settings do not say.

    Raises
    ------
    UsageError : no such learner or setting.
    """
    import difflib

    given = dict(settings or {})
    if use not in LEARNERS:
        from moodal.core import registry

        if use in registry.names("models"):
            from importlib import import_module

            made = import_module("moodal.lab.train").TorchLearner
            if choose in _SELECTS:  # the checkpoint is chosen by the figure that is quoted, unless told otherwise
                given["train"] = {"select": f"val_{choose}", **given.get("train", {})}
            return cast(Learner, made(name or use, use, given))
        everything = (*LEARNERS, *registry.names("models"))
        near = difflib.get_close_matches(use, everything, 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        short = [n for n in everything if not n.startswith("late-")]
        raise UsageError(f"unknown learner {use!r}", fix=f"{hint}Known: {', '.join(short)}; late-NAME fuses late.")
    late = use.startswith("late-")
    base = "logistic" if use == "tfidf-logistic" else use.removeprefix("late-")
    options: dict[str, Any] = {k: given.pop(k) for k in _OPTIONS if k in given}
    options.setdefault("fusion", "late" if late else "early")
    options.setdefault("choose", choose)
    spec = ESTIMATORS[base]
    grid = {k: v for k, v in spec.grid.items() if k not in given}
    grid |= {k: tuple(v) for k, v in given.items() if isinstance(v, list)}
    fixed = {k: v for k, v in given.items() if not isinstance(v, list)}
    return SklearnLearner(name or use, _Named(base), grid, fixed, text=use == "tfidf-logistic", identity=use, **options)


@dataclass(frozen=True)
class _Named:
    """Makes an estimator by short name; survives the way into another process."""

    short: str

    def __call__(self, kind: str) -> Any:
        return ESTIMATORS[self.short].make("class" if kind == "multilabel" else kind, self.short)


@dataclass(frozen=True)
class _Given:
    """Hands out the user's own estimator."""

    estimator: Any
    name: str

    def __call__(self, kind: str) -> Any:
        from sklearn.base import is_classifier, is_regressor

        if kind == "continuous" and is_classifier(self.estimator):
            raise UsageError("is a classifier, and the labels are numbers", where=self.name, fix="Give a regressor.")
        if kind != "continuous" and is_regressor(self.estimator):
            raise UsageError(f"is a regressor, and the labels are {kind}", where=self.name, fix="Give a classifier.")
        return self.estimator


def of_estimator(estimator: Any, name: str, **options: Any) -> SklearnLearner:
    """Any unfitted estimator of scikit-learn's kind (a pipeline, a search) as a learner; cloned in each fold.

    Raises
    ------
    LeakageError : it, or something inside it, is fitted already.
    """
    fitted_parts(estimator, name)
    cls = type(estimator)
    try:
        source = "" if cls.__module__.startswith("sklearn.") else inspect.getsource(cls)
        identity = hashlib.sha256(source.encode() + pickle.dumps(estimator)).hexdigest()
        keeps = True
    except (OSError, TypeError, AttributeError, pickle.PicklingError):
        identity, keeps = repr(estimator), False
    made = f"{cls.__module__}.{cls.__qualname__} {identity}"
    return SklearnLearner(name, _Given(estimator, name), identity=made, keeps=keeps, **options)
