"""The 88 functionals of eGeMAPS v02 over the low-level descriptors of a stretch of speech."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .egemaps import DESCRIPTORS, LEVEL

__all__ = ["FUNCTIONALS", "functionals"]

_RATE_HZ = 100.0
_F0 = 10
#: Voiced contours and the spectral ones that are taken over voiced frames, by column.
_QUALITY = tuple(range(11, 25))
_SPECTRAL = (1, 2, 3, 4, 5, 6, 7, 8, 9)
_UNVOICED = (1, 2, 3, 4, 5)
#: openSMILE writes this level for the formants of unvoiced frames and takes it into their mean.
_AMPLITUDES, _NO_AMPLITUDE = (18, 21, 24), -201.0
_CONTOUR = (
    "amean",
    "stddevNorm",
    "percentile20.0",
    "percentile50.0",
    "percentile80.0",
    "pctlrange0-2",
    "meanRisingSlope",
    "stddevRisingSlope",
    "meanFallingSlope",
    "stddevFallingSlope",
)


def _split(name: str, mark: str) -> str:
    """``alphaRatio_sma3`` → ``alphaRatioV_sma3nz``; the mark stands before a slope's range."""
    stem = name.removesuffix("_sma3")
    return f"{stem[:5]}{mark}{stem[5:]}_sma3nz" if stem.startswith("slope") else f"{stem}{mark}_sma3nz"


def _names() -> tuple[str, ...]:
    column = [name for name, _, _ in DESCRIPTORS]
    names = [f"{column[_F0]}_{f}" for f in _CONTOUR]
    names += [f"loudness_sma3_{f}" for f in _CONTOUR]
    names += [f"{column[j]}_{f}" for j in (5, 6, 7, 8, 9) for f in ("amean", "stddevNorm")]
    names += [f"{column[j]}_{f}" for j in _QUALITY for f in ("amean", "stddevNorm")]
    names += [f"{_split(column[j], 'V')}_{f}" for j in _SPECTRAL for f in ("amean", "stddevNorm")]
    names += [f"{_split(column[j], 'UV')}_amean" for j in _UNVOICED]
    names += ["loudnessPeaksPerSec", "VoicedSegmentsPerSec", "MeanVoicedSegmentLengthSec"]
    names += ["StddevVoicedSegmentLengthSec", "MeanUnvoicedSegmentLength", "StddevUnvoicedSegmentLength"]
    return (*names, "equivalentSoundLevel_dBp")


#: openSMILE's 88 names in its order.
FUNCTIONALS: tuple[str, ...] = _names()


def functionals(contours: FloatArray) -> FloatArray:
    """The 88 functionals ``(88,)`` of descriptors ``(n, 25)`` at 100 Hz, in the order of `FUNCTIONALS`.

    With a 26th column (level in dBFS) the equivalent sound level is told too. What the contours do
    not tell (no voiced frame, too few peaks) is NaN, never 0. Rows are consecutive frames; a row
    that is all NaN lies in a gap: it is left out, and ends a voiced stretch. The six functionals of
    formant amplitudes follow openSMILE in counting an unvoiced frame as -201 dB.
    """
    told = np.isfinite(contours[:, 0])
    x = np.asarray(contours, float)
    voiced = told & np.isfinite(x[:, _F0])
    unvoiced = told & ~voiced
    loudness = x[told, 0]
    out = [*_contour(x[voiced, _F0]), *_contour(loudness)]
    for j in (5, 6, 7, 8, 9):
        out += _moments(x[told, j])
    for j in _QUALITY + _SPECTRAL:
        absent = np.full(unvoiced.sum() if j in _AMPLITUDES else 0, _NO_AMPLITUDE)
        out += _moments(np.concatenate([x[voiced, j], absent]))
    out += [_moments(x[unvoiced, j])[0] for j in _UNVOICED]
    seconds = max(told.sum() / _RATE_HZ, 1e-9)
    out.append(float(_extremes(loudness)[1].sum()) / seconds if len(loudness) > 2 else np.nan)
    runs, pauses = _runs(voiced, told), _runs(unvoiced, told)
    out.append(len(runs) / seconds if told.any() else np.nan)
    for lengths in (runs, pauses):
        some = len(lengths) > 0
        out += [lengths.mean() / _RATE_HZ, lengths.std() / _RATE_HZ] if some else [np.nan, np.nan]
    level = 10 ** (x[told, LEVEL] / 10) if x.shape[1] > LEVEL else np.empty(0)
    out.append(10 * np.log10(level.mean()) if len(level) else np.nan)
    return np.array(out)


def _moments(values: FloatArray) -> list[float]:
    """Mean, and standard deviation over the mean (so it bears the mean's sign, as in openSMILE)."""
    values = values[np.isfinite(values)]
    if not len(values):
        return [np.nan, np.nan]
    mean = float(values.mean())
    return [mean, float(values.std() / mean) if mean else np.nan]


def _contour(values: FloatArray) -> list[float]:
    """The ten functionals of pitch and loudness."""
    if not len(values):
        return [np.nan] * 10
    low, middle, high = np.percentile(values, [20, 50, 80])
    return [*_moments(values), float(low), float(middle), float(high), float(high - low), *_slopes(values)]


def _extremes(values: FloatArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Where a contour has its maxima and minima, by turns, and which of them are maxima.

    A turn counts where it lies a tenth of the contour's range from the turn before it (the first:
    from the contour's start); of several of one kind the most extreme is kept.
    """
    rise = np.diff(values)
    top = (rise[:-1] > 0) & (rise[1:] <= 0)
    bottom = (rise[:-1] < 0) & (rise[1:] >= 0)
    turns = np.flatnonzero(top | bottom) + 1
    if not len(turns):
        return turns, np.zeros(0, bool)
    threshold = 0.1 * float(values.max() - values.min())
    kept: list[int] = []
    kinds: list[bool] = []
    for i, high, value in zip(turns.tolist(), top[turns - 1].tolist(), values[turns].tolist(), strict=True):
        before = float(values[kept[-1] if kept else 0])
        if kept and kinds[-1] == high:
            if (value > before) == high and value != before:
                kept[-1] = i
        elif abs(value - before) >= threshold:
            kept.append(i)
            kinds.append(high)
    return np.array(kept, np.intp), np.array(kinds, bool)


def _slopes(values: FloatArray) -> list[float]:
    """Mean and standard deviation of rising, then of falling slopes between extremes, in units per second.

    The contour's start and end count as extremes. openSMILE 2.6 enters the stretch after the last
    extreme into the mean with the sign that it has, even where it falls, and leaves it out of the
    deviation's sum; so do these numbers.
    """
    at, top = _extremes(values)
    if not len(at):
        return [np.nan] * 4
    points = np.concatenate([[0], at, [len(values) - 1]])
    slopes = np.diff(values[points]) / np.maximum(np.diff(points), 1) * _RATE_HZ
    out: list[float] = []
    for up in (True, False):
        part = slopes[:-1][top == up] * (1 if up else -1)
        tail = slopes[-1:] if top[-1] != up else slopes[:0]
        count = len(part) + len(tail)
        if not count:
            out += [np.nan, np.nan]
            continue
        mean = float(part.sum() + tail.sum()) / count
        out += [mean, float(np.sqrt(((part - mean) ** 2).sum() / count))]
    return out


def _runs(mask: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> FloatArray:
    """Lengths of the runs of true cells, as openSMILE counts them: from the first frame to the last.

    A single cell that is false but known does not end a run; runs under 30 ms are none.
    """
    hole = np.zeros(len(mask), bool)
    hole[1:-1] = mask[:-2] & mask[2:] & ~mask[1:-1] & known[1:-1]
    edge = np.flatnonzero(np.diff(np.concatenate([[0], (mask | hole).astype(np.int8), [0]])))
    lengths = np.asarray(edge[1::2] - edge[::2], float)
    return lengths[lengths >= 3] - 1
