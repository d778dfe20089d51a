"""How fast somebody speaks, and how much of it is pause."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

__all__ = ["LEAST_SPEECH", "speaking_rate", "syllables"]

#: Frames of speech (10 ms each) without which a window tells no rate.
LEAST_SPEECH = 50
#: Frames over which loudness is averaged before peaks are looked for, and the least between two peaks.
_SMOOTH, _APART = 7, 8
#: A peak must stand out from the valleys at its sides by this share of the window's loudness range.
_STANDS_OUT = 0.12
#: Pauses between speech shorter than this are part of speaking, frames.
_SHORTEST_PAUSE = 10


def syllables(loudness: FloatArray, voiced: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Frames at which syllables have their nucleus: voiced peaks of smoothed ``loudness (n,)``.

    A syllable is a loudness peak that is voiced and stands out from its valleys (de Jong and Wempe
    2009 use intensity in dB and a dip of 2 dB; loudness here is a compressed power, so the dip is a
    share of its range).
    """
    if len(loudness) < 2 * _SMOOTH:
        return np.zeros(0, np.int64)
    kernel = np.hanning(_SMOOTH + 2)[1:-1]
    told = np.isfinite(loudness)
    weight = np.convolve(told.astype(float), kernel, "same")
    curve = np.convolve(np.where(told, loudness, 0.0), kernel, "same") / np.maximum(weight, 1e-9)
    low, high = np.percentile(curve, [5, 95])
    dip = _STANDS_OUT * (high - low)
    if dip <= 0:
        return np.zeros(0, np.int64)
    peaks: list[int] = []
    valley, best = curve[0], -1
    for i in range(1, len(curve)):
        if best < 0:
            valley = min(valley, curve[i])
            if curve[i] >= valley + dip:
                best = i
        elif curve[i] > curve[best]:
            best = i
        elif curve[i] <= curve[best] - dip:
            peaks.append(best)
            valley, best = curve[i], -1
    if best >= 0:
        peaks.append(best)
    kept: list[int] = []
    for p in peaks:
        if voiced[max(p - 3, 0) : p + 4].any() and (not kept or p - kept[-1] >= _APART):
            kept.append(p)
    return np.array(kept, np.int64)


def speaking_rate(
    loudness: FloatArray, voiced: npt.NDArray[np.bool_], speech: npt.NDArray[np.bool_], pause: npt.NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Syllables per second of speech, share of pause, and mean pause in s of one window.

    ``loudness``, ``voiced``, ``speech`` (a stretch of speech) and ``pause`` (no speech, but near it)
    are ``(n,)`` at 100 Hz. NaN throughout where the window holds under half a second of speech; the
    mean pause is NaN where there is none.
    """
    talk = int(speech.sum())
    if talk < LEAST_SPEECH:
        return np.nan, np.nan, np.nan
    count = len(syllables(np.where(speech, loudness, np.nan), voiced))
    inner = np.flatnonzero(speech)
    between = pause.copy()
    between[: inner[0]] = between[inner[-1] :] = False
    edge = np.flatnonzero(np.diff(np.concatenate([[0], between.astype(np.int8), [0]])))
    lengths = (edge[1::2] - edge[::2]).astype(float)
    lengths = lengths[lengths >= _SHORTEST_PAUSE]
    share = float(lengths.sum() / (lengths.sum() + talk))
    return count / (talk / 100), share, float(lengths.mean() / 100) if len(lengths) else np.nan
