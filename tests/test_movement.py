"""Warmth, movement and muscle where the answer can be worked out: lines, turns, tones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import signals
from moodal.dsp.movement import emg_band, mains_share, movement, rolling_slope, root_mean_square
from moodal.lab.data.hand import GROUPS
from moodal.lab.data.raw import Signal
from test_body import measured


def test_the_slope_is_that_of_a_line_through_the_last_minute() -> None:
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.uniform(0.8, 1.2, 200))
    x = 33 + 0.004 * t + 0.05 * rng.standard_normal(200)
    good = rng.random(200) > 0.3
    ours = rolling_slope(t, x, good, 60, 30)
    for i in range(200):
        here = slice(max(0, i - 59), i + 1)
        some = good[here]
        if some.sum() < 30:
            assert np.isnan(ours[i])
        else:
            assert ours[i] == pytest.approx(np.polyfit(t[here][some], x[here][some], 1)[0], abs=1e-9)


def test_the_track_of_warmth_is_means_of_seconds_and_their_slope() -> None:
    x = signals.temp(200, slope=0.0) + 0.4 * np.sin(np.arange(800) / 4 / 30)
    track = measured("temp", "temp", x, 4.0)["body.temp"]
    seconds = x.reshape(-1, 4).mean(axis=1)
    assert_allclose(track["temp"], seconds, atol=1e-5)
    t = np.arange(200.0)
    for i in range(29, 200, 17):
        here = slice(max(0, i - 59), i + 1)
        assert track["slope"][i] == pytest.approx(60 * np.polyfit(t[here], seconds[here], 1)[0], abs=1e-4)
    assert np.isnan(track["slope"][:29]).all()
    hand = GROUPS["temp.basic"].function()(Signal("temp", "temp", x[:, None], 4.0))
    assert hand["slope"] == pytest.approx(np.polyfit(np.arange(800) / 4, x, 1)[0], rel=1e-9)
    assert (hand["mean"], hand["sd"], hand["range"]) == pytest.approx((x.mean(), x.std(ddof=1), np.ptp(x)))


def test_movement_is_worked_out_and_does_not_ask_how_the_sensor_is_turned() -> None:
    """Of a sine of size a around 1 g, MAD is 2a / pi, ENMO a / pi and the mean norm 1."""
    t = np.arange(3200) / 100
    size = 0.3
    norm = 1 + size * np.sin(2 * np.pi * 2 * t)
    starts = np.arange(0, 3200, 100)
    turned, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    for way in (np.array([0, 0, 1.0]), turned[0]):
        told = movement(norm[:, None] * way, starts)
        assert_allclose(told, np.tile([2 * size / np.pi, size / np.pi, 1], (32, 1)), rtol=2e-3)
    track = measured("acc", "acc", norm[:, None] * turned[0], 100.0)["body.acc"]
    assert_allclose(track["mad"], 2 * size / np.pi, rtol=2e-3)
    assert_allclose(track["enmo"], size / np.pi, rtol=2e-3)
    hand = GROUPS["acc.basic"].function()(Signal("acc", "acc", norm[:, None] * turned[0], 100.0))
    assert hand["mad"] == pytest.approx(2 * size / np.pi, rel=2e-3)
    assert hand["norm_sd"] == pytest.approx(size / np.sqrt(2), rel=2e-3)
    assert hand["tilt"] == pytest.approx(np.degrees(np.arccos(turned[0][2])), abs=1e-6)


@pytest.mark.parametrize("rate", [500.0, 1000.0])
def test_muscle_keeps_its_band_and_the_hum_is_weighed(rate: float) -> None:
    t = np.arange(round(8 * rate)) / rate
    inner = slice(round(rate), -round(rate))

    def left(hz: float) -> float:
        return float(emg_band(np.sin(2 * np.pi * hz * t), rate)[inner].std() * np.sqrt(2))

    assert left(3) < 0.01
    assert left(8) < 0.05
    assert left(20) == pytest.approx(np.sqrt(0.5), abs=0.25)
    assert left(60) == pytest.approx(1, abs=0.02)
    assert left(150) == pytest.approx(1, abs=0.02)
    tone, hum = np.sin(2 * np.pi * 130 * t), np.sin(2 * np.pi * 50 * t)
    assert mains_share(tone + 2 * hum, rate) == pytest.approx(0.8, abs=0.01)
    assert mains_share(tone, rate) < 0.01
    assert mains_share(np.zeros(100), rate) == 0
    cells = np.array([0, 100, 350])
    assert_allclose(
        root_mean_square(np.concatenate([np.full(100, 3.0), np.full(250, -4.0), tone[:650]]), cells)[:2], [3, 4]
    )
