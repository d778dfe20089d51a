"""What readers of physiological sets share: rules for ratings, self-checks, and signals with a planted state."""

from __future__ import annotations

import os

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.planted import KINDS, Person, latent, signal
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.rated import rated, rating_labels

RATES = {"eeg": 128.0, "eog": 128.0, "ecg": 250.0, "emg": 500.0, "ppg": 64.0, "eda": 4.0, "resp": 25.0, "temp": 4.0,
         "acc": 32.0}  # fmt: skip
CHANNELS = {"eeg": ("Fp1", "F4", "Pz", "O1"), "acc": ("x", "y", "z")}


def made(kind: str, state: float = 0.0, person: int = 1, trial: int = 0, seed: int = 0, **told: float) -> np.ndarray:
    channels = CHANNELS.get(kind, (kind,))
    rng = np.random.default_rng([seed, person, trial])
    return signal(kind, channels, 60, RATES[kind], Person.of(3, person), state, rng, trial=trial, **told)


def power(x: np.ndarray, low: float, high: float) -> float:
    spectrum = np.square(np.abs(np.fft.rfft(x - x.mean(axis=0), axis=0)))
    f = np.fft.rfftfreq(len(x), 1 / 128)
    return float(spectrum[(f >= low) & (f < high)].mean())


@pytest.mark.parametrize("kind", KINDS)
def test_made_signals_are_plausible_and_the_same_again(kind: str) -> None:
    x = made(kind)
    checks = Plausible("made")
    checks.stream(kind, x, RATES[kind], CHANNELS.get(kind, (kind,)), "clip", expected_s=60.0)
    assert checks.notices == ()
    assert np.isfinite(x).all()
    np.testing.assert_array_equal(x, made(kind))


def test_the_state_shows_and_without_an_effect_it_does_not() -> None:
    calm, tense = made("eeg", -1), made("eeg", 1)
    assert power(calm, 8, 12) > 2 * power(tense, 8, 12)
    np.testing.assert_array_equal(made("eeg", -1, effect=0), made("eeg", 1, effect=0))
    beats = {s: int(((e := made("ecg", s)[:, 0])[1:-1] > np.maximum(e[:-2], e[2:])).sum()) for s in (-1, 1)}
    assert beats[1] != beats[-1]


def test_people_and_trials_differ_only_by_their_fingerprint() -> None:
    assert not np.allclose(made("eeg", seed=1).std(axis=0), made("eeg", person=2, seed=1).std(axis=0), rtol=0.02)
    one = signal("eeg", ("Fz",), 4, 128, Person.of(3, 1), 0, np.random.default_rng(0), fingerprint=0)
    two = signal("eeg", ("Fz",), 4, 128, Person.of(3, 2), 0, np.random.default_rng(0), fingerprint=0, trial=7)
    np.testing.assert_array_equal(one, two)


def test_a_stimulus_has_one_course() -> None:
    a = latent("clip 3", 120)
    assert np.abs(a).max() <= 1
    assert a.std() > 0.3
    np.testing.assert_array_equal(a, latent("clip 3", 120))
    assert abs(np.corrcoef(a, latent("clip 4", 120))[0, 1]) < 0.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: (x * 1e-6, 128.0, CHANNELS["eeg"]), "is it in V"),
        (lambda x: (x, 250.0, CHANNELS["eeg"]), "At 128 Hz it would fit"),
        (lambda x: (x[: 50 * 128], 128.0, CHANNELS["eeg"]), "50.0 s at 128 Hz, 60.0 s were expected"),
        (lambda x: (x, 128.0, ("Fp1", "F4", "Pz", "FP1")), "two eeg channels are called 'FP1'"),
        (lambda x: (x, 128.0, ("Fp1", "F4", "Pz")), "3 channels are named"),
        (lambda x: (x * np.nan, 128.0, CHANNELS["eeg"]), "holds no number"),
        (lambda x: (x, 0.0, CHANNELS["eeg"]), "has the rate 0"),
    ],
)
def test_what_cannot_be_right_is_one_line(change, said: str) -> None:
    values, rate, channels = change(made("eeg"))
    with pytest.raises(InputError, match=said) as caught:
        Plausible("made").stream("eeg", values, rate, channels, "clip 1", expected_s=60.0)
    assert "clip 1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_check_is_waived_by_name_only() -> None:
    Plausible("made", ["unit"]).stream("eeg", made("eeg") * 1e-6, 128.0, CHANNELS["eeg"], "clip")
    with pytest.raises(InputError, match="expected"):
        Plausible("made", ["unit"]).stream("eeg", made("eeg"), 1000.0, CHANNELS["eeg"], "clip", expected_s=60.0)
    with pytest.raises(UsageError, match="accept names no check 'units'"):
        Plausible("made", ["units"])


def test_flat_saturated_and_broken_channels_are_notices() -> None:
    x = made("eeg")
    x[:, 0] = 3.0
    x[:, 1] = np.clip(x[:, 1], -4, 4)
    x[100:900, 2] = np.nan
    checks = Plausible("made")
    checks.stream("eeg", x, 128.0, CHANNELS["eeg"], "s1-t2")
    checks.stream("eeg", made("eeg"), 128.0, CHANNELS["eeg"], "s1-t3")
    assert checks.notices == (
        "eeg channel Pz holds holes in 1 of 2 stretches (first: s1-t2)",
        "eeg channel Fp1 is flat in 1 of 2 stretches (first: s1-t2)",
        "eeg channel F4 is saturated in 1 of 2 stretches (first: s1-t2)",
    )


def test_skin_in_siemens_and_warmth_in_fahrenheit() -> None:
    with pytest.raises(InputError, match="is it in S"):
        Plausible("made").stream("eda", made("eda") * 1e-6, 4.0, ("eda",), "clip")
    with pytest.raises(InputError, match="is it in °F"):
        Plausible("made").stream("temp", made("temp") * 1.8 + 32, 4.0, ("temp",), "clip")


def test_rules_for_ratings() -> None:
    values = [1, 4.9, 5, 5.1, np.nan]
    assert rated(values, "ge5").told == ["low", "low", "high", "high", ""]
    assert rated(values, "gt5").told == ["low", "low", "low", "high", ""]
    assert rated(values, "le4.9").told == ["low", "low", "high", "high", ""]
    assert rated(values, "drop(4,5.1)").told == ["low", "", "", "high", ""]
    assert rated([1, 2, 3, 7, 8, 9], "median", subject=list("aaabbb")).told == ["low", "low", "high"] * 2
    assert rated(values, "ge5", "valence").notice == "valence: 1 of 4 ratings lie at 5 and count as high (rule ge5)"
    with pytest.raises(UsageError, match="unknown rule 'high'"):
        rated(values, "high")
    with pytest.raises(UsageError, match="whose each rating is"):
        rated(values, "median")


def test_labels_of_ratings() -> None:
    labels, notices = rating_labels({"valence": [2, 7, 5], "arousal": [8, 3, np.nan]}, "ge5", (1, 9))
    assert labels["quadrant"].source == ("low-high", "high-low", "")
    assert labels["ratings"].values[1].tolist() == [7, 3]
    assert labels["valence"].source == ("2", "7", "5")
    assert notices == ["valence: 1 of 3 ratings lie at 5 and count as high (rule ge5)"]
    with pytest.raises(InputError, match="row 2 rates valence 12, outside 1 to 9"):
        rating_labels({"valence": [2, 12]}, "ge5", (1, 9))


@pytest.mark.skipif("MOODAL_DATA" not in os.environ, reason="MOODAL_DATA is not set")
@pytest.mark.parametrize("name", ["eegmat", "stress_predict"])
def test_real_signals_are_plausible(name: str) -> None:
    from importlib import import_module

    data = import_module(f"moodal.lab.data.sets.{name}").read(window_s=60.0)
    checks = Plausible(name)
    for m, feature in data.features.items():
        for i in np.flatnonzero(feature.present)[:40].tolist():
            checks.stream(m, feature[i], feature.rate_hz, feature.fields, data.index["clip"][i], expected_s=60.0)
    assert len(data)
