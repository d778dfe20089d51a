"""Skin conductance: level, what is on top of it, and its responses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext
from moodal.core.track import Piece
from moodal.dsp import eda as dsp
from moodal.dsp.fir import filled

from .blocks import Window
from .passes import Pass
from .states import TOLD, Codes, code, piece, plain_reasons, runs, spread, worst
from .tracks import EDA, SCR, SUBJECT

__all__ = ["SPEC"]

#: Cells are at most this many a second.
_CELLS_HZ = 32.0
#: What is below is no skin, what is beyond no sensor of skin measures, µS (Kleckner et al. 2018: 0.05 to 60).
_CONTACT, _LIMITS = 0.03, (-0.5, 100.0)
#: A constant within this share of the upper limit is a sensor's end of scale.
_RAIL = 0.99
#: Exactly the same value for so long comes from no skin, s.
_FLAT_S = 10.0
#: What is around a missing or an unlikely value counts half, s (Kleckner et al. 2018, rule 4).
_AROUND_S = 5.0


class SkinExtractor(Pass):
    """Skin conductance in, `body.eda` and `body.scr` out."""

    HOP_S, BEFORE_S, AFTER_S = 20.0, dsp.REACH_S + 1, dsp.REACH_S + 1

    def __init__(self, context: MeasureContext) -> None:
        super().__init__(context, "eda", (EDA, SCR))
        self._rail = np.nan

    def grain(self, rate_hz: float) -> int:
        """Samples of a cell."""
        return max(1, int(rate_hz / _CELLS_HZ))

    def measure(self, window: Window, rate_hz: float) -> list[Piece]:
        """One window."""
        reasons = plain_reasons(window, rate_hz, flat_s=_FLAT_S, limits=_LIMITS, rail_s=_FLAT_S)
        raw = window.samples[:, 0]
        with np.errstate(invalid="ignore"):
            low = raw < _CONTACT
        reasons[(reasons > code("no_contact")) & low] = code("no_contact")
        reasons[(reasons == code("flat")) & self._railed(raw)] = code("saturated")
        usable = reasons == TOLD
        x = filled(raw, usable)
        reasons[usable & spread(usable & dsp.unlikely(x, rate_hz), round(rate_hz))] = code("artefact")
        grain = self.grain(rate_hz)
        starts = np.arange(0, len(x), grain)
        codes = worst(reasons, starts)
        if grain > 1:
            x = np.add.reduceat(filled(raw, reasons == TOLD), starts) / grain
        rate = rate_hz / grain
        cells = slice(window.core.start // grain, -(-window.core.stop // grain))
        edges = np.append(window.times[starts[cells]], window.edge)
        told = codes == TOLD
        if not told[cells].any():
            blank = np.zeros((cells.stop - cells.start, 3))
            return self._pieces(edges, blank, blank[:, 0], codes[cells], [])
        x = filled(x, told)
        level = dsp.tonic(x, rate)
        values = np.stack([x, level, x - level], axis=1)
        quality = np.where(spread(~told & (codes != code("no_stream")), round(_AROUND_S * rate)), 0.5, 1.0)
        smooth = dsp.smoothed(x, rate)
        rows = self._responses(dsp.responses(smooth - level, smooth), told, window.times[starts], cells)
        return self._pieces(edges, values[cells], quality[cells], codes[cells], rows)

    def _railed(self, raw: FloatArray) -> npt.NDArray[np.bool_]:
        """Samples at the sensor's end of scale ``(n,)``.

        It is near the limit of all sensors, or the highest value where the signal comes back to it: a sensor that
        froze stays where it was, and is flat.
        """
        seen = raw[np.isfinite(raw) & (raw <= _LIMITS[1])]
        top = float(seen.max()) if len(seen) else np.nan
        if top > self._rail:
            self._rail = np.nan
        held = (raw == top) & (runs(raw) >= 3)
        if np.count_nonzero(np.diff(held.astype(np.int8), prepend=0) == 1) > 1:
            self._rail = top
        with np.errstate(invalid="ignore"):
            return np.asarray((raw >= _RAIL * _LIMITS[1]) | (raw == self._rail))

    def _responses(self, found: dsp.Responses, told: np.ndarray, times: FloatArray, core: slice) -> list[list[float]]:
        missing = np.concatenate([[0], np.cumsum(~told)])
        rows = []
        mine = (found.peak >= core.start) & (found.peak < core.stop)
        for i in np.flatnonzero(mine).tolist():
            onset, peak, recovery = int(found.onset[i]), int(found.peak[i]), int(found.recovery[i])
            if missing[peak + 1] > missing[onset]:
                continue
            if recovery >= 0 and missing[recovery + 1] > missing[peak]:
                recovery = -1
            end = times[recovery] if recovery >= 0 else times[peak]
            fell = times[recovery] - times[peak] if recovery >= 0 else np.nan
            rows.append([times[onset], end, found.amplitude[i], times[peak], times[peak] - times[onset], fell])
        return rows

    def _pieces(
        self, edges: FloatArray, values: FloatArray, quality: FloatArray, codes: Codes, rows: list[list[float]]
    ) -> list[Piece]:
        made = piece(EDA.name, SUBJECT, edges, values, quality, codes)
        assert made is not None
        table = np.array(rows, float).reshape(-1, 6)
        scr = Piece(
            SCR.name,
            SUBJECT,
            table[:, 0],
            table[:, 2:].astype(np.float32),
            np.ones(len(table), np.float32),
            made.gaps,
            table[:, 1],
        )
        return [made, scr]


def _make(context: MeasureContext) -> Extractor:
    return SkinExtractor(context)


SPEC = ExtractorSpec("skin", ("eda",), (EDA, SCR), (), _make)
