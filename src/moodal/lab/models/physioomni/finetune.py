"""Stage 3: encoders of any subset of modalities brought to one layout, drawn to class prototypes, decided together.

::

    tokens of m ─► encoder m ─► LN, Linear, LN, dropout ─► pooled to slots ─► Linear ─► shared block ─► over slots: z_m
                                                          z = mean of z_m over those present ─► head: logits
                                                                         each z_m ─► the same head: logits_m
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from moodal.core.errors import InputError, UsageError
from moodal.lab.nn.losses import criterion, scores_of
from moodal.lab.nn.masks import fewer

from .codebook import kmeans
from .encoder import Block, EncoderSettings, initialise
from .specs import Size, spec_named
from .tokenizer import encoders_of
from .tokens import Signals, present_of

__all__ = ["FinetuneSettings", "PhysioOmni"]

#: Prototypes where the label is a value; how far apart classes' prototypes should be, as a root mean square.
VALUE_PROTOTYPES, MARGIN = 256, 1.0


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """Weights of the terms: ``align_weight`` to prototypes, ``fused_weight`` of the joint decision, ``loss_weight`` of
    each modality's own (``each_weight`` where it is not named), ``proto_margin`` of prototypes too close.

    ``modality_dropout``: probability that a modality of an example is left out in training (one stays). ``reorg``: how
    tokens come to slots, ``mean`` or ``sum`` of those drawn to each, or ``cls``, the encoder's summary instead.
    """

    align_weight: float = 1.0
    fused_weight: float = 0.5
    each_weight: float = 0.5
    loss_weight: dict[str, float] = field(default_factory=dict)
    proto_margin: float = 0.1
    modality_dropout: float = 0.3
    reorg: Literal["mean", "sum", "cls"] = "mean"
    fusion: Literal["mean", "concat"] = "mean"
    dropout: float = 0.5
    label_smoothing: float = 0.1
    freeze_encoder: bool = False

    def __post_init__(self) -> None:
        for m in self.loss_weight:
            spec_named(m)
        if not 0 <= self.modality_dropout < 1:
            raise UsageError("must be at least 0 and below 1", where="finetune.modality_dropout")

    def weight(self, m: str) -> float:
        """Of a modality's own decision."""
        return float(self.loss_weight.get(m, self.each_weight))


class _Layout(nn.Module):
    """Tokens of one modality to ``slots`` rows of ``width`` channels, however many tokens there are."""

    def __init__(self, d: int, width: int, slots: int, dropout: float, reorg: str) -> None:
        super().__init__()
        self.reorg = reorg
        self.enter = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, width), nn.LayerNorm(width), nn.Dropout(dropout))
        if reorg != "cls":
            self.place = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, slots))
            self.leave = nn.Linear(width, width)

    def slots(self, h: Tensor, pad: Tensor) -> Tensor:
        """``(B, T, d)`` re-pooled, ``(B, slots, width)``: each token is shared out over the slots by a softmax.

        ``mean`` divides by what each slot was given, so that length does not count; with ``sum`` it does.
        """
        tokens = self.enter(h)
        share = self.place(tokens).softmax(dim=-1).masked_fill(pad.unsqueeze(-1), 0.0)
        pooled = share.transpose(1, 2) @ tokens
        return pooled if self.reorg == "sum" else pooled / share.sum(dim=1).clamp_min(1e-6).unsqueeze(-1)

    def forward(self, cls: Tensor, h: Tensor, pad: Tensor) -> Tensor:
        return self.enter(cls) if self.reorg == "cls" else self.leave(self.slots(h, pad))


class PhysioOmni(nn.Module):
    """The model that is used: `embed` and `predict` never see labels, `loss` trains.

    ``kind`` of label: ``class``, ``multilabel``, ``continuous`` or ``distribution``, over ``classes`` outputs.
    """

    def __init__(
        self, modalities: Sequence[str], classes: int, kind: str, size: Size, settings: FinetuneSettings | None = None,
        encoder: EncoderSettings | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        s = self.settings = settings or FinetuneSettings()
        if not modalities:
            raise UsageError("needs one modality at least", where="physioomni")
        self.modalities, self.classes, self.kind, self.size = tuple(modalities), classes, kind, size
        self.encoders = encoders_of(modalities, size, encoder)
        width = size.width
        self.layout = nn.ModuleDict(
            {m: _Layout(size.d(spec_named(m)), width, size.slots, s.dropout, s.reorg) for m in modalities}
        )
        if s.reorg != "cls":
            self.block = Block(width, size.fusion_heads)
            initialise(self.block)
            self.over_slots = nn.Conv2d(1, 1, (size.slots, 1), bias=False)
        self.head = nn.Linear(width, classes)
        self.joint = nn.Linear(width * len(self.modalities), classes) if s.fusion == "concat" else None
        self.proto = nn.Parameter(torch.randn(VALUE_PROTOTYPES if kind == "continuous" else classes, width))
        self.register_buffer("proto_set", torch.tensor(kind != "continuous"))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("shift", torch.zeros(classes))
        self.register_buffer("spread", torch.ones(classes))
        if s.freeze_encoder:
            self.encoders.requires_grad_(False)

    def embed(self, signals: Signals, present: Tensor | None = None) -> dict[str, Tensor]:
        """``z (B, width)`` of those present, ``each (B, M, width)`` (zero where absent), ``present (B, M)``.

        ``present`` hides what is there. An absent modality is not encoded at all, so that what it holds cannot count.

        Raises
        ------
        InputError : an example without any modality.
        """
        there = present_of(signals, self.modalities)
        there = there if present is None else there & present
        if not bool(there.any(dim=1).all()):
            row = int((~there.any(dim=1)).nonzero()[0])
            raise InputError(f"example {row + 1} has none of {', '.join(self.modalities)}", where="physioomni",
                             fix="Withhold it.")  # fmt: skip
        each = []
        for k, m in enumerate(self.modalities):
            rows = there[:, k]
            whole = torch.zeros(len(there), self.size.width, device=there.device)
            if bool(rows.any()):
                tokens = signals[m].take(rows)
                cls, h = self.encoders[m](tokens)
                told = self._vector(m, cls, h, tokens.pad)
                whole = whole.to(told.dtype).index_put((rows.nonzero().squeeze(1),), told)
            each.append(whole)
        stacked = torch.stack(each, dim=1)
        mean = stacked.sum(dim=1) / there.sum(dim=1, keepdim=True)
        return {"z": mean, "each": stacked, "present": there}

    def _vector(self, m: str, cls: Tensor, h: Tensor, pad: Tensor) -> Tensor:
        out = self.layout[m](cls, h, pad)
        if self.settings.reorg == "cls":
            return out
        return self.over_slots(self.block(out, None).unsqueeze(1)).flatten(1)

    def predict(self, signals: Signals, present: Tensor | None = None) -> dict[str, Tensor]:
        """``logits (B, C)``, ``logits_each (B, M, C)`` (NaN where absent), and what `embed` tells."""
        told = self.embed(signals, present)
        logits = self.head(told["z"]) if self.joint is None else self.joint(told["each"].flatten(1))
        each = torch.where(told["present"].unsqueeze(-1), self.head(told["each"]), float("nan"))
        return {"logits": logits, "logits_each": each, **told}

    def forward(self, signals: Signals, present: Tensor | None = None) -> dict[str, Tensor]:
        """`predict`."""
        return self.predict(signals, present)

    def loss(
        self, signals: Signals, goal: Tensor, *, weights: Tensor | None = None, fit: str = "mse"
    ) -> dict[str, Tensor]:
        """Terms by name, already weighted: ``align``, ``fused``, ``own.MODALITY``, ``margin``.

        ``goal`` is ``(B,)`` int64 for classes, ``(B, C)`` else.
        """
        s = self.settings
        there = present_of(signals, self.modalities)
        out = self.predict(signals, fewer(there, s.modality_dropout) if self.training else None)
        there = out["present"]

        def fault(logits: Tensor, rows: Tensor | slice) -> Tensor:
            return criterion(self.kind, logits, goal[rows], weights=weights, smoothing=s.label_smoothing, fit=fit)

        terms = {"fused": s.fused_weight * fault(out["logits"], slice(None))}
        centre, known = self._prototypes(goal, out["z"])
        aligned = []
        for k, m in enumerate(self.modalities):
            rows = there[:, k]
            if not bool(rows.any()):
                continue
            if s.weight(m):
                terms[f"own.{m}"] = s.weight(m) * fault(out["logits_each"][rows, k], rows)
            if bool((both := rows & known).any()):
                aligned.append((centre[both] - out["each"][both, k]).square().mean())
        if s.align_weight and aligned:
            terms["align"] = s.align_weight * torch.stack(aligned).sum()
        if s.proto_margin and self.kind != "continuous" and self.classes > 1:
            distance = torch.pdist(self.proto) / self.proto.shape[1] ** 0.5
            terms["margin"] = s.proto_margin * (MARGIN - distance).relu().square().mean()
        return terms

    def _prototypes(self, goal: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """The prototype of each example, ``(B, width)``, and which have one."""
        every = torch.ones(len(z), dtype=torch.bool, device=z.device)
        if self.kind == "class":
            return self.proto[goal], every
        if self.kind == "continuous":
            if self.training and not bool(self.proto_set):
                with torch.no_grad():
                    units, _ = kmeans(functional.normalize(z.detach().float(), dim=-1), len(self.proto))
                    self.proto.copy_(units * z.detach().norm(dim=-1).mean())
                    self.proto_set.fill_(True)
            return self.proto[torch.cdist(z.detach(), self.proto.detach()).argmin(dim=1)], every
        total = goal.sum(dim=1, keepdim=True)
        return (goal / total.clamp_min(1e-9)) @ self.proto, total.squeeze(1) > 0

    def nearest(self, z: Tensor) -> Tensor:
        """The class whose prototype is nearest, ``(B,)``."""
        return torch.cdist(z, self.proto).argmin(dim=1)

    def finish(self, logits: Tensor) -> Tensor:
        """Scores ``(B, C)``: at the fitted temperature, values on the scale of the labels."""
        if self.kind == "continuous":
            return logits * self.spread + self.shift
        return scores_of(self.kind, logits / self.temperature)

    def extra_state(self) -> dict[str, Any]:
        """What is needed to build it again, beside its settings."""
        return {"modalities": list(self.modalities), "classes": self.classes, "kind": self.kind}

    def start_from(self, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take encoders' weights by modality (from pre-training, or published ones).

        Raises
        ------
        InputError : weights of another shape, or not of every encoder's part.
        """
        for m, state in weights.items():
            if m in self.encoders:
                try:
                    self.encoders[m].load_state_dict(dict(state))
                except RuntimeError as error:
                    first = str(error).strip().splitlines()[-1].strip()
                    raise InputError(f"weights do not fit the encoder of {m}: {first}", where="physioomni") from error
