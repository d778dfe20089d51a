"""EEG windows: how each pair of channels goes together in each band, one row an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from moodal.core.errors import UsageError
from moodal.dsp.eeg_connect import connectivity
from moodal.dsp.eeg_entropy import band_set
from moodal.lab.data.cache import Cache
from moodal.lab.data.dataset import Dataset, Feature

__all__ = ["make"]


def make(
    data: Dataset, modality: str, cache: Cache, *, of: str = "eeg", measure: str = "coherence",
    bands: str | Mapping[str, Sequence[float]] = "seed", segment_s: float = 1.0,
) -> Feature:  # fmt: skip
    """``measure`` (``coherence``, ``imaginary``, ``plv``, ``envelope``) of every pair, named ``alpha_Fp1_Fp2``. An
    example of fewer than three half-overlapping segments is absent; a pair with a flat channel is NaN.

    Raises
    ------
    UsageError : a setting that is none; the reader brings no raw signal of that name, or no rate.
    """
    raw = data.only([of]).features[of]
    where = f"features.{modality}"
    if not raw.rate_hz:
        raise UsageError(f"{of} has no rate", where=where, fix="Take raw windows from the reader.")
    if raw.width < 2:
        raise UsageError(f"{of} has one channel, and pairs are told", where=where)
    named = band_set(bands, raw.rate_hz, where)
    upper = np.triu_indices(raw.width, 1)
    least = 2 * segment_s * raw.rate_hz
    examples = [
        connectivity(raw[i].astype(np.float64), raw.rate_hz, named, measure, segment_s)[:, upper[0], upper[1]].ravel()
        if len(raw[i]) >= least
        else None
        for i in range(len(raw))
    ]
    channels = raw.fields or tuple(f"{of}{c + 1}" for c in range(raw.width))
    fields = tuple(f"{b}_{channels[i]}_{channels[j]}" for b in named for i, j in zip(*upper, strict=True))
    return Feature.build(modality, examples, fields=fields, source=f"{raw.source} {measure} {named} {segment_s:g} s")
