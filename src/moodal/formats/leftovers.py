"""What a killed run leaves behind, and how the next one clears it away without touching a running one.

Work under way lies in ``.NAME.PID.XXXX.part``, what is being replaced in ``.NAME.PID.old``, one file in
``.NAME.PID.part``. The process named there holds a lock on its folder, which the system lets go when it dies.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

__all__ = ["lock", "sweep", "unlock"]

_NAME = re.compile(r"\.(?P<target>.+)\.(?P<pid>\d+)(?:\.[a-z0-9_]{8})?\.(?P<kind>part|old)", re.DOTALL)
#: Between a folder's making and its locking nobody may take it for a leftover, s.
_YOUNG_S = 2.0


def lock(folder: Path) -> int | None:
    """Hold a folder as work of this process; the handle is for `unlock`, ``None`` where there are no such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def unlock(handle: int | None) -> None:
    """Let go."""
    if handle is not None:
        os.close(handle)


def _runs(pid: int) -> bool:
    """Whether a process of that number runs; where nobody can tell it does."""
    if pid <= 0 or os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:
        # A dead process that nobody asked after still has its number.
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True


def _abandoned(path: Path, pid: int, kind: str) -> bool:
    if not path.is_dir():
        return not _runs(pid)
    handle = lock(path)
    if handle is None:
        return False
    unlock(handle)
    # What is being replaced was locked before it got its name.
    return kind == "old" or not _runs(pid) or time.time() - path.stat().st_mtime > _YOUNG_S


def sweep(folder: Path) -> list[str]:
    """Clear away what killed runs left in ``folder``; returns the names, those restored with `` (restored)``.

    A result that was just being replaced when the run was killed is put back.
    """
    swept = []
    try:
        found = [(match, path) for path in sorted(folder.iterdir()) if (match := _NAME.fullmatch(path.name))]
    except OSError:
        return []
    for match, path in found:
        try:
            if path.is_symlink() or not _abandoned(path, int(match["pid"]), match["kind"]):
                continue
            target = folder / match["target"]
            if match["kind"] == "old" and not target.exists():
                path.rename(target)
                swept.append(f"{target.name} (restored)")
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            swept.append(path.name)
        except OSError:
            continue  # somebody else was quicker, or may not be asked
    return swept
