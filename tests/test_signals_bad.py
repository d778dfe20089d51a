"""Bad input of body signals: each is one clear line, or the readable part with a line that says what is missing."""

from __future__ import annotations

import gzip
import io
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import moodal
import recordings as made
from moodal.core.errors import InputError, UsageError
from moodal.media.generated import EPOCH, e4
from moodal.media.generated_edf import edf, write
from moodal.media.generated_xdf import chunk, sender
from moodal.media.inputs import inputs


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(head: str, row: Callable[[int], object], n: int = 200) -> str:
    return "\n".join([head, *(str(row(k)) for k in range(n)), ""])


def refused(path: Path, match: str, **options: object) -> str:
    with pytest.raises(InputError, match=match) as caught:
        moodal.read(path, **options)  # type: ignore[arg-type]
    line = str(caught.value)
    assert "\n" not in line
    assert path.name in line
    return line


def values(recording: moodal.Recording, name: str) -> tuple[np.ndarray, np.ndarray]:
    chunks = list(recording.chunks(name))
    return np.concatenate([c.times for c in chunks]), np.concatenate([c.samples for c in chunks])


def test_a_heart_rate_of_four_thousand_is_none(tmp_path: Path) -> None:
    alone = written(tmp_path / "a.csv", rows("time_s,hr_bpm", lambda k: f"{k},{4000 + k % 5}"))
    assert "--unit hr_bpm=UNIT" in refused(alone, "4000 to 4000 in bpm are no heart rate")
    beside = written(tmp_path / "b.csv", rows("time_s,hr_bpm,temp_C", lambda k: f"{k},{4000 + k % 5},32.{k % 9}"))
    recording = moodal.read(beside)
    assert [s.kind for s in recording.streams] == ["temp"]
    assert len(recording.warnings) == 1
    assert "no heart rate; it is left out" in recording.warnings[0]


def test_swapped_columns_are_told_by_their_values(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", rows("time_s,temp_C,eda_uS", lambda k: f"{k},0.{k % 9},33.{k % 9}"))
    recording = moodal.read(path)  # 33 µS is a wet hand, 0.5 °C is no skin
    assert [s.kind for s in recording.streams] == ["eda"]
    assert "temp_C: values of 0 to 0.8 in C are no skin temperature" in recording.warnings[0]
    path = written(tmp_path / "b.csv", rows("time_s,hr_bpm,ibi_ms", lambda k: f"{k},{800 + k % 9},{70 + k % 5}"))
    refused(path, "are no heart rate")


@pytest.mark.parametrize(
    ("head", "value", "unit", "expected"),
    [
        ("eda", 3000, "nS", 3.0), ("eda", 3e-6, "S", 3.0), ("gsr", 400, "kohm", 2.5), ("temp", 91.4, "F", 33.0),
        ("temp", 306.15, "K", 33.0), ("rr", 800, "ms", 0.8), ("hr", 1.2, "Hz", 72.0),
    ],
)  # fmt: skip
def test_a_missing_unit_is_asked_for_and_taken(
    tmp_path: Path, head: str, value: float, unit: str, expected: float
) -> None:
    path = written(tmp_path / "a.csv", rows(f"time_s,{head}", lambda k: f"{k},{value * (1 + k % 3 / 1000)!r}"))
    refused(path, "without a unit are no")
    recording = moodal.read(path, unit=[f"{head}={unit}"])
    assert recording.warnings == []
    _, samples = values(recording, recording.streams[0].name)
    assert samples[0, 0] == pytest.approx(expected)


def test_a_missing_unit_that_fits_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", rows("time_s,eda", lambda k: f"{k / 4},{2 + k % 3}"))
    assert "eda without a unit" in moodal.read(path).warnings[0]
    assert moodal.read(path, unit={"eda": "uS"}).warnings == []
    with pytest.raises(UsageError, match="'mV' is no unit of eda"):
        moodal.read(path, unit="eda=mV")
    refused(path, "has no field emg", unit=["emg=mV", "eda=uS"])
    with pytest.raises(UsageError, match="FIELD=UNIT"):
        moodal.read(path, unit=["eda"])


def test_a_unit_that_nothing_takes_is_said(tmp_path: Path) -> None:
    sound = made.write_wav(tmp_path / "talk.wav", made.silence(1))
    assert moodal.read(sound).warnings == []
    [line] = moodal.read(sound, unit="eda=uS").warnings
    assert line == "talk.wav: --unit eda=uS is not used: it has no signal without a unit"
    for unit in ("eda=parsec", {"AI 3": "ecg:parsec"}):
        with pytest.raises(UsageError, match="'parsec' is no unit of e"):
            moodal.read(sound, unit=unit)


def test_a_saved_mood_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("I was so glad. Then it rained.")
    mood = moodal.analyze(tmp_path / "note.txt", out=tmp_path, only="words")
    assert mood.path is not None
    with pytest.raises(InputError, match=r"note\.mood: is a saved Mood\. Show it with: moodal show .*note\.mood"):
        moodal.analyze(mood.path)


def test_a_part_that_is_lost_is_known_as_lost(tmp_path: Path) -> None:
    whole = rows("time_s,eda_uS", lambda k: f"{k / 4},{2 + (k * 7919 % 101) / 99:.4f}", 4000).encode()
    packed = gzip.compress(whole)
    (tmp_path / "whole.csv.gz").write_bytes(packed)
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    truth = edf(tmp_path, 1).path.read_bytes()
    (tmp_path / "cut.edf").write_bytes(truth[: int(0.6 * len(truth))])
    assert not moodal.read(tmp_path / "whole.csv.gz").damaged
    for name in ("cut.csv.gz", "cut.edf"):
        recording = moodal.read(tmp_path / name)
        assert recording.damaged
        assert any("breaks off" in w for w in recording.warnings)
        joined = moodal.read(tmp_path / "whole.csv.gz", with_=[f"{tmp_path / name}@0"])
        assert joined.damaged, "what is lost of a file that joins is lost as well"
    for command, code in (
        (("analyze", "whole.csv.gz"), 0),
        (("analyze", "cut.csv.gz"), 1),
        (("analyze", "cut.csv.gz", "whole.csv.gz"), 1),
        (("analyze", "cut.csv.gz", "whole.csv.gz"), 1),  # finished before, and no better for it
        (("extract", "cut.csv.gz", "--track", "body.eda"), 1),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "moodal", *command, "--out", "out"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, (command, done.stderr)
        assert ("breaks off" in done.stderr) == bool(code)
    assert (tmp_path / "out" / "cut.csv.body.eda.csv").is_file()


def test_wrong_and_missing_rates(tmp_path: Path) -> None:
    path = written(tmp_path / "none.csv", rows("eda_uS", lambda k: 2 + k % 3))
    refused(path, "no time column and states no rate")
    assert moodal.read(path, unit="rate=4Hz").duration_s == 50.0
    refused(path, "a rate of 'fast'", unit="rate=fast")
    path = written(tmp_path / "ms.csv", rows("time,ecg_mV", lambda k: f"{4 * k},{(k % 200 == 0) * 1.2}", 1000))
    refused(path, "0.25 Hz is too slow for ecg")
    assert moodal.read(path, unit="time=ms").stream("ecg").rate_hz == 250.0
    path = written(tmp_path / "two.csv", "# rate_hz: 128\n" + rows("time_s,eda_uS", lambda k: f"{k / 4},{2 + k % 3}"))
    assert "states 128 Hz, but its time stamps make 4 Hz" in moodal.read(path).warnings[0]


def test_gaps_and_nan_stay_what_they_are(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv",
        rows("time_s,eda_uS", lambda k: f"{(k + 400 * (k >= 100)) / 4},{'NaN' if 20 <= k < 30 else 2 + k % 3}"),
    )
    times, samples = values(moodal.read(path), "eda")
    assert np.flatnonzero(np.isnan(samples[:, 0])).tolist() == list(range(20, 30))
    assert np.flatnonzero(np.diff(times) > 1.5 / 4).tolist() == [99]
    assert times[100] - times[99] == 100.25


def test_flat_and_saturated_channels_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", rows("time_s,eda_uS,ecg_mV", lambda k: f"{k / 100},0,{5 * (k > 50)}", 500))
    assert [s.kind for s in moodal.read(path).streams] == ["eda", "ecg"]


def test_duplicate_and_unsorted_stamps(tmp_path: Path) -> None:
    path = written(tmp_path / "twice.csv", rows("time_s,eda_uS", lambda k: f"{(k - (k % 20 == 3)) / 4},{2 + k % 3}"))
    recording = moodal.read(path)
    assert "10 rows repeat the time stamp" in recording.warnings[0]
    times, _ = values(recording, "eda")
    assert (np.diff(times) > 0).all()
    path = written(tmp_path / "swapped.csv", rows("time_s,eda_uS", lambda k: f"{(k ^ 1) / 4},{2 + 0.001 * (k ^ 1)}"))
    recording = moodal.read(path)
    assert "sorted by time" in recording.warnings[0]
    times, samples = values(recording, "eda")
    assert times.tolist() == (np.arange(200) / 4).tolist()
    assert (np.diff(samples[:, 0]) > 0).all()
    path = written(tmp_path / "whole.csv", rows("time_s,eda_uS", lambda k: f"{k // 4},{2 + k % 3}"))
    recording = moodal.read(path)
    assert "4 rows a stamp" in recording.warnings[0]
    assert recording.stream("eda").rate_hz == 4.0
    assert values(recording, "eda")[0].tolist() == (np.arange(200) / 4).tolist()
    path = written(tmp_path / "anew.csv", rows("time_s,eda_uS", lambda k: f"{k % 100},{2 + k % 3}"))
    refused(path, "steps back by 99 s")
    path = written(tmp_path / "still.csv", rows("time_s,eda_uS", lambda k: f"7,{2 + k % 3}"))
    refused(path, "do not move")


def test_summer_time_and_zones(tmp_path: Path) -> None:
    def clock(name: str, hours: tuple[str, str], zones: tuple[str, str]) -> Path:
        def row(k: int) -> str:
            late = k >= 30
            minute, second = ("00", k - 30) if late else ("59", k + 30)
            return f"2024-10-27T{hours[late]}:{minute}:{second:02d}{zones[late]},{2 + k % 3}"

        return written(tmp_path / name, rows("time,eda_uS", row, 60))

    refused(clock("autumn.csv", ("02", "02"), ("", "")), "steps back an hour")
    assert "jumps an hour" in moodal.read(clock("spring.csv", ("01", "03"), ("", ""))).warnings[0]
    zoned = moodal.read(clock("zoned.csv", ("02", "02"), ("+02:00", "+01:00")))
    assert (zoned.basis, zoned.warnings, zoned.duration_s) == ("utc", [], 60.0)
    assert moodal.read(clock("none.csv", ("02", "03"), ("", ""))).basis == "local"
    path = written(tmp_path / "us.csv", rows("date,eda_uS", lambda k: f"01/02/2024 10:00:{k % 60:02d},2"))
    refused(path, "neither numbers nor ISO 8601")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_decimal_commas_and_byte_order_marks(tmp_path: Path, mark: bytes) -> None:
    text = rows("Zeit [s];GSR (µS);Marker", lambda k: f"{k / 4};{2 + k % 3}.5;{'Start' if k == 8 else ''}")
    path = written(tmp_path / "a.csv", mark + text.replace(".", ",").replace("\n", "\r\n").encode())
    recording = moodal.read(path)
    assert recording.warnings == []
    assert values(recording, "eda")[1][:2, 0].tolist() == [2.5, 3.5]
    (chunk_,) = recording.chunks("notes")
    assert [(c.start, c.end, c.text) for c in chunk_.cues] == [(2.0, 2.0, "Start")]
    wide = written(tmp_path / "b.tsv", text.replace(";", "\t").encode("utf-16"))
    assert values(moodal.read(wide), "eda")[1][:2, 0].tolist() == [2.5, 3.5]
    old = written(tmp_path / "c.csv", text.encode("latin-1"))
    assert values(moodal.read(old), "eda")[1][:2, 0].tolist() == [2.5, 3.5]


def test_rows_that_are_none_are_counted(tmp_path: Path) -> None:
    text = rows("time_s,eda_uS", lambda k: "garbage" if k == 50 else f"{k / 4},{'x' if k == 60 else 2 + k % 3}")
    recording = moodal.read(written(tmp_path / "a.csv", text))
    assert "1 row with too many or too few cells left out" in recording.warnings[0]
    times, samples = values(recording, "eda")
    assert len(times) == 199
    assert np.flatnonzero(np.isnan(samples[:, 0])).tolist() == [59]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b\n1,2\n", "no column that is a signal"), ("1,2\n3,4\n", "no names above"),
        ("time_s,eda_uS\n", "no times"), ("time_s,eda_uS\n0,nan\n1,nan\n2,nan\n", "holds no number"),
        ("time_s,eda_uS\n0,2\n1,2\n2,2\n1e12,2\n", "days"), ("time_s,eda_uS\n0,2\n", "too few samples"),
        ("# only a comment\n", "holds no rows"), ("time_s,eda_uS" + "1" * 2_000_000, "million characters"),
    ],
)  # fmt: skip
def test_tables_that_are_none(tmp_path: Path, text: str, match: str) -> None:
    refused(written(tmp_path / "a.csv", text), match)


def test_an_e4_zip_without_beat_intervals(tmp_path: Path) -> None:
    whole = next(e4(tmp_path, s) for s in (0, 3))
    for change, expected in ((None, []), (f"{EPOCH}, IBI\n", ["holds no beat intervals"]), ("", ["is empty"])):
        path = tmp_path / "without.zip"
        with zipfile.ZipFile(whole.path) as old, zipfile.ZipFile(path, "w") as new:
            for entry in old.infolist():
                if not entry.filename.endswith("IBI.csv"):
                    new.writestr(entry.filename, old.read(entry))
                elif change is not None:
                    new.writestr(entry.filename, change)
        recording = moodal.read(path)
        assert {s.kind for s in recording.streams} == set(whole.signals) - {"ibi"} | {"notes"}
        assert len(recording.warnings) == len(expected)
        assert all(e in w for e, w in zip(expected, recording.warnings, strict=True))


def test_one_member_whose_clock_is_hours_off(tmp_path: Path) -> None:
    home = e4(tmp_path, 1).path
    text = (home / "TEMP.csv").read_text().replace(f"{EPOCH:.6f}", f"{EPOCH + 90_000:.6f}")
    (home / "TEMP.csv").write_text(text)
    recording = moodal.read(home)
    assert recording.stream("temp") is None
    assert "TEMP.csv is +25 h off" in recording.warnings[0]
    assert recording.duration_s == 20.0


def zipped(path: Path, members: dict[str, bytes], links: tuple[str, ...] = ()) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFLNK if name in links else stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, data)
    return path


GOOD = f"{EPOCH}\n4.0\n".encode() + b"1.5\n" * 40


def test_hostile_zips(tmp_path: Path) -> None:
    refused(zipped(tmp_path / "up.zip", {"../EDA.csv": GOOD}), "names a file outside itself")
    refused(zipped(tmp_path / "root.zip", {"/etc/EDA.csv": GOOD}), "names a file outside itself")
    refused(zipped(tmp_path / "drive.zip", {"C:/EDA.csv": GOOD}), "names a file outside itself")
    refused(zipped(tmp_path / "link.zip", {"EDA.csv": b"/etc/passwd"}, ("EDA.csv",)), "holds a link")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("EDA.csv", GOOD)
    refused(zipped(tmp_path / "nested.zip", {"a.zip": inner.getvalue()}), "holds other zips")
    refused(zipped(tmp_path / "two.zip", {"a/EDA.csv": GOOD, "b/EDA.csv": GOOD}), "holds 2 sessions")
    refused(zipped(tmp_path / "other.zip", {"a.txt": b"hi"}), "holds none of BVP")
    refused(written(tmp_path / "cut.zip", zipped(tmp_path / "x.zip", {"EDA.csv": GOOD}).read_bytes()[:60]), "no zip")
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".zip")) == []


def test_zip_bombs_are_named_before_they_go_off(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {"EDA.csv": GOOD})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")  # the size that the directory announces: 3.9 GB of 60 bytes
    data[at + 24 : at + 28] = (3_900_000_000).to_bytes(4, "little")
    refused(written(path, bytes(data)), "would unpack to 3900 MB")
    line = zipped(tmp_path / "line.zip", {"EDA.csv": f"{EPOCH}\n4.0\n".encode() + b"1" * 30_000_000})
    refused(line, "million characters")


def test_a_truncated_edf_gives_what_is_there(tmp_path: Path) -> None:
    truth = edf(tmp_path, 1)
    whole = truth.path.read_bytes()
    cut = written(tmp_path / "cut.edf", whole[: int(0.6 * len(whole))])
    recording = moodal.read(cut)
    assert "breaks off" in recording.warnings[0]
    assert 4 < recording.duration_s < 12
    times, samples = values(recording, "ecg")
    assert np.allclose(samples, truth.signals["ecg"].samples[: len(times)], atol=1e-2)
    refused(written(tmp_path / "head.edf", whole[:300]), "breaks off in its header")
    flat = [
        ("EEG Fp1", "uV", 100, (5.0, 5.0 + 1e-9), np.full(300, 5.0)),
        ("ECG", "kg", 100, (-1.0, 1.0), np.zeros(300)),
    ]
    write(tmp_path / "odd.edf", flat)
    refused(tmp_path / "odd.edf", "'kg' is no unit of ecg|range of nothing")


def test_xdf_with_broken_footers_and_mixed_clocks(tmp_path: Path) -> None:
    pytest.importorskip("pyxdf")
    head = b"XDF:" + chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    times, wave = 100 + np.arange(500) / 100, 20 * np.sin(np.arange(500) / 7)[:, None]
    eeg = sender(1, "Cap", "EEG", 100.0, (("Cz", "uV"),), times, wave, 0.0, footer=False)
    recording = moodal.read(written(tmp_path / "open.xdf", head + eeg))
    assert recording.stream("eeg").end_s == pytest.approx(5.0, abs=0.02)
    assert "1 streams were not closed" in recording.warnings[0]
    broken = head + eeg + chunk(6, b"\x01\x00\x00\x00<?xml version='1.0'?><info><first_timest")
    assert moodal.read(written(tmp_path / "footer.xdf", broken)).stream("eeg") is not None
    cut = written(tmp_path / "cut.xdf", (head + eeg)[:-500])
    assert any("breaks off" in w for w in moodal.read(cut).warnings)
    skin = sender(2, "Band", "GSR", 100.0, (("GSR", "uS"),), 1.7e9 + times, 2 + wave / 100, 0.0)
    refused(written(tmp_path / "mixed.xdf", head + eeg + skin), "count from different clocks")


def test_folders_are_one_recording_only_by_the_contract(tmp_path: Path) -> None:
    home = e4(tmp_path, 1).path
    assert inputs([str(home)]) == [(home, [])]
    plain = tmp_path / "plain"
    plain.mkdir()
    written(plain / "a.csv", rows("time_s,eda_uS", lambda k: f"{k / 4},{2 + k % 3}"))
    written(plain / "labels.csv", "file,label\na.mp4,happy\n")
    written(plain / "HR.csv", rows("time_s,hr_bpm", lambda k: f"{k},{60 + k % 5}"))  # the name, not the layout
    zipped(plain / "photos.zip", {"a.txt": b"hi"})
    zipped(plain / "session.zip", {"x/EDA.csv": GOOD})
    assert [p.name for p, _ in inputs([str(plain)])] == ["HR.csv", "a.csv", "session.zip"]
    written(plain / "recording.toml", '[[file]]\npath = "a.csv"\n')
    assert inputs([str(plain)]) == [(plain, [])]
    assert moodal.read(plain).name == "plain"
    for text, match in (
        ("x = 1", "must hold"),
        ('[[file]]\npath = "../a.csv"', "outside its folder"),
        ("[[file", "no TOML"),
    ):
        written(plain / "recording.toml", text)
        refused(plain, match)
