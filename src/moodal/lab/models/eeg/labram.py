"""A transformer of patches as LaBraM's encoder is built (Jiang et al. 2024, ICLR), without its pre-training.

::

    x (B, C, T at 200 Hz) ─ patches of 1 s a channel ─ three convolutions ─ + channel + time ─ blocks ─ mean ─ linear

A channel that is not there has no patches. ``layers = 12`` is its base size (5.8 million parameters); 4 is the default,
for data sets of this field are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from moodal.core.errors import InputError

__all__ = ["RATE_HZ", "Labram", "Settings", "build"]

RATE_HZ = 200.0
PATCH = 200
WIDTH = 200
HEADS = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """Blocks of the transformer, and its dropout."""

    layers: int = 4
    dropout: float = 0.1


class _Patches(nn.Module):
    """A patch of 200 samples to 200 values: three convolutions of 8 filters, the first a sample in 8."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for kernel, step, wide in ((15, 8, 1), (3, 1, 8), (3, 1, 8)):
            layers += [nn.Conv1d(wide, 8, kernel, step, kernel // 2), nn.GroupNorm(4, 8), nn.GELU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., 200)`` to ``(..., 200)``."""
        return cast(Tensor, self.layers(x.reshape(-1, 1, PATCH))).transpose(1, 2).reshape(*x.shape[:-1], WIDTH)


class _Block(nn.Module):
    """Attention with normalised queries and keys, then a feed-forward layer, each added by a learnt small share."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.q_norm, self.k_norm = nn.LayerNorm(WIDTH // HEADS), nn.LayerNorm(WIDTH // HEADS)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.feed = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * WIDTH, WIDTH),
            nn.Dropout(dropout),
        )
        self.share1, self.share2 = (nn.Parameter(torch.full((WIDTH,), 0.1)) for _ in range(2))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """``x (B, N, 200)``, ``seen (B, 1, 1, N)`` bool."""
        b, n, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        told = functional.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v, attn_mask=seen)
        x = x + self.share1 * self.out(told.transpose(1, 2).reshape(b, n, WIDTH))
        return x + self.share2 * cast(Tensor, self.feed(self.norm2(x)))


class Labram(nn.Module):
    """``(B, C, T)`` at 200 Hz to logits; what does not fill a patch at the end is left out.

    Raises
    ------
    InputError : windows below a second, or above 16.
    """

    def __init__(self, channels: int, steps: int, classes: int, s: Settings) -> None:
        super().__init__()
        self.count = steps // PATCH
        if not 1 <= self.count <= 16:
            raise InputError(f"windows last {steps / RATE_HZ:g} s", where="labram", fix="Cut windows of 1 to 16 s.")
        self.patches = _Patches()
        self.of_channel = nn.Parameter(0.02 * torch.randn(channels, 1, WIDTH))
        self.of_time = nn.Parameter(0.02 * torch.randn(1, 16, WIDTH))
        self.blocks = nn.ModuleList(_Block(s.dropout) for _ in range(s.layers))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        b, c, _ = x.shape
        x = x[:, :, : self.count * PATCH].reshape(b, c, self.count, PATCH)
        x = (self.patches(x) + self.of_channel + self.of_time[:, : self.count]).flatten(1, 2)
        seen = there.repeat_interleave(self.count, dim=1)
        for block in self.blocks:
            x = block(x, seen[:, None, None])
        share = seen / seen.sum(dim=1, keepdim=True).clamp_min(1)
        return cast(Tensor, self.head(self.norm((x * share.unsqueeze(2)).sum(dim=1))))


def build(names: Sequence[str], steps: int, classes: int, s: Settings) -> Labram:
    """The network for those channels."""
    return Labram(len(names), steps, classes, s)
