"""Samples as patches of one channel each. Everything ends at the same moment: what is short is padded in front.

::

    x (B, C, T, patch), channel (B, C) rows of the table of channels, valid (B, C, T); an absent example is not valid
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from moodal.core.errors import InputError

__all__ = ["Signals", "Waves", "present_of"]


@dataclass(frozen=True)
class Waves:
    """Examples of one stream. What ``valid`` does not cover may hold anything and is never looked at."""

    x: Tensor
    channel: Tensor
    valid: Tensor

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def present(self) -> Tensor:
        """``(B,)`` bool: which examples have any patch."""
        return self.valid.flatten(1).any(dim=1)

    def take(self, rows: Tensor) -> Waves:
        """Those examples."""
        return Waves(self.x[rows], self.channel[rows], self.valid[rows])

    def last(self, patches: int) -> Waves:
        """The last so many patches; padded in front where there are fewer."""
        have = self.x.shape[2]
        if have >= patches:
            return Waves(self.x[:, :, have - patches :], self.channel, self.valid[:, :, have - patches :])
        b, c = self.x.shape[:2]
        x = self.x.new_zeros(b, c, patches - have, self.x.shape[3])
        gone = self.valid.new_zeros(b, c, patches - have)
        return Waves(torch.cat([x, self.x], dim=2), self.channel, torch.cat([gone, self.valid], dim=2))

    def pieces(self, patches: int, count: int) -> Waves:
        """The last ``count`` windows of ``patches``, in time, as examples of their own: ``(B * count, C, patches, …)``.

        Those of one example stand together.
        """
        whole = self.last(patches * count)
        b, c, _, p = whole.x.shape
        x = whole.x.reshape(b, c, count, patches, p).transpose(1, 2).reshape(b * count, c, patches, p)
        valid = whole.valid.reshape(b, c, count, patches).transpose(1, 2).reshape(b * count, c, patches)
        return Waves(x, whole.channel.repeat_interleave(count, dim=0), valid)


Signals = Mapping[str, Waves]


def present_of(signals: Signals, streams: Sequence[str]) -> Tensor:
    """``(B, M)`` bool, in the order of ``streams``; one that is not among the signals is absent.

    Raises
    ------
    InputError : no stream that is known at all.
    """
    known = [m for m in streams if m in signals]
    if not known:
        raise InputError("none of its streams is there", where="physiosync", fix=f"It knows: {', '.join(streams)}.")
    gone = torch.zeros(len(signals[known[0]]), dtype=torch.bool, device=signals[known[0]].x.device)
    return torch.stack([signals[m].present if m in signals else gone for m in streams], dim=1)
