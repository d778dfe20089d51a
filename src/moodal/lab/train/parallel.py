"""Several processes started by torchrun: each takes its share of the batches, gradients are averaged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from moodal.lab.models.base import Model

__all__ = ["Group"]

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The processes that train one model together; one alone, unless torchrun started several.

    Every process evaluates the whole validation part on the same weights, so all take the same decisions; the first one
    writes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Group:
        """From the environment that torchrun sets; joins the process group at the first call."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(torch.distributed.get_rank(), size)

    def wrap(self, model: Model) -> Any:
        """The model whose backward pass averages gradients over the processes."""
        if self.size == 1:
            return model
        from torch.nn.parallel import DistributedDataParallel

        # An absent modality's blocks may get no gradient in a batch.
        return DistributedDataParallel(model, find_unused_parameters=True)

    def share(self, order: Sequence[T]) -> list[T]:
        """This process's batches; as many for each, so the last few may wait for another epoch."""
        return list(order)[: len(order) // self.size * self.size][self.rank :: self.size]

    def wait(self) -> None:
        """Until every process has come here."""
        if self.size > 1:
            torch.distributed.barrier()

    def mean(self, value: Any) -> float:
        """The mean of a number over the processes."""
        if self.size > 1:
            torch.distributed.all_reduce(value)
        return float(value) / self.size
