"""How EEG channels go together, and what one is like over time: spectra, connectivity, Hjorth's parameters.

Coherence and its imaginary part: Nolte et al. 2004, Clin. Neurophysiol. 115(10), 2292-2307 (volume conduction has no
delay, so it makes no imaginary part). Phase-locking value: Lachaux et al. 1999, Hum. Brain Mapp. 8(4), 194-208.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import UsageError

__all__ = ["MEASURES", "analytic", "connectivity", "hjorth", "welch"]

MEASURES = ("coherence", "imaginary", "plv", "envelope")


def _segments(x: FloatArray, rate_hz: float, segment_s: float) -> tuple[npt.NDArray[np.complex128], FloatArray, float]:
    """Spectra ``(segments, lines, channels)``, their frequencies, and the scale that makes squares densities."""
    n = min(len(x), round(segment_s * rate_hz))
    taper = np.hanning(n + 1)[:n]
    starts = range(0, len(x) - n + 1, max(1, n // 2))
    rows = np.stack([x[a : a + n] - x[a : a + n].mean(axis=0) for a in starts])
    spectra = np.fft.rfft(rows * taper[:, None], axis=1)
    return spectra, np.fft.rfftfreq(n, 1 / rate_hz), 1 / (rate_hz * float(np.square(taper).sum()))


def welch(x: FloatArray, rate_hz: float, segment_s: float | None = 2.0) -> tuple[FloatArray, FloatArray]:
    """Frequencies ``(lines,)`` Hz and one-sided densities ``(lines, channels)`` of ``x (n, channels)``, unit² / Hz.

    Welch 1967: half-overlapping Hann windows of ``segment_s``, each without its mean; ``None`` is the periodogram, one
    window over all.
    """
    spectra, f, scale = _segments(x, rate_hz, len(x) / rate_hz if segment_s is None else segment_s)
    power = scale * (np.square(spectra.real) + np.square(spectra.imag)).mean(axis=0)
    n = 2 * (len(f) - 1) if np.isclose(f[-1], rate_hz / 2) else 2 * len(f) - 1
    power[1 : (len(f) - 1 if n % 2 == 0 else len(f))] *= 2
    return f, power


def analytic(x: FloatArray, rate_hz: float, low_hz: float, high_hz: float) -> npt.NDArray[np.complex128]:
    """The analytic signal of ``x (n, channels)`` between two frequencies, complex: the spectrum's lines there alone."""
    spectrum = np.fft.fft(x - x.mean(axis=0), axis=0)
    f = np.fft.fftfreq(len(x), 1 / rate_hz)
    return np.asarray(np.fft.ifft(spectrum * (2.0 * ((f >= low_hz) & (f < high_hz)))[:, None], axis=0))


def connectivity(
    x: FloatArray, rate_hz: float, bands: Mapping[str, tuple[float, float]], measure: str = "coherence",
    segment_s: float = 1.0,
) -> FloatArray:  # fmt: skip
    """How the channels of ``x (n, channels)`` go together in each band: ``(bands, channels, channels)``.

    ``coherence``: magnitude of the coherency, 0 to 1; ``imaginary``: its imaginary part, -1 to 1 (positive: the row
    leads the column), both from half-overlapping segments of ``segment_s``, mean over the band's lines. ``plv``:
    length of the mean difference in phase, 0 to 1. ``envelope``: correlation of the band's amplitudes, -1 to 1. A flat
    channel is NaN. With few segments coherence is too high: about the root of one over their number by chance.

    Raises
    ------
    UsageError : no such measure, or a band without a line.
    """
    if measure not in MEASURES:
        raise UsageError(f"unknown measure {measure!r}", fix=f"Known: {', '.join(MEASURES)}.")
    k = x.shape[1]
    out = np.empty((len(bands), k, k))
    flat = x.std(axis=0) < 1e-9
    if measure in ("coherence", "imaginary"):
        spectra, f, _ = _segments(x, rate_hz, segment_s)
        for row, (name, (low, high)) in zip(out, bands.items(), strict=True):
            part = np.moveaxis(spectra[:, (f >= low) & (f < high)], 1, 0)
            if not len(part):
                raise UsageError(f"segments of {segment_s:g} s have no line in {name}", fix="Take longer segments.")
            cross = np.swapaxes(part, 1, 2) @ part.conj()
            power = np.real(np.diagonal(cross, axis1=1, axis2=2))
            coherency = cross / np.sqrt(np.maximum(power[:, :, None] * power[:, None, :], 1e-30))
            row[:] = (np.abs(coherency) if measure == "coherence" else coherency.imag).mean(axis=0)
    else:
        for row, (low, high) in zip(out, bands.values(), strict=True):
            z = analytic(x, rate_hz, low, high)
            if measure == "plv":
                unit = z / np.maximum(np.abs(z), 1e-30)
                row[:] = np.abs(unit.T @ unit.conj()) / len(x)
            else:
                size = np.abs(z) - np.abs(z).mean(axis=0)
                scale = np.sqrt(np.maximum(np.square(size).sum(axis=0), 1e-30))
                row[:] = size.T @ size / (scale[:, None] * scale)
    out[:, flat] = np.nan
    out[:, :, flat] = np.nan
    return out


def hjorth(x: FloatArray, rate_hz: float) -> FloatArray:
    """Activity (variance, the square of x's unit), mobility (1/s) and complexity of ``x (..., n, channels)``:
    ``(..., 3, channels)``; NaN where a channel is flat (Hjorth 1970, Electroencephalogr. Clin. Neurophysiol. 29(3),
    306-310)."""
    first = np.diff(x, axis=-2) * rate_hz
    second = np.diff(first, axis=-2) * rate_hz
    a, b, c = x.var(axis=-2), first.var(axis=-2), second.var(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        mobility = np.sqrt(b / a)
        told = np.stack([a, mobility, np.sqrt(c / b) / mobility], axis=-2)
    return np.where((a > 1e-12)[..., None, :] & np.isfinite(told), told, np.nan)
