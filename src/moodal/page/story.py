"""What the page says before anything is drawn: sentences, sums and the reasons for what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moodal.core.clock import Timeline
from moodal.core.mood import Mood, SubjectMood
from moodal.core.scheme import SCHEMES
from moodal.core.summary import against_baseline
from moodal.fuse.states import STATES

from . import words

__all__ = [
    "FusedGap",
    "Link",
    "Story",
    "Stretch",
    "Sums",
    "Who",
    "fused_gaps",
    "stretches",
    "sum_texts",
    "sums",
    "tell",
    "utterances",
]

#: Which states earn a place in the sentence, and how many of them.
MAX_LABELS, LEAST_SHARE, LEAST_S, MAX_STATES, MAX_PERSONS = 2, 0.05, 1.0, 4, 3

#: Words belong to one utterance until a pause this long, s, or this many words.
PAUSE_S, MAX_WORDS = 0.7, 14


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch ``[start, end)`` s told with one small label set."""

    start: float
    end: float
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A word of the sentence that moves the cursor to ``t`` s of a subject."""

    text: str
    t: float
    subject: str


@dataclass(frozen=True, slots=True)
class Who:
    """A subject's name inside a sentence, which a reader may edit."""

    text: str
    subject: str


@dataclass(frozen=True, slots=True)
class Sums:
    """For how long anything is told about a subject, and for how long not; together the duration."""

    told: float
    cannot: float


@dataclass(frozen=True, slots=True)
class FusedGap:
    """A stretch in which nothing is told about a subject, with each modality's main reason."""

    subject: str
    start: float
    end: float
    reasons: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Story:
    """The plain words of the page: a sentence a person, further persons, notes on states, what we cannot tell."""

    sentences: tuple[tuple[str, tuple[str | Link, ...]], ...]
    more: str
    notes: tuple[str, ...]
    cannot: tuple[str | Who, ...]


def sums(mood: Mood, subject: SubjectMood) -> Sums:
    """Told and not told in s; they add up to the recording's duration."""
    told = float(np.diff(mood.edges)[subject.told].sum()) if len(subject.valence) else 0.0
    return Sums(told, max(mood.duration_s - told, 0.0))


def stretches(mood: Mood, segments: Sequence[dict[str, Any]]) -> list[Stretch]:
    """Stretches of the summary's segments that are sure and long enough to be named, in order of time."""
    least = max(LEAST_SHARE * mood.duration_s, LEAST_S)
    found: list[Stretch] = []
    for segment in segments:
        labels = tuple(sorted(segment["label_set"])) or _pole(segment["valence"]) or _side(segment)
        start, end = segment["start_s"], segment["end_s"]
        if found and set(found[-1].labels) == set(labels) and abs(found[-1].end - start) < 1e-6:
            found[-1] = Stretch(found[-1].start, end, found[-1].labels)
        else:
            found.append(Stretch(start, end, tuple(segment["label_set"]) or labels))
    return [s for s in found if 1 <= len(s.labels) <= MAX_LABELS and s.end - s.start >= least - 1e-9]


def _pole(valence: dict[str, Any]) -> tuple[str, ...]:
    """Where no classes are told: the side of zero that the whole interval is on."""
    if valence["low"] is None or valence["low"] <= 0 <= valence["high"]:
        return ()
    return ("a pleasant state",) if valence["low"] > 0 else ("an unpleasant state",)


def _side(segment: dict[str, Any]) -> tuple[str, ...]:
    """Where arousal alone is told: the side of the baseline that the whole interval is on."""
    against = against_baseline(segment)
    return (f"arousal {against} their own baseline",) if against in ("above", "below") else ()


def fused_gaps(mood: Mood, subject: SubjectMood) -> list[FusedGap]:
    """Runs of cells without any answer, with the reason that covers most of each for every modality."""
    if not len(subject.valence):
        return []
    of = mood.gaps_of(subject.id)
    result = []
    for span in Timeline.from_mask(~subject.told, mood.edges):
        reasons = []
        for modality in mood.modalities:
            weight: Counter[str] = Counter()
            for gap in of:
                overlap = min(gap.end, span.end) - max(gap.start, span.start)
                if gap.modality == modality and overlap > 0:
                    weight[gap.reason] += round(overlap * 1000)
            if weight:
                reasons.append((modality, min(weight, key=lambda r: (-weight[r], r))))
        result.append(FusedGap(subject.id, span.start, span.end, tuple(reasons)))
    return result


def utterances(mood: Mood) -> list[int]:
    """Index of the first word of each utterance: a new one after a pause, a full stop or another speaker."""
    starts: list[int] = []
    for i, word in enumerate(mood.words):
        before = mood.words[i - 1] if i else None
        if before is None or word.subject != before.subject:
            starts.append(i)
        elif mood.clock == "order":
            if int(word.start + 1e-6) != int(before.start + 1e-6):
                starts.append(i)
        elif (
            word.start - before.end > PAUSE_S
            or before.text.rstrip("\"'”’)").endswith((".", "?", "!"))
            or i - starts[-1] >= MAX_WORDS
        ):
            starts.append(i)
    return starts


def _verb(mood: Mood, subject: SubjectMood) -> str:
    """What stands between the name and what is told: a face or a voice displays, sensors on a body tell by themselves
    (``The wearer, by EEG and body signals: task``), of whatever state and of whoever wears them."""
    if subject.id == "body" or mood.scheme in STATES:
        weight = {m: float(np.sum(subject.support.get(m, 0.0))) for m in mood.modalities}
        read = [words.MODALITY_STREAMS.get(m, m) for m in sorted(weight, key=lambda m: -weight[m]) if weight[m] > 0]
        return f", by {words.joined(read)}: " if read else ": "
    comma = "," if subject.id == "voice" else ""
    return f"{comma} shows " if subject.id == "text" else f"{comma} displays "


def _main_reasons(mood: Mood, gaps: Sequence[FusedGap], most: int = 3) -> list[str]:
    weight: Counter[tuple[str, str]] = Counter()
    # A state is told by one expert: what else is missing explains nothing of it.
    state = STATES.get(mood.scheme)
    own = {state.modality, *state.parts} if state is not None else set()
    for gap in gaps:
        for pair in [p for p in gap.reasons if p[0] in own] or gap.reasons:
            weight[pair] += round((gap.end - gap.start) * 1000)
    ranked = sorted(weight, key=lambda pair: (-weight[pair], mood.modalities.index(pair[0]), pair[1]))
    least = 0.2 * weight[ranked[0]] if ranked else 0
    kept = [pair for pair in ranked if weight[pair] >= least]
    # What the recording never had is missing in the told stretches too: it explains a gap only where nothing else does.
    passing = [pair for pair in kept if pair[1] not in ("no_stream", "no_model", "not_asked")]
    return list(dict.fromkeys(words.because(reason, modality) for modality, reason in passing or kept))[:most]


def _rejoined(named: list[Stretch], least: float) -> list[Stretch]:
    """A state that comes back after less than a nameable while has not been away."""
    joined: list[Stretch] = []
    for stretch in named:
        last = joined[-1] if joined else None
        if last and set(last.labels) == set(stretch.labels) and stretch.start - last.end < least:
            joined[-1] = Stretch(last.start, stretch.end, last.labels)
        else:
            joined.append(stretch)
    return joined


def _sentence(mood: Mood, subject: SubjectMood, summary: dict[str, Any]) -> tuple[str | Link, ...]:
    """One subject's sentence, the name left out (it is drawn, and may be edited)."""
    told = sums(mood, subject).told
    if told <= 0:
        reasons = words.because_all(_main_reasons(mood, fused_gaps(mood, subject)))
        return (": we cannot tell what is displayed" + (f", because {reasons}." if reasons else "."),)
    named = _rejoined(stretches(mood, summary["segments"]), max(LEAST_SHARE * mood.duration_s, LEAST_S))
    if mood.still:
        if not named:
            return (": more than two labels fit this picture.",)
        return (_verb(mood, subject), Link(words.set_text(named[0].labels), named[0].start, subject.id), ".")
    if not named:
        least = words.length_text(max(LEAST_SHARE * mood.duration_s, LEAST_S), clock=mood.clock)
        if mood.duration_s < LEAST_S:
            return (
                f": {words.length_text(mood.duration_s)} is too short to name a state; the tracks show what is told.",
            )
        lasting = "" if mood.clock == "order" and mood.duration_s < 30 else f" for {least} or longer"
        if not any(np.isfinite(x).any() for x in (subject.valence, subject.arousal, subject.classes[mood.scheme])):
            return (": nothing in this recording tells an emotion.",)
        if not np.isfinite(subject.valence[:, 0]).any() and not subject.label_set[mood.scheme].any():
            return (f"{_verb(mood, subject)}arousal about their own baseline, neither above nor below it{lasting}.",)
        return (f"{_verb(mood, subject)}no state that one or two labels tell{lasting}.",)
    kept = sorted(sorted(named, key=lambda s: (s.start - s.end, s.start))[:MAX_STATES], key=lambda s: s.start)
    more = len(named) - len(kept)
    return (_verb(mood, subject), *_clauses(mood, subject.id, _grouped(kept), more), ".")


def _grouped(kept: Sequence[Stretch]) -> list[list[Stretch]]:
    """Neighbours that name the same state, so that it is named once and its returns by their times."""
    groups: list[list[Stretch]] = []
    for stretch in kept:
        if groups and set(groups[-1][0].labels) == set(stretch.labels):
            groups[-1].append(stretch)
        else:
            groups.append([stretch])
    return groups


def _clauses(mood: Mood, subject: str, groups: list[list[Stretch]], more: int) -> list[str | Link]:
    """``sadness from 5:10, happiness from 13:19 and again from 14:00, and sadness again from 26:00``."""

    def at(seconds: float) -> str:
        return words.moment(seconds, clock=mood.clock, duration=mood.duration_s)

    from_start = groups[0][0].start <= LEAST_SHARE * mood.duration_s
    alone, returns = len(groups) == 1, any(len(g) > 1 for g in groups)
    parts: list[str | Link] = []
    said: set[frozenset[str]] = set()
    for i, group in enumerate(groups):
        first, last = group[0], i == len(groups) - 1 and not more
        labels = frozenset(first.labels)
        link = Link(words.set_text(first.labels), first.start, subject)
        again = " again" if labels in said else ""
        said.add(labels)
        if i:
            # A comma before the last one too where "and" has already been used inside a clause.
            parts.append((", and " if returns or (from_start and len(groups) == 2) else " and ") if last else ", ")
        if i == 0 and from_start:
            parts += [link, " from the start"] if len(group) > 1 or len(groups) > 2 else [link]
        elif from_start and len(groups) == 2:
            parts += [f"from {at(first.start)}{again} ", link]
        else:
            parts += [link, f"{again} from {at(first.start)}"]
        for k, stretch in enumerate(group[1:], 1):
            ends = k == len(group) - 1 and not (alone and more)
            parts.append(" and again from " if k == 1 else " and " if ends else ", ")
            parts.append(Link(at(stretch.start), stretch.start, subject))
    end = groups[0][0].end
    if alone and len(groups[0]) == 1 and not more:
        if end < (1 - LEAST_SHARE) * mood.duration_s and mood.clock != "order":
            until = words.clock_text(end, 1 if mood.duration_s < 10 else 0)
            parts.append(f" until {until}" if from_start else f" to {until}")
    elif more:
        noun = "more time" if alone and len(groups[0]) > 1 else "more change"
        parts.append(f" and {words.plural(more, noun)}")
    return parts


def _notes(mood: Mood) -> tuple[str, ...]:
    """One line for each state of the recording that a reader must know before reading on."""
    kinds = {s.kind for s in mood.streams}
    seen = [s for s in mood.subjects.values() if len(s.seen)]
    length = words.length_text(mood.duration_s, clock=mood.clock)
    notes: list[str] = []
    if mood.still:
        notes.append("One frame: no change can be told.")
    if "picture" in kinds and "face" in mood.modalities and not seen:
        rest = [
            m for m in mood.modalities if m != "face" and any(np.any(s.support[m] > 0) for s in mood.subjects.values())
        ]
        only = f" {words.joined(rest).capitalize()} only." if rest else ""
        notes.append(f"No face was found in {'this picture' if mood.still else length}.{only}")
    if any(
        np.any(s.support.get("body", 0) > 0) and not np.isfinite(s.valence[:, 0]).any() for s in mood.subjects.values()
    ):
        notes.append("Whether a state was pleasant, or which emotion it was, body signals do not tell.")
    notes += [f"Asked apart from emotion: {_stated(mood, name)}." for name in mood.schemes[1:] if name in STATES]
    if "picture" in kinds and "sound" not in kinds and not mood.still:
        notes.append("No sound in this file.")
    if "sound" in kinds and "voice" in mood.modalities and not _any_support(mood, "voice"):
        reasons = {g.reason for g in mood.gaps if g.modality == "voice"}
        if reasons and reasons <= {"silence", "noise", "too_short"}:
            notes.append("No speech was found.")
    return tuple(notes)


def _stated(mood: Mood, name: str) -> str:
    """How long each class of a state was the only one in the label set: ``task for 41 s, rest for 10 s``."""
    length = np.diff(mood.edges)
    sets = np.concatenate([s.label_set[name] for s in mood.subjects.values()])
    lone = sets & (sets.sum(axis=1) == 1)[:, None]
    total = (lone * np.tile(length, len(mood.subjects))[:, None]).sum(axis=0)
    told = [f"{c} for {words.length_text(round(float(t)))}" for c, t in zip(SCHEMES[name].classes, total, strict=True)
            if t >= 1]  # fmt: skip
    return words.joined(told) if told else f"{' or '.join(SCHEMES[name].classes)}, not told which"


def _any_support(mood: Mood, modality: str) -> bool:
    return any(np.any(s.support[modality] > 0) for s in mood.subjects.values() if modality in s.support)


def _cannot(mood: Mood) -> tuple[str | Who, ...]:
    """For how long we cannot tell, about whom, and mainly why."""
    if not mood.subjects:
        reasons = list(dict.fromkeys(words.because(g.reason, g.modality) for g in mood.gaps))
        why = f", because {words.because_all(reasons[:3])}" if reasons else ""
        return (f"We cannot tell what anybody displays{why}.",)
    all_gaps = [(s, sums(mood, s), fused_gaps(mood, s)) for s in mood.subjects.values()]
    missing = [(s, total, gaps) for s, total, gaps in all_gaps if gaps]
    if not missing:
        when = "about this picture" if mood.still else "at every moment"
        return (f"Something is told {when}; single modalities may be missing.",)
    named, rest = missing[:MAX_PERSONS], len(missing) - MAX_PERSONS
    parts: list[str | Who] = ["We cannot tell for "]
    for i, (subject, total, _) in enumerate(named):
        if i:
            parts.append(" and " if i == len(named) - 1 and rest <= 0 else ", ")
        name = words.person_name(subject.id, mood.names)
        whole = "the whole" if total.told <= 0 else _span_text(mood, total)
        parts += [
            f"{whole} of ",
            Who(name if len(subject.seen) or subject.id in mood.names else name[:1].lower() + name[1:], subject.id),
        ]
    if rest > 0:
        parts.append(f" and parts of {words.plural(rest, 'more person')}")
    clauses = _main_reasons(mood, [g for _, _, gaps in missing for g in gaps])
    parts.append(f", mostly because {words.because_all(clauses)}." if clauses else ".")
    return tuple(parts)


def sum_texts(mood: Mood, total: Sums) -> tuple[str, str]:
    """Told and not told as the page spells them, rounded so that what is read adds up to the duration."""
    if mood.clock == "order":
        texts = (round(total.told), round(mood.duration_s) - round(total.told))
        return words.plural(texts[0], "sentence"), words.plural(texts[1], "sentence")
    if mood.duration_s < 60:
        digits = 1 if mood.duration_s >= 1 else 2
        told = round(total.told, digits)
        return words.length_text(told), words.length_text(round(round(mood.duration_s, digits) - told, digits))
    told = round(total.told)
    return words.clock_text(told), words.clock_text(round(mood.duration_s) - told)


def _span_text(mood: Mood, total: Sums) -> str:
    """Seconds read better than ``0:09`` in a sentence; the number is the table's."""
    seconds = round(mood.duration_s) - round(total.told)
    if mood.clock != "order" and mood.duration_s >= 60 > seconds:
        return words.length_text(seconds)
    return sum_texts(mood, total)[1]


def tell(mood: Mood, summary: dict[str, Any]) -> Story:
    """The page's words for a Mood and its summary object."""
    rows = {row["id"]: row for row in summary["subjects"]}
    subjects = list(mood.subjects.values())
    shown = subjects[:MAX_PERSONS]
    rest = len(subjects) - len(shown)
    return Story(
        tuple((s.id, _sentence(mood, s, rows[s.id])) for s in shown),
        f"and {words.plural(rest, 'more person')}" if rest else "",
        _notes(mood),
        _cannot(mood),
    )
