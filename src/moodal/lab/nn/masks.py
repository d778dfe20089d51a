"""What is valid, what is padding, what is absent: pooling that never divides by nothing.

A mask is ``(batch, time)`` bool, True where a step is valid. An example that lacks a modality has no True in
that modality's mask. `Absent` gives such an example one learned step in its stead, because a softmax over an
empty set of keys is not a number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Absent", "AttentionPool", "fewer", "masked_mean", "masked_softmax"]


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over valid steps: ``(B, T, d)``, ``(B, T)`` to ``(B, d)``; zeros where none is valid."""
    weight = mask.to(x.dtype)
    total = torch.bmm(weight.unsqueeze(1), x).squeeze(1)
    return total / weight.sum(dim=1, keepdim=True).clamp_min(1.0)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis; exactly 0 where ``mask`` (broadcast) is False. At least one must be True."""
    return torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)


def fewer(present: Tensor, p: float) -> Tensor:
    """``(B, M)`` bool with each modality left out with probability ``p``; where all would be, those there stay."""
    if not p:
        return present
    kept = present & (torch.rand(present.shape, device=present.device) >= p)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


class Absent(nn.Module):
    """A learned step that stands where a modality is absent."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(d) / d**0.5)

    def forward(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, d)``, ``(B, T)`` to the same, with one valid step wherever there was none."""
        first = torch.arange(h.shape[1], device=h.device) == 0
        here = ~mask.any(dim=1, keepdim=True) & first
        return torch.where(here.unsqueeze(-1), self.token.to(h.dtype), h), mask | here


class AttentionPool(nn.Module):
    """Weighted mean over valid steps, the weights from a learned query; zeros where no step is valid."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.score = nn.Linear(d, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``(B, T, d)``, ``(B, T)`` to ``(B, d)``."""
        there = mask.any(dim=1, keepdim=True)
        weights = masked_softmax(self.score(x).squeeze(-1), mask | ~there) * there
        return torch.bmm(weights.unsqueeze(1), x).squeeze(1)
