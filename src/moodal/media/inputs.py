"""What was named on the command line, as recordings: a folder is each file in it, or one of a known layout."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from moodal.core import registry
from moodal.core.errors import InputError

from . import chosen, saved, specs

__all__ = ["inputs", "members", "readable"]


def _extensions() -> tuple[frozenset[str], frozenset[str]]:
    """Suffixes of every reader, and those of transcripts."""
    every = {e.lower() for spec in specs() for e in spec.extensions}
    transcript = {e.lower() for e in registry.load("readers", "transcript").SPEC.extensions}
    return frozenset(every), frozenset(transcript)


def _meant(path: Path) -> bool:
    """Whether a file that lies in a folder is a recording: a table of labels beside the videos is none."""
    asked = [s for s in specs() if path.suffix.lower() in s.extensions]
    return any(s.listed is None or s.listed(path) for s in asked)


def readable(folder: Path) -> list[Path]:
    """The files in a folder (not in its subfolders) that are recordings or transcripts, in order of name.

    Raises
    ------
    InputError : the folder cannot be opened, or holds nothing readable.
    """
    every, _ = _extensions()
    try:
        # Names that begin with a dot are a system's own notes, not recordings.
        names = sorted(f for f in folder.iterdir() if not f.name.startswith("."))
        files = [f for f in names if f.suffix.lower() in every and f.is_file() and _meant(f)]
    except OSError as error:
        raise InputError(
            f"cannot be opened ({error.strerror})", where=str(folder), fix="Check its permissions."
        ) from error
    hollow = [f.name for f in names if f.suffix.lower() in every and f.is_file() and f.stat().st_size == 0]
    if not files and hollow:
        some = ", ".join(hollow[:3]) + (", …" if len(hollow) > 3 else "")
        raise InputError(f"holds empty files ({some})", where=str(folder), fix="Copy or export the recording again.")
    if not files:
        raise InputError(
            "holds no file that moodal reads", where=str(folder), fix=f"It reads: {' '.join(sorted(every))}."
        )
    return files


def members(folder: Path) -> list[Path]:
    """The readable files of a folder that is many recordings; none where it is one recording, or no folder."""
    try:
        many = folder.is_dir() and not saved(folder) and chosen(folder, b"") is None
        return readable(folder) if many else []
    except (InputError, OSError):
        return []


def inputs(paths: Iterable[str | os.PathLike[str]], out: Path | None = None) -> list[tuple[Path, list[Path]]]:
    """Each recording with the transcripts that join it.

    A folder of a known layout (E4, BIDS) or with a ``recording.toml`` is one recording. Any other stands for the
    readable files in it, not in its subfolders, in order of name; a transcript with the stem of a sound or video
    beside it joins that one. A file named outright is a recording whatever its suffix. What cannot be read stands for
    itself: `moodal.read` says why, and the other paths are none the worse for it. The table of results in ``out`` is
    no recording of the folder that it lies in.
    """
    found: list[tuple[Path, list[Path]]] = []
    for text in paths:
        path = Path(text)
        own = None if out is None else (out / "summary.csv").resolve()
        files = [f for f in members(path) if f.resolve() != own]
        if not files:
            found.append((path, []))
            continue
        _, transcript = _extensions()
        media = {f.stem for f in files if f.suffix.lower() not in transcript}
        joining = [f for f in files if f.suffix.lower() in transcript and f.stem in media]
        found += [(f, [t for t in joining if t.stem == f.stem]) for f in files if f not in joining]
    return found
