"""What the maker of an expert hands over: honest predictions, and the model that ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError
from moodal.lab.data.index import Index
from moodal.lab.data.labels import LabelKind

__all__ = ["Made", "OutOfFold", "Scaling"]

Array = npt.NDArray[Any]
#: How log scores become probabilities, see `moodal.lab.experts.calibrate.fit`.
Scaling = Literal["temperature", "vector", "power"]


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of examples whose people no model that made them had seen.

    ``logits`` ``(n, C)`` are log scores before any calibration (``multilabel``: log odds; ``continuous``: values) over
    ``classes``, in the bundle's order; ``truth`` is ``(n,)`` class indices, ``(n, C)`` bool or shares of votes, or
    ``(n, k)`` values. ``subject`` ``(n,)`` is what is resampled for intervals: people; where a set names none,
    documents or the examples themselves (``unit`` says which). ``groups`` are columns for per-group rows. ``metric`` is
    what is quoted; among classes that do not occur in ``truth`` none is predicted, as in `moodal score`. ``withheld``
    marks what the model would not tell, which counts as wrong; ``decided`` ``(n, C)`` which of several labels it tells.
    ``seeds`` is over how many seeds ``logits`` are averaged; ``clip`` ``(n,)`` names the examples, where another expert
    is to be fused with this one.
    """

    logits: Array
    truth: Array
    subject: Array
    classes: tuple[str, ...]
    metric: str
    protocol: str
    kind: LabelKind = "class"
    unit: str = "subject"
    groups: Mapping[str, Array] = field(default_factory=dict)
    withheld: Array | None = None
    decided: Array | None = None
    seeds: int = 1
    reach: float | None = None
    clip: Array | None = None

    def __post_init__(self) -> None:
        n = len(self.logits)
        if len(self.truth) != n or len(self.subject) != n:
            raise UsageError(f"{self.protocol}: {n} predictions, {len(self.truth)} labels, {len(self.subject)} people")
        if self.logits.shape[1] != len(self.classes):
            raise UsageError(f"{self.protocol}: {self.logits.shape[1]} columns for {len(self.classes)} classes")
        if not np.isfinite(self.logits).all():
            raise UsageError(f"{self.protocol}: predictions that are not finite")


@dataclass(frozen=True)
class Made:
    """One bundle to be written.

    ``parts`` are its predictions by name, the first the one that is quoted; ``calibrate_on`` names those that
    temperature and label sets are fitted on (``scaling``: see `calibrate.fit`), ``calibrated`` those whose log scores
    are calibrated as they are and whose coverage is only counted; ``calibration`` holds further fields of the maker's
    own.
    ``unseen_corpus`` has by name the parts whose answers calibrate, and answers to a corpus that neither the model nor
    they have seen; ``rivals`` are simple baselines in the same folds. ``trained_on`` are the indexes of what the final
    model and its calibration have seen; ``manifest`` are the fields that are the maker's (runner, inputs, scheme ...),
    ``about`` the card's own paragraphs.
    """

    name: str
    parts: Mapping[str, OutOfFold]
    manifest: Mapping[str, Any]
    about: str
    trained_on: Sequence[Index] = ()
    calibrate_on: Sequence[str] = ()
    calibrated: Sequence[str] = ()
    scaling: Scaling = "temperature"
    calibration: Mapping[str, Any] = field(default_factory=dict)
    unseen_corpus: Mapping[str, tuple[Sequence[str], OutOfFold]] = field(default_factory=dict)
    rivals: Mapping[str, OutOfFold] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)
    graphs: Mapping[str, bytes] = field(default_factory=dict)
