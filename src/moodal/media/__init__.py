"""Floor 1: bytes in, a `Recording` on one clock out. One file a format, found through the registry."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from moodal.core import registry
from moodal.core.errors import InputError
from moodal.core.recording import Recording

from .reader import ReaderSpec

__all__ = ["ReaderSpec", "read"]


def read(path: str | os.PathLike[str], *, with_: Sequence[str | os.PathLike[str]] = ()) -> Recording:
    """Open a recording: video, sound, still picture, transcript or plain text.

    Only headers and time stamps are read; `Recording.chunks` reads the rest. ``with_`` names
    transcripts that join a video or sound as its stream of words.

    Raises
    ------
    InputError : no such file, nothing in it, or no reader knows it; one line that says which.
    """
    path = Path(path)
    size = _size(path)
    if size == 0:
        raise InputError("is empty (0 bytes)", where=str(path), fix="Copy or export the recording again.")
    with _readable(path) as file:
        head = file.read(4096)
    chosen = next(s for s in _specs() if s.sniff(path, head))
    recording = chosen.read(path)
    for transcript in with_:
        from .transcript import join

        recording = join(recording, Path(transcript))
    return recording


def _specs() -> list[ReaderSpec]:
    return [registry.load("readers", name).SPEC for name in registry.names("readers")]


def _size(path: Path) -> int:
    if not path.exists():
        raise InputError("no such file", where=str(path), fix="Check the path.")
    if path.is_dir():
        raise InputError("is a folder", where=str(path), fix="Name a file, or let moodal analyze take the folder.")
    return path.stat().st_size


def _readable(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(
            f"cannot be opened ({error.strerror})", where=str(path), fix="Check its permissions."
        ) from error
