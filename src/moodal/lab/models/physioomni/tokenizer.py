"""Stage 1: every patch becomes a private code of its modality and a code that all modalities share.

::

    tokens ─► encoder ─► Linear, tanh, Linear ─┬─ private ─────────────────────► private codebook ─┐
                                               └─ shared ─► merged by second ─► shared codebook ──┴─► decoder ─► target
                     shared codes of another modality, asked for by the private ones ─────────────┴─► decoder ─► target
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from moodal.core.errors import InputError

from .channels import ROWS
from .codebook import Centre, Codebook
from .encoder import PLACES, Block, Encoder, EncoderSettings, attention_mask, initialise
from .specs import ModalitySpec, Size, spec_named
from .tokens import Frames, Signals, Tokens, present_of

__all__ = ["Coded", "Codes", "Tokenizer", "TokenizerSettings", "encoders_of", "target"]

#: Which modality is the source of cross reconstruction, where the one asked for is absent.
_SOURCES = ("eeg", "ecg", "eog", "emg")


@dataclass(frozen=True, slots=True)
class TokenizerSettings:
    """``decay`` of the averages and ``revive_after`` (0: as the size has them), weights of commitment, orthogonality
    and cross reconstruction, ``cross`` its source (``any``: one drawn for each; ``none``: no cross reconstruction),
    ``shared`` and ``private`` switch a half off. The defaults are as published but for ``orth``.

    Ours: ``orth = "cov"`` takes correlations between the halves over the batch for their angle. ``warm`` and
    ``gradient``: see `Codebook`. ``even_weight``: codes used evenly. ``agree_weight``: shared vectors of one second
    tell the other modalities' of that second from those of other seconds. ``drop_private``: how often an example's
    private codes are withheld from the decoder. ``log`` rebuilds the logarithm of a spectrum.
    """

    decay: float = 0.0
    commit: float = 1.0
    orth: Literal["cos2", "hinge", "cov"] = "cos2"
    orth_weight: float = 0.1
    cross: str = "eeg"
    cross_weight: float = 1.0
    revive_after: int = 0
    shared: bool = True
    private: bool = True
    warm: int = 0
    gradient: Literal["straight", "rotate"] = "straight"
    even_weight: float = 0.0
    agree_weight: float = 0.0
    drop_private: float = 0.0
    log: bool = False


@dataclass(frozen=True)
class Codes:
    """Numbers of codes by modality, ``(B, T)`` int64, -1 on padding; shared ones repeated for each patch."""

    private: Mapping[str, Tensor]
    shared: Mapping[str, Tensor]


@dataclass
class Coded:
    """One modality of the examples that have it: vectors before and after quantisation."""

    tokens: Tokens
    frames: Frames
    z_private: Tensor
    z_shared: Tensor
    q_private: Tensor
    q_shared: Tensor
    private: Tensor
    shared: Tensor
    commit: Tensor


def encoders_of(modalities: Sequence[str], size: Size, settings: EncoderSettings | None = None) -> nn.ModuleDict:
    """One encoder a modality; no weights are shared."""
    specs = {m: spec_named(m) for m in modalities}
    return nn.ModuleDict({m: Encoder(s, size.d(s), size.layers, size.heads, settings) for m, s in specs.items()})


def target(tokens: Tokens, spec: ModalitySpec, *, log: bool = False) -> Tensor:
    """What is reconstructed, ``(B, T, patch)``: spectrum (or its logarithm) or wave, to mean 0 and deviation 1 over
    each example."""
    valid = (~tokens.pad).unsqueeze(-1)
    x = torch.where(valid, tokens.x, 0.0)
    if spec.target == "fft":
        x = torch.fft.fft(x, dim=-1).abs()
        x = (x + 0.1 / spec.scale).log() if log else x
    count = (valid.sum(dim=(1, 2), keepdim=True) * x.shape[-1]).clamp_min(1)
    mean = (x * valid).sum(dim=(1, 2), keepdim=True) / count
    spread = (((x - mean) * valid).square().sum(dim=(1, 2), keepdim=True) / count).sqrt()
    return (x - mean) / spread.clamp_min(1e-6)


class _Merge(nn.Module):
    """Attention pooling of the patches of one frame by a learned query: ``(B, T, k)`` to ``(B, S, k)``."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Parameter(torch.randn(heads, dim // heads) / (dim // heads) ** 0.5)
        self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(3))

    def forward(self, z: Tensor, frames: Frames, pad: Tensor) -> Tensor:
        """Weights sum to 1 over the patches of each frame."""
        k, v = (p(z).unflatten(-1, (self.heads, -1)) for p in (self.key, self.value))
        score = (k * self.query).sum(-1) / self.query.shape[-1] ** 0.5
        # Bounded, so that no exponential overflows and no frame's sum vanishes.
        weight = (20 * torch.tanh(score / 20)).exp().masked_fill(pad.unsqueeze(-1), 0.0)
        b, s = frames.there.shape
        at = frames.of.unsqueeze(-1).expand(-1, -1, self.heads)
        total = torch.zeros(b, s, self.heads, dtype=z.dtype, device=z.device).scatter_add(1, at, weight)
        wide = at.unsqueeze(-1).expand_as(v)
        mixed = torch.zeros(b, s, *v.shape[2:], dtype=z.dtype, device=z.device)
        mixed = mixed.scatter_add(1, wide, weight.unsqueeze(-1) * v)
        return self.out((mixed / total.clamp_min(1e-12).unsqueeze(-1)).flatten(2))


class _Ask(nn.Module):
    """Cross-attention: private codes of the target ask the source's shared codes of the same second."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, q: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """``(B, S, k)``, ``(B, R, k)``, ``(B, S, R)`` bool to ``(B, S, k)``; zero where nothing may be asked."""
        some = mask.any(dim=-1, keepdim=True)
        q, k, v = (
            p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for p, x in ((self.query, q), (self.key, keys), (self.value, keys))
        )
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=(mask | ~some).unsqueeze(1))
        return torch.where(some, self.out(out.transpose(1, 2).flatten(2)), 0.0)


class _Decoder(nn.Module):
    """Codes of each token, with its channel and time, through some blocks to the target."""

    def __init__(self, d: int, dim: int, layers: int, heads: int, out: int) -> None:
        super().__init__()
        self.enter = nn.Linear(2 * dim, d)
        self.pos_embed = nn.Embedding(ROWS, d)
        self.time_embed = nn.Embedding(PLACES, d)
        self.blocks = nn.ModuleList(Block(d, heads, k + 1) for k in range(layers))
        self.norm = nn.LayerNorm(d)
        self.head = nn.Sequential(nn.Linear(d, d), nn.Tanh(), nn.Linear(d, out))
        initialise(self)

    def forward(self, codes: Tensor, tokens: Tokens) -> Tensor:
        h = self.enter(codes) + self.pos_embed(tokens.channel) + self.time_embed(tokens.time)
        mask = attention_mask(tokens, lead=0, causal=False)
        for block in self.blocks:
            h = block(h, mask)
        return self.head(self.norm(h))


class Tokenizer(nn.Module):
    """The tokenizer of those modalities; `loss` trains it, `codes` labels patches with it."""

    def __init__(
        self, modalities: Sequence[str], size: Size, settings: TokenizerSettings | None = None,
        encoder: EncoderSettings | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        s = self.settings = settings or TokenizerSettings()
        self.modalities, self.size = tuple(modalities), size
        self.specs = {m: spec_named(m) for m in modalities}
        k = size.code_dim
        self.encoders = encoders_of(modalities, size, encoder)
        width = {m: size.d(spec) for m, spec in self.specs.items()}
        self.split = nn.ModuleDict(
            {m: nn.Sequential(nn.Linear(d, d), nn.Tanh(), nn.Linear(d, 2 * k)) for m, d in width.items()}
        )
        self.merge = nn.ModuleDict({m: _Merge(k, size.merge_heads) for m, sp in self.specs.items() if sp.merge > 1})
        self.books = nn.ModuleDict(
            {
                m: Codebook(
                    size.codes,
                    k,
                    decay=s.decay or size.decay,
                    revive_after=s.revive_after or size.revive_after,
                    warm=s.warm,
                    gradient=s.gradient,
                )
                for m in ("shared", *modalities)
            }
        )
        # Each modality's vectors are centred by themselves: its mean is no news, and shared codes need not tell it.
        self.centre = nn.ModuleDict(
            {f"{m}_{half}": Centre(k, s.decay or size.decay) for m in modalities for half in ("private", "shared")}
        )
        self.ask = nn.ModuleDict({m: _Ask(k, size.merge_heads) for m in modalities})
        self.decoders = nn.ModuleDict(
            {m: _Decoder(d, k, size.decoder_layers, size.heads, self.specs[m].patch) for m, d in width.items()}
        )

    def encode(self, signals: Signals) -> dict[str, Coded]:
        """Every modality of the examples that have it; an absent one is not encoded at all."""
        before: dict[str, tuple[Tokens, Frames, Tensor, Tensor]] = {}
        for m in self.modalities:
            if m not in signals or not bool(signals[m].present.any()):
                continue
            tokens = signals[m].take(signals[m].present)
            _, h = self.encoders[m](tokens)
            private, shared = self.split[m](h).chunk(2, dim=-1)
            frames = tokens.frames(self.specs[m])
            merged = self.merge[m](shared, frames, tokens.pad) if m in self.merge else shared
            private = self.centre[f"{m}_private"](private, ~tokens.pad)
            before[m] = tokens, frames, private, self.centre[f"{m}_shared"](merged, frames.there)
        # One look at the shared book with all modalities together: it starts and moves with all of them.
        parts = [merged[frames.there] for _, frames, _, merged in before.values()]
        if not parts:
            return {}
        code, index, _ = self.books["shared"](torch.cat(parts))
        found: dict[str, Coded] = {}
        at = 0
        for (m, (tokens, frames, private, merged)), part in zip(before.items(), parts, strict=True):
            valid = ~tokens.pad
            q, i, commit = self.books[m](private[valid])
            q_private, i_private = _spread(q, valid), _spread(i, valid, -1)
            q_shared = _spread(code[at : at + len(part)], frames.there)
            i_shared = _spread(index[at : at + len(part)], frames.there, -1)
            if bool(self.books["shared"].initted):
                nearest = functional.normalize(part, dim=-1)
                commit = commit + functional.mse_loss(nearest, code[at : at + len(part)].detach())
            at += len(part)
            found[m] = Coded(tokens, frames, private, merged, q_private, q_shared, i_private, i_shared, commit)
        return found

    def codes(self, signals: Signals) -> Codes:
        """Numbers of every patch's codes, as evaluation mode gives them."""
        was = self.training
        self.eval()
        with torch.no_grad():
            coded = self.encode(signals)
        self.train(was)
        n = len(present_of(signals, self.modalities))
        private: dict[str, Tensor] = {}
        shared: dict[str, Tensor] = {}
        for m, c in coded.items():
            per_patch = c.shared.gather(1, c.frames.of).masked_fill(c.tokens.pad, -1)
            for told, into in ((c.private, private), (per_patch, shared)):
                whole = torch.full((n, signals[m].pad.shape[1]), -1, dtype=torch.long, device=told.device)
                whole[signals[m].present, : told.shape[1]] = told
                into[m] = whole
        return Codes(private, shared)

    def decode(self, m: str, c: Coded, shared: Tensor) -> Tensor:
        """The target of a modality from its private codes and shared ones ``(B, S, k)``, ``(B, T, patch)``."""
        at = c.frames.of.unsqueeze(-1).expand(-1, -1, shared.shape[-1])
        private, common = c.q_private, shared.gather(1, at)
        private = private if self.settings.private else torch.zeros_like(private)
        if self.training and self.settings.drop_private:
            kept = torch.rand(len(private), 1, 1, device=private.device) >= self.settings.drop_private
            private = private * kept
        common = common if self.settings.shared else torch.zeros_like(common)
        return self.decoders[m](torch.cat([private, common], dim=-1), c.tokens)

    def crossed(self, m: str, c: Coded, source: str, other: Coded) -> tuple[Tensor, Tensor]:
        """The target rebuilt with another modality's shared codes, ``(B, T, patch)``, and ``(B, T)`` bool where that
        was
        possible: where the other has something of the same time. Both hold the same examples."""
        query = torch.zeros_like(c.q_shared)
        at = c.frames.of.unsqueeze(-1).expand_as(c.q_private)
        valid = (~c.tokens.pad).unsqueeze(-1)
        query = query.scatter_add(1, at, torch.where(valid, c.q_private, 0.0))
        count = torch.zeros_like(query[..., :1]).scatter_add(1, at[..., :1], valid.to(query.dtype))
        a, b = c.frames.second.unsqueeze(2), other.frames.second.unsqueeze(1)
        both = (a < b + self.specs[source].frame_s - 1e-6) & (b < a + self.specs[m].frame_s - 1e-6)
        mask = both & c.frames.there.unsqueeze(2) & other.frames.there.unsqueeze(1)
        shared = self.ask[m](query / count.clamp_min(1.0), other.q_shared, mask)
        told = mask.any(dim=2).gather(1, c.frames.of) & ~c.tokens.pad
        return self.decode(m, c, shared), told

    def forward(self, signals: Signals) -> dict[str, Tensor]:
        """Every term of the loss by name (``commit.eeg``, ``own.eeg``, ``cross.ecg``, ``orth.eeg`` …).

        Raises
        ------
        InputError : no example has any modality.
        """
        coded = self.encode(signals)
        if not coded:
            raise InputError("no example has any modality", where="physioomni", fix="Leave such examples out.")
        terms: dict[str, Tensor] = {}
        goals = {m: target(c.tokens, self.specs[m], log=self.settings.log) for m, c in coded.items()}
        for m, c in coded.items():
            terms[f"commit.{m}"] = c.commit
            terms[f"own.{m}"] = _error(self.decode(m, c, c.q_shared), goals[m], ~c.tokens.pad)
            per_patch = c.z_shared.gather(1, c.frames.of.unsqueeze(-1).expand_as(c.z_private))
            terms[f"orth.{m}"] = self._apart(c.z_private[~c.tokens.pad], per_patch[~c.tokens.pad])
            if self.settings.even_weight:
                terms[f"even.{m}"] = self.books[m].even(c.z_private[~c.tokens.pad])
        if self.settings.even_weight:
            terms["even.shared"] = self.books["shared"].even(
                torch.cat([c.z_shared[c.frames.there] for c in coded.values()])
            )
        if self.settings.agree_weight and self.settings.shared and len(coded) > 1:
            terms |= self._agree(coded, signals)
        if self.settings.cross != "none" and self.settings.shared:
            for m in coded:
                if (term := self._cross(m, coded, goals[m], signals)) is not None:
                    terms[f"cross.{m}"] = term
        return terms

    def _apart(self, private: Tensor, shared: Tensor) -> Tensor:
        """How far the two halves ``(N, k)`` tell the same."""
        if self.settings.orth == "cov":
            a, b = ((z - z.mean(dim=0)) / z.std(dim=0, correction=0).clamp_min(1e-4) for z in (private, shared))
            return (a.T @ b / max(1, len(a))).square().sum() / a.shape[1]
        cosine = functional.cosine_similarity(private, shared, dim=-1)
        return (cosine.square() if self.settings.orth == "cos2" else cosine.relu()).mean()

    def _agree(self, coded: Mapping[str, Coded], signals: Signals) -> dict[str, Tensor]:
        """Cross-entropy of finding the same second of the same example in another modality, for each pair, both ways
        (van den Oord et al. 2018, arXiv 1807.03748)."""
        seconds: dict[str, tuple[Tensor, Tensor]] = {}
        for m, c in coded.items():
            example = signals[m].present.nonzero().squeeze(1).unsqueeze(1).expand_as(c.frames.of[:, :1])
            place = (example.expand_as(c.frames.second) * 4096 + c.frames.second.floor().long())[c.frames.there]
            key, at = place.unique(return_inverse=True)
            z = torch.zeros(len(key), c.z_shared.shape[-1], device=at.device).index_add(
                0, at, c.z_shared[c.frames.there].float()
            )
            seconds[m] = key, functional.normalize(z, dim=-1)
        terms = {}
        names = list(seconds)
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                (ka, za), (kb, zb) = seconds[a], seconds[b]
                za, zb = za[torch.isin(ka, kb)], zb[torch.isin(kb, ka)]
                if len(za) < 2:
                    continue
                alike, here = za @ zb.T / 0.2, torch.arange(len(za), device=za.device)
                terms[f"agree.{a}-{b}"] = (
                    functional.cross_entropy(alike, here) + functional.cross_entropy(alike.T, here)
                ) / 2
        return terms

    def _cross(self, m: str, coded: Mapping[str, Coded], goal: Tensor, signals: Signals) -> Tensor | None:
        order = dict.fromkeys((self.settings.cross, *_SOURCES, *self.modalities))
        source = next((o for o in order if o in coded), None)
        if self.settings.cross == "any" and (others := [o for o in coded if o != m]):
            source = others[int(torch.randint(len(others), ()))]
        if source is None or source == m:
            return None
        here, there = signals[m].present, signals[source].present
        both = here & there
        if not bool(both.any()):
            return None
        mine, other = _rows(coded[m], both[here]), _rows(coded[source], both[there])
        rebuilt, told = self.crossed(m, mine, source, other)
        return _error(rebuilt, goal[both[here]], told) if bool(told.any()) else None

    def loss(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the terms."""
        s = self.settings
        weight = {"commit": s.commit, "own": 1.0, "cross": s.cross_weight, "orth": s.orth_weight,
                  "even": s.even_weight, "agree": s.agree_weight}  # fmt: skip
        return torch.stack([weight[name.partition(".")[0]] * term for name, term in terms.items()]).sum()


def _error(told: Tensor, goal: Tensor, valid: Tensor) -> Tensor:
    return functional.mse_loss(told[valid], goal[valid])


def _spread(values: Tensor, where: Tensor, fill: float = 0.0) -> Tensor:
    """Rows put back to where they were true."""
    out = torch.full((*where.shape, *values.shape[1:]), fill, dtype=values.dtype, device=values.device)
    out[where] = values
    return out


def _rows(c: Coded, rows: Tensor) -> Coded:
    if bool(rows.all()):
        return c
    t = c.tokens
    frames = Frames(c.frames.of[rows], c.frames.second[rows], c.frames.there[rows])
    tokens = Tokens(t.x[rows], t.channel[rows], t.time[rows], t.pad[rows])
    return replace(
        c, tokens=tokens, frames=frames, z_private=c.z_private[rows], z_shared=c.z_shared[rows],
        q_private=c.q_private[rows], q_shared=c.q_shared[rows], private=c.private[rows], shared=c.shared[rows],
    )  # fmt: skip
