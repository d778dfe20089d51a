"""Learners that know nothing of the features: what any score has to be above."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.learner import Fitted, Learner, Prediction

__all__ = ["Majority", "Prior", "Shuffled"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Majority:
    """Always the training part's commonest class, its mean, or its mean votes."""

    name: str = "majority"

    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> Fitted:
        """Count."""
        return _Constant(_shares(train.index.label(label)))


@dataclass(frozen=True)
class Prior:
    """Draws from the training part's labels, whatever the example."""

    name: str = "prior"

    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> Fitted:
        """Keep the labels to draw from."""
        labels = train.index.label(label)
        return _Drawn(labels.take(np.flatnonzero(labels.labelled)), seed)


@dataclass(frozen=True)
class Shuffled:
    """A real learner whose labels were shuffled within train and within validation: what its search finds in noise."""

    learner: Learner
    name: str = "shuffled"

    def settings(self) -> dict[str, Any]:
        """Those of the learner."""
        return {"of": self.learner.name, "learner": type(self.learner).__qualname__, **self.learner.settings()}

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> Fitted:
        """Shuffle, then learn."""
        rng = np.random.default_rng([seed, 77])
        parts = [_shuffled(part, label, rng) for part in (train, validation)]
        return self.learner.fit(*parts, label=label, seed=seed, folder=folder, progress=progress)


class _Constant:
    def __init__(self, value: Array) -> None:
        self.value = value
        self.told: dict[str, Any] = {}

    def predict(self, data: Dataset) -> Prediction:
        """The same for all."""
        return Prediction(np.tile(self.value, (len(data), 1)), np.zeros(len(data), bool))


class _Drawn:
    def __init__(self, labels: Labels, seed: int) -> None:
        self.labels, self.seed = labels, seed
        self.told: dict[str, Any] = {}

    def predict(self, data: Dataset) -> Prediction:
        """A draw an example; the same for the same examples, others for another fold's."""
        clips = hashlib.sha256("\n".join(data.index["clip"]).encode()).digest()
        rng = np.random.default_rng([self.seed, int.from_bytes(clips[:8], "little")])
        rows = rng.integers(0, len(self.labels), len(data))
        values = self.labels.values[rows]
        scores = np.eye(len(self.labels.names))[values] if self.labels.kind == "class" else values.astype(np.float64)
        return Prediction(scores, np.zeros(len(data), bool))


def _shares(labels: Labels) -> Array:
    values = labels.values[labels.labelled]
    if labels.kind == "class":
        return np.bincount(values, minlength=len(labels.names)) / max(1, len(values))
    return np.asarray(values.mean(axis=0), np.float64)


def _shuffled(data: Dataset, label: str, rng: np.random.Generator) -> Dataset:
    labels = data.index.label(label)
    name = label or next(iter(data.index.labels))
    order = np.arange(len(labels))
    labelled = np.flatnonzero(labels.labelled)
    order[labelled] = rng.permutation(labelled)
    return Dataset(data.index.with_labels(**{name: labels.take(order)}), data.features)
