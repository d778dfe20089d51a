"""Pitch by subharmonic summation, and the path through its candidates.

Hermes 1988 (J. Acoust. Soc. Am. 83(1)): spectral peaks are kept, smoothed, laid on an octave scale,
weighted like the ear, and summed over 15 harmonics, each compressed by 0.85. All steps after the
choice of peaks are linear, so they are one matrix here. The path is found by dynamic programming
with a bounded look-ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .sound import RATE_HZ, gaussian

__all__ = [
    "CANDIDATES",
    "FFT_SIZE",
    "FRAME",
    "MAX_HZ",
    "MIN_HZ",
    "VOICED",
    "Path",
    "magnitude_spectra",
    "pitch_candidates",
    "semitones",
]

#: Samples of a frame (60 ms) and of its transform.
FRAME, FFT_SIZE = 960, 1024
#: Range of the fundamental frequency, Hz, and number of candidates a frame.
MIN_HZ, MAX_HZ, CANDIDATES = 55.0, 1000.0, 6
#: Voicing probability above which a frame is voiced when nothing around it speaks against.
VOICED = 0.7

_BINS = FFT_SIZE // 2 + 1
_LOW_HZ = 25.0
_STEP = np.log2(RATE_HZ / 2 / _LOW_HZ) / (_BINS - 1)  # octaves between points
_POINTS = int(np.log2(1100 / _LOW_HZ) / _STEP) + 2  # points in which peaks are looked for
_HARMONICS, _COMPRESSION = 15, 0.85


def semitones(hz: FloatArray) -> FloatArray:
    """Frequency in semitones above 27.5 Hz (the lowest A of the piano)."""
    return np.asarray(12 * np.log2(hz / 27.5))


@cache
def _window() -> npt.NDArray[np.float32]:
    return gaussian(FRAME, 0.4)


def magnitude_spectra(block: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], FloatArray]:
    """Magnitude spectra ``(n, 513)`` of frames ``(n, 960)`` in a Gaussian window, and their levels ``(n,)`` (RMS)."""
    shaped = block * _window()
    level = np.sqrt(np.einsum("ij,ij->i", shaped, shaped) / FRAME)
    return np.abs(np.fft.rfft(shaped, FFT_SIZE)).astype(np.float32), level


@cache
def _summation() -> npt.NDArray[np.float32]:
    """Spectrum with peaks alone ``(513,)`` to the sums at `_POINTS` octave points and their mean: a matrix.

    Smoothing by (1, 2, 1)/4, a natural cubic spline onto the octave scale, the weight
    ``1/2 + atan(3 log2(f / 32 Hz)) / pi``, then the sum over harmonics.
    """
    smooth = np.eye(_BINS)
    inner = np.arange(1, _BINS - 1)
    smooth[inner, inner], smooth[inner, inner - 1], smooth[inner, inner + 1] = 0.5, 0.25, 0.25
    hz = _LOW_HZ * 2 ** (np.arange(_BINS) * _STEP)
    weight = 0.5 + np.arctan(3 * np.log2(hz / 32)) / np.pi
    scaled = weight[:, None] * (_spline(hz / (RATE_HZ / FFT_SIZE)) @ smooth)
    total = np.zeros((_BINS, _BINS))
    for harmonic in range(1, _HARMONICS + 1):
        shift = np.log2(harmonic) / _STEP
        whole, part = int(shift), shift - int(shift)
        gain = _COMPRESSION ** (harmonic - 1)
        total[: _BINS - whole] += gain * (1 - part) * scaled[whole:]
        total[: _BINS - whole - 1] += gain * part * scaled[whole + 1 :]
    return np.vstack([total[:_POINTS], total.mean(axis=0)]).T.astype(np.float32)


def _spline(at: FloatArray) -> FloatArray:
    """Natural cubic spline through unit-spaced samples ``(513,)``, evaluated at ``at``: a matrix."""
    n = _BINS
    second = np.zeros((n, n))
    inner = np.arange(1, n - 1)
    band = np.eye(n)
    band[inner, inner], band[inner, inner - 1], band[inner, inner + 1] = 4.0, 1.0, 1.0
    second[inner, inner - 1], second[inner, inner], second[inner, inner + 1] = 6.0, -12.0, 6.0
    curvature = np.linalg.solve(band, second)
    left = np.minimum(at.astype(int), n - 2)
    b = (at - left)[:, None]
    a = 1 - b
    unit = np.eye(n)
    bend = (a**3 - a) * curvature[left] + (b**3 - b) * curvature[left + 1]
    return np.asarray(a * unit[left] + b * unit[left + 1] + bend / 6)


def pitch_candidates(magnitude: npt.NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
    """Candidate frequencies in Hz and their voicing probabilities, each ``(n, 6)``, NaN and 0 where fewer.

    ``magnitude (n, 513)`` as from `magnitude_spectra`. The probability is ``1 - mean / peak`` of the
    summed spectrum: 0 for a flat one. Candidates are the six highest peaks, best first; those outside
    `MIN_HZ` to `MAX_HZ` are dropped.
    """
    peak = np.zeros(magnitude.shape, bool)
    rising = magnitude[:, 1:] > magnitude[:, :-1]
    falling = magnitude[:, 1:] < magnitude[:, :-1]
    peak[:, 1:-1] = rising[:, :-1] & falling[:, 1:]
    keep = peak.copy()
    for reach in (1, 2):
        keep[:, reach:] |= peak[:, :-reach]
        keep[:, :-reach] |= peak[:, reach:]
    summed = (magnitude * keep) @ _summation()
    points, mean = summed[:, :_POINTS], summed[:, _POINTS]
    middle = points[:, 1:-1]
    top = (middle > points[:, :-2]) & (middle >= points[:, 2:])
    score = np.where(top, middle, -1.0)
    best = np.argpartition(-score, CANDIDATES, axis=1)[:, :CANDIDATES]
    found = np.take_along_axis(score, best, 1) > 0
    low = np.take_along_axis(points, best, 1)
    here = np.take_along_axis(points, best + 1, 1)
    high = np.take_along_axis(points, best + 2, 1)
    bend = low - 2 * here + high
    offset = np.where(found, 0.5 * (low - high) / np.where(bend < 0, bend, -1.0), 0.0)
    value = here - 0.25 * (low - high) * offset
    hz = _LOW_HZ * 2 ** ((best + 1 + offset) * _STEP)
    probability = np.clip(1 - mean[:, None] / np.maximum(value, 1e-12), 0, 1)
    usable = found & (hz >= MIN_HZ) & (hz <= MAX_HZ)
    hz, probability = np.where(usable, hz, np.nan), np.where(usable, probability, 0.0)
    order = np.argsort(-probability, axis=1, kind="stable")
    return np.take_along_axis(hz, order, 1), np.take_along_axis(probability, order, 1)


@dataclass(frozen=True)
class Costs:
    """Weights of the path: per octave jumped, per change of voicing, and for a frame against the threshold.

    A stretch of up to ``2 change / against`` frames (two) is not worth two changes: it is taken for
    what lies around it, as openSMILE's path does. ``rank`` and ``score`` hold the path to the best
    candidate: per place, and per unit of probability.
    """

    jump: float = 1.3
    change: float = 1.0
    against: float = 0.8
    rank: float = 0.5
    score: float = 6.0


class Path:
    """The cheapest path through candidates and "unvoiced", decided ``delay`` frames behind the newest.

    Each frame is pushed once; what is decided never changes. State 0 is unvoiced.
    """

    def __init__(self, delay: int, costs: Costs | None = None) -> None:
        self.delay = delay
        self.costs = costs or Costs()
        self._cost = np.zeros(1 + CANDIDATES)
        self._octave = np.full(1 + CANDIDATES, np.nan)
        self._back: list[npt.NDArray[np.intp]] = []
        self._hz: list[FloatArray] = []
        self._probability: list[FloatArray] = []

    def push(self, hz: FloatArray, probability: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Take frames (each array ``(n, 6)``); give those decided: pitch in Hz (NaN: unvoiced) and probability."""
        self._forward(hz, probability)
        return self._decide(max(len(self._back) - self.delay, 0))

    def close(self) -> tuple[FloatArray, FloatArray]:
        """Decide all that is left and start afresh."""
        rest = self._decide(len(self._back))
        self.__init__(self.delay, self.costs)  # type: ignore[misc]
        return rest

    def _forward(self, hz: FloatArray, probability: FloatArray) -> None:
        c = self.costs
        n = len(hz)
        octave = np.column_stack([np.zeros(n), np.log2(np.where(np.isfinite(hz), hz, np.nan))])
        local = np.empty((n, 1 + CANDIDATES))
        best = probability.max(axis=1, initial=0.0)
        local[:, 0] = c.against * (best >= VOICED)
        local[:, 1:] = c.against * (probability < VOICED) + c.score * (best[:, None] - probability)
        local[:, 1:] += c.rank * np.arange(CANDIDATES)
        local[~np.isfinite(octave)] = np.inf
        before = np.vstack([self._octave, octave[:-1]]) if n else octave
        jump = np.abs(octave[:, None, :] - before[:, :, None]) * c.jump
        jump[:, 0, 1:] = jump[:, 1:, 0] = c.change
        jump[:, 0, 0] = 0.0
        jump[~np.isfinite(jump)] = np.inf
        cost = self._cost
        states = np.arange(1 + CANDIDATES)
        for i in range(n):
            reach = cost[:, None] + jump[i]
            back = reach.argmin(axis=0)
            cost = reach[back, states] + local[i]
            self._back.append(back)
        self._cost = cost - cost.min()
        if n:
            self._octave = octave[-1]
        self._hz.extend(hz)
        self._probability.extend(probability)

    def _decide(self, count: int) -> tuple[FloatArray, FloatArray]:
        state = int(self._cost.argmin())
        chosen = np.zeros(len(self._back), int)
        for i in range(len(self._back) - 1, -1, -1):
            chosen[i] = state
            state = int(self._back[i][state])
        chosen = chosen[:count]
        hz, probability = np.full(count, np.nan), np.zeros(count)
        for i, s in enumerate(chosen):
            probability[i] = self._probability[i][s - 1] if s else self._probability[i].max()
            if s:
                hz[i] = self._hz[i][s - 1]
        del self._back[:count], self._hz[:count], self._probability[:count]
        return hz, probability
