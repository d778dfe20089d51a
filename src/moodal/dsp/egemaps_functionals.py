"""The 88 functionals of eGeMAPS v02 over the low-level descriptors of a stretch of speech."""

from __future__ import annotations

import numpy as np

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
    out.append(_peaks(loudness)[0].sum() / seconds if len(loudness) > 2 else np.nan)
    runs, pauses = _runs(voiced), _runs(unvoiced)
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
    slopes = _slopes(values)
    out = [*_moments(values), float(low), float(middle), float(high), float(high - low)]
    for part in (slopes[slopes > 0], -slopes[slopes < 0]):
        out += [float(part.mean()), float(part.std())] if len(part) else [np.nan, np.nan]
    return out


def _peaks(values: FloatArray) -> tuple[np.ndarray, np.ndarray]:
    """Where a contour has its maxima and minima: two masks ``(n,)``."""
    n = len(values)
    top, bottom = np.zeros(n, bool), np.zeros(n, bool)
    if n < 3:
        return top, bottom
    threshold = 0.1 * float(values.max() - values.min())
    rise = np.diff(values)
    top[1:-1] = (rise[:-1] > 0) & (rise[1:] <= 0)
    bottom[1:-1] = (rise[:-1] < 0) & (rise[1:] >= 0)
    extremes = np.flatnonzero(top | bottom)
    kept: list[int] = []
    for i in extremes.tolist():
        if kept and top[kept[-1]] == top[i]:
            if (values[i] > values[kept[-1]]) == top[i]:
                kept[-1] = i
        elif not kept or abs(values[i] - values[kept[-1]]) >= threshold:
            kept.append(i)
    mask = np.zeros(n, bool)
    mask[kept] = True
    return top & mask, bottom & mask


def _slopes(values: FloatArray) -> FloatArray:
    """Slopes between neighbouring extremes, in units per second (rising positive)."""
    top, bottom = _peaks(values)
    at = np.flatnonzero(top | bottom)
    return np.asarray(np.diff(values[at]) / np.diff(at) * _RATE_HZ)


def _runs(mask: np.ndarray) -> FloatArray:
    """Lengths in frames of the runs of true cells; runs under 30 ms are no segments."""
    edge = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    lengths = np.asarray(edge[1::2] - edge[::2], float)
    return lengths[lengths >= 3]
