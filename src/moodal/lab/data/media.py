"""From an index's ``recording`` to bytes and sound: a path, or ``PATH.tar!MEMBER`` for one that lies in a tar."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError

from .compact import Tar, sound

__all__ = ["content_of", "in_tar", "open_bytes", "open_sound", "text_hash"]

#: A file longer than this is known by its length and three stretches of it: films need not be read to be compared.
_WHOLE = 4 << 20
_STRETCH = 1 << 18


def in_tar(tar: Path, member: str) -> str:
    """How an index names a member of a tar."""
    return f"{tar}!{member}"


def open_bytes(recording: str) -> bytes:
    """The bytes of a recording.

    Raises
    ------
    InputError : it is not there, or only a pointer of Git LFS is.
    """
    path, member = _place(recording)
    try:
        if member:
            start, size = _at(path, member)
            with path.open("rb") as file:
                file.seek(start)
                data = file.read(size)
        else:
            data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", where=recording, fix="Get it again.") from error
    if data.startswith(b"version https://git-lfs"):
        raise InputError("is a pointer of Git LFS, not the file itself", where=recording, fix="Run: git lfs pull")
    return data


def open_sound(recording: str, rate_hz: int = 16_000) -> npt.NDArray[np.float32]:
    """The sound of a recording or film: mono samples ``(n,)`` in [-1, 1] at ``rate_hz``.

    Raises
    ------
    InputError : it is not there, or holds no sound.
    """
    try:
        return sound(open_bytes(recording), rate_hz)
    except InputError as error:
        if error.where:
            raise
        raise InputError(error.what, where=recording, fix="Get it again.") from error


def content_of(recording: str) -> str:
    """A hash that duplicates share: of all bytes, or of length and three stretches for a file above 4 MiB."""
    path, member = _place(recording)
    if member:
        return hashlib.sha256(open_bytes(recording)).hexdigest()[:24]
    try:
        size = path.stat().st_size
        if size <= _WHOLE:
            return hashlib.sha256(path.read_bytes()).hexdigest()[:24]
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as file:
            for start in (0, (size - _STRETCH) // 2, size - _STRETCH):
                file.seek(start)
                digest.update(file.read(_STRETCH))
        return digest.hexdigest()[:24]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", where=recording, fix="Get it again.") from error


def text_hash(*parts: str) -> str:
    """A hash of text in which case and blanks do not count."""
    folded = "\0".join(" ".join(p.casefold().split()) for p in parts)
    return hashlib.sha256(folded.encode()).hexdigest()[:24]


def _place(recording: str) -> tuple[Path, str]:
    tar, mark, member = recording.partition(".tar!")
    return (Path(f"{tar}.tar"), member) if mark else (Path(recording), "")


def _at(path: Path, member: str) -> tuple[int, int]:
    stat = path.stat()
    members = _members(path, stat.st_mtime_ns, stat.st_size)
    if member not in members:
        raise InputError(f"has no member {member}", where=str(path), fix="Get the file again.")
    return members[member]


@lru_cache(maxsize=8)
def _members(path: Path, _changed: int, _size: int) -> dict[str, tuple[int, int]]:
    """Where each member's bytes lie. No file stays open, so that workers share nothing."""
    with Tar(path) as tar:
        return tar.places()
