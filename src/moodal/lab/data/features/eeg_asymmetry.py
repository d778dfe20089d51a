"""EEG windows: differences of entropy between the sides of the head, and between front and back, a row a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from moodal.dsp.eeg_entropy import asymmetries
from moodal.lab.data.cache import Cache
from moodal.lab.data.dataset import Dataset, Feature

from .eeg_de import entropies

__all__ = ["make"]


def make(
    data: Dataset, modality: str, cache: Cache, *, of: str = "eeg", kinds: Sequence[str] = ("dasm",),
    bands: str | Mapping[str, Sequence[float]] = "seed", step_s: float = 1.0, method: str = "spectral",
) -> Feature:  # fmt: skip
    """``dasm``, ``rasm``, ``asm`` or ``dcau`` of each band, named ``delta_dasm_Fp1_Fp2``. Pairs are found by name;
    without a partner an electrode makes none.

    Raises
    ------
    UsageError : a setting that is none, or no pair among the channels.
    """
    rows, steps, fields, source = entropies(data, of, bands, step_s, method, f"features.{modality}")
    channels = data.features[of].fields
    named = list(dict.fromkeys(f.split("_", 1)[0] for f in fields))
    told, pairs = asymmetries(rows.reshape(len(rows), len(named), -1), channels, kinds)
    return Feature(
        modality, np.ascontiguousarray(told.reshape(len(rows), -1), np.float32),
        np.concatenate([[0], np.cumsum(steps)]).astype(np.int64),
        fields=tuple(f"{b}_{p}" for b in named for p in pairs), rate_hz=1 / step_s,
        source=f"{source} {list(kinds)}",
    )  # fmt: skip
