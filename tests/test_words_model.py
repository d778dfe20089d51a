"""What words-v0 says of plain sentences, and what it refuses to say."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.errors import ModelError
from moodal.core.scheme import scheme
from moodal.dsp.text import character_features, character_keys, is_sign, is_word, keys, mark_negation, tokens
from moodal.dsp.text_sparse import SparseRows, Vocabulary, text_keys, tfidf
from moodal.extract.words.model import Scored, TextModel, open_model

CLASSES = scheme("ekman8").classes


def scored(text: str) -> Scored:
    found = open_model().score(text)
    assert found is not None, text
    return found


def top(text: str) -> str:
    return CLASSES[int(scored(text).classes.argmax())]


def share(text: str, name: str) -> float:
    return float(scored(text).classes[CLASSES.index(name)])


def valence(text: str) -> float:
    return float(scored(text).affect[0])


PLAIN = {
    "happiness": ["I am so happy today!", "I love this, thank you so much.", "What a wonderful day!", "I like it."],
    "sadness": ["I am very sad.", "I miss her so much, I cried all night.", "My dog died and I am heartbroken."],
    "anger": ["I am so angry with you!", "I hate you, get out of my house!", "Shut up, you idiot."],
    "fear": ["I am scared of the dark.", "I'm terrified."],
    "disgust": ["That is disgusting."],
    "surprise": ["Wow, I did not expect that!", "I can't believe it, what a surprise!"],
    "neutral": ["The train leaves at nine.", "The meeting is on Tuesday."],
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in PLAIN.items() for t in texts])
def test_a_plain_sentence_gets_its_class(name: str, text: str) -> None:
    assert top(text) == name


@pytest.mark.parametrize(
    ("plain", "negated", "name"),
    [
        ("I am happy.", "I am not happy.", "happiness"),
        ("This is good.", "This is not good.", "happiness"),
        ("I love it.", "I don't love it.", "happiness"),
        ("I like it.", "I do not like it.", "happiness"),
        ("I am sad.", "I am not sad.", "sadness"),
        ("I am angry.", "I'm not angry.", "anger"),
        ("I am afraid.", "I am not afraid.", "fear"),
    ],
)
def test_negation_takes_the_class_away(plain: str, negated: str, name: str) -> None:
    assert top(plain) == name
    assert top(negated) != name
    assert share(negated, name) < 0.5 * share(plain, name)


def test_valence_goes_the_way_the_words_do() -> None:
    assert min(map(valence, PLAIN["happiness"])) > 0.2
    assert max(map(valence, PLAIN["sadness"] + PLAIN["disgust"] + PLAIN["fear"])) < -0.2
    assert valence("This is not good.") < 0 < valence("This is good.")


def test_scores_are_in_range_and_shares_sum_to_one() -> None:
    for text in ["Yes.", "no", "a", "!!! 😡", "word " * 5000, *PLAIN["anger"]]:
        found = scored(text)
        assert found.labels.shape == (28,)
        assert ((found.labels > 0) & (found.labels < 1)).all()
        assert found.classes.shape == (8,)
        assert (found.classes >= 0).all()
        assert found.classes.sum() == pytest.approx(1)
        assert (np.abs(found.affect) <= 1).all()
        assert (found.half_width > 0).all()


def test_no_label_stands_for_contempt_and_its_share_is_fixed() -> None:
    shares = {round(share(t, "contempt"), 9) for texts in PLAIN.values() for t in texts}
    assert shares == {open_model().bundle.manifest["classes"]["unheard"]["contempt"]}


@pytest.mark.parametrize("text", ["", "   ", "...", "12 345", "zxqv blorp", "大丈夫"])
def test_nothing_known_gives_no_scores(text: str) -> None:
    assert open_model().score(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Ich bin heute sehr glücklich.", "Je suis très content aujourd'hui.", "Estoy muy feliz hoy.",
        "Jestem dzisiaj bardzo szczęśliwy.", "Olen tänään hyvin iloinen.", "Mi sono divertito molto.", "Я очень рад.",
    ],
)  # fmt: skip
def test_other_languages_do_not_look_english(text: str) -> None:
    assert open_model().english(text) < open_model().english_floor


def test_english_looks_english_and_no_words_say_nothing() -> None:
    for texts in PLAIN.values():
        for text in texts:
            assert open_model().english(text) > 0, text
    assert open_model().english_floor < 0
    assert open_model().english("... 12 !") == 0
    assert open_model().english("OK.") >= open_model().english_floor


def test_scores_do_not_depend_on_case_or_curly_quotes() -> None:
    one, two = scored("I DON’T like it"), scored("i don't like it")
    assert np.array_equal(one.labels, two.labels)
    assert np.array_equal(one.affect, two.affect)


def test_the_manifest_states_its_terms_and_its_scores_with_intervals() -> None:
    manifest = open_model().bundle.manifest
    assert manifest["licence"] == "CC-BY-SA-4.0"
    assert manifest["calibration"]["classes"] is None, "class scores are not calibrated"
    for key in ("goemotions28_macro_f1", *(f"emobank_{d}_r" for d in ("valence", "arousal", "dominance"))):
        found = manifest["scores"][key]
        low, high = found["interval"]
        assert found["trivial"] < low <= found["value"] <= high
        assert found["protocol"]
    assert "not for" in open_model().bundle.card.lower()


def test_an_unknown_bundle_is_one_line() -> None:
    with pytest.raises(ModelError, match="words-v9") as error:
        open_model("words-v9")
    assert "\n" not in str(error.value)


def _damaged(path: Path, member: str, data: bytes | None) -> TextModel:
    """words-v0 with one member exchanged, or left out."""
    source = registry.bundles()["words-v0"].path
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            if info.filename != member:
                new.writestr(info.filename, old.read(info.filename))
            elif data is not None:
                new.writestr(info.filename, data)
    return TextModel(Bundle.open(path))


@pytest.mark.parametrize(
    ("member", "data"),
    [("labels.npy", None), ("labels.npy", b"no array"), ("idf.npy", b""), ("language_odds.npy", b"\x93NUMPY\x01\x00")],
)
def test_a_damaged_bundle_is_one_line(tmp_path: Path, member: str, data: bytes | None) -> None:
    path = tmp_path / "words-v0.bundle"
    model = _damaged(path, member, data)
    with pytest.raises(ModelError, match=member.removesuffix(".npy")) as error:
        model.load()
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_bundle_cut_short_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "words-v0.bundle"
    path.write_bytes(registry.bundles()["words-v0"].path.read_bytes()[:4000])
    with pytest.raises(ModelError, match="not a readable bundle") as error:
        Bundle.open(path)
    assert "\n" not in str(error.value)


def test_tokens_signs_and_words() -> None:
    assert tokens("I don't KNOW… sooooo good!!! :)") == ["i", "don't", "know", "..", "soo", "good", "!!", ":)"]
    assert tokens("see https://x.y/z [NAME] 3.5") == ["see", "#"]
    assert [t for t in tokens("😀👍🏽 ok") if is_sign(t)] == ["😀", "👍"]
    assert not is_sign("!!")
    assert is_word("naïve")
    assert not is_word(":D")
    assert tokens("") == []


def test_negation_reaches_four_words_and_ends_at_marks_and_turns() -> None:
    assert mark_negation(["not", "a", "b", "c", "d", "e"]) == ["not", "not_a", "not_b", "not_c", "not_d", "e"]
    assert mark_negation(["not", "bad", ",", "good"]) == ["not", "not_bad", ",", "good"]
    assert mark_negation(["never", "sad", "but", "glad"]) == ["never", "not_sad", "but", "glad"]
    assert mark_negation(["can't", "wait"]) == ["can't", "wait"]


def test_keys_are_crc32_of_utf8() -> None:
    assert keys(["123456789"]).tolist() == [0xCBF43926]  # the check value of ISO 3309
    assert keys([]).shape == (0,)


def test_keys_of_letters_within_words_are_those_of_their_features() -> None:
    words = tokens("I can't say: naïve café, a, XD 3.5 \U0001f602 Straße don't \ud800 a")
    for lengths in ((3, 4), (1, 7)):
        told = character_keys(words, *lengths)
        np.testing.assert_array_equal(told, keys(character_features(words, *lengths)))
        np.testing.assert_array_equal(told, character_keys(words, *lengths))
    assert character_keys([]).shape == (0,)


def test_tfidf_blocks_have_their_weights_as_length() -> None:
    words, characters = text_keys("good good day")
    known = Vocabulary(np.unique(np.concatenate([words, characters])), np.ones(0, np.float32))
    known = Vocabulary(known.keys, np.linspace(1, 2, len(known.keys)).astype(np.float32))
    places, values = tfidf((words, characters), known, (1.0, 0.7))
    first = len(np.unique(words))
    assert np.sqrt((values[:first] ** 2).sum()) == pytest.approx(1.0)
    assert np.sqrt((values[first:] ** 2).sum()) == pytest.approx(0.7)
    assert known.find(keys(["nowhere to be found"])).shape == (0,)
    rows = SparseRows.stack([(places, values), (places[:0], values[:0])], len(known.keys))
    dense = np.zeros(len(known.keys))
    np.add.at(dense, places, values)
    column = np.arange(len(known.keys), dtype=float)
    assert rows.times(column) == pytest.approx([dense @ column, 0.0])
    assert rows.back(np.array([2.0, 5.0])) == pytest.approx(2 * dense)
