"""Fitted on validation, after training: one temperature, and a threshold for each of several labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from moodal.lab.nn.losses import criterion

__all__ = ["temperature", "thresholds"]


def temperature(kind: str, logits: Tensor, target: Tensor) -> float:
    """The temperature of lowest loss on ``(n, C)`` logits (Guo et al. 2017, section 4.2), between 1/4 and 20.

    The bound keeps a small part that is got right throughout from asking for no doubt at all.

    Golden-section search over its logarithm: the loss is convex in 1/T, so it has one valley.
    """
    z = logits.double()
    y = target if kind == "class" else target.double()

    def loss(log_t: float) -> float:
        return float(criterion(kind, z / float(np.exp(log_t)), y))

    low, high = -np.log(4.0), np.log(20.0)
    ratio = (5**0.5 - 1) / 2
    with torch.no_grad():
        for _ in range(40):
            a, b = high - ratio * (high - low), low + ratio * (high - low)
            low, high = (low, b) if loss(a) <= loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def thresholds(scores: npt.NDArray[np.float64], target: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """For each label the score from which on it is told, ``(C,)``: the one of best F1 on ``(n, C)``.

    Between two scores the middle is taken; 0.5 where a label does not occur.
    """
    out = np.full(scores.shape[1], 0.5)
    for c in range(scores.shape[1]):
        if not target[:, c].any():
            continue
        order = np.argsort(-scores[:, c], kind="stable")
        ranked = scores[order, c]
        hit = np.cumsum(target[order, c])
        f1 = 2 * hit / (np.arange(1, len(order) + 1) + target[:, c].sum())
        last = np.append(ranked[:-1] != ranked[1:], True)
        best = int(np.argmax(np.where(last, f1, -1.0)))
        below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
        out[c] = (ranked[best] + below) / 2
    return out
