"""Hand features: named, with units, right on signals whose truth is known, silent where there is nothing to tell."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from moodal.lab.data.hand import FIELDS, GROUPS, Withheld, listed
from moodal.lab.data.hand.series import peak_hz, slope, spectrum
from moodal.lab.data.raw import Raw, Signal
from moodal.lab.pipeline.graph import Node
from moodal.lab.pipeline.prepare import extract
from moodal.lab.pipeline.windows import Window, Windows
from pipelines import ecg, eda

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "lines_of_code" / "plain"))

SECONDS = 130.0
EEG = ("Fp1", "F3", "F4", "P3", "O1")


def sine(hz: float, rate: float, size: float = 1.0, seconds: float = SECONDS) -> np.ndarray:
    return size * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def signal(kind: str, values: np.ndarray, rate: float, channels: tuple[str, ...] = ()) -> Signal:
    return Signal(kind, kind, values if values.ndim == 2 else values[:, None], rate, channels=channels)


def signals() -> dict[str, Signal]:
    rng = np.random.default_rng(3)
    n = round(SECONDS * 128)
    eeg = np.stack([sine(10, 128.0, 20.0) + 3 * rng.normal(size=n) for _ in EEG], axis=1)
    acc = np.stack([0.2 * sine(2, 32.0), np.zeros(round(SECONDS * 32)), np.ones(round(SECONDS * 32))], axis=1)
    from voices import syllable_train

    return {
        "ecg": signal("ecg", ecg(rng, SECONDS, 250.0, 75.0), 250.0),
        "ppg": signal(
            "ppg", 1 + np.maximum(sine(1.25, 64.0), -0.3) + 0.01 * rng.normal(size=round(SECONDS * 64)), 64.0
        ),
        "eda": signal("eda", eda(rng, SECONDS, 4.0, 4.0), 4.0),
        "resp": signal("resp", sine(0.25, 25.0, 2.0) + 0.02 * rng.normal(size=round(SECONDS * 25)), 25.0),
        "temp": signal("temp", 33 + 0.001 * np.arange(round(SECONDS * 4)) / 4, 4.0),
        "emg": signal("emg", 30 * rng.normal(size=round(SECONDS * 1000)), 1000.0),
        "acc": signal("acc", acc, 32.0, ("x", "y", "z")),
        "eeg": signal("eeg", eeg, 128.0, EEG),
        "sound": signal("sound", syllable_train(3.0, 9), 16000.0),
    }


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, float]]:
    held = signals()
    return {g.name: g.function()(held[g.kind or "eda"]) for g in GROUPS.values()}


def test_there_are_120_at_least_and_each_has_a_unit() -> None:
    rows = listed()
    assert len(rows) >= 120
    assert len({r["feature"] for r in rows}) == len(rows)
    assert all(r["unit"] for r in rows)
    assert {r["stream"] for r in rows} >= {"ecg", "ppg", "eda", "resp", "temp", "emg", "acc", "eeg", "sound"}


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_tells_what_it_lists(name: str, told: dict[str, dict[str, float]]) -> None:
    group = GROUPS[name]
    if any("CHANNEL" in f for f in FIELDS[name]):
        endings = tuple(f.removeprefix("CHANNEL") for f in FIELDS[name])
        assert all(f.endswith(endings) for f in told[name])
    else:
        assert list(told[name]) == list(FIELDS[name])
    values = np.array(list(told[name].values()))
    assert np.isfinite(values).mean() > 0.85
    assert group.about


def test_heart(told: dict[str, dict[str, float]]) -> None:
    for name, rate in (("ecg.hrv", 75.0), ("ppg.hrv", 75.0)):
        assert told[name]["hr_mean"] == pytest.approx(rate, abs=1.5)
        assert told[name]["meannn"] == pytest.approx(60000 / rate, abs=15)
        assert told[name]["normal_share"] > 0.95
    # Intervals were drawn with a standard deviation of 20 ms, one from the other independent.
    assert told["ecg.hrv"]["sdnn"] == pytest.approx(20, abs=4)
    assert told["ecg.hrv"]["rmssd"] == pytest.approx(20 * np.sqrt(2), abs=6)
    assert told["ppg.hrv"]["sdnn"] < 5
    assert told["ppg.wave"]["match_mean"] > 0.99


def test_spectra_of_the_heart_need_their_time() -> None:
    x = signals()["ecg"]
    for seconds, lf, hf in ((50.0, False, False), (70.0, False, True), (125.0, True, True)):
        found = GROUPS["ecg.hrv"].function()(x.cut(0.0, seconds))
        assert (np.isfinite(found["lf"]), np.isfinite(found["hf"])) == (lf, hf)


def test_skin(told: dict[str, dict[str, float]]) -> None:
    t = told["eda.basic"]
    assert t["scr_count"] == pytest.approx(round(4 * SECONDS / 60), abs=3)
    assert 0.05 < t["scr_amplitude_mean"] < 0.6
    assert t["mean"] == pytest.approx(t["tonic_mean"], abs=0.02)
    assert t["range"] == t["max"] - t["min"]


def test_breath(told: dict[str, dict[str, float]]) -> None:
    t = told["resp.basic"]
    assert t["rate_mean"] == pytest.approx(15, abs=0.2)
    assert t["peak_hz"] == pytest.approx(0.25, abs=0.01)
    assert t["depth_mean"] == pytest.approx(4.0, abs=0.2)
    assert t["inhale_exhale"] == pytest.approx(1.0, abs=0.1)
    assert t["regularity"] > 0.98


def test_warmth_muscle_movement(told: dict[str, dict[str, float]]) -> None:
    assert told["temp.basic"]["slope"] == pytest.approx(0.001, rel=1e-6)
    assert told["temp.basic"]["change"] == pytest.approx(0.001 * (SECONDS - 1), rel=0.01)
    # White noise of 30 µV keeps the share (450 - 20) / 500 of its power.
    assert told["emg.basic"]["rms"] == pytest.approx(30 * np.sqrt(430 / 500), rel=0.03)
    parts = [told["emg.basic"][f"power_{p}"] for p in ("low", "middle", "high")]
    assert sum(parts) == pytest.approx(1)
    acc = told["acc.basic"]
    assert acc["tilt"] == pytest.approx(0.0, abs=1.0)
    assert acc["x_sd"] == pytest.approx(0.2 / np.sqrt(2), rel=0.01)
    assert acc["peak_hz"] == pytest.approx(4.0, abs=0.1)  # the norm swings twice a period


def test_brain(told: dict[str, dict[str, float]]) -> None:
    t = told["eeg.bands"]
    assert t["alpha_share"] > 0.8
    assert t["alpha_peak_hz"] == pytest.approx(10.0)
    # A sine of amplitude 20 µV has 200 µV² of power; the band is 5 Hz wide.
    assert 10 ** t["alpha_log"] == pytest.approx(200, rel=0.15)
    assert sum(t[f"{b}_share"] for b in ("delta", "theta", "alpha", "beta", "gamma")) == pytest.approx(1)
    assert told["eeg.channels"]["O1_alpha_log"] == pytest.approx(t["parietal_alpha_log"], abs=0.02)
    assert abs(t["frontal_alpha_asymmetry"]) < 0.1


def test_statistics_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    x = np.random.default_rng(0).gamma(2.0, size=500)
    t = GROUPS["stats"].function()(signal("x", x, 4.0))
    assert t["x_skew"] == pytest.approx(stats.skew(x))
    assert t["x_kurtosis"] == pytest.approx(stats.kurtosis(x))
    assert t["x_iqr"] == pytest.approx(stats.iqr(x))
    assert t["x_slope"] == pytest.approx(np.polyfit(np.arange(500) / 4, x, 1)[0])


def test_spectra_are_scipys() -> None:
    filters = pytest.importorskip("scipy.signal")
    for n, seconds in ((1000, 2.0), (777, None), (500, 1.3)):
        x = np.random.default_rng(n).normal(size=n)
        f, p = spectrum(x, 100.0, seconds)
        size = n if seconds is None else round(seconds * 100)
        g, q = filters.welch(x, 100.0, nperseg=size)
        np.testing.assert_allclose(f, g)
        np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-14)
    assert peak_hz(sine(7.0, 100.0), 100.0) == pytest.approx(7.0, abs=0.02)
    assert np.isnan(slope(np.zeros(1), 4.0))


def test_features_are_those_of_a_program_with_ordinary_libraries() -> None:
    """The plain programs of ``benchmarks/lines_of_code`` are written apart: scipy's filters, peaks and splines."""
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    import heart
    import skin
    import wesad_stress

    held = signals()
    for name, kind, function in (
        ("ecg.hrv", "ecg", heart.hrv), ("eda.basic", "eda", skin.eda), ("emg.basic", "emg", wesad_stress.emg),
        ("resp.basic", "resp", wesad_stress.resp), ("temp.basic", "temp", wesad_stress.temp),
    ):  # fmt: skip
        cut = held[kind].cut(2.0, 62.0)
        ours, theirs = GROUPS[name].function()(cut), function(cut.column(), int(cut.rate_hz or 0))
        for field, value in theirs.items():
            np.testing.assert_allclose(ours[field], value, rtol=1e-6, atol=1e-9, err_msg=f"{name}.{field}")


# ---- windows that tell nothing


def run(name: str, x: Signal | None, seconds: float = 60.0, least: float = 0.9) -> tuple[dict[str, float], str]:
    held = {} if x is None else {x.name: x}
    windows = Windows((Window(Raw("r", "s", held, (), 0.0, seconds), 0.0, seconds),), least)
    values, why = extract(Node(name, "extract", name), windows)
    return values[0], why[0]


@pytest.mark.parametrize(
    ("name", "x", "reason"),
    [
        ("ecg.hrv", None, "no_stream"),
        ("ecg.hrv", signal("ecg", np.zeros(15000), 250.0), "flat"),
        ("ecg.hrv", signal("ecg", np.full(15000, np.nan), 250.0), "no_stream"),
        ("ecg.hrv", signal("ecg", np.ones(600), 10.0), "unreadable"),
        ("ecg.hrv", signal("ecg", np.ones(250 * 30), 250.0), "too_short"),
        ("eda.basic", signal("eda", np.full(240, 0.001), 4.0), "no_contact"),
        ("eda.basic", signal("eda", np.full(240, 2.0), 4.0), "flat"),
        ("resp.basic", signal("resp", np.zeros(1500), 25.0), "flat"),
        ("voice.egemaps", signal("sound", np.zeros(16000 * 60), 16000.0), "silence"),
        ("eeg.bands", signal("eeg", np.zeros(128 * 60), 128.0), "flat"),
        ("acc.basic", signal("acc", np.ones(32 * 60), 32.0), "no_stream"),
    ],
)
def test_a_window_that_tells_nothing_has_a_reason(name: str, x: Signal | None, reason: str) -> None:
    assert run(name, x) == ({}, reason)


def test_a_few_missing_samples_are_bridged() -> None:
    x = signals()["eda"].cut(0.0, 60.0)
    holes = x.values.copy()
    holes[50:60] = np.nan
    values, why = run("eda.basic", Signal("eda", "eda", holes, 4.0))
    assert why == ""
    assert values["mean"] == pytest.approx(float(np.interp(np.arange(240), np.flatnonzero(np.isfinite(holes[:, 0])),
                                                           holes[np.isfinite(holes)]).mean()))  # fmt: skip


def test_a_function_that_fails_is_a_reason_not_a_crash() -> None:
    def bad(window: Window) -> dict[str, float]:
        raise ZeroDivisionError

    windows = Windows((Window(Raw("r", "s", {}), 0.0, 1.0),), 0.0)
    assert extract(Node("b", "extract", bad), windows) == ([{}], ["failed_ZeroDivisionError"])


def test_withheld_is_told_by_code() -> None:
    with pytest.raises(Withheld, match="flat"):
        GROUPS["emg.basic"].function()(signal("emg", np.zeros(1000), 1000.0))
