"""EEG windows: Hjorth's activity, mobility and complexity of each channel, a row a step."""

from __future__ import annotations

import numpy as np

from moodal.core.errors import UsageError
from moodal.dsp.eeg_connect import hjorth
from moodal.lab.data.cache import Cache
from moodal.lab.data.dataset import Dataset, Feature

__all__ = ["make"]


def make(data: Dataset, modality: str, cache: Cache, *, of: str = "eeg", step_s: float = 1.0) -> Feature:
    """``activity_Fp1`` (natural log of µV²), ``mobility_Fp1`` (1/s), ``complexity_Fp1`` …; a flat channel is NaN, an
    example shorter than a step absent.

    Raises
    ------
    UsageError : the reader brings no raw signal of that name, or no rate.
    """
    raw = data.only([of]).features[of]
    if not raw.rate_hz:
        raise UsageError(f"{of} has no rate", where=f"features.{modality}", fix="Take raw windows from the reader.")
    w = max(3, round(step_s * raw.rate_hz))
    examples: list[np.ndarray | None] = []
    for i in range(len(raw)):
        steps = len(raw[i]) // w
        if not steps:
            examples.append(None)
            continue
        told = hjorth(raw[i][: steps * w].astype(np.float64).reshape(steps, w, -1), raw.rate_hz)
        told[:, 0] = np.log(told[:, 0])
        examples.append(told.reshape(steps, -1).astype(np.float32))
    channels = raw.fields or tuple(f"{of}{c + 1}" for c in range(raw.width))
    fields = tuple(f"{p}_{c}" for p in ("activity", "mobility", "complexity") for c in channels)
    return Feature.build(
        modality, examples, fields=fields, rate_hz=1 / step_s, source=f"{raw.source} hjorth {step_s:g}"
    )
