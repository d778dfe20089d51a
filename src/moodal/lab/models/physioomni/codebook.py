"""A codebook of unit vectors that follows what is given to it: moving averages, k-means start, unused codes revived.

van den Oord et al. 2017, arXiv 1711.00937, section 3 and appendix A.1 (moving averages); Zeghidour et al. 2021, arXiv
2107.03312, section III-C (k-means start, revival).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Centre", "Codebook", "kmeans", "perplexity"]


class Codebook(nn.Module):
    """``codes`` vectors of ``dim``; nothing of it changes in evaluation mode.

    A code that no vector chose for ``revive_after`` updates becomes one of those that are given then (0: never). For
    the first ``warm`` updates vectors pass as they are, so that codes start from what a decoder has shaped. Gradients
    pass ``straight`` through, or turned and scaled as the vector was (``rotate``; Fifty et al. 2024, arXiv 2410.06424).
    """

    def __init__(
        self, codes: int, dim: int, *, decay: float = 0.99, revive_after: int = 200, warm: int = 0,
        gradient: Literal["straight", "rotate"] = "straight",
    ) -> None:  # fmt: skip
        super().__init__()
        self.codes, self.dim, self.decay, self.revive_after = codes, dim, decay, revive_after
        self.warm, self.gradient = warm, gradient
        start = functional.normalize(torch.randn(codes, dim), dim=-1)
        self.register_buffer("weight", start)
        self.register_buffer("embed_avg", start.clone())
        self.register_buffer("cluster_size", torch.ones(codes))
        self.register_buffer("unused", torch.zeros(codes, dtype=torch.long))
        self.register_buffer("initted", torch.zeros((), dtype=torch.bool))
        self.register_buffer("passed", torch.zeros((), dtype=torch.long))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``z (N, dim)`` to its codes ``(N, dim)`` (gradients pass through), their numbers ``(N,)``, and the commitment
        loss: mean squared distance of ``z``, normalised, to its code."""
        z = functional.normalize(z.float(), dim=-1)
        if self.training and len(z) and int(self.passed) < self.warm:
            self.passed += 1
            return z, (z.detach() @ self.weight.T).argmax(dim=-1), z.sum() * 0.0
        if self.training and not bool(self.initted) and len(z):
            with torch.no_grad():
                self._start(z.detach())
        index = (z.detach() @ self.weight.T).argmax(dim=-1)
        code = self.weight[index].clone()
        if self.training and len(z):
            with torch.no_grad():
                self._follow(z.detach(), index)
        commit = functional.mse_loss(z, code) if len(z) else z.sum()
        return (_turned(z, code) if self.gradient == "rotate" else z + (code - z).detach()), index, commit

    def even(self, z: Tensor, sharp: float = 10.0) -> Tensor:
        """How far from evenly ``z (N, dim)`` would use the codes, were they chosen softly: ln(codes) less the entropy
        of their mean share; ``sharp`` is the softmax's inverse temperature."""
        share = (sharp * functional.normalize(z.float(), dim=-1) @ self.weight.T).softmax(dim=-1).mean(dim=0)
        return math.log(self.codes) + (share * share.clamp_min(1e-9).log()).sum()

    def _start(self, z: Tensor) -> None:
        centres, counts = kmeans(z, self.codes)
        self.weight.copy_(centres)
        self.embed_avg.copy_(centres * counts.unsqueeze(1).clamp_min(1.0))
        self.cluster_size.copy_(counts.clamp_min(1.0))
        self.initted.fill_(True)

    def _follow(self, z: Tensor, index: Tensor) -> None:
        hit = torch.bincount(index, minlength=self.codes).to(z.dtype)
        total = torch.zeros_like(self.embed_avg).index_add_(0, index, z)
        self.cluster_size.lerp_(hit, 1 - self.decay)
        self.embed_avg.lerp_(total, 1 - self.decay)
        self.weight.copy_(functional.normalize(self.embed_avg, dim=-1))
        self.unused.add_(1).masked_fill_(hit > 0, 0)
        if self.revive_after and bool((dead := self.unused >= self.revive_after).any()):
            fresh = z[torch.randint(len(z), (int(dead.sum()),), device=z.device)]
            self.weight[dead] = fresh
            self.embed_avg[dead] = fresh
            self.cluster_size[dead] = 1.0
            self.unused[dead] = 0


def _turned(z: Tensor, code: Tensor) -> Tensor:
    """``code``, with the gradient that the rotation from ``z`` to it gives; both of length 1, ``(N, dim)``."""
    with torch.no_grad():
        half = functional.normalize(z + code, dim=-1)
    return z - 2 * (z * half).sum(-1, keepdim=True) * half + 2 * (z * z.detach()).sum(-1, keepdim=True) * code


class Centre(nn.Module):
    """Takes away the running mean of what it is given: vectors of an untrained network all point one way, and codes by
    direction would tell nothing apart. The mean does not change in evaluation mode."""

    def __init__(self, dim: int, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("initted", torch.zeros((), dtype=torch.bool))

    def forward(self, z: Tensor, valid: Tensor) -> Tensor:
        """``(B, T, dim)`` less the mean over ``valid (B, T)`` vectors."""
        if self.training and bool(valid.any()):
            with torch.no_grad():
                now = z[valid].float().mean(dim=0)
                self.mean.copy_(torch.lerp(self.mean, now, 1 - self.decay) if bool(self.initted) else now)
                self.initted.fill_(True)
        return z - self.mean


def kmeans(z: Tensor, k: int, rounds: int = 10) -> tuple[Tensor, Tensor]:
    """Centres ``(k, dim)`` of unit vectors by cosine, and how many have each for nearest, ``(k,)``.

    Where there are fewer vectors than centres, the rest start beside some of them.
    """
    order = torch.randperm(len(z), device=z.device)
    if len(z) < k:
        order = torch.cat([order, torch.randint(len(z), (k - len(z),), device=z.device)])
    centres = z[order[:k]]
    if len(z) < k:
        centres = functional.normalize(centres + 0.01 * torch.randn_like(centres), dim=-1)
    counts = torch.zeros(k, device=z.device)
    for _ in range(rounds):
        nearest = (z @ centres.T).argmax(dim=-1)
        counts = torch.bincount(nearest, minlength=k).to(z.dtype)
        total = torch.zeros_like(centres).index_add_(0, nearest, z)
        centres = torch.where(counts.unsqueeze(1) > 0, functional.normalize(total, dim=-1), centres)
    return centres, counts


def perplexity(index: Tensor, codes: int) -> float:
    """How many codes are used, in effect: the exponential of the entropy of their shares; 1 to ``codes``."""
    share = torch.bincount(index, minlength=codes).double()
    share = share / share.sum().clamp_min(1.0)
    return float(torch.exp(-(share * share.clamp_min(1e-12).log()).sum()))
