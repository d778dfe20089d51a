"""Transcripts: SRT, WebVTT, Whisper's JSON, and plain text whose sentences are counted, not timed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.clock import Span
from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import Chunk, Cue, Stream, WordsChunk

from .reader import ReaderSpec, sha256_of

__all__ = ["SPEC", "join", "parse", "sentences"]

EXTENSIONS = (".srt", ".vtt", ".json", ".txt")
#: Cues of a chunk.
CUES = 64

_STAMP = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{1,2})[.,](\d{1,6})")
_ARROW = re.compile(rf"\s*({_STAMP.pattern})\s*-->\s*({_STAMP.pattern})")
_TAG = re.compile(r"<[^<>]*>")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>")


def sniff(path: Path, head: bytes) -> bool:
    """By suffix: a transcript's first bytes could be any text."""
    return path.suffix.lower() in EXTENSIONS


def read(path: Path) -> Recording:
    """A transcript alone: it lasts until its last cue ends; plain text has one second a sentence.

    Raises
    ------
    InputError : not text, or no cue can be read.
    """
    cues, language, warnings = parse(path)
    plain = path.suffix.lower() == ".txt"
    duration = max((c.end for c in cues), default=0.0)
    if duration <= 0:
        # An empty text is a readable recording with nothing in it: one second of "no words".
        warnings.append(f"{path.name}: holds no words")
        duration = 1.0
    stream = _stream(cues, language, duration)
    return Recording(
        path, path.name, duration, (stream,), {"words": _opener(cues, language)}, sha256_of(path),
        clock="order" if plain else "time", warnings=warnings,
    )  # fmt: skip


def join(recording: Recording, path: Path) -> Recording:
    """The recording with the transcript as its words; what lies past the recording's end is cut.

    Raises
    ------
    InputError : the file is no transcript, or has no times.
    """
    if not path.exists():
        raise InputError("no such file", where=f"--with {path}", fix="Check the path.")
    if not sniff(path, b""):
        raise InputError("is no transcript", where=f"--with {path}", fix=f"Give one of {', '.join(EXTENSIONS)}.")
    if path.suffix.lower() == ".txt":
        raise InputError(
            "has no times, so it cannot join a recording", where=f"--with {path}", fix="Give SRT, VTT or JSON."
        )
    cues, language, warnings = parse(path)
    inside = [replace(c, end=min(c.end, recording.duration_s)) for c in cues if c.start < recording.duration_s]
    if len(inside) < len(cues):
        warnings.append(
            f"{path.name}: {len(cues) - len(inside)} cues lie past the end of {recording.name} and are left out"
        )
    words = _stream(inside, language, recording.duration_s)
    streams = (*(s for s in recording.streams if s.kind != "words"), words)
    openers = {**recording.openers, "words": _opener(inside, language)}
    return replace(recording, streams=streams, openers=openers, warnings=[*recording.warnings, *warnings])


def _stream(cues: list[Cue], language: str | None, duration: float) -> Stream:
    start = cues[0].start if cues else 0.0
    end = min(max((c.end for c in cues), default=duration), duration)
    return Stream("words", "words", None, min(start, end), end, {"cues": len(cues), "language": language})


def _opener(cues: list[Cue], language: str | None) -> Any:
    def chunks(span: Span) -> Iterator[Chunk]:
        inside = [c for c in cues if c.start < span.end and c.end > span.start]
        for first in range(0, len(inside), CUES):
            yield WordsChunk("words", tuple(inside[first : first + CUES]), language)

    return chunks


def parse(path: Path) -> tuple[list[Cue], str | None, list[str]]:
    """Cues in order of time, the language where the file says it, and warnings.

    A cue that cannot be read is left out and named by its line.
    """
    text = _text(path)
    kind = path.suffix.lower()
    warnings: list[str] = []
    language = None
    if kind == ".json":
        cues, language = _whisper(path, text, warnings)
    elif kind == ".txt":
        cues = [Cue(float(k), float(k + 1), s) for k, s in enumerate(sentences(text))]
    else:
        cues = list(_timed(path, text, warnings))
        if not cues and text.strip():
            raise InputError(
                "holds no cue with times (00:00:01,000 --> 00:00:02,000)", where=str(path), fix="Is it SRT or VTT?"
            )
    if any(a.start > b.start for a, b in pairwise(cues)):
        warnings.append(f"{path.name}: cues are out of order and were sorted by time")
        cues.sort(key=lambda c: (c.start, c.end))
    return cues, language, warnings


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), fix="Check its permissions.") from error
    if b"\x00" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("is not text", where=str(path), fix="Give SRT, VTT, Whisper JSON or plain text.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600.0 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _timed(path: Path, text: str, warnings: list[str]) -> Iterator[Cue]:
    """Cues of SRT and WebVTT: a line with an arrow, then text up to an empty line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if "-->" not in line:
            continue
        found = _ARROW.match(line)
        body = []
        while number < len(lines) and lines[number].strip() and "-->" not in lines[number]:
            body.append(lines[number])
            number += 1
        # In SRT without empty lines the next cue's number ends up as the last line of this one.
        if number < len(lines) and "-->" in lines[number] and body and body[-1].strip().isdigit():
            body.pop()
        if found is None:
            warnings.append(f"{path.name}: line {number - len(body)} has no readable times; the cue is left out")
            continue
        start, end = _seconds(*found.groups()[1:5]), _seconds(*found.groups()[6:10])
        if end <= start:
            warnings.append(f"{path.name}: line {number - len(body)} ends before it starts; the cue is left out")
            continue
        raw = " ".join(body)
        speaker = _VOICE.search(raw) if path.suffix.lower() == ".vtt" else None
        said = " ".join(unescape(_TAG.sub("", raw)).split())
        if said:
            yield Cue(start, end, said, unescape(speaker.group(1)).strip() if speaker else None)


def _whisper(path: Path, text: str, warnings: list[str]) -> tuple[list[Cue], str | None]:
    """JSON as openai-whisper, faster-whisper and whisperX write it: ``segments`` with ``words``."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"is not JSON ({error})", where=str(path), fix="Give a transcript in Whisper's JSON."
        ) from error
    segments = found.get("segments") if isinstance(found, dict) else found
    if not isinstance(segments, list):
        raise InputError("has no list of segments", where=str(path), fix="Give a transcript in Whisper's JSON.")
    cues = []
    for index, segment in enumerate(segments):
        try:
            start, end, said = float(segment["start"]), float(segment["end"]), " ".join(str(segment["text"]).split())
            words = tuple(
                (
                    float(w["start"]),
                    float(w["end"]),
                    str(w.get("word", w.get("text", ""))).strip(),
                    float(w.get("probability", w.get("score", np.nan))),
                )
                for w in segment.get("words") or ()
                if "start" in w and "end" in w
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            warnings.append(f"{path.name}: segment {index} has no start, end and text; it is left out")
            continue
        if not (np.isfinite(start) and np.isfinite(end)) or start < 0 or end <= start:
            warnings.append(f"{path.name}: segment {index} has impossible times; it is left out")
            continue
        if said:
            speaker = segment.get("speaker")
            cues.append(Cue(start, end, said, None if speaker is None else str(speaker), words))
    language = found.get("language") if isinstance(found, dict) else None
    return cues, language if isinstance(language, str) else None


#: A sentence ends after . ! ? … (and closing quotes) before white space, or at an empty line.
_ENDS = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|\n\s*\n")
#: Words with a full stop that end no sentence.
_SHORT = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|e\.g|i\.e|No|approx|Inc)|\b[A-Z])\.$")


def sentences(text: str) -> list[str]:
    """Sentences of a text in order; blank ones are dropped.

    >>> sentences("I came. Dr. Who did not!  Why?")
    ['I came.', 'Dr. Who did not!', 'Why?']
    """
    found: list[str] = []
    held, start = "", 0
    for end in [*_ENDS.finditer(text), None]:
        piece = text[start : end.end() if end else len(text)]
        start = end.end() if end else len(text)
        held = f"{held} {piece}" if held else piece
        if end is not None and "\n" not in end.group().strip(" ") and _SHORT.search(held.strip()):
            continue
        line = " ".join(held.split())
        if line:
            found.append(line)
        held = ""
    return found


def generate(path: Path, seed: int) -> dict[str, Any]:
    """An SRT of seeded cues."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.integers(500, 3000, 12))
    ends = starts + rng.integers(200, 500, 12)
    vocabulary = ["rain", "on", "Sunday", "we", "laughed", "für", "<b>bold</b>", "twice"]
    cues, lines = [], []
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        words = [vocabulary[i] for i in rng.integers(0, len(vocabulary), 4)]
        lines.append(f"{k + 1}\n{_srt(start)} --> {_srt(end)}\n{' '.join(words)}\n")
        cues.append((start / 1000, end / 1000, " ".join(_TAG.sub("", w) for w in words)))
    path.write_text("\n".join(lines), encoding="utf-8")
    return {"suffix": ".srt", "words": cues, "duration_s": ends[-1] / 1000, "tolerance": 0}


def _srt(ms: int) -> str:
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


SPEC = ReaderSpec(
    "transcript", EXTENSIONS, "transcripts (SRT, WebVTT, Whisper JSON, plain text)", sniff, read, generate
)
