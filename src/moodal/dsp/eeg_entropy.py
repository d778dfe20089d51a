"""Differential entropy of EEG in bands, and how it differs between the sides and between front and back.

Duan, Zhu and Lu 2013 (IEEE EMBS Neural Engineering, 81-84) and Zheng and Lu 2015 (IEEE Trans. Autonomous Mental
Development 7(3)): a band-passed EEG is close to normal, so its entropy is ``0.5 ln(2 pi e variance)``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import UsageError

from .eeg import BANDS, position
from .iir import Bank, butterworth

__all__ = ["BAND_SETS", "METHODS", "asymmetries", "band_set", "entropy", "filtered_variances", "front_back_pairs",
           "side_pairs", "spectral_variances"]  # fmt: skip

#: Named sets of bands, Hz, half-open: as the SEED pages cut them, and the classical ones.
BAND_SETS: dict[str, dict[str, tuple[float, float]]] = {
    "seed": {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 50)},
    "classical": dict(BANDS),
}
#: How variance in a band is taken: from each window's spectrum, or from the stream through a bank of filters.
METHODS = ("spectral", "filter")
#: Order of the bank's band-pass filters: poles at each edge.
_ORDER = 4
#: Samples and columns that the bank takes at a time: what the fast part of the memory holds.
_BLOCK, _COLUMNS = 32, 512
#: Samples of the longest window whose spectrum is a product of matrices.
_LONGEST = 1024
#: Entropies nearer to 0 than this are no divisor, nats.
_LEAST_DIVISOR = 0.1


def band_set(bands: str | Mapping[str, Sequence[float]], rate_hz: float, where: str = "bands") -> dict[
    str, tuple[float, float]
]:  # fmt: skip
    """Bands by name: a name of `BAND_SETS`, or a table of ``[low, high]`` in Hz.

    Raises
    ------
    UsageError : no such set; a band that is none, or that is not below half the rate.
    """
    if isinstance(bands, str):
        if bands not in BAND_SETS:
            raise UsageError(f"unknown set of bands {bands!r}", where=where, fix=f"Known: {', '.join(BAND_SETS)}.")
        bands = BAND_SETS[bands]
    out = {}
    for name, edges in bands.items():
        if len(edges) != 2 or not 0 <= float(edges[0]) < float(edges[1]):
            raise UsageError(f"{name} is {list(edges)}", where=where, fix="Give each band as [low, high] in Hz.")
        low, high = float(edges[0]), float(edges[1])
        if high > rate_hz / 2:
            raise UsageError(f"{name} ends at {high:g} Hz, but {rate_hz:g} Hz hold nothing above {rate_hz / 2:g}",
                             where=where, fix="Leave the band out, or end it lower.")  # fmt: skip
        out[name] = (low, high)
    if not out:
        raise UsageError("no band is named", where=where, fix=f"Known sets: {', '.join(BAND_SETS)}.")
    return out


@lru_cache(maxsize=32)
def _transform(n: int, rate_hz: float, bands: tuple[tuple[float, float], ...]) -> tuple[FloatArray, list[int]]:
    """Rows ``(2 bins, n)`` that give the cosine and sine parts of a window's spectrum in the bands, without its mean,
    under a Hann window, scaled so that their squares sum to variance; and where each band begins (bins may be in
    several bands, and are then there several times)."""
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    taper = np.hanning(n + 1)[:n]
    scale = np.sqrt(2 / (n * np.square(taper).sum()))
    parts: list[FloatArray] = []
    begins: list[int] = []
    for low, high in bands:
        bins = np.flatnonzero((f >= low) & (f < high) & (f > 0))
        if not len(bins):
            raise UsageError(f"a window of {n / rate_hz:g} s has no line between {low:g} and {high:g} Hz",
                             fix=f"Take windows of at least {1 / (high - low):.3g} s.")  # fmt: skip
        begins.append(sum(len(p) for p in parts))
        angle = 2 * np.pi * np.outer(bins, np.arange(n)) / n
        rows = np.stack([np.cos(angle), np.sin(angle)], axis=1).reshape(-1, n) * taper * scale
        parts.append(rows - rows.mean(axis=1, keepdims=True))
    return np.concatenate(parts), begins


def spectral_variances(x: npt.NDArray[np.floating], rate_hz: float, bands: Mapping[str, tuple[float, float]],
                       step_s: float = 1.0) -> npt.NDArray[np.floating]:  # fmt: skip
    """Variance of ``x (..., n, channels)`` in each band, the square of x's unit, on whole windows of ``step_s`` one
    after another: ``(..., windows, bands, channels)``.

    A window's mean is taken off, a Hann window laid over it and the lines of its spectrum from ``low`` up to, not
    including, ``high`` are summed. All windows and channels of all recordings are one product of matrices; float32
    stays float32.

    Raises
    ------
    UsageError : a window too short for a band.
    """
    w = round(step_s * rate_hz)
    steps = x.shape[-2] // w
    windows = x[..., : steps * w, :].reshape(*x.shape[:-2], steps, w, x.shape[-1])
    if w > _LONGEST:
        return _by_lines(windows, rate_hz, bands)
    rows, begins = _transform(w, rate_hz, tuple(bands.values()))
    lines = np.matmul(rows.astype(x.dtype), windows)
    np.square(lines, out=lines)
    return np.asarray(np.add.reduceat(lines, begins, axis=-2))


def _by_lines(
    windows: npt.NDArray[np.floating], rate_hz: float, bands: Mapping[str, tuple[float, float]]
) -> npt.NDArray[np.floating]:
    """The same by a fast Fourier transform, which is sooner there where windows are long."""
    w = windows.shape[-2]
    taper = np.hanning(w + 1)[:w, None]
    spectrum = np.fft.rfft((windows - windows.mean(axis=-2, keepdims=True)) * taper, axis=-2)
    power = (np.square(spectrum.real) + np.square(spectrum.imag)) * (2 / (w * np.square(taper).sum()))
    f = np.fft.rfftfreq(w, 1 / rate_hz)
    told = [power[..., (f >= low) & (f < high) & (f > 0), :].sum(axis=-2) for low, high in bands.values()]
    return np.stack(told, axis=-2).astype(windows.dtype)


def filtered_variances(x: npt.NDArray[np.floating], rate_hz: float, bands: Mapping[str, tuple[float, float]],
                       step_s: float = 1.0) -> npt.NDArray[np.floating]:  # fmt: skip
    """As `spectral_variances`, but of the stream ``x (n, columns)`` through a causal Butterworth band-pass a band, run
    once over the whole stream (never restarted within it): ``(windows, bands, columns)``. A window's variance depends
    on samples up to its end alone. float32 stays float32.
    """
    w = round(step_s * rate_hz)
    steps = len(x) // w
    filters = [butterworth(_ORDER, rate_hz, low, high) for low, high in bands.values()]
    out = np.empty((steps, len(bands), x.shape[1]), x.dtype)
    for first in range(0, x.shape[1], _COLUMNS):
        some = slice(first, first + _COLUMNS)
        bank = Bank(filters)
        for i in range(steps):
            total, squares = np.zeros((2, len(bands), out[0, :, some].shape[1]), x.dtype)
            for a in range(i * w, (i + 1) * w, _BLOCK):
                y = bank.push(x[a : min(a + _BLOCK, (i + 1) * w), some])
                total += y.sum(axis=1)
                squares += np.einsum("bnc,bnc->bc", y, y)
            out[i, :, some] = np.maximum(squares / w - np.square(total / w), 0)
    return out


def entropy(variance: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Differential entropy in nats of a normal signal of that variance, ``0.5 ln(2 pi e variance)``; NaN where the
    variance is 0 or not finite (a flat channel has no entropy)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        told = 0.5 * np.log(2 * np.pi * np.e * variance)
    return np.where(np.isfinite(told), told, np.nan).astype(np.asarray(variance).dtype)


_NAME = re.compile(r"([A-Za-z]+?)(\d+)")


def side_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (left, right) of electrodes among ``names``, however they are spelt there: 27 of SEED's 62. An electrode
    without its partner makes none."""
    there = _placed(names)
    pairs = []
    for place, name in there.items():
        found = _NAME.fullmatch(place)
        if found and int(found[2]) % 2 and (other := f"{found[1]}{int(found[2]) + 1}") in there:
            pairs.append((name, there[other]))
    return pairs


#: What stands behind the rows of the front.
_BEHIND = {"Fp": "O", "AF": "PO", "F": "P", "FT": "TP", "FC": "CP"}


def front_back_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (front, back) among ``names``: 23 of SEED's 62, where CB1 and CB2 stand behind AF3 and AF4."""
    there = _placed(names)
    pairs = []
    for place, name in there.items():
        found = re.fullmatch(r"([A-Za-z]+?)(z|\d+)", place)
        if not found or found[1] not in _BEHIND:
            continue
        behind = f"{_BEHIND[found[1]]}{found[2]}"
        cerebellar = {"AF3": "CB1", "AF4": "CB2"}.get(place, "")
        if (other := there.get(cerebellar) or there.get(behind)) is not None:
            pairs.append((name, other))
    return pairs


def _placed(names: Sequence[str]) -> dict[str, str]:
    return {place: n for n in names if (place := position(n)) is not None}


def asymmetries(de: npt.NDArray[np.floating], names: Sequence[str], kinds: Sequence[str] = ("dasm",)) -> tuple[
    npt.NDArray[np.floating], list[str]
]:  # fmt: skip
    """Differences of entropies ``de (..., channels)`` between electrodes: ``(..., fields)`` and ``dasm_Fp1_Fp2`` …

    ``dasm``: left minus right. ``rasm``: left over right, NaN where the right one is within 0.1 nats of 0. ``asm``:
    both. ``dcau``: front minus back. Pairs are found by name, and those that lack a partner are left out.

    Raises
    ------
    UsageError : no such kind, or no pair among the electrodes.
    """
    at = {n: k for k, n in enumerate(names)}
    columns, fields = [], []
    wanted: list[str] = []
    for kind in kinds:
        wanted += ["dasm", "rasm"] if kind == "asm" else [kind]
    for kind in wanted:
        if kind not in ("dasm", "rasm", "dcau"):
            raise UsageError(f"unknown asymmetry {kind!r}", fix="Known: dasm, rasm, asm, dcau.")
        for one, other in front_back_pairs(names) if kind == "dcau" else side_pairs(names):
            a, b = de[..., at[one]], de[..., at[other]]
            if kind == "rasm":
                columns.append(np.divide(a, b, out=np.full(a.shape, np.nan, a.dtype), where=np.abs(b) > _LEAST_DIVISOR))
            else:
                columns.append(a - b)
            fields.append(f"{kind}_{one}_{other}")
    if not columns:
        raise UsageError(
            f"no pair of electrodes among {', '.join(names)}", fix="Name the channels by the 10-20 system."
        )
    return np.stack(columns, axis=-1), fields
