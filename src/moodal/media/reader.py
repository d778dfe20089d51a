"""What every reader says of itself, and what they share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moodal.core.errors import InputError
from moodal.core.recording import Recording

__all__ = ["ReaderSpec", "sha256_of"]


@dataclass(frozen=True)
class ReaderSpec:
    """A reader: the suffixes it knows, how it recognises a file, how it reads one.

    ``sniff(path, head)`` sees the first 4,096 bytes. ``generate(path, seed)`` writes a small file of
    the reader's own layout and returns what is in it (see the laws of readers).
    """

    name: str
    extensions: tuple[str, ...]
    about: str
    sniff: Callable[[Path, bytes], bool]
    read: Callable[[Path], Recording]
    generate: Callable[[Path, int], dict[str, Any]]


def sha256_of(path: Path) -> Callable[[], str]:
    """A function that hashes the file's bytes when asked."""

    def digest() -> str:
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(
                f"can no longer be read ({error.strerror})", where=str(path), fix="Is it still there?"
            ) from error

    return digest
