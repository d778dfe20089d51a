"""EEG windows: power of each channel in the classical bands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from moodal.core.errors import UsageError
from moodal.lab.data.cache import Cache
from moodal.lab.data.dataset import Dataset, Feature

__all__ = ["BANDS", "make"]

#: Band edges in Hz, as EEG studies of emotion cut them (delta to gamma; Zheng and Lu 2015, up to what is recorded).
BANDS: dict[str, tuple[float, float]] = {
    "delta": (1, 4),
    "theta": (4, 8),
    "alpha": (8, 13),
    "beta": (13, 30),
    "gamma": (30, 45),
}


def make(
    data: Dataset,
    modality: str,
    cache: Cache,
    *,
    of: str = "eeg",
    bands: Mapping[str, list[float]] | None = None,
    relative: bool = False,
) -> Feature:
    """Natural log of band power (µV²) of each channel: one row a window, ``bands x channels`` values.

    Power is the mean of the periodogram (Hann window over the whole window) in the band; ``relative`` subtracts the
    log of the power from 1 to 45 Hz, so that a person's amplitude does not count. A flat channel is NaN.

    Raises
    ------
    UsageError : the reader brings no raw signal of that name, or no rate.
    """
    raw = data.only([of]).features[of]
    if not raw.rate_hz:
        raise UsageError(f"{of} has no rate", where=f"features.{modality}", fix="Take raw windows from the reader.")
    named = {k: (float(v[0]), float(v[1])) for k, v in (bands or BANDS).items()}
    examples: list[np.ndarray | None] = []
    for i in range(len(raw)):
        window = raw[i].astype(np.float64)
        if not len(window):
            examples.append(None)
            continue
        taper = np.hanning(len(window))[:, None]
        power = np.abs(np.fft.rfft((window - window.mean(axis=0)) * taper, axis=0)) ** 2
        power /= (taper**2).sum() * raw.rate_hz / 2
        hz = np.fft.rfftfreq(len(window), 1 / raw.rate_hz)
        with np.errstate(divide="ignore"):
            told = [np.log(power[(hz >= a) & (hz < b)].mean(axis=0)) for a, b in named.values()]
            if relative:
                whole = np.log(power[(hz >= 1) & (hz < 45)].mean(axis=0))
                told = [t - whole for t in told]
        values = np.concatenate(told)
        examples.append(np.where(np.isfinite(values), values, np.nan).astype(np.float32))
    channels = raw.fields or tuple(f"{of}{c + 1}" for c in range(raw.width))
    fields = tuple(f"{band}_{channel}" for band in named for channel in channels)
    return Feature.build(modality, examples, fields=fields, source=f"{raw.source} band power {named} {relative}")
