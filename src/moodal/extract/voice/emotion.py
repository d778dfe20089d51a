"""Arousal that a voice displays, by a written rule over a window of speech.

The directions are those on which the literature agrees (Juslin and Laukka 2003, Psychological
Bulletin 129(5), table 7; Scherer 2003, Speech Communication 40): an aroused voice is higher, has more
energy above 1 kHz, and is faster. Loudness goes up too, but its level is the microphone's as much as
the speaker's, so nothing here changes when the recording is turned up or down.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

__all__ = ["CUES", "LEAST_VOICED", "arousal"]

#: Voiced frames (10 ms each) without which a window tells nothing.
LEAST_VOICED = 15

#: Cue, column of the descriptors (None: syllables per second), its place in neutral speech, its
#: spread from one neutral utterance to the next, and its weight (negative: falls with arousal).
#: Places and spreads are those of neutral clips of 15 German and Polish speakers (`run.py arousal`
#: prints them); weights are hand-set, and the rate's spread
#: is doubled, since a second holds few syllables. openSMILE's slopes are left out: they shift with the level.
CUES: tuple[tuple[str, int | None, float, float, float], ...] = (
    ("pitch, semitones above 27.5 Hz", 10, 29.0, 4.2, 1.0),
    ("alpha ratio, dB", 1, -17.0, 3.3, 0.5),
    ("Hammarberg index, dB", 2, 27.0, 3.3, -0.5),
    ("first harmonic over the third formant's, dB", 15, 28.5, 3.8, -0.5),
    ("syllables per second of speech", None, 4.7, 1.2, 0.25),
)
#: A cue further from its place than this many spreads counts as this far.
_FURTHEST = 4.0
#: Mean distance, in spreads, at which arousal is tanh(1) = 0.76.
_SCALE = 2.0
#: Half-width of the interval with a second of voice, and what is added where there is hardly any.
_HALF_WIDTH, _FEW = 0.5, 0.3


def arousal(values: FloatArray, voiced: npt.NDArray[np.bool_], syllables_per_s: float) -> tuple[float, float]:
    """Arousal in [-1, 1] and the hand-set half-width of its interval, from a window of descriptors.

    ``values (n, 26)`` at 100 Hz, ``voiced (n,)`` which frames are voiced speech, ``syllables_per_s``
    NaN where unknown (that cue then has no say). NaN both where fewer than `LEAST_VOICED` frames are
    voiced. 0 is neutral speech, not the middle of what people can do.
    """
    count = int(voiced.sum())
    if count < LEAST_VOICED:
        return np.nan, np.nan
    means = np.asarray(values[voiced, :16], float).mean(axis=0)
    pull = total = 0.0
    for _, column, place, spread, weight in CUES:
        value = syllables_per_s if column is None else means[column]
        if np.isfinite(value):
            pull += weight * float(np.clip((value - place) / spread, -_FURTHEST, _FURTHEST))
            total += abs(weight)
    few = max(0.0, 1 - (count - LEAST_VOICED) / (100 - LEAST_VOICED))
    return float(np.tanh(pull / total / _SCALE)) if total else np.nan, _HALF_WIDTH + _FEW * few
