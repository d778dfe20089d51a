"""What the convolutional networks share: weights held within a norm, and how long a convolution leaves its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from moodal.core.errors import InputError

__all__ = ["Squared", "flat_size", "held_within"]


def held_within(layer: nn.Module, norm: float) -> nn.Module:
    """Keep the weights into each output unit of a layer within an L2 norm, from the next training step on."""

    def before(module: nn.Module, _: tuple[Tensor, ...]) -> None:
        if module.training:
            weight = cast(nn.Parameter, module.weight)
            with torch.no_grad():
                weight.copy_(torch.renorm(weight, 2, 0, norm))

    layer.register_forward_pre_hook(before)
    return layer


class Squared(nn.Module):
    """The log of the mean square in a sliding window: power, as filter banks tell it."""

    def __init__(self, window: int, step: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d((1, window), (1, step))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, 1, T)`` to ``(B, F, 1, T')``."""
        return cast(Tensor, self.pool(x.square())).clamp(1e-7, 1e4).log()


def flat_size(body: Callable[[Tensor], Tensor], channels: int, steps: int, name: str) -> int:
    """How many values ``body`` gives for one window.

    Raises
    ------
    InputError : the window is too short for it.
    """
    was = body.training if isinstance(body, nn.Module) else False
    try:
        if isinstance(body, nn.Module):
            body.eval()
        with torch.no_grad():
            return int(body(torch.zeros(1, 1, channels, steps)).numel())
    except RuntimeError as error:
        raise InputError(f"windows of {steps} samples are too short", where=name,
                         fix="Cut longer windows.") from error  # fmt: skip
    finally:
        if isinstance(body, nn.Module):
            body.train(was)
