"""Arousal from the body, relative to a stretch of the same recording in which it was calm.

Heart rate and skin conductance tell how activated somebody is, not whether that is pleasant: valence is never told
from them. What is told is a difference from the baseline: 0 is as activated as then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray, Span, Timeline
from moodal.core.track import Field, Gap, Track, TrackSet, TrackSpec

from .grid import NO_REASON, Grid, reasons

__all__ = ["AROUSAL", "Baseline", "arousal"]

#: What the fusion reads; made here of whole tracks, never stored.
AROUSAL = TrackSpec(
    "body.arousal",
    (Field("arousal", "", -1, 1), Field("arousal_half_width", "", 0, 1)),
    1.0,
    "heart rate and skin conductance responses over a baseline, by hand-set scales",
)
#: Length of the calmest stretch, and what must be told of the body at least beside it, s.
_CALM_S, _LEAST_S = 60, 90
#: Share of the baseline that must be told.
_SHARE = 0.5
#: Responses count for so long after their onset, s.
_RESPONSE_S = 10.0


@dataclass(frozen=True)
class Baseline:
    """What the body is compared with: ``span`` and ``how`` it was chosen."""

    span: Span
    how: str


def arousal(
    tracks: Mapping[str, TrackSet],
    span: Span,
    scales: Mapping[str, float],
    *,
    given: Span | None = None,
    causal: bool = False,
) -> tuple[TrackSet | None, Baseline | None]:
    """The track `AROUSAL` of the body of one recording on whole seconds, and its baseline; ``None`` without a body.

    ``scales`` says how far over the baseline is far: ``hr`` 1/min, ``scr`` µS of responses in 10 s; and the half-widths
    ``both`` and ``one`` of two measures and of one alone. The baseline is ``given``, or the calmest minute (causal: the
    first minute that is told, and nothing before its end).
    """
    heart, skin, scr = (_only(tracks.get(f"body.{n}")) for n in ("heart", "eda", "scr"))
    if heart is None and skin is None:
        return None, None
    grid = Grid(1.0, span.end)
    rate, sweat = _rate(heart, grid), _responses(skin, scr, grid)
    told = np.isfinite(rate) | np.isfinite(sweat)
    base = _baseline(rate, sweat, told, scales, given, causal)
    values = np.full((grid.n, 2), np.nan)
    if base is not None:
        parts = np.stack([_over(rate, base.span, scales["hr"]), _over(sweat, base.span, scales["scr"])], axis=1)
        some = np.isfinite(parts)
        count = some.sum(axis=1)
        with np.errstate(invalid="ignore"):
            values[:, 0] = np.where(count > 0, np.where(some, parts, 0.0).sum(axis=1) / count, np.nan)
        values[:, 1] = np.where(count == 2, scales["both"], scales["one"])
        if causal:
            values[grid.times < base.span.end] = np.nan
    there = np.isfinite(values[:, 0])
    quality = np.where(there, 0.8, 0.0)
    gaps = _gaps(~there, told, [t for t in (heart, skin) if t is not None], grid, "warm_up" if base else "too_short")
    track = Track(
        AROUSAL,
        "body",
        grid.times[there],
        values[there].astype(np.float32),
        quality[there].astype(np.float32),
        gaps,
    )
    return TrackSet(AROUSAL, {"body": track}), base


def _only(tracks: TrackSet | None) -> Track | None:
    return None if tracks is None or not tracks.subjects else tracks[tracks.subjects[0]]


def _rate(heart: Track | None, grid: Grid) -> FloatArray:
    """Heart rate of each second, NaN where it is not told."""
    out = np.full(grid.n, np.nan)
    if heart is not None and len(heart):
        at = np.floor(heart.times + 1e-6).astype(int)
        here = (at >= 0) & (at < grid.n)
        out[at[here]] = heart["hr"][here]
    return out


def _responses(skin: Track | None, scr: Track | None, grid: Grid) -> FloatArray:
    """Amplitudes of the responses of the last 10 s, µS, at each second; NaN where skin conductance is not told."""
    if skin is None or not len(skin):
        return np.full(grid.n, np.nan)
    told = np.zeros(grid.n, bool)
    at = np.floor(skin.times + 1e-6).astype(int)
    told[at[(at >= 0) & (at < grid.n)]] = True
    total = np.zeros(grid.n + 1)
    if scr is not None and len(scr):
        first = np.clip(np.ceil(scr.times).astype(int), 0, grid.n)
        last = np.clip(np.ceil(scr.times + _RESPONSE_S).astype(int), 0, grid.n)
        np.add.at(total, first, scr["amplitude"])
        np.subtract.at(total, last, scr["amplitude"])
    return np.where(told, np.maximum(np.cumsum(total)[: grid.n], 0.0), np.nan)


def _over(x: FloatArray, base: Span, scale: float) -> FloatArray:
    """How far ``x (n,)`` is over its mean in the baseline, in (-1, 1); NaN where either is not told."""
    part = x[max(0, round(base.start)) : round(base.end)]
    some = np.isfinite(part)
    if some.sum() < max(10, _SHARE * len(part)):
        return np.full(len(x), np.nan)
    return np.asarray(np.tanh((x - part[some].mean()) / scale))


def _baseline(
    rate: FloatArray,
    sweat: FloatArray,
    told: npt.NDArray[np.bool_],
    scales: Mapping[str, float],
    given: Span | None,
    causal: bool,
) -> Baseline | None:
    if given is not None:
        return Baseline(given, "given")
    if causal:
        # No look at what comes: the first minute, as soon as it is over.
        first = int(np.flatnonzero(told)[0]) if told.any() else len(told)
        return Baseline(Span(first, first + _CALM_S), "first minute") if first + _CALM_S <= len(told) else None
    if told.sum() < _LEAST_S:
        return None
    n = len(rate)

    def mean(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        some = np.isfinite(x)
        total = np.concatenate([[0.0], np.cumsum(np.where(some, x, 0.0))])
        count = np.concatenate([[0.0], np.cumsum(some)])
        width = min(_CALM_S, n)
        counted = count[width:] - count[:-width]
        return (total[width:] - total[:-width]) / np.maximum(counted, 1), counted

    score, enough = np.zeros(n - min(_CALM_S, n) + 1), np.zeros(n - min(_CALM_S, n) + 1, bool)
    for x, scale in ((rate, scales["hr"]), (sweat, scales["scr"])):
        if not np.isfinite(x).any():
            continue
        value, counted = mean(x)
        usable = counted >= _SHARE * _CALM_S
        # A stretch in which one of the two is missing is not preferred for it.
        score += np.where(usable, value / scale, np.nanmax(x) / scale)
        enough |= usable
    if not enough.any():
        return None
    best = int(np.argmin(np.where(enough, score, np.inf)))
    return Baseline(Span(best, best + _CALM_S), "calmest minute")


def _gaps(
    missing: npt.NDArray[np.bool_], told: npt.NDArray[np.bool_], tracks: list[Track], grid: Grid, left: str
) -> tuple[Gap, ...]:
    """Why each missing second is: what the body's tracks say, and ``left`` where they tell."""
    names = (*dict.fromkeys(g.reason for t in tracks for g in t.gaps), left)
    why = np.full(grid.n, NO_REASON, np.int16)
    for track in tracks:
        found = reasons(track.gaps, grid, names)
        why = np.where((why == NO_REASON) & ~told, found, why)
    why = np.where(why == NO_REASON, names.index(left), why)
    return tuple(
        Gap(s.start, s.end, names[code])
        for code in np.unique(why[missing])
        for s in Timeline.from_mask(missing & (why == code), grid.edges)
    )
