"""Labels as the tensors that a loss takes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from moodal.lab.data.labels import Labels
from moodal.lab.models.base import Model

__all__ = ["class_weights", "scaled", "target_of"]


def target_of(model: Model, labels: Labels) -> Tensor:
    """``(n,)`` int64 for classes, otherwise ``(n, C)`` float32; values on the model's scale."""
    if labels.kind == "class":
        return torch.from_numpy(np.ascontiguousarray(labels.values, np.int64))
    target = torch.from_numpy(np.ascontiguousarray(labels.values, np.float32))
    return (target - model.shift.cpu()) / model.spread.cpu() if labels.kind == "continuous" else target


def scaled(model: Model, labels: Labels) -> None:
    """Store mean and spread of the training part's values in the model: it learns on that scale."""
    values = torch.from_numpy(np.asarray(labels.values, np.float64))
    model.shift.copy_(values.mean(dim=0))
    model.spread.copy_(values.std(dim=0, correction=0).clamp_min(1e-6))


def class_weights(kind: str, target: Tensor, classes: int) -> Tensor | None:
    """``(C,)``: inverse to how often a class is in the training part, 1 on average over its examples.

    Of several labels: negatives a positive. None for values.
    """
    if kind == "continuous":
        return None
    if kind == "multilabel":
        on = target.sum(dim=0)
        return (len(target) - on) / on.clamp_min(1)
    counts = torch.bincount(target, minlength=classes).float() if kind == "class" else target.sum(dim=0)
    return torch.where(counts > 0, counts.sum() / (counts.clamp_min(1e-6) * (counts > 0).sum()), 0.0)
