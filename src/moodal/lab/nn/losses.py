"""One loss for each kind of label, and scores from what a model's last layer gives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["criterion", "scores_of"]


def criterion(
    kind: str, logits: Tensor, target: Tensor, *, weights: Tensor | None = None, smoothing: float = 0.0, fit: str = "l1"
) -> Tensor:
    """Mean loss of ``(B, C)`` logits.

    - ``class``: cross-entropy to ``(B,)`` int64 (``weights`` ``(C,)``, label ``smoothing``);
    - ``distribution``: cross-entropy to ``(B, C)`` shares;
    - ``multilabel``: binary cross-entropy to ``(B, C)`` of 0 and 1 (``weights`` ``(C,)`` for the positives);
    - ``continuous``: to ``(B, k)``, by ``fit``: ``l1``, ``mse``, or ``ccc`` (1 - concordance, over the batch).
    """
    logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
    if kind in ("class", "distribution"):
        return functional.cross_entropy(logits, target, weight=weights, label_smoothing=smoothing)
    if kind == "multilabel":
        return functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weights)
    if fit == "ccc":
        return (1 - _concordance(logits, target)).mean()
    return functional.l1_loss(logits, target) if fit == "l1" else functional.mse_loss(logits, target)


def _concordance(a: Tensor, b: Tensor) -> Tensor:
    """Concordance correlation over the batch (Lin 1989), ``(k,)``; 0 for a batch without spread."""
    da, db = a - a.mean(0), b - b.mean(0)
    below = da.square().mean(0) + db.square().mean(0) + (a.mean(0) - b.mean(0)).square()
    return 2 * (da * db).mean(0) / below.clamp_min(1e-8)


def scores_of(kind: str, logits: Tensor) -> Tensor:
    """Probabilities that sum to 1 (``class``, ``distribution``), each in [0, 1] (``multilabel``), or the values."""
    if kind in ("class", "distribution"):
        return logits.softmax(dim=-1)
    return logits.sigmoid() if kind == "multilabel" else logits
