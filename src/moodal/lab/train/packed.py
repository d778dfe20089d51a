"""A data set as tensors, standardised once, and its batches: no work for single examples while training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from moodal.lab.data.dataset import Dataset
from moodal.lab.models.base import Model

__all__ = ["Packed", "batches"]


@dataclass(frozen=True)
class Packed:
    """Ragged steps of each modality behind one another, a row of zeros at the end for padding.

    ``steps[m]`` ``(sum of lengths + 1, channels)`` float32; ``starts[m]``, ``lengths[m]`` ``(n,)``; ``present``
    ``(n, M)``.
    """

    steps: dict[str, Tensor]
    starts: dict[str, Tensor]
    lengths: dict[str, Tensor]
    present: Tensor
    longest: npt.NDArray[np.int64]

    @classmethod
    def of(cls, data: Dataset, model: Model, device: Any, longest: int = 0) -> Packed:
        """From a data set that has the model's modalities; values are put on the model's scale."""
        steps, starts, lengths, there = {}, {}, {}, []
        for m in model.modalities:
            feature, scale = data.features[m], model.scale[m]
            values = torch.zeros((len(feature.values) + 1, feature.width), dtype=torch.float32)
            values[:-1] = scale(torch.from_numpy(np.ascontiguousarray(feature.values)))
            long = np.minimum(feature.lengths, longest) if longest else feature.lengths
            long = long if bool(scale.seen) else np.zeros_like(long)
            steps[m] = values.to(device)
            starts[m] = torch.from_numpy(feature.offsets[:-1].copy()).to(device)
            lengths[m] = torch.from_numpy(long.copy()).to(device)
            there.append(long > 0)
        widest = np.max([x.cpu().numpy() for x in lengths.values()], axis=0)
        return cls(steps, starts, lengths, torch.from_numpy(np.stack(there, axis=1)).to(device), widest)

    def __len__(self) -> int:
        return len(self.present)

    def batch(self, rows: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Values ``(B, T, d)``, masks ``(B, T)`` and presence ``(B, M)`` of those rows, padded to their longest."""
        values, masks = {}, {}
        for m, steps in self.steps.items():
            long = self.lengths[m][rows]
            time = torch.arange(max(1, int(long.max())), device=steps.device)
            mask = time < long.unsqueeze(1)
            at = torch.where(mask, self.starts[m][rows].unsqueeze(1) + time, len(steps) - 1)
            values[m] = steps[at.flatten()].view(*at.shape, -1)
            masks[m] = mask
        return values, masks, self.present[rows]


def batches(packed: Packed, size: int, rng: np.random.Generator | None) -> Iterator[npt.NDArray[np.int64]]:
    """Rows of each batch, those of like length together.

    With ``rng`` the order is drawn: rows are shuffled, sorted by length within stretches of 16 batches, and the batches
    are shuffled again. Without, rows go by length.
    """
    n = len(packed)
    if rng is None:
        order = np.argsort(packed.longest, kind="stable")
        cut = [order[i : i + size] for i in range(0, n, size)]
    else:
        order = rng.permutation(n)
        stretch = 16 * size
        for i in range(0, n, stretch):
            part = order[i : i + stretch]
            order[i : i + stretch] = part[np.argsort(packed.longest[part], kind="stable")]
        cut = [order[i : i + size] for i in range(0, n, size)]
        cut = [cut[i] for i in rng.permutation(len(cut))]
    yield from cut
