"""MulT-style fusion: every modality attends to every other one, step by step, without alignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from moodal.lab.nn.attention import Attention
from moodal.lab.nn.heads import project
from moodal.lab.nn.masks import Absent, masked_mean
from moodal.lab.nn.position import sinusoidal

from .base import Model, Tensors
from .spec import ModelSpec, parse

__all__ = ["SPEC", "Mult", "MultSettings", "build"]


@dataclass(frozen=True, slots=True)
class MultSettings:
    """``d`` channels, ``heads``, ``layers`` of the directional blocks, ``memory`` layers over their union."""

    d: int = 40
    heads: int = 4
    layers: int = 2
    memory: int = 1
    dropout: float = 0.1


class Block(nn.Module):
    """Pre-norm attention (to another modality, or to itself) and a feed-forward part, both residual."""

    def __init__(self, d: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_q, self.norm_k, self.norm_f = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.attention = Attention(d, heads, dropout)
        self.forth = nn.Sequential(nn.Linear(d, 4 * d), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * d, d))

    def forward(self, h: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """``(B, T, d)``, ``(B, S, d)``, ``(B, S)`` to ``(B, T, d)``."""
        h = h + self.attention(self.norm_q(h), self.norm_k(keys), mask)
        return h + self.forth(self.norm_f(h))


class Mult(Model):
    """Tsai et al. 2019, section 3: for each ordered pair ``other -> m`` a directional transformer, their outputs
    side by side through a self-attention transformer per modality, then one residual classifier.

    Two departures: the summary is the masked mean, where the published code takes the last step (which padding would
    move), and the temporal convolution in front is a projection. A modality alone attends to itself.
    """

    def __init__(self, widths: Mapping[str, int], classes: int, kind: str, s: MultSettings) -> None:
        super().__init__(widths, classes, kind)
        self.project = nn.ModuleDict({m: project(width, s.d) for m, width in widths.items()})
        self.absent = nn.ModuleDict({m: Absent(s.d) for m in widths})
        self.others = {m: [o for o in widths if o != m] or [m] for m in widths}
        self.across = nn.ModuleDict(
            {
                f"{o}_to_{m}": nn.ModuleList(Block(s.d, s.heads, s.dropout) for _ in range(s.layers))
                for m in widths
                for o in self.others[m]
            }
        )
        wide = s.d * len(self.others[next(iter(widths))])
        self.memory = nn.ModuleDict(
            {m: nn.ModuleList(Block(wide, s.heads, s.dropout) for _ in range(s.memory)) for m in widths}
        )
        out = wide * len(widths)
        self.forth = nn.Sequential(nn.Linear(out, out), nn.ReLU(), nn.Dropout(s.dropout), nn.Linear(out, out))
        self.head = nn.Linear(out, classes)

    def fuse(self, values: Tensors, masks: Tensors, present: Tensor) -> dict[str, Tensor]:
        """Logits."""
        h, valid = {}, {}
        for m in self.modalities:
            x = self.project[m](values[m])
            x = x + sinusoidal(x.shape[1], x.shape[2], x.device)
            h[m], valid[m] = self.absent[m](x, masks[m])
        summaries = []
        for m in self.modalities:
            seen = []
            for o in self.others[m]:
                x = h[m]
                for block in self.across[f"{o}_to_{m}"]:
                    x = block(x, h[o], valid[o])
                seen.append(x)
            union = torch.cat(seen, dim=-1)
            for block in self.memory[m]:
                union = block(union, union, valid[m])
            summaries.append(masked_mean(union, valid[m]))
        summary = torch.cat(summaries, dim=-1)
        return {"logits": self.head(summary + self.forth(summary))}


SPEC = ModelSpec(
    "mult",
    "Multimodal transformer, MulT style",
    "any modalities, as steps in time",
    (),
    MultSettings,
    "Tsai et al. 2019, ACL, arXiv 1906.00295",
)


def build(widths: Mapping[str, int], classes: int, kind: str = "class", **settings: Any) -> Mult:
    """The model for those modalities, with those `MultSettings`."""
    return Mult(widths, classes, kind, parse(MultSettings, settings, SPEC.name))
