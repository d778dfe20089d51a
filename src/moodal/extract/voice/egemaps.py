"""The low-level descriptors of eGeMAPS over sound that comes in blocks, and their functionals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.track import Track
from moodal.dsp.egemaps import LEVEL, UNVOICED, VOICED, smooth, smooth_voiced
from moodal.dsp.egemaps_functionals import FUNCTIONALS, functionals
from moodal.dsp.egemaps_harmonics import harmonic_descriptors
from moodal.dsp.egemaps_spectrum import FRAME as SHORT
from moodal.dsp.egemaps_spectrum import HOP, power_spectra, spectral_descriptors
from moodal.dsp.formant import formants
from moodal.dsp.pitch import CANDIDATES, FFT_SIZE, Path, magnitude_spectra, pitch_candidates, semitones
from moodal.dsp.pitch import FRAME as LONG
from moodal.dsp.pitch_periods import LEAD, REACH, jitter_shimmer
from moodal.dsp.sound import frames

__all__ = ["BLOCK_HOPS", "COLUMNS", "CONTEXT", "DELAY", "Descriptors", "Rows", "descriptors", "track_functionals"]

#: Columns of the descriptors: the 25 and the level.
COLUMNS = LEVEL + 1
#: Frames that are worked on at once (0.96 s) and samples that must follow the last one's start.
BLOCK_HOPS, CONTEXT = 96, REACH
#: Frames by which the choice of pitch lags behind.
DELAY = 40
#: A frame whose windowed RMS is below this (-60 dBFS) has no pitch.
_FAINT = 1e-3


@dataclass(frozen=True)
class Rows:
    """Finished frames: ``values (n, 26)`` smoothed descriptors, ``f0 (n,)`` Hz (NaN: unvoiced), ``voicing (n,)``.

    ``voicing`` is NaN where the sound ends before the pitch's window does.
    """

    values: FloatArray
    f0: FloatArray
    voicing: FloatArray


class Descriptors:
    """Descriptors of consecutive frames, `BLOCK_HOPS` or fewer at a time.

    A run of frames without a break is pushed block by block and ended by `close`. Results depend on
    where the blocks lie, so the caller must cut at fixed places.
    """

    def __init__(self) -> None:
        self._path = Path(DELAY)
        self._begin()

    def _begin(self) -> None:
        self._before: npt.NDArray[np.float32] | None = None
        self._sound = np.zeros(LEAD, np.float32)  # from `LEAD` before the first frame that waits
        self._spectral = np.zeros((0, 11), np.float32)
        self._fits = np.zeros(0, bool)
        self._magnitude = np.zeros((0, FFT_SIZE // 2 + 1), np.float32)
        self._raw = np.full((1, COLUMNS), np.nan, np.float32)
        self._held: tuple[FloatArray, FloatArray] = (np.zeros(0), np.zeros(0))

    def push(self, sound: npt.NDArray[np.float32], fits: npt.NDArray[np.bool_]) -> Rows:
        """Take frames whose first begins at ``sound[0]``; give those that are finished.

        ``fits (n,)`` says for each whether the pitch's window of 60 ms is sound throughout; the 20 ms
        of the other descriptors always are. ``sound`` holds `CONTEXT` samples from the last frame's
        start, zeros where there are none.
        """
        count = len(fits)
        short = frames(sound[: (count - 1) * HOP + SHORT], SHORT, HOP)
        power = power_spectra(short)
        spectral = spectral_descriptors(short, power, self._before)
        self._before = power[-1]
        magnitude, level = magnitude_spectra(frames(sound[: (count - 1) * HOP + LONG], LONG, HOP))
        heard = (level > _FAINT) & fits
        hz = np.full((count, CANDIDATES), np.nan)
        score = np.zeros((count, CANDIDATES))
        if heard.any():
            hz[heard], score[heard] = pitch_candidates(magnitude[heard])
        self._sound = np.concatenate([self._sound[: LEAD + len(self._spectral) * HOP], sound])
        self._spectral = np.concatenate([self._spectral, spectral])
        self._fits = np.concatenate([self._fits, fits])
        self._magnitude = np.concatenate([self._magnitude, magnitude])
        return self._finish(*self._path.push(hz, score), last=False)

    def close(self) -> Rows:
        """The run ended: the frames that are left."""
        rows = self._finish(*self._path.close(), last=True)
        self._begin()
        return rows

    def _finish(self, f0: FloatArray, voicing: FloatArray, *, last: bool) -> Rows:
        n = len(f0)
        voicing = np.where(self._fits[:n], voicing, np.nan)
        raw = np.full((n, COLUMNS), np.nan, np.float32)
        raw[:, UNVOICED] = self._spectral[:n, :10]
        raw[:, LEVEL] = self._spectral[:n, 10]
        voiced = np.flatnonzero(np.isfinite(f0))
        if len(voiced):
            raw[voiced, VOICED] = self._voiced(voiced, f0[voiced])
        self._sound = self._sound[n * HOP :]
        self._spectral = self._spectral[n:]
        self._fits = self._fits[n:]
        self._magnitude = self._magnitude[n:]
        return self._smooth(raw, f0, voicing, last=last)

    def _voiced(self, at: npt.NDArray[np.int64], hz: FloatArray) -> FloatArray:
        """The 15 descriptors of voiced frames ``at`` among those waiting."""
        resonance = formants(self._sound[LEAD + at[:, None] * HOP + np.arange(SHORT)], 3, as_opensmile=True)
        jitter, shimmer = jitter_shimmer(self._sound, LEAD + at * HOP, hz)
        hnr, h1_h2, h1_a3, amplitude = harmonic_descriptors(self._magnitude[at], hz, resonance[:, :, 0])
        by_formant = np.concatenate([resonance, amplitude[:, :, None]], axis=2).reshape(len(at), 9)
        return np.column_stack([semitones(hz), jitter, shimmer, hnr, h1_h2, h1_a3, by_formant])

    def _smooth(self, raw: FloatArray, f0: FloatArray, voicing: FloatArray, *, last: bool) -> Rows:
        """Average over three frames; the newest frame waits for the one after it."""
        rows = np.concatenate([self._raw, raw])
        f0, voicing = (np.concatenate([a, b]) for a, b in zip(self._held, (f0, voicing), strict=True))
        if last:
            rows = np.concatenate([rows, np.full((1, COLUMNS), np.nan, np.float32)])
        n = max(len(rows) - 2, 0)
        self._raw, self._held = rows[n:], (f0[n:], voicing[n:])
        if not n:
            return Rows(np.zeros((0, COLUMNS), np.float32), np.zeros(0), np.zeros(0))
        out = np.empty((n, COLUMNS), np.float32)
        out[:, UNVOICED] = smooth(rows[: n + 2, UNVOICED])
        out[:, VOICED] = smooth_voiced(rows[: n + 2, VOICED])
        out[:, LEVEL] = rows[1 : n + 1, LEVEL]
        return Rows(out, f0[:n], voicing[:n])


def descriptors(samples: npt.NDArray[np.float32]) -> FloatArray:
    """Descriptors ``(n, 26)`` of a whole sound ``(t,)`` at 16 kHz in [-1, 1], a row each 10 ms.

    Every frame that fits is told, speech or not, as openSMILE does it; columns are the 25 of
    `moodal.dsp.egemaps` and the level in dBFS. Unvoiced is NaN.
    """
    chain = Descriptors()
    total = max((len(samples) - SHORT) // HOP + 1, 0)
    fits = np.arange(total) * HOP + LONG <= len(samples)
    padded = np.concatenate([samples, np.zeros(CONTEXT, np.float32)])
    parts = []
    for first in range(0, total, BLOCK_HOPS):
        last = min(first + BLOCK_HOPS, total)
        parts.append(chain.push(padded[first * HOP : (last - 1) * HOP + CONTEXT], fits[first:last]))
    parts.append(chain.close())
    return np.concatenate([p.values for p in parts])


def track_functionals(track: Track) -> dict[str, float]:
    """The 88 functionals of a ``voice.egemaps`` track by name; a gap ends voiced stretches."""
    rows = np.asarray(track.values, float)
    breaks = np.flatnonzero(np.diff(track.times) > 1.5 * HOP / 16_000) + 1
    rows = np.insert(rows, breaks, np.nan, axis=0)
    return dict(zip(FUNCTIONALS, functionals(rows).tolist(), strict=True))
