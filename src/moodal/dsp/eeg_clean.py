"""Cleaning EEG: mains, reference, channels that tell nothing, blinks. Nothing is taken out without being named."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import UsageError

from .eeg_places import PLACES, plane, position, reference
from .iir import butterworth, cascade, notch, zero_phase

__all__ = ["bad_channels", "blinks", "mains", "repaired", "rereferenced", "spherical_spline", "without_blinks"]

#: Deviation below which a channel is flat, µV; a value held at an end of the range for this share is saturation.
FLAT_UV, SATURATED_SHARE = 0.05, 0.02
#: Robust deviations from the other channels beyond which one is bad (PREP: Bigdely-Shamlo et al. 2015, Front.
#: Neuroinform. 9:16); least correlation with any other channel, the median over seconds.
FAR, LEAST_CORRELATION = 5.0, 0.4
#: Blinks: least height, µV; shortest and longest, s.
BLINK_UV, BLINK_S = 60.0, (0.05, 0.6)


def mains(rate_hz: float, mains_hz: float = 50.0, sharpness: float = 30.0) -> FloatArray:
    """Sections that take the mains and its harmonics below half the rate out (for `Filter` or `zero_phase`)."""
    several = np.arange(mains_hz, 0.98 * rate_hz / 2, mains_hz)
    if not len(several):
        raise UsageError(f"{mains_hz:g} Hz is not below half of {rate_hz:g} Hz", fix="Leave the notch out.")
    return cascade(*(notch(float(f), rate_hz, sharpness * f / mains_hz) for f in several))


def rereferenced(x: FloatArray, names: Sequence[str], to: str = "average", bad: Sequence[int] = ()) -> FloatArray:
    """``x (n, channels)`` against the ``average`` of the electrodes that are not ``bad``, the linked ``mastoids`` (or
    ears), a channel by its name, or, with ``none``, as it is.

    Raises
    ------
    UsageError : no such channel, or no mastoid among them.
    """
    if to == "none":
        return x
    if to == "average":
        kept = [k for k, n in enumerate(names) if k not in bad and position(n) is not None]
        kept = kept or [k for k in range(len(names)) if k not in bad]
    elif to == "mastoids":
        kept = [k for k, n in enumerate(names) if reference(n) is not None]
    else:
        wanted = position(to) or to
        kept = [k for k, n in enumerate(names) if n == to or position(n) == wanted][:1]
    if not kept:
        raise UsageError(f"no channel {to} among {', '.join(names)}", fix="Take average, none or a channel's name.")
    return np.asarray(x - x[:, kept].mean(axis=1, keepdims=True))


def _robust(x: FloatArray) -> FloatArray:
    """Deviations from the median in units of a normal's deviation."""
    middle = np.median(x)
    scale = 1.4826 * np.median(np.abs(x - middle))
    return np.asarray((x - middle) / max(float(scale), 1e-9))


def bad_channels(x: FloatArray, rate_hz: float) -> dict[int, str]:
    """Channels of ``x (n, channels)`` µV that tell nothing, and why: ``not_finite``, ``flat``, ``saturated``,
    ``deviating`` (far larger or smaller than the others), ``noisy`` (far more above 25 Hz for its size) or
    ``uncorrelated`` (like no other channel). The last three compare, and need at least four others that are good.
    """
    told: dict[int, str] = {}
    finite = np.isfinite(x)
    for k in range(x.shape[1]):
        own = x[finite[:, k], k]
        if len(own) < 0.8 * len(x):
            told[k] = "not_finite"
        elif own.std() < FLAT_UV:
            told[k] = "flat"
        elif max((own == own.max()).mean(), (own == own.min()).mean()) > SATURATED_SHARE:
            told[k] = "saturated"
    rest = [k for k in range(x.shape[1]) if k not in told]
    if len(rest) < 5 or len(x) < 2 * rate_hz:
        return told
    y = np.where(finite[:, rest], x[:, rest], 0.0)
    y = zero_phase(y, butterworth(2, rate_hz, 1.0))
    size = 0.7413 * np.subtract(*np.percentile(y, [75, 25], axis=0))
    # Far larger counts by size, as in PREP; a small size is near none, and only its logarithm tells how small.
    far = (_robust(size) > FAR) | (_robust(np.log(np.maximum(size, 1e-9))) < -FAR)
    for k in np.flatnonzero(far).tolist():
        told[rest[k]] = "deviating"
    if rate_hz > 60:
        high = zero_phase(y, butterworth(2, rate_hz, 25.0)).std(axis=0) / np.maximum(size, 1e-9)
        for k in np.flatnonzero(_robust(np.log(np.maximum(high, 1e-9))) > FAR).tolist():
            told.setdefault(rest[k], "noisy")
    w = round(rate_hz)
    seconds = y[: len(y) // w * w].reshape(-1, w, len(rest))
    seconds = seconds - seconds.mean(axis=1, keepdims=True)
    seconds /= np.maximum(np.sqrt(np.square(seconds).sum(axis=1, keepdims=True)), 1e-12)
    r = np.abs(np.swapaxes(seconds, 1, 2) @ seconds)
    r[:, np.arange(len(rest)), np.arange(len(rest))] = 0
    for k in np.flatnonzero(np.median(r.max(axis=2), axis=0) < LEAST_CORRELATION).tolist():
        told.setdefault(rest[k], "uncorrelated")
    return dict(sorted(told.items()))


@lru_cache(maxsize=8)
def _legendre(order: int, terms: int) -> FloatArray:
    n = np.arange(1, terms + 1)
    return np.concatenate([[0.0], (2 * n + 1) / (n**order * (n + 1.0) ** order * 4 * np.pi)])


def spherical_spline(have: FloatArray, want: FloatArray, order: int = 4, terms: int = 50) -> FloatArray:
    """Weights ``(want, have)`` that give what an electrode at ``want (k, 3)`` would have seen from those at ``have
    (m, 3)``, unit vectors: spherical splines (Perrin et al. 1989, Electroencephalogr. Clin. Neurophysiol. 72(2),
    184-187, equations 1 to 3), ridge of 1e-5."""
    c = _legendre(order, terms)
    near = np.polynomial.legendre.legval(np.clip(have @ have.T, -1, 1), c) + 1e-5 * np.eye(len(have))
    far = np.polynomial.legendre.legval(np.clip(want @ have.T, -1, 1), c)
    m = len(have)
    whole = np.block([[near, np.ones((m, 1))], [np.ones((1, m)), np.zeros((1, 1))]])
    solved = np.linalg.pinv(whole)
    return np.asarray(np.concatenate([far, np.ones((len(want), 1))], axis=1) @ solved[:, :m])


def repaired(x: FloatArray, names: Sequence[str], bad: Sequence[int], how: str = "spherical") -> FloatArray:
    """``x (n, channels)`` with its ``bad`` channels told from the good ones: by spherical splines, or with ``shepard``
    by the four nearest, weighted by inverse squared distance. A bad channel that is no known electrode is NaN.

    Raises
    ------
    UsageError : fewer than four good electrodes are known.
    """
    placed = [position(n) for n in names]
    have = [k for k, p in enumerate(placed) if p is not None and k not in bad]
    want = [k for k in bad if placed[k] is not None]
    if want and len(have) < 4:
        raise UsageError(f"only {len(have)} good electrodes are known, four are needed to repair others",
                         fix="Name the channels by the 10-20 system, or leave the bad ones out.")  # fmt: skip
    out = np.array(x, np.float64)
    out[:, list(bad)] = np.nan
    if not want:
        return out
    if how == "spherical":
        weights = spherical_spline(
            np.array([PLACES[str(placed[k])] for k in have]), np.array([PLACES[str(placed[k])] for k in want])
        )
    else:
        at = np.array([plane(str(placed[k])) for k in have])
        weights = np.zeros((len(want), len(have)))
        for row, k in enumerate(want):
            distance = np.hypot(*(at - np.array(plane(str(placed[k])))).T)
            near = np.argsort(distance, kind="stable")[:4]
            share = 1 / np.maximum(distance[near], 1e-3) ** 2
            weights[row, near] = share / share.sum()
    out[:, want] = x[:, have] @ weights.T
    return out


def blinks(eog: FloatArray, rate_hz: float, least_uv: float = BLINK_UV) -> npt.NDArray[np.int64]:
    """Blinks in a frontal or EOG channel ``eog (n,)`` µV: ``(k, 2)`` first sample and the one after the last.

    A blink rises by more than ``least_uv`` and five robust deviations over the level around it (median of the whole)
    and is between 50 and 600 ms long at half that; both signs, since the channel may be turned over.
    """
    x = np.where(np.isfinite(eog), eog, 0.0)
    if len(x) < rate_hz / 2:
        return np.zeros((0, 2), np.int64)
    x = x - np.median(x)
    spread = 1.4826 * np.median(np.abs(x))
    height = max(least_uv, 5 * float(spread))
    over = np.abs(x) > height / 2
    edges = np.flatnonzero(np.diff(np.concatenate([[0], over.astype(np.int8), [0]])))
    spans = edges.reshape(-1, 2)
    kept = [
        (a, b) for a, b in spans.tolist()
        if BLINK_S[0] <= (b - a) / rate_hz <= BLINK_S[1] and np.abs(x[a:b]).max() > height
    ]  # fmt: skip
    return np.array(kept, np.int64).reshape(-1, 2)


def without_blinks(x: FloatArray, eog: FloatArray, rate_hz: float) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """``x (n, channels)`` without what blinks in ``eog (n,)`` bring into it, and the blinks ``(k, 2)`` samples.

    After Gratton, Coles and Donchin 1983 (Electroencephalogr. Clin. Neurophysiol. 55(4), 468-484): in the blinks, with
    0.15 s before and after, every channel is regressed on the EOG, each without its mean over the blink; that share of
    the EOG's deviation from the line between its ends is taken off, so that no step is left. Outside the blinks nothing
    changes. A channel that is itself the EOG becomes that line.
    """
    found = blinks(eog, rate_hz)
    out = np.array(x, np.float64)
    if not len(found):
        return out, found
    more = round(0.15 * rate_hz)
    spans: list[tuple[int, int]] = []
    for a, b in found.tolist():
        low, high = max(a - more, 0), min(b + more, len(x))
        if spans and low <= spans[-1][1]:
            spans[-1] = (spans[-1][0], high)
        else:
            spans.append((low, high))

    def bent(y: FloatArray, a: int, b: int) -> FloatArray:
        share = np.linspace(0, 1, b - a).reshape(-1, *[1] * (y.ndim - 1))
        return np.asarray(y[a:b] - (1 - share) * y[a] - share * y[b - 1])

    eye = np.asarray(eog, np.float64)
    # Two samples at the ends would bring their noise into the share: it is told by all of them.
    d = np.concatenate([eye[a:b] - eye[a:b].mean() for a, b in spans])
    told = np.concatenate([out[a:b] - out[a:b].mean(axis=0) for a, b in spans])
    gain = d @ told / max(float(d @ d), 1e-12)
    for a, b in spans:
        out[a:b] -= bent(eye, a, b)[:, None] * gain
    return out, found
