"""From features to a modality's hidden rows, and from several modalities' rows to one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FusionMLP", "project"]


def project(width: int, d: int) -> nn.Module:
    """LayerNorm and Linear, ``(..., width)`` to ``(..., d)``.

    A modality of few channels goes without the norm: over one or two values it would leave hardly more than signs.
    """
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, d)) if width >= 8 else nn.Linear(width, d)


class FusionMLP(nn.Module):
    """``Linear, SiLU, Linear`` over the modalities' rows side by side.

    What each modality gives to an output is told by gradient times input, in closed form: no autograd is needed where
    the model runs. SiLU, because its slope has no jump that rounding could tip.
    """

    def __init__(self, modalities: int, d: int, out: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(modalities * d, hidden)
        self.drop = nn.Dropout(dropout)
        self.second = nn.Linear(hidden, out)

    def forward(self, rows: Sequence[Tensor]) -> Tensor:
        """One ``(..., d)`` a modality, to ``(..., out)``."""
        return self.second(self.drop(functional.silu(self.first(torch.cat(list(rows), dim=-1)))))

    def contributions(self, rows: Sequence[Tensor], weight: Tensor) -> Tensor:
        """Gradient times input of ``weight @ output`` for each modality: ``(..., modality, d)``.

        ``weight`` is ``(..., out)``. Summed over modalities, and with the first layer's bias times its gradient
        added, it gives the gradient times the first layer's output: the linear part is accounted for in full.
        """
        x = torch.cat(list(rows), dim=-1)
        u = self.first(x)
        gate = u.sigmoid()
        through = (weight @ self.second.weight) * gate * (1 + u * (1 - gate))
        return (x * (through @ self.first.weight)).unflatten(-1, (len(rows), -1))

    def shares(self, rows: Sequence[Tensor], weight: Tensor, present: Tensor) -> Tensor:
        """Each modality's share of the absolute contributions, ``(B, modality)``; 0 for an absent one.

        ``rows`` are ``(B, R, d)``, ``weight`` ``(B, 1, out)``, ``present`` ``(B, modality)``. Rows sum to 1 where any
        is present.
        """
        size = self.contributions(rows, weight).abs().sum(dim=(1, 3)) * present
        # Where nothing contributes (all units off) those present share alike.
        size = torch.where(size.sum(1, keepdim=True) > 0, size, present.to(size.dtype))
        return size / size.sum(dim=1, keepdim=True).clamp_min(1e-12)
