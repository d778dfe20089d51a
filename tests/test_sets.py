"""Readers beside their laws: media from folders and tars, the compact layouts, pickles that would run code."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.data import pickles, sets
from moodal.lab.data.media import content_of, in_tar, open_bytes, open_sound, text_hash
from moodal.lab.data.told import plain, seconds, span
from moodal.lab.data.twin import movie, tabled, tone, write


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def speech(root: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """A compact speech set: each row's first cell is a clip."""
    clips = {row[0]: tone(i) for i, row in enumerate(rows)}
    tar_of(root / "clips.tar", clips)
    write(root / "index.csv", tabled(header, rows))
    return root


# --- media


def test_a_member_of_a_tar_is_its_bytes(tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "a!b.tar", {"x.wav": tone(1), "y.wav": tone(2)})
    assert open_bytes(in_tar(tar, "y.wav")) == tone(2)
    assert content_of(in_tar(tar, "x.wav")) == content_of(str(write(tmp_path / "x.wav", tone(1))))
    with pytest.raises(InputError, match=r"a!b\.tar: has no member z\.wav"):
        open_bytes(in_tar(tar, "z.wav"))


def test_a_tar_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "clips.tar", {"x.wav": tone(1)})
    assert open_bytes(in_tar(tar, "x.wav")) == tone(1)
    tar_of(tar, {"w.wav": tone(2), "x.wav": tone(3)})
    os.utime(tar, ns=(1, 1))
    assert open_bytes(in_tar(tar, "x.wav")) == tone(3)


@pytest.mark.parametrize("data", [tone(4), movie(0), movie(0, "flv")], ids=["wav", "mp4", "flv"])
def test_sound_is_mono_at_16_khz(tmp_path: Path, data: bytes) -> None:
    sound = open_sound(str(write(tmp_path / "clip", data)))
    assert sound.dtype == np.float32
    assert sound.ndim == 1
    assert 0.08 * 16_000 < len(sound) < 0.35 * 16_000
    assert 0.1 < np.abs(sound).max() <= 1


def test_what_is_no_sound_is_one_line(tmp_path: Path) -> None:
    for name, data in (("noise.wav", b"not a sound" * 30), ("still.mp4", movie(0, "mp4", False)), ("empty.wav", b"")):
        path = write(tmp_path / name, data)
        with pytest.raises(InputError, match=name):
            open_sound(str(path))
    with pytest.raises(InputError, match=r"gone\.wav: cannot be read"):
        open_sound(str(tmp_path / "gone.wav"))
    with pytest.raises(InputError, match="Git LFS"):
        open_bytes(str(write(tmp_path / "lfs.wav", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n")))


def test_long_files_are_told_apart_by_length_and_stretches(tmp_path: Path) -> None:
    long = bytearray(np.random.default_rng(0).bytes(5 << 20))
    one = content_of(str(write(tmp_path / "a", bytes(long))))
    assert content_of(str(write(tmp_path / "b", bytes(long)))) == one
    assert content_of(str(write(tmp_path / "c", bytes(long[:-1])))) != one
    long[-1] ^= 1
    assert content_of(str(write(tmp_path / "d", bytes(long)))) != one


def test_text_is_made_plain() -> None:
    assert (
        plain("\u201cIt\u2019s\u00a0late\u2026\u201d  he  said \u2014 caf\u00e9")
        == '"It\'s late..." he said - caf\u00e9'
    )
    assert text_hash("Hello  There") == text_hash("hello there") != text_hash("hello", "there")
    assert seconds("01:02:03,250", "f", 0) == 3723.25
    assert np.isnan(span("00:00:02,000", "00:00:01,000", "f", 0)).all()
    with pytest.raises(InputError, match="row 3: 'soon' is not a time"):
        seconds("soon", "f", 2)


# --- the compact layouts


def test_compact_speech_sets_are_read(tmp_path: Path) -> None:
    emodb = speech(
        tmp_path / "speech_emodb", ("clip", "speaker", "sex", "age", "emotion", "sentence_code"),
        [("03a01Fa.opus", "03", "male", 31, "happiness", "a01"),
         ("08a02La.opus", "08", "female", 34, "boredom", "a02")],
    )  # fmt: skip
    index = sets.read("emodb", emodb).index
    assert list(index["clip"]) == ["03a01Fa", "08a02La"]
    assert index["text"][1] == "Das will sie am Mittwoch abgeben."
    assert index.label("ekman8").counts()["happiness"] == 1
    assert not index.label("ekman8").labelled[1]
    nemo = speech(
        tmp_path / "speech_nemo", ("clip", "speaker", "sex", "age", "emotion", "sentence_id", "text"),
        [("EB0_anger_1.opus", "EB0", "female", 27, "anger", 1, "Nie."),
         ("KS0_fear_1.opus", "KS0", "male", 23, "fear", 1, "Nie.")],
    )  # fmt: skip
    assert sets.read("nemo", nemo).index.label("emotion").counts()["fear"] == 1
    for name, root in (("emodb", emodb), ("nemo", nemo)):
        recording = sets.read(name, root).index["recording"][1]
        assert open_bytes(recording) == tone(1)
        (root / "clips.tar").unlink()
        with pytest.raises(InputError, match=r"lacks clips\.tar"):
            sets.read(name, root)


def test_a_clip_that_the_tar_lacks_is_named(tmp_path: Path) -> None:
    root = speech(
        tmp_path / "speech_emodb", ("clip", "speaker", "sex", "age", "emotion", "sentence_code"),
        [("03a01Fa.opus", "03", "male", 31, "happiness", "a01")],
    )  # fmt: skip
    tar_of(root / "clips.tar", {"other.opus": b"x"})
    with pytest.raises(InputError, match=r"row 1: clips\.tar has no member '03a01Fa\.opus'"):
        sets.read("emodb", root)
    (root / "clips.tar").write_bytes(b"no tar" * 100)
    with pytest.raises(InputError, match="cannot be read as tar"):
        sets.read("emodb", root)


def ravdess(home: Path) -> Path:
    names = [f"01-0{e}-01-01-01-{a:02d}" for a in (1, 2, 3) for e in (1, 2, 5)]
    emotion = {"1": "neutral", "2": "calm", "5": "angry"}
    rows = [
        (f"03-{n}.opus", n[-2:], "male" if int(n[-2:]) % 2 else "female", emotion[n[4]], "normal",
         "Kids are talking by the door", 1) for n in names
    ]  # fmt: skip
    speech(home / "speech_ravdess", ("clip", "actor", "sex", "emotion", "intensity", "sentence", "repetition"), rows)
    measures = [(f"01-{r[0][3:-5]}", r[0], *r[1:5], 0.1 * i, 0.2, "" if i == 2 else 1.5) for i, r in enumerate(rows)]
    header = ("clip", "audio_clip", "actor", "sex", "emotion", "intensity", "face_a", "face_b", "voice_a")
    write(home / "ravdess_face_features" / "features.csv", tabled(header, measures))
    return home / "speech_ravdess"


def test_measures_of_face_and_voice_come_with_their_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ravdess(tmp_path)
    found = sets.read("ravdess", root, part="av")
    assert {m: f.width for m, f in found.features.items()} == {"face": 2, "voice": 1}
    assert found.present.tolist() == [[True, i != 2] for i in range(9)]  # an empty row is an absent modality
    assert found.index["audio_clip"][0] == "03-01-01-01-01-01-01.opus"
    assert open_bytes(found.index["recording"][4]) == tone(4)
    monkeypatch.setenv("MOODAL_DATA", str(tmp_path))
    assert sets.read("ravdess", part="av").fingerprint() == found.fingerprint()
    spoken = sets.read("ravdess")
    assert list(spoken.index["trial"]) == list(found.index["trial"])
    assert spoken.index.label("ekman8").labelled.tolist() == [True, False, True] * 3  # calm is none of the eight
    (tmp_path / "ravdess_face_features" / "features.csv").unlink()
    with pytest.raises(InputError, match=r"lacks its measures of face and voice"):
        sets.read("ravdess", part="av")
    with pytest.raises(InputError, match="lacks its video part"):
        sets.read("ravdess", part="video")
    with pytest.raises(UsageError, match="part = 'sung' is not known"):
        sets.read("ravdess", part="sung")


def test_films_and_songs_of_ravdess_are_parts_of_their_own(tmp_path: Path) -> None:
    from moodal.lab.data.sets import ravdess as reader

    reader.generate(tmp_path)
    for part, ending in (("video", ".mp4"), ("song", ".wav")):
        found = sets.read("ravdess", tmp_path, part=part)
        assert len(found) == 4
        assert all(r.endswith(ending) for r in found.index["recording"])
        assert len(open_sound(found.index["recording"][0]))
        assert found.index.notices[0].startswith("actors 04, 05")
        assert ("18" in found.index.notices[0]) == (part == "video")


def test_votes_of_crema_are_read(tmp_path: Path) -> None:
    kinds = ("anger", "disgust", "fear", "happy", "neutral", "sad")
    header = ("clip", "actor", "sex", "age", "sentence", "intended_emotion", "intended_level",
              *(f"{c}_{k}" for c in ("voice", "face", "av") for k in kinds))  # fmt: skip
    rows = [
        ("1001_DFA_ANG_XX", "1001", "male", 51, "DFA", "anger", "low", *([6, 2, 0, 0, 2, 0] * 2), 8, 1, 0, 0, 1, 0),
        ("1002_TIE_SAD_XX", "1002", "female", 21, "TIE", "sad", "high", *([0] * 6), *([0, 0, 0, 0, 5, 5] * 2)),
    ]
    write(tmp_path / "crema_votes" / "votes.csv.gz", gzip.compress(tabled(header, rows).encode()))
    found = sets.read("crema", tmp_path / "crema_votes")
    np.testing.assert_allclose(found.index.label("av_votes").values[0], [0.8, 0.1, 0, 0, 0.1, 0])
    assert found.present.tolist() == [[True, True], [False, True]]
    assert found.index["text"][1] == "That is exactly what happened"
    rows[1] = (*rows[1][:-1], -5)
    write(tmp_path / "crema_votes" / "votes.csv.gz", gzip.compress(tabled(header, rows).encode()))
    with pytest.raises(InputError, match="row 2: a count of votes is missing or below 0"):
        sets.read("crema", tmp_path / "crema_votes")


def meld(root: Path) -> Path:
    header = ("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season",
              "Episode", "StartTime", "EndTime")  # fmt: skip
    for part in ("train", "dev"):
        rows = [
            (i + 1, "It\u2019s NA", "Ross", "joy", "positive", d, u, 4, 7, f"00:00:{10 + i},000", f"00:00:{11 + i},500")
            for i, (d, u) in enumerate([(0, 1), (0, 0), (2, 0), (10, 0)])
        ]
        write(root / f"meld_{part}.csv.gz", gzip.compress(tabled(header, rows).encode()))
    np.savez(
        root / "meld_audio_dev.npz",
        Dialogue_ID=np.array([10, 0, 0], np.int16), Utterance_ID=np.array([0, 0, 1], np.int16),
        audio_w2v2=np.arange(6, dtype=np.float16).reshape(3, 2), text_roberta=np.ones((3, 4), np.float16),
    )  # fmt: skip
    return root


def test_compact_meld_is_in_the_order_of_its_dialogues(tmp_path: Path) -> None:
    root = meld(tmp_path / "fusion_meld")
    index = sets.read("meld", root).index
    assert list(index["clip"][:4]) == ["train-dia0-utt0", "train-dia0-utt1", "train-dia2-utt0", "train-dia10-utt0"]
    assert (index["start_s"][0], index["end_s"][0], index["text"][0]) == (11, 12.5, "It's NA")
    dev = sets.read("meld", root, part="dev-audio")
    assert list(dev.index["clip"]) == ["validation-dia0-utt0", "validation-dia0-utt1", "validation-dia10-utt0"]
    assert dev.features["audio"].values.tolist() == [[2, 3], [4, 5], [0, 1]]
    with pytest.raises(InputError, match=r"MELD lacks its test part .*GPL-3\.0"):
        sets.read("meld", root, splits=["test"])
    whole = (root / "meld_audio_dev.npz").read_bytes()
    for damaged in (b"PK\x03\x04 cut off", b"", whole[:300], whole[:120] + bytes(120) + whole[240:]):
        (root / "meld_audio_dev.npz").write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            sets.read("meld", root, part="dev-audio")
    (root / "meld_audio_dev.npz").unlink()
    with pytest.raises(InputError, match=r"lacks its embeddings \(meld_audio_dev\.npz\)"):
        sets.read("meld", root, part="dev-audio")


def test_what_meld_lacks_of_its_films_is_a_notice(tmp_path: Path) -> None:
    from moodal.lab.data.sets import meld as reader

    reader.generate(tmp_path)
    index = sets.read("meld", tmp_path).index
    assert index.notices == (f"1 of {len(index)} utterances have no film here",)
    row = list(index["clip"]).index("validation-dia1-utt2")
    assert index["recording"][row] == ""
    assert index["text"][row]
    assert index["start_s"][row] > 0  # in the episode, as there is no film of its own
    assert index["start_s"][row - 1] == 0


def test_arrays_learned_on_mosis_labels_are_marked(tmp_path: Path) -> None:
    root = tmp_path / "fusion_mosi"
    rows = [(f"vid{v}_{c}", f"vid{v}", c, c % 2, "I LIKED IT") for v in range(4) for c in range(3)]
    table = tabled(("utterance", "video", "clip", "label", "text"), rows)
    write(root / "mosi_train_index.csv.gz", gzip.compress(table.encode()))
    np.savez(
        root / "mosi_train_features.npz", utterance=np.array([r[0] for r in rows][::-1]),
        audio=np.arange(12, dtype=np.float32)[:, None], text_cnn=np.ones((12, 2), np.float32),
        video_cnn=np.ones((12, 2), np.float32),
    )  # fmt: skip
    found = sets.read("mosi", root)
    assert found.modalities == ("audio",)
    assert found.features["audio"].values[:, 0].tolist() == list(range(11, -1, -1))  # joined by name, not by place
    learned = sets.read("mosi", root, part="learned")
    assert learned.features["text_cnn"].fitted_on == frozenset(learned.index["clip"])
    assert not learned.features["audio"].fitted_on
    with pytest.raises(InputError, match="lacks its clips part"):
        sets.read("mosi", root, part="clips")


def test_films_of_an_mmsa_set_are_a_part_of_their_own(tmp_path: Path) -> None:
    from moodal.lab.data.sets import sims as reader

    truth = reader.generate(tmp_path)
    films = sets.read("sims", tmp_path, part="clips")
    packed = sets.read("sims", tmp_path)
    assert sorted(films.index["clip"]) == sorted(truth.clips)
    assert films.modalities == ()
    assert len(open_sound(films.index["recording"][0]))
    order = [list(films.index["clip"]).index(c) for c in packed.index["clip"]]
    for label in ("score", "single"):
        left, right = packed.index.label(label).values, films.index.label(label).values[order]
        np.testing.assert_allclose(left, right, atol=1e-6)


@pytest.mark.parametrize(("classes", "names"), [("4", 4), ("5", 5), ("6", 6), ("all", 11)])
def test_iemocaps_classes_are_chosen(tmp_path: Path, classes: str, names: int) -> None:
    from moodal.lab.data.sets import iemocap as reader

    truth = reader.generate(tmp_path, seed=3)
    index = sets.read("iemocap", tmp_path, classes=classes).index
    assert len(index.label("emotion").names) == names
    kept = {c for c, e in zip(truth.clips, truth.labels["emotion"], strict=True) if e in reader.GROUPS[classes]}
    assert set(index["clip"]) == kept
    assert index.notices[0].startswith("10 lines of transcripts")
    assert set(index["stimulus"]) == {"", "script01_1"}  # the same script in every session


# --- pickles


DATA = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3), "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(3, dtype=">i4"), "text": np.array(["ab", "c"]), "mixed": np.array(["x", 3, None], object),
    "none": np.zeros((0, 5)), "yes": np.array([True, False]), "number": np.float64(2.5), "name": np.str_("hi"),
    "list": [1, 2.5, "v$_$1", (None, True)], "bytes": b"\x00\xff",
}  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_are_read_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    told = pickles.load(write(tmp_path / "x.pkl", pickle.dumps(DATA, protocol)))
    assert told.keys() == DATA.keys()
    for key, value in DATA.items():
        if isinstance(value, np.ndarray):
            assert told[key].dtype == value.dtype
            np.testing.assert_array_equal(told[key], value)
        else:
            assert told[key] == value


class Runs:
    """Unpickled the usual way, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


HOSTILE = {
    "builds": b"\x80\x04c__builtin__\neval\n(S'1'\ntR.",
    "numpy": b"\x80\x04cnumpy\nfromfile\n(S'/etc/passwd'\ntR.",
    "changes": b"\x80\x02cnumpy\ndtype\n}U\x05_makeK\x01sb.",
    "object bytes": b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02O8K\x00K\x01\x87RU\x08aaaaaaaa\x86R.",
    "other module": b"\x80\x02cmultiarray\nscalar\n.",
    "huge": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01\x8a\x06\x00\x00\x00\x00\x00\x10\x85"
    b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R\x89U\x08aaaaaaaatb.",
    "cut": pickle.dumps(DATA, 4)[:-40],
    "nothing": b"",
    "no pickle": b"<html>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_could_run_or_lie_is_one_line(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "x.pkl", HOSTILE[name])
    with pytest.raises(InputError, match="cannot be read as plain arrays") as caught:
        pickles.load(path)
    assert "\n" not in str(caught.value)
    assert pickles.load(write(path, pickle.dumps(DATA)))["number"] == 2.5  # and nothing of ours was changed


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pkl", pickle.dumps({"train": Runs(tmp_path / "made")}))
    with pytest.raises(InputError, match="could run code"):
        pickles.load(path)
    assert not (tmp_path / "made").exists()
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(InputError, match="nested deeper"):
        pickles.load(write(path, pickle.dumps(deep)))
