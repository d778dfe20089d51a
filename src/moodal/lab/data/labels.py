"""What an example is labelled with: one class, several, numbers, or a distribution of votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError

__all__ = ["LABEL_KINDS", "LabelKind", "Labels", "SealedLabels"]

LabelKind = Literal["class", "multilabel", "continuous", "distribution"]
LABEL_KINDS: tuple[str, ...] = LabelKind.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Labels:
    """One label column of an `Index`.

    ``names`` are the classes (or the dimensions, for ``continuous``) in a fixed order of their own:
    nothing in the lab relies on the order in which a file lists them. ``values`` is

    - ``class``: ``(n,)`` int64, the class's index, -1 where an example is not labelled;
    - ``multilabel``: ``(n, C)`` bool;
    - ``continuous``: ``(n, k)`` float64, NaN where not rated; ``units`` says the scale;
    - ``distribution``: ``(n, C)`` float64, rows sum to 1 (votes of raters).

    ``source`` keeps each example's label as its file spells it, before any mapping; ``scheme`` is the
    `moodal.core.scheme` it follows, or ``""`` for a vocabulary of the set's own.
    """

    kind: LabelKind
    names: tuple[str, ...]
    values: npt.NDArray[Any]
    scheme: str = ""
    units: str = ""
    source: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.kind not in LABEL_KINDS:
            raise UsageError(f"unknown kind of label {self.kind!r}", fix=f"Known: {', '.join(LABEL_KINDS)}.")
        wide = self.values.shape[1:]
        if wide != (() if self.kind == "class" else (len(self.names),)):
            raise UsageError(f"labels of kind {self.kind} for {len(self.names)} names have the shape {wide} a row")
        if self.source and len(self.source) != len(self.values):
            raise UsageError(f"{len(self.source)} source labels for {len(self.values)} examples")

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of_classes(
        cls, told: Sequence[str], names: Sequence[str], *, scheme: str = "", where: str = "", source: Sequence[str] = ()
    ) -> Labels:
        """Class labels from their names; an empty name is an example without a label.

        Raises
        ------
        InputError : a name outside ``names``, with the row it stands in.
        """
        index = {name: i for i, name in enumerate(names)}
        for row, name in enumerate(told):
            if name and name not in index:
                raise InputError(
                    f"row {row + 1} is labelled {name!r}, which is not one of {', '.join(names)}",
                    where=where,
                    fix="Correct the row, or map its label.",
                )
        values = np.array([index.get(name, -1) for name in told], np.int64)
        return cls("class", tuple(names), values, scheme, "", tuple(source or told))

    def take(self, rows: npt.NDArray[Any]) -> Labels:
        """The labels of those rows, in that order."""
        source = tuple(np.array(self.source, object)[rows]) if self.source else ()
        return Labels(self.kind, self.names, self.values[rows], self.scheme, self.units, source)

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """``(n,)``: which examples have a label."""
        if self.kind == "class":
            return np.asarray(self.values >= 0)
        if self.kind == "multilabel":
            return np.ones(len(self.values), bool)
        return np.asarray(np.isfinite(self.values).all(axis=1))

    def counts(self) -> dict[str, int]:
        """How many examples each class has (of a distribution: how many it leads)."""
        if self.kind == "continuous":
            return {}
        if self.kind == "multilabel":
            return dict(zip(self.names, self.values.sum(axis=0).astype(int).tolist(), strict=True))
        top = self.values if self.kind == "class" else np.argmax(self.values, axis=1)
        return dict(zip(self.names, np.bincount(top[top >= 0], minlength=len(self.names)).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class SealedLabels:
    """Stands where test labels would: it knows what may be predicted, and refuses to be read.

    A learner is handed its test examples with these, so that no model, threshold or early stop can
    be chosen on them.
    """

    kind: LabelKind
    names: tuple[str, ...]
    n: int

    def __len__(self) -> int:
        return self.n

    def __getattr__(self, name: str) -> Any:
        from moodal.lab.data.leak import LeakageError

        raise LeakageError(
            f"the labels of the test part were asked for ({name}) before the final score",
            fix="Choose models, thresholds and stopping points on the validation part.",
        )

    def take(self, rows: npt.NDArray[Any]) -> SealedLabels:
        """The seal over those rows."""
        return SealedLabels(self.kind, self.names, len(np.zeros(self.n)[rows]))
