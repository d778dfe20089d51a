"""Pitch, its path, jitter and shimmer on sounds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

import voices
from moodal.dsp.pitch import CANDIDATES, FRAME, VOICED, Path, magnitude_spectra, pitch_candidates, semitones
from moodal.dsp.pitch_periods import LEAD, jitter_shimmer
from moodal.dsp.sound import frames, gaussian
from moodal.extract.voice.egemaps import descriptors


def track(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pitch in Hz and its score."""
    path = Path(40)
    first = path.push(*pitch_candidates(magnitude_spectra(frames(sound, FRAME, 160))[0]))
    rest = path.close()
    return np.concatenate([first[0], rest[0]]), np.concatenate([first[1], rest[1]])


@pytest.mark.parametrize("hz", [70, 85.5, 110, 147.3, 220, 311, 440, 600])
def test_a_steady_voice_has_its_pitch(hz: float) -> None:
    found, score = track(voices.glide(hz, hz, 0.5)[0])
    assert np.isfinite(found).all()
    assert np.abs(12 * np.log2(found / hz)).max() < 0.1
    assert score.min() > VOICED


def test_a_glide_is_followed_up_and_down() -> None:
    sound, truth = voices.glide(90, 360, 2.0)
    for samples, hz in ((sound, truth), (sound[::-1].copy(), truth[::-1])):
        found, _ = track(samples)
        middle = hz[np.arange(len(found)) * 160 + FRAME // 2]
        assert np.isfinite(found).all()
        assert np.abs(12 * np.log2(found / middle)).max() < 0.3


def test_a_voice_without_its_fundamental_keeps_its_pitch() -> None:
    t = np.arange(8000) / voices.RATE
    sound = sum(np.cos(2 * np.pi * 150 * k * t + k) for k in range(3, 12)) * 0.05
    found, _ = track(np.asarray(sound, np.float32))
    assert np.abs(found - 150).max() < 1.5


def test_noise_has_no_pitch() -> None:
    found, _ = track(voices.white(2.0))
    assert np.isfinite(found).mean() < 0.05


def test_pitch_does_not_depend_on_level() -> None:
    sound = voices.vowel(160, 0.5)
    loud, quiet = track(sound)[0], track(sound * np.float32(0.01))[0]
    assert np.allclose(loud, quiet, rtol=1e-3, equal_nan=True)


def candidates(scores: list[float]) -> tuple[np.ndarray, np.ndarray]:
    hz = np.full((len(scores), CANDIDATES), np.nan)
    score = np.zeros((len(scores), CANDIDATES))
    hz[:, 0], score[:, 0] = 120.0, scores
    return hz, score


@pytest.mark.parametrize(("frames_", "kept"), [(1, False), (2, False), (3, True), (8, True)])
def test_two_frames_are_too_few_to_change_voicing(frames_: int, kept: bool) -> None:
    """Neither an island of voice nor a hole in it counts unless it is three frames long."""
    for inside, outside in ((0.8, 0.5), (0.6, 0.8)):
        path = Path(40)
        scores = [outside] * 20 + [inside] * frames_ + [outside] * 20
        a, b = path.push(*candidates(scores)), path.close()
        voiced = np.isfinite(np.concatenate([a[0], b[0]]))
        assert (voiced[20] == (inside > VOICED)) == kept
        assert voiced[0] == (outside > VOICED)


def test_the_path_prefers_a_steady_octave() -> None:
    """One frame whose octave scores a little better does not make the pitch jump."""
    hz = np.tile([120.0, 240.0, *[np.nan] * 4], (30, 1))
    score = np.tile([0.8, 0.75, 0, 0, 0, 0], (30, 1)).astype(float)
    hz[15, :2], score[15, :2] = [240.0, 120.0], [0.81, 0.8]
    path = Path(40)
    a, b = path.push(hz, score), path.close()
    assert np.concatenate([a[0], b[0]]).tolist() == [120.0] * 30


def test_the_path_is_the_same_however_it_is_fed() -> None:
    rng = np.random.default_rng(4)
    hz, score = rng.uniform(60, 400, (200, CANDIDATES)), np.sort(rng.uniform(0.4, 0.95, (200, CANDIDATES)))[:, ::-1]
    whole = Path(40)
    expected = np.concatenate([whole.push(hz, score)[0], whole.close()[0]])
    parts = Path(40)
    got = [parts.push(hz[i : i + 7], score[i : i + 7])[0] for i in range(0, 200, 7)] + [parts.close()[0]]
    assert np.array_equal(np.concatenate(got), expected, equal_nan=True)


def test_semitones_count_from_the_lowest_a() -> None:
    assert semitones(np.array([27.5, 55.0, 440.0])).tolist() == [0.0, 12.0, 48.0]


def perturbation(sound: np.ndarray, hz: float) -> tuple[float, float]:
    starts = np.arange(20, 80) * 160
    jitter, shimmer = jitter_shimmer(
        np.concatenate([np.zeros(LEAD, np.float32), sound]), starts + LEAD, np.full(60, hz)
    )
    return float(np.nanmean(jitter)), float(np.nanmean(shimmer))


@pytest.mark.parametrize("hz", [100.0, 133.0, 200.0])
def test_an_even_voice_has_no_jitter_and_no_shimmer(hz: float) -> None:
    jitter, shimmer = perturbation(voices.vowel(hz), hz)
    assert jitter < 0.002
    assert shimmer < 0.15


@pytest.mark.parametrize("planted", [0.01, 0.02])
def test_planted_jitter_is_found(planted: float) -> None:
    """Neighbours of independent periods differ by 2/sqrt(pi) standard deviations on the mean."""
    found, _ = perturbation(voices.vowel(160, jitter=planted), 160)
    assert found == pytest.approx(planted * 2 / np.sqrt(np.pi), rel=0.3)


def test_planted_shimmer_is_found() -> None:
    """A period's size holds the end of the pulse before it, which adds to the differences."""
    half, full = (perturbation(voices.vowel(160, shimmer_db=db), 160)[1] for db in (0.5, 1.0))
    assert full / half == pytest.approx(2, rel=0.15)
    assert 1.0 < full / (2 / np.sqrt(np.pi)) < 1.6


def test_noise_has_no_periods() -> None:
    jitter, shimmer = jitter_shimmer(voices.white(1.0), np.array([LEAD, 4000, 8000]), np.full(3, 80.0))
    assert np.isnan(jitter).sum() >= 2
    assert np.isnan(shimmer).sum() >= 2


@pytest.mark.parametrize("ratio_db", [0.0, 5.0, 10.0, 20.0])
def test_harmonics_to_noise_ratio_of_a_known_mixture(ratio_db: float) -> None:
    """The autocorrelation is not divided by the window's own, as in openSMILE: the answer is known all the same."""
    tone = voices.glide(125, 125, 1.0)[0]
    level = float(np.sqrt(np.mean(tone**2))) * 10 ** (-ratio_db / 20)
    rows = descriptors(tone + voices.white(1.0, level))
    window = gaussian(FRAME, 0.4).astype(float)
    fades = float(window[128:] @ window[:-128] / (window @ window))
    share = fades * 10 ** (ratio_db / 10) / (1 + 10 ** (ratio_db / 10))
    assert np.nanmedian(rows[:, 13]) == pytest.approx(10 * np.log10(share / (1 - share)), abs=0.7)
