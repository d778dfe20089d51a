"""What a benchmark asks of anything that learns: fit on two labelled parts, predict a sealed third."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .dataset import Dataset

__all__ = ["Fitted", "Learner", "Prediction"]


@dataclass(frozen=True)
class Prediction:
    """What a fitted learner says of ``n`` examples.

    ``scores`` is ``(n, C)``: probabilities that sum to 1 for ``class`` and ``distribution`` labels, each in [0, 1] for
    ``multilabel``, values for ``continuous``. ``withheld`` ``(n,)`` bool marks examples of which nothing is told
    (no modality there): they count as wrong. ``extra`` holds further arrays a model reports (attention, its second
    opinion).
    """

    scores: npt.NDArray[np.float64]
    withheld: npt.NDArray[np.bool_]
    extra: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


@runtime_checkable
class Fitted(Protocol):
    """A learner after `Learner.fit`; ``told`` is what a report keeps of the fit (epochs, thresholds, chosen values)."""

    told: dict[str, Any]

    def predict(self, data: Dataset) -> Prediction:
        """Predict examples; their labels may be sealed, any modality of any example may be absent."""
        ...


@runtime_checkable
class Learner(Protocol):
    """Anything that can be benchmarked. It holds settings only: fitting twice starts from nothing twice."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    def settings(self) -> dict[str, Any]:
        """All settings, JSON-like: they key the cache of results."""
        ...

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
        """Learn from ``train``, choose on ``validation``; ``folder`` is for what a killed fit resumes from."""
        ...
