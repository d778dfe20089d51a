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

__all__ = ["file_of", "folder_of", "home", "note", "path", "sha256_of", "state"]


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


def _sidecar(file: Path) -> Path:
    return file.with_name(f".{file.name}.checked")


def _facts(file: Path, member: Member) -> dict[str, int | str]:
    about = file.stat()
    return {"bytes": about.st_size, "mtime_ns": about.st_mtime_ns, "sha256": member.sha256}


def note(file: Path, member: Member) -> None:
    """Remember that this state of a file has the right hash, so that it is not hashed at every start."""
    # A cache that cannot be written is hashed each time: slower, not wrong.
    with contextlib.suppress(OSError):
        _sidecar(file).write_text(json.dumps(_facts(file, member)), encoding="utf-8")


def _fault(file: Path, member: Member, *, again: bool) -> str:
    """What is wrong with a file that is there: empty where nothing is. The size is looked at always."""
    try:
        facts = _facts(file, member)
        if facts["bytes"] != member.bytes:
            return f"{facts['bytes']} bytes instead of {member.bytes}"
        if not again:
            with contextlib.suppress(OSError, ValueError):
                if json.loads(_sidecar(file).read_text(encoding="utf-8")) == facts:
                    return ""
        found = sha256_of(file)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if found != member.sha256:
        return f"SHA-256 {found[:12]}… instead of {member.sha256[:12]}…"
    note(file, member)
    return ""


def state(model: Entry, *, again: bool = False) -> str:
    """``present``, ``missing`` or ``damaged``; ``again`` hashes even what was hashed before."""
    files = [(file_of(model, m), m) for m in model.members]
    if not all(f.is_file() for f, _ in files):
        return "missing"
    return "damaged" if any(_fault(f, m, again=again) for f, m in files) else "present"


def path(name: str) -> Path:
    """The file of a model (the folder, where it has several): from the cache alone, never the network.

    Raises
    ------
    ModelError : not installed, or not the bytes the manifest names.
    UsageError : the manifest has no such model.
    """
    model = entry(name)
    files = [(file_of(model, m), m) for m in model.members]
    if not all(f.is_file() for f, _ in files):
        raise ModelError(f"{name} is not installed", fix="Run: moodal models pull")
    for file, member in files:
        if fault := _fault(file, member, again=False):
            raise ModelError(f"{name} is damaged ({fault})", where=str(file), fix=f"Run: moodal models pull {name}")
    return folder_of(model) if model.folder else files[0][0]
