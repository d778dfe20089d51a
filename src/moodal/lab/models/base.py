"""What every model has: standardised input, masks that hold, an objective, scores from logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from moodal.lab.nn.losses import criterion, scores_of
from moodal.lab.nn.scale import Standardise

__all__ = ["Loss", "Model"]

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Loss:
    """How the task's own loss is taken: class ``weights`` ``(C,)``, label ``smoothing``, ``fit`` of values."""

    weights: Tensor | None = None
    smoothing: float = 0.0
    fit: str = "l1"

    def __call__(self, kind: str, logits: Tensor, target: Tensor) -> Tensor:
        """The mean over a batch, see `moodal.lab.nn.losses.criterion`."""
        return criterion(kind, logits, target, weights=self.weights, smoothing=self.smoothing, fit=self.fit)


class Model(nn.Module):
    """``forward`` checks and standardises, `fuse` is the model.

    ::

        values, masks, present ─► absent made blank ─► standardise ─► fuse ─► {"logits": (B, C), …}
                                                                                │ finish
                                                                                ▼
                                                              scores: temperature, softmax or scale

    ``widths`` are the channels of each modality, in order; ``classes`` how many outputs; ``kind`` of what label.
    """

    def __init__(self, widths: Mapping[str, int], classes: int, kind: str) -> None:
        super().__init__()
        self.widths, self.classes, self.kind = dict(widths), classes, kind
        self.modalities = tuple(widths)
        self.scale = nn.ModuleDict({m: Standardise(width) for m, width in widths.items()})
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("shift", torch.zeros(classes))
        self.register_buffer("spread", torch.ones(classes))

    def forward(self, values: Tensors, masks: Tensors, present: Tensor, *, scaled: bool = False) -> dict[str, Tensor]:
        """``values[m]`` ``(B, T, d)``, ``masks[m]`` ``(B, T)`` bool, ``present`` ``(B, M)`` bool in the order of
        ``modalities``; to ``logits`` ``(B, C)`` and what the model reports.

        ``scaled`` says that values are standardised and zero where masked already, as the trainer keeps them.
        """
        valid = {}
        clean: dict[str, Tensor] = {}
        for k, m in enumerate(self.modalities):
            valid[m] = masks[m] & present[:, k : k + 1] & self.scale[m].seen
            # Padding may hold anything, even what is not a number.
            clean[m] = values[m] if scaled else torch.where(valid[m].unsqueeze(-1), self.scale[m](values[m]), 0.0)
        there = torch.stack([valid[m].any(dim=1) for m in self.modalities], dim=1)
        return self.fuse(clean, valid, there)

    def fuse(self, values: Tensors, masks: Tensors, present: Tensor) -> dict[str, Tensor]:
        """The model itself, on standardised values; ``present`` agrees with ``masks``."""
        raise NotImplementedError

    def objective(self, out: Mapping[str, Tensor], target: Tensor, loss: Loss, ramp: float = 1.0) -> Tensor:
        """What training minimises; ``ramp`` in [0, 1] grows over the first steps, for terms that should come late."""
        return loss(self.kind, out["logits"], target)

    def after_step(self) -> None:
        """Called after each step of the optimiser."""

    def finish(self, logits: Tensor) -> Tensor:
        """Scores ``(B, C)`` from logits: at the fitted temperature, values on the scale of the labels."""
        if self.kind == "continuous":
            return logits * self.spread + self.shift
        return scores_of(self.kind, logits / self.temperature)

    def emphasis(self, logits: Tensor) -> Tensor:
        """``(B, C)``: how much each output counts where shares are told: by its probability, all alike for values."""
        return torch.ones_like(logits) if self.kind == "continuous" else logits.softmax(dim=-1)

    def extra_state(self) -> dict[str, Any]:
        """What `moodal.lab.models.build` needs to make this model again, beside its settings."""
        return {"widths": self.widths, "classes": self.classes, "kind": self.kind}
