"""A data set's EEG as a network takes it: at its rate, on its channels, centred by window, scaled by the training part.

::

    windows (T, c) ─► the network's rate ─► its channels by name, 0 where one is lacking ─► minus the window's mean
                   ─► divided by the training part's deviation, channel by channel
    rows of features band_channel ─► mean over time ─► (C, bands) ─► z-scores of the training part
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.models.physioomni.channels import ALIASES, clean

__all__ = ["Layout", "Prepared", "fitted", "prepare"]

#: Deviations beyond which a value is cut: an electrode that pops must not rule a batch.
_LARGEST = 20.0
#: µV below which a channel of a window is flat, and so not there.
_FLAT = 1e-3


@dataclass(frozen=True)
class Layout:
    """What the training part looks like: ``channels``, ``bands`` (none for raw windows), ``steps`` at ``rate_hz``, and
    what values are centred and divided by, ``(C, bands or 1)``."""

    of: str
    channels: tuple[str, ...]
    bands: tuple[str, ...]
    steps: int
    rate_hz: float
    centre: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prepared:
    """``x (n, C, T)`` float32 and ``there (n, C)``; a channel that is flat or not all numbers is not there."""

    x: Tensor
    there: Tensor
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """``(n, 1)``: has any channel."""
        return np.asarray(self.there.any(dim=1, keepdim=True).numpy())

    def batch(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Those examples."""
        at = torch.from_numpy(np.asarray(rows, np.int64))
        return self.x[at], self.there[at]


def fitted(data: Dataset, of: str, rate_hz: float, wanted: Sequence[str], where: str) -> tuple[Layout, Prepared]:
    """The layout of a training part with its scales, and the part in it.

    Raises
    ------
    InputError : nothing there, channels without names or named twice, none of those wanted, no rate.
    """
    feature = data.features[of]
    if not feature.present.any():
        raise InputError(f"no example has {of}", where=where, fix="Check the split, or what was read.")
    names, bands = _named(feature, by_band=not rate_hz, where=where)
    channels = tuple(dict.fromkeys(_electrode(c) for c in names))
    if wanted:
        asked = [_electrode(c) for c in wanted]
        if lacking := [c for c, k in zip(wanted, asked, strict=True) if k not in channels]:
            raise InputError(f"has no channel {lacking[0]!r}", where=where, fix=f"It has: {', '.join(names)}.")
        channels = tuple(asked)
    if not rate_hz:
        plain = Layout(of, channels, bands, len(bands), 0.0, *_neutral(len(channels), len(bands)))
    else:
        if not feature.rate_hz:
            raise InputError(f"{of} has no rate", where=where, fix="Take raw windows from the reader.")
        longest = float(np.median(feature.lengths[feature.present])) / feature.rate_hz
        plain = Layout(of, channels, (), round(longest * rate_hz), rate_hz, *_neutral(len(channels), 1))
    x, there, lost = _arranged(data, plain, where)
    centre, scale = plain.centre.copy(), plain.scale.copy()
    for c in np.flatnonzero(there.any(axis=0)):
        rows = x[there[:, c], c].astype(np.float64)
        if bands:
            centre[c], scale[c] = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)
        else:
            # The median window: one person's artefacts should not set everybody's scale.
            scale[c] = max(float(np.median(rows.std(axis=1))), 1e-6)
    layout = replace(plain, centre=centre, scale=scale)
    return layout, _scaled(x, there, lost, layout)


def prepare(data: Dataset, layout: Layout, where: str) -> Prepared:
    """Any data set in that layout; channels that it lacks are 0, and examples without any are absent.

    Raises
    ------
    InputError : channels without names or named twice, no rate, or none of the layout's channels.
    """
    return _scaled(*_arranged(data, layout, where), layout)


def _arranged(data: Dataset, layout: Layout, where: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], int]:
    """``x (n, C, T)`` before scaling, ``there (n, C)``, and how many channels of windows were left out."""
    n, c, t = len(data), len(layout.channels), layout.steps
    feature = data.features.get(layout.of)
    x, there = np.zeros((n, c, t), np.float32), np.zeros((n, c), bool)
    if feature is None or not feature.width or not feature.present.any():
        return x, there, 0
    names, bands = _named(feature, by_band=bool(layout.bands), where=where)
    if set(bands) != set(layout.bands):
        raise InputError(f"its bands are {', '.join(bands)}, trained on {', '.join(layout.bands)}", where=where)
    have = [_electrode(name) for name in names]
    used = [k for k, name in enumerate(layout.channels) if name in have]
    if not used:
        raise InputError(f"{layout.of} has none of the channels that were learnt from", where=where,
                         fix=f"They are: {', '.join(layout.channels)}.")  # fmt: skip
    at = [have.index(layout.channels[k]) for k in used]
    order = [bands.index(b) for b in layout.bands]
    lost = 0
    for i in np.flatnonzero(feature.present).tolist():
        window = np.asarray(feature[i], np.float64)
        if bands:
            # One vector a window, as the network's paper has it: the mean over the window's steps.
            value = window.reshape(len(window), len(bands), len(names)).mean(axis=0)[order][:, at].T
            good = np.isfinite(value).all(axis=1)
        else:
            # What follows the layout's steps is cut before anything is counted: it is no part of the window.
            ratio = (feature.rate_hz or layout.rate_hz) / layout.rate_hz
            window = window[: math.ceil(layout.steps * ratio - 1e-6), at]
            window = window - window.mean(axis=0)
            good = np.isfinite(window).all(axis=0) & (np.ptp(window, axis=0) > _FLAT)
            told = _resampled(np.where(good, window, 0.0), feature.rate_hz, layout, where)
            if told is None:
                continue
            value = told.T
        lost += int((~good).sum())
        x[i, used] = np.where(good[:, None], value, 0.0)
        there[i, used] = good
    return x, there, lost


def _scaled(x: npt.NDArray[np.float32], there: npt.NDArray[np.bool_], lost: int, layout: Layout) -> Prepared:
    x -= layout.centre
    x /= layout.scale
    np.clip(x, -_LARGEST, _LARGEST, out=x)
    x[~there] = 0.0
    return Prepared(torch.from_numpy(x), torch.from_numpy(there), {layout.of: lost} if lost else {})


def _resampled(
    window: npt.NDArray[np.float64], rate_hz: float | None, layout: Layout, where: str
) -> npt.NDArray[np.float64] | None:
    """``(steps, c)`` at the layout's rate: the end cut or padded with 0; None below half of it."""
    from scipy.signal import resample_poly

    if not rate_hz:
        raise InputError(f"{layout.of} has no rate", where=where, fix="Take raw windows from the reader.")
    if rate_hz != layout.rate_hz:
        ratio = Fraction(layout.rate_hz / rate_hz).limit_denominator(1000)
        window = resample_poly(window, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    if len(window) < layout.steps / 2:
        return None
    out = np.zeros((layout.steps, window.shape[1]))
    some = window[: layout.steps]
    out[: len(some)] = some
    return out


def _neutral(channels: int, width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    return np.zeros((channels, width), np.float32), np.ones((channels, width), np.float32)


def _electrode(name: str) -> str:
    """The name by which channels are compared: case, reference and the older names of the 10-20 system do not count."""
    told = clean(name)
    return ALIASES.get(told, told)


def _named(feature: Feature, *, by_band: bool, where: str) -> tuple[list[str], tuple[str, ...]]:
    """Channel names, and bands where fields are ``band_channel`` (all channels of one band, then those of the next)."""
    if len(feature.fields) != feature.width:
        raise InputError(f"{feature.name} has {feature.width} channels without names", where=where,
                         fix="Name them: channels are told by name.")  # fmt: skip
    names: list[str] = list(feature.fields)
    bands: tuple[str, ...] = ()
    if by_band:
        parts = [f.partition("_") for f in feature.fields]
        bands = tuple(dict.fromkeys(p[0] for p in parts))
        names = list(dict.fromkeys(p[2] for p in parts))
        if [f"{b}_{c}" for b in bands for c in names] != list(feature.fields) or "" in names:
            raise InputError(f"{feature.name} holds no features by band and channel", where=where,
                             fix='Make them with use = "eeg-de" or "eeg-bands".')  # fmt: skip
    keys = [_electrode(name) for name in names]
    for i, key in enumerate(keys):
        if key in keys[:i]:
            twice = f"{feature.name}: {names[keys.index(key)]!r} and {names[i]!r} are one channel"
            raise InputError(twice, where=where, fix="Keep one of them.")  # fmt: skip
    return names, bands
