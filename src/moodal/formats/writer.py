"""What every writer says of itself, and what they share: names of files, text that cannot act, labels."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from moodal.core import registry
from moodal.core.errors import UsageError
from moodal.core.mood import Mood

__all__ = [
    "EXPORTS",
    "WriterSpec",
    "chosen",
    "guarded",
    "media_path",
    "one_line",
    "outputs",
    "person",
    "set_words",
    "stem",
    "unguarded",
]

#: Where writers put their files inside NAME.mood/.
EXPORTS = "exports"

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class WriterSpec:
    """A writer: what it writes, and the function that does.

    ``files`` are names relative to the folder, ``{stem}`` standing for the recording's; the first is
    always written. ``write(mood, folder)`` gives a line for each thing that could not be written
    because it was never measured.
    """

    name: str
    about: str
    files: tuple[str, ...]
    write: Callable[[Mood, Path], list[str]]


def chosen(texts: Iterable[str] | str | None) -> tuple[str, ...]:
    """Names of writers from ``--write``, split at commas, each once.

    Raises
    ------
    UsageError : no writer of that name.
    """
    rows = [texts] if isinstance(texts, str) else list(texts or ())
    asked = tuple(dict.fromkeys(part.strip() for text in rows for part in text.split(",") if part.strip()))
    known = registry.names("writers")
    unknown = [name for name in asked if name not in known]
    if unknown or (rows and not asked):
        raise UsageError(
            f"unknown format {', '.join(unknown) or ','.join(rows)!r}",
            where="--write",
            fix=f"Known: {', '.join(known)}.",
        )
    return asked


def outputs(mood: Mood, name: str) -> tuple[str, ...]:
    """The files that a writer makes of this Mood, relative to its folder."""
    spec: WriterSpec = registry.load("writers", name).SPEC
    return tuple(file.format(stem=stem(mood)) for file in spec.files)


def stem(mood: Mood) -> str:
    """The recording's name without its suffix, as it may stand in a path; never a path itself."""
    name = re.sub(r"[/\\\x00-\x1f\x7f:*?\"<>|]", "_", mood.recording)
    text = PurePosixPath(name).stem.strip(". ").encode("utf-8", "replace").decode("utf-8")
    while len(text.encode("utf-8")) > 120:
        text = text[:-1]
    return text or "recording"


def one_line(text: str) -> str:
    """Text without control characters (no format holds them), on one line."""
    clean = _CONTROL.sub("\ufffd", text.encode("utf-8", "replace").decode("utf-8"))
    return " ".join(clean.split())


def guarded(text: str) -> str:
    """Text as a CSV cell: no control characters, and an apostrophe before what a spreadsheet takes for a formula."""
    clean = _CONTROL.sub("\ufffd", text.encode("utf-8", "replace").decode("utf-8"))
    return f"'{clean}" if clean.startswith(_FORMULA) else clean


def unguarded(cell: str) -> str:
    """The text of a cell that `guarded` wrote."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def person(mood: Mood, subject: str) -> str:
    """Who that is, for a reader: the name given, ``Person 1``, ``Voice``."""
    given = mood.names.get(subject)
    if given:
        return one_line(given)
    if subject[:1] == "p" and subject[1:].isdigit():
        return f"Person {subject[1:]}"
    return one_line(subject).capitalize() or "Recording"


def set_words(labels: Iterable[str]) -> str:
    """A label set in words: up to three with "or", more are ``unclear``, none is nothing."""
    rows = list(labels)
    if len(rows) > 3:
        return "unclear"
    return " or ".join([", ".join(rows[:-1]), rows[-1]]) if len(rows) > 1 else "".join(rows)


def media_path(mood: Mood, folder: Path) -> str | None:
    """The recording seen from ``folder`` as a relative path with slashes; ``None`` where nobody knows."""
    recorded = mood.provenance.get("recording")
    file = recorded.get("file") if isinstance(recorded, dict) else None
    if not isinstance(file, str) or not file or mood.path is None:
        return None
    return Path(os.path.relpath(os.path.normpath(mood.path / file), folder)).as_posix()
