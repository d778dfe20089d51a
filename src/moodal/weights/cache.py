"""The cache folder: where files lie, and whether they are what they should be."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

from moodal.core.errors import ModelError

from .manifest import Entry, Member, entry

__all__ = ["file_of", "folder_of", "home", "path", "sha256_of", "state"]


def home() -> Path:
    """``MOODAL_HOME``, or the platform's cache folder."""
    chosen = os.environ.get("MOODAL_HOME")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "moodal"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "moodal" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moodal"


def folder_of(model: Entry) -> Path:
    """Folder that holds a model's files."""
    return home() / "models" / (model.folder or "")


def file_of(model: Entry, member: Member) -> Path:
    """Where one of its files lies."""
    return folder_of(model) / member.file


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _checked(file: Path, member: Member, *, again: bool) -> bool:
    """Whether a file has its hash; an unchanged file is hashed once and remembered beside it."""
    facts = file.stat()
    if facts.st_size != member.bytes:
        return False
    note = file.with_name(f".{file.name}.checked")
    seen = {"bytes": facts.st_size, "mtime_ns": facts.st_mtime_ns, "sha256": member.sha256}
    if not again:
        try:
            if json.loads(note.read_text(encoding="utf-8")) == seen:
                return True
        except (OSError, ValueError):
            pass
    if sha256_of(file) != member.sha256:
        return False
    # A cache that cannot be written is hashed each time: slower, not wrong.
    with contextlib.suppress(OSError):
        note.write_text(json.dumps(seen), encoding="utf-8")
    return True


def state(model: Entry, *, again: bool = False) -> str:
    """``present``, ``missing`` or ``damaged``; ``again`` hashes even what was hashed before."""
    files = [(file_of(model, m), m) for m in model.members]
    if not all(f.is_file() for f, _ in files):
        return "missing"
    return "present" if all(_checked(f, m, again=again) for f, m in files) else "damaged"


def path(name: str) -> Path:
    """The file of a model (the folder, where it has several): from the cache alone, never the network.

    Raises
    ------
    ModelError : not installed, or not the bytes the manifest names.
    """
    model = entry(name)
    found = state(model)
    if found == "missing":
        raise ModelError(f"model {name} is not installed", fix="Run: moodal models pull")
    if found == "damaged":
        wrong = next(m.file for m in model.members if not _checked(file_of(model, m), m, again=False))
        raise ModelError(
            f"model file {wrong} is damaged (size or SHA-256 differ from the manifest)",
            where=str(folder_of(model)),
            fix=f"Run: moodal models pull {name}",
        )
    return folder_of(model) if model.folder else file_of(model, model.members[0])
