"""Where sentences end, when words are said, and which stretches stay untold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodal.core.stream import Cue
from moodal.core.track import Gap
from moodal.extract.words.ledger import Ledger
from moodal.extract.words.sentences import MAX_WORDS, PAUSE_S, SHORTEST_S, Sentence, Splitter, Word, cue_words


def said(text: str, start: float = 0.0, step: float = 0.4) -> list[Word]:
    return [Word(start + step * i, start + step * i + 0.3, part, 0.9) for i, part in enumerate(text.split())]


def split(words: list[Word]) -> list[str]:
    splitter = Splitter()
    ended: list[Sentence] = []
    for word in words:
        ended += splitter.push(word)
    return [s.text for s in [*ended, *splitter.close()]]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("I came. I saw!", ["I came.", "I saw!"]),
        ("Who? Me?! Yes...", ["Who?", "Me?!", "Yes..."]),
        ('He said "go away." Then he left.', ['He said "go away."', "Then he left."]),
        ("Dr. Who met Mr. J. Smith. They spoke", ["Dr. Who met Mr. J. Smith.", "They spoke"]),
        ("It costs 3.50 now", ["It costs 3.50 now"]),
        ("no marks at all", ["no marks at all"]),
    ],
)
def test_a_mark_ends_a_sentence_and_a_title_does_not(text: str, sentences: list[str]) -> None:
    assert split(said(text)) == sentences


def test_a_long_pause_ends_a_sentence_and_a_short_one_does_not() -> None:
    first = said("well I")
    later = first[-1].end + PAUSE_S
    assert split([*first, *said("never knew", later)]) == ["well I", "never knew"]
    assert split([*first, *said("never knew", later - 0.01)]) == ["well I never knew"]


def test_a_sentence_without_marks_does_not_grow_for_ever() -> None:
    parts = split(said(" ".join(["so"] * (2 * MAX_WORDS + 5))))
    assert [len(p.split()) for p in parts] == [MAX_WORDS, MAX_WORDS, 5]


def test_a_sentence_spans_its_words() -> None:
    splitter = Splitter()
    words = said("it rains again.", 2.0)
    assert splitter.since is None
    assert [list(splitter.push(w)) for w in words[:2]] == [[], []]
    assert splitter.since == 2.0
    (sentence,) = splitter.push(words[2])
    assert (sentence.start, sentence.end) == (2.0, words[2].end)
    assert splitter.since is None


def test_a_cue_without_times_shares_its_time_by_length() -> None:
    words = cue_words(Cue(10.0, 14.0, "no indeed not"))  # 3, 7 and 4 letters, spaces counted
    assert [w.text for w in words] == ["no", "indeed", "not"]
    assert [w.start for w in words] == pytest.approx([10, 10 + 4 * 3 / 14, 10 + 4 * 10 / 14])
    assert words[-1].end == 14.0
    assert all(np.isnan(w.probability) for w in words)


def test_a_cue_with_times_keeps_them_inside_itself() -> None:
    given_words = ((1.5, 1.9, "there", 0.5), (0.2, 1.2, " Hi ", 0.9), (2.9, 9.0, "you", 0.7), (float("nan"), 2, "x", 1))
    words = cue_words(Cue(1.0, 3.0, "Hi there you", None, given_words))
    assert [(w.start, w.end, w.text) for w in words] == [(1.0, 1.2, "Hi"), (1.5, 1.9, "there"), (2.9, 3.0, "you")]
    assert [w.probability for w in words] == [0.9, 0.5, 0.7]


def test_a_cue_whose_word_times_are_all_broken_falls_back_on_its_own() -> None:
    nan = float("nan")
    words = cue_words(Cue(0.0, 1.0, "a b", None, ((nan, nan, "a", 1.0), (0.1, 0.2, "  ", 1.0))))
    assert [w.text for w in words] == ["a", "b"]


@given(
    start=st.floats(0, 1e5),
    length=st.floats(0.001, 60),
    words=st.lists(
        st.tuples(st.floats(-10, 1e5), st.floats(-10, 1e5), st.sampled_from(["a", "ever", " "]), st.floats(0, 1)),
        max_size=6,
    ),
)
def test_words_stay_inside_their_cue_and_have_length(start: float, length: float, words: list) -> None:
    cue = Cue(start, start + length, "what was ever said", None, tuple(words))
    found = cue_words(cue)
    assert found
    assert all(cue.start <= w.start < w.end <= cue.end for w in found)
    assert all(a.start <= b.start for a, b in pairwise(found))


def test_a_word_with_no_length_gets_the_shortest() -> None:
    (word,) = cue_words(Cue(0.0, 1.0, "hm", None, ((0.5, 0.5, "hm", 1.0),)))
    assert word.end - word.start == pytest.approx(SHORTEST_S)


def test_what_is_not_told_is_a_gap_with_the_first_reason_given() -> None:
    ledger = Ledger(0.0, "no_words")
    ledger.cover(2.0, 3.0)
    ledger.explain(1.0, 4.0, "silence")
    ledger.explain(3.5, 6.0, "language")
    assert ledger.until(7.0) == (
        Gap(0.0, 1.0, "no_words"),
        Gap(1.0, 2.0, "silence"),
        Gap(3.0, 4.0, "silence"),
        Gap(4.0, 6.0, "language"),
        Gap(6.0, 7.0, "no_words"),
    )
    assert ledger.until(7.0) == ()


STRETCHES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 10), st.sampled_from([None, "silence", "language"])), max_size=8
)


@given(stretches=STRETCHES, cuts=st.lists(st.integers(0, 50), max_size=4))
def test_gaps_are_the_same_however_often_they_are_asked_for(stretches: list, cuts: list[int]) -> None:
    def filled() -> Ledger:
        ledger = Ledger(0.0, "no_words")
        for start, length, reason in stretches:
            if reason is None:
                ledger.cover(start, start + length)
            else:
                ledger.explain(start, start + length, reason)
        return ledger

    def reason_at(gaps: tuple[Gap, ...], moment: float) -> str | None:
        return next((g.reason for g in gaps if g.start <= moment < g.end), None)

    whole = filled().until(50.0)
    asked = filled()
    parts = tuple(g for end in [*sorted(cuts), 50] for g in asked.until(float(end)))
    for moment in np.arange(0, 50) + 0.5:
        covered = any(a <= moment < a + n and why is None for a, n, why in stretches)
        assert (reason_at(whole, moment) is None) == covered
        assert reason_at(parts, moment) == reason_at(whole, moment)
