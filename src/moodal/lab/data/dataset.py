"""A data set ready to learn from: an index, and for each modality a ragged array of features."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError

from .index import Index

__all__ = ["Batch", "Dataset", "Feature"]


@dataclass(frozen=True)
class Feature:
    """What one modality gives for each example: rows in time, of one width.

    Example ``i`` has ``values[offsets[i]:offsets[i + 1]]``, ``(steps, channels)`` float32; no rows means that the
    example lacks this modality. ``source`` is the fingerprint of what made it. ``fitted_on`` names the clips on
    which anything inside was fitted (a vocabulary, a scaler, an encoder trained on this very set); a benchmark
    refuses a fold that tests on one of them.
    """

    name: str
    values: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    fields: tuple[str, ...] = ()
    rate_hz: float | None = None
    source: str = ""
    fitted_on: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def build(cls, name: str, examples: Sequence[npt.NDArray[Any] | None], **told: Any) -> Feature:
        """From one array an example: ``(steps, channels)``, ``(channels,)`` for a single row, or None where absent.

        Raises
        ------
        InputError : arrays of unequal width.
        """
        rows = [None if e is None else np.atleast_2d(np.asarray(e, np.float32)) for e in examples]
        width = next((r.shape[1] for r in rows if r is not None), 0)
        for i, r in enumerate(rows):
            if r is not None and r.shape[1] != width:
                raise InputError(f"example {i + 1} has {r.shape[1]} values a step, the first {width}", where=name)
        offsets = np.cumsum([0, *(0 if r is None else len(r) for r in rows)]).astype(np.int64)
        some = [r for r in rows if r is not None]
        return cls(name, np.concatenate(some) if some else np.zeros((0, width), np.float32), offsets, **told)

    @classmethod
    def table(cls, name: str, values: npt.NDArray[Any], **told: Any) -> Feature:
        """From ``(n, channels)``: one row an example; a row that is all NaN is an absent example."""
        values = np.asarray(values, np.float32)
        there = ~np.isnan(values).all(axis=1)
        offsets = np.concatenate([[0], np.cumsum(there)]).astype(np.int64)
        return cls(name, np.ascontiguousarray(values[there]), offsets, **told)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> npt.NDArray[np.float32]:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """``(n,)``: steps of each example, 0 where absent."""
        return np.diff(self.offsets)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """``(n,)``: which examples have this modality."""
        return self.lengths > 0

    @property
    def width(self) -> int:
        """Channels."""
        return int(self.values.shape[1])

    def take(self, rows: npt.NDArray[Any]) -> Feature:
        """Those examples, in that order."""
        rows = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, np.int64)
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # Position of each kept row: its example's start, plus its place in the example.
        at = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return replace(self, values=self.values[at], offsets=offsets)

    def pooled(self) -> npt.NDArray[np.float32]:
        """``(n, channels)``, or ``(n, 2 * channels)`` mean and standard deviation over time where any example has
        several steps; NaN where absent."""
        n, lengths = len(self), self.lengths
        if (lengths <= 1).all():
            out = np.full((n, self.width), np.nan, np.float32)
            out[lengths == 1] = self.values
            return out
        sums = np.zeros((n, self.width))
        squares = np.zeros((n, self.width))
        owner = np.repeat(np.arange(n), lengths)
        np.add.at(sums, owner, self.values)
        np.add.at(squares, owner, np.square(self.values, dtype=np.float64))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = sums / lengths[:, None]
            spread = np.sqrt(np.maximum(squares / lengths[:, None] - mean**2, 0))
        return np.concatenate([mean, spread], axis=1).astype(np.float32)

    def fingerprint(self) -> str:
        """SHA-256 of what it holds."""
        digest = hashlib.sha256(f"{self.name}|{self.source}|{self.values.shape}".encode())
        digest.update(np.ascontiguousarray(self.offsets).data)
        digest.update(np.ascontiguousarray(self.values).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Batch:
    """Some examples, padded: what a model is fed.

    ``values[m]`` ``(batch, time, channel)`` float32, zero where padded; ``masks[m]`` ``(batch, time)`` bool, True where
    valid; ``present`` ``(batch, modality)`` in the order of ``modalities``; ``rows`` ``(batch,)`` their places in
    the data set, ``clips`` their names.
    """

    modalities: tuple[str, ...]
    values: Mapping[str, npt.NDArray[np.float32]]
    masks: Mapping[str, npt.NDArray[np.bool_]]
    present: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.int64]
    clips: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Dataset:
    """An `Index` and its features by modality, rows in the same order."""

    index: Index
    features: Mapping[str, Feature]

    def __post_init__(self) -> None:
        for name, feature in self.features.items():
            if len(feature) != len(self.index):
                raise UsageError(f"feature {name} has {len(feature)} examples, the index {len(self.index)}")

    def __len__(self) -> int:
        return len(self.index)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in order."""
        return tuple(self.features)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """``(n, modality)``: which example has what."""
        return np.stack([f.present for f in self.features.values()], axis=1)

    def take(self, rows: npt.NDArray[Any]) -> Dataset:
        """Those examples, in that order."""
        return Dataset(self.index.take(rows), {m: f.take(rows) for m, f in self.features.items()})

    def only(self, modalities: Sequence[str]) -> Dataset:
        """The same examples with those modalities alone.

        Raises
        ------
        UsageError : a modality that is not there.
        """
        for m in modalities:
            if m not in self.features:
                known = ", ".join(self.features) or "none"
                raise UsageError(f"has no modality {m!r}", where=self.index.name, fix=f"It has: {known}.")
        return Dataset(self.index, {m: self.features[m] for m in modalities})

    def without(self, modalities: Sequence[str]) -> Dataset:
        """The same examples in which those modalities are absent; their width stays known."""
        gone = {
            m: replace(f, values=f.values[:0], offsets=np.zeros_like(f.offsets)) if m in modalities else f
            for m, f in self.features.items()
        }
        return Dataset(self.index, gone)

    def sealed(self) -> Dataset:
        """The same examples with sealed labels."""
        return Dataset(self.index.sealed(), self.features)

    def batch(self, rows: npt.NDArray[Any], *, longest: int | None = None) -> Batch:
        """Pad those examples to their longest; steps after ``longest`` are cut."""
        rows = np.asarray(rows, np.int64)
        values: dict[str, npt.NDArray[np.float32]] = {}
        masks: dict[str, npt.NDArray[np.bool_]] = {}
        for m, feature in self.features.items():
            lengths = feature.lengths[rows]
            if longest:
                lengths = np.minimum(lengths, longest)
            steps = max(1, int(lengths.max(initial=0)))
            padded = np.zeros((len(rows), steps, feature.width), np.float32)
            mask = np.arange(steps) < lengths[:, None]
            at = (feature.offsets[rows][:, None] + np.arange(steps))[mask]
            padded[mask] = feature.values[at]
            values[m], masks[m] = padded, mask
        clips = tuple(self.index["clip"][rows])
        return Batch(self.modalities, values, masks, self.present[rows], rows, clips)

    def fingerprint(self) -> str:
        """SHA-256 over the index's table and every feature."""
        digest = hashlib.sha256(self.index.to_csv().encode())
        for feature in self.features.values():
            digest.update(feature.fingerprint().encode())
        return digest.hexdigest()

    def check_finite(self) -> None:
        """Refuse values that are not numbers, for learners that cannot mask them.

        Raises
        ------
        InputError : naming the first clip, modality and field.
        """
        for m, feature in self.features.items():
            bad = ~np.isfinite(feature.values)
            if bad.any():
                at, column = np.argwhere(bad)[0]
                clip = self.index["clip"][np.searchsorted(feature.offsets, at, side="right") - 1]
                told = feature.fields[column] if feature.fields else f"column {column + 1}"
                raise InputError(
                    f"{int(bad.any(axis=1).sum())} rows of {m} hold values that are not finite, the first in {told}",
                    where=str(clip),
                    fix="Impute or drop them: learners of scikit-learn do it inside the fold.",
                )
