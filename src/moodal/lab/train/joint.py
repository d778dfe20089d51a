"""Tuning one text encoder on several sets at once, and on what other encoders say of the same sentences.

Every sentence is read once and may teach several heads: those that it has labels for, and those that a teacher has told
of it (distillation: Hinton et al. 2015, arXiv 1503.02531).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from moodal.lab.nn.text import TextNet

from .text import padded

__all__ = ["Head", "Schedule", "joint", "pooled", "predicted"]

#: Pieces of a sentence, and how many of them are its own.
Sequenced = tuple[list[int], int]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """What one head learns: ``target (n, k)`` and ``weight (n,)``, 0 where a sentence says nothing of it.

    ``kind``: ``multilabel`` (each target a probability; cross-entropies of the k are summed, so that rare labels are
    not drowned by other heads) or ``continuous`` (squared error, averaged over the k; give it standardised).
    """

    kind: str
    target: FloatArray
    weight: FloatArray

    def prior(self) -> FloatArray:
        """``(k,)``: the mean target of what is weighted; log odds for probabilities."""
        rows = self.weight > 0
        mean = np.average(self.target[rows], axis=0, weights=self.weight[rows])
        if self.kind == "continuous":
            return mean.astype(np.float32)
        share = np.clip(mean, 1e-3, 1 - 1e-3)
        return np.log(share / (1 - share)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Schedule:
    """``epochs`` over all sentences in batches of ``batch``; ``rate`` of the encoder, ten times that of the heads.

    ``exits``: numbers of layers after which heads stand too, before those at the end. They learn from labels and, as
    much again, from what the last heads say of the same sentences (Zhang et al. 2019, arXiv 1905.08094), so that a net
    cut there is a trained one.
    """

    epochs: float
    rate: float
    batch: int = 48
    dropout: float = 0.1
    seed: int = 0
    exits: tuple[int, ...] = ()


def joint(
    net: TextNet,
    sequences: Sequence[Sequenced],
    heads: Mapping[str, Head],
    schedule: Schedule,
    share: FloatArray | None = None,
    start: Mapping[str, FloatArray] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> nn.ModuleDict:
    """Tune ``net`` in place; gives the heads, each ``Linear(width, k)`` on the mean state of a sentence's own pieces.

    ``share (n,)`` is in what part of the epochs each sentence is read (1, if not given): half, for one that there are
    many alike of, is every other epoch. ``start`` has ``NAME.weight`` and ``NAME.bias`` of heads that go on from there.

    The last heads have their names as given, those at exits ``NAME_LAYERS``.

    AdamW (decay 0.01), 5 % warm-up, then linear to nothing; products in bfloat16. Only the pooled state is dropped out:
    on a CPU, drawing for every inner value takes longer than all products. The same seed gives the same weights on the
    same machine with the same number of threads.
    """
    rng = np.random.default_rng(schedule.seed)
    torch.manual_seed(schedule.seed)
    depths = (*schedule.exits, len(net.layers))
    linear = nn.ModuleDict()
    for depth in depths:
        for name, head in heads.items():
            linear[_named(name, depth, net)] = _linear(net.word.weight.shape[1], head)
    if start is not None:
        linear.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in start.items()})
    stored = {n: (torch.from_numpy(h.target), torch.from_numpy(h.weight)) for n, h in heads.items()}
    optimiser = torch.optim.AdamW(
        [{"params": list(net.parameters()), "lr": schedule.rate},
         {"params": list(linear.parameters()), "lr": 10 * schedule.rate}],
        weight_decay=0.01, fused=True,
    )  # fmt: skip
    lengths = np.array([len(s) for s, _ in sequences])
    share = np.ones(len(lengths), np.float32) if share is None else share
    total = int(np.ceil(schedule.epochs * share.sum() / schedule.batch))
    warm = max(1, total // 20)
    rates = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1.0, (s + 1) / warm) * max(0.0, 1 - s / total))
    net.train()
    phase = rng.random(len(lengths))
    done = epoch = 0
    while done < total:
        read = np.flatnonzero(np.floor((epoch + 1) * share + phase) > np.floor(epoch * share + phase))
        epoch += 1
        for rows in _batches(read, lengths[read], schedule.batch, rng)[: total - done]:
            with torch.autocast("cpu", torch.bfloat16):
                states = [F.dropout(s, schedule.dropout) for s in pooled(net, [sequences[i] for i in rows], depths)]
                told = [{n: linear[_named(n, d, net)](s).float() for n in heads}
                        for d, s in zip(depths, states, strict=True)]  # fmt: skip
            chosen = torch.from_numpy(rows)
            loss = torch.zeros(())
            for n, head in heads.items():
                target, weight = (t[chosen] for t in stored[n])
                last = told[-1][n]
                loss = loss + _loss(head.kind, last, target, weight)
                softened = (target + _target(head.kind, last.detach())) / 2
                for early in told[:-1]:
                    loss = loss + _loss(head.kind, early[n], softened, weight)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            rates.step()
            done += 1
            if progress:
                progress(done, total, float(loss.detach()))
    net.eval()
    return linear.eval()


def _named(name: str, depth: int, net: TextNet) -> str:
    return name if depth == len(net.layers) else f"{name}_{depth}"


def _target(kind: str, z: Tensor) -> Tensor:
    return torch.sigmoid(z) if kind == "multilabel" else z


def _linear(width: int, head: Head) -> nn.Linear:
    """Starts at the prior, so that the encoder is not shaken by the rare labels' first gradients."""
    made = nn.Linear(width, head.target.shape[1])
    with torch.no_grad():
        made.weight.mul_(0.1)
        made.bias.copy_(torch.from_numpy(head.prior()))
    return made


def pooled(net: TextNet, sequences: Sequence[Sequenced], depths: Sequence[int]) -> list[Tensor]:
    """``(B, d)`` after each of those numbers of layers: the mean state over each sentence's own pieces."""
    ids, types, mask = padded(sequences)
    own = (mask & (types == 0))[..., None]
    return [(x * own).sum(1) / own.sum(1) for x in net.exits(ids, types, mask, depths)]


def _loss(kind: str, z: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    if kind == "multilabel":
        each = F.binary_cross_entropy_with_logits(z, target, reduction="none").sum(dim=1)
    else:
        each = (z - target).square().mean(dim=1)
    return (each * weight).sum() / len(weight)


def _batches(
    rows: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], batch: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    # Sorted by a length with some noise: little is padded, and neighbours change from epoch to epoch.
    order = rows[np.argsort(lengths + rng.random(len(lengths)) * 8, kind="stable")]
    found = [order[i : i + batch] for i in range(0, len(order), batch)]
    return [found[i] for i in rng.permutation(len(found))]


def predicted(
    net: TextNet, heads: nn.ModuleDict, sequences: Sequence[Sequenced], exits: Sequence[int] = ()
) -> dict[str, FloatArray]:
    """``(n, k)`` of every head, those at ``exits`` by their names there; products in bfloat16."""
    depths = (*exits, len(net.layers))
    order = np.argsort([len(s) for s, _ in sequences], kind="stable")
    out = {n: np.zeros((len(sequences), h.out_features), np.float32) for n, h in heads.items()}
    net.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for first in range(0, len(order), 64):
            rows = order[first : first + 64]
            states = pooled(net, [sequences[i] for i in rows], depths)
            for name, head in heads.items():
                depth = next((d for d in exits if name.endswith(f"_{d}")), depths[-1])
                out[name][rows] = head(states[depths.index(depth)]).float().numpy()
    return out
