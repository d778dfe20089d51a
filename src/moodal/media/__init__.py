"""Floor 1: bytes in, a `Recording` on one clock out. One file a format, found through the registry."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

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
    head = _head(path)
    chosen = next(s for s in _specs() if s.sniff(path, head))
    recording = chosen.read(path)
    for transcript in with_:
        from .transcript import join

        recording = join(recording, Path(transcript))
    return recording


def _specs() -> list[ReaderSpec]:
    return [registry.load("readers", name).SPEC for name in registry.names("readers")]


def _head(path: Path) -> bytes:
    """The first bytes of a file that can be read."""
    where = str(path)
    try:
        if path.is_dir():
            raise InputError("is a folder", where=where, fix="Name a file, or let moodal analyze take the folder.")
        if not path.is_file():
            if path.exists():
                raise InputError("is no file", where=where, fix="Save the recording to a file first.")
            raise InputError("no such file", where=where, fix="Check the path.")
        with path.open("rb") as file:
            head = file.read(4096)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be opened ({reason})", where=where, fix="Check its name and permissions.") from error
    if not head:
        raise InputError("is empty (0 bytes)", where=where, fix="Copy or export the recording again.")
    return head
