"""How `words` is made: tuning with exits, what is read how often, thresholds, pieces."""

from __future__ import annotations

import numpy as np
import pytest

from moodal.dsp.text_signs import named_signs

torch = pytest.importorskip("torch")

from moodal.lab.experts.words.decide import BESIDE, Mix, fit_mix, fit_values, halves, macro_f1, thresholds  # noqa: E402
from moodal.lab.experts.words.negation import negated  # noqa: E402
from moodal.lab.experts.words.texts import pieces_of, plain, top_pieces  # noqa: E402
from moodal.lab.nn.text import TextNet  # noqa: E402
from moodal.lab.train.joint import Head, Schedule, joint, predicted  # noqa: E402

SEQUENCES = [([1, 3 + i % 5, 2], 3) for i in range(40)]


def net(layers: int = 2) -> TextNet:
    torch.manual_seed(0)
    return TextNet(12, layers, d=24, heads=2, inner=32)


def heads() -> dict[str, Head]:
    kind = np.array([s[0][1] for s in SEQUENCES]) - 3
    labels = np.eye(5, dtype=np.float32)[kind]
    values = np.asarray(kind[:, None] - 2, np.float32)
    half = np.asarray(np.arange(40) % 2, np.float32)
    return {"goe": Head("multilabel", labels, np.ones(40, np.float32)), "vad": Head("continuous", values, half)}


def test_tuning_learns_at_both_exits_and_again_the_same() -> None:
    told = []
    for _ in range(2):
        tuned = net()
        linear = joint(tuned, SEQUENCES, heads(), Schedule(30, 1e-2, batch=8, dropout=0.0, exits=(1,)))
        told.append(predicted(tuned, linear, SEQUENCES, (1,)))
    truth = heads()["goe"].target
    for name in ("goe", "goe_1"):
        assert (told[0][name].argmax(axis=1) == truth.argmax(axis=1)).all()
        np.testing.assert_array_equal(told[0][name], told[1][name])
    assert np.corrcoef(told[0]["vad"][:, 0], heads()["vad"].target[:, 0])[0, 1] > 0.9


def test_what_is_there_often_is_read_every_other_epoch() -> None:
    seen: list[int] = []
    share = np.where(np.arange(40) < 20, 0.5, 1.0).astype(np.float32)
    tuned = net(1)
    joint(
        tuned, SEQUENCES, heads(), Schedule(2, 1e-4, batch=10), share=share, progress=lambda d, t, x: seen.append(t)
    )  # fmt: skip
    assert set(seen) == {6}  # 30 sentences an epoch, twice, in batches of ten


def test_a_head_goes_on_from_where_it_was() -> None:
    tuned = net(1)
    linear = joint(tuned, SEQUENCES, heads(), Schedule(2, 1e-3, batch=10))
    start = {k: v.numpy() for k, v in linear.state_dict().items()}
    again = joint(tuned, SEQUENCES, heads(), Schedule(0.25, 0.0, batch=10), start=start)
    for k, v in again.state_dict().items():
        np.testing.assert_allclose(v.numpy(), start[k])


def test_the_mix_finds_what_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    net_odds, grams = rng.normal(0, 2, (2, 4000, 3))
    odds = Mix(0.8, 0.4, np.array([-1.0, 0.0, 0.5])).apply(net_odds, grams)
    truth = rng.random(odds.shape) < 1 / (1 + np.exp(-odds))
    found = fit_mix(truth, net_odds, grams)
    assert found.net == pytest.approx(0.8, abs=0.06)
    assert found.grams == pytest.approx(0.4, abs=0.06)
    np.testing.assert_allclose(found.offset, [-1.0, 0.0, 0.5], atol=0.12)


def test_thresholds_part_what_can_be_parted() -> None:
    odds = np.concatenate([np.full((50, 1), -3.0), np.full((50, 1), 1.0)])
    truth = odds > 0
    least = thresholds(truth, odds)
    assert -3 < least[0] <= 1
    assert macro_f1(truth, odds >= least) == 1.0


def test_halves_are_each_counted_once() -> None:
    (a, b), (c, d) = halves(11, 0)
    assert sorted([*a, *b]) == list(range(11))
    np.testing.assert_array_equal(a, d)
    np.testing.assert_array_equal(b, c)


def test_values_are_mixed_in_deviations_about_the_middle() -> None:
    rng = np.random.default_rng(1)
    middle = np.array([0.1, -0.2, 0.3])
    first, second = rng.normal(size=(2, 400, 3)) * np.array([1.0, 2.0, 4.0])
    second += middle
    truth = 3 * (first / first.std(axis=0) + (second - middle) / second.std(axis=0) * BESIDE) + middle
    found = fit_values(truth, first, second, middle)
    np.testing.assert_allclose(found[:, 0], 3 / first.std(axis=0))
    np.testing.assert_allclose(found[:, 1], 3 * np.array(BESIDE) / second.std(axis=0))
    np.testing.assert_allclose(first * found[:, 0] + second * found[:, 1] + found[:, 2], truth)


def test_denied_feelings_are_not_among_those_of_the_written_tests() -> None:
    texts, shares = negated()
    assert not any(w in t.lower().split() for t in texts for w in ("happy", "sad", "angry", "afraid", "grateful"))
    assert ((shares >= 0) & (shares <= 1)).all()
    assert len(texts) == len(set(texts)) == len(shares)


def test_pieces_that_are_kept() -> None:
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "cat", "dog", "emu"]
    kept = top_pieces([["cat cat dog"], ["dog cat"]], vocabulary, 9)
    assert [vocabulary[i] for i in kept] == vocabulary[:9]
    assert 9 not in top_pieces([["cat"]], vocabulary, 10)  # never seen


def test_a_sentence_in_pieces() -> None:
    from moodal.dsp.wordpiece import WordPiece

    pieces = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"])
    assert pieces_of(pieces, ["a b a b"], 3) == [([2, 4, 5, 4, 3], 5)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("good\U0001f602\U0001f602!", "good face with tears of joy !"),
        ("\U0001f44d\U0001f3fd ok", "thumbs up sign ok"),
        ("sooooooo", "sooo"),
        ("\u2764\ufe0f", "heavy black heart"),
        ("plain \u2018text\u2019", "plain 'text'"),
        ("\u2800\u28ff", ""),
        ("", ""),
    ],
)
def test_emoji_are_read_by_name(text: str, told: str) -> None:
    assert plain(text) == told


def test_naming_leaves_plain_text_alone() -> None:
    text = "Nothing here, 1234 \u00a9 \u2192!!!"
    assert named_signs(text) == text


def test_how_a_bundle_is_written_is_no_part_of_what_is_learnt() -> None:
    from dataclasses import replace

    from moodal.lab.experts import recipe

    told = recipe.load("words")
    other = replace(told, settings={**told.settings, "products": "float32"})
    assert other.learning() == told.learning()
    assert other.fingerprint() != told.fingerprint()
    assert replace(told, settings={**told.settings, "layers": 4}).learning() != told.learning()
    voice = recipe.load("voice")
    assert voice.learning() == voice.fingerprint()


def test_plain_ascii_is_cut_as_any_text_is() -> None:
    from moodal.dsp.wordpiece import words

    text = "".join(map(chr, range(128))) + " Well, it's $5 -- A\tB\nc!"
    # One letter with an accent sends the same text the long way.
    assert [*words(text), "e"] == words(f"{text} \u00e9")
