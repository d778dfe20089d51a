"""A data set's raw signals as waves: at the model's rates, units checked, unusable channels left out, scaled.

Streams whose level tells nothing (EEG, pulse) lose each window's mean and are divided by a typical deviation; of the
others (skin conductance, temperature) a typical level is taken away and they are divided by how far levels differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.models.physioomni.channels import channel_rows
from moodal.lab.models.physioomni.tokens import resampled
from moodal.lab.models.physiosync.network import Form
from moodal.lab.models.physiosync.specs import ALIASES, Stream, stream_named
from moodal.lab.models.physiosync.waves import Waves

__all__ = ["Prepared", "Scales", "prepare", "streams_of"]

Array = npt.NDArray[Any]
#: Stream → channel → typical level, and what is divided by.
Scales = dict[str, dict[str, list[float]]]
#: Windows of the past that count as much as the window itself; seconds of a session's start; largest value.
_SHORT_PAST, _START_S, _MOST = 4.0, 30.0, 12.0
_LEAST = 1e-9


@dataclass(frozen=True)
class Prepared:
    """Every example's waves, in memory; ``left_out`` counts channels of examples that could not be used."""

    waves: dict[str, Waves]
    scales: Scales
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """``(n, M)``."""
        return np.stack([w.present.numpy() for w in self.waves.values()], axis=1)

    @property
    def channels(self) -> dict[str, int]:
        """How many each stream has."""
        return {m: w.x.shape[1] for m, w in self.waves.items()}

    def batch(self, rows: npt.NDArray[np.int64]) -> dict[str, Waves]:
        """Those examples; streams that none of them has are left out."""
        at = torch.from_numpy(np.asarray(rows, np.int64))
        return {m: taken for m, w in self.waves.items() if bool((taken := w.take(at)).present.any())}


def streams_of(data: Dataset, pps: str) -> tuple[str, ...]:
    """The features that are used, EEG first.

    Raises
    ------
    UsageError : one that is no stream, or a ``pps`` that is none.
    InputError : nothing is left.
    """
    given = [m for m, f in data.features.items() if f.width]
    for m in given:
        stream_named(m)
    if pps != "all":
        told = [] if pps == "none" else [stream_named(m).name for m in pps.split("+")]
        given = [m for m in given if ALIASES.get(m, m) in ("eeg", *told)]
    if not given:
        raise InputError(f"has no stream that pps = {pps!r} allows", where=data.index.name, fix="Give it EEG, or say "
                         "which other streams to use.")  # fmt: skip
    return tuple(sorted(given, key=lambda m: m != "eeg"))


def prepare(
    data: Dataset, streams: Sequence[str], form: Form, norm: str, *, scales: Scales | None = None,
    force_units: bool = False,
) -> Prepared:  # fmt: skip
    """Waves of those streams; one that the data lack is absent throughout. ``scales`` are those of the training part,
    or fitted on these data where None.

    Raises
    ------
    InputError : a stream without rate or channel names, an unknown channel, a unit that cannot be right.
    """
    waves: dict[str, Waves] = {}
    fitted: Scales = {} if scales is None else dict(scales)
    left_out: dict[str, int] = {}
    for k, m in enumerate(streams):
        stream = stream_named(m)
        levels = [form.patches(m, level, k == 0) for level in form.windows.levels]
        patches = max(*levels, form.windows.pieces * form.patches(m, "short")) if form.windows.short else max(levels)
        patch = form.patch(m)
        feature = data.features.get(m)
        if feature is None or not feature.width or not feature.present.any():
            gone = torch.zeros(len(data), 1, patches, dtype=torch.bool)
            waves[m] = Waves(torch.zeros(len(data), 1, patches, patch), torch.zeros(len(data), 1).long(), gone)
            continue
        if not feature.rate_hz:
            raise InputError(f"{m} has no rate", where=data.index.name, fix="Take raw windows from the reader.")
        names = feature.fields or ((m,) if feature.width == 1 else ())
        if len(names) != feature.width:
            raise InputError(f"{m} has {feature.width} channels without names", where=data.index.name,
                             fix="Name them: places on the head are told by name.")  # fmt: skip
        rows = channel_rows(names, where=data.index.name)
        x, there = _stacked(feature, form.rate(m), patch, patches)
        usable: Array = _usable(x, there, stream, data.index.name, force_units=force_units)
        left_out[m] = int((_any(there)[:, None] & ~usable).sum())
        if form.context_s and k and form.context_s > form.windows.longest:
            x, there = _with_context(x, there, data)
        valid = usable[:, :, None] & there.reshape(len(x), patches, patch).min(axis=2)[:, None]
        x, told = _scaled(x, there, usable, names, stream, data, norm, fitted.get(m))
        fitted.setdefault(m, told)
        shaped = x.transpose(0, 2, 1).reshape(len(x), len(names), patches, patch)
        channel = torch.from_numpy(rows).expand(len(x), -1)
        waves[m] = Waves(torch.from_numpy(np.ascontiguousarray(shaped, np.float32)), channel, torch.from_numpy(valid))
    return Prepared(waves, fitted, {m: n for m, n in left_out.items() if n})


def _stacked(feature: Feature, to_hz: float, patch: int, patches: int) -> tuple[Array, Array]:
    """The last samples of every example at the model's rate, ``(n, patches · patch, C)`` float32 and which are there
    ``(n, samples)``; what begins amid a patch is left out."""
    size = patch * patches
    x = np.zeros((len(feature), size, feature.width), np.float32)
    there = np.zeros((len(feature), size), bool)
    for length in np.unique(feature.lengths[feature.present]).tolist():
        rows = np.flatnonzero(feature.lengths == length)
        for part in np.array_split(rows, max(1, len(rows) * length * feature.width // 4_000_000)):
            values = feature.values[feature.offsets[part][:, None] + np.arange(length)]
            # Examples side by side as channels: one filter pass for all.
            flat = values.transpose(1, 0, 2).reshape(length, -1)
            if not np.isfinite(flat).all():
                flat = np.where(np.isfinite(flat).all(axis=0), flat, np.nan)
            told = resampled(flat, float(feature.rate_hz or 0), _To(to_hz))  # type: ignore[arg-type]
            keep = min(len(told) // patch * patch, size)
            if keep:
                shaped = told[len(told) - keep :].reshape(keep, len(part), -1).transpose(1, 0, 2)
                x[part, size - keep :], there[part, size - keep :] = shaped, True
    return x, there


@dataclass(frozen=True)
class _To:
    rate_hz: float


def _usable(x: Array, there: Array, stream: Stream, where: str, *, force_units: bool) -> npt.NDArray[np.bool_]:
    """``(n, C)``: channels of examples that are numbers and neither flat nor in another unit."""
    finite: Array = np.asarray(np.isfinite(x).all(axis=1))
    if stream.level or force_units:
        return np.asarray(finite & _any(there)[:, None])
    with np.errstate(invalid="ignore"):
        deviation = np.sqrt(np.maximum(_moments(np.where(finite[:, None], x, 0.0), there)[1], 0.0))
    moving: Array = np.asarray(finite & (deviation > _LEAST))
    if stream.spread is None:
        return np.asarray(moving)
    low, high = stream.spread
    typical = float(np.median(deviation[moving])) if moving.any() else low
    if not low <= typical <= high:
        told = "in volts?" if typical < low else "in another unit?"
        raise InputError(
            f"{stream.name} deviates by {typical:.3g} {stream.unit} as a rule: {told}", where=where,
            fix=f"Give {stream.unit} (volts times 1e6), or set force_units = true if it is right.",
        )  # fmt: skip
    return np.asarray(moving & (deviation >= low) & (deviation <= 4 * high))


def _any(there: Array) -> Array:
    return np.asarray(there.any(axis=1))


def _moments(x: Array, there: Array) -> tuple[Array, Array]:
    """Mean and variance over what is there of ``(n, samples, C)``: ``(n, C)`` each; 0 where nothing is."""
    count = np.maximum(there.sum(axis=1), 1)[:, None]
    mean = np.einsum("nsc,ns->nc", x, there, dtype=np.float64) / count
    square = np.einsum("nsc,nsc,ns->nc", x, x, there, dtype=np.float64, optimize=True) / count
    return mean, square - mean**2


def _with_context(x: Array, there: Array, data: Dataset) -> tuple[Array, Array]:
    """Samples before each example from the one that ends where it begins, in the same trial, as far as there are."""
    start, end = data.index["start_s"], data.index["end_s"]
    by_end = {(r, t, round(e, 3)): i for i, (r, t, e) in enumerate(
        zip(data.index["recording"], data.index["trial"], end, strict=True))}  # fmt: skip
    filled, known = x.copy(), there.copy()
    for i in np.argsort(start, kind="stable").tolist():
        before = by_end.get((data.index["recording"][i], data.index["trial"][i], round(start[i], 3)))
        if before is None or before == i or not there[i].any():
            continue
        own = int(there[i].sum())
        room = x.shape[1] - own
        # What stands before it has its own past already: examples are taken in time.
        filled[i, :room], known[i, :room] = filled[before, own:], known[before, own:]
    return filled, known


def _scaled(
    x: Array, there: Array, usable: Array, names: Sequence[str], stream: Stream, data: Dataset, norm: str,
    known: dict[str, list[float]] | None,
) -> tuple[Array, dict[str, list[float]]]:  # fmt: skip
    """Scaled samples (0 where there are none), and the scales of each channel."""
    x = np.where(usable[:, None] & there[:, :, None], x, np.float32(0))
    if norm == "per_timepoint":
        count = np.maximum(usable.sum(axis=1), 1)[:, None, None]
        mean = x.sum(axis=2, keepdims=True) / count
        off = np.where(usable[:, None], x - mean, 0.0)
        return off / np.maximum(np.sqrt((off**2).sum(axis=2, keepdims=True) / count), _LEAST), {}
    mean, variance = _moments(x, there)
    spread = np.log(np.sqrt(np.maximum(variance, _LEAST**2)))
    told = known if known is not None else _fitted(mean, spread, usable, names, stream, data)
    middle = np.median(np.array(list(told.values())), axis=0).tolist()
    centre, scale = np.array([told.get(n, middle) for n in names]).T
    level, loud = np.broadcast_to(centre, mean.shape), np.broadcast_to(np.log(scale), mean.shape)
    if norm == "window":
        level, loud = mean, spread
    elif norm in ("session_start", "session_past"):
        level, loud = _reference(mean, usable, data, norm), _reference(spread, usable, data, norm)
    if stream.level:
        divide = np.broadcast_to(scale, mean.shape)
    else:
        level, divide = mean, np.exp(loud)
    out = (x - level[:, None]) / np.maximum(divide, _LEAST)[:, None]
    return np.where(usable[:, None] & there[:, :, None], np.clip(out, -_MOST, _MOST), 0.0), told


def _fitted(
    mean: Array, spread: Array, usable: Array, names: Sequence[str], stream: Stream, data: Dataset
) -> dict[str, list[float]]:
    """Median level and deviation of each channel. Where levels tell, the deviation is that of levels within a person
    (what differs between people is no measure of what happens to one)."""
    out = {}
    subject = data.index["subject"]
    for c, name in enumerate(names):
        rows = usable[:, c]
        if not rows.any():
            continue
        scale = float(np.exp(np.median(spread[rows, c])))
        if stream.level:
            people = [mean[rows & (subject == s), c] for s in sorted(set(subject[rows]))]
            within = [float(np.std(p)) for p in people if len(p) > 2]
            scale = float(np.median(within)) if within else scale
        out[name] = [float(np.median(mean[rows, c])), max(scale, 1e-6)]
    return out or {n: [0.0, 1.0] for n in names}


def _reference(values: Array, usable: Array, data: Dataset, norm: str) -> Array:
    """What each example is compared with, ``(n, C)``: the mean of the examples of its session that end before it
    begins, or of those that begin in its first 30 s; drawn to the example itself while the past is short."""
    start, end = data.index["start_s"], data.index["end_s"]
    out = values.copy()
    sittings: dict[tuple[str, str, str], list[int]] = {}
    for i, sitting in enumerate(
        zip(data.index["subject"], data.index["session"], data.index["recording"], strict=True)
    ):
        if np.isfinite(start[i]) and np.isfinite(end[i]):
            sittings.setdefault(sitting, []).append(i)
    for members in sittings.values():
        rows = np.array(members)[np.argsort(start[members], kind="stable")]
        shown = usable[rows]
        if norm == "session_start":
            first = start[rows] < start[rows[0]] + _START_S
            count = shown[first].sum(axis=0)
            mean = np.where(shown[first], values[rows[first]], 0.0).sum(axis=0) / np.maximum(count, 1)
            out[rows] = np.where(count > 0, mean, values[rows])
            continue
        order = np.argsort(end[rows], kind="stable")
        before = np.searchsorted(end[rows][order], start[rows] + 1e-6, side="right")
        total = np.cumsum(np.where(shown, values[rows], 0.0)[order], axis=0)
        seen = np.cumsum(shown[order], axis=0)
        at = np.maximum(before - 1, 0)
        count = np.where(before[:, None] > 0, seen[at], 0)
        past = np.where(before[:, None] > 0, total[at], 0.0) / np.maximum(count, 1)
        weight = count / (count + _SHORT_PAST)
        out[rows] = weight * past + (1 - weight) * values[rows]
    return out
