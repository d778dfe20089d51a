"""Names, formants, spectral descriptors and functionals of eGeMAPS against known truths."""

from __future__ import annotations

import numpy as np
import pytest

import voices
from moodal.dsp.egemaps import DESCRIPTORS, smooth, smooth_voiced
from moodal.dsp.egemaps_functionals import FUNCTIONALS, functionals
from moodal.dsp.formant import formants
from moodal.dsp.sound import frames
from moodal.extract.voice.egemaps import descriptors

#: openSMILE 2.6.0, feature set eGeMAPSv02.
LOW_LEVEL_NAMES = """Loudness_sma3 alphaRatio_sma3 hammarbergIndex_sma3 slope0-500_sma3 slope500-1500_sma3
spectralFlux_sma3 mfcc1_sma3 mfcc2_sma3 mfcc3_sma3 mfcc4_sma3 F0semitoneFrom27.5Hz_sma3nz
jitterLocal_sma3nz shimmerLocaldB_sma3nz HNRdBACF_sma3nz logRelF0-H1-H2_sma3nz logRelF0-H1-A3_sma3nz
F1frequency_sma3nz F1bandwidth_sma3nz F1amplitudeLogRelF0_sma3nz F2frequency_sma3nz F2bandwidth_sma3nz
F2amplitudeLogRelF0_sma3nz F3frequency_sma3nz F3bandwidth_sma3nz F3amplitudeLogRelF0_sma3nz"""
SUMMARY_NAMES = """F0semitoneFrom27.5Hz_sma3nz_amean F0semitoneFrom27.5Hz_sma3nz_stddevNorm
F0semitoneFrom27.5Hz_sma3nz_percentile20.0 F0semitoneFrom27.5Hz_sma3nz_percentile50.0
F0semitoneFrom27.5Hz_sma3nz_percentile80.0 F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2
F0semitoneFrom27.5Hz_sma3nz_meanRisingSlope F0semitoneFrom27.5Hz_sma3nz_stddevRisingSlope
F0semitoneFrom27.5Hz_sma3nz_meanFallingSlope F0semitoneFrom27.5Hz_sma3nz_stddevFallingSlope
loudness_sma3_amean loudness_sma3_stddevNorm loudness_sma3_percentile20.0 loudness_sma3_percentile50.0
loudness_sma3_percentile80.0 loudness_sma3_pctlrange0-2 loudness_sma3_meanRisingSlope
loudness_sma3_stddevRisingSlope loudness_sma3_meanFallingSlope loudness_sma3_stddevFallingSlope
spectralFlux_sma3_amean spectralFlux_sma3_stddevNorm mfcc1_sma3_amean mfcc1_sma3_stddevNorm
mfcc2_sma3_amean mfcc2_sma3_stddevNorm mfcc3_sma3_amean mfcc3_sma3_stddevNorm mfcc4_sma3_amean
mfcc4_sma3_stddevNorm jitterLocal_sma3nz_amean jitterLocal_sma3nz_stddevNorm
shimmerLocaldB_sma3nz_amean shimmerLocaldB_sma3nz_stddevNorm HNRdBACF_sma3nz_amean
HNRdBACF_sma3nz_stddevNorm logRelF0-H1-H2_sma3nz_amean logRelF0-H1-H2_sma3nz_stddevNorm
logRelF0-H1-A3_sma3nz_amean logRelF0-H1-A3_sma3nz_stddevNorm F1frequency_sma3nz_amean
F1frequency_sma3nz_stddevNorm F1bandwidth_sma3nz_amean F1bandwidth_sma3nz_stddevNorm
F1amplitudeLogRelF0_sma3nz_amean F1amplitudeLogRelF0_sma3nz_stddevNorm F2frequency_sma3nz_amean
F2frequency_sma3nz_stddevNorm F2bandwidth_sma3nz_amean F2bandwidth_sma3nz_stddevNorm
F2amplitudeLogRelF0_sma3nz_amean F2amplitudeLogRelF0_sma3nz_stddevNorm F3frequency_sma3nz_amean
F3frequency_sma3nz_stddevNorm F3bandwidth_sma3nz_amean F3bandwidth_sma3nz_stddevNorm
F3amplitudeLogRelF0_sma3nz_amean F3amplitudeLogRelF0_sma3nz_stddevNorm alphaRatioV_sma3nz_amean
alphaRatioV_sma3nz_stddevNorm hammarbergIndexV_sma3nz_amean hammarbergIndexV_sma3nz_stddevNorm
slopeV0-500_sma3nz_amean slopeV0-500_sma3nz_stddevNorm slopeV500-1500_sma3nz_amean
slopeV500-1500_sma3nz_stddevNorm spectralFluxV_sma3nz_amean spectralFluxV_sma3nz_stddevNorm
mfcc1V_sma3nz_amean mfcc1V_sma3nz_stddevNorm mfcc2V_sma3nz_amean mfcc2V_sma3nz_stddevNorm
mfcc3V_sma3nz_amean mfcc3V_sma3nz_stddevNorm mfcc4V_sma3nz_amean mfcc4V_sma3nz_stddevNorm
alphaRatioUV_sma3nz_amean hammarbergIndexUV_sma3nz_amean slopeUV0-500_sma3nz_amean
slopeUV500-1500_sma3nz_amean spectralFluxUV_sma3nz_amean loudnessPeaksPerSec VoicedSegmentsPerSec
MeanVoicedSegmentLengthSec StddevVoicedSegmentLengthSec MeanUnvoicedSegmentLength
StddevUnvoicedSegmentLength equivalentSoundLevel_dBp"""


def test_names_are_opensmiles() -> None:
    assert [name for name, _, _ in DESCRIPTORS] == LOW_LEVEL_NAMES.split()
    assert list(FUNCTIONALS) == SUMMARY_NAMES.split()
    assert (len(DESCRIPTORS), len(FUNCTIONALS)) == (25, 88)


def contour(f0: list[float], loudness: list[float] | None = None) -> np.ndarray:
    """A made-up track of ones: pitch as given (0: unvoiced), loudness as given."""
    out = np.ones((len(f0), 26))
    pitch = np.array(f0, float)
    out[:, 10:25] = np.where(pitch[:, None] > 0, out[:, 10:25], np.nan)
    out[:, 10] = np.where(pitch > 0, pitch, np.nan)
    if loudness is not None:
        out[:, 0] = loudness
    return out


def of(contours: np.ndarray) -> dict[str, float]:
    return dict(zip(FUNCTIONALS, functionals(contours).tolist(), strict=True))


def test_moments_and_percentiles_by_hand() -> None:
    found = of(contour([10, 20, 30, 40, 50, 0, 0, 0]))
    stem = "F0semitoneFrom27.5Hz_sma3nz_"
    assert found[stem + "amean"] == 30
    assert found[stem + "stddevNorm"] == pytest.approx(np.sqrt(200) / 30)
    assert found[stem + "percentile20.0"] == pytest.approx(18)
    assert found[stem + "percentile50.0"] == 30
    assert found[stem + "percentile80.0"] == pytest.approx(42)
    assert found[stem + "pctlrange0-2"] == pytest.approx(24)


def test_slopes_and_peaks_by_hand() -> None:
    """Up by 4 in 4 frames, down by 2 in 2, up by 1 in 1, and down by 1 at the end, with openSMILE's sign for that."""
    found = of(contour([0] * 9, [0, 1, 2, 3, 4, 3, 2, 3, 2]))
    assert found["loudness_sma3_meanRisingSlope"] == pytest.approx((100 + 100) / 2)
    assert found["loudness_sma3_stddevRisingSlope"] == pytest.approx(0)
    assert found["loudness_sma3_meanFallingSlope"] == pytest.approx((100 - 100) / 2)
    assert found["loudness_sma3_stddevFallingSlope"] == pytest.approx(100 / np.sqrt(2))
    assert found["loudnessPeaksPerSec"] == pytest.approx(2 / 0.09)


def test_a_turn_under_a_tenth_of_the_range_is_none() -> None:
    found = of(contour([0] * 7, [0, 10, 9.5, 9.9, 5, 2, 0]))
    assert found["loudnessPeaksPerSec"] == pytest.approx(1 / 0.07)


def test_voiced_segments_by_hand() -> None:
    """Runs of 5 and 8 frames (a hole of one frame is bridged) and one of 2 that is none."""
    voiced = [0] * 4 + [1] * 5 + [0] * 3 + [1] * 4 + [0] + [1] * 3 + [0] * 6 + [1] * 2 + [0] * 3
    found = of(contour([30.0 * v for v in voiced]))
    assert found["VoicedSegmentsPerSec"] == pytest.approx(2 / (len(voiced) / 100))
    assert found["MeanVoicedSegmentLengthSec"] == pytest.approx((4 + 7) / 2 / 100)
    assert found["StddevVoicedSegmentLengthSec"] == pytest.approx(1.5 / 100)
    assert found["MeanUnvoicedSegmentLength"] == pytest.approx((3 + 2 + 5 + 2) / 4 / 100)


def test_a_gap_ends_a_segment_and_counts_for_nothing() -> None:
    rows = contour([30.0] * 6)
    apart = np.insert(rows, 3, np.nan, axis=0)
    assert of(apart)["VoicedSegmentsPerSec"] == pytest.approx(2 / 0.06)
    assert of(apart)["F0semitoneFrom27.5Hz_sma3nz_amean"] == 30


def test_nothing_gives_nothing() -> None:
    assert np.isnan(functionals(np.full((50, 26), np.nan))).all()
    unvoiced = of(contour([0] * 50))
    assert np.isnan(unvoiced["F0semitoneFrom27.5Hz_sma3nz_amean"])
    assert np.isnan(unvoiced["MeanVoicedSegmentLengthSec"])
    assert unvoiced["VoicedSegmentsPerSec"] == 0


def test_smoothing_by_hand() -> None:
    x = np.array([[np.nan], [3.0], [6.0], [9.0], [np.nan]])
    assert smooth(x)[:, 0].tolist() == [4.0, 6.0, 8.0]
    gap = np.array([[1.0], [np.nan], [4.0], [8.0], [np.nan]])
    assert np.array_equal(smooth_voiced(gap)[:, 0], [np.nan, 6.0, 6.0], equal_nan=True)


@pytest.mark.parametrize(
    "truth", [(700, 1220, 2600), (300, 2200, 2900), (350, 800, 2300), (500, 1500, 2500)], ids=["a", "i", "u", "neutral"]
)
def test_formants_of_synthetic_vowels(truth: tuple[int, int, int]) -> None:
    sound = voices.vowel(110, 0.5, formants=[(f, 60 + f / 40) for f in (*truth, 3500, 4500)])
    found = np.nanmedian(formants(frames(sound, 320, 160)[5:-5])[:, :, 0], axis=0)
    assert np.abs(found / np.array(truth) - 1).max() < 0.12


def test_level_and_loudness_follow_the_scale() -> None:
    sound = voices.vowel(120, 0.5)
    loud, quiet = descriptors(sound), descriptors(sound * np.float32(0.1))
    assert np.median(quiet[:, 25] - loud[:, 25]) == pytest.approx(-20, abs=0.01)
    assert np.median(quiet[:, 0] / loud[:, 0]) == pytest.approx(0.01**0.33, rel=1e-3)
    for j in (1, 2, 10, 13, 14, 15):
        assert np.allclose(loud[5:-5, j], quiet[5:-5, j], rtol=5e-3, atol=5e-3, equal_nan=True), DESCRIPTORS[j][0]


def test_a_full_scale_square_wave_is_0_db() -> None:
    square = np.sign(np.sin(2 * np.pi * 100 * np.arange(8000) / voices.RATE + 0.1)).astype(np.float32)
    found = of(descriptors(square))
    assert found["equivalentSoundLevel_dBp"] == pytest.approx(0, abs=0.01)


def test_spectral_balance_has_its_sign() -> None:
    t = np.arange(8000) / voices.RATE
    low, high = (np.asarray(0.1 * np.sin(2 * np.pi * f * t), np.float32) for f in (300, 3000))
    dull, bright = descriptors(low + 0.1 * high), descriptors(0.1 * low + high)
    assert np.median(dull[:, 1]) == pytest.approx(-20, abs=1)
    assert np.median(bright[:, 1]) == pytest.approx(20, abs=1)
    assert np.median(dull[:, 2]) == pytest.approx(20, abs=1)
    assert np.median(bright[:, 2]) == pytest.approx(-20, abs=1)


def test_digital_silence_has_no_balance_and_no_pitch() -> None:
    rows = descriptors(np.zeros(8000, np.float32))
    assert np.isnan(rows[:, 1:5]).all()
    assert np.isnan(rows[:, 10:25]).all()
    assert (rows[:, 0] == 0).all()


def test_short_sound_gives_no_frames() -> None:
    assert descriptors(np.zeros(319, np.float32)).shape == (0, 26)
    assert len(descriptors(voices.vowel(120, 0.05))) == (800 - 320) // 160 + 1
