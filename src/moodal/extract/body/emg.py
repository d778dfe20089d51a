"""Muscle activity: the envelope of a surface EMG."""

from __future__ import annotations

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext
from moodal.core.track import Piece
from moodal.dsp import movement as dsp
from moodal.dsp.fir import filled

from .blocks import Window
from .passes import Pass
from .states import TOLD, code, piece, plain_reasons, worst
from .tracks import EMG, SUBJECT

__all__ = ["SPEC"]

#: No electrode gives more, µV.
_LIMITS = (-3e5, 3e5)
#: Where mains hum is more than this of the signal, there is nothing else to tell.
_HUM = 0.9


class EmgExtractor(Pass):
    """A surface EMG in, `body.emg` out."""

    HOP_S, BEFORE_S, AFTER_S = 5.0, 1.0, 1.0

    def __init__(self, context: MeasureContext) -> None:
        super().__init__(context, "emg", (EMG,))

    def grain(self, rate_hz: float) -> int:
        """Samples of a tenth of a second."""
        return max(1, round(rate_hz / 10))

    def measure(self, window: Window, rate_hz: float) -> list[Piece]:
        """One window."""
        grain = self.grain(rate_hz)
        reasons = plain_reasons(window, rate_hz, flat_s=0.25, limits=_LIMITS)
        usable = reasons == TOLD
        starts = np.arange(0, len(reasons), grain)
        codes = worst(reasons, starts)
        core = slice(window.core.start // grain, -(-window.core.stop // grain))
        envelope: FloatArray = np.zeros(len(starts))
        quality = np.zeros(len(starts))
        if usable.any():
            x = filled(window.samples[:, 0], usable)
            x = dsp.emg_band(x - np.median(x), rate_hz)
            envelope = dsp.root_mean_square(x, starts)
            hum = dsp.mains_share(x, rate_hz)
            quality[:] = 1 - hum
            if hum > _HUM:
                codes[codes == TOLD] = code("artefact")
        edges = np.append(window.times[starts[core]], window.edge)
        made = piece(EMG.name, SUBJECT, edges, envelope[core, None], quality[core], codes[core])
        return [] if made is None else [made]


def _make(context: MeasureContext) -> Extractor:
    return EmgExtractor(context)


SPEC = ExtractorSpec("emg", ("emg",), (EMG,), (), _make)
