"""The 25 low-level descriptors of eGeMAPS v02: names, units, and the smoothing of contours.

Eyben, Scherer, Schuller et al. 2016, "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for
voice research and affective computing", IEEE Trans. Affective Computing 7(2).
"""

from __future__ import annotations

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["DESCRIPTORS", "LEVEL", "LEVEL_NAME", "UNVOICED", "VOICED", "smooth", "smooth_voiced"]

#: Name, unit and meaning of each descriptor, in openSMILE's order.
DESCRIPTORS: tuple[tuple[str, str, str], ...] = (
    ("Loudness_sma3", "", "perceived loudness: mean over 26 mel bands after equal-loudness weighting, power 0.33"),
    ("alphaRatio_sma3", "dB", "energy of 1-5 kHz over that below 1 kHz"),
    ("hammarbergIndex_sma3", "dB", "strongest bin below 2 kHz over the strongest of 2-5 kHz"),
    ("slope0-500_sma3", "dB/Hz", "slope of the spectrum, 0-500 Hz (divided as openSMILE does)"),
    ("slope500-1500_sma3", "dB/Hz", "slope of the spectrum, 500-1500 Hz (divided as openSMILE does)"),
    ("spectralFlux_sma3", "", "root mean square change of the magnitude spectrum below 5 kHz"),
    ("mfcc1_sma3", "", "mel-frequency cepstral coefficient 1"),
    ("mfcc2_sma3", "", "mel-frequency cepstral coefficient 2"),
    ("mfcc3_sma3", "", "mel-frequency cepstral coefficient 3"),
    ("mfcc4_sma3", "", "mel-frequency cepstral coefficient 4"),
    ("F0semitoneFrom27.5Hz_sma3nz", "semitone", "pitch above 27.5 Hz; missing where unvoiced"),
    ("jitterLocal_sma3nz", "", "difference of neighbouring periods over their mean; missing where they do not match"),
    ("shimmerLocaldB_sma3nz", "dB", "difference of the peak amplitudes of neighbouring periods"),
    ("HNRdBACF_sma3nz", "dB", "harmonics-to-noise ratio from the windowed autocorrelation at the period"),
    ("logRelF0-H1-H2_sma3nz", "dB", "difference of harmonics (numbered as openSMILE does)"),
    ("logRelF0-H1-A3_sma3nz", "dB", "harmonic over the third formant's (numbered as openSMILE does)"),
    ("F1frequency_sma3nz", "Hz", "first root as openSMILE solves it, which is not the physical formant"),
    ("F1bandwidth_sma3nz", "Hz", "its bandwidth"),
    ("F1amplitudeLogRelF0_sma3nz", "dB", "strongest harmonic near it over the first; missing where it is the first"),
    ("F2frequency_sma3nz", "Hz", "second root as openSMILE solves it, which is not the physical formant"),
    ("F2bandwidth_sma3nz", "Hz", "its bandwidth"),
    ("F2amplitudeLogRelF0_sma3nz", "dB", "strongest harmonic near it over the first; missing where it is the first"),
    ("F3frequency_sma3nz", "Hz", "third root as openSMILE solves it, which is not the physical formant"),
    ("F3bandwidth_sma3nz", "Hz", "its bandwidth"),
    ("F3amplitudeLogRelF0_sma3nz", "dB", "strongest harmonic near it over the first; missing where it is the first"),
)
#: Columns told for every frame, and those told for voiced frames alone.
UNVOICED, VOICED = slice(0, 10), slice(10, 25)
#: A further column beside the 25, from which the functionals take the equivalent sound level.
LEVEL, LEVEL_NAME = 25, "level_db"


def smooth(contours: FloatArray) -> FloatArray:
    """Symmetric moving average of three frames: ``(n, k)`` from ``(n + 2, k)``.

    The first and last row are the neighbours; a row of NaN stands for none. A missing neighbour in a
    contour that is told for every frame counts as the frame itself (openSMILE's ``sma3``); the
    caller passes voiced contours to `smooth_voiced`.
    """
    middle = contours[1:-1]
    before = np.where(np.isfinite(contours[:-2]), contours[:-2], middle)
    after = np.where(np.isfinite(contours[2:]), contours[2:], middle)
    return np.asarray((before + middle + after) / 3)


def smooth_voiced(contours: FloatArray) -> FloatArray:
    """The same for voiced contours (openSMILE's ``sma3nz``): the mean of what is told among the three."""
    told = np.isfinite(contours)
    value = np.where(told, contours, 0.0)
    count = told[:-2].astype(int) + told[1:-1] + told[2:]
    mean = (value[:-2] + value[1:-1] + value[2:]) / np.maximum(count, 1)
    return np.asarray(np.where(told[1:-1], mean, np.nan))
