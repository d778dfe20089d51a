"""Wording and time formats of the page."""

from __future__ import annotations

import pytest

from moodal.core.track import GAP_REASONS
from moodal.page import words


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (0, 0, "0:00"),
        (310, 0, "5:10"),
        (796.4, 1, "13:16.4"),
        (3723, 0, "1:02:03"),
        (59.99, 1, "0:59.9"),
        (-1, 0, "0:00"),
    ],
)
def test_positions_are_cut_and_never_run_ahead(seconds: float, digits: int, text: str) -> None:
    assert words.clock_text(seconds, digits) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(24.6, "24.6 s"), (12.0, "12 s"), (0.2, "0.2 s"), (0.04, "0.04 s"), (60, "1 min"), (3138, "52 min 18 s"),
     (7500, "2 h 5 min"), (59.97, "1 min")],
)  # fmt: skip
def test_lengths(seconds: float, text: str) -> None:
    assert words.length_text(seconds).replace(words.NBSP, " ") == text


def test_numbers_keep_to_their_units_and_minus_is_a_minus() -> None:
    assert words.length_text(24.6) == f"24.6{words.NBSP}s"
    assert words.signed(-0.13) == "\u22120.13"
    assert words.signed(0.18) == "+0.18"
    assert words.signed(-0.001) == "0.00"


def test_text_has_sentences_not_seconds() -> None:
    assert words.moment(2.0, clock="order") == f"sentence{words.NBSP}3"
    assert words.moment_span(2.0, 3.0, clock="order") == f"sentence{words.NBSP}3"
    assert words.moment_span(2.0, 5.0, clock="order") == "sentences 3 to 5"


def test_short_recordings_have_tenths() -> None:
    assert words.moment(2.15, duration=8.0) == "0:02.1"
    assert words.moment_span(771.2, 772.4, duration=3000) == "12:51.2 to 12:52.4"
    assert words.moment_span(771.2, 778.4, duration=3000) == "12:51 to 12:58"


def test_label_sets_are_never_narrowed_to_their_largest_label() -> None:
    assert words.set_text([]) == "we cannot tell"
    assert words.set_text(["sadness"]) == "sadness"
    assert words.set_text(["sadness", "neutral"]) == "sadness or neutral"
    assert words.set_text(["a", "b", "c"]) == "a, b or c"
    assert words.set_text(["a", "b", "c", "d"]) == "unclear"


def test_persons() -> None:
    assert words.person_name("p2") == f"Person{words.NBSP}2"
    assert words.person_short("p2") == "P2"
    assert words.person_name("voice") == "A voice, nobody seen"
    assert words.person_name("text") == "The text"
    assert words.person_name("pilot") == "pilot"


def test_every_reason_has_words_and_a_clause() -> None:
    for reason in GAP_REASONS:
        for say in (
            words.reason_text(reason, "voice"),
            words.because(reason, "voice"),
            words.reason_for(reason, "voice"),
        ):
            assert say
            assert "_" not in say
    assert words.because("no_stream", "voice") == "the recording has no sound"
    assert words.reason_text("no_stream", "face") == "no picture in this recording"


def test_lists_in_words() -> None:
    assert words.joined(["a"]) == "a"
    assert words.joined(["a", "b"]) == "a and b"
    assert words.joined(["a", "b", "c"], "or") == "a, b or c"
    assert words.plural(1, "gap") == f"1{words.NBSP}gap"
    assert words.plural(5230, "gap") == f"5,230{words.NBSP}gaps"
