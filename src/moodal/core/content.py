"""What an example holds, as a short hash: equal for duplicates, wherever they lie and whatever they are called."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

from moodal.core.errors import InputError

__all__ = ["HASH_LENGTH", "normalised", "of_bytes", "of_file", "of_text"]

#: Hexadecimal digits kept of a SHA-256: 64 bits; chance matches among 10 million clips have odds of 1 in 400 000.
HASH_LENGTH = 16


def of_bytes(data: bytes) -> str:
    """The content hash of bytes."""
    return hashlib.sha256(data).hexdigest()[:HASH_LENGTH]


def normalised(text: str) -> str:
    """Text as duplicates are compared: compatibility forms folded (NFKC), case folded, runs of blanks as one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def of_text(text: str) -> str:
    """The content hash of a text, after `normalised`."""
    return of_bytes(normalised(text).encode("utf-8", "replace"))


def of_file(path: Path) -> str:
    """The content hash of a file's bytes; of a folder, of its files in order of their names.

    Raises
    ------
    InputError : it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            if path.is_dir():
                digest.update(f"{file.relative_to(path).as_posix()}\0".encode("utf-8", "surrogateescape"))
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", where=str(path)) from error
    return digest.hexdigest()[:HASH_LENGTH]
