"""Voice: the 88 functionals of eGeMAPS v02 of a window of sound."""

from __future__ import annotations

import numpy as np

from moodal.dsp.egemaps_functionals import FUNCTIONALS, functionals
from moodal.extract.voice.egemaps import descriptors
from moodal.lab.data.raw import Signal

from . import Withheld

__all__ = ["voice_egemaps"]

_RATE_HZ = 16_000


def voice_egemaps(signal: Signal) -> dict[str, float]:
    """openSMILE's names; sound at 16 kHz. What the sound does not tell (no voiced frame) is NaN."""
    if round(signal.rate_hz or 0) != _RATE_HZ:
        raise Withheld("unreadable")
    x = np.ascontiguousarray(signal.column(), np.float32)
    if not x.any():
        raise Withheld("silence")
    return dict(zip(FUNCTIONALS, functionals(descriptors(x)).tolist(), strict=True))
