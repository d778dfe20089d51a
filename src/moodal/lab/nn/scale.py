"""Standardising inside the model, so that what was fitted on the training part travels with it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Standardise"]


class Standardise(nn.Module):
    """``(x - mean) / spread`` by channel; a channel that never changed in training is only centred.

    ``seen`` is 0 for a modality that no training example had: it is treated as absent ever after, because nothing was
    learnt about it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.register_buffer("seen", torch.ones((), dtype=torch.bool))

    def fit(self, values: Tensor) -> None:
        """From the training part's valid steps, ``(steps, channels)``; float64 sums, two passes."""
        self.seen.fill_(len(values) > 0)
        if not len(values):
            return
        mean = values.mean(dim=0, dtype=torch.float64)
        variance = torch.zeros_like(mean)
        for part in values.split(65_536):
            variance += (part - mean).square().sum(dim=0)
        spread = (variance / len(values)).sqrt()
        self.mean.copy_(mean)
        self.spread.copy_(torch.where(spread > 1e-6 * (1 + mean.abs()), spread, torch.ones_like(spread)))

    def forward(self, x: Tensor) -> Tensor:
        """``(..., channels)`` to the same."""
        return (x - self.mean) / self.spread
