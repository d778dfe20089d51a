"""Movement of whatever wears the accelerometer, however it is turned."""

from __future__ import annotations

import numpy as np

from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext
from moodal.core.track import Piece
from moodal.dsp import movement as dsp

from .blocks import Window
from .passes import Pass
from .states import TOLD, code, piece, plain_reasons, worst
from .tracks import ACC, SUBJECT

__all__ = ["SPEC"]

#: What wearables measure, g; a second's mean norm outside of the second pair is no acceleration in g on Earth.
_LIMITS, _NORMS = (-20.0, 20.0), (0.3, 6.0)


class AccExtractor(Pass):
    """Three axes in, `body.acc` out."""

    def __init__(self, context: MeasureContext) -> None:
        super().__init__(context, "acc", (ACC,))

    def grain(self, rate_hz: float) -> int:
        """Samples of a second."""
        return max(1, round(rate_hz))

    def measure(self, window: Window, rate_hz: float) -> list[Piece]:
        """One window."""
        grain = self.grain(rate_hz)
        channels = range(window.samples.shape[1])
        # Somebody may hold still: nothing is flat here.
        each = [plain_reasons(window, rate_hz, flat_s=1e6, limits=_LIMITS, rail_s=1e6, channel=c) for c in channels]
        reasons = np.min(each, axis=0)
        starts = np.arange(0, len(reasons), grain)
        codes = worst(reasons, starts)
        core = slice(window.core.start // grain, -(-window.core.stop // grain))
        values = dsp.movement(np.where((reasons == TOLD)[:, None], window.samples, 0.0), starts)
        # The last second may be cut short: the samples that are not there are no zeros.
        n = window.core.stop
        last = slice(starts[core][-1], n)
        values[core.stop - 1] = dsp.movement(np.nan_to_num(window.samples[last]), np.zeros(1, np.int64))[0]
        odd = (values[:, 2] < _NORMS[0]) | (values[:, 2] > _NORMS[1])
        codes[(codes == TOLD) & odd] = code("out_of_range")
        edges = np.append(window.times[starts[core]], window.edge)
        made = piece(ACC.name, SUBJECT, edges, values[core], np.ones(core.stop - core.start), codes[core])
        return [] if made is None else [made]


def _make(context: MeasureContext) -> Extractor:
    return AccExtractor(context)


SPEC = ExtractorSpec("acc", ("acc",), (ACC,), (), _make)
