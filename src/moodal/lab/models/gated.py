"""Gated multimodal units: each modality's hidden state is let through by a gate that sees all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from moodal.lab.nn.heads import project
from moodal.lab.nn.masks import AttentionPool, masked_mean

from .base import Model, Tensors
from .spec import ModelSpec, parse

__all__ = ["SPEC", "Gated", "GatedSettings", "build"]


@dataclass(frozen=True, slots=True)
class GatedSettings:
    """``d`` units of each modality's hidden state."""

    d: int = 64
    dropout: float = 0.1
    pool: Literal["mean", "attention"] = "mean"


class Gated(Model):
    """``h_m = tanh(W_m x_m)``, ``z = softmax over modalities of U [x_1; x_2; …]`` unit by unit, ``h = Σ z_m ⊙ h_m``.

    Arevalo et al. 2017, eq. 1 to 4, have a sigmoid for two modalities; for more, gates that sum to 1 over those present
    are its like, and for two they are the same.
    """

    def __init__(self, widths: Mapping[str, int], classes: int, kind: str, s: GatedSettings) -> None:
        super().__init__(widths, classes, kind)
        self.project = nn.ModuleDict({m: project(width, s.d) for m, width in widths.items()})
        self.pool = nn.ModuleDict({m: AttentionPool(s.d) for m in widths} if s.pool == "attention" else {})
        self.hidden = nn.ModuleDict({m: nn.Linear(s.d, s.d) for m in widths})
        self.gate = nn.Linear(len(widths) * s.d, len(widths) * s.d)
        self.drop = nn.Dropout(s.dropout)
        self.head = nn.Linear(s.d, classes)

    def fuse(self, values: Tensors, masks: Tensors, present: Tensor) -> dict[str, Tensor]:
        """Logits; ``shares`` ``(B, M)`` are the gates' means over units."""
        pooled = []
        for k, m in enumerate(self.modalities):
            h = self.project[m](values[m])
            x = self.pool[m](h, masks[m]) if m in self.pool else masked_mean(h, masks[m])
            pooled.append(torch.where(present[:, k : k + 1], x.relu(), 0.0))
        hidden = torch.stack([self.hidden[m](x).tanh() for m, x in zip(self.modalities, pooled, strict=True)], dim=1)
        gates = self.gate(torch.cat(pooled, dim=1)).unflatten(1, (len(pooled), -1))
        # One example with nothing at all keeps its gates: its logits are told by nobody, but they are numbers.
        open_ = (present | ~present.any(dim=1, keepdim=True)).unsqueeze(-1)
        gates = gates.masked_fill(~open_, float("-inf")).softmax(dim=1)
        fused = (gates * hidden).sum(dim=1)
        return {"logits": self.head(self.drop(fused)), "shares": gates.mean(dim=2) * present}


SPEC = ModelSpec(
    "gated",
    "Gated multimodal units",
    "any modalities; steps are pooled",
    ("shares",),
    GatedSettings,
    "Arevalo et al. 2017, arXiv 1702.01992",
)


def build(widths: Mapping[str, int], classes: int, kind: str = "class", **settings: Any) -> Gated:
    """The model for those modalities, with those `GatedSettings`."""
    return Gated(widths, classes, kind, parse(GatedSettings, settings, SPEC.name))
