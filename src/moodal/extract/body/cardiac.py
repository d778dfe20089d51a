"""ECG and PPG in windows: the cleaned signal, its beats, and what is no signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.dsp import beats as dsp
from moodal.dsp.fir import filled, moving_mean, quantile

from .blocks import Cutter, Window
from .states import TOLD, Codes, code, plain_reasons, spread

__all__ = ["AFTER_S", "BEFORE_S", "HOP_S", "Cardiac", "Found"]

#: Core of a window and what is seen before and after it, s. What is said of a sample is final 24 s after it.
HOP_S, BEFORE_S, AFTER_S = 20.0, 4.0, 4.0
#: A pulse changes its shape soon: it is compared with the beats of half a window.
_HALVES = {"ecg": 1, "ppg": 2}
#: No electrode gives more, µV; a cleaned ECG that is smaller from trough to peak is noise.
_ECG_LIMITS, _ECG_LEAST = (-3e5, 3e5), 10.0
#: A cleaned ECG larger than this is not from a heart, µV.
_ECG_MOST = 2e4
#: How large a pulse is, is its mean over this, s; one this much smaller than the recording's usual is of no skin.
_LEVEL_S, _NO_CONTACT = 3.0, 0.02
#: Intervals that say what the rate of a part is.
_RATE_OF = 3
#: Beats this near a missing sample are not looked for, s.
_NEAR_S = 0.15
#: A sample belongs to the beats within this, s.
_REACH_S = 1.6


@dataclass(frozen=True)
class Found:
    """What a window's core holds: ``cleaned``, ``quality`` and ``codes`` of its samples ``(n,)``; its beats' ``times``
    ``(k,)`` s, ``match (k,)`` with the template, and how many samples before each were no signal, ``broken (k,)``."""

    edges: FloatArray
    cleaned: FloatArray
    quality: FloatArray
    codes: Codes
    times: FloatArray
    match: FloatArray
    broken: FloatArray


class Cardiac:
    """Windows of one ECG or PPG; remembers polarity and usual amplitude from one to the next."""

    def __init__(self, kind: str, rate_hz: float) -> None:
        self.kind = kind
        self.shape = dsp.ECG if kind == "ecg" else dsp.PPG
        self.rate_hz = rate_hz
        self.cutter = Cutter(rate_hz, HOP_S, BEFORE_S, AFTER_S)
        self._thin = max(1, int(rate_hz / (4 * self.shape.clean_hz[1])))
        self._inverted: bool | None = None
        self._usual = 0.0
        self._broken = 0  # samples so far that are no signal

    def measure(self, window: Window) -> Found:
        """One window."""
        rate = self.rate_hz
        reasons = plain_reasons(
            window, rate, flat_s=1.0, limits=_ECG_LIMITS if self.kind == "ecg" else None, rail_s=0.06
        )
        usable = reasons == TOLD
        n = len(reasons)
        core = window.core
        nothing = np.zeros(0)
        if usable.sum() < 2 * rate:
            rest = reasons[core]
            rest[rest == TOLD] = code("too_short" if window.ends else "artefact")
            blank = np.zeros(len(rest))
            return self._found(window, blank, blank, rest, nothing, nothing, nothing, np.ones(1))
        x = filled(window.samples[:, 0], usable)
        x = x - quantile(x, 0.5)
        cleaned = dsp.clean(x, rate, self.shape)
        peaks, heights = self._beats(x, cleaned)
        clear = ~spread(~usable, round(_NEAR_S * rate))
        kept = clear[peaks]
        peaks, heights = peaks[kept], heights[kept]
        level = moving_mean(np.abs(cleaned), round(_LEVEL_S * rate) | 1) if self.kind == "ppg" else nothing
        match = self._match(cleaned, self._even(cleaned, level, usable), peaks)
        good = match >= self.shape.match
        reasons = self._judge(reasons, cleaned, level, good, heights)
        kept = reasons[peaks] == TOLD
        peaks, match, good = peaks[kept], match[kept], good[kept]
        broken = np.cumsum(reasons[core] != TOLD)
        quality = self._quality(peaks, match, n)
        reasons[(reasons == TOLD) & (quality <= 0)] = code("artefact")
        mine = (peaks >= core.start) & (peaks < core.stop)
        peaks = peaks[mine]
        exact = dsp.refine(-cleaned if self._inverted else cleaned, peaks)
        times = np.interp(exact, np.arange(n), window.times)
        return self._found(
            window, cleaned[core], quality[core], reasons[core], times, match[mine], broken[peaks - core.start], broken
        )

    def _found(
        self,
        window: Window,
        cleaned: FloatArray,
        quality: FloatArray,
        codes: Codes,
        times: FloatArray,
        match: FloatArray,
        broken: FloatArray | npt.NDArray[np.int64],
        total: FloatArray | npt.NDArray[np.int64],
    ) -> Found:
        self._broken += window.begins
        found = Found(window.edges, cleaned, quality, codes, times, match, np.asarray(broken + self._broken, float))
        self._broken += int(total[-1])
        return found

    def _beats(self, x: FloatArray, cleaned: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
        if self.kind == "ecg" and self._inverted is None:
            up, _ = dsp.find_beats(x, cleaned, self.rate_hz, self.shape)
            down, _ = dsp.find_beats(x, cleaned, self.rate_hz, self.shape, inverted=True)
            if len(up) >= 4:
                self._inverted = bool(np.median(-cleaned[down]) > 1.5 * np.median(cleaned[up]))
        return dsp.find_beats(x, cleaned, self.rate_hz, self.shape, inverted=bool(self._inverted))

    def _even(self, cleaned: FloatArray, level: FloatArray, usable: npt.NDArray[np.bool_]) -> FloatArray:
        """A pulse wave at one size, so that a burst of motion does not outweigh all the beats around it; nothing where
        nothing was measured. Four samples of its fastest wave are enough."""
        if self.kind == "ecg":
            return level
        thin = self._thin
        size = np.maximum(level[::thin], 1e-6 * max(float(level.max()), 1e-12))
        return np.asarray(np.where(usable[::thin], cleaned[::thin] / size, 0.0))

    def _match(self, cleaned: FloatArray, even: FloatArray, peaks: npt.NDArray[np.int64]) -> FloatArray:
        """Each beat's match with those around it; what is beside the core belongs to the nearer part of it.

        In a part of a pulse wave that is no tone at the rate of its beats there is no match.
        """
        parts = _HALVES[self.kind]
        if parts == 1:
            return dsp.template_match(cleaned, peaks, self.rate_hz, self.shape)
        before, after = self.cutter.before, self.cutter.after
        size = self.cutter.hop // parts
        match = np.zeros(len(peaks))
        for part in range(parts):
            low, high = before + part * size, before + (part + 1) * size
            a, b = np.searchsorted(peaks, (low - before, high + after))
            found = dsp.template_match(cleaned, peaks[a:b], self.rate_hz, self.shape)
            c, d = np.searchsorted(peaks, (low if part else 0, high if part < parts - 1 else len(cleaned)))
            around = even[(low - before) // self._thin : (high + after) // self._thin]
            if self._share(around, peaks[a:b], found) >= self.shape.share:
                match[c:d] = found[c - a : d - a]
        return match

    def _share(self, even: FloatArray, peaks: npt.NDArray[np.int64], match: FloatArray) -> float:
        """How much of a part is a tone at the rate of its beats; 0 where beats are too few to say."""
        good = match >= self.shape.match
        interval = np.diff(peaks)[good[1:] & good[:-1]]
        if len(interval) < _RATE_OF:
            return 0.0
        return dsp.rate_share(even, quantile(interval, 0.5) / self.rate_hz, self.rate_hz / self._thin)

    def _judge(
        self,
        reasons: Codes,
        cleaned: FloatArray,
        level: FloatArray,
        good: npt.NDArray[np.bool_],
        heights: FloatArray,
    ) -> Codes:
        """What the amplitude says: too large for a heart, or too small for contact."""
        told = reasons == TOLD
        size = quantile(np.abs(cleaned[told]), 0.99) if told.any() else 0.0
        if self.kind == "ecg":
            if size < _ECG_LEAST / 2:
                reasons[told] = code("no_contact")
            reasons[told & spread(np.abs(cleaned) > _ECG_MOST, round(self.rate_hz))] = code("out_of_range")
            return reasons
        if good.sum() >= 4:
            now = quantile(heights[good], 0.5)
            self._usual = now if self._usual == 0 else 0.8 * self._usual + 0.2 * now
        if size > 0 and self._usual > 0:
            reasons[told & (level < _NO_CONTACT * self._usual)] = code("no_contact")
        return reasons

    def _quality(self, peaks: npt.NDArray[np.int64], match: FloatArray, n: int) -> FloatArray:
        """Quality of each sample: mean match of the 7 beats around the nearer one, 0 where it is no match or none is
        near: one beat may look like the others by chance, seven do not."""
        if not len(peaks):
            return np.zeros(n)
        mean = moving_mean(match, 7)
        match = np.where(mean >= self.shape.match, mean, 0.0)
        at = np.arange(n)
        after = np.clip(np.searchsorted(peaks, at), 0, len(peaks) - 1)
        before = np.maximum(after - 1, 0)
        nearer = np.where(np.abs(peaks[before] - at) <= np.abs(peaks[after] - at), before, after)
        near = np.abs(peaks[nearer] - at) <= _REACH_S * self.rate_hz / 2
        return np.asarray(np.where(near, match[nearer], 0.0))
