"""EEGNet (Lawhern et al. 2018, J. Neural Eng. 15, 056013), layer by layer from its table 2.

::

    (1, C, T) ─ F1 filters in time ─ D filters in space each ─ mean of 4 ─ separable filters ─ mean of 8 ─ linear
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from .parts import flat_size, held_within

__all__ = ["RATE_HZ", "EegNet", "Settings", "build"]

RATE_HZ = 128.0


@dataclass(frozen=True, slots=True)
class Settings:
    """``F1`` filters in time, ``D`` in space for each; ``kernel`` samples (half a second at 128 Hz)."""

    filters: int = 8
    depth: int = 2
    kernel: int = 64
    dropout: float = 0.25


class EegNet(nn.Module):
    """``(B, C, T)`` at 128 Hz to logits; spatial filters stay within norm 1, the last layer within 0.25."""

    def __init__(self, channels: int, steps: int, classes: int, s: Settings) -> None:
        super().__init__()
        f1, f2 = s.filters, s.filters * s.depth
        space = nn.Conv2d(f1, f2, (channels, 1), groups=f1, bias=False)
        self.body = nn.Sequential(
            _even(s.kernel),
            nn.Conv2d(1, f1, (1, s.kernel), bias=False),
            nn.BatchNorm2d(f1),
            held_within(space, 1.0),
            nn.BatchNorm2d(f2),
            nn.ELU(),
            nn.AvgPool2d((1, 4)),
            nn.Dropout(s.dropout),
            _even(16),
            nn.Conv2d(f2, f2, (1, 16), groups=f2, bias=False),
            nn.Conv2d(f2, f2, 1, bias=False),
            nn.BatchNorm2d(f2),
            nn.ELU(),
            nn.AvgPool2d((1, 8)),
            nn.Dropout(s.dropout),
            nn.Flatten(),
        )
        self.head = held_within(nn.Linear(flat_size(self.body, channels, steps, "eegnet"), classes), 0.25)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        return cast(Tensor, self.head(self.body(x.unsqueeze(1))))


def _even(kernel: int) -> nn.ZeroPad2d:
    """As many samples out as in, whatever the length of the filter."""
    return nn.ZeroPad2d(((kernel - 1) // 2, kernel // 2, 0, 0))


def build(names: Sequence[str], steps: int, classes: int, s: Settings) -> EegNet:
    """The network for those channels."""
    return EegNet(len(names), steps, classes, s)
