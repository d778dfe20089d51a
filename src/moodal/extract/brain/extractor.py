"""EEG in; power and entropy in bands, asymmetries, Hjorth's parameters and quality out."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import UsageError
from moodal.core.extractor import MeasureContext
from moodal.core.stream import Chunk
from moodal.core.track import Gap, Piece
from moodal.dsp.eeg import BANDS, POSITIONS, position, referenced, stand_ins
from moodal.dsp.eeg_clean import SATURATED_SHARE, blinks
from moodal.dsp.eeg_connect import hjorth
from moodal.dsp.eeg_entropy import BAND_SETS, entropy
from moodal.extract.body.blocks import HOLE, OUTSIDE, Cutter, Window, signal
from moodal.extract.body.states import TOLD, code, piece, runs

from .tracks import ASYMMETRY, BANDS_TRACK, ENTROPY, HJORTH, PAIRS, QUALITY, SUBJECT, TRACKS

__all__ = ["LARGEST_UV", "SMALLEST_UV", "BrainExtractor", "usable"]

#: A core, s; a second's power is that of the 2 s around it.
_HOP_S = 2.0
#: Deviation of a channel over a window beyond which it is no EEG, µV: nothing there; or motion, a loose contact.
SMALLEST_UV, LARGEST_UV = 0.05, 300.0
#: Exactly the same value for so long is no brain, s.
_FLAT_S = 0.5
#: Where blinks are seen.
_FRONTAL = ("Fp1", "Fp2")
#: Least channels that a second is told of.
_LEAST = 1


def usable(x: FloatArray) -> tuple[npt.NDArray[np.bool_], str]:
    """Which channels of ``x (n, channels)`` µV hold an EEG, and why most of the others do not."""
    finite = np.isfinite(x)
    there = finite.mean(axis=0) >= 0.8
    whole = finite.all(axis=0)
    sd = np.zeros(x.shape[1])
    sd[whole] = x[:, whole].std(axis=0)
    for k in np.flatnonzero(there & ~whole):
        sd[k] = x[finite[:, k], k].std()
    large, flat = there & (sd > LARGEST_UV), there & (sd < SMALLEST_UV)
    counts = {"not_finite": int((~there).sum()), "flat": int(flat.sum()), "artefact": int(large.sum())}
    return there & ~large & ~flat, max(counts, key=lambda r: counts[r])


@lru_cache(maxsize=16)
def _lines(n: int, rate_hz: float) -> tuple[FloatArray, FloatArray]:
    """A Hann window ``(n, 1)`` scaled so that squared lines of a spectrum sum to variance, and which line belongs to
    which band ``(bands, lines)``: the classical ones first, then SEED's; a band that ends above half the rate has
    NaN."""
    taper = np.hanning(n)[:, None]
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    inside = [((f >= low) & (f < high)).astype(float) for low, high in BANDS.values()]
    inside += [
        ((f >= low) & (f < high)) * (1.0 if high <= rate_hz / 2 else np.nan) for low, high in BAND_SETS["seed"].values()
    ]
    return taper * np.sqrt(2 / (n * np.square(taper).sum())), np.stack(inside)


class BrainExtractor:
    """One EEG of any montage in, the tracks of `TRACKS` out.

    Channels are named by the option ``channels``; without it a stream of 19 is taken for the 10-20 system in the order
    of `POSITIONS`.
    """

    def __init__(self, context: MeasureContext) -> None:
        self._context = context
        self._end = context.span.start
        self._begun = False
        self._cutter: Cutter | None = None
        self._names: list[str | None] = []

    def push(self, chunk: Chunk) -> list[Piece]:
        """Take a chunk; give what became final.

        Raises
        ------
        UsageError : the chunk is no signal, or has no rate.
        """
        part = signal(chunk, "eeg")
        if self._cutter is None:
            if part.rate_hz is None:
                raise UsageError("eeg needs a sampling rate", where=chunk.stream)
            rate = part.rate_hz
            second = max(1, round(rate))
            self._cutter = Cutter(rate, round(_HOP_S) * second / rate, second / 2 / rate, second / 2 / rate)
            self._names = self._named(np.asarray(part.samples).reshape(len(part.times), -1).shape[1])
        return [p for w in self._cutter.push(part) for p in self._take(w)]

    def close(self) -> list[Piece]:
        """The stream ended; give the rest, and name what is missing up to the end of the span."""
        pieces = [] if self._cutter is None else [p for w in self._cutter.close() for p in self._take(w)]
        if isfinite(self._context.span.end):
            pieces += self._missing(self._context.span.end, "no_stream")
        return pieces

    def _named(self, channels: int) -> list[str | None]:
        told = self._context.options.get("channels") or (list(POSITIONS) if channels == len(POSITIONS) else [])
        names: list[str | None] = []
        for name in told[:channels]:
            place = position(str(name))
            names.append(None if place in names else place)  # of two called the same the first counts
        names += [None] * (channels - len(names))
        # A headband has none of the 19; of a cap that has some, what lies between them adds nothing new.
        return names if any(n in POSITIONS for n in names) else stand_ins(names)

    def _missing(self, until: float, reason: str) -> list[Piece]:
        if until <= self._end + 1e-9:
            return []
        return [Piece.gap(t.name, SUBJECT, len(t.fields), Gap(self._end, until, reason)) for t in TRACKS]

    def _take(self, window: Window) -> list[Piece]:
        pieces = self._missing(float(window.edges[0]), "unreadable" if self._begun else "no_stream")
        pieces += self._measure(window)
        self._begun, self._end = True, float(window.edges[-1])
        return pieces

    def _measure(self, window: Window) -> list[Piece]:
        assert self._cutter is not None
        rate = self._cutter.rate_hz
        second = max(1, round(rate))
        starts = np.arange(window.core.start, window.core.stop, second)
        values = {t.name: np.full((len(starts), len(t.fields)), np.nan) for t in TRACKS}
        quality, codes = np.zeros(len(starts)), np.full(len(starts), TOLD, np.int8)
        half = self._cutter.before
        for i, a in enumerate(starts.tolist()):
            low, high = a - half, min(a + second, window.core.stop) + half
            told = self._second(window, slice(low, high), slice(a, min(a + second, window.core.stop)), rate)
            if isinstance(told, str):
                codes[i] = code(told)
                continue
            quality[i] = told[1]
            for name, row in told[0].items():
                values[name][i] = row
        edges = np.append(window.times[starts], window.edge)
        made = [piece(t.name, SUBJECT, edges, values[t.name], quality, codes) for t in TRACKS]
        return [m for m in made if m is not None]

    def _second(
        self, window: Window, around: slice, own: slice, rate: float
    ) -> tuple[dict[str, FloatArray], float] | str:
        """Rows of one second and their quality, or the gap's reason."""
        state = window.state[own]
        if (state == HOLE).any():
            return "unreadable"
        inside = window.state[around] != OUTSIDE
        x = window.samples[around][inside]
        if len(x) < max(8, rate / 2):
            return "too_short"
        good, reason = usable(x)
        flat = self._flat(window.samples[own], rate)
        if flat.all():
            # Equal to the last: not one channel moves, though each may stand at a place of its own.
            return "not_finite" if not np.isfinite(window.samples[own]).any() else "flat"
        placed = np.array([n in POSITIONS for n in self._names])
        if (good & placed).sum() < _LEAST:
            return reason if placed.any() else "no_stream"
        rows = {QUALITY.name: self._quality(x, good, inside, around.start, own)}
        x = x[:, good]
        x = np.where(np.isfinite(x), x, np.nanmean(x, axis=0))
        # One channel alone keeps the reference it was recorded with.
        x = referenced(x) if x.shape[1] > 2 else x
        taper, inside_band = _lines(min(len(x), round(2.0 * rate)), rate)
        power = self._powers(x, taper, inside_band)
        de = self._spread(entropy(power[len(BANDS) :]), good)
        at = {name: k for k, name in enumerate(POSITIONS)}
        sides = np.array([(at[left], at[right]) for left, right in PAIRS])
        rows[BANDS_TRACK.name] = self._spread(power[: len(BANDS)], good).ravel()
        rows[ENTROPY.name] = de.ravel()
        rows[ASYMMETRY.name] = (de[:, sides[:, 0]] - de[:, sides[:, 1]]).ravel()
        rows[HJORTH.name] = self._spread(hjorth(x, rate), good).ravel()
        return rows, float((good & placed).sum() / placed.sum())

    @staticmethod
    def _powers(x: FloatArray, taper: FloatArray, inside: FloatArray) -> FloatArray:
        """Welch's power of ``x (n, channels)`` in each band ``(bands, channels)``, µV²."""
        n = len(taper)
        starts = range(0, len(x) - n + 1, max(1, n // 2))
        power = np.zeros((inside.shape[1], x.shape[1]))
        for a in starts:
            part = np.fft.rfft((x[a : a + n] - x[a : a + n].mean(axis=0)) * taper, axis=0)
            power += np.square(part.real) + np.square(part.imag)
        return np.asarray(inside @ power / len(starts))

    def _spread(self, told: FloatArray, good: npt.NDArray[np.bool_]) -> FloatArray:
        """``told (k, good channels)`` at the positions ``(k, 19)``, NaN where no channel tells."""
        out = np.full((len(told), len(POSITIONS)), np.nan)
        where = {name: k for k, name in enumerate(POSITIONS)}
        for k, channel in enumerate(np.flatnonzero(good).tolist()):
            if (name := self._names[channel]) in where:
                out[:, where[str(name)]] = told[:, k]
        return out

    def _quality(
        self, x: FloatArray, good: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_], first: int, own: slice
    ) -> FloatArray:
        """The row of `QUALITY` of ``x (n, channels)``, the samples that are ``inside`` of those from ``first`` on."""
        assert self._cutter is not None
        finite = np.isfinite(x)
        there = finite.mean(axis=0) >= 0.8
        filled = np.where(finite, x, 0.0)
        sd = filled.std(axis=0)
        ends = np.maximum((filled == filled.max(axis=0)).mean(axis=0), (filled == filled.min(axis=0)).mean(axis=0))
        flat = there & (sd < SMALLEST_UV)
        held = there & ~flat & (ends > max(SATURATED_SHARE, 3.5 / len(x)))
        large = there & ~flat & ~held & (sd > LARGEST_UV)
        each = self._spread((good & ~held)[None].astype(float), np.ones(len(good), bool))[0]
        begins = own.start - first - int(np.flatnonzero(inside)[0])
        seen = np.array([n in _FRONTAL for n in self._names])
        blink = 0.0
        for k in np.flatnonzero(seen & good).tolist():
            middles = blinks(x[:, k], self._cutter.rate_hz).mean(axis=1)
            if ((middles >= begins) & (middles < begins + own.stop - own.start)).any():
                blink = 1.0
        blink = blink if (seen & good).any() else np.nan
        return np.array([*each, (~there).mean(), flat.mean(), held.mean(), large.mean(), blink])

    def _flat(self, x: FloatArray, rate: float) -> npt.NDArray[np.bool_]:
        """Channels ``(channels,)`` that hold one value for half a second somewhere in this one."""
        least = max(3, round(_FLAT_S * rate))
        told = np.array(~np.isfinite(x).any(axis=0), bool)
        # Few channels hold a value at all; only those are looked at closely.
        for k in np.flatnonzero((x[1:] == x[:-1]).sum(axis=0) >= least - 1):
            told[k] |= bool((runs(x[:, k]) >= least).any())
        return np.asarray(told)
