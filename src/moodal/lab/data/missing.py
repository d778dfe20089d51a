"""Named, seeded patterns of absent or damaged modalities, printed with every score made under them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from moodal.core.errors import UsageError

from .dataset import Dataset, Feature

__all__ = ["MISSING_KINDS", "Missing"]

MissingKind = Literal["none", "fixed", "random", "burst", "noise"]
MISSING_KINDS: dict[str, str] = {
    "none": "nothing is hidden",
    "fixed": "the named modalities are absent: fixed(audio)",
    "random": "each modality of each example is absent with probability p; one always stays: random(0.3, seed=0)",
    "burst": "one stretch, p of each modality's steps, is cut out of each example: burst(0.5, seed=0)",
    "noise": "white noise of p times each channel's own standard deviation is added: noise(1, seed=0)",
}


@dataclass(frozen=True)
class Missing:
    """What is hidden from a model, by name: `str` and `parse` are each other's inverse.

    The pattern of an example hangs on the seed and on its clip's name alone: batch order, the other examples
    and the number of workers change nothing. (Noise is drawn so too, and scaled by the spread of the data given.)

    >>> str(Missing.parse("random(0.3, seed=7)"))
    'random(0.3, seed=7)'
    >>> str(Missing("fixed", modalities=("audio",)))
    'fixed(audio)'
    """

    kind: MissingKind = "none"
    amount: float = 0.0
    modalities: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in MISSING_KINDS:
            raise UsageError(f"unknown pattern {self.kind!r}", fix=f"Known: {', '.join(MISSING_KINDS)}.")
        if self.kind in ("random", "burst") and not 0 < self.amount <= 1:
            raise UsageError(f"{self.kind} needs a share above 0 and at most 1, not {self.amount:g}")
        if self.kind == "noise" and not self.amount > 0:
            raise UsageError(f"noise needs an amount above 0, not {self.amount:g}")
        if self.kind == "fixed" and not self.modalities:
            raise UsageError("fixed needs the modalities that are absent: fixed(audio)")

    @classmethod
    def parse(cls, text: str) -> Missing:
        """Read what `str` writes: ``none``, ``fixed(audio, face)``, ``random(0.3, seed=7)``.

        Raises
        ------
        UsageError : it is not of that form.
        """
        kind, _, rest = text.strip().partition("(")
        if kind == "none" and not rest:
            return cls()
        parts = [p.strip() for p in rest.rstrip(") ").split(",") if p.strip()]
        seed = 0
        try:
            if parts and parts[-1].startswith("seed="):
                seed = int(parts.pop().removeprefix("seed="))
            if kind == "fixed":
                return cls("fixed", modalities=tuple(parts), seed=seed)
            amount, *named = parts
            return cls(kind, float(amount), tuple(named), seed)  # type: ignore[arg-type]
        except ValueError:
            told = "; ".join(MISSING_KINDS.values())
            raise UsageError(f"{text!r} is not a pattern of missing modalities", fix=f"Write {told}.") from None

    def __str__(self) -> str:
        if self.kind == "none":
            return "none"
        if self.kind == "fixed":
            return f"fixed({', '.join(self.modalities)})"
        return f"{self.kind}({', '.join([f'{self.amount:g}', *self.modalities, f'seed={self.seed}'])})"

    def apply(self, data: Dataset) -> Dataset:
        """The data set under this pattern.

        Raises
        ------
        UsageError : a named modality is not in it.
        """
        if self.kind == "none":
            return data
        for m in self.modalities:
            data.only([m])
        if self.kind == "fixed":
            return data.without(self.modalities)
        touched = self.modalities or data.modalities
        seeds = [self._seed(clip) for clip in data.index["clip"]]
        if self.kind == "random":
            return self._random(data, touched, seeds)
        change = _burst if self.kind == "burst" else _noise
        changed = {
            m: change(f, self.amount, [s + 7919 * k for s in seeds]) if m in touched else f
            for k, (m, f) in enumerate(data.features.items())
        }
        return Dataset(data.index, changed)

    def _seed(self, clip: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.kind}|{self.seed}|{clip}".encode()).digest()[:6], "little")

    def _random(self, data: Dataset, touched: Sequence[str], seeds: Sequence[int]) -> Dataset:
        there = data.present
        hidden = np.zeros_like(there)
        columns = [data.modalities.index(m) for m in touched]
        for i, seed in enumerate(seeds):
            rng = np.random.default_rng(seed)
            hidden[i, columns] = rng.random(len(columns)) < self.amount
            if there[i].any() and not (there[i] & ~hidden[i]).any():
                hidden[i, rng.choice(np.flatnonzero(there[i]))] = False
        kept = {m: _kept(f, ~hidden[:, k]) for k, (m, f) in enumerate(data.features.items())}
        return Dataset(data.index, kept)


def _kept(feature: Feature, keep: np.ndarray) -> Feature:
    """The feature with no rows where ``keep`` is False."""
    lengths = np.where(keep, feature.lengths, 0)
    rows = np.repeat(keep, feature.lengths)
    return replace(feature, values=feature.values[rows], offsets=np.concatenate([[0], np.cumsum(lengths)]))


def _burst(feature: Feature, share: float, seeds: Sequence[int]) -> Feature:
    """Cut one stretch out of each example; one of a single step is absent with probability ``share``."""
    keep = np.ones(len(feature.values), bool)
    for i, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        n = int(feature.lengths[i])
        if not n:
            continue
        cut = round(share * n) if n > 1 else int(rng.random() < share)
        start = feature.offsets[i] + (rng.integers(0, n - cut + 1))
        keep[start : start + cut] = False
    owner = np.repeat(np.arange(len(feature)), feature.lengths)
    lengths = np.bincount(owner[keep], minlength=len(feature))
    return replace(feature, values=feature.values[keep], offsets=np.concatenate([[0], np.cumsum(lengths)]))


def _noise(feature: Feature, amount: float, seeds: Sequence[int]) -> Feature:
    """White noise, scaled by each channel's spread over the whole feature."""
    told = np.ma.masked_invalid(feature.values)
    # A field that nobody has keeps being absent.
    scale = np.ma.filled(told.std(axis=0), 0.0) if len(told) else np.zeros(feature.width)
    values = feature.values.copy()
    for i, seed in enumerate(seeds):
        part = slice(feature.offsets[i], feature.offsets[i + 1])
        values[part] += amount * scale * np.random.default_rng(seed).normal(size=values[part].shape)
    return replace(feature, values=values.astype(np.float32))
