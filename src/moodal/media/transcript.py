"""Transcripts: SRT, WebVTT, Whisper's JSON, and plain text whose sentences are counted, not timed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import escape, unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.clock import Span
from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import Chunk, Cue, Stream, WordsChunk

from .reader import ReaderSpec, Truth, sha256_of

__all__ = ["SPEC", "join", "parse", "sentences"]

EXTENSIONS = (".srt", ".vtt", ".json", ".txt")
#: Cues of a chunk.
CUES = 64
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

_STAMP = re.compile(r"(?:(\d{1,4}):)?(\d{1,3}):(\d{1,2})(?:[.,](\d{1,9}))?")
_ARROW = re.compile(rf"\s*({_STAMP.pattern})\s*-->\s*({_STAMP.pattern})")
#: Markup that the formats define; whatever else stands between < and > was said, or is hostile, and is kept as text.
_MARKUP = {
    ".srt": re.compile(r"</?(?:b|i|u|s|font)(?:\s[^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE),
    ".vtt": re.compile(r"</?(?:b|i|u|c|v|lang|ruby|rt)(?:[.\s][^<>]*)?>|<(?:\d+:)?\d+:\d+\.\d+>"),
}
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]*)>")
_SPEAKER = re.compile(r"([^\W_][^:!?]{0,39}):\s+(\S.*)")
#: Longest transcript that is read, in bytes: above it a file is something else.
MOST_BYTES = 64 << 20
#: Lines and segments left out that are named one by one.
MOST_WARNINGS = 10


def sniff(path: Path, head: bytes) -> bool:
    """By suffix, for a transcript's first bytes could be any text; a recording under such a name is not one."""
    return path.suffix.lower() in EXTENSIONS and (b"\x00" not in head or head.startswith(_UTF16))


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


def join(recording: Recording, path: Path, offset: float = 0.0) -> Recording:
    """The recording with the transcript as its words, ``offset`` s later; what lies outside the recording is cut.

    Raises
    ------
    InputError : the file is no transcript, or has no times.
    """
    where = f"--with {path}"
    if path.suffix.lower() not in EXTENSIONS:
        raise InputError("is no transcript", where=where, fix=f"Give one of {', '.join(EXTENSIONS)}.")
    if path.suffix.lower() == ".txt":
        raise InputError("has no times, so it cannot join a recording", where=where, fix="Give SRT, VTT or JSON.")
    if all(s.kind == "words" for s in recording.streams):
        raise InputError(f"cannot join {recording.name}, which is text itself", where=where, fix="Name a recording.")
    if recording.stream("words") is not None:
        recording.warnings.append(f"{path.name}: {recording.name} has a transcript already; this one is left out")
        return recording
    cues, language, warnings = parse(path)
    if offset:
        cues = [_shifted(c, offset) for c in cues if c.end + offset > 0]
    inside = [replace(c, end=min(c.end, recording.duration_s)) for c in cues if c.start < recording.duration_s]
    if len(inside) < len(cues):
        warnings.append(
            f"{path.name}: {len(cues) - len(inside)} cues lie past the end of {recording.name} and are left out"
        )
    words = _stream(inside, language, recording.duration_s)
    openers = {**recording.openers, "words": _opener(inside, language)}
    # The same list, not a copy: streams that are read add to it.
    recording.warnings.extend(warnings)
    return replace(recording, streams=(*recording.streams, words), openers=openers)


def _shifted(cue: Cue, by: float) -> Cue:
    """The cue ``by`` s later; what would begin before second 0 begins there."""
    words = tuple((max(a + by, 0.0), max(b + by, 0.0), text, p) for a, b, text, p in cue.words)
    return replace(cue, start=max(cue.start + by, 0.0), end=cue.end + by, words=words)


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
        cues = _named(cues) if kind == ".srt" else cues
        if not cues and text.strip():
            raise InputError(
                "holds no cue with times (00:00:01,000 --> 00:00:02,000)", where=str(path), fix="Is it SRT or VTT?"
            )
    if any(a.start > b.start for a, b in pairwise(cues)):
        warnings.append(f"{path.name}: cues are out of order and were sorted by time")
        cues.sort(key=lambda c: c.start)
    if len(warnings) > MOST_WARNINGS:
        more = len(warnings) - MOST_WARNINGS
        warnings = [*warnings[:MOST_WARNINGS], f"{path.name}: {more} more like these"]
    return cues, language, warnings


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(
                f"is too large for a transcript (over {MOST_BYTES >> 20} MB)", where=str(path), fix="Split it."
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", where=str(path), fix="Check the path and its permissions."
        ) from error
    if data.startswith(_UTF16):
        return data.decode("utf-16", errors="replace")
    if b"\x00" in data[:4096]:
        raise InputError("is not text", where=str(path), fix="Give SRT, VTT, Whisper JSON or plain text.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    places: int = 10 ** len(fraction or "")
    # One rounding only: 01:02,300 is the float nearest to 62.3.
    return (whole * places + int(fraction or 0)) / places


def _timed(path: Path, text: str, warnings: list[str]) -> Iterator[Cue]:
    """Cues of SRT and WebVTT: a line with an arrow, then text up to the next cue (SRT) or an empty line (WebVTT)."""
    kind = ".vtt" if path.suffix.lower() == ".vtt" or text.lstrip().startswith("WEBVTT") else ".srt"
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    arrows = [k for k, line in enumerate(lines) if "-->" in line]
    for at, following in pairwise([*arrows, len(lines)]):
        found = _ARROW.match(lines[at])
        if found is None:
            warnings.append(f"{path.name}: line {at + 1} has no readable times; the cue is left out")
            continue
        start, end = _seconds(*found.groups()[1:5]), _seconds(*found.groups()[6:10])
        if end <= start:
            warnings.append(f"{path.name}: line {at + 1} ends before it starts; the cue is left out")
            continue
        body = lines[at + 1 : following]
        if kind == ".vtt":
            body = body[: next((k for k, line in enumerate(body) if not line.strip()), len(body))]
        elif following < len(lines) and body and body[-1].strip().isdigit():
            body.pop()  # the number of the next cue
        raw = " ".join(body)
        speakers = {unescape(name).strip() for name in _VOICE.findall(raw)} if kind == ".vtt" else set()
        said = _MARKUP[kind].sub("", raw)
        said = _clean(unescape(said) if kind == ".vtt" else said)
        if said:
            # Two voices in one cue: nobody can tell who says what when.
            yield Cue(start, end, said, _clean(speakers.pop()) or None if len(speakers) == 1 else None)


def _named(cues: list[Cue]) -> list[Cue]:
    """SRT has no place for speakers, so people write ``Name: text``: taken so where every cue of several begins so."""
    told = [_SPEAKER.match(c.text) for c in cues]
    if len(cues) < 2 or not all(told):
        return cues
    return [replace(c, text=m[2], speaker=m[1].strip()) for c, m in zip(cues, told, strict=True) if m]


def _clean(text: str) -> str:
    """White space made single; halves of surrogate pairs, which no file can hold, replaced."""
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


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
            start, end, said = float(segment["start"]), float(segment["end"]), _clean(str(segment["text"]))
            words = tuple(_words(segment.get("words") or ()))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            warnings.append(f"{path.name}: segment {index} has no start, end and text; it is left out")
            continue
        if not (0 <= start < end < np.inf):
            warnings.append(f"{path.name}: segment {index} has impossible times; it is left out")
            continue
        if said:
            speaker = segment.get("speaker")
            cues.append(Cue(start, end, said, None if speaker is None else _clean(str(speaker)) or None, words))
    language = found.get("language") if isinstance(found, dict) else None
    return cues, _clean(language) if isinstance(language, str) and language else None


def _words(rows: Any) -> Iterator[tuple[float, float, str, float]]:
    """Words with their times; whisperX leaves the times out where it could not align a word."""
    for row in rows:
        if "start" not in row or "end" not in row:
            continue
        start, end = float(row["start"]), float(row["end"])
        text = _clean(str(row.get("word", row.get("text", ""))))
        if text and 0 <= start <= end < np.inf:
            yield start, end, text, float(row.get("probability", row.get("score", np.nan)))


#: A sentence ends after . ! ? … (and closing quotes) before white space, after 。！？, or at an empty line.
_ENDS = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])[」』”’）]*\s*|\n\s*\n")
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
        if end is not None and "\n" not in end.group().strip(" ") and _SHORT.search(held.rstrip()[-12:]):
            continue
        line = _clean(held)
        if line:
            found.append(line)
        held = ""
    return found


def generate(folder: Path, seed: int) -> Truth:
    """Seeded cues as SRT, WebVTT, Whisper JSON or plain text, by ``seed`` modulo 4."""
    rng = np.random.default_rng(seed)
    ends = np.cumsum(rng.integers(700, 3000, 12))
    starts = ends - rng.integers(200, 600, 12)
    vocabulary = ["rain", "on", "Sunday", "we", "laughed", "für", "<script>", "&", "大丈夫", "twice"]
    said = [" ".join(vocabulary[i] for i in rng.integers(0, len(vocabulary), 4)) + " now." for _ in starts]
    rows = [(float(a) / 1000, float(b) / 1000, text) for a, b, text in zip(starts, ends, said, strict=True)]
    suffix = EXTENSIONS[seed % len(EXTENSIONS)]
    path = folder / f"sample-{seed}{suffix}"
    if suffix == ".txt":
        rows = [(float(k), float(k + 1), text) for k, text in enumerate(said)]
        text = " ".join(said)
    elif suffix == ".json":
        text = json.dumps({"segments": [{"start": a, "end": b, "text": f" {t}"} for a, b, t in rows], "language": "en"})
    else:
        comma, lead = (",", "") if suffix == ".srt" else (".", "WEBVTT\n\n")
        spelt = said if suffix == ".srt" else [escape(t) for t in said]
        stamps = [(_stamp(int(a), comma), _stamp(int(b), comma)) for a, b in zip(starts, ends, strict=True)]
        cues = enumerate(zip(stamps, spelt, strict=True), 1)
        text = lead + "\n".join(f"{k}\n{a} --> {b}\n{t}\n" for k, ((a, b), t) in cues)
    path.write_text(text, encoding="utf-8")
    return Truth(path, rows[-1][1], words=tuple(rows))


def _stamp(ms: int, comma: str) -> str:
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}{comma}{ms % 1000:03d}"


SPEC = ReaderSpec(
    "transcript", EXTENSIONS, "transcripts (SRT, WebVTT, Whisper JSON, plain text)", sniff, read, generate
)
