"""MAHNOB-HCI: the clip between its events, sessions of other experiments, and what cannot be right."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError
from moodal.lab.data.planted_clips import Clips
from moodal.lab.data.sets import mahnob
from moodal.lab.data.windows import WindowsTruth
from moodal.media.edf_channels import EdfChannels


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WindowsTruth]:
    root = tmp_path_factory.mktemp("mahnob") / "twin"
    return root, mahnob.generate(root, trials=2)


@pytest.fixture
def copy(twin: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(twin[0], tmp_path / "copy"))


def told(root: Path, number: int, old: str, new: str) -> None:
    file = root / "Sessions" / str(number) / "session.xml"
    text, n = re.subn(old, new, file.read_text())
    assert n
    file.write_text(text)


def bdf(root: Path, number: int) -> Path:
    return next((root / "Sessions" / str(number)).glob("*.bdf"))


def test_the_clip_lies_between_its_two_events(twin: Any) -> None:
    root, truth = twin
    data = mahnob.read(root)
    assert list(data.index["clip"]) == list(truth.clips) == ["s01-v69", "s01-v55", "s02-v69", "s02-v55"]
    np.testing.assert_allclose(data.index["start_s"], 30.25)
    np.testing.assert_allclose(data.index["end_s"], 64.25)
    fields = {m: (f, 256.0) for m, f in mahnob.FIELDS.items()}
    made = Clips(0).signals(1, 2, fields, 63.75, rest_s=30.25)
    first, last = round(30.25 * 256), round(64.25 * 256)
    for m in ("eeg", "ecg", "eda", "resp", "temp"):
        got, wanted = data.features[m][1], made[m][first:last]
        level = got.mean(axis=0) - wanted.mean(axis=0) if m in ("eeg", "ecg") else 0
        np.testing.assert_allclose(got - level, wanted, atol=0.05)
    assert data.features["eeg"].rate_hz == 256
    assert any("1 sessions belong to other experiments" in n for n in data.index.notices)
    assert any("ohm in 2" in n for n in data.index.notices)
    assert list(data.index["order"]) == ["1", "2", "1", "2"]


def test_the_rest_is_kept_or_subtracted_and_people_come_one_by_one(twin: Any) -> None:
    root, _ = twin
    drop, keep, less = (mahnob.read(root, signals=["temp"], baseline=b) for b in ("drop", "keep", "subtract"))
    np.testing.assert_allclose(keep.index["start_s"], 0.25)
    np.testing.assert_array_equal(keep.features["temp"][0][30 * 256 :], drop.features["temp"][0])
    rest = keep.features["temp"][0][: 30 * 256].mean()
    np.testing.assert_allclose(less.features["temp"][0], drop.features["temp"][0] - rest, atol=1e-4)
    parts = list(mahnob.people(root, signals=["temp"], window_s=10.0))
    assert [set(p.index["subject"]) for p in parts] == [{"s01"}, {"s02"}]
    assert set(mahnob.read(root, signals=["temp"], subjects=[2]).index["subject"]) == {"s02"}
    with pytest.raises(InputError, match="a session of person 9"):
        mahnob.read(root, subjects=[9])


def test_sessions_are_read_in_the_order_of_their_numbers(copy: Path) -> None:
    (copy / "Sessions" / "3").rename(copy / "Sessions" / "1200")
    told(copy, 5, '<subject id="2"', '<subject id="10"')
    told(copy, 7, '<subject id="2"', '<subject id="10"')
    data = mahnob.read(copy, signals=["temp"])
    assert list(data.index["clip"]) == ["s01-v69", "s01-v55", "s10-v69", "s10-v55"]


def test_sessions_that_cannot_be_used_are_left_out_with_a_reason(copy: Path) -> None:
    bdf(copy, 1).unlink()
    file = bdf(copy, 3)
    whole = file.read_bytes()
    header = 256 * (47 + 1)
    record = 47 * 256 * 3
    file.write_bytes(whole[: header + 40 * record])  # breaks off before the second event
    data = mahnob.read(copy, signals=["temp"])
    assert set(data.index["subject"]) == {"s02"}
    notices = "\n".join(data.index.notices)
    assert "1 sessions have no recording (BDF) and are left out (first: 1)" in notices
    assert "session 3 has 1 of 2 events in its status channel" in notices
    assert "breaks off; 40 s of 94 s" in notices
    assert "s01 has no trials and is left out" in notices


def test_a_film_that_was_shown_again_is_told(copy: Path) -> None:
    told(copy, 3, 'mediaFile="55.avi"', 'mediaFile="69.avi"')
    data = mahnob.read(copy, signals=["temp"])
    assert len(data) == 3
    assert any("session 3 shows 69 to s01 again" in n for n in data.index.notices)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('cutLenSec="34.0"', 'cutLenSec="80.0"', "lasts 34.0 s at 256 Hz, 80.0 s were expected"),
        ('cutLenSec="34.0"', 'cutLenSec="x"', "its cutLenSec is 'x', not a number"),
        (r'feltArsl="\d"', 'feltArsl="0"', "its feltArsl is 0, outside 1 to 9"),
        (r'feltEmo="\d+"', 'feltEmo="9"', "its feltEmo is 9, which is none of"),
        ('<subject id="1"/>', "", "does not say who saw which film"),
        ("<session", "<!DOCTYPE x [<!ENTITY a 'b'>]><session", "declares a document type"),
        ("</session>", "", "cannot be read as XML"),
    ],
)
def test_what_a_session_cannot_say_is_one_line(copy: Path, old: str, new: str, said: str) -> None:
    told(copy, 1, old, new)
    with pytest.raises(InputError, match=said) as caught:
        mahnob.read(copy, signals=["eeg"])
    assert "\n" not in str(caught.value)
    assert "Sessions/1/" in str(caught.value)


def header(path: Path, field: int, length: int, channel: int, text: str) -> None:
    """Overwrite a field of a channel in a BDF's header; ``field`` is where the field's block begins, a channel."""
    data = bytearray(path.read_bytes())
    n = int(data[252:256])
    at = 256 + field * n + channel * length
    data[at : at + length] = text.encode().ljust(length)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: [header(p, 104, 8, k, "-0.26214") or header(p, 112, 8, k, "0.262143") for k in range(32)], "in V"),
        (lambda p: header(p, 0, 16, 3, "Fp1"), "two channels are called 'Fp1'"),
        (lambda p: header(p, 0, 16, 3, "X9"), "has no channel F3. It has: Fp1"),
        (lambda p: p.write_bytes(p.read_bytes()[:5000]), "breaks off in its header"),
        (lambda p: header(p, 0, 16, 46, "Trig"), "has no channel Status"),
    ],
)
def test_what_a_recording_cannot_be_is_one_line(copy: Path, change: Any, said: str) -> None:
    change(bdf(copy, 1))
    with pytest.raises(InputError, match=said) as caught:
        mahnob.read(copy, signals=["eeg"])
    assert "\n" not in str(caught.value)
    assert "Part_1_S_Trial1_emotion.bdf" in str(caught.value)


def test_a_recording_at_another_rate_than_the_first_is_named(copy: Path) -> None:
    file = bdf(copy, 3)
    data = bytearray(file.read_bytes())
    data[244:252] = b"0.5     "
    file.write_bytes(bytes(data))
    with pytest.raises(InputError, match="has eeg at 512 Hz, the first session at 256 Hz"):
        mahnob.read(copy, signals=["eeg"])


def test_channels_by_name_agree_with_pyedflib(twin: Any) -> None:
    pyedflib = pytest.importorskip("pyedflib")
    path = bdf(twin[0], 1)
    ours = EdfChannels(path)
    with pyedflib.EdfReader(str(path)) as theirs:
        for name in ("Fp1", "EXG2", "GSR1", "Temp", "Status"):
            at = ours.find(name)
            wanted = theirs.readSignal(at)
            np.testing.assert_allclose(ours.values([at])[:, 0], wanted, rtol=1e-5, atol=1e-2)
            part = ours.values([at], 3.3, 7.9)[:, 0]
            np.testing.assert_allclose(part, wanted[round(3.3 * 256 + 0.2) :][: len(part)], rtol=1e-5, atol=1e-2)
            assert len(part) == round(4.6 * 256)
    times, codes = ours.codes(ours.find("Status"))
    np.testing.assert_allclose(times, [30.25, 64.25])
    assert list(codes) == [16, 16]
