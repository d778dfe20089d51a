"""Leaks that made figures of EEG look solved, kept as tests: what they pay where there is no emotion to be found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from eeg_leaks import protocols, strangers, trial_named


def test_offline_smoothing_names_the_trial_on_noise() -> None:
    """Forty trials of noise: one window in twenty has its nearest neighbour in its trial, all have it once smoothed."""
    plain = [trial_named("none", seed=s) for s in range(3)]
    assert all(0.025 < share < 0.12 for share in plain), plain
    assert all(trial_named("lds-offline", seed=s) > 0.98 for s in range(3))


def test_smoothing_names_the_trial_even_without_any_offset_of_trials() -> None:
    assert trial_named("none", offset=0.0) < 0.06
    assert trial_named("lds-offline", offset=0.0) > 0.98


def test_shuffled_windows_find_fingerprints_and_strangers_show_that_nothing_is_there(tmp_path: Path) -> None:
    told = protocols(strangers(6, 8, 10), tmp_path)
    plain, smoothed = told["SVM, entropy"], told["SVM, smoothed offline"]
    leak, honest = (smoothed[name] for name in ("segment-shuffle", "leave-one-subject-out"))
    # Score, low and high: the leak's interval lies above chance and above the honest one, which holds chance.
    assert leak[1] > 0.75
    assert leak[1] > honest[2]
    assert plain["segment-shuffle"][1] > 0.52
    assert leak[0] > plain["segment-shuffle"][0] + 0.1
    for name, found in told.items():
        low, high = found["leave-one-subject-out"][1:]
        assert low < 0.52, name
        assert high > 0.48, name


@pytest.mark.slow
def test_a_network_finds_the_fingerprint_too(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    told = protocols(strangers(6, 8, 10), tmp_path, epochs=10)["ShallowConvNet"]
    assert told["segment-shuffle"][0] > told["leave-one-subject-out"][0] + 0.04
