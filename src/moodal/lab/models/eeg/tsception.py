"""TSception (Ding et al. 2022, IEEE Trans. Affect. Comput. 14, 2238): filters in time at three lengths, then in space
over the whole head and over each hemisphere.

::

    x, left channels before their partners at the right
      ─ 15 filters of 1/2, 1/4, 1/8 s, one after the other in time ─ 15 over the head, 15 over each half ─ joined ─ mean
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from moodal.core.errors import InputError

__all__ = ["RATE_HZ", "Settings", "TSception", "build", "halves"]

RATE_HZ = 128.0
#: Lengths of the filters in time, s.
WINDOWS_S = (0.5, 0.25, 0.125)
POOL = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """Filters in time and in space, units of the hidden layer."""

    filters_time: int = 15
    filters_space: int = 15
    hidden: int = 32
    dropout: float = 0.5


def halves(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of left channels, and of their partners at the right in the same order; others (the midline) are in none.

    >>> halves(["Fp1", "Fp2", "Cz", "O2", "O1", "F7"])
    ([0, 4], [1, 3])
    """
    place = {name.upper(): i for i, name in enumerate(names)}
    left, right = [], []
    for name, i in place.items():
        if (found := re.fullmatch(r"([A-Z]+)(\d*[13579])", name)) is None:
            continue
        if (partner := place.get(f"{found[1]}{int(found[2]) + 1}")) is not None:
            left.append(i)
            right.append(partner)
    return left, right


class TSception(nn.Module):
    """``(B, C, T)`` at 128 Hz to logits.

    Raises
    ------
    InputError : no channel has a partner in the other hemisphere.
    """

    order: Tensor

    def __init__(self, names: Sequence[str], steps: int, classes: int, s: Settings) -> None:
        super().__init__()
        left, right = halves(names)
        if not left:
            raise InputError("no channel has a partner in the other hemisphere", where="tsception",
                             fix="Give pairs such as F3 and F4, or choose another network.")  # fmt: skip
        self.register_buffer("order", torch.tensor([*left, *right]), persistent=False)
        lengths = [round(w * RATE_HZ) for w in WINDOWS_S]
        if steps < lengths[0] + 4 * POOL * 8:
            raise InputError(f"windows of {steps} samples are too short", where="tsception", fix="Cut longer windows.")
        n, half, time, space = 2 * len(left), len(left), s.filters_time, s.filters_space
        self.times = nn.ModuleList(_block(1, time, (1, k), (1, 1), POOL) for k in lengths)
        self.time_norm = nn.BatchNorm2d(time)
        self.head_space = _block(time, space, (n, 1), (1, 1), POOL // 4)
        self.half_space = _block(time, space, (half, 1), (half, 1), POOL // 4)
        self.space_norm = nn.BatchNorm2d(space)
        self.joined = _block(space, space, (3, 1), (1, 1), 4)
        self.joined_norm = nn.BatchNorm2d(space)
        self.head = nn.Sequential(
            nn.Linear(space, s.hidden), nn.ReLU(), nn.Dropout(s.dropout), nn.Linear(s.hidden, classes)
        )

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        x = x[:, self.order].unsqueeze(1)
        x = self.time_norm(torch.cat([block(x) for block in self.times], dim=-1))
        x = self.space_norm(torch.cat([self.head_space(x), self.half_space(x)], dim=2))
        x = self.joined_norm(self.joined(x))
        return cast(Tensor, self.head(x.squeeze(2).mean(dim=-1)))


def _block(wide: int, out: int, kernel: tuple[int, int], step: tuple[int, int], pool: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(wide, out, kernel, step), nn.LeakyReLU(), nn.AvgPool2d((1, pool)))


def build(names: Sequence[str], steps: int, classes: int, s: Settings) -> TSception:
    """The network for those channels."""
    return TSception(names, steps, classes, s)
