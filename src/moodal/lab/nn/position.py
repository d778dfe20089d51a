"""Where in time a step stands."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["sinusoidal"]


def sinusoidal(steps: int, d: int, device: torch.device | None = None) -> Tensor:
    """``(steps, d)``: sines and cosines of falling frequency (Vaswani et al. 2017, section 3.5)."""
    half = (d + 1) // 2
    rates = torch.exp(torch.arange(half, device=device) * (-math.log(10_000.0) / max(1, half - 1)))
    angles = torch.arange(steps, device=device).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :d]
