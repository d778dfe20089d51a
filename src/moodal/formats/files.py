"""Writing that is whole or not at all, and errors of the disk in one line."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from moodal.core.errors import OutputError

from . import leftovers

__all__ = ["disk_errors", "json_text", "new_folder", "write_text"]


@contextmanager
def disk_errors(where: Path | str) -> Iterator[None]:
    """Turn what the disk says into an `OutputError`."""
    try:
        yield
    except OSError as error:
        where = str(where)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(
                "the disk is full", where=where, fix="Free some space or choose another --out."
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise OutputError("cannot be written to", where=where, fix="Choose another folder with --out.") from error
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            raise OutputError(
                "is a file, not a folder", where=where, fix="Choose another folder with --out."
            ) from error
        raise OutputError(
            f"cannot be written ({error.strerror or error})", where=where, fix="Choose another --out."
        ) from error


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder that appears at ``target`` whole when the block ends well, and not at all otherwise.

    What stood there before is replaced in the last moment.
    """
    with disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        # The process is named and holds a lock, so that nobody takes its work for a leftover.
        prefix = f".{target.name}.{os.getpid()}."
        work = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=target.parent))
    held = leftovers.lock(work)
    try:
        yield work
        with disk_errors(target):
            work.chmod(0o777 & ~_umask())
            old = replaced = None
            if target.exists():
                replaced = leftovers.lock(target)
                old = target.with_name(f".{target.name}.{os.getpid()}.old")
                target.rename(old)
            work.rename(target)
            if old is not None:
                shutil.rmtree(old, ignore_errors=True)
            leftovers.unlock(replaced)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    finally:
        leftovers.unlock(held)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def json_text(value: Any, *, indent: int | None = 1) -> str:
    """JSON as stored: one form for the same content, no NaN."""
    return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write ``text`` beside the target, then rename it there."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_text(text, encoding="utf-8", errors="replace", newline="")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
