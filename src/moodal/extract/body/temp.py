"""Skin temperature and where it is going."""

from __future__ import annotations

import numpy as np

from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext
from moodal.core.track import Piece
from moodal.dsp import movement as dsp
from moodal.dsp.fir import filled

from .blocks import Window
from .passes import Pass
from .states import TOLD, piece, plain_reasons, worst
from .tracks import SUBJECT, TEMP

__all__ = ["SPEC"]

#: Skin is neither colder nor warmer, °C.
_LIMITS = (10.0, 45.0)
#: The slope is that of the last so many seconds, of which this many are there.
_SLOPE_S, _LEAST_S = 60, 30


class TempExtractor(Pass):
    """A temperature in, `body.temp` out."""

    HOP_S, BEFORE_S = 10.0, float(_SLOPE_S)

    def __init__(self, context: MeasureContext) -> None:
        super().__init__(context, "temp", (TEMP,))

    def grain(self, rate_hz: float) -> int:
        """Samples of a second."""
        return max(1, round(rate_hz))

    def measure(self, window: Window, rate_hz: float) -> list[Piece]:
        """One window."""
        grain = self.grain(rate_hz)
        # A thermometer may well say the same for a minute: nothing is flat here.
        reasons = plain_reasons(window, rate_hz, flat_s=1e6, limits=_LIMITS, rail_s=1e6)
        starts = np.arange(0, len(reasons), grain)
        codes = worst(reasons, starts)
        told = codes == TOLD
        core = slice(window.core.start // grain, -(-window.core.stop // grain))
        x = filled(window.samples[:, 0], reasons == TOLD)
        x = np.add.reduceat(x, starts) / np.diff(np.append(starts, len(x)))
        cell_s = grain / rate_hz
        width = max(2, round(_SLOPE_S / cell_s))
        slope = 60 * dsp.rolling_slope(window.times[starts], x, told, width, round(_LEAST_S / cell_s))
        edges = np.append(window.times[starts[core]], window.edge)
        values = np.stack([x, slope], axis=1)[core]
        made = piece(TEMP.name, SUBJECT, edges, values, np.ones(len(values)), codes[core])
        return [] if made is None else [made]


def _make(context: MeasureContext) -> Extractor:
    return TempExtractor(context)


SPEC = ExtractorSpec("temp", ("temp",), (TEMP,), (), _make)
