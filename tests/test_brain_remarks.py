"""What is wrong with the channels of an EEG is said in one line each: names, places, dead electrodes, no EEG at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import moodal
import signals
from moodal.core.expert import choose
from moodal.dsp.eeg import POSITIONS
from moodal.media.generated_edf import write

RATE, SECONDS = 125, 24
Change = Callable[[list[str], np.ndarray], None]


def recorded(path: Path, change: Change | None = None, *, eeg: bool = True, ecg: bool = True) -> Path:
    """An EEG of the 10-20 system and an ECG, after ``change`` of its names and samples ``(n, 19)`` µV."""
    names = [f"EEG {n}" for n in POSITIONS]
    x = 20 * np.random.default_rng(0).standard_normal((RATE * SECONDS, len(names)))
    x = 3 * np.apply_along_axis(np.convolve, 0, x, np.ones(5) / 5, "same")
    if change is not None:
        change(names, x)
    table = [(n, "uV", RATE, (-5000.0, 5000.0), x[:, k]) for k, n in enumerate(names)] if eeg else []
    table += [("ECG", "uV", RATE, (-3000.0, 3000.0), signals.ecg(SECONDS, RATE))] if ecg else []
    write(path, table)
    return path


def said(path: Path, tmp_path: Path) -> tuple[moodal.Mood, str]:
    mood = moodal.analyze(path, out=tmp_path / "out", scheme=["workload2"])
    return mood, "\n".join(mood.warnings)


def test_a_good_recording_has_no_remarks(tmp_path: Path) -> None:
    assert not [w for w in said(recorded(tmp_path / "a.edf"), tmp_path)[0].warnings if "EEG" in w or "place" in w]


def _same_place(names: list[str], x: np.ndarray) -> None:
    names[0] = "EEG T3"


def _unnamed(names: list[str], x: np.ndarray) -> None:
    names[:] = [f"EEG {k + 1}" for k in range(len(names))]


def _dead(names: list[str], x: np.ndarray) -> None:
    x[:, 2] = 0.0  # F7
    x[:, 3] = np.clip(x[:, 3], -3, 3)  # F3


def _huge(names: list[str], x: np.ndarray) -> None:
    x *= 50


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (_same_place, "T3 and T7 are one place of the head; the first counts"),
        (_unnamed, "EEG channels without known names are taken in the order Fp1"),
        (_dead, "F7, F3: no EEG in over 90% of the recording (flat, held at an end of the range)"),
        (_huge, "no EEG in any channel (larger than any EEG); check the unit and the contacts"),
        (_huge, "workload is told from the heart alone, no EEG could be used"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(change: Change, line: str, tmp_path: Path) -> None:
    assert line in said(recorded(tmp_path / "a.edf", change), tmp_path)[1]


def test_channels_that_no_place_is_known_of_are_named_with_what_to_do(tmp_path: Path) -> None:
    def few(names: list[str], x: np.ndarray) -> None:
        names[:] = [f"EEG {k + 1}" for k in range(8)]

    path = recorded(tmp_path / "a.edf", few, ecg=False)
    line = "none of the 8 EEG channels has a name of the 10-20 system (they are called 1, 2, 3, 4, …)"
    mood, lines = said(path, tmp_path)
    assert line in lines
    assert "rename them" in lines
    assert not any(s.told.any() for s in mood.subjects.values())


def test_workload_rests_on_eeg_and_heart_by_what_they_add(data: Path, tmp_path: Path) -> None:
    path = data / "body_eegmat" / "Subject31_2.edf"
    mood, _ = said(path, tmp_path)
    [wearer], track = mood.subjects.values(), mood.tracks["brain.workload"].only
    assert track.times.tolist() == [0, 10, 20, 30, 40, 50]
    share = np.abs(track["ecg"]) / (np.abs(track["eeg"]) + np.abs(track["ecg"]))
    assert wearer.support["body"][5:60:10] == pytest.approx(share, abs=1e-6)
    assert wearer.support["brain"][5:60:10] == pytest.approx(1 - share, abs=1e-6)
    assert {(g.modality, g.start) for g in mood.gaps if g.modality in ("body", "brain")} == {
        ("body", 60),
        ("brain", 60),
    }
    # What is left out with --only is not read.
    alone = moodal.analyze(path, out=tmp_path / "alone", scheme="workload2", only="brain")
    assert np.isnan(alone.tracks["brain.workload"].only["ecg"]).all()
    [wearer] = alone.subjects.values()
    assert (wearer.support["brain"][:60] == 1).all()


def test_workload_from_an_ecg_alone_is_told_and_says_so(tmp_path: Path) -> None:
    mood, lines = said(recorded(tmp_path / "a.edf", eeg=False), tmp_path)
    assert "workload is told from the heart alone" in lines
    assert len(mood.tracks["brain.workload"].only) == SECONDS // 10
    # What it rests on is the heart, and no EEG; for both, what is covered and the gaps make up the duration.
    [wearer] = mood.subjects.values()
    assert (wearer.support["body"][:20] == 1).all()
    assert not wearer.support["brain"].any()
    assert {(g.modality, g.reason) for g in mood.gaps if g.modality == "brain"} == {("brain", "no_stream")}
    assert sum(g.end - g.start for g in mood.gaps if g.modality == "body") == pytest.approx(SECONDS - 20)
    # Only what ran is named: there was no face, voice or words to read, and the fusion was asked nothing.
    assert [m["name"] for m in mood.models] == ["workload"]
    told = json.loads((mood.path / "provenance.json").read_text())
    assert [m["name"] for m in told["models"]] == ["workload"]
    footer = (mood.path / "index.html").read_text().split('class="provenance"')[1].split("</p>")[0]
    assert "workload 1 (" in footer
    assert "late-" not in footer
    # Nobody who asks for something else hears that there is no EEG.
    other = moodal.analyze(tmp_path / "a.edf", out=tmp_path / "other")
    assert "brain" not in other.modalities
    assert [m["name"] for m in other.models] == [choose().fusion]
