"""EEG in, its power in bands out."""

from __future__ import annotations

from math import isfinite

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import UsageError
from moodal.core.extractor import MeasureContext
from moodal.core.stream import Chunk
from moodal.core.track import Gap, Piece
from moodal.dsp.eeg import BANDS, POSITIONS, band_powers, position, referenced, stand_ins
from moodal.extract.body.blocks import HOLE, OUTSIDE, Cutter, Window, signal
from moodal.extract.body.states import TOLD, code, piece, runs

from .tracks import BANDS_TRACK, SUBJECT

__all__ = ["LARGEST_UV", "SMALLEST_UV", "BrainExtractor", "usable"]

#: A core, and what is seen around it, s: a second's power is that of the 2 s around it.
_HOP_S, _AROUND_S = 10.0, 0.5
#: Deviation of a channel over a window beyond which it is no EEG, µV: nothing there; or motion, a loose contact.
SMALLEST_UV, LARGEST_UV = 0.05, 300.0
#: Exactly the same value for so long is no brain, s.
_FLAT_S = 0.5
#: Least channels that a second is told of.
_LEAST = 1


def usable(x: FloatArray) -> tuple[npt.NDArray[np.bool_], str]:
    """Which channels of ``x (n, channels)`` µV hold an EEG, and why most of the others do not."""
    finite = np.isfinite(x)
    there = finite.mean(axis=0) >= 0.8
    sd = np.zeros(x.shape[1])
    for k in np.flatnonzero(there):
        sd[k] = x[finite[:, k], k].std()
    large, flat = there & (sd > LARGEST_UV), there & (sd < SMALLEST_UV)
    counts = {"not_finite": int((~there).sum()), "flat": int(flat.sum()), "artefact": int(large.sum())}
    return there & ~large & ~flat, max(counts, key=lambda r: counts[r])


class BrainExtractor:
    """One EEG of any montage in, `brain.bands` out.

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
        names = [position(str(n)) for n in told][:channels]
        names += [None] * (channels - len(names))
        # A headband has none of the 19; of a cap that has some, what lies between them adds nothing new.
        return names if any(n in POSITIONS for n in names) else stand_ins(names)

    def _missing(self, until: float, reason: str) -> list[Piece]:
        if until <= self._end + 1e-9:
            return []
        return [Piece.gap(BANDS_TRACK.name, SUBJECT, len(BANDS_TRACK.fields), Gap(self._end, until, reason))]

    def _take(self, window: Window) -> list[Piece]:
        pieces = self._missing(float(window.edges[0]), "unreadable" if self._begun else "no_stream")
        made = self._measure(window)
        self._begun, self._end = True, float(window.edges[-1])
        return pieces if made is None else [*pieces, made]

    def _measure(self, window: Window) -> Piece | None:
        assert self._cutter is not None
        rate = self._cutter.rate_hz
        second = max(1, round(rate))
        starts = np.arange(window.core.start, window.core.stop, second)
        values = np.full((len(starts), len(BANDS_TRACK.fields)), np.nan)
        quality, codes = np.zeros(len(starts)), np.full(len(starts), TOLD, np.int8)
        half = self._cutter.before
        for i, a in enumerate(starts.tolist()):
            low, high = a - half, min(a + second, window.core.stop) + half
            told = self._second(window, slice(low, high), slice(a, min(a + second, window.core.stop)), rate)
            if isinstance(told, str):
                codes[i] = code(told)
            else:
                values[i], quality[i] = told
        edges = np.append(window.times[starts], window.edge)
        return piece(BANDS_TRACK.name, SUBJECT, edges, values, quality, codes)

    def _second(self, window: Window, around: slice, own: slice, rate: float) -> tuple[FloatArray, float] | str:
        """Powers and quality of one second, or the gap's reason."""
        state = window.state[own]
        if (state == HOLE).any():
            return "unreadable"
        x = window.samples[around]
        x = x[window.state[around] != OUTSIDE]
        if len(x) < max(8, rate / 2):
            return "too_short"
        good, reason = usable(x)
        if self._flat(window.samples[own], rate).all():
            # Equal to the last: not one channel moves, though each may stand at a place of its own.
            return "not_finite" if not np.isfinite(window.samples[own]).any() else "flat"
        placed = np.array([n in POSITIONS for n in self._names])
        if (good & placed).sum() < _LEAST:
            return reason if placed.any() else "no_stream"
        x = x[:, good]
        x = np.where(np.isfinite(x), x, np.nanmean(x, axis=0))
        # One channel alone keeps the reference it was recorded with.
        power = band_powers(referenced(x) if x.shape[1] > 2 else x, rate)
        out = np.full((len(BANDS), len(POSITIONS)), np.nan)
        where = {name: k for k, name in enumerate(POSITIONS)}
        for k, channel in enumerate(np.flatnonzero(good).tolist()):
            if (name := self._names[channel]) in where:
                out[:, where[str(name)]] = power[:, k]
        return out.ravel(), float((good & placed).sum() / placed.sum())

    def _flat(self, x: FloatArray, rate: float) -> npt.NDArray[np.bool_]:
        """Channels ``(channels,)`` that hold one value for half a second somewhere in this one."""
        return np.array(
            [
                not np.isfinite(x[:, k]).any() or (runs(x[:, k]) >= max(3, round(_FLAT_S * rate))).any()
                for k in range(x.shape[1])
            ]
        )
