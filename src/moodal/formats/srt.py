"""``--write srt``: SubRip subtitles with what is said and the emotion displayed."""

from __future__ import annotations

import re
from pathlib import Path

from moodal.core.mood import Mood

from .cues import cues, stamp
from .files import write_text
from .writer import WriterSpec, stem

__all__ = ["SPEC"]

#: SRT has no way to escape; players take these for markup, so the bracket becomes one that means nothing.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def harmless(text: str) -> str:
    """Text in which no player finds markup or the arrow of a cue."""
    return _TAG.sub("‹", text.replace("-->", "→").replace("{", "(").replace("}", ")"))


def write(mood: Mood, folder: Path) -> list[str]:
    """``STEM.srt``: a line of words where there are any, then the displayed label set in brackets."""
    several = len(mood.subjects) > 1
    rows = []
    for number, cue in enumerate(cues(mood), 1):
        who = f"{cue.who}: " if several else ""
        lines = [f"{who}{cue.said}"] if cue.said else []
        if cue.shown:
            lines.append(f"[{cue.shown}]" if cue.said else f"{who}[{cue.shown}]")
        body = "\n".join(harmless(line) for line in lines)
        rows.append(f"{number}\n{stamp(cue.start, ',')} --> {stamp(cue.end, ',')}\n{body}\n")
    write_text(folder / f"{stem(mood)}.srt", "\n".join(rows) or "\n")
    return []


SPEC = WriterSpec("srt", "subtitles with the displayed emotion (SubRip)", ("{stem}.srt",), write)
