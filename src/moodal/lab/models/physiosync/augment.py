"""Copies of windows as published: scaled down, scaled up, each with and without noise, and noise alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from moodal.core.errors import UsageError

from .waves import Waves

__all__ = ["AugmentSettings", "varied"]


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """``copies`` of each moment beside itself; ranges of the scale, ``down`` and ``up``, each ``{low, high}``;
    ``snr_db`` of the noise.

    ``apart``: each group of a moment is varied in a way of its own (or not at all), drawn anew each time. Otherwise, as
    published, both are varied alike (5 copies are all kinds; fewer are drawn among them): then how they are varied
    alone tells which belong together, and even pairs drawn at random are told.
    """

    copies: int = 5
    apart: bool = True
    down: dict[str, float] = field(default_factory=lambda: {"low": 0.7, "high": 0.8})
    up: dict[str, float] = field(default_factory=lambda: {"low": 1.2, "high": 1.3})
    snr_db: float = 5.0

    def __post_init__(self) -> None:
        if self.copies < 0:
            raise UsageError(f"copies is {self.copies}", where="physiosync augment", fix="0 leaves them out.")
        for name in ("down", "up"):
            told = getattr(self, name)
            if set(told) != {"low", "high"} or not 0 < told["low"] <= told["high"]:
                raise UsageError(f"{name} is {told}", where="physiosync augment", fix="Say { low = 0.7, high = 0.8 }.")


def varied(waves: Waves, copy: Tensor, s: AugmentSettings) -> Waves:
    """Examples ``(B,)`` of copy 0 as they are, of copy k of the k-th kind."""
    kind = copy.clone()
    if 0 < s.copies < 5:
        kind = torch.where(copy > 0, torch.randint(1, 6, copy.shape), 0)
    kind = torch.where(kind > 0, (kind - 1) % 5 + 1, 0)
    if not bool((kind > 0).any()):
        return waves
    draw = torch.rand(len(kind))
    low = s.down["low"] + draw * (s.down["high"] - s.down["low"])
    high = s.up["low"] + draw * (s.up["high"] - s.up["low"])
    scale = torch.where((kind == 1) | (kind == 3), low, torch.where((kind == 2) | (kind == 4), high, 1.0))
    x = torch.where(waves.valid.unsqueeze(-1), waves.x, 0.0) * scale[:, None, None, None]
    noisy = kind >= 3
    count = waves.valid.sum(dim=2).clamp_min(1)[:, :, None, None] * x.shape[3]
    mean = x.sum(dim=(2, 3), keepdim=True) / count
    power = ((x - mean).square() * waves.valid.unsqueeze(-1)).sum(dim=(2, 3), keepdim=True) / count
    noise = torch.randn(x.shape) * (power * 10 ** (-s.snr_db / 10)).sqrt()
    return Waves(torch.where(noisy[:, None, None, None], x + noise, x), waves.channel, waves.valid)
