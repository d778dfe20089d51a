"""How far two distributions over classes lie apart, in nats; finite with zeros, so that it can be a loss."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["js_divergence", "kl_divergence"]


def _log(p: Tensor) -> Tensor:
    # Clamped, not shifted: a shift would make the divergence of equal distributions other than 0.
    return p.clamp_min(torch.finfo(p.dtype).tiny).log()


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler divergence ``KL(p || q)`` of ``(..., C)``, to ``(...)``; large, not infinite, where q is 0."""
    return (p * (_log(p) - _log(q))).sum(dim=-1)


def js_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence of ``(..., C)``, to ``(...)``: 0 for equal ones, at most ``ln 2`` (Lin 1991)."""
    middle = (p + q) / 2
    return (kl_divergence(p, middle) + kl_divergence(q, middle)) / 2
