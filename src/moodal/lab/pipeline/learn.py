"""Estimate: the fitted part of a pipeline as a `Learner`, so that a benchmark fits it inside each fold and no sooner.

Nothing is chosen on validation rows here, so an estimator learns from them too; what chooses (early stopping, a
search) is a learner of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, MissingExtra, UsageError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.learner import Prediction

from .functions import function_named
from .graph import Node, Pipeline
from .steps import Rows, Step, step
from .uses import nearest

__all__ = ["ESTIMATORS", "Chain", "FittedChain", "table"]

Array = npt.NDArray[Any]

#: Name → class of scikit-learn for classes, for numbers, and settings that are not its defaults.
ESTIMATORS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "logistic": ("linear_model:LogisticRegression", "", {"max_iter": 2000}),
    "svm": ("svm:SVC", "svm:SVR", {"break_ties": True}),
    "linear-svm": ("svm:LinearSVC", "svm:LinearSVR", {}),
    "lda": ("discriminant_analysis:LinearDiscriminantAnalysis", "", {}),
    "knn": ("neighbors:KNeighborsClassifier", "neighbors:KNeighborsRegressor", {}),
    "decision-tree": ("tree:DecisionTreeClassifier", "tree:DecisionTreeRegressor", {}),
    "random-forest": ("ensemble:RandomForestClassifier", "ensemble:RandomForestRegressor", {}),
    "extra-trees": ("ensemble:ExtraTreesClassifier", "ensemble:ExtraTreesRegressor", {}),
    "adaboost": ("ensemble:AdaBoostClassifier", "ensemble:AdaBoostRegressor", {}),
    "gradient-boosting": ("ensemble:GradientBoostingClassifier", "ensemble:GradientBoostingRegressor", {}),
    "hist-gradient-boosting": ("ensemble:HistGradientBoostingClassifier", "ensemble:HistGradientBoostingRegressor", {}),
    "mlp": ("neural_network:MLPClassifier", "neural_network:MLPRegressor", {}),
    "ridge": ("linear_model:RidgeClassifier", "linear_model:Ridge", {}),
    "forest-regression": ("ensemble:RandomForestClassifier", "ensemble:RandomForestRegressor", {}),
}


def table(data: Dataset, modality: str) -> tuple[Array, list[str]]:
    """``(n, d)`` float64 of one extract, NaN where absent, and the columns' names."""
    feature = data.features[modality]
    x = np.full((len(data), feature.width), np.nan)
    there = feature.lengths > 0
    x[there] = feature.values[feature.offsets[:-1][there]]
    names = feature.fields or tuple(str(k + 1) for k in range(feature.width))
    return x, [f"{modality}.{n}" for n in names]


@dataclass(frozen=True)
class Chain:
    """One estimate node with the select nodes that it rests on."""

    name: str
    nodes: tuple[Node, ...]
    extracts: tuple[str, ...]

    @classmethod
    def of(cls, pipeline: Pipeline, estimate: str) -> Chain:
        """The fitted part of a pipeline in front of (and with) one estimate node."""
        nodes = tuple(n for n in pipeline.upstream(estimate) if n.stage in ("extract", "select", "estimate"))
        return cls(
            estimate, tuple(n for n in nodes if n.stage != "extract"),
            tuple(n.id for n in pipeline.nodes if n in nodes and n.stage == "extract"),
        )  # fmt: skip

    @property
    def estimate(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    def settings(self) -> dict[str, Any]:
        """All settings, JSON-like."""
        return {
            "extracts": list(self.extracts),
            "nodes": [[n.id, n.told, list(n.inputs), dict(n.settings)] for n in self.nodes],
        }

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> FittedChain:
        """Fit every step, then the estimator, on the labelled training (and validation) rows.

        Raises
        ------
        InputError : one class only, or nothing labelled.
        """
        data = _together(train, validation)
        labels = data.index.label(label)
        data = data.take(labels.labelled)
        labels = labels.take(labels.labelled)
        told = {"trained_on": len(data)}
        if labels.kind == "class" and len(set(labels.values.tolist())) < 2:
            only = labels.names[labels.values[0]] if len(data) else "none"
            raise InputError(f"the training rows are all {only}", where=self.name, fix="Check labels and split.")
        if labels.kind not in ("class", "continuous"):
            raise UsageError(f"cannot learn {labels.kind} labels", where=self.name, fix="Use a class, or numbers.")
        fitted = FittedChain(self, {}, None, labels.kind, labels.names, [], told)
        rows = _rows(data)
        held = {m: table(data, m) for m in self.extracts}
        y = labels.values
        for node in self.nodes[:-1]:
            x, names = _joined(held, node)
            made = step(node)
            made.fit(x, y, labels.kind, rows)
            fitted.steps[node.id] = made
            held[node.id] = (made.transform(x, rows), made.names(names))
        x, fitted.names = _joined(held, self.estimate)
        if not np.isfinite(x).all() and not _bears_holes(self.estimate):
            holes = np.flatnonzero(~np.isfinite(x).all(axis=0)).tolist()
            bad = [fitted.names[k] for k in holes if k < len(fitted.names)]
            raise InputError(
                f"meets missing values in {', '.join(bad[:3]) or 'its features'}", where=self.name,
                fix='Put "impute" in select.',
            )  # fmt: skip
        made = make_estimator(self.estimate, labels.kind, seed)
        fitted.estimator = made.fit(x, y if labels.kind == "class" else y[:, 0] if y.shape[1] == 1 else y)
        told |= _importance(fitted.estimator, fitted.names)
        return fitted


@dataclass
class FittedChain:
    """A chain after `Chain.fit`: ``steps`` by node, the estimator, the classes in order."""

    chain: Chain
    steps: dict[str, Step]
    estimator: Any
    kind: str
    classes: tuple[str, ...]
    names: list[str]
    told: dict[str, Any] = field(default_factory=dict)

    def predict(self, data: Dataset) -> Prediction:
        """Probabilities ``(n, C)`` (or values); rows of which no extract tells anything are withheld."""
        held = {m: table(data, m) for m in self.chain.extracts}
        anything = np.zeros(len(data), bool)
        for x, _ in held.values():
            anything |= np.isfinite(x).any(axis=1)
        rows = _rows(data)
        for node in self.chain.nodes[:-1]:
            x, names = _joined(held, node)
            held[node.id] = (self.steps[node.id].transform(x, rows), names)
        x, _ = _joined(held, self.chain.estimate)
        if self.kind == "continuous":
            scores = np.asarray(self.estimator.predict(x), float).reshape(len(data), -1)
        else:
            scores = _probabilities(self.estimator, x, len(self.classes))
        return Prediction(scores, ~anything)


def _together(train: Dataset, validation: Dataset) -> Dataset:
    """Rows of both, in the order in which they stand in the whole."""
    from moodal.lab.data.windows import joined

    if not len(validation):
        return train
    both = joined([train, validation])
    return both.take(np.argsort(both.index["row"].astype(int), kind="stable")) if "row" in both.index.columns else both


def _rows(data: Dataset) -> Rows:
    phase = data.index.columns.get("phase", np.full(len(data), "", object))
    return Rows(data.index["subject"], phase)


def _joined(held: dict[str, tuple[Array, list[str]]], node: Node) -> tuple[Array, list[str]]:
    """The tables that a node takes, side by side."""
    some = [held[i] for i in node.inputs if i in held]
    return np.concatenate([x for x, _ in some], axis=1), [n for _, names in some for n in names]


def make_estimator(node: Node, kind: str, seed: int) -> Any:
    """The estimator of a node, unfitted.

    Raises
    ------
    UsageError : a setting that it does not have, or numbers that it cannot learn.
    MissingExtra : scikit-learn is not installed.
    """
    settings = {k: v for k, v in node.settings.items() if k != "seeds"}
    if node.use in ESTIMATORS:
        for_classes, for_numbers, more = ESTIMATORS[str(node.use)]
        path = for_numbers if kind == "continuous" else for_classes
        if not path:
            raise UsageError("does not learn numbers", where=node.told, fix="Use ridge or forest-regression, say.")
        module, _, name = path.partition(":")
        try:
            made = getattr(import_module(f"sklearn.{module}"), name)()
        except ImportError as error:
            raise MissingExtra("scikit-learn", "lab", f"the estimator {node.use}") from error
        known = made.get_params()
        for key in settings:
            if key not in known:
                raise UsageError(
                    f"unknown key {key!r}", where=node.told, fix=f"{nearest(key, known)}{name} has: {', '.join(known)}."
                )
        made.set_params(**{k: v for k, v in more.items() if k in known})
    else:
        function = function_named(node.use) if isinstance(node.use, str) else node.use
        if "seed" in inspect.signature(function).parameters:
            settings["seed"] = seed
        made, settings = function(**settings), {}
        known = made.get_params()
    made.set_params(**settings)
    if "random_state" in known and "random_state" not in settings:
        made.set_params(random_state=seed)
    return made


def _bears_holes(node: Node) -> bool:
    return node.use in ("hist-gradient-boosting", "decision-tree", "random-forest") or node.use not in ESTIMATORS


def _probabilities(estimator: Any, x: Array, classes: int) -> Array:
    """``(n, C)``; margins become a softmax, which keeps their order and is marked by nothing: calibration shows it."""
    seen = np.asarray(estimator.classes_, np.int64)
    if hasattr(estimator, "predict_proba"):
        told = np.asarray(estimator.predict_proba(x), float)
    else:
        margin = np.asarray(estimator.decision_function(x), float)
        margin = np.stack([-margin, margin], axis=1) / 2 if margin.ndim == 1 else margin
        told = np.exp(margin - margin.max(axis=1, keepdims=True))
        told /= told.sum(axis=1, keepdims=True)
    out = np.zeros((len(x), classes))
    out[:, seen] = told
    return out


def _importance(estimator: Any, names: Sequence[str]) -> dict[str, Any]:
    """How much each feature counts, where the estimator tells."""
    told = getattr(estimator, "feature_importances_", None)
    if told is None:
        coef = getattr(estimator, "coef_", None)
        if coef is None or not isinstance(coef, np.ndarray):
            return {}
        told = np.abs(np.atleast_2d(coef)).mean(axis=0)
    if len(told) != len(names):
        return {}
    return {"importance": dict(zip(names, np.asarray(told, float).tolist(), strict=True))}
