"""The network of the voice expert: the tuned block of the speech encoder, pooling, and heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from moodal.extract.voice.expert import FURTHEST
from moodal.lab.nn.whisper import Block, WhisperEncoder

__all__ = ["Clips", "Encoder", "Training", "VoiceNet", "embed", "mean_of", "settled", "train"]

Ints = npt.NDArray[np.int64]
Frames = npt.NDArray[np.float16]


class VoiceNet(nn.Module):
    """Frames of the encoder's first block to an embedding; the heads tell classes from that.

    ::

        frames (n, 384) ─► blocks ─► attention pooling, 4 heads: mean and deviation ─► embedding (768)
        embedding, standardised over all training clips ─► gate (K), plain heads (K * C), one a corpus
        embedding, standardised over a person's clips ───► person head (C) + what sets a corpus apart (K * C)

    ``known (K, C)`` says which classes a corpus has: one without a class says nothing of it.
    """

    def __init__(self, blocks: Sequence[Block], classes: int = 8, corpora: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        d = blocks[0].qkv.in_features
        self.heads, self.width = heads, 2 * d
        self.norm = nn.LayerNorm(d)
        self.query = nn.Linear(d, heads)
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.query.bias)
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("square", torch.ones(self.width))
        self.register_buffer("known", torch.ones(corpora, classes, dtype=torch.bool))
        self.plain, self.person = nn.Linear(self.width, corpora * classes), nn.Linear(self.width, classes)
        self.gate, self.apart = nn.Linear(self.width, corpora), nn.Linear(self.width, corpora * classes)
        for head in (self.plain, self.person, self.gate, self.apart):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """``x (N, 384)``, the frames of B clips in one row (nothing padded is computed), and ``lengths (B,)``, summing
        to N, to embeddings ``(B, 768)``."""
        mask = torch.arange(int(lengths.max()))[None] < lengths[:, None]
        place = mask.flatten().nonzero()[:, 0]
        for block in self.blocks:
            x = _packed(block, x, mask, place)
        told = self.norm(x.float())
        score = told.new_full((mask.numel(), self.heads), float("-inf"))
        score = score.index_copy(0, place, self.query(told).float()).view(*mask.shape, self.heads)
        wide = told.new_zeros(mask.numel(), told.shape[1]).index_copy(0, place, told)
        return self.pooled(score, wide.view(*mask.shape, -1))

    def pooled(self, score: Tensor, told: Tensor) -> Tensor:
        """``score (B, T, heads)``, -inf where there is no frame, and ``told (B, T, d)`` to ``(B, 2 d)``."""
        weight = score.softmax(1)[..., None]
        wide = told.unflatten(2, (self.heads, -1))
        mean = (weight * wide).sum(1)
        spread = ((weight * (wide - mean[:, None]) ** 2).sum(1) + 1e-5).sqrt()
        return torch.cat([mean.flatten(1), spread.flatten(1)], 1)

    def scale(self, e: Tensor) -> Tensor:
        """Embeddings by the mean and deviation of the training clips."""
        return (e - self.mean) / (self.square - self.mean**2).clamp_min(1e-6).sqrt()

    def follow(self, e: Tensor, share: float) -> None:
        """Move mean and mean square towards a batch's. (Its own would be those of the two people in it.)"""
        with torch.no_grad():
            self.mean.lerp_(e.mean(0), share)
            self.square.lerp_((e**2).mean(0), share)


class Encoder(nn.Module):
    """What ships: log-mel of one window ``(1, T, 80)`` to ``(1, 1536)``: its embedding, then mean and deviation of the
    first block's frames."""

    def __init__(self, stem: WhisperEncoder, net: VoiceNet, pool: int, longest: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = stem.conv1, stem.conv2
        self.register_buffer("position", stem.position[:longest].clone())
        first = stem.blocks[0]
        assert isinstance(first, Block)
        self.first, self.net, self.pool = first, net, pool

    def forward(self, mel: Tensor) -> Tensor:
        """See the class."""
        x = F.gelu(self.conv1(mel.transpose(1, 2)))
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        x = self._block(self.first, x + self.position[: x.shape[1]])
        x = F.avg_pool1d(x.transpose(1, 2), self.pool).transpose(1, 2)
        middle = x.mean(1)
        first = torch.cat([middle, ((x - middle[:, None]) ** 2).mean(1).clamp_min(1e-8).sqrt()], 1)
        for block in self.net.blocks:
            assert isinstance(block, Block)
            x = self._block(block, x)
        told = self.net.norm(x)
        return torch.cat([self.net.pooled(self.net.query(told), told), first], 1)

    @staticmethod
    def _block(block: Block, x: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = block.qkv(block.norm1(x)).view(b, t, 3, block.heads, d // block.heads).permute(2, 0, 3, 1, 4)
        weight = ((q @ k.transpose(2, 3)) / (d // block.heads) ** 0.5).softmax(3)
        x = x + block.out((weight @ v).transpose(1, 2).reshape(b, t, d))
        return x + block.down(F.gelu(block.up(block.norm2(x))))


def _packed(block: nn.Module, x: Tensor, mask: Tensor, place: Tensor) -> Tensor:
    """The block over frames in one row; only attention sees clips side by side."""
    assert isinstance(block, Block)
    b, t = mask.shape
    d = x.shape[1]
    qkv = block.qkv(block.norm1(x))
    wide = qkv.new_zeros(b * t, 3 * d).index_copy(0, place, qkv)
    q, k, v = wide.view(b, t, 3, block.heads, d // block.heads).permute(2, 0, 3, 1, 4)
    told = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
    told = told.transpose(1, 2).reshape(b * t, d).index_select(0, place)
    x = x + block.out(told)
    return x + block.down(F.gelu(block.up(block.norm2(x))))


@dataclass(frozen=True)
class Clips:
    """What is learnt from: ``copies`` of the clips' frames ``(N, 384)`` with ``starts (n + 1,)``, the first clean;
    ``truth (n,)`` class or -1, ``person (n,)``, ``corpus (n,)``; ``longest`` frames of a clip are shown at once."""

    frames: Sequence[Frames]
    starts: Sequence[Ints]
    truth: Ints
    person: Ints
    corpus: Ints
    longest: int

    def batch(self, rows: Ints, copies: Ints, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Frames and lengths of those rows, each cut to ``longest`` and with up to a fifth of it hidden."""
        frames, lengths = [], []
        for i, c in zip(rows, copies, strict=True):
            a, b = int(self.starts[c][i]), int(self.starts[c][i + 1])
            if b - a > self.longest:
                a = int(rng.integers(a, b - self.longest + 1))
                b = a + self.longest
            part = torch.from_numpy(self.frames[c][a:b].astype(np.float32))
            hidden = int(rng.integers(0, max(1, len(part) // 5)))
            at = int(rng.integers(0, len(part) - hidden + 1))
            part[at : at + hidden] = 0
            frames.append(part)
            lengths.append(len(part))
        return torch.cat(frames), torch.tensor(lengths)


@dataclass(frozen=True)
class Training:
    """How it is trained. A batch is ``groups`` times ``each`` clips of one person;
    ``clean`` is the share of clips shown unchanged, ``average`` that of the steps whose weights are averaged."""

    epochs: int = 8
    lr: float = 1.5e-4
    head_lr: float = 2e-3
    decay: float = 0.05
    dropout: float = 0.3
    smoothing: float = 0.1
    clean: float = 0.34
    groups: int = 2
    each: int = 14
    average: float = 0.5


def train(
    net: VoiceNet,
    clips: Clips,
    rows: Ints,
    told: Training,
    seed: int,
    progress: Callable[[float, str], None] | None = None,
) -> VoiceNet:
    """Train on those rows; batches hold several clips a person, so that a person's mean can be taken off.

    The weights given back are the mean over the last steps (Izmailov et al. 2018).
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    classes = net.person.out_features
    rows = rows[clips.truth[rows] >= 0]
    net.known[:] = False
    net.known[torch.from_numpy(clips.corpus[rows]), torch.from_numpy(clips.truth[rows])] = True
    heads = [net.plain, net.person, net.gate, net.apart, net.query]
    groups = [{"params": [*net.blocks.parameters(), *net.norm.parameters()], "lr": told.lr},
              {"params": [p for h in heads for p in h.parameters()], "lr": told.head_lr}]  # fmt: skip
    optimiser = torch.optim.AdamW(groups, weight_decay=told.decay, fused=True)
    owner = clips.person
    total = told.epochs * len(_batches(rows, owner, told, np.random.default_rng(seed)))
    warm = max(1, total // 15)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1.0, (s + 1) / warm) * (0.03 + 0.97 * 0.5 * (1 + np.cos(np.pi * min(1, s / total))))
    )
    weight = _weights(clips, rows, classes)
    mean: dict[str, Tensor] = {}
    taken = step = 0
    for epoch in range(told.epochs):
        net.train()
        running: list[float] = []
        for batch in _batches(rows, owner, told, rng):
            changed = rng.integers(1, max(2, len(clips.frames)), len(batch))
            clean = (rng.random(len(batch)) < told.clean) | (len(clips.frames) == 1)
            with torch.autocast("cpu", torch.bfloat16):
                e = net(*clips.batch(batch, np.where(clean, 0, changed), rng)).float()
            net.follow(e, 1 / (step + 1) if step < 50 else 0.02)
            y, w = torch.from_numpy(clips.truth[batch]), torch.from_numpy(weight[batch])
            of = torch.from_numpy(clips.corpus[batch])
            there = net.known[of]
            z = F.dropout(net.scale(e).clamp(-FURTHEST, FURTHEST), told.dropout)
            each = torch.arange(len(z))
            own = net.plain(z).view(len(z), -1, classes)[each, of]
            loss = _loss(own, y, w, there, told.smoothing) + 0.3 * F.cross_entropy(net.gate(z.detach()), of)
            z = F.dropout(_standard(e, torch.from_numpy(owner[batch])).clamp(-FURTHEST, FURTHEST), told.dropout)
            own = net.person(z) + net.apart(z).view(len(z), -1, classes)[each, of]
            loss = loss + _loss(own, y, w, there, told.smoothing)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            schedule.step()
            step += 1
            running.append(float(loss.detach()))
            if step > total * (1 - told.average):
                taken += 1
                for name, value in net.state_dict().items():
                    if value.is_floating_point():
                        mean[name] = value.clone() if taken == 1 else mean[name] + (value - mean[name]) / taken
        if progress:
            progress((epoch + 1) / told.epochs, f"epoch {epoch + 1}, loss {np.mean(running):.3f}")
    net.load_state_dict({**net.state_dict(), **mean})
    return net.eval()


def _standard(e: Tensor, owner: Tensor) -> Tensor:
    """Each group's rows by their own mean and deviation."""
    out = torch.empty_like(e)
    bound = 0.1 * e.detach().std(0) + 1e-4
    for g in owner.unique():
        rows = owner == g
        part = e[rows]
        out[rows] = (part - part.mean(0)) / (part.std(0) + bound)
    return out


def _weights(clips: Clips, rows: Ints, classes: int) -> npt.NDArray[np.float32]:
    """Rare classes of a corpus count as much as others, up to three times a clip's weight."""
    weight = np.ones(len(clips.truth), np.float32)
    for c in np.unique(clips.corpus[rows]):
        here = rows[clips.corpus[rows] == c]
        count = np.bincount(clips.truth[here], minlength=classes)
        weight[here] = np.minimum(len(here) / (count > 0).sum() / np.maximum(count[clips.truth[here]], 1), 3)
    return weight


def _loss(logits: Tensor, y: Tensor, w: Tensor, there: Tensor, smoothing: float) -> Tensor:
    """Weighted cross-entropy over the classes that the clip's corpus has, with label smoothing among them."""
    log = logits.masked_fill(~there, -1e4).log_softmax(1).masked_fill(~there, 0)
    target = smoothing * there / there.sum(1, keepdim=True)
    target = target.scatter_add(1, y[:, None], torch.full((len(y), 1), 1 - smoothing))
    return (w * -(target * log).sum(1)).sum() / w.sum()


def _batches(rows: Ints, owner: Ints, told: Training, rng: np.random.Generator) -> list[Ints]:
    parts: list[Ints] = []
    for g in np.unique(owner[rows]):
        here = rng.permutation(rows[owner[rows] == g])
        parts += np.array_split(here, max(1, round(len(here) / told.each)))
    order = rng.permutation(len(parts))
    return [np.concatenate([parts[k] for k in order[i : i + told.groups]]) for i in range(0, len(order), told.groups)]


def embed(net: VoiceNet, frames: Frames, starts: Ints, rows: Ints) -> npt.NDArray[np.float32]:
    """Embeddings ``(n, 768)`` of whole clips."""
    out = np.zeros((len(rows), net.width), np.float32)
    lengths = np.diff(starts)[rows]
    order = np.argsort(lengths, kind="stable")
    with torch.inference_mode():
        for first in range(0, len(rows), 48):
            part = order[first : first + 48]
            x = np.concatenate([frames[starts[i] : starts[i + 1]] for i in rows[part]]).astype(np.float32)
            out[part] = net(torch.from_numpy(x), torch.from_numpy(lengths[part])).numpy()
    return out


def mean_of(told: Sequence[Mapping[str, npt.NDArray[Any]]]) -> dict[str, Tensor]:
    """The mean weights of nets of one shape; what is no number with a point is the first one's."""
    return {
        n: torch.from_numpy(np.mean([t[n] for t in told], axis=0) if v.dtype.kind == "f" else np.array(v))
        for n, v in told[0].items()
    }


def settled(net: VoiceNet, embeddings: Sequence[npt.NDArray[np.float32]]) -> VoiceNet:
    """The net with mean and mean square of its own embeddings of the training clips: those of averaged weights are not
    the average of the nets'."""
    e = torch.from_numpy(np.concatenate(embeddings))
    net.mean.copy_(e.mean(0))
    net.square.copy_((e**2).mean(0))
    return net
