"""Writing into the cache: a checked file appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from hashlib import sha256

from moodal.core.errors import ModelError, OutputError

from .cache import file_of, home, note
from .manifest import Entry, Member

__all__ = ["require_space", "store", "sweep", "work_folder", "write_fault"]

#: Age after which what a killed run left behind is removed: longer than any run lasts.
_STALE_S = 6 * 3600.0


def write_fault(error: OSError) -> OutputError:
    """The line for a cache folder that is full, read-only, or no folder."""
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    return OutputError(
        "the disk is full" if full else f"the cache folder cannot be written ({error.strerror})",
        where=str(home()),
        fix="Free some space, or set MOODAL_HOME to another folder." if full else "Set MOODAL_HOME to another folder.",
    )


def require_space(needed: int) -> None:
    """Tell a disk that is too small before anything is fetched: tools that run full on it blame the network.

    Raises
    ------
    OutputError : fewer than ``needed`` bytes are free where the cache folder is, or would be.
    """
    try:
        free = shutil.disk_usage(next(p for p in (home(), *home().parents) if p.exists())).free
    except OSError:
        return  # a disk that does not tell is found out by writing
    if free < needed:
        raise OutputError(
            f"too little space: {needed / 1e6:.0f} MB are needed for a while, {free / 1e6:.0f} MB are free",
            where=str(home()),
            fix="Free some space, or set MOODAL_HOME to another folder.",
        )


def work_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder beside the models (same disk, so that a rename is atomic), gone when its block ends.

    Raises
    ------
    OutputError : the cache folder cannot be written.
    """
    try:
        (home() / "models").mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".pull-", dir=home(), ignore_cleanup_errors=True)
    except OSError as error:
        raise write_fault(error) from error


def sweep() -> None:
    """Remove what runs left that were killed long ago."""
    limit = time.time() - _STALE_S
    with contextlib.suppress(OSError):
        for left in [*home().glob(".pull-*"), *home().glob("models/**/.*.part")]:
            with contextlib.suppress(OSError):
                if left.stat().st_mtime < limit:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()


def store(model: Entry, member: Member, data: bytes, source: str) -> None:
    """Write one file, if it is the one the manifest names.

    Raises
    ------
    ModelError : other bytes than the manifest names.
    OutputError : the cache folder cannot be written.
    """
    found = sha256(data).hexdigest()
    if found != member.sha256:
        raise ModelError(
            f"{member.file} from {source} has SHA-256 {found[:12]}… where the manifest names {member.sha256[:12]}…",
            where=model.name,
            fix="It was not installed. Try again, or the other source (with or without --official).",
        )
    target = file_of(model, member)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise write_fault(error) from error
    note(target, member)
