"""LSGMER: label signal-guided multimodal emotion recognition (Shao, Yu and Wang 2025, arXiv 2504.05158).

The blocks stand in the order of the data. Steps in brackets are this project's decisions where the publication is
silent; ``docs/explanation/lsgmer.md`` says why.

::

    features m ─► [LN, Linear] ─► H_m0 ─┬─► [cross-modal: asks the other modalities] ─► H_m1 ─┐
                                        │                                                     │ keys, values
                                        │             labels L (moving average of L') ──────► attention
                                        │                                                     │
                                        └─► [masked mean] ───► σ(H_m2) ⊙ H_m0 + H_m2 ◄── H_m2 ┘   = H_m
    [H_1 ; H_2 ; …] ─► [MLP] ─► R ─► [mean over labels] ─► H ─► Linear ─► z ─► p
                                                           └─► cos(H, L) / τ ─► q          APC: JS(p, q)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from moodal.lab.nn.attention import Attention, CrossModal
from moodal.lab.nn.divergence import js_divergence, kl_divergence
from moodal.lab.nn.heads import FusionMLP, project
from moodal.lab.nn.masks import Absent, masked_mean
from moodal.lab.nn.position import sinusoidal

from .base import Loss, Model, Tensors
from .spec import ModelSpec, parse

__all__ = ["SPEC", "Apc", "LabelSignal", "Labels", "Lse", "Lsgmer", "LsgmerSettings", "build"]


@dataclass(frozen=True, slots=True)
class Lse:
    """Label signal enhancement. ``ema`` is α of the labels' moving average (0: none, 1: never moved); ``init``
    ``text`` starts from projected vectors of the labels' names; ``labels`` ``frozen`` never learns them, ``shuffled``
    deals them out anew at each training step, so that they carry no class."""

    enabled: bool = True
    direction: Literal["label_queries", "feature_queries"] = "label_queries"
    ema: float = 0.9
    init: Literal["random", "text"] = "random"
    labels: Literal["trained", "frozen", "shuffled"] = "trained"


@dataclass(frozen=True, slots=True)
class Apc:
    """Attribution-prediction consistency: λ ``weight``, temperature ``tau`` of the cosines, which side gets no
    gradient, and the divergence."""

    weight: float = 0.5
    tau: float = 0.1
    stop_grad: Literal["none", "p", "q"] = "none"
    divergence: Literal["js", "kl_pq", "kl_qp"] = "js"


@dataclass(frozen=True, slots=True)
class LsgmerSettings:
    """``d`` channels, ``heads`` and ``layers`` of the cross-modal step (``cross`` switches it off)."""

    d: int = 64
    heads: int = 4
    layers: int = 1
    dropout: float = 0.1
    cross: bool = True
    position: Literal["none", "sinusoidal"] = "none"
    lse: Lse = field(default_factory=Lse)
    apc: Apc = field(default_factory=Apc)


class Labels(nn.Module):
    """The label embeddings: ``L'`` is trained, ``L`` is its moving average and what the model reads.

    The forward pass uses ``L + (L' - stopgrad L')``: the value of the average, with the gradient going to ``L'``.
    """

    def __init__(self, classes: int, d: int, ema: float, trained: bool, start: Tensor | None) -> None:
        super().__init__()
        self.ema = ema
        begin = torch.randn(classes, d) / d**0.5 if start is None else start
        self.trained = nn.Parameter(begin, requires_grad=trained)
        self.register_buffer("average", begin.clone())

    def forward(self) -> Tensor:
        """``(C, d)``."""
        if not self.training:
            return self.average
        return self.average + (self.trained - self.trained.detach())

    def step(self) -> None:
        """``L <- α L + (1 - α) L'``, in training only."""
        if self.training:
            with torch.no_grad():
                self.average.mul_(self.ema).add_(self.trained, alpha=1 - self.ema)


class LabelSignal(nn.Module):
    """Labels and one modality look at each other: ``H = σ(H2) ⊙ H0 + H2``.

    ``label_queries``: ``H2 = Attention(Q=L, K=V=H1)``, one row a label; H0 is its masked mean, given to every row.
    ``feature_queries``: ``H2 = Attention(Q=H1, K=V=L)``, one row a step; rows are averaged at the end.
    """

    def __init__(self, d: int, heads: int, dropout: float, direction: str) -> None:
        super().__init__()
        self.direction = direction
        self.attention = Attention(d, heads, dropout)

    def forward(self, labels: Tensor, h0: Tensor, h1: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``(C, d)``, ``(B, T, d)`` twice, ``(B, T)`` to ``(B, R, d)`` and attention ``(B, C, T)``, rows summing to 1.

        R is C for label queries, 1 for feature queries.
        """
        signal = labels.unsqueeze(0).expand(h0.shape[0], -1, -1)
        if self.direction == "label_queries":
            h2, rows = self.attention.with_rows(signal, h1, mask)
            return h2.sigmoid() * masked_mean(h0, mask).unsqueeze(1) + h2, rows
        h2, by_step = self.attention.with_rows(h1, signal)
        rows = by_step.transpose(1, 2) * mask.unsqueeze(1)
        rows = rows / rows.sum(dim=-1, keepdim=True)
        return masked_mean(h2.sigmoid() * h0 + h2, mask).unsqueeze(1), rows


class Lsgmer(Model):
    """See the head of this file. ``label_vectors`` ``(C, v)`` are text vectors of the labels' names, for
    ``init = "text"``."""

    def __init__(
        self,
        widths: Mapping[str, int],
        classes: int,
        kind: str,
        s: LsgmerSettings,
        label_vectors: Tensor | None = None,
    ) -> None:
        super().__init__(widths, classes, kind)
        self.settings = s
        crossed = s.cross and len(widths) > 1
        self.project = nn.ModuleDict({m: project(width, s.d) for m, width in widths.items()})
        self.absent = nn.ModuleDict({m: Absent(s.d) for m in widths})
        self.cross = nn.ModuleDict(
            {m: nn.ModuleList(CrossModal(s.d, s.heads, s.dropout) for _ in range(s.layers)) for m in widths}
            if crossed
            else {}
        )
        start = _projected(label_vectors, s.d) if s.lse.init == "text" else None
        self.labels = Labels(classes, s.d, s.lse.ema, s.lse.labels != "frozen", start)
        self.signal = nn.ModuleDict(
            {m: LabelSignal(s.d, s.heads, s.dropout, s.lse.direction) for m in widths} if s.lse.enabled else {}
        )
        self.fusion = FusionMLP(len(widths), s.d, s.d, s.d, s.dropout)
        self.classifier = nn.Linear(s.d, classes)

    def fuse(self, values: Tensors, masks: Tensors, present: Tensor) -> dict[str, Tensor]:
        """``logits``; ``fused`` H ``(B, d)``, ``cosine`` ``(B, C)`` of H and labels; when not training also the second
        opinion ``q``, its divergence ``js`` from p, ``shares`` of the modalities and ``attention_m`` ``(B, C, T)``."""
        h0, valid = self._hidden(values, masks)
        h1 = {m: self._crossed(m, h0, valid) for m in self.modalities}
        labels = self._labels()
        rows, attention = [], {}
        for m in self.modalities:
            if m in self.signal:
                row, attention[m] = self.signal[m](labels, h0[m], h1[m], valid[m])
            else:
                row = masked_mean(h1[m], valid[m]).unsqueeze(1)
            rows.append(row)
        fused = self.fusion(rows).mean(dim=1)
        logits = self.classifier(fused)
        cosine = functional.normalize(fused, dim=-1) @ functional.normalize(labels, dim=-1).t()
        out = {"logits": logits, "fused": fused, "cosine": cosine}
        if not self.training:
            weight = (self.emphasis(logits) @ self.classifier.weight).unsqueeze(1)
            out["shares"] = self.fusion.shares(rows, weight, present)
            out |= {f"attention_{m}": a for m, a in attention.items()}
            if self.kind != "continuous":
                p, q = self._opinions(logits, cosine)
                out |= {"q": q[..., 0] if self.kind == "multilabel" else q, "js": _mean_js(p, q)}
        return out

    def objective(self, out: Mapping[str, Tensor], target: Tensor, loss: Loss, ramp: float = 1.0) -> Tensor:
        """``CE + ramp * λ * mean JS(p, q)``; the task's loss alone, to the bit, where λ is 0 or labels are values."""
        task = loss(self.kind, out["logits"], target)
        apc = self.settings.apc
        if apc.weight == 0 or self.kind == "continuous":
            return task
        p, q = self._opinions(out["logits"], out["cosine"])
        p = p.detach() if apc.stop_grad == "p" else p
        q = q.detach() if apc.stop_grad == "q" else q
        apart = {"js": js_divergence, "kl_pq": kl_divergence, "kl_qp": _backwards}
        return task + ramp * apc.weight * apart[apc.divergence](p, q).mean()

    def after_step(self) -> None:
        """The labels' moving average takes its step."""
        self.labels.step()

    def _hidden(self, values: Tensors, masks: Tensors) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        h0, valid = {}, {}
        for m in self.modalities:
            h = self.project[m](values[m])
            if self.settings.position == "sinusoidal":
                h = h + sinusoidal(h.shape[1], h.shape[2], h.device)
            h0[m], valid[m] = self.absent[m](h, masks[m])
        return h0, valid

    def _crossed(self, m: str, h0: Tensors, valid: Tensors) -> Tensor:
        h = h0[m]
        if m in self.cross:
            others = [o for o in self.modalities if o != m]
            keys = torch.cat([h0[o] for o in others], dim=1)
            mask = torch.cat([valid[o] for o in others], dim=1)
            for layer in self.cross[m]:
                h = layer(h, keys, mask)
        return h

    def _labels(self) -> Tensor:
        labels = self.labels()
        if self.settings.lse.labels == "shuffled" and self.training:
            return labels[torch.randperm(len(labels), device=labels.device)]
        return labels

    def _opinions(self, logits: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor]:
        """p of the classifier and q of the cosines: ``(B, C)``, or for several labels ``(B, C, 2)`` of on and off."""
        z, s = logits.float(), cosine.float() / self.settings.apc.tau
        if self.kind == "multilabel":
            return tuple(torch.stack([x.sigmoid(), (-x).sigmoid()], dim=-1) for x in (z, s))
        return z.softmax(dim=-1), s.softmax(dim=-1)


def _backwards(p: Tensor, q: Tensor) -> Tensor:
    return kl_divergence(q, p)


def _mean_js(p: Tensor, q: Tensor) -> Tensor:
    """``(B,)``: over labels too, where there are several."""
    js = js_divergence(p, q)
    return js if js.dim() == 1 else js.mean(dim=1)


def _projected(vectors: Tensor | None, d: int) -> Tensor:
    """``(C, v)`` to ``(C, d)`` of unit length, by a random projection, which about keeps angles."""
    from moodal.core.errors import UsageError

    if vectors is None:
        raise UsageError(
            'init = "text" needs vectors of the labels\' names', where=SPEC.name, fix="Pass label_vectors (C, v)."
        )
    x = torch.as_tensor(vectors, dtype=torch.float32)
    return functional.normalize((x - x.mean(dim=0)) @ torch.randn(x.shape[1], d), dim=-1)


SPEC = ModelSpec(
    "lsgmer",
    "LSGMER: label signal-guided multimodal emotion recognition",
    "any modalities; two are the published form",
    ("fused", "cosine", "q", "js", "shares", "attention_*"),
    LsgmerSettings,
    "Shao, Yu and Wang 2025, arXiv 2504.05158 (abstract; formulas after a review)",
)


def build(
    widths: Mapping[str, int],
    classes: int,
    kind: str = "class",
    *,
    label_vectors: Any = None,
    **settings: Any,
) -> Lsgmer:
    """The model for those modalities, with those `LsgmerSettings` (``lse`` and ``apc`` are tables)."""
    return Lsgmer(widths, classes, kind, parse(LsgmerSettings, settings, SPEC.name), label_vectors)
