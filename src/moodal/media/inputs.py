"""What was named on the command line, as recordings: a folder is each file in it, or one of a known layout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from moodal.core import registry
from moodal.core.errors import InputError

from . import chosen, specs

__all__ = ["inputs"]


def _extensions() -> tuple[frozenset[str], frozenset[str]]:
    """Suffixes of every reader, and those of transcripts."""
    every = {e.lower() for spec in specs() for e in spec.extensions}
    transcript = {e.lower() for e in registry.load("readers", "transcript").SPEC.extensions}
    return frozenset(every), frozenset(transcript)


def _meant(path: Path) -> bool:
    """Whether a file that lies in a folder is a recording: a table of labels beside the videos is none."""
    asked = [s for s in specs() if path.suffix.lower() in s.extensions]
    return any(s.listed is None or s.listed(path) for s in asked)


def inputs(paths: Iterable[str]) -> list[tuple[Path, list[Path]]]:
    """Each recording with the transcripts that join it.

    A folder of a known layout (E4, BIDS) or with a ``recording.toml`` is one recording. Any other stands for the
    readable files in it, not in its subfolders, in order of name; a transcript with the stem of a sound or video
    beside it joins that one. A file named outright is a recording whatever its suffix.

    Raises
    ------
    InputError : a path that does not exist, or a folder without anything readable.
    """
    found: list[tuple[Path, list[Path]]] = []
    for text in paths:
        path = Path(text)
        if not path.is_dir() or chosen(path, b"") is not None:
            found.append((path, []))
            continue
        every, transcript = _extensions()
        try:
            names = sorted(path.iterdir())
        except OSError as error:
            raise InputError(
                f"cannot be opened ({error.strerror})", where=text, fix="Check its permissions."
            ) from error
        # Names that begin with a dot are a system's own notes, not recordings.
        files = [f for f in names if f.suffix.lower() in every and not f.name.startswith(".") and f.is_file()]
        files = [f for f in files if _meant(f)]
        media = {f.stem for f in files if f.suffix.lower() not in transcript}
        joining = [f for f in files if f.suffix.lower() in transcript and f.stem in media]
        rows = [(f, [t for t in joining if t.stem == f.stem]) for f in files if f not in joining]
        if not rows:
            raise InputError("holds no file that moodal reads", where=text, fix=f"It reads: {' '.join(sorted(every))}.")
        found += rows
    return found
