"""Fits of scikit-learn estimators: candidates searched on two parts, modalities fused, probabilities of margins."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Prediction

from .designs import Design, PooledDesign
from .estimators import outputs, softmax
from .metrics import metric

__all__ = ["SklearnFitted", "View", "thresholds", "training_mean"]

Array = npt.NDArray[Any]
_LEAST = 1e-12


class Owner(Protocol):
    """What a view asks of the learner that it is a part of."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    @property
    def make(self) -> Callable[[str], Any]:
        """An unfitted estimator for a kind of label."""
        ...

    @property
    def grid(self) -> Mapping[str, tuple[Any, ...]]:
        """What is tried."""
        ...

    @property
    def fixed(self) -> Mapping[str, Any]:
        """Settings that are not tried."""
        ...

    @property
    def text(self) -> bool:
        """Whether it reads words, not features."""
        ...


class SklearnFitted:
    """A fitted learner; ``validation`` is what it said of the validation part before it was fitted on it."""

    def __init__(self, views: Sequence[View], kind: str, classes: int, rest: Array) -> None:
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


class View:
    """One estimator on one design: everything side by side, or one modality alone."""

    def __init__(self, owner: Owner, name: str, design: Design, kind: str, classes: int, seed: int) -> None:
        self.owner, self.name, self.design, self.seed = owner, name, design, seed
        self.kind, self.classes = kind, classes
        self.chosen: dict[str, Any] = {}
        self.tried = 0
        self.notes: list[str] = []
        self.model: Model | None = None

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
            model = Model(self, candidate).fit(rows[keep], labels.values[keep])
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
        self.model = Model(self, self.chosen).fit(_stacked(stacks), np.concatenate(values))
        self.model.temperature = temperature

    def tell(self, data: Dataset) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Scores of all examples, and which of them it may speak of."""
        assert self.model is not None
        rows, there = self.design.transform(data)
        return self.model.tell(rows), there


class Model:
    """One candidate: an estimator wrapped for its kind of label."""

    def __init__(self, view: View, candidate: Mapping[str, Any]) -> None:
        self.view, self.candidate = view, candidate
        self.temperature = 1.0
        self.margins = False
        self.estimator: Any = None
        self.scale: tuple[Array, Array] | None = None

    def fit(self, rows: Any, values: Array) -> Model:
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


def training_mean(labels: Labels) -> Array:
    """What is said of an example that has nothing: the training part's mean."""
    values = labels.values[labels.labelled]
    if labels.kind == "class":
        return np.bincount(values, minlength=len(labels.names)) / max(1, len(values))
    return np.asarray(values.mean(axis=0), np.float64)


def thresholds(fitted: SklearnFitted, validation: Dataset, label: str) -> Array | None:
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
