"""ShallowConvNet (Schirrmeister et al. 2017, Hum. Brain Mapp. 38, 5391), in the form for 128 Hz that EEGNet's paper
gives (Lawhern et al. 2018, appendix): filters in time and space, then log power in a sliding window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from .parts import Squared, flat_size, held_within

__all__ = ["RATE_HZ", "Settings", "ShallowConvNet", "build"]

RATE_HZ = 128.0


@dataclass(frozen=True, slots=True)
class Settings:
    """``filters`` of 13 samples; power over 35 samples every 7."""

    filters: int = 40
    dropout: float = 0.5


class ShallowConvNet(nn.Module):
    """``(B, C, T)`` at 128 Hz to logits; filters stay within norm 2, the last layer within 0.5."""

    def __init__(self, channels: int, steps: int, classes: int, s: Settings) -> None:
        super().__init__()
        f = s.filters
        self.body = nn.Sequential(
            held_within(nn.Conv2d(1, f, (1, 13)), 2.0),
            held_within(nn.Conv2d(f, f, (channels, 1), bias=False), 2.0),
            nn.BatchNorm2d(f, eps=1e-5, momentum=0.1),
            Squared(35, 7),
            nn.Dropout(s.dropout),
            nn.Flatten(),
        )
        self.head = held_within(nn.Linear(flat_size(self.body, channels, steps, "shallowconvnet"), classes), 0.5)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        return cast(Tensor, self.head(self.body(x.unsqueeze(1))))


def build(names: Sequence[str], steps: int, classes: int, s: Settings) -> ShallowConvNet:
    """The network for those channels."""
    return ShallowConvNet(len(names), steps, classes, s)
