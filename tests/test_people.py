"""Who is who, edited: from stored tracks through conclude, recorded, and refused where it cannot be."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import moodal
from moodal import page
from moodal.core.clock import Span, Timeline
from moodal.core.errors import InputError, UsageError
from moodal.core.mood import Mood
from moodal.core.track import Field, Gap, Piece, Track, TrackSpec
from moodal.formats import TrackWriter, load, save
from moodal.fuse import conclude
from moodal.people import facts_of, joined_track
from test_fuse import DURATION, facts, ledger_is_whole, tracks, voice, words
from test_fuse import face as bare_face
from test_fuse_body import heart, skin
from test_fuse_body import seen as band_seen
from test_fuse_body import told as band_told

BOX = TrackSpec("face.quality", tuple(Field(f) for f in ("x", "y", "width", "height")), None, "made up")


def face(subject: str, label: str, *gaps: Gap) -> dict[str, Track]:
    found = bare_face(subject, label, *gaps)
    quality = found["face.quality"]
    boxes = np.tile(np.array([0.2, 0.2, 0.1, 0.2], np.float32), (len(quality), 1))
    return {**found, "face.quality": replace(quality, spec=BOX, values=boxes)}


def saved(folder: Path, *rows: Track | dict[str, Track], **about: Any) -> Mood:
    """A Mood on disk as `analyze` leaves it, concluded from made-up tracks."""
    sets = tracks(*rows)
    folder.mkdir(parents=True)
    writer = TrackWriter(folder / "tracks", {n: s.spec for n, s in sets.items()})
    for name, found in sets.items():
        for subject, t in found.items():
            writer.add(Piece(name, subject, t.times, t.values, t.quality, t.gaps, t.ends, t.texts))
    reader = writer.close()
    provenance = {
        "moodal": "0.1.0",
        "recording": {"name": "talk.mp4", "sha256": "9f" * 32, "file": "../talk.mp4"},
        "settings": {"start_s": about.pop("start_s", None)},
        "fusion": {"name": "late-v0"},
    }
    mood = conclude(reader, facts(provenance=provenance, **about))
    save(mood, folder)
    page.write(mood, folder, media=Path("../talk.mp4"))
    return load(folder)


def same(a: Mood, b: Mood) -> None:
    for name, values in a.columns().items():
        other = b.columns()[name]
        equal = (values == other).all() if values.dtype == object else np.array_equal(values, other, equal_nan=True)
        assert equal, name
    assert a.gaps == b.gaps
    assert a.words == b.words


def two(folder: Path, **about: Any) -> Mood:
    """p1 from 0 to 4 s, p2 from 5 s on, a voice while both are away and a while with p2."""
    first = face("p1", "happiness", Gap(4.0, DURATION, "no_face"))
    second = face("p2", "happiness", Gap(0.0, 5.0, "no_face"), Gap(7.0, 7.5, "occluded"))
    return saved(folder, first, second, voice(0.5, (1.0, 9.0)), words("happiness", 0.6, (1.0, 3.0)), **about)


@pytest.mark.parametrize("about", [{}, {"withheld": {"words": "not_asked"}}, {"withheld": {"face": "no_stream"}}])
def test_what_conclude_was_told_is_known_from_the_saved_mood(tmp_path: Path, about: dict[str, Any]) -> None:
    rows = [voice(0.5, (1.0, 9.0))] if "face" in about.get("withheld", {}) else [face("p1", "anger")]
    mood = saved(tmp_path / "talk.mood", *rows, **about)
    known = facts_of(mood)
    assert {**known.withheld, **about.get("withheld", {})} == dict(known.withheld)
    again = conclude(mood.tracks, known)
    same(mood, again)
    assert again.models == mood.models


def test_a_voice_becomes_a_persons_and_the_ledger_stays_whole(tmp_path: Path) -> None:
    both = (face("p1", "happiness"), face("p2", "neutral"), voice(0.5, (1.0, 5.0)), words("happiness", 0.6, (1.0, 3.0)))
    mood = saved(tmp_path / "talk.mood", *both)
    assert list(mood.subjects) == ["p1", "p2", "voice"]
    (tmp_path / "talk.mood" / "notes.txt").write_text("mine")
    mood.write(tmp_path / "talk.mood" / "exports", "csv", "audformat")
    edited = moodal.people(tmp_path / "talk.mood", merge="voice,p1", name="Anna")
    assert list(edited.subjects) == ["p1", "p2"]
    at = (edited.times > 1.2) & (edited.times < 4.5)
    assert (edited["p1"].support["voice"][at] > 0).all()
    assert (edited["p2"].support["voice"] == 0).all()
    assert np.array_equal(edited["p2"].valence, mood["p2"].valence, equal_nan=True)
    assert {w.subject for w in edited.words} <= {"p1"}
    ledger_is_whole(edited)
    summary = edited.summary()
    assert summary["subjects"][0]["name"] == "Anna"
    assert "name" not in summary["subjects"][1]
    assert summary == {**load(tmp_path / "talk.mood").summary()}
    stored = json.loads((tmp_path / "talk.mood" / "provenance.json").read_text())["people"]
    assert stored == {
        "edits": [{"merge": ["voice", "p1"], "into": "p1", "name": "Anna"}],
        "names": {"p1": "Anna"},
        "merged": {"voice": "p1"},
    }
    html = (tmp_path / "talk.mood" / "index.html").read_text()
    assert '<span class="name" data-s="0">Anna</span>' in html
    assert '"url":"../talk.mp4"' in html or '"./../talk.mp4"' in html
    # Formats that were there are written again, what somebody put there stays, nothing else is left.
    with (tmp_path / "talk.mood" / "exports" / "talk-csv" / "mood.csv").open() as file:
        assert {r["subject"] for r in csv.DictReader(file)} == {"p1", "p2"}
    tables = {p.name for p in (tmp_path / "talk.mood" / "exports" / "talk-audformat").iterdir()}
    assert "db.emotion.voice.csv" not in tables
    assert (tmp_path / "talk.mood" / "notes.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["talk.mood"]


def test_two_persons_never_seen_together_become_one(tmp_path: Path) -> None:
    mood = two(tmp_path / "talk.mood")
    assert "voice" in mood.subjects
    samples = sum(len(mood.tracks["face.quality"][p]) for p in ("p1", "p2"))
    edited = moodal.people(mood, merge=["p2", "p1"])
    assert list(edited.subjects) == ["p1"] or list(edited.subjects) == ["p1", "voice"]
    assert edited["p1"].seen == mood["p1"].seen | mood["p2"].seen
    for name in ("p1", "p2"):
        told = mood[name].support["face"] > 0
        assert (edited["p1"].support["face"][told] > 0).all()
    reasons = [(g.reason, pytest.approx(g.start), pytest.approx(g.end)) for g in edited.gaps_of("p1", "face")]
    assert ("no_face", 4.0, 5.0) in reasons
    assert ("occluded", 7.0, 7.5) in reasons
    assert len(reasons) == 2
    ledger_is_whole(edited)
    track = edited.tracks["face.quality"]
    assert track.subjects == ("p1",)
    assert (np.diff(track.times) > 0).all()
    assert len(track.times) == samples
    with pytest.raises(UsageError, match="no subject 'p2'"):
        moodal.people(edited, merge="p2,p1")


def test_edits_add_up_and_names_follow(tmp_path: Path) -> None:
    mood = two(tmp_path / "talk.mood")
    named = moodal.people(mood, merge="p2", name="Ben")
    assert list(named.subjects) == list(mood.subjects)
    same(mood, named)
    voiced = moodal.people(named, merge="voice,Ben")
    assert voiced.names == {"p2": "Ben"}
    one = moodal.people(voiced, merge="p1,p2")
    assert list(one.subjects) == ["p1"]
    assert one.names == {"p1": "Ben"}
    people = one.provenance["people"]
    assert people["merged"] == {"voice": "p1", "p2": "p1"}
    assert [e["into"] for e in people["edits"]] == ["p2", "p2", "p1"]
    assert (one["p1"].support["voice"] > 0).any()
    ledger_is_whole(one)


def test_a_recording_of_a_voice_alone_can_be_named(tmp_path: Path) -> None:
    mood = saved(tmp_path / "call.mood", voice(0.5, (1.0, 9.0)), withheld={"face": "no_stream"})
    named = moodal.people(mood, merge="voice", name="  Call\n centre ")
    assert named.names == {"voice": "Call centre"}
    same(mood, named)


def test_gaps_of_one_person_made_of_two() -> None:
    a = face("p1", "anger", Gap(2.0, 3.0, "occluded"), Gap(3.0, 6.0, "no_face"), Gap(8.0, DURATION, "no_face"))
    b = face("p2", "anger", Gap(0.0, 5.0, "no_face"), Gap(5.5, DURATION, "no_face"))
    track = joined_track([a["face.quality"], b["face.quality"]], "p1")
    assert track.gaps == (
        Gap(2.0, 3.0, "occluded"), Gap(3.0, 5.0, "no_face"), Gap(5.5, 6.0, "no_face"), Gap(8.0, DURATION, "no_face"),
    )  # fmt: skip
    assert not Timeline(g.span for g in track.gaps).mask(track.times).any()


@pytest.mark.parametrize(
    ("merge", "name", "part"),
    [
        ("p1,p9", None, "no subject 'p9'"),
        ("p1,p2", None, "p1 and p2 are in view at the same time"),
        ("p1", None, "one subject alone"),
        (" , ", None, "names nobody"),
        ("p1", " ", "--name"),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(
    tmp_path: Path, merge: str, name: str | None, part: str
) -> None:
    mood = saved(tmp_path / "talk.mood", face("p1", "happiness"), face("p2", "neutral"))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(UsageError, match=part):
        moodal.people(mood, merge=merge, name=name)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(UsageError, match="not saved"):
        moodal.people(replace(mood, path=None), merge="p1,p2")


def test_the_command(tmp_path: Path) -> None:
    saved(tmp_path / "talk.mood", face("p1", "happiness"), face("p2", "neutral"), voice(0.5, (1.0, 5.0)))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "moodal", "people", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run("talk.mood", "--merge", "p1,voice", "--name", "A")
    assert done.returncode == 0, done.stderr
    assert "● A" in done.stdout
    wrong = run("talk.mood", "--merge", "p1,p2")
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1
    assert run("nowhere.mood", "--merge", "p1,p2").returncode == 2


@pytest.mark.parametrize("baseline", [None, (0.0, 100.0)])
def test_a_wristband_becomes_a_persons(
    tmp_path: Path, baseline: tuple[float, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # These faces have no boxes that a page could draw.
    monkeypatch.setattr(sys.modules["moodal.people"], "_write_page", lambda *_: None)
    span = None if baseline is None else Span(*baseline)
    mood = band_told(band_seen("p1"), band_seen("p2"), heart(), *skin(), baseline=span)
    assert list(mood.subjects) == ["p1", "p2", "body"]
    folder = tmp_path / "band.mood"
    folder.mkdir()
    writer = TrackWriter(folder / "tracks", {n: s.spec for n, s in mood.tracks.items()})
    for name, sets in mood.tracks.items():
        for subject, t in sets.items():
            writer.add(Piece(name, subject, t.times, t.values, t.quality, t.gaps, t.ends, t.texts))
    writer.close()
    recording = {"name": "band.zip", "sha256": "9f" * 32, "file": None}
    noted = {"recording": recording, "settings": {"baseline": baseline}, "fusion": {"name": "late-v0"}}
    save(replace(mood, provenance={**mood.provenance, **noted}), folder)
    same(conclude(load(folder).tracks, facts_of(load(folder))), mood)
    edited = moodal.people(folder, merge="p2,body")
    assert list(edited.subjects) == ["p1", "p2"]
    told = mood["body"].arousal[:, 0]
    assert np.isfinite(told).any()
    assert np.isfinite(edited["p2"].arousal[np.isfinite(told), 0]).all()
    assert np.array_equal(edited["p1"].arousal, mood["p1"].arousal, equal_nan=True)
    assert {g.reason for g in edited.gaps_of("p2", "body")} == {g.reason for g in mood.gaps_of("body", "body")}
    assert edited.provenance["baseline"] == mood.provenance["baseline"]


def test_table_and_index_of_many_learn_of_it(tmp_path: Path) -> None:
    for name in ("a.txt", "-b.txt"):
        (tmp_path / name).write_text("I was glad. Then it rained.")
    (tmp_path / "=broken.srt").write_text("no cue here")
    with pytest.raises(InputError):
        moodal.analyze([tmp_path / n for n in ("a.txt", "=broken.srt", "-b.txt")], out=tmp_path, only="words")
    before = (tmp_path / "summary.csv").read_text()
    moodal.people(tmp_path / "-b.mood", merge="text", name="Anna")
    after = (tmp_path / "summary.csv").read_text()
    assert "Anna" not in before
    assert "Anna" in after
    assert after.replace("Anna", "") == before
    assert "Anna" in (tmp_path / "index.html").read_text()
    shutil.rmtree(tmp_path / "a.mood")
    moodal.people(tmp_path / "-b.mood", merge="text", name="Ben")
    rows = list(csv.DictReader((tmp_path / "summary.csv").open()))
    assert [(r["recording"], r["status"], r["name"]) for r in rows] == [
        ("a.txt", "failed", ""), ("'=broken.srt", "failed", ""), ("'-b.txt", "done", "Ben"),
    ]  # fmt: skip
    # A table of somebody else, or one that does not name the Mood, is left alone.
    (tmp_path / "summary.csv").write_text("my own\n")
    moodal.people(tmp_path / "-b.mood", merge="text", name="Eve")
    assert (tmp_path / "summary.csv").read_text() == "my own\n"
