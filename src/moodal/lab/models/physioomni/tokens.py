"""From samples to tokens: a patch of one channel each, with the rows of its channel and its place in time.

::

    values (samples, channels) ─► µV / 100 ─► patches, channel after channel ─► x (T, patch), channel (T,), time (T,)
    several examples ─► padded: Tokens x (B, T, patch), channel, time (B, T), pad (B, T); an absent one is all padding
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from moodal.core.errors import InputError, MissingExtra

from .specs import ModalitySpec

__all__ = ["Frames", "Patches", "Signals", "Tokens", "collate", "patches", "present_of", "resampled",
           "take", "thinned", "usable_channels"]  # fmt: skip

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Patches:
    """One example of one modality: ``x (T, patch)`` float32, ``channel (T,)`` and ``time (T,)`` int64."""

    x: npt.NDArray[np.float32]
    channel: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frames:
    """What shares one shared code: ``of (B, T)`` the frame of each token (0 on padding), ``second (B, S)`` when it
    begins, s, ``there (B, S)`` bool."""

    of: Tensor
    second: Tensor
    there: Tensor


@dataclass(frozen=True)
class Tokens:
    """Padded examples of one modality: ``x (B, T, patch)``, ``channel``, ``time (B, T)`` int64, ``pad (B, T)`` bool,
    True where there is nothing. Tokens stand channel after channel, in time within each."""

    x: Tensor
    channel: Tensor
    time: Tensor
    pad: Tensor

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def present(self) -> Tensor:
        """``(B,)`` bool: which examples have any token."""
        return ~self.pad.all(dim=1)

    def take(self, rows: Tensor) -> Tokens:
        """Those examples (positions or mask), no longer than the longest of them."""
        pad = self.pad[rows]
        length = int((~pad).sum(dim=1).max()) if len(pad) else 0
        length = max(1, length)
        x, channel, time = (t[rows][:, :length] for t in (self.x, self.channel, self.time))
        return Tokens(x, channel, time, pad[:, :length])

    def frames(self, spec: ModalitySpec) -> Frames:
        """Runs of ``spec.merge`` patches of one channel."""
        step = self.time.div(spec.merge, rounding_mode="floor")
        new = torch.ones_like(self.pad)
        new[:, 1:] = (self.channel[:, 1:] != self.channel[:, :-1]) | (step[:, 1:] != step[:, :-1])
        new &= ~self.pad
        of = (new.long().cumsum(dim=1) - 1).clamp_min(0).masked_fill(self.pad, 0)
        count = new.sum(dim=1)
        size = max(1, int(count.max()) if len(count) else 1)
        second = torch.zeros(len(self.x), size, device=self.x.device)
        second.scatter_add_(1, of, torch.where(new, step.to(second.dtype) * spec.frame_s, 0.0))
        there = torch.arange(size, device=self.x.device) < count.unsqueeze(1)
        return Frames(of, second, there)


Signals = Mapping[str, Tokens]


def thinned(tokens: Tokens, share: float) -> tuple[Tokens, Tensor]:
    """The tokens of ``share`` of the channels that any example has, drawn at random, and where they stood, ``(B, T')``.

    An example that has none of those drawn becomes absent; of one or two channels all are kept.
    """
    channels = tokens.channel[~tokens.pad].unique()
    if share >= 1 or len(channels) < 3:
        return tokens, torch.arange(tokens.pad.shape[1], device=tokens.pad.device).expand_as(tokens.time)
    some = channels[torch.randperm(len(channels))[: max(1, round(share * len(channels)))].to(channels.device)]
    kept = torch.isin(tokens.channel, some) & ~tokens.pad
    at = (~kept).to(torch.uint8).argsort(dim=1, stable=True)[:, : max(1, int(kept.sum(dim=1).max()))]
    x = tokens.x.gather(1, at.unsqueeze(-1).expand(-1, -1, tokens.x.shape[-1]))
    channel, time, pad = (t.gather(1, at) for t in (tokens.channel, tokens.time, ~kept))
    return Tokens(x, channel.masked_fill(pad, 0), time.masked_fill(pad, 0), pad), at


def present_of(signals: Signals, modalities: Sequence[str]) -> Tensor:
    """``(B, M)`` bool, in the order of ``modalities``; one that is not among the signals is absent.

    Raises
    ------
    InputError : no modality that is known at all.
    """
    known = [m for m in modalities if m in signals]
    if not known:
        raise InputError(
            "none of its modalities is there", where="physioomni", fix=f"It knows: {', '.join(modalities)}."
        )
    n, device = len(signals[known[0]]), signals[known[0]].x.device
    gone = torch.zeros(n, dtype=torch.bool, device=device)
    return torch.stack([signals[m].present if m in signals else gone for m in modalities], dim=1)


def take(signals: Signals, rows: Tensor) -> dict[str, Tokens]:
    """Those examples of every modality."""
    return {m: t.take(rows) for m, t in signals.items()}


def usable_channels(values: Array, spec: ModalitySpec) -> npt.NDArray[np.bool_]:
    """``(c,)``: channels whose samples are numbers, and neither flat nor mis-scaled where the unit is known."""
    finite = np.isfinite(values).all(axis=0)
    if spec.spread is None or not len(values):
        return np.asarray(finite)
    low, high = spec.spread
    # A sharp wave on a quiet line (an electrocardiogram) has a small median deviation: flat means no deviation at all.
    with np.errstate(invalid="ignore"):
        deviation = np.std(np.where(finite, values, 0.0), axis=0, dtype=np.float64)
    return np.asarray(finite & (deviation >= low) & (deviation <= 4 * high))


def resampled(values: Array, rate_hz: float, spec: ModalitySpec) -> Array:
    """The samples at the model's rate, ``(n', c)``; polyphase filter, so that faster ones do not alias.

    Raises
    ------
    MissingExtra : scipy is not installed.
    """
    if rate_hz == spec.rate_hz or not len(values):
        return values
    from fractions import Fraction

    try:
        from scipy.signal import resample_poly
    except ImportError as error:
        raise MissingExtra("scipy", "lab", "resampling signals") from error
    ratio = Fraction(spec.rate_hz / rate_hz).limit_denominator(1000)
    steps = round(len(values) * spec.rate_hz / rate_hz)
    return np.asarray(resample_poly(values, ratio.numerator, ratio.denominator, axis=0, padtype="line"))[:steps]


def patches(values: Array, rows: Array, spec: ModalitySpec, *, longest: int = 512) -> Patches | None:
    """Tokens of one example, or None where it has no whole patch.

    ``values (samples, channels)`` at ``spec.rate_hz`` in ``spec.unit``; ``rows (channels,)`` of the channel table. What
    does not fill a patch at the end is left out.

    Raises
    ------
    InputError : more patches a channel than the model has places for (``longest``).
    """
    count = len(values) // spec.patch
    if not count or not values.shape[1]:
        return None
    if count > longest:
        raise InputError(f"lasts {count * spec.patch_s:g} s, {longest * spec.patch_s:g} at most", where=spec.name,
                         fix="Cut it into windows.")  # fmt: skip
    part = np.asarray(values[: count * spec.patch], np.float64)
    if spec.standardise:
        part = (part - part.mean(axis=0)) / np.maximum(part.std(axis=0), 1e-9)
    part = ((part - spec.centre) / spec.scale).astype(np.float32)
    x = part.T.reshape(part.shape[1] * count, spec.patch)
    return Patches(np.ascontiguousarray(x), np.repeat(np.asarray(rows, np.int64), count),
                   np.tile(np.arange(count), part.shape[1]))  # fmt: skip


def collate(examples: Sequence[Patches | None], spec: ModalitySpec) -> Tokens:
    """Several examples, padded to the longest."""
    length = max((len(e.x) for e in examples if e is not None), default=0)
    n, length = len(examples), max(1, length)
    x = np.zeros((n, length, spec.patch), np.float32)
    channel, time = np.zeros((n, length), np.int64), np.zeros((n, length), np.int64)
    pad = np.ones((n, length), bool)
    for i, e in enumerate(examples):
        if e is not None:
            k = len(e.x)
            x[i, :k], channel[i, :k], time[i, :k], pad[i, :k] = e.x, e.channel, e.time, False
    return Tokens(*(torch.from_numpy(a) for a in (x, channel, time, pad)))
