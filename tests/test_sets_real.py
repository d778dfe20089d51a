"""Readers on the real compact data, where it is there: counts agree with what is published about each cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core import registry
from moodal.lab.bench.protocols import protocol
from moodal.lab.data import LeakageError, sets
from moodal.lab.data.media import open_sound

#: Set, settings, examples, people, label, its counts; from the data's own README files.
REAL: list[tuple[str, dict[str, Any], int, int, str, dict[str, int]]] = [
    ("ravdess", {}, 1200, 20, "emotion", {"calm": 160, "happy": 160, "sad": 160, "angry": 160, "fearful": 160,
                                          "disgust": 160, "surprised": 160, "neutral": 80}),
    ("ravdess", {"part": "av"}, 300, 20, "emotion", {"neutral": 20, "calm": 40, "happy": 40, "sad": 40, "angry": 40,
                                                     "fearful": 40, "disgust": 40, "surprised": 40}),
    ("nemo", {}, 1017, 7, "emotion", {"anger": 175, "happiness": 175, "neutral": 175, "sadness": 175, "fear": 167,
                                      "surprised": 150}),
    ("emodb", {}, 289, 8, "emotion", {"anger": 100, "neutral": 63, "happiness": 54, "sadness": 49, "boredom": 9,
                                      "disgust": 9, "fear": 5}),
    ("crema", {}, 6212, 76, "intended", {"anger": 1061, "disgust": 1061, "fear": 1061, "happy": 1061, "sad": 1061,
                                         "neutral": 907}),
    ("meld", {"splits": ["train"]}, 9989, 260, "emotion", {"neutral": 4710, "joy": 1743, "surprise": 1205,
                                                           "anger": 1109, "sadness": 683, "disgust": 271, "fear": 268}),
    ("meld", {"splits": ["train"]}, 9989, 260, "sentiment", {"neutral": 4710, "negative": 2945, "positive": 2334}),
    ("meld", {"splits": ["validation"]}, 1109, 47, "emotion", {"neutral": 470, "joy": 163, "surprise": 150,
                                                               "anger": 153, "sadness": 111, "disgust": 22,
                                                               "fear": 40}),
    ("mosi", {}, 1447, 62, "sentiment", {"negative": 738, "positive": 709}),
]  # fmt: skip


_read: dict[str, Any] = {}


def read(data: Path, name: str, **settings: Any) -> Any:
    folder = registry.load("sets", name).SPEC.compact
    if not (data / folder).is_dir():
        pytest.skip(f"{folder} is not here")
    key = f"{name} {settings}"
    if key not in _read:
        _read[key] = sets.read(name, **settings)
    return _read[key]


@pytest.mark.parametrize(("name", "settings", "n", "people", "label", "counts"), REAL)
def test_counts_agree_with_the_readme(
    data: Path, name: str, settings: dict[str, Any], n: int, people: int, label: str, counts: dict[str, int]
) -> None:
    from laws.test_set_laws import check_index

    found = read(data, name, **settings)
    assert len(found) == n
    assert len(set(found.index["subject"])) == people
    assert {k: v for k, v in found.index.label(label).counts().items() if v} == counts
    check_index(found.index, registry.load("sets", name).SPEC)


@pytest.mark.parametrize("name", ["ravdess", "nemo", "emodb"])
def test_a_clip_of_the_tar_is_heard(data: Path, name: str) -> None:
    found = read(data, name)
    columns = found.index
    sound = open_sound(columns["recording"][3])
    assert sound.dtype == np.float32
    assert 0.5 < len(sound) / 16_000 < 20
    assert 0 < np.abs(sound).max() <= 1.5
    assert len(set(columns["content"])) == len(found)  # no clip is in there twice


def test_face_and_voice_of_a_trial_stand_beside_its_sound(data: Path) -> None:
    found = read(data, "ravdess", part="av")
    assert {m: f.width for m, f in found.features.items()} == {"face": 56, "voice": 67}
    assert found.present.all()
    assert int(np.isnan(found.features["voice"].values).sum()) == 2
    spoken = read(data, "ravdess")
    assert set(found.index["trial"]) <= set(spoken.index["trial"])
    heard = dict(zip(spoken.index["clip"], spoken.index.label("emotion").source, strict=True))
    for clip, emotion in zip(found.index["audio_clip"], found.index.label("emotion").source, strict=True):
        assert heard[Path(clip).stem] == emotion


def test_votes_are_shares(data: Path) -> None:
    found = read(data, "crema")
    for modality in ("voice_votes", "face_votes"):
        np.testing.assert_allclose(found.features[modality].values.sum(axis=1), 1, atol=1e-6)
    assert found.index.label("av_votes").kind == "distribution"


def test_meld_keeps_the_order_of_its_dialogues_and_has_plain_words(data: Path) -> None:
    index = read(data, "meld").index
    assert not any(set(text) & set("\u2019\u2018\u201c\u201d\u2026\u2014") for text in index["text"])
    for rows in list(index.groups("dialogue").values())[:200]:
        assert (np.diff(rows) == 1).all()
        assert (np.diff(index["turn"][rows]) > 0).all()
    folds = protocol("official", test="validation").split(index)
    assert len(folds[0].test) == 1109


def test_melds_embeddings_are_of_their_rows(data: Path) -> None:
    found = read(data, "meld", part="dev-audio")
    assert len(found) == 1108
    assert {m: f.width for m, f in found.features.items()} == {"audio": 768, "text": 768}
    assert "validation-dia110-utt7" not in set(found.index["clip"])
    with np.load(data / "fusion_meld" / "meld_audio_dev.npz") as stored:
        at = np.flatnonzero((stored["Dialogue_ID"] == 5) & (stored["Utterance_ID"] == 2))[0]
        row = list(found.index["clip"]).index("validation-dia5-utt2")
        np.testing.assert_array_equal(found.features["text"][row][0], stored["text_roberta"][at].astype(np.float32))


def test_what_was_learned_on_mosis_labels_cannot_be_tested_with(data: Path) -> None:
    by_video = protocol("group-kfold", group="session")
    assert len(by_video.split(read(data, "mosi"))) == 5
    learned = read(data, "mosi", part="learned")
    assert set(learned.modalities) == {"audio", "text_cnn", "video_cnn"}
    with pytest.raises(LeakageError, match="text_cnn was fitted"):
        by_video.split(learned)
    assert by_video.split(learned.only(["audio"]))
