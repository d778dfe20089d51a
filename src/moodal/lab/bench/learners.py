"""Learners of scikit-learn: pooled features or words, early or late fusion, everything fitted inside the fold."""

from __future__ import annotations

import hashlib
import inspect
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.learner import Learner

from .designs import NORMALISE, Design, PooledDesign, TextDesign
from .estimators import ESTIMATORS, fitted_parts, told
from .fitting import SklearnFitted, View, thresholds, training_mean
from .metrics import METRICS, metric
from .network import Network

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
        views: list[View] = []
        alone = self.text or self.fusion == "early" or len(train.modalities) == 1
        names = ["text"] if self.text else ["+".join(train.modalities)] if alone else list(train.modalities)
        skipped: list[str] = []
        for name in names:
            modalities = train.modalities if alone else (name,)
            design: Design = TextDesign() if self.text else PooledDesign(modalities, self.normalise)
            view = View(self, name, design, labels.kind, len(labels.names), seed)
            if why := view.cannot(train, label):
                if alone:
                    raise InputError(why, where=f"{train.index.name}, {self.name}", fix="Check labels and features.")
                skipped.append(f"{name}: {why}")
                continue
            view.search(train, validation, label, known.name)
            views.append(view)
        if not views:
            raise InputError("no modality can be learnt from", where=self.name, fix="; ".join(skipped))
        fitted = SklearnFitted(views, labels.kind, len(labels.names), training_mean(labels))
        fitted.thresholds = thresholds(fitted, validation, label)
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
            if choose in _SELECTS:  # the checkpoint is chosen by the figure that is quoted, unless told otherwise
                given["train"] = {"select": f"val_{choose}", **given.get("train", {})}
            return Network(name or use, use, given)
        if use in registry.names("learners"):
            if choose in _SELECTS:
                given.setdefault("select", f"val_{choose}")
            return Network(name or use, use, given)
        everything = (*LEARNERS, *registry.names("models"), *registry.names("learners"))
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
