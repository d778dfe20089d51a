"""The sentence, the sums and the notes on the states of a recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moodal.core.mood import Mood, smallest_set
from moodal.core.scheme import scheme
from moodal.page import story, words
from moods import make_mood
from page_moods import STATES, nobody_mood, only, still_mood, text_mood, with_states

NBSP = "\u00a0"


def sentence(mood: Mood) -> str:
    parts = story.tell(mood, mood.summary()).sentences[0][1]
    return "".join(p.text if isinstance(p, story.Link) else p for p in parts).replace(NBSP, " ")


def test_two_states() -> None:
    mood = with_states([(10, 40, ("sadness",)), (40, 80, ("happiness", "neutral"))])
    assert sentence(mood) == " displays sadness from 0:10 and neutral or happiness from 0:40."


def test_a_state_that_returns_after_another_is_named_again() -> None:
    mood = with_states([(0, 30, ("neutral",)), (30, 60, ("anger",)), (60, 100, ("neutral",))])
    assert sentence(mood) == " displays neutral from the start, anger from 0:30 and neutral again from 1:00."


def test_a_state_that_only_pauses_is_named_once_and_its_returns_are_links() -> None:
    happy = ("happiness",)
    mood = with_states([(0, 20, happy), (30, 45, happy), (60, 75, happy), (85, 100, happy)])
    assert sentence(mood) == " displays happiness from the start and again from 0:30, 1:00 and 1:25."
    links = [p for p in story.tell(mood, mood.summary()).sentences[0][1] if isinstance(p, story.Link)]
    assert [(p.text, p.t) for p in links] == [("happiness", 0.0), ("0:30", 30.0), ("1:00", 60.0), ("1:25", 85.0)]
    many = with_states([(at, at + 7, happy) for at in range(10, 90, 13)])
    assert sentence(many) == " displays happiness from 0:10 and again from 0:23, 0:36, 0:49 and 3 more times."


def test_a_pause_inside_a_longer_sentence() -> None:
    mood = with_states([(10, 30, ("fear",)), (40, 60, ("fear",)), (60, 90, ("anger",))])
    assert sentence(mood) == " displays fear from 0:10 and again from 0:40, and anger from 1:00."
    assert sentence(with_states([(0, 40, ("fear",)), (40, 100, ("anger",))])) == " displays fear, and from 0:40 anger."


def test_what_the_recording_never_had_does_not_explain_a_gap_that_something_else_explains() -> None:
    mood = with_states([(0, 50, ("fear",))])
    mood = replace(mood, gaps=tuple(g if g.modality == "face" else replace(g, reason="no_stream") for g in mood.gaps))
    why = "".join(p.text if isinstance(p, story.Who) else p for p in story.tell(mood, mood.summary()).cannot)
    assert why.endswith("mostly because the face was covered.")
    assert words.because_all(["the recording has no picture", "nobody spoke", "the recording has no sound"]) == (
        "the recording has no picture and no sound, and nobody spoke"
    )


def test_one_state_says_until_when() -> None:
    assert sentence(with_states([(20, 50, ("fear",))])) == " displays fear from 0:20 to 0:50."
    assert sentence(with_states([(0, 50, ("fear",))])) == " displays fear until 0:50."
    assert sentence(with_states([(0, 100, ("fear",))])) == " displays fear."


def worn(
    states: list[tuple[float, float, tuple[str, ...]]], name: str = "workload2", subject: str = "body", **shares: float
) -> Mood:
    """A state told from sensors on somebody's body, with the modalities' shares."""
    mood = replace(with_states([]), schemes=(name,), modalities=("face", "body", "brain"))
    labels, n = scheme(name).classes, len(mood.times)
    scores = np.full((n, 2), np.nan)
    for start, end, told in states:
        inside = (mood.times >= start - 1e-9) & (mood.times < end - 1e-9)
        scores[inside] = [float(label in told) / len(told) for label in labels]
    here = np.isfinite(scores[:, 0]).astype(float)
    rests = {m: here * shares.get(m, 0.0) for m in mood.modalities}
    nothing = np.full((n, 3), np.nan)
    told = replace(
        mood.subjects["p1"], id=subject, valence=nothing, arousal=nothing, classes={name: scores},
        label_set={name: smallest_set(scores)}, support=rests, attribution=rests, quality=rests,
    )  # fmt: skip
    return replace(mood, subjects={subject: told}, gaps=())


def test_sensors_tell_a_state_and_whoever_wears_them_shows_nothing() -> None:
    """Whatever the scheme: "shows task" and "displays no stress" read badly, and a heart displays nothing."""
    both = [(0, 40, ("rest",)), (40, 100, ("task",))]
    assert sentence(worn(both, body=0.4, brain=0.6)) == ", by EEG and body signals: rest, and from 0:40 task."
    assert sentence(worn([(0, 100, ("task",))], body=1.0)) == ", by body signals: task."
    calm = [(0, 100, ("no stress",))]
    assert sentence(worn(calm, "stress2", "p1", body=1.0)) == ", by body signals: no stress."
    either = [(0, 100, ("rest", "task"))]
    assert sentence(worn(either, brain=1.0)) == ", by EEG: rest or task."


def test_at_most_four_states_the_longest_in_order_of_time() -> None:
    labels = ["neutral", "anger", "sadness", "fear", "disgust", "happiness"]
    lengths = [20, 6, 20, 7, 20, 27]
    states, at = [], 0.0
    for label, length in zip(labels, lengths, strict=True):
        states.append((at, at + length, (label,)))
        at += length
    text = sentence(with_states(states))
    assert text == (
        " displays neutral from the start, sadness from 0:26, disgust from 0:53, "
        "happiness from 1:13 and 2 more changes."
    )


@pytest.mark.parametrize(
    ("states", "named"),
    [
        ([(0, 4.9, ("anger",)), (4.9, 50, ("fear",))], {"fear"}),  # 5 % of 100 s is 5 s
        ([(0, 50, ("anger", "fear", "sadness")), (50, 90, ("anger", "fear"))], {"anger or fear"}),
    ],
)
def test_only_small_sets_that_last(states: list[tuple[float, float, tuple[str, ...]]], named: set[str]) -> None:
    mood = with_states(states)
    parts = story.tell(mood, mood.summary()).sentences[0][1]
    assert {frozenset(p.text.split(" or ")) for p in parts if isinstance(p, story.Link)} == {
        frozenset(n.split(" or ")) for n in named
    }


def test_never_shorter_than_a_second() -> None:
    mood = with_states([(0, 0.9, ("anger",)), (0.9, 2, ("fear", "anger", "sadness"))], duration_s=10.0)
    assert "no state" in sentence(mood)


def test_at_most_three_persons() -> None:
    told = story.tell(make_mood(persons=5), make_mood(persons=5).summary())
    assert len(told.sentences) == 3
    assert told.more == f"and 2{NBSP}more persons"


def test_nothing_told_says_so_and_why() -> None:
    told = story.tell(nobody_mood(), nobody_mood().summary())
    assert told.sentences == ()
    assert "We cannot tell" in str(told.cannot[0])
    assert "no face was in view" in str(told.cannot[0])
    assert any(n.startswith("No face was found in 24.6") for n in told.notes)
    assert "No speech was found." in told.notes


def test_a_person_about_whom_nothing_is_told() -> None:
    text = sentence(with_states([]))
    assert text.startswith(": we cannot tell what is displayed, because ")
    assert "the face was covered" in text


def test_notes_on_states() -> None:
    assert "One frame: no change can be told." in story.tell(still_mood(), still_mood().summary()).notes
    silent = only("voice", ("picture",))
    assert "No sound in this file." in story.tell(silent, silent.summary()).notes
    assert any(n.startswith("No face was found") for n in story.tell(silent, silent.summary()).notes)


def test_text_speaks_of_sentences() -> None:
    told = story.tell(text_mood(), text_mood().summary())
    assert "second" not in "".join(map(str, told.cannot))
    assert story.utterances(text_mood()) == [0, 1, 2]


@pytest.mark.parametrize("state", STATES)
def test_told_and_not_told_are_the_duration(state: str) -> None:
    mood = STATES[state]()
    for subject in mood.subjects.values():
        total = story.sums(mood, subject)
        assert total.told + total.cannot == pytest.approx(mood.duration_s, abs=1e-6)
        fused = story.fused_gaps(mood, subject)
        assert sum(g.end - g.start for g in fused) == pytest.approx(total.cannot, abs=1e-6)
        assert all(g.reasons for g in fused)


@pytest.mark.parametrize("duration", [24.6, 64.6, 3138.0, 7199.6])
def test_sums_add_up_as_they_are_read(duration: float) -> None:
    mood = make_mood(duration_s=duration, persons=2, step_s=0.1 if duration < 100 else 1.0)

    def seconds(text: str) -> float:
        if text.endswith("s"):
            return float(text.removesuffix(f"{NBSP}s"))
        total = 0.0
        for part in text.split(":"):
            total = total * 60 + float(part)
        return total

    for subject in mood.subjects.values():
        told, cannot = story.sum_texts(mood, story.sums(mood, subject))
        expected = round(duration, 1) if duration < 60 else round(duration)
        assert seconds(told) + seconds(cannot) == pytest.approx(expected, abs=1e-9)


def test_utterances_end_at_pauses_stops_and_speakers() -> None:
    mood = make_mood(sentences=("One. Two three",))
    starts = story.utterances(mood)
    assert starts[:2] == [0, 1]
