"""What readers of sets share in which people watch clips and rate them, and the people that their twins are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.planted_clips import Clips
from moodal.lab.data.rated import rating_labels
from moodal.lab.data.skin import SKIN_UNITS, Skin
from moodal.lab.data.watched import NoHoles, Trial, Watched, numbered, picked, subtracted
from moodal.lab.data.windows import Channels

SIGNALS = {"eeg": (("F3", "F4", "Pz", "O1", "O2"), 128.0), "eda": (("eda",), 8.0), "emg": (("zygomaticus",), 128.0)}


def trial(who: str, clip: str, seconds: float, valence: float, arousal: float = 2.0) -> Trial:
    stream = Channels(np.ones((round(seconds * 8), 1), np.float32), 8.0)
    return Trial(who, clip, "file", {"eda": stream}, 0.0, seconds, {"valence": valence, "arousal": arousal})


def watched(window_s: float | None = None, rule: object = "ge5") -> Watched:
    return Watched("toy", {"eda": (("eda",), 8.0)}, window_s, None, rule, (1.0, 9.0))  # type: ignore[arg-type]


def test_ratings_on_the_boundary_are_counted_over_trials_not_windows() -> None:
    w = watched(2.0)
    for t in (trial("s01", "v01", 40, 5), trial("s01", "v02", 4, 7), trial("s02", "v01", 4, 3)):
        w.add(t)
    data = w.dataset(terms="", notices=[], where="toy")
    assert len(data) == 20 + 2 + 2
    assert "valence: 1 of 3 ratings lie at 5 and count as high (rule ge5)" in data.index.notices
    assert data.index.label("valence").counts() == {"low": 2, "high": 22}
    assert set(data.index["order"]) == {""}


def test_the_median_of_a_person_is_over_trials() -> None:
    w = watched(2.0, "median")
    for t in (trial("s01", "v01", 40, 1), trial("s01", "v02", 4, 2), trial("s01", "v03", 4, 9)):
        w.add(t)
    data = w.dataset(terms="", notices=[], where="toy")
    # Over windows the long clip's own rating would be the median, and 2 would be high.
    assert data.index.label("valence").counts() == {"low": 22, "high": 2}


def test_trials_shorter_than_a_window_are_told() -> None:
    w = watched(10.0)
    assert w.add(trial("s01", "v01", 12, 5)) == 1
    assert w.add(trial("s01", "v02", 9, 5)) == 0
    data = w.dataset(terms="", notices=["first"], where="toy")
    assert data.index.notices[0] == "first"
    assert "1 trials do not fill 10 s and are left out (first: s01-v02)" in data.index.notices
    none = watched(10.0)
    none.add(trial("s01", "v02", 9, 5))
    with pytest.raises(InputError, match="no stretch of one state that lasts 10 s"):
        none.dataset(terms="", notices=[], where="toy")


def test_rules_and_scales_by_name() -> None:
    told = {"valence": [-1.0, 0.0, 2.0], "arousal": [4.0, 3.0, np.nan]}
    scales = {"valence": (-3.0, 3.0), "arousal": (0.0, 6.0)}
    labels, notices = rating_labels(told, {"valence": "gt0", "arousal": "gt3"}, scales)
    assert list(labels["valence"].values) == [0, 0, 1]
    assert list(labels["arousal"].values) == [1, 0, -1]
    assert labels["ratings"].units == "valence -3 to 3, arousal 0 to 6"
    assert len(notices) == 2
    with pytest.raises(UsageError, match="rule says nothing of arousal"):
        rating_labels(told, {"valence": "gt0"}, scales)
    with pytest.raises(InputError, match="rates valence -1, outside 0 to 6"):
        rating_labels(told, "ge3", (0.0, 6.0))


def test_a_rating_outside_its_scale_is_named_where_it_stands() -> None:
    with pytest.raises(InputError, match=r"file: s01-v01 rates valence 9\.5, outside 1 to 9"):
        watched().add(trial("s01", "v01", 12, 9.5))


def test_files_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("s10.dat", "s2.dat", "S1.DAT", "notes.txt", "s3.dat.part"):
        (tmp_path / name).touch()
    assert list(numbered(tmp_path.iterdir(), r"s(\d+)\.dat")) == [1, 2, 10]
    (tmp_path / "s02.dat").touch()
    with pytest.raises(InputError, match=r"s02\.dat and s2\.dat are of the same number"):
        numbered(tmp_path.iterdir(), r"s(\d+)\.dat")


def test_signals_are_picked_in_the_sets_own_order() -> None:
    assert picked(["eda", "eeg"], SIGNALS, "toy") == ("eeg", "eda")
    assert picked("eda", SIGNALS, "toy") == ("eda",)
    assert picked((), SIGNALS, "toy") == ("eeg", "eda", "emg")
    with pytest.raises(UsageError, match=r"has no signal 'gsr'\. It has: eeg, eda, emg"):
        picked(["gsr"], SIGNALS, "toy")


def test_a_rest_with_holes_gives_the_mean_of_what_is_there() -> None:
    values = np.arange(20.0)[:, None].repeat(2, 1)
    values[:3, 0] = np.nan
    values[:10, 1] = np.nan
    got = subtracted(NoHoles(values, 1.0), 0.0, 10.0)
    assert isinstance(got, NoHoles)
    np.testing.assert_allclose(got.values[10:, 0], np.arange(10, 20) - 6)
    assert np.isnan(got.values[:, 1]).all()  # nothing is known of its rest, so nothing of its level
    assert got.cut(10, 5) is None
    whole = subtracted(NoHoles(values[:, :1], 1.0), 0.0, 10.0)
    assert whole.cut(0, 5) is None
    assert whole.cut(10, 5) is not None


@pytest.mark.parametrize("unit", SKIN_UNITS)
def test_units_of_skin_are_told_by_the_level(unit: str, tmp_path: Path) -> None:
    siemens = np.linspace(2, 5, 50)
    written = {"nS": siemens * 1e3, "ohm": 1e6 / siemens, "µS": siemens}[unit]
    skin = Skin()
    assert skin.unit(1, written, tmp_path) == unit
    np.testing.assert_allclose(SKIN_UNITS[unit](written), siemens)
    assert skin.notices() == [f"unit of eda by its values, people: {unit} in 1; read as µS"]
    # Where two units would do, the documented one is taken.
    for documented in ("ohm", "nS"):
        assert Skin().unit(1, siemens * 1e4, tmp_path, documented) == documented


# -- made-up people


def test_four_clips_in_a_row_stand_in_all_quadrants_and_no_rating_is_in_doubt() -> None:
    clips = Clips(0)
    assert len({clips.states(k) for k in range(1, 5)}) == 4
    for k in range(1, 9):
        for scale, places in (((1, 9), 2), ((1, 5), 0), ((-3, 3), 0)):
            for name, rated in zip(("valence", "arousal"), clips.ratings(3, k, ("valence", "arousal"), scale, places),
                                   strict=True):  # fmt: skip
                state = dict(zip(("valence", "arousal"), clips.states(k), strict=True))[name]
                middle = sum(scale) / 2
                assert np.sign(rated - middle) == state
                assert scale[0] <= rated <= scale[1]


def test_valence_shows_on_the_left_and_arousal_on_the_right() -> None:
    clips = Clips(0, fingerprint=0.0)
    power = {}
    for k in (1, 2, 3, 4):
        x = clips.signals(1, k, SIGNALS, 40)["eeg"]
        spectrum = np.square(np.abs(np.fft.rfft(x, axis=0)))
        hertz = np.fft.rfftfreq(len(x), 1 / 128)
        power[clips.states(k)] = np.log(spectrum[(hertz >= 8) & (hertz < 12)].mean(axis=0))
    left = [power[v, a][3] for v in (-1.0, 1.0) for a in (-1.0, 1.0)]  # O1
    right = [power[v, a][4] for v in (-1.0, 1.0) for a in (-1.0, 1.0)]  # O2
    assert min(left[:2]) > max(left[2:])  # less alpha when valence is high
    assert min(right[0], right[2]) > max(right[1], right[3])


def test_without_an_effect_clips_of_all_quadrants_are_alike_and_rest_comes_first() -> None:
    one = Clips(0, effect=0.0).signals(1, 1, SIGNALS, 10, rest_s=3)
    for m, (fields, rate) in SIGNALS.items():
        assert one[m].shape == (round(13 * rate), len(fields))
    a, b = (Clips(0, effect=e).signals(1, 3, {"eda": SIGNALS["eda"]}, 60, rest_s=20)["eda"] for e in (0.0, 1.0))
    assert abs(a[:160] - b[:160]).max() < 1e-9  # rest has no state
    assert abs(a[160:] - b[160:]).max() > 0.05
