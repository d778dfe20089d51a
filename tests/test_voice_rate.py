"""Speaking rate and pauses of sounds whose syllables and pauses are known."""

from __future__ import annotations

import numpy as np
import pytest

import voices
from moodal.extract.voice.egemaps import descriptors
from moodal.extract.voice.rate import LEAST_SPEECH, speaking_rate, syllables


@pytest.mark.parametrize("rate", [2.0, 3.0, 4.0, 5.0, 6.0])
def test_a_train_of_syllables_has_its_rate(rate: float) -> None:
    count = round(3 * rate)
    rows = descriptors(voices.syllable_train(rate, count))
    found = len(syllables(rows[:, 0], np.isfinite(rows[:, 10])))
    assert abs(found - count) <= 1


def test_bursts_of_noise_are_no_syllables() -> None:
    t = np.arange(3 * voices.RATE) / voices.RATE
    rows = descriptors((voices.white(3.0) * np.sin(np.pi * 4 * t) ** 2).astype(np.float32))
    assert len(syllables(rows[:, 0], np.isfinite(rows[:, 10]))) <= 2


def test_a_steady_sound_has_no_syllables() -> None:
    assert len(syllables(np.full(300, 0.5), np.ones(300, bool))) == 0


def made_up(stretches: list[tuple[str, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Loudness, voicing, speech and pause of stretches (kind, frames); speech swells four times a second."""
    kind = np.concatenate([np.full(n, k) for k, n in stretches])
    speech = kind == "speech"
    loudness = np.where(speech, 0.6 - 0.5 * np.cos(2 * np.pi * np.arange(len(kind)) / 25), 0.02)
    return loudness, speech.copy(), speech, kind == "pause"


def test_pauses_between_speech_are_measured() -> None:
    rate, share, mean = speaking_rate(*made_up([("speech", 100), ("pause", 50), ("speech", 100), ("pause", 30)]))
    assert share == pytest.approx(50 / 250)
    assert mean == pytest.approx(0.5)
    assert rate == pytest.approx(4, abs=0.6)


def test_a_breath_under_a_tenth_of_a_second_is_no_pause() -> None:
    _, share, mean = speaking_rate(*made_up([("speech", 100), ("pause", 9), ("speech", 100)]))
    assert share == 0
    assert np.isnan(mean)


def test_silence_around_speech_is_no_pause() -> None:
    _, share, mean = speaking_rate(*made_up([("pause", 80), ("speech", 120), ("pause", 80)]))
    assert share == 0
    assert np.isnan(mean)


def test_under_half_a_second_of_speech_tells_nothing() -> None:
    few = made_up([("pause", 100), ("speech", LEAST_SPEECH - 1), ("pause", 100)])
    assert np.isnan(speaking_rate(*few)).all()
