"""A data set's raw signals as tokens: at the model's rates, units checked, flat channels left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.models.physioomni.channels import channel_rows
from moodal.lab.models.physioomni.specs import ModalitySpec, spec_named
from moodal.lab.models.physioomni.tokens import Patches, Tokens, collate, patches, resampled, thinned, usable_channels

__all__ = ["Prepared", "prepare"]

#: Examples that are resampled together.
_TOGETHER = 64


@dataclass(frozen=True)
class Prepared:
    """Every example's tokens, in memory; ``left_out`` counts channels that are flat, mis-scaled or not numbers, and
    ``channels`` is the share of them that a batch brings, drawn anew for each."""

    tokens: dict[str, Tokens]
    left_out: dict[str, int] = field(default_factory=dict)
    channels: float = 1.0

    def __len__(self) -> int:
        return len(next(iter(self.tokens.values())))

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """``(n, M)``."""
        return np.stack([t.present.numpy() for t in self.tokens.values()], axis=1)

    def batch(self, rows: npt.NDArray[np.int64]) -> dict[str, Tokens]:
        """Those examples; modalities that none of them has are left out."""
        at = torch.from_numpy(np.asarray(rows, np.int64))
        some = {m: taken for m, t in self.tokens.items() if bool((taken := t.take(at)).present.any())}
        return some if self.channels == 1 else {m: thinned(t, self.channels)[0] for m, t in some.items()}


def prepare(data: Dataset, modalities: Sequence[str], *, as_named: bool = False, force_units: bool = False) -> Prepared:
    """Tokens of those modalities; one that the data lack is absent throughout.

    Raises
    ------
    InputError : a modality without rate or channel names, an unknown channel or one named twice, a recording whose unit
        cannot be right.
    """
    tokens: dict[str, Tokens] = {}
    left_out: dict[str, int] = {}
    for m in modalities:
        spec = spec_named(m)
        feature = data.features.get(m)
        if feature is None or not feature.width or not feature.present.any():
            tokens[m] = collate([None] * len(data), spec)
            continue
        if not feature.rate_hz:
            raise InputError(f"{m} has no rate", where=data.index.name, fix="Take raw windows from the reader.")
        names = feature.fields or ((m,) if feature.width == 1 else ())
        if len(names) != feature.width:
            raise InputError(f"{m} has {feature.width} channels without names", where=data.index.name,
                             fix="Name them: places on the head are told by name.")  # fmt: skip
        rows = channel_rows(names, as_named=as_named, where=data.index.name)
        if not force_units:
            _checked_unit(feature, spec, data.index.name)
        examples, left_out[m] = _examples(feature, feature.rate_hz, rows, spec, check=not force_units)
        tokens[m] = collate(examples, spec)
    return Prepared(tokens, {m: k for m, k in left_out.items() if k})


def _examples(
    feature: Feature, rate_hz: float, rows: npt.NDArray[np.int64], spec: ModalitySpec, *, check: bool
) -> tuple[list[Patches | None], int]:
    out: list[Patches | None] = [None] * len(feature)
    lost = 0
    lengths = feature.lengths
    for length in np.unique(lengths[lengths > 0]).tolist():
        alike = np.flatnonzero(lengths == length)
        for start in range(0, len(alike), _TOGETHER):
            some = alike[start : start + _TOGETHER]
            # (steps, examples, channels): resampled in one call, whose filter is designed once.
            stack = np.stack([feature[i] for i in some.tolist()], axis=1).astype(np.float64)
            flat = stack.reshape(length, -1)
            good = np.asarray(usable_channels(flat, spec) if check else np.isfinite(flat).all(axis=0))
            lost += int((~good).sum())
            flat = np.where(good, flat, 0.0)
            if spec.spread is not None:
                # An electrode's offset tells nothing, and would be most of a spectrum: published signals start at
                # 0.1 Hz.
                flat = flat - flat.mean(axis=0)
            values = resampled(flat, rate_hz, spec).reshape(-1, *stack.shape[1:])
            for k, i in enumerate(some.tolist()):
                fine = good.reshape(stack.shape[1:])[k]
                out[i] = patches(values[:, k][:, fine], rows[fine], spec)
    return out, lost


def _checked_unit(feature: Feature, spec: ModalitySpec, where: str) -> None:
    """Refuse a modality whose typical deviation over all examples is not one of its unit."""
    if spec.spread is None:
        return
    low, high = spec.spread
    with np.errstate(invalid="ignore"):
        spreads = [
            np.nanmedian(np.std(feature[i], axis=0, dtype=np.float64)) for i in np.flatnonzero(feature.present).tolist()
        ]
    typical = float(np.nanmedian(spreads)) if spreads else np.nan
    # What does not move at all is no question of units: such channels are left out.
    if typical > 1e-9 and not low <= typical <= high:
        told = "in volts?" if typical < low else "in another unit?"
        raise InputError(
            f"{feature.name} deviates by {typical:.3g} {spec.unit} as a rule: {told}", where=where,
            fix=f"Give {spec.unit} (volts times 1e6), or set force_units = true if it is right.",
        )  # fmt: skip
