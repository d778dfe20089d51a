"""One modality's encoder: patches through three convolutions, embeddings of channel and time, a transformer.

Parameters are those of the published encoders (7,839,576 for EEG, 2,010,576 for each other modality): no biases in the
blocks, a gated perceptron of three matrices of 4 d.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from moodal.core.errors import InputError, UsageError

from .channels import CHANNELS, ROWS, position
from .specs import ModalitySpec
from .tokens import Tokens

__all__ = ["Block", "Encoder", "EncoderSettings", "PatchEmbed", "Spectrum", "TokenGroupNorm", "attention_mask",
           "initialise"]  # fmt: skip

#: Places in time that a channel may have.
PLACES = 512
#: Updates after which a spectrum's scale stands still.
_SETTLED = 100


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """What every encoder of a model has in common; the defaults are as published.

    ``norm`` is what the convolutions normalise over: all tokens of an example (``sample``) or each alone (``token``).
    ``causal`` makes every token a function of what is not later, and wants ``norm = "token"``. ``spectrum``: that many
    bands' log powers of the patch enter beside the convolutions, which hardly know the overall amplitude (0: none);
    with ``references`` those of a place on the head also against the mean of all channels and against its neighbours.
    ``embed_std`` is how large embeddings of channel and time start; with ``places`` those of channels on the head start
    as smooth functions of where they sit.
    """

    causal: bool = False
    norm: Literal["sample", "token"] = "sample"
    spectrum: int = 0
    references: bool = False
    embed_std: float = 0.02
    places: bool = False

    def __post_init__(self) -> None:
        if self.causal and self.norm == "sample":
            raise UsageError("a causal encoder normalises each token alone", where="physioomni", fix='norm = "token"')
        if self.spectrum < 0 or not self.embed_std > 0:
            raise UsageError("spectrum must be 0 at least and embed_std above 0", where="physioomni")


class TokenGroupNorm(nn.GroupNorm):
    """Group normalisation of ``(B, channels, T, length)``.

    ``sample``: mean and variance over all valid tokens of an example, as published (padding does not count); ``token``:
    over each token alone, so that what comes later changes nothing before it.
    """

    def forward(self, x: Tensor, valid: Tensor, scope: str = "sample") -> Tensor:
        """``valid`` is ``(B, T)`` bool."""
        b, c, t, length = x.shape
        if scope == "token":
            alone = functional.group_norm(
                x.transpose(1, 2).flatten(0, 1), self.num_groups, self.weight, self.bias, self.eps
            )
            return alone.unflatten(0, (b, t)).transpose(1, 2)
        if bool(valid.all()):
            return functional.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        grouped = x.reshape(b, self.num_groups, c // self.num_groups, t, length)
        weight = valid[:, None, None, :, None].to(x.dtype)
        count = (weight.sum(dim=(2, 3, 4), keepdim=True) * length * (c // self.num_groups)).clamp_min(1.0)
        mean = (grouped * weight).sum(dim=(2, 3, 4), keepdim=True) / count
        spread = ((grouped - mean).square() * weight).sum(dim=(2, 3, 4), keepdim=True) / count
        out = ((grouped - mean) * torch.rsqrt(spread + self.eps)).reshape(b, c, t, length)
        return out * self.weight[:, None, None] + self.bias[:, None, None]


class PatchEmbed(nn.Module):
    """Three convolutions along time, 8 channels each; their output, time after time, is the token."""

    def __init__(self, patch: int, d: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, (1, 15), stride=(1, 8), padding=(0, 7))
        self.norm1 = TokenGroupNorm(4, 8)
        self.conv2 = nn.Conv2d(8, 8, (1, 3), padding=(0, 1))
        self.norm2 = TokenGroupNorm(4, 8)
        self.conv3 = nn.Conv2d(8, 8, (1, 3), padding=(0, 1))
        self.norm3 = TokenGroupNorm(4, 8)
        wide = 8 * ((patch - 1) // 8 + 1)
        self.l = nn.Sequential(nn.Linear(wide, d), nn.GELU()) if wide != d else None

    def forward(self, x: Tensor, valid: Tensor, scope: str) -> Tensor:
        """``(B, T, patch)`` to ``(B, T, d)``."""
        h = x.unsqueeze(1)
        for conv, norm in ((self.conv1, self.norm1), (self.conv2, self.norm2), (self.conv3, self.norm3)):
            h = functional.gelu(norm(conv(h), valid, scope))
        h = h.permute(0, 2, 3, 1).flatten(2)
        return h if self.l is None else self.l(h)


class Spectrum(nn.Module):
    """Log powers of a patch in bands, standardised by what was seen in training, mapped to the token's width.

    Bands are alike in width on a scale of logarithms from the patch's lowest frequency to ``top_hz``, each at least one
    bin wide. Power is that under a Hann window; the least that counts is 0.01 of the modality's squared unit. What is
    hidden takes no part in the references of others.
    """

    def __init__(self, spec: ModalitySpec, bands: int, d: int, references: bool) -> None:
        super().__init__()
        self.references = references
        bins = spec.patch // 2 + 1
        last = min(bins - 1, max(1, round(spec.top_hz * spec.patch_s)))
        edges = np.unique(np.round(np.geomspace(1, last + 1, bands + 1)).astype(int))
        share = np.zeros((bins, len(edges) - 1), np.float32)
        for k, (a, b) in enumerate(pairwise(edges.tolist())):
            share[a:b, k] = 1 / (b - a)
        taper = np.hanning(spec.patch + 2)[1:-1]
        self.least = 0.01 / spec.scale**2
        self.register_buffer("share", torch.from_numpy(share), persistent=False)
        self.register_buffer("taper", torch.from_numpy((taper / np.sqrt((taper**2).sum())).astype(np.float32)),
                             persistent=False)  # fmt: skip
        if references:
            self.register_buffer("near", _nearness(), persistent=False)
        wide = share.shape[1] * (3 if references else 1)
        self.register_buffer("mean", torch.zeros(wide))
        self.register_buffer("spread", torch.ones(wide))
        self.register_buffer("seen", torch.zeros(()))
        self.enter = nn.Linear(wide, d)

    def forward(self, x: Tensor, tokens: Tokens, valid: Tensor) -> Tensor:
        """``x (B, T, patch)``, zero on padding, to ``(B, T, d)``; ``valid (B, T)`` are those that others may see.

        Nothing but the first updates in training moves what it is scaled by.
        """
        x = x * self.taper
        views = [x]
        if self.references:
            same = (tokens.time.unsqueeze(2) == tokens.time.unsqueeze(1)) & valid.unsqueeze(1)
            for weight in (
                same.to(x.dtype),
                same * self.near[tokens.channel.unsqueeze(2), tokens.channel.unsqueeze(1)],
            ):
                views.append(x - (weight / weight.sum(dim=2, keepdim=True).clamp_min(1e-6)) @ x)
        power = torch.cat([torch.fft.rfft(v, dim=-1).abs().square() @ self.share for v in views], dim=-1)
        told = (power + self.least).log()
        if self.training and float(self.seen) < _SETTLED:
            with torch.no_grad():
                these = told[valid]
                self.seen += 1
                self.mean += (these.mean(dim=0) - self.mean) / self.seen
                self.spread += (these.std(dim=0, correction=0).clamp_min(1e-3) - self.spread) / self.seen
        return self.enter((told - self.mean) / self.spread)


class _Attention(nn.Module):
    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(d, 3 * d, bias=False)
        self.c_proj = nn.Linear(d, d, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.c_attn(x).chunk(3, dim=-1))
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.c_proj(out.transpose(1, 2).flatten(2))


class _Gated(nn.Module):
    """``w2(silu(w1 x) * w3 x)``."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.w1, self.w3 = (nn.Linear(d, 4 * d, bias=False) for _ in range(2))
        self.w2 = nn.Linear(4 * d, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(functional.silu(self.w1(x)) * self.w3(x))


class Block(nn.Module):
    """Pre-norm transformer block without biases; ``place`` from 1 scales how its output matrices start."""

    def __init__(self, d: int, heads: int, place: int = 1) -> None:
        super().__init__()
        self.place = place
        self.ln_1 = nn.LayerNorm(d, bias=False)
        self.attn = _Attention(d, heads)
        self.ln_2 = nn.LayerNorm(d, bias=False)
        self.mlp = _Gated(d)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, T, d)``; ``mask`` is True where a query may look, broadcast to ``(B, heads, T, T)``."""
        x = x + self.attn(self.ln_1(x), mask)
        return x + self.mlp(self.ln_2(x))


def initialise(module: nn.Module) -> None:
    """Weights as published: truncated normal of 0.02, output matrices of block k divided by sqrt(2 k)."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.trunc_normal_(part.weight, std=0.02, a=-0.04, b=0.04)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, Block):
                part.attn.c_proj.weight.div_((2 * part.place) ** 0.5)
                part.mlp.w2.weight.div_((2 * part.place) ** 0.5)


def attention_mask(tokens: Tokens, *, lead: int, causal: bool) -> Tensor | None:
    """Who may look at whom, ``(B, 1, Q, K)`` bool, with ``lead`` summary tokens in front; None where all may.

    Causal: a token looks at tokens that are not later, whatever their channel, and never at a summary, which has seen
    all.
    """
    if not causal:
        if not bool(tokens.pad.any()):
            return None
        valid = functional.pad(~tokens.pad, (lead, 0), value=True)
        return valid[:, None, None, :]
    valid = functional.pad(~tokens.pad, (lead, 0), value=True)
    time = functional.pad(tokens.time, (lead, 0), value=-1)
    look = valid[:, None, :] & (time[:, None, :] <= time[:, :, None])
    summary = time == -1
    look = look & ~(summary[:, None, :] & ~summary[:, :, None])
    look = look | (summary[:, :, None] & valid[:, None, :])
    # A padded token looks at itself: a softmax over nothing is not a number.
    look = look | torch.eye(look.shape[-1], dtype=torch.bool, device=look.device)
    return look.unsqueeze(1)


class Encoder(nn.Module):
    """::

    x ─► convolutions (+ spectrum) ─► (hidden: mask token) ─► + channel + time ─► [CLS; tokens] ─► blocks ─► LayerNorm
    """

    def __init__(
        self, spec: ModalitySpec, d: int, layers: int, heads: int, settings: EncoderSettings | None = None
    ) -> None:  # fmt: skip
        super().__init__()
        s = self.settings = settings or EncoderSettings()
        self.d, self.patch = d, spec.patch
        self.patch_embed = PatchEmbed(spec.patch, d)
        self.spectrum = Spectrum(spec, s.spectrum, d, s.references and spec.wide) if s.spectrum else None
        self.cls_token = nn.Parameter(torch.zeros(1, 1, d))
        self.pos_embed = nn.Embedding(ROWS, d)
        self.time_embed = nn.Embedding(PLACES, d)
        self.blocks = nn.ModuleList(Block(d, heads, k + 1) for k in range(layers))
        self.norm = nn.LayerNorm(d, eps=1e-6)
        initialise(self)
        nn.init.trunc_normal_(self.cls_token, std=0.02, a=-0.04, b=0.04)
        with torch.no_grad():
            if s.places:
                _placed(self.pos_embed.weight)
            for table in (self.pos_embed.weight, self.time_embed.weight):
                table.mul_(s.embed_std / 0.02)

    def forward(
        self, tokens: Tokens, hidden: Tensor | None = None, mask_token: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """``cls (B, d)``; ``h (B, T, d)``, zero on padding. ``hidden (B, T)`` tokens become ``mask_token (d,)``.

        Raises
        ------
        InputError : an example without any token, or places in time beyond the table.
        """
        if not bool(tokens.present.all()):
            raise InputError("an example has no token", where="physioomni", fix="Encode only those that are present.")
        if int(tokens.time.max()) >= PLACES:
            raise InputError(f"more than {PLACES} patches a channel", where="physioomni", fix="Cut it into windows.")
        valid = ~tokens.pad
        # Padding may hold anything, even what is not a number.
        x = torch.where(valid.unsqueeze(-1), tokens.x, 0.0)
        h = self.patch_embed(x, valid, self.settings.norm)
        if self.spectrum is not None:
            h = h + self.spectrum(x, tokens, valid if hidden is None else valid & ~hidden)
        if hidden is not None and mask_token is not None:
            h = torch.where(hidden.unsqueeze(-1), mask_token.to(h.dtype), h)
        h = h + self.pos_embed(tokens.channel) + self.time_embed(tokens.time)
        h = torch.cat([self.cls_token.expand(len(h), -1, -1).to(h.dtype), h], dim=1)
        mask = attention_mask(tokens, lead=1, causal=self.settings.causal)
        for block in self.blocks:
            h = block(h, mask)
        h = self.norm(h)
        return h[:, 0], torch.where(valid.unsqueeze(-1), h[:, 1:], 0.0)


def _placed(table: Tensor) -> None:
    """Rows of channels on the head as random waves over where they sit (neighbours alike), deviation 0.02."""
    waves, phase = torch.randn(2, table.shape[1]) * 2, torch.rand(table.shape[1]) * 2 * torch.pi
    for row, name in enumerate(CHANNELS):
        if (place := position(name)) is not None:
            table[row] = 0.02 * 2**0.5 * torch.cos(torch.tensor(place) @ waves + phase)


def _nearness() -> Tensor:
    """``(ROWS, ROWS)``: how near two other channels sit, a Gaussian of 0.2 of the head's radius; 0 without a place."""
    places = np.full((ROWS, 2), np.nan)
    for row, name in enumerate(CHANNELS):
        if (place := position(name)) is not None:
            places[row] = place
    near = np.nan_to_num(np.exp(-np.square(places[:, None] - places).sum(-1) / (2 * 0.2**2)))
    near[np.square(np.nan_to_num(places)[:, None] - np.nan_to_num(places)).sum(-1) < 1e-6] = 0.0
    return torch.from_numpy(near.astype(np.float32))
