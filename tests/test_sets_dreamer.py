"""DREAMER: which minute of a clip, rates and names of the file, and what cannot be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.data import matlab
from moodal.lab.data.planted_clips import Clips
from moodal.lab.data.sets import dreamer
from moodal.lab.data.windows import WindowsTruth


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WindowsTruth]:
    root = tmp_path_factory.mktemp("dreamer") / "twin"
    return root, dreamer.generate(root, trials=2)


@pytest.fixture
def changed(twin: Any, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    def change(how: Callable[[dict[str, Any]], object]) -> Path:
        held = matlab.load(twin[0] / "DREAMER.mat")
        how(held["DREAMER"])
        (tmp_path / "DREAMER.mat").write_bytes(matlab.write(held))
        return tmp_path

    return change


def test_the_last_minute_the_first_or_all(twin: Any) -> None:
    root, truth = twin
    last, first, whole = (dreamer.read(root, which=w) for w in dreamer.WHICH)
    for m, rate in (("eeg", 128), ("ecg", 256)):
        for i in range(4):
            np.testing.assert_allclose(last.features[m][i], truth.samples[m][i], rtol=1e-6)
            np.testing.assert_array_equal(whole.features[m][i][-60 * rate :], last.features[m][i])
            np.testing.assert_array_equal(whole.features[m][i][: 60 * rate], first.features[m][i])
    np.testing.assert_allclose(last.index["start_s"], truth.starts)
    assert list(whole.features["eeg"].lengths) == [62 * 128, 63 * 128] * 2
    assert (last.index["end_s"][:-1] <= last.index["start_s"][1:]).all()
    with pytest.raises(UsageError, match="which = 'middle' is not known"):
        dreamer.read(root, which="middle")


def test_the_rest_is_kept_or_its_mean_taken_away(twin: Any) -> None:
    root, _ = twin
    made = Clips(0).signals(1, 2, {"ecg": (dreamer.FIELDS["ecg"], 256.0)}, 63, rest_s=61)["ecg"].round(1)
    keep = dreamer.read(root, signals=["ecg"], which="all", baseline="keep").features["ecg"][1]
    np.testing.assert_allclose(keep, made, rtol=1e-6)
    less = dreamer.read(root, signals=["ecg"], which="all", baseline="subtract").features["ecg"][1]
    np.testing.assert_allclose(less, made[61 * 256 :] - made[: 61 * 256].mean(axis=0), atol=1e-3)
    with pytest.raises(UsageError, match="would join the rest to the end of a clip"):
        dreamer.read(root, baseline="keep")


def test_a_rating_of_three_is_high_or_low_as_the_rule_says(changed: Any) -> None:
    root = changed(lambda d: [p.update(ScoreValence=np.array([[3.0], [3.0]])) for p in d["Data"]])
    for rule, told in (("ge3", "high"), ("gt3", "low")):
        data = dreamer.read(root, signals=["ecg"], rule=rule)
        assert data.index.label("valence").counts()[told] == 4
        assert any("valence: 4 of 4 ratings lie at 3" in n for n in data.index.notices)


def test_people_one_by_one_and_by_number(twin: Any) -> None:
    root, _ = twin
    data = dreamer.read(root, window_s=15.0)
    parts = list(dreamer.people(root, window_s=15.0))
    assert [set(p.index["subject"]) for p in parts] == [{"s01"}, {"s02"}]
    np.testing.assert_array_equal(np.concatenate([p.index["start_s"] for p in parts]), data.index["start_s"])
    two = dreamer.read(root, window_s=15.0, subjects=[2])
    np.testing.assert_array_equal(two.features["eeg"].values, parts[1].features["eeg"].values)
    np.testing.assert_array_equal(two.index["start_s"], parts[1].index["start_s"])
    assert list(data.index["sex"][[0, -1]]) == ["female", "male"]
    with pytest.raises(InputError, match=r"lacks its person 5 \(the file holds 2\)"):
        dreamer.read(root, subjects=[5])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(EEG_SamplingRate=256.0), "ecg lasts 62.0 s at 256 Hz, 31.0 s were expected"),
        (lambda d: d["EEG_Electrodes"].__setitem__(3, "AF3"), "two eeg channels are called 'AF3'"),
        (lambda d: d["EEG_Electrodes"].pop(), r"its eeg is \(\d+, 14\), 13 channels are named"),
        (lambda d: d["Data"][1]["EEG"]["stimuli"].pop(), r"ratings and signals are of \[1, 2\] clips"),
        (lambda d: d["Data"][1].pop("ScoreArousal"), "has no ScoreArousal"),
        (lambda d: d["Data"][1]["EEG"]["stimuli"].__setitem__(0, np.ones((3000, 14))), "eeg lasts 23.4 s"),
        (lambda d: d["Data"][0]["EEG"].update(stimuli=[x * 1e-6 for x in d["Data"][0]["EEG"]["stimuli"]]), "in V"),
        (lambda d: d["Data"][0]["ECG"].update(baseline=[x[:900] for x in d["Data"][0]["ECG"]["baseline"]]),
         "the rest of its ecg lasts 3.5 s, that of its eeg 61.0 s"),
        (lambda d: d.update(EEG_Electrodes=np.ones(14)), "its EEG_Electrodes are no names"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_one_line(changed: Any, change: Any, said: str) -> None:
    root = changed(change)
    with pytest.raises(InputError, match=said) as caught:
        dreamer.read(root)
    assert "\n" not in str(caught.value)
    assert "DREAMER.mat" in str(caught.value)


def test_a_person_without_trials_is_left_out_with_a_reason(changed: Any) -> None:
    def empty(d: dict[str, Any]) -> None:
        for part in ("EEG", "ECG"):
            d["Data"][0][part] = {"baseline": [], "stimuli": []}
        for r in dreamer.RATINGS:
            d["Data"][0][f"Score{r.capitalize()}"] = np.zeros((0, 1))

    data = dreamer.read(changed(empty))
    assert set(data.index["subject"]) == {"s02"}
    assert "s01 has no trials and is left out" in data.index.notices
