"""EEG: where electrodes sit, what one of them would have seen, and how power and covariance lie in bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from moodal.core.clock import FloatArray

from .eeg_places import PLACES, POSITIONS, plane, position

__all__ = ["BANDS", "POSITIONS", "band_powers", "cross_spectra", "interpolation", "position", "referenced", "stand_ins"]

#: Classical bands, Hz, half-open (IFCN glossary, Kane et al. 2017; gamma up to below mains).
BANDS: dict[str, tuple[float, float]] = {
    "delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0),
}  # fmt: skip
#: How steeply an electrode's weight falls with distance where it stands in for one that is not there.
_STEEPNESS, _NEIGHBOURS = 2.0, 4


def interpolation(names: Sequence[str | None]) -> FloatArray:
    """Weights ``(19, k)`` that give every one of `POSITIONS` from ``k`` channels at the positions ``names``.

    One that is there is itself; one that is not is the mean of its four nearest, weighted by inverse squared distance
    (Shepard 1968). A channel of no position (None) has no weight.
    """
    weights = np.zeros((len(POSITIONS), len(names)))
    placed = [k for k, n in enumerate(names) if n in PLACES]
    if not placed:
        return weights
    at = np.array([plane(str(names[k])) for k in placed])
    for row, (name, place) in enumerate(POSITIONS.items()):
        if name in names:
            weights[row, list(names).index(name)] = 1.0
            continue
        distance = np.sqrt(np.square(at - np.array(place)).sum(axis=1))
        near = np.argsort(distance, kind="stable")[:_NEIGHBOURS]
        share = 1.0 / np.maximum(distance[near], 1e-3) ** _STEEPNESS
        weights[row, [placed[k] for k in near]] = share / share.sum()
    return weights


def stand_ins(names: Sequence[str | None], farthest: float = 0.45) -> list[str | None]:
    """Where each channel is shown among `POSITIONS`: its own position, or for one between them (AF7, TP9) the nearest
    that has no electrode, within ``farthest`` (the head's radius is 1); None where there is none.

    >>> stand_ins(["TP9", "AF7", "AF8", "TP10"]), stand_ins(["Fp1", "AF7", None])
    (['P7', 'F7', 'F8', 'P8'], ['Fp1', 'F7', None])
    """
    shown: list[str | None] = [n if n in POSITIONS else None for n in names]
    free = {n: at for n, at in POSITIONS.items() if n not in names}
    between = [(k, np.array(plane(str(n)))) for k, n in enumerate(names) if n in PLACES and n not in POSITIONS]
    # Of two that are as near, the first in the alphabet: F7 for AF7, P7 for TP9.
    near = sorted(
        (round(float(np.hypot(*(np.array(there) - at))), 2), k, n) for k, at in between for n, there in free.items()
    )
    for distance, k, n in near:
        if distance <= farthest and shown[k] is None and n in free:
            shown[k] = n
            del free[n]
    return shown


def referenced(x: FloatArray) -> FloatArray:
    """``x (n, channels)`` against the mean of its channels, so that the reference it was recorded with counts no
    more."""
    return np.asarray(x - x.mean(axis=1, keepdims=True))


def cross_spectra(
    x: FloatArray, rate_hz: float, bands: Mapping[str, tuple[float, float]] = BANDS, segment_s: float = 2.0
) -> FloatArray:
    """Real part of the cross-spectrum of ``x (n, channels)`` summed over each band: ``(bands, channels, channels)``.

    In the square of x's unit; the diagonal is band power. Welch's method (1967, IEEE Trans. Audio
    Electroacoust. 15(2)): half-overlapping segments of ``segment_s``, each without its mean, Hann window. Summed over
    a band this is the covariance of the band-passed signals.
    """
    n = min(len(x), round(segment_s * rate_hz))
    window = np.hanning(n)[:, None]
    starts = range(0, len(x) - n + 1, max(1, n // 2))
    rows = np.stack([np.fft.rfft((x[i : i + n] - x[i : i + n].mean(axis=0)) * window, axis=0) for i in starts])
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    scale = 2 / (len(rows) * n * np.square(window).sum())
    out = np.empty((len(bands), x.shape[1], x.shape[1]))
    for k, (low, high) in enumerate(bands.values()):
        part = rows[:, (f >= low) & (f < high)].reshape(-1, x.shape[1])
        out[k] = scale * (part.real.T @ part.real + part.imag.T @ part.imag)
    return out


def band_powers(
    x: FloatArray, rate_hz: float, bands: Mapping[str, tuple[float, float]] = BANDS, segment_s: float = 2.0
) -> FloatArray:
    """Power of each channel of ``x (n, channels)`` in each band, the square of x's unit: ``(bands, channels)``; the
    diagonal of `cross_spectra`."""
    n = min(len(x), round(segment_s * rate_hz))
    window = np.hanning(n)[:, None]
    starts = range(0, len(x) - n + 1, max(1, n // 2))
    rows = np.stack([np.fft.rfft((x[i : i + n] - x[i : i + n].mean(axis=0)) * window, axis=0) for i in starts])
    density = (np.square(rows.real) + np.square(rows.imag)).sum(axis=0) * 2 / (len(rows) * n * np.square(window).sum())
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    return np.stack([density[(f >= low) & (f < high)].sum(axis=0) for low, high in bands.values()])
