"""Scikit-learn's estimators by short name, and what an estimator tells, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import MissingExtra, UsageError
from moodal.lab.data.leak import LeakageError

__all__ = ["ESTIMATORS", "Estimator", "fitted_parts", "outputs", "softmax"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Estimator:
    """A classifier and its regressor (``module:class`` in scikit-learn), fixed settings, and what is searched."""

    classifier: str
    regressor: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def make(self, kind: str, name: str) -> Any:
        """The estimator for that kind of label, unfitted.

        Raises
        ------
        UsageError : it does not estimate numbers.
        MissingExtra : scikit-learn is not installed.
        """
        path = self.regressor if kind == "continuous" else self.classifier
        if not path:
            able = ", ".join(n for n, e in ESTIMATORS.items() if e.regressor)
            raise UsageError(f"{name} does not estimate numbers", fix=f"These do: {able}.")
        module, _, cls = path.partition(":")
        try:
            made = getattr(import_module(f"sklearn.{module}"), cls)
        except ImportError as error:
            raise MissingExtra("scikit-learn", "lab", f"the learner {name}") from error
        instance = made()
        known = instance.get_params()
        return instance.set_params(**{k: v for k, v in self.settings.items() if k in known})


ESTIMATORS: dict[str, Estimator] = {
    "logistic": Estimator(
        "linear_model:LogisticRegression", settings={"max_iter": 2000}, grid={"C": (0.001, 0.01, 0.1, 1.0, 10.0)}
    ),
    "svm": Estimator("svm:SVC", "svm:SVR", grid={"C": (0.1, 1.0, 10.0)}),
    "ridge": Estimator(
        "linear_model:RidgeClassifier", "linear_model:Ridge", grid={"alpha": (1000.0, 100.0, 10.0, 1.0, 0.1)}
    ),
    "random-forest": Estimator(
        "ensemble:RandomForestClassifier", "ensemble:RandomForestRegressor", {"n_estimators": 200},
        {"min_samples_leaf": (5, 1)},
    ),
    "knn": Estimator(
        "neighbors:KNeighborsClassifier", "neighbors:KNeighborsRegressor", grid={"n_neighbors": (31, 15, 5)}
    ),
    "lda": Estimator(
        "discriminant_analysis:LinearDiscriminantAnalysis", settings={"solver": "lsqr"},
        grid={"shrinkage": ("auto", 0.5)},
    ),
    "adaboost": Estimator(
        "ensemble:AdaBoostClassifier", "ensemble:AdaBoostRegressor", {"n_estimators": 100},
        {"learning_rate": (0.1, 1.0)},
    ),
    "decision-tree": Estimator(
        "tree:DecisionTreeClassifier", "tree:DecisionTreeRegressor", grid={"max_depth": (2, 4, 8)}
    ),
    "gradient-boosting": Estimator(
        "ensemble:HistGradientBoostingClassifier", "ensemble:HistGradientBoostingRegressor", {"max_iter": 100},
        {"learning_rate": (0.03, 0.1)},
    ),
    "mlp": Estimator(
        "neural_network:MLPClassifier", "neural_network:MLPRegressor",
        {"hidden_layer_sizes": (64,), "max_iter": 300}, {"alpha": (1.0, 0.01)},
    ),
}  # fmt: skip


def fitted_parts(estimator: Any, name: str) -> None:
    """Refuse an estimator that is fitted, or holds one that is: nobody knows on which rows.

    Raises
    ------
    LeakageError : naming the fitted part.
    UsageError : it is no estimator of scikit-learn's kind.
    """
    if not hasattr(estimator, "get_params") or not hasattr(estimator, "fit") or isinstance(estimator, type):
        raise UsageError(
            f"{name} is no learner: it has no fit and get_params", fix="Give an object such as SVC(), or a short name."
        )
    parts: dict[str, Any] = {"it": estimator, **estimator.get_params(deep=True)}
    for place, part in parts.items():
        frozen = type(part).__name__ == "FrozenEstimator"
        learnt = hasattr(part, "fit") and any(v.endswith("_") and not v.startswith("_") for v in vars(part))
        if frozen or learnt:
            raise LeakageError(
                f"{place} is fitted already, on rows that this benchmark may test on",
                where=name,
                fix="Give it unfitted: it is fitted anew in each fold.",
                key="fitted",
            )


def softmax(values: Array) -> npt.NDArray[np.float64]:
    """Rows that sum to 1."""
    told = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(told / told.sum(axis=1, keepdims=True), np.float64)


def outputs(estimator: Any, rows: Any, classes: int) -> tuple[npt.NDArray[np.float64], bool]:
    """What a fitted classifier says: ``(n, classes)`` and whether these are probabilities, or margins.

    A class that it has not seen gets probability 0 (margin -inf).
    """
    seen = np.asarray(estimator.classes_, np.int64)
    if hasattr(estimator, "predict_proba"):
        out = np.zeros((rows.shape[0], classes))
        out[:, seen] = estimator.predict_proba(rows)
        return out, True
    if hasattr(estimator, "decision_function"):
        margin = np.asarray(estimator.decision_function(rows), np.float64)
        if margin.ndim == 1:
            margin = np.stack([-margin / 2, margin / 2], axis=1)
        if margin.shape[1] == len(seen):  # one against one has more columns and no order of classes
            out = np.full((rows.shape[0], classes), -np.inf)
            out[:, seen] = margin
            return out, False
    out = np.zeros((rows.shape[0], classes))
    out[np.arange(rows.shape[0]), np.asarray(estimator.predict(rows), np.int64)] = 1
    return out, True


def told(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON can hold them."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}
