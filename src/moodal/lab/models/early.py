"""Early fusion: every modality pooled over time, side by side, into one multilayer perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from moodal.lab.nn.heads import FusionMLP, project
from moodal.lab.nn.masks import Absent, AttentionPool, masked_mean

from .base import Model, Tensors
from .spec import ModelSpec, parse

__all__ = ["SPEC", "Early", "EarlySettings", "build"]


@dataclass(frozen=True, slots=True)
class EarlySettings:
    """``d`` channels a modality, ``hidden`` units of the fusion, ``pool`` over time."""

    d: int = 64
    hidden: int = 128
    dropout: float = 0.1
    pool: Literal["mean", "attention"] = "mean"


class Early(Model):
    """``project ─► (absent) ─► pool ─► [m1 ; m2 ; …] ─► Linear, SiLU, Linear``."""

    def __init__(self, widths: Mapping[str, int], classes: int, kind: str, s: EarlySettings) -> None:
        super().__init__(widths, classes, kind)
        self.project = nn.ModuleDict({m: project(width, s.d) for m, width in widths.items()})
        self.absent = nn.ModuleDict({m: Absent(s.d) for m in widths})
        self.pool = nn.ModuleDict({m: AttentionPool(s.d) for m in widths} if s.pool == "attention" else {})
        self.drop = nn.Dropout(s.dropout)
        self.fusion = FusionMLP(len(widths), s.d, classes, s.hidden, s.dropout)

    def fuse(self, values: Tensors, masks: Tensors, present: Tensor) -> dict[str, Tensor]:
        """Logits, and each modality's share of what the first layer passes on."""
        rows = []
        for m in self.modalities:
            h, mask = self.absent[m](self.project[m](values[m]), masks[m])
            pooled = self.pool[m](h, mask) if m in self.pool else masked_mean(h, mask)
            rows.append(self.drop(pooled.relu()))
        logits = self.fusion(rows)
        out = {"logits": logits}
        if not self.training:
            weight = self.emphasis(logits).unsqueeze(1)
            out["shares"] = self.fusion.shares([r.unsqueeze(1) for r in rows], weight, present)
        return out


SPEC = ModelSpec(
    "early",
    "Early fusion",
    "any modalities; steps are pooled",
    ("shares",),
    EarlySettings,
    "feature-level fusion, Poria et al. 2017, Information Fusion 37, section 4",
)


def build(widths: Mapping[str, int], classes: int, kind: str = "class", **settings: Any) -> Early:
    """The model for those modalities, with those `EarlySettings`."""
    return Early(widths, classes, kind, parse(EarlySettings, settings, SPEC.name))
