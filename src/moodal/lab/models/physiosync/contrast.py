"""Contrastive terms: which rows are positives is told by a table of keys, never by where they stand in a batch.

NT-Xent: Chen et al. 2020, arXiv 2002.05709, eq. 1. LS-TCL and CM-CA: arXiv 2504.17163.

::

    groups a_i, b_i of other people at the same moment
    LS-TCL  within a stream   (a_i, b_i)
    CM-CA   two streams E, P  halves exchanged: (a_i of P, b_i of E) and (a_i of E, b_i of P), half weight each
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .specs import Size
from .waves import Signals

__all__ = ["Contrast", "Drawn", "Table", "cross_modal", "group_max", "nt_xent"]


@dataclass(frozen=True)
class Table:
    """Of ``K`` rows: ``positive (K,)`` the row that belongs to each, -1 for none; ``barred (K, K)`` bool, pairs that
    are neither positives nor negatives."""

    positive: Tensor
    barred: Tensor

    @classmethod
    def of(cls, key: Tensor, half: Tensor, copy: Tensor, there: Tensor, near: Tensor | None = None) -> Table:
        """From what each row is: positives have the same key and copy and the other half.

        Copies of one moment are never negatives of each other; ``near (K, K)`` bars further pairs. Rows that are not
        ``there`` take no part.
        """
        same = key.unsqueeze(1) == key.unsqueeze(0)
        twin = same & (copy.unsqueeze(1) == copy.unsqueeze(0)) & (half.unsqueeze(1) != half.unsqueeze(0))
        twin = twin & there.unsqueeze(0) & there.unsqueeze(1)
        positive = torch.where(twin.any(dim=1), twin.int().argmax(dim=1), -1)
        barred = (same if near is None else same | near) | ~there.unsqueeze(0) | ~there.unsqueeze(1)
        return cls(positive, barred)


def nt_xent(z: Tensor, table: Table, temperature: float = 0.1) -> Tensor:
    """Mean over rows that have a positive of ``-log softmax`` over cosines with it and all negatives; ``z (K, d)``.

    0 (with a gradient of 0) where no row has one, or the only others are positives.
    """
    z = functional.normalize(z.float(), dim=-1)
    rows = (table.positive >= 0).nonzero().squeeze(1)
    if not len(rows):
        return z.sum() * 0.0
    at = table.positive[rows]
    hidden = table.barred[rows].clone()
    hidden[torch.arange(len(rows)), rows] = True
    hidden[torch.arange(len(rows)), at] = False
    logits = (z[rows] @ z.T / temperature).masked_fill(hidden, float("-inf"))
    return functional.cross_entropy(logits, at)


def group_max(feature: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """``(M, 2, N, f)`` of ``N`` people, ``there (M, 2, N)`` → maximum over those there ``(M, 2, f)`` (0 for nobody),
    and which groups have anybody ``(M, 2)``."""
    some = there.any(dim=2)
    most = feature.masked_fill(~there.unsqueeze(-1), float("-inf")).amax(dim=2)
    return torch.where(some.unsqueeze(-1), most, 0.0), some


@dataclass(frozen=True)
class Drawn:
    """Moments of a batch: ``rows (M, 2, N)`` examples of the people of both groups (-1: nobody), ``key`` and ``copy``
    ``(M,)`` of each moment; ``near (M, M)`` bool, moments that are no negatives of each other."""

    rows: Tensor
    key: Tensor
    copy: Tensor
    near: Tensor | None = None

    def table(self, there: Tensor) -> Table:
        """Of groups flattened from ``(2, M)``; ``there (M, 2)``."""
        m = len(self.key)
        half = torch.arange(2).repeat_interleave(m)
        near = None if self.near is None else self.near.repeat(2, 2)
        return Table.of(self.key.repeat(2), half, self.copy.repeat(2), there.T.flatten(), near)


def cross_modal(
    first: Tensor, second: Tensor, there: tuple[Tensor, Tensor], drawn: Drawn, temperature: float
) -> Tensor:
    """CM-CA of two streams, each ``(M, 2, c)`` with ``there (M, 2)``: the first halves exchanged."""
    total = first.sum() * 0.0
    for a, b, has_a, has_b in ((second, first, there[1], there[0]), (first, second, there[0], there[1])):
        mixed = torch.cat([a[:, 0], b[:, 1]])
        total = total + nt_xent(mixed, drawn.table(torch.stack([has_a[:, 0], has_b[:, 1]], dim=1)), temperature)
    return total / 2


class Contrast(nn.Module):
    """Encoders of all streams at one length of window, with what pre-training alone needs behind them.

    ``encoders`` are those of `moodal.lab.models.physiosync.network.encoders_of`; the first of ``streams`` is the one
    that each other is aligned with.
    """

    def __init__(self, streams: Sequence[str], encoders: Mapping[str, nn.Module], size: Size, dropout: float) -> None:
        super().__init__()
        self.streams = tuple(streams)
        self.encoders = nn.ModuleDict(dict(encoders))
        widths: dict[str, Any] = {m: e.width for m, e in encoders.items()}
        self.projectors = nn.ModuleDict({m: _projector(w, size.projector, dropout) for m, w in widths.items()})
        self.shared = nn.Sequential(nn.Linear(next(iter(widths.values())), size.shared), nn.BatchNorm1d(size.shared))

    def groups(self, signals: Signals, shape: Sequence[int]) -> dict[str, tuple[Tensor, Tensor]]:
        """Group vectors ``(M, 2, 4 d)`` and which are there ``(M, 2)``, by stream, of examples in the order of
        ``shape`` ``(M, 2, N)``."""
        out = {}
        for m in self.streams:
            if m not in signals:
                continue
            there = signals[m].present
            feature = torch.zeros(len(there), self.encoders[m].width)
            if bool(there.any()):
                told = self.encoders[m](signals[m].take(there))
                feature = feature.to(told.dtype).index_put((there.nonzero().squeeze(1),), told)
            out[m] = group_max(feature.unflatten(0, tuple(shape)), there.unflatten(0, tuple(shape)))
        return out

    def forward(
        self, signals: Signals, drawn: Drawn, *, tcl: Mapping[str, float], cmca: float, temperature: float
    ) -> dict[str, Tensor]:
        """Terms, weighted: ``tcl.STREAM`` and ``cmca.STREAM`` (with the first one)."""
        groups = self.groups(signals, drawn.rows.shape)
        terms: dict[str, Tensor] = {}
        for m, (vector, there) in groups.items():
            if tcl.get(m, 0.0):
                flat = vector.transpose(0, 1).flatten(0, 1)
                terms[f"tcl.{m}"] = tcl[m] * nt_xent(self.projectors[m](flat), drawn.table(there), temperature)
        told = list(groups)
        if cmca and len(told) > 1:
            shared = {m: self.shared(v.flatten(0, 1)).unflatten(0, v.shape[:2]) for m, (v, _) in groups.items()}
            for m in told[1:]:
                there_both = groups[told[0]][1], groups[m][1]
                term = cross_modal(shared[told[0]], shared[m], there_both, drawn, temperature)
                terms[f"cmca.{m}"] = cmca / (len(told) - 1) * term
        return terms


def _projector(width: int, layers: Sequence[int], dropout: float) -> nn.Sequential:
    parts: list[nn.Module] = []
    for k, out in enumerate(layers):
        last = k == len(layers) - 1
        parts.append(nn.Linear(width, out))
        if not last:
            parts += [nn.BatchNorm1d(out), nn.ReLU(), nn.Dropout(dropout)]
        width = out
    return nn.Sequential(*parts)
