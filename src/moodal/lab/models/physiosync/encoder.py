"""One stream at one length of window: patches to three views, a small transformer, a feature of 4 d.

::

    tokens   patch of a channel ─► filters ─► mean and log power ─► d, + channel, + time ─┐ three learned queries
    flatten  all samples in a row ─► W1 x · sigmoid(W2 x), three times ─► BatchNorm ──────┴─► 3 views (B, 3, d)
    CLS, 3 views + type + place ─► blocks ─► LayerNorm ─► (B, 4 d)
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from moodal.core.errors import InputError
from moodal.lab.models.physioomni.channels import ROWS
from moodal.lab.nn.masks import masked_softmax

from .waves import Waves

__all__ = ["VIEWS", "Block", "Encoder", "FlatViews", "TokenViews"]

#: Tokens that a window is seen as.
VIEWS = 3
#: Layer scale of the blocks at the start.
_SCALE = 0.1


class TokenViews(nn.Module):
    """Any channels, any length: each patch of each channel is a token, learned queries pool them.

    A patch is told by the mean and the log power of ``filters`` learned filters: bands of EEG, the rate of a pulse and
    the slope of skin conductance are all of this kind.
    """

    def __init__(self, d: int, patch: int, kernel: int, filters: int, views: int = VIEWS) -> None:
        super().__init__()
        self.d, self.kernel, self.step = d, kernel, max(1, kernel // 8)
        self.filters = nn.Linear(kernel, filters, bias=False)
        self.embed = nn.Linear(2 * filters + 1, d)
        self.channel = nn.Embedding(ROWS, d)
        self.norm = nn.LayerNorm(d)
        self.key, self.value = nn.Linear(d, d), nn.Linear(d, d)
        self.query = nn.Parameter(torch.randn(views, d))
        nn.init.normal_(self.channel.weight, std=0.02)
        nn.init.normal_(self.filters.weight, std=kernel**-0.5)

    def forward(self, waves: Waves) -> Tensor:
        """``(B, views, d)``; zeros where nothing is valid."""
        b, c, t, _ = waves.x.shape
        ends = torch.arange(t, device=waves.x.device) - t + 1  # 0: the last patch
        places = _sinusoid(ends, self.d).expand(b, c, t, self.d)
        names = self.channel(waves.channel).unsqueeze(2).expand(b, c, t, self.d)
        told = self._patches(waves.x[waves.valid]) + names[waves.valid] + places[waves.valid]
        tokens = waves.x.new_zeros(b, c, t, self.d).to(told.dtype)
        tokens[waves.valid] = self.norm(told)
        flat, valid = tokens.flatten(1, 2), waves.valid.flatten(1)
        there = valid.any(dim=1, keepdim=True)
        scores = self.query @ self.key(flat).transpose(1, 2) / self.d**0.5
        return (masked_softmax(scores, (valid | ~there).unsqueeze(1)) @ self.value(flat)) * there.unsqueeze(-1)

    def _patches(self, x: Tensor) -> Tensor:
        """``(N, patch)`` to ``(N, d)``."""
        mean = x.mean(dim=1, keepdim=True)
        filtered = self.filters((x - mean).unfold(1, self.kernel, self.step))
        power = (filtered.square().mean(dim=1) + 1e-4).log()
        return self.embed(torch.cat([mean, filtered.mean(dim=1), power], dim=1))


class FlatViews(nn.Module):
    """The published one: all samples of all channels in a row of fixed length; an incomplete window is refused."""

    def __init__(self, d: int, length: int, views: int = VIEWS) -> None:
        super().__init__()
        self.d, self.length, self.views = d, length, views
        self.transform1, self.transform2 = nn.Linear(length, d), nn.Linear(length, views * d)
        self.bn = nn.BatchNorm1d(views)

    def forward(self, waves: Waves) -> Tensor:
        """``(B, views, d)``.

        Raises
        ------
        InputError : other channels or another length than it was built for, or patches that are not there.
        """
        x = waves.x.flatten(1)
        if x.shape[1] != self.length or not bool(waves.valid.all()):
            raise InputError(f"the flat front end reads {self.length} samples of all channels, not {x.shape[1]}",
                             where="physiosync", fix='Set front = "tokens" for other channels.')  # fmt: skip
        gate = self.transform2(x).sigmoid().unflatten(1, (self.views, self.d))
        return self.bn(self.transform1(x).unsqueeze(1) * gate)


class Block(nn.Module):
    """Pre-norm attention and perceptron with layer scale; ``prompt`` learned tokens stand beside the others in it."""

    def __init__(self, d: int, heads: int, prompt: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(d)), nn.Parameter(torch.zeros(d))
        self.proj = nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.gamma_1, self.gamma_2 = nn.Parameter(torch.full((d,), _SCALE)), nn.Parameter(torch.full((d,), _SCALE))
        self.prompt = nn.Parameter(0.02 * torch.randn(prompt, d)) if prompt else None

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, d)`` to the same."""
        length = x.shape[1]
        if self.prompt is not None:
            x = torch.cat([x, self.prompt.expand(len(x), -1, -1)], dim=1)
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        told = functional.linear(self.norm1(x), self.qkv.weight, bias)
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in told.chunk(3, dim=-1))
        attended = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.gamma_1 * self.proj(attended)
        # The published perceptron ends in a ReLU.
        x = x + self.gamma_2 * self.fc2(self.fc1(self.norm2(x)).relu()).relu()
        return x[:, :length]


class Encoder(nn.Module):
    """Waves of one stream to ``(B, 4 d)``: CLS and three views, side by side."""

    def __init__(
        self, d: int, blocks: int, heads: int, *, patch: int, kernel: int, filters: int, views: int = VIEWS,
        prompt: int = 0, front: Literal["tokens", "flatten"] = "tokens", length: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.width = (views + 1) * d
        self.front = FlatViews(d, length, views) if front == "flatten" else TokenViews(d, patch, kernel, filters, views)
        self.cls, self.kind = nn.Parameter(torch.zeros(1, 1, d)), nn.Parameter(torch.zeros(1, 1, d))
        self.place = nn.Parameter(torch.zeros(1, views + 1, d))
        for p in (self.cls, self.kind, self.place):
            nn.init.normal_(p, std=0.02)
        self.blocks = nn.ModuleList(Block(d, heads, prompt) for _ in range(blocks))
        self.norm = nn.LayerNorm(d)

    def forward(self, waves: Waves) -> Tensor:
        """``(B, (views + 1) d)``."""
        views = self.front(waves)
        x = torch.cat([self.cls.expand(len(views), -1, -1), views], dim=1) + self.kind + self.place
        for block in self.blocks:
            x = block(x)
        return self.norm(x).flatten(1)


def _sinusoid(at: Tensor, d: int) -> Tensor:
    """``(T,)`` to ``(T, d)``, small, so that what a patch holds is louder than when it was."""
    half = d // 2
    angle = at.float().unsqueeze(1) * torch.exp(torch.arange(half, device=at.device) * (-math.log(1000.0) / half))
    told = torch.cat([angle.sin(), angle.cos()], dim=1)
    return 0.1 * functional.pad(told, (0, d - 2 * half))
