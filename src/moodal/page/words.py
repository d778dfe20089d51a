"""Wording of the page: times, lengths, numbers, label sets and reasons, in the words of the grammar.

Nothing here says that somebody feels or is anything: a state is displayed, shown or told, and what is
missing is not told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from moodal.core.track import GAP_REASONS

__all__ = [
    "ABOUT",
    "MODALITY_STREAMS",
    "NBSP",
    "STREAM_NAMES",
    "because",
    "because_all",
    "clock_text",
    "joined",
    "length_text",
    "moment",
    "moment_span",
    "person_name",
    "person_short",
    "plural",
    "reason_for",
    "reason_here",
    "reason_text",
    "set_text",
    "signed",
]

NBSP = "\u00a0"
MINUS = "\u2212"

#: What the page is and is not; the one sentence with "feels" in it.
ABOUT = "Displayed emotion is what face, voice, words and body show. It is not what a person feels."

#: The stream that a modality is read from, as a reader would call it.
MODALITY_STREAMS = {"face": "picture", "pose": "picture", "voice": "sound", "words": "words", "body": "body signals",
                    "brain": "EEG"}  # fmt: skip

#: Kinds of streams as a reader would call them; others keep their own names.
STREAM_NAMES = {
    "ppg": "pulse", "ecg": "ECG", "ibi": "beat intervals", "hr": "heart rate", "eda": "skin conductance",
    "resp": "breathing", "temp": "temperature", "acc": "movement", "emg": "muscle", "eeg": "EEG", "eog": "EOG",
}  # fmt: skip

#: Why a stretch is missing, as a clause after "because".
_CLAUSES = {
    "no_face": "no face was in view",
    "face_small": "the face was too small",
    "face_turned": "the face was turned away",
    "face_blurred": "the face was blurred",
    "dark": "the picture was too dark",
    "occluded": "the face was covered",
    "silence": "nobody spoke",
    "noise": "there was noise and no speech",
    "clipped": "the sound was clipped",
    "music": "music played",
    "overlap": "several voices spoke at once",
    "language": "the language is not supported",
    "no_words": "there were no words",
    "no_contact": "a sensor was not in contact",
    "flat": "a signal was flat",
    "saturated": "a signal was saturated",
    "artefact": "a signal was disturbed",
    "too_short": "the stretch was too short",
    "not_finite": "values were not finite",
    "out_of_range": "values were out of range",
    "unreadable": "a part could not be read",
    "out_of_domain": "nothing the model knows was like it",
    "warm_up": "a measurement was still warming up",
    "no_model": "the model for {} is not installed",
    "not_asked": "{} was not asked for",
}


def clock_text(seconds: float, digits: int = 0) -> str:
    """A position: ``5:10``, ``13:16.4``, ``1:02:03``. Cut, not rounded, so that it never runs ahead."""
    ticks = math.floor(max(seconds, 0.0) * 10**digits + 1e-6)
    whole, part = divmod(ticks, 10**digits)
    tail = f".{part:0{digits}d}" if digits else ""
    hours, rest = divmod(whole, 3600)
    if hours:
        return f"{hours}:{rest // 60:02d}:{rest % 60:02d}{tail}"
    return f"{rest // 60}:{rest % 60:02d}{tail}"


def length_text(seconds: float, *, clock: str = "time") -> str:
    """A length: ``24.6 s``, ``52 min 18 s``, ``2 h 5 min``; numbers keep to their units."""
    if clock == "order":
        return plural(round(seconds), "sentence")
    if 0 < seconds < 0.005:
        return f"under 0.01{NBSP}s"
    if seconds < 59.95:
        text = f"{seconds:.1f}" if seconds >= 0.1 or seconds == 0 else f"{seconds:.2f}"
        return f"{text.removesuffix('.0')}{NBSP}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{NBSP}min" + (f" {whole % 60}{NBSP}s" if whole % 60 else "")
    minutes = round(seconds / 60)
    return f"{minutes // 60}{NBSP}h" + (f" {minutes % 60}{NBSP}min" if minutes % 60 else "")


def moment(seconds: float, *, clock: str = "time", duration: float = math.inf) -> str:
    """A position in words of the recording: a time, or ``sentence 3`` where order is all there is."""
    if clock == "order":
        return f"sentence{NBSP}{math.floor(seconds + 1e-6) + 1}"
    return clock_text(seconds, 1 if duration < 10 else 0)


def moment_span(start: float, end: float, *, clock: str = "time", duration: float = math.inf) -> str:
    """``12:51 to 12:58``, with tenths where both would read the same."""
    if clock == "order":
        first, last = math.floor(start + 1e-6) + 1, math.ceil(end - 1e-6)
        return f"sentence{NBSP}{first}" if last <= first else f"sentences {first} to {last}"
    digits = 1 if duration < 120 or end - start < 2 else 0
    return f"{clock_text(start, digits)} to {clock_text(end, digits)}"


def signed(value: float) -> str:
    """``+0.18`` or ``−0.13`` with a true minus; ``0.00`` has no sign."""
    text = f"{abs(value):.2f}"
    if float(text) == 0:
        return text
    return f"{MINUS if value < 0 else '+'}{text}"


def joined(parts: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def plural(count: int, noun: str) -> str:
    """``1 person``, ``2 persons``, ``5,230 gaps``."""
    return f"{count:,}{NBSP}{noun}{'' if count == 1 else 's'}"


def set_text(labels: Sequence[str]) -> str:
    """A label set: ``sadness or neutral``; four and more are ``unclear``, none is not told."""
    if not labels:
        return "we cannot tell"
    return "unclear" if len(labels) > 3 else joined(list(labels), "or")


def person_name(subject: str, names: Mapping[str, str] | None = None) -> str:
    """The name beside the mark: the one somebody gave, ``Person 1``, ``A voice, nobody seen``, ``The wearer``."""
    if names and subject in names:
        return " ".join(names[subject].split())
    fixed = {"voice": "A voice, nobody seen", "body": "The wearer", "text": "The text", "": "The recording"}
    if subject in fixed:
        return fixed[subject]
    return f"Person{NBSP}{subject[1:]}" if subject[:1] == "p" and subject[1:].isdigit() else subject


def person_short(subject: str, names: Mapping[str, str] | None = None) -> str:
    """The name where there is little room: the one somebody gave, ``P1``, ``Voice``, ``Text``."""
    if names and subject in names:
        return person_name(subject, names)
    if subject == "body":
        return "Wearer"
    return subject.upper() if subject[:1] == "p" and subject[1:].isdigit() else subject.capitalize()


def reason_text(reason: str, modality: str = "") -> str:
    """A reason of the closed list in a reader's words."""
    if reason == "no_stream":
        return f"no {MODALITY_STREAMS.get(modality, modality or 'such stream')} in this recording"
    return GAP_REASONS.get(reason, reason.replace("_", " "))


#: Reasons that name what is missing by themselves; the others need their modality beside them.
_SELF_EVIDENT = frozenset(
    {
        *("no_face", "face_small", "face_turned", "face_blurred", "dark", "occluded", "silence"),
        *("noise", "clipped", "music", "overlap", "language", "no_words", "no_stream"),
    }
)


def reason_for(reason: str, modality: str) -> str:
    """A reason that stands without its modality beside it: ``silence``, ``voice not asked for``."""
    text = reason_text(reason, modality)
    return text.removesuffix(" in this recording") if reason in _SELF_EVIDENT else f"{modality} {text}"


def reason_here(reason: str, modality: str, *, whole: bool) -> str:
    """The same for one gap: a stream that only ends early is missing "here", not in the whole recording."""
    text = reason_text(reason, modality)
    return text if whole else text.replace(" in this recording", " here")


def because(reason: str, modality: str = "") -> str:
    """A reason as a clause: "…, mostly because *the face was covered*"."""
    if reason == "no_stream":
        return f"the recording has no {MODALITY_STREAMS.get(modality, modality or 'such stream')}"
    return _CLAUSES.get(reason, reason_text(reason, modality)).format(modality or "it")


def because_all(clauses: Sequence[str]) -> str:
    """Several such clauses: "the recording has no picture and no sound, and nobody spoke"."""
    has = "the recording has "
    lacks = [c.removeprefix(has) for c in clauses if c.startswith(f"{has}no ")]
    rest = [c for c in clauses if not c.startswith(f"{has}no ")]
    if len(lacks) < 2:
        return joined(clauses)
    return ", and ".join([has + joined(lacks), *([joined(rest)] if rest else [])])
