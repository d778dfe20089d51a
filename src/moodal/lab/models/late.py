"""Late fusion: each modality decides alone; those that are there are averaged in log-probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from moodal.lab.nn.heads import project
from moodal.lab.nn.masks import AttentionPool, masked_mean

from .base import Loss, Model, Tensors
from .spec import ModelSpec, parse

__all__ = ["SPEC", "Late", "LateSettings", "build"]


@dataclass(frozen=True, slots=True)
class LateSettings:
    """``d`` hidden units of each modality's own classifier; ``weighted`` learns how far each is to be trusted."""

    d: int = 64
    dropout: float = 0.1
    pool: Literal["mean", "attention"] = "mean"
    weighted: bool = True


class Late(Model):
    """::

    m1 ─► project ─► pool ─► ReLU ─► Linear ─► log p1 ─┐
    m2 ─► project ─► pool ─► ReLU ─► Linear ─► log p2 ─┴─► mean over those present, by learned weight
    """

    def __init__(self, widths: Mapping[str, int], classes: int, kind: str, s: LateSettings) -> None:
        super().__init__(widths, classes, kind)
        self.project = nn.ModuleDict({m: project(width, s.d) for m, width in widths.items()})
        self.pool = nn.ModuleDict({m: AttentionPool(s.d) for m in widths} if s.pool == "attention" else {})
        self.drop = nn.Dropout(s.dropout)
        self.head = nn.ModuleDict({m: nn.Linear(s.d, classes) for m in widths})
        self.trust = nn.Parameter(torch.zeros(len(widths)), requires_grad=s.weighted)

    def fuse(self, values: Tensors, masks: Tensors, present: Tensor) -> dict[str, Tensor]:
        """Logits; ``each`` ``(B, M, C)`` is what every modality says alone, ``shares`` what it weighs."""
        alone = []
        for m in self.modalities:
            h = self.project[m](values[m])
            pooled = self.pool[m](h, masks[m]) if m in self.pool else masked_mean(h, masks[m])
            said = self.head[m](self.drop(pooled.relu()))
            alone.append(said.log_softmax(-1) if self.kind in ("class", "distribution") else said)
        each = torch.stack(alone, dim=1)
        # In proportion to trust among those present; softplus keeps it positive, absent ones weigh exactly 0.
        weight = functional.softplus(self.trust) * present
        shares = weight / weight.sum(dim=1, keepdim=True).clamp_min(1e-12)
        # The absent are kept out by value too: 0 times what is not a number is not 0.
        each = torch.where(present.unsqueeze(-1), each, 0.0)
        return {"logits": (shares.unsqueeze(-1) * each).sum(dim=1), "each": each, "shares": shares}

    def objective(self, out: Mapping[str, Tensor], target: Tensor, loss: Loss, ramp: float = 1.0) -> Tensor:
        """The fused loss, and the loss of each modality on the examples that have it: all learn to decide alone."""
        total = loss(self.kind, out["logits"], target)
        there = out["shares"] > 0
        for k in range(len(self.modalities)):
            rows = there[:, k]
            if bool(rows.any()):
                total = total + loss(self.kind, out["each"][rows, k], target[rows]) / len(self.modalities)
        return total


SPEC = ModelSpec(
    "late",
    "Late fusion",
    "any modalities; each is decided on alone",
    ("each", "shares"),
    LateSettings,
    "decision-level fusion; average of logs: Hinton 2002, Neural Computation 14(8), product of experts",
)


def build(widths: Mapping[str, int], classes: int, kind: str = "class", **settings: Any) -> Late:
    """The model for those modalities, with those `LateSettings`."""
    return Late(widths, classes, kind, parse(LateSettings, settings, SPEC.name))
