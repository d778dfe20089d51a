"""``--write vtt``: WebVTT subtitles with what is said and the emotion displayed."""

from __future__ import annotations

from html import escape
from pathlib import Path

from moodal.core.mood import Mood

from .cues import cues, stamp
from .files import write_text
from .writer import WriterSpec, one_line, stem

__all__ = ["SPEC"]


def spelt(text: str) -> str:
    """Text as WebVTT escapes it; the arrow of a cue goes with ``>``."""
    return escape(text, quote=False)


def name(text: str) -> str:
    """A name as it may stand in a voice span, whose end must not make an arrow with it."""
    for character, other in (("<", " "), (">", " "), ("&", "and"), ("--", "–")):
        text = text.replace(character, other)
    return one_line(text).rstrip("-") or "–"


def write(mood: Mood, folder: Path) -> list[str]:
    """``STEM.vtt``: a voice span a cue, then the displayed label set in italics."""
    note = "Displayed emotion, not what anybody feels."
    if not mood.calibrated:
        note += " Label sets are not calibrated on people."
    rows = ["WEBVTT\n", f"NOTE\n{note}\n"]
    for cue in cues(mood):
        who = name(cue.who)
        lines = [f"<v {who}>{spelt(cue.said)}</v>"] if cue.said else []
        if cue.shown:
            shown = f"<i>[{spelt(cue.shown)}]</i>"
            lines.append(shown if cue.said else f"<v {who}>{shown}</v>")
        body = "\n".join(lines)
        rows.append(f"{stamp(cue.start, '.')} --> {stamp(cue.end, '.')}\n{body}\n")
    write_text(folder / f"{stem(mood)}.vtt", "\n".join(rows))
    return []


SPEC = WriterSpec("vtt", "subtitles with the displayed emotion (WebVTT)", ("{stem}.vtt",), write)
