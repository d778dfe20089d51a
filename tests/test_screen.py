"""What a person reads in the terminal of what sensors tell, and the lines on input that nothing can be told of."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import moodal
from contract import run
from moodal.cli.screen import mood_lines
from moodal.core.errors import InputError
from moodal.derive import known
from moodal.media import edf, muse
from moodal.page import many
from test_brain_remarks import SECONDS, recorded


def shown(mood: moodal.Mood) -> list[str]:
    screen = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    screen.print(mood_lines(mood.summary()))
    return screen.export_text().splitlines()


def test_what_several_modalities_miss_alike_is_one_line(tmp_path: Path) -> None:
    mood = moodal.analyze(recorded(tmp_path / "a.edf", eeg=False), out=tmp_path, scheme="workload2")
    lines = shown(mood)
    assert max(map(len, lines)) <= 80
    assert f"  face, voice, words, brain missing: no_stream {SECONDS}.0 s" in lines
    assert any("rest" in line and "from body 100 %" in line for line in lines)


def test_an_eeg_that_tells_no_emotion_names_the_scheme_that_it_tells(tmp_path: Path) -> None:
    muse.generate(tmp_path, 0)
    [path] = tmp_path.glob("*.csv")
    warnings = moodal.analyze(path, out=tmp_path).warnings
    assert not any("brain" in w for w in warnings), "some milliseconds at the end explain nothing"
    assert any("--scheme workload2 tells rest or task" in w for w in warnings)


def test_an_electrode_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    muse.generate(tmp_path, 0)
    [path] = tmp_path.glob("*.csv")
    rows = list(csv.reader(path.open()))
    at = rows[0].index("RAW_TP9")
    with path.open("w") as file:
        csv.writer(file).writerows([*row[:at], *row[at + 1 :]] for row in rows)
    warnings = moodal.analyze(path, out=tmp_path).warnings
    assert any("has no column RAW_TP9; the other electrodes are read" in w for w in warnings)
    assert any("workload is told from 4 electrodes or more, and here are 3" in w for w in warnings)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_headband_is_known_whatever_separates_its_columns(delimiter: str, tmp_path: Path) -> None:
    muse.generate(tmp_path, 0)
    [path] = tmp_path.glob("*.csv")
    path.write_text(path.read_text().replace(",", delimiter))
    assert moodal.read(path).stream("eeg") is not None


def test_a_recording_of_a_second_blames_no_electrode(tmp_path: Path) -> None:
    edf.generate(tmp_path, 0)
    [path] = tmp_path.glob("*.edf")
    warnings = moodal.analyze(path, out=tmp_path, end=1.0).warnings
    assert not any("check the unit and the contacts" in w for w in warnings)


def test_a_folder_of_empty_files_says_so(tmp_path: Path) -> None:
    for name in ("ACC.csv", "BVP.csv", "EDA.csv", "HR.csv"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="holds empty files"):
        moodal.analyze(tmp_path, out=tmp_path / "out")


def test_a_scheme_that_nothing_in_the_recording_tells_is_one_line(tmp_path: Path) -> None:
    mood = moodal.analyze(recorded(tmp_path / "a.edf", eeg=False), out=tmp_path, scheme=["stress2", "workload2"])
    said = [w for w in mood.warnings if "is told of" in w]
    assert said == ["a.edf: stress2 is told of ppg, hr, ibi, eda, temp or acc, and none of these is here"]


def test_a_list_of_recordings_says_what_a_wristband_tells() -> None:
    told = {"value": 0.5, "low": 0.1, "high": 0.8}
    nothing = {"value": None, "low": None, "high": None}
    overall = {"label_set": [], "valence": nothing, "arousal": told}
    assert many._state({"overall": overall}) == "arousal above baseline"
    assert many._state({"overall": {**overall, "valence": told}}) == "numbers only"
    assert many._state({"overall": {**overall, "arousal": nothing}}) == "we cannot tell"


def test_what_experts_tell_beside_the_extractors_is_listed_and_extracted(tmp_path: Path) -> None:
    assert set(known()) == {"body.stress", "brain.workload"}
    table = run("tracks", cwd=tmp_path).out
    path = recorded(tmp_path / "a.edf", eeg=False)
    for name in known():
        assert name in table
    told = moodal.extract(path, "brain.workload").only
    saved = moodal.analyze(path, out=tmp_path, scheme="workload2").tracks["brain.workload"].only
    assert np.array_equal(told.values, saved.values, equal_nan=True)
    assert not moodal.extract(path, "body.stress").by_subject
    assert "Known: body.heart, " in run("extract", str(path), "--track", "body.srr", cwd=tmp_path).complaints[0]
