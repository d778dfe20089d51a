"""What an audit finds, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["FIXES", "Audit", "Finding", "Level"]

Level = Literal["leak", "notice"]

#: What to do, by what is shared.
FIXES: dict[str, str] = {
    "clip": "Keep each example in one part alone.",
    "trial": "Deal out whole trials: their windows are all but copies of each other.",
    "window": "Deal out whole recordings or trials, or drop the windows that overlap.",
    "content": "Keep one of each set of duplicates.",
    "sound": "Listen to them, and keep one of each pair.",
    "subject": "Split by subject; where people are meant to be known, say --within-subject.",
    "dialogue": "Deal out whole dialogues: a turn's neighbours tell of it.",
    "recording": "Split by recording, or add columns subject and trial that tell what is whose.",
    "statistics": "Fit means and deviations on the training rows of each fold, and apply them to the others.",
    "baseline": "Fit them on training rows; where a person's own unlabelled rows may be used, say --baseline subject.",
    "stale": "Delete the split and make it again from the data as they are.",
    "mixed": "Delete the split and make all folds in one run.",
    "stimulus": "Nothing, if new people are the aim; split by stimulus, if new stimuli are.",
    "session": "Split by session, if new sittings are the aim.",
    "short_text": "Nothing, as a rule: short sentences recur.",
    "people": "Add a column subject (or speaker): without it nobody can know whether people are new.",
    "dialogue_numbers": "Give dialogues names that hold in all tables.",
}


@dataclass(frozen=True)
class Finding:
    """One thing found: ``key`` names what is shared, ``rows`` where it stands in the first fold that has it.

    ``values`` are up to 20 of the ``count`` shared values, ``folds`` the names of the folds concerned, ``named`` the
    rows as text, ``rows`` up to 50 of them as ``{"file", "row"}`` with rows counted from 1 after the header.
    """

    key: str
    level: Level
    what: str
    parts: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    count: int = 0
    rows: tuple[Mapping[str, Any], ...] = ()
    rows_count: int = 0
    named: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return {
            "key": self.key,
            "level": self.level,
            "what": self.what,
            "parts": list(self.parts),
            "folds": list(self.folds),
            "values": list(self.values),
            "count": self.count,
            "rows": [dict(r) for r in self.rows],
            "rows_count": self.rows_count,
            "fix": self.fix,
        }


@dataclass(frozen=True)
class Audit:
    """The answer: what leaks, what is worth knowing, and whether people are new in the test part."""

    path: Path
    layout: str
    #: Name and rows by part of each fold.
    folds: tuple[Mapping[str, Any], ...]
    leaks: tuple[Finding, ...]
    notices: tuple[Finding, ...]
    #: ``independent``, ``dependent`` or ``unknown``: are the people of the test part new?
    people: str
    #: What was looked at beside the tables: files hashed, sounds compared.
    media: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """No leak."""
        return not self.leaks

    def as_dict(self) -> dict[str, Any]:
        """JSON-like; the answer of ``moodal audit split --json``."""
        return {
            "path": str(self.path),
            "layout": self.layout,
            "clean": self.clean,
            "people": self.people,
            "folds": [dict(f) for f in self.folds],
            "leaks": [f.as_dict() for f in self.leaks],
            "notices": [f.as_dict() for f in self.notices],
            "media": dict(self.media),
        }


def shown(values: Sequence[str], most: int = 3) -> str:
    """``a, b, c and 4 more``."""
    rest = len(values) - most
    return ", ".join(values[:most]) + (f" and {rest} more" if rest > 0 else "")
