"""Breathing: how fast and how deep."""

from __future__ import annotations

import numpy as np

from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext
from moodal.core.track import Piece
from moodal.dsp import respiration as dsp
from moodal.dsp.fir import filled

from .blocks import Window
from .passes import Pass
from .states import TOLD, code, piece, plain_reasons, worst
from .tracks import RESP, SUBJECT

__all__ = ["SPEC"]

#: Breaths are looked for at about this rate, Hz.
_RATE_HZ = 10.0
#: How much breaths must look like their neighbours, and within which stretch, s.
_REGULAR, _REACH_S = 0.5, 12.0
#: A breath lasts so long, s.
_SHORTEST_S, _LONGEST_S = 1.0, 20.0
_FLAT_S = 5.0


class RespExtractor(Pass):
    """A breathing signal in, `body.resp` out."""

    HOP_S, BEFORE_S, AFTER_S = 20.0, dsp.REACH_S + 15, dsp.REACH_S + 15

    def __init__(self, context: MeasureContext) -> None:
        super().__init__(context, "resp", (RESP,))

    def grain(self, rate_hz: float) -> int:
        """Samples of a second."""
        return max(1, round(rate_hz))

    def measure(self, window: Window, rate_hz: float) -> list[Piece]:
        """One window."""
        grain = self.grain(rate_hz)
        reasons = plain_reasons(window, rate_hz, flat_s=_FLAT_S, rail_s=0.3)
        usable = reasons == TOLD
        n = len(reasons)
        seconds = np.arange(0, n, grain)
        core = slice(window.core.start // grain, -(-window.core.stop // grain))
        codes = worst(reasons, seconds)
        values, quality = np.full((len(codes), 2), np.nan), np.zeros(len(codes))
        if usable.sum() >= 5 * rate_hz and rate_hz >= 4:
            self._breathe(window, rate_hz, usable, seconds, values, quality)
        codes[(codes == TOLD) & ~np.isfinite(values[:, 0])] = code("artefact" if usable.any() else "no_stream")
        edges = np.append(window.times[seconds[core]], window.edge)
        made = piece(RESP.name, SUBJECT, edges, values[core], quality[core], codes[core])
        return [] if made is None else [made]

    def _breathe(
        self,
        window: Window,
        rate_hz: float,
        usable: np.ndarray,
        seconds: np.ndarray,
        values: np.ndarray,
        quality: np.ndarray,
    ) -> None:
        step = max(1, int(rate_hz / _RATE_HZ))
        starts = np.arange(0, len(usable), step)
        x = filled(window.samples[:, 0], usable)
        x = np.add.reduceat(x - np.median(x[usable]), starts) / np.diff(np.append(starts, len(usable)))
        rate = rate_hz / step
        cleaned = dsp.clean(x, rate)
        found = dsp.breaths(cleaned)
        missing = np.concatenate([[0], np.cumsum(np.logical_or.reduceat(~usable, starts))])
        length = (found.end - found.start) / rate
        match = dsp.regularity(cleaned, found, round(_REACH_S * rate))
        good = (length >= _SHORTEST_S) & (length <= _LONGEST_S) & (match >= _REGULAR)
        good &= missing[found.end + 1] == missing[found.start]
        middles = (seconds + rate_hz / 2) / step
        for i in np.flatnonzero(good).tolist():
            a, b = np.searchsorted(middles, (found.start[i], found.end[i]))
            values[a:b] = 60 / length[i], found.depth[i]
            quality[a:b] = match[i]


def _make(context: MeasureContext) -> Extractor:
    return RespExtractor(context)


SPEC = ExtractorSpec("resp", ("resp",), (RESP,), (), _make)
