"""EEG windows: differential entropy of each channel in bands, a row a step."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError
from moodal.dsp.eeg_entropy import METHODS, band_set, entropy, filtered_variances, spectral_variances
from moodal.dsp.smoothing import SMOOTHINGS, smoothed
from moodal.lab.data.cache import Cache
from moodal.lab.data.dataset import Dataset, Feature

__all__ = ["entropies", "make"]

#: Values that are filtered at a time: 256 MiB of float64.
_AT_A_TIME = 1 << 25


def make(
    data: Dataset,
    modality: str,
    cache: Cache,
    *,
    of: str = "eeg",
    bands: str | Mapping[str, Sequence[float]] = "seed",
    step_s: float = 1.0,
    method: str = "spectral",
    smooth: str = "none",
    smooth_s: float = 10.0,
    over: str = "example",
) -> Feature:
    """Differential entropy (nats, µV) of each channel in each band, a row a step of ``step_s``: ``bands x channels``
    values named ``delta_Fp1``. What is left of a step at the end is not told; a flat channel is NaN; an example shorter
    than a step is absent.

    ``bands``: ``seed``, ``classical`` or a table ``{name = [low, high]}``. ``method``: ``spectral`` (each window's own
    spectrum) or ``filter`` (a causal bank of filters once over the example). ``smooth``: ``none``, ``ema`` (time
    constant ``smooth_s``), ``lds-causal`` or ``lds-offline``. The last one looks into the future, is stamped so, and
    makes a row almost the mean of its series. ``over``: what is one series to the smoothing, an ``example``, or a
    ``trial`` whose windows are examples, as published features are made; then an example holds what others held.

    Raises
    ------
    UsageError : a setting that is none; the reader brings no raw signal of that name, or no rate.
    """
    where = f"features.{modality}"
    if smooth not in SMOOTHINGS:
        raise UsageError(f"smooth is {smooth!r}", where=where, fix=f"Known: {', '.join(SMOOTHINGS)}.")
    if over not in ("example", "trial"):
        raise UsageError(f"over is {over!r}", where=where, fix="Known: example, trial.")
    rows, steps, fields, source = entropies(data, of, bands, step_s, method, where)
    if smooth != "none":
        for at in _series(data, steps, over, where):
            rows[at] = smoothed(rows[at], smooth, smooth_s / step_s)
        source += f" {smooth} over {over}" + (f" {smooth_s:g} s" if smooth == "ema" else "")
    if smooth == "lds-offline":
        source += " NONCAUSAL"
        warnings.warn(
            f"{where}: lds-offline looks into the future, and its rows tell which trial they are from; it is no feature"
            ' for live use, and windows of one trial must not be split (smooth = "lds-causal" uses the past alone)',
            stacklevel=2,
        )
    offsets = np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)
    return Feature(modality, rows, offsets, fields=fields, rate_hz=1 / step_s, source=source)


def entropies(
    data: Dataset, of: str, bands: str | Mapping[str, Sequence[float]], step_s: float, method: str, where: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], tuple[str, ...], str]:
    """Rows of all examples ``(rows, bands * channels)``, how many each has, fields, and what it was made of.

    Examples of equal length are told together.
    """
    raw = data.only([of]).features[of]
    if not raw.rate_hz:
        raise UsageError(f"{of} has no rate", where=where, fix="Take raw windows from the reader.")
    if method not in METHODS:
        raise UsageError(f"method is {method!r}", where=where, fix=f"Known: {', '.join(METHODS)}.")
    named = band_set(bands, raw.rate_hz, where)
    w = round(step_s * raw.rate_hz)
    if w < 2:
        raise UsageError(f"a step of {step_s:g} s holds less than two samples at {raw.rate_hz:g} Hz", where=where)
    steps = raw.lengths // w
    width = len(named) * raw.width
    begins = np.concatenate([[0], np.cumsum(steps)])
    out = np.empty((int(begins[-1]), width), np.float32)
    for length in np.unique(raw.lengths[steps > 0]).tolist():
        same = np.flatnonzero(raw.lengths == length)
        some = max(1, _AT_A_TIME // (length * max(raw.width, 1)))
        for first in range(0, len(same), some):
            group = same[first : first + some]
            told = entropy(_variances(raw, group, length, named, step_s, method))
            at = begins[group][:, None] + np.arange(length // w)
            out[at] = told.reshape(len(group), length // w, width)
    channels = raw.fields or tuple(f"{of}{c + 1}" for c in range(raw.width))
    fields = tuple(f"{band}_{channel}" for band in named for channel in channels)
    return out, steps, fields, f"{raw.source} differential entropy {method} {named} {step_s:g} s"


def _variances(
    raw: Feature, group: npt.NDArray[np.int64], length: int, bands: Mapping[str, Any], step_s: float, method: str
) -> npt.NDArray[np.floating]:
    """``(examples, windows, bands, channels)`` of examples of equal length."""
    assert raw.rate_hz is not None
    if np.array_equal(group, np.arange(group[0], group[0] + len(group))) and (
        raw.offsets[group[-1] + 1] - raw.offsets[group[0]] == length * len(group)
    ):  # one after another: no copy
        x = raw.values[raw.offsets[group[0]] : raw.offsets[group[-1] + 1]].reshape(len(group), length, -1)
    else:
        x = np.stack([raw[i] for i in group.tolist()])
    with np.errstate(invalid="ignore"):
        if method == "spectral":
            return spectral_variances(x, raw.rate_hz, bands, step_s)
        told = filtered_variances(np.moveaxis(x, 0, 1).reshape(length, -1), raw.rate_hz, bands, step_s)
    return np.moveaxis(told.reshape(*told.shape[:2], len(group), -1), 2, 0)


def _series(data: Dataset, steps: npt.NDArray[np.int64], over: str, where: str) -> list[npt.NDArray[np.int64]]:
    """Places of the rows of each series, in time."""
    begins = np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)
    each = [np.arange(begins[i], begins[i + 1]) for i in range(len(steps))]
    if over == "example":
        return [at for at in each if len(at)]
    index = data.index
    if (lost := np.flatnonzero(index["trial"] == "")).size:
        raise UsageError(f"over is 'trial', and {index['clip'][lost[0]]} has no trial", where=where)
    keys: dict[tuple[str, ...], list[int]] = {}
    for i in range(len(index)):
        keys.setdefault(tuple(str(index[c][i]) for c in ("subject", "session", "trial")), []).append(i)
    starts = np.nan_to_num(index["start_s"])
    return [np.concatenate([each[i] for i in sorted(rows, key=lambda i: starts[i])]) for rows in keys.values()]
