"""Which folds of a protocol can be learnt and scored: one that cannot is an error, or one person's own loss."""

from __future__ import annotations

from collections.abc import Sequence

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels

from .protocols import Fold, Protocol

__all__ = ["learnable"]


def learnable(data: Dataset, label: str, folds: Sequence[Fold], protocol: Protocol) -> tuple[list[Fold], list[str]]:
    """The folds from which something can be learnt, and a notice of those that were left out.

    Raises
    ------
    InputError : one cannot be learnt or scored, and is no person's own; or none can.
    """
    kept, left_out = [], []
    for fold in folds:
        if not (why := _unlearnable(data.index.label(label), label, fold)):
            kept.append(fold)
        elif protocol.personal:
            left_out.append(f"{fold.name} ({why})")
        else:
            raise InputError(
                why, where=f"{data.index.name}, {protocol}, fold {fold.name}",
                fix="Check the labels, leave out whoever has none, or choose another protocol.",
            )  # fmt: skip
    if not kept:
        raise InputError(f"no fold can be learnt: {left_out[0]}", where=f"{data.index.name}, {protocol}",
                         fix="Choose another protocol.")  # fmt: skip
    shown = ", ".join(left_out[:3]) + (f" and {len(left_out) - 3} more" if len(left_out) > 3 else "")
    return kept, [f"{len(left_out)} of {len(folds)} folds are left out: {shown}"] if left_out else []


def _unlearnable(labels: Labels, label: str, fold: Fold) -> str:
    """Why nothing can be learnt from a fold, or scored on it; ``""`` if it can."""
    for part, rows in fold.parts.items():
        if not labels.labelled[rows].any():
            return f"no example of the {part} part has a label {label}"
    train = labels.take(fold.train[labels.labelled[fold.train]])
    if train.kind == "class" and len(set(train.values.tolist())) < 2:
        return f"the training part has one class only ({train.names[int(train.values[0])]})"
    return ""
