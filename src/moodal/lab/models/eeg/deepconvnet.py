"""DeepConvNet (Schirrmeister et al. 2017, Hum. Brain Mapp. 38, 5391), in the form for 128 Hz that EEGNet's paper gives
(Lawhern et al. 2018, appendix: kernels and pools half as long as at 250 Hz)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from .parts import flat_size, held_within

__all__ = ["RATE_HZ", "DeepConvNet", "Settings", "build"]

RATE_HZ = 128.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Filters of the four blocks are 25, 50, 100 and 200."""

    dropout: float = 0.5
    kernel: int = 5


class DeepConvNet(nn.Module):
    """Four blocks of convolution, batch norm, ELU and a maximum of two; filters within norm 2, the last within 0.5."""

    def __init__(self, channels: int, steps: int, classes: int, s: Settings) -> None:
        super().__init__()
        layers: list[nn.Module] = [held_within(nn.Conv2d(1, 25, (1, s.kernel)), 2.0)]
        layers += [held_within(nn.Conv2d(25, 25, (channels, 1)), 2.0), *_after(25, s.dropout)]
        for width in (50, 100, 200):
            layers += [held_within(nn.Conv2d(width // 2, width, (1, s.kernel)), 2.0), *_after(width, s.dropout)]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.head = held_within(nn.Linear(flat_size(self.body, channels, steps, "deepconvnet"), classes), 0.5)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        return cast(Tensor, self.head(self.body(x.unsqueeze(1))))


def _after(width: int, dropout: float) -> list[nn.Module]:
    return [nn.BatchNorm2d(width, eps=1e-5, momentum=0.1), nn.ELU(), nn.MaxPool2d((1, 2)), nn.Dropout(dropout)]


def build(names: Sequence[str], steps: int, classes: int, s: Settings) -> DeepConvNet:
    """The network for those channels."""
    return DeepConvNet(len(names), steps, classes, s)
