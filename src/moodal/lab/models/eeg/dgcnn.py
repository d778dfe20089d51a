"""DGCNN (Song et al. 2020, IEEE Trans. Affect. Comput. 11, 532): a graph of channels whose edges are learnt, its
filters Chebyshev polynomials of the graph's Laplacian (their eq. 6 to 10), on differential entropy by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["RATE_HZ", "Dgcnn", "Settings", "build"]

#: It reads features by band, no raw windows.
RATE_HZ = 0.0


@dataclass(frozen=True, slots=True)
class Settings:
    """``order`` of the polynomials (their K), ``width`` of the graph's filters, ``hidden`` units of the last layer."""

    order: int = 2
    width: int = 32
    hidden: int = 64
    dropout: float = 0.5


class Dgcnn(nn.Module):
    """``x (B, C, bands)`` to logits; an edge is never negative, and a channel that is not there has none."""

    def __init__(self, channels: int, bands: int, classes: int, s: Settings) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(bands)
        self.edges = nn.Parameter(torch.empty(channels, channels))
        nn.init.xavier_normal_(self.edges)
        self.filters = nn.ModuleList(nn.Linear(bands, s.width, bias=False) for _ in range(s.order))
        self.bias = nn.Parameter(torch.zeros(s.width))
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * s.width, s.hidden), nn.ReLU(), nn.Dropout(s.dropout),
            nn.Linear(s.hidden, classes),
        )  # fmt: skip

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        x = self.norm(x.transpose(1, 2)).transpose(1, 2) * there.unsqueeze(2)
        weight = self.edges.relu() * there.unsqueeze(2) * there.unsqueeze(1)
        scale = weight.sum(dim=2).add(1e-8).rsqrt() * there
        # Edges of their Laplacian at the largest eigenvalue 2: what is left of it beside the diagonal.
        graph = -scale.unsqueeze(2) * weight * scale.unsqueeze(1)
        before, now = x, graph @ x
        out = self.filters[0](before)
        for k, linear in enumerate(list(self.filters)[1:]):
            if k:
                before, now = now, 2 * graph @ now - before
            out = out + linear(now)
        return cast(Tensor, self.head((out + self.bias).relu()))


def build(names: Sequence[str], steps: int, classes: int, s: Settings) -> Dgcnn:
    """The network for those channels, each of ``steps`` bands."""
    return Dgcnn(len(names), steps, classes, s)
