from __future__ import annotations

import csv
import errno
from pathlib import Path

import numpy as np
import pytest

from moodal.core.errors import InputError, OutputError, UsageError
from moodal.core.track import Field, Gap, Piece, TrackSpec
from moodal.formats import TrackWriter, load, save, write_table
from moodal.formats.files import new_folder, write_text
from moods import make_mood

SPEC = TrackSpec("face.test", (Field("a", "deg"), Field("b")), 25.0, "made up", about="for a test")


def feed(folder: Path, cut: int, n: int = 9000) -> bytes:
    rng = np.random.default_rng(0)
    rows = {s: rng.random((n, 2)).astype(np.float32) for s in ("p1", "p2", "p10", "")}
    writer = TrackWriter(folder, {"face.test": SPEC})
    for first in range(0, n, cut):
        for subject, values in rows.items():
            part = values[first : first + cut] if subject else values[:0]
            times = (first + np.arange(len(part))) / 25
            gaps = (Gap(first / 25, min(n, first + cut) / 25, "no_face"),) if not subject else ()
            writer.add(Piece("face.test", subject, times, part, np.ones(len(part), np.float32), gaps))
    tracks = writer.close()["face.test"]
    assert tracks.subjects == ("p1", "p2", "p10")
    assert np.array_equal(tracks["p10"].values, rows["p10"])
    assert tracks[""].gaps == (Gap(0.0, n / 25, "no_face"),)
    assert tracks.spec.fields[0] == Field("a", "deg")
    assert [p.name for p in folder.iterdir()] == ["face.test.parquet"]
    return (folder / "face.test.parquet").read_bytes()


def test_tracks_on_disk_do_not_remember_how_they_were_cut(tmp_path: Path) -> None:
    assert feed(tmp_path / "a", 9000) == feed(tmp_path / "b", 137)


def test_track_words_round_trip(tmp_path: Path) -> None:
    spec = TrackSpec("words.test", (Field("probability"),), None, "made up")
    writer = TrackWriter(tmp_path, {spec.name: spec})
    values, quality = np.array([[0.5], [np.nan]], np.float32), np.ones(2, np.float32)
    texts = ("<b>hello</b>", "wörld\n")
    writer.add(Piece(spec.name, "voice", np.array([0.0, 1.0]), values, quality, (), np.array([0.5, 2.0]), texts))
    track = writer.close()[spec.name].only
    assert track.texts == texts
    assert track.ends is not None
    assert track.ends.tolist() == [0.5, 2.0]
    assert np.isnan(track.values[1, 0])


def test_unknown_track_names_those_that_are_there(tmp_path: Path) -> None:
    reader = TrackWriter(tmp_path, {SPEC.name: SPEC}).close()
    with pytest.raises(UsageError, match=r"face\.test"):
        reader["face.other"]


def test_mood_folder_round_trip_is_exact(tmp_path: Path) -> None:
    mood = make_mood(duration_s=24.63, schemes=("sentiment3", "ekman8", "va"))
    save(mood, tmp_path)
    again = load(tmp_path)
    assert again.summary() == mood.summary()
    for name, values in mood.columns().items():
        other = again.columns()[name]
        same = (values == other).all() if values.dtype == object else np.array_equal(values, other, equal_nan=True)
        assert same, name
    assert again.words == mood.words
    assert again.gaps == mood.gaps
    assert again.streams == mood.streams


def test_mood_of_nobody_round_trips(tmp_path: Path) -> None:
    save(make_mood(persons=0), tmp_path)
    assert load(tmp_path).subjects == {}


def test_same_mood_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(make_mood(), tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "newer"])
def test_load_says_in_one_line_what_is_wrong(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "talk.mood"
    if damage != "absent":
        folder.mkdir()
    if damage in ("cut", "newer"):
        save(make_mood(), folder)
        data = (folder / "mood.parquet").read_bytes()
        if damage == "cut":
            (folder / "mood.parquet").write_bytes(data[: len(data) // 2])
        else:
            import pyarrow.parquet as pq

            table = pq.read_table(folder / "mood.parquet")
            notes = table.schema.metadata[b"moodal"].replace(b'"schema": 1', b'"schema": 99')
            pq.write_table(table.replace_schema_metadata({"moodal": notes}), folder / "mood.parquet")
    with pytest.raises(InputError, match="newer moodal" if damage == "newer" else r"talk\.mood") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "talk.mood"

    def broken() -> None:
        with new_folder(target) as work:
            (work / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert list(tmp_path.iterdir()) == []
    for text in ("one", "two"):
        with new_folder(target) as work:
            (work / text).write_text(text)
    assert [p.name for p in target.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [target]


def test_full_disk_and_read_only_folder_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_text(tmp_path / "a.txt", "x")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="not a folder"), new_folder(tmp_path / "file" / "talk.mood"):
        pass


def test_csv_leaves_missing_empty(tmp_path: Path) -> None:
    columns = {
        "time_s": np.array([0.0, 0.04]),
        "subject": np.array(["p1", 'a,"b'], object),
        "x": np.array([np.nan, 1 / 3]),
    }
    write_table(tmp_path / "t.csv", columns)
    rows = list(csv.reader((tmp_path / "t.csv").open()))
    assert rows == [["time_s", "subject", "x"], ["0.0", "p1", ""], ["0.04", 'a,"b', "0.3333333"]]
