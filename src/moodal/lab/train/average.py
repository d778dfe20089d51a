"""The moving average of a network's weights over the updates: steadier than the last weights where data are few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Averaged"]


class Averaged:
    """Parameters' moving average: ``decay`` is what stays of it after an update (Polyak and Juditsky 1992, SIAM J.
    Control Optim. 30, 838). It starts short and grows to ``decay``, so that the first weights do not linger."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.steps = module, decay, 0
        self.mean = {k: p.detach().clone() for k, p in module.named_parameters() if p.requires_grad}

    def follow(self) -> None:
        """Take in the parameters as they are."""
        self.steps += 1
        keep = min(self.decay, self.steps / (self.steps + 9))
        with torch.no_grad():
            for k, p in self.module.named_parameters():
                if k in self.mean:
                    self.mean[k].lerp_(p, 1 - keep)

    @contextmanager
    def shown(self, *, last: bool = False) -> Iterator[None]:
        """The module with the average in it; for good, if it is the last time."""
        now = {k: p.detach().clone() for k, p in self.module.named_parameters() if k in self.mean}
        self._put(self.mean)
        yield
        if not last:
            self._put(now)

    def _put(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for k, p in self.module.named_parameters():
                if k in values:
                    p.copy_(values[k])
