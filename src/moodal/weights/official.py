"""Files from their publishers' own addresses; a broken download goes on where it stopped."""

from __future__ import annotations

import http.client
import io
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Event

from moodal.core.errors import ModelError

from .cache import home
from .manifest import Entry, Member
from .store import store, work_folder, write_fault
from .wheels import Stopped, Unreachable

__all__ = ["addresses", "take"]

_CHUNK = 1 << 18
_TIMEOUT_S = 30.0


def addresses(models: Sequence[Entry]) -> dict[str, list[tuple[Entry, Member]]]:
    """Address → what is taken from it: one archive may hold several models."""
    found: dict[str, list[tuple[Entry, Member]]] = {}
    for model in models:
        for member in model.members:
            address = model.official + (member.file if model.official.endswith("/") else "")
            found.setdefault(address, []).append((model, member))
    return found


def take(address: str, wanted: Sequence[tuple[Entry, Member]], follow: Callable[[int], None], stop: Event) -> int:
    """Fetch one address and store what is wanted from it; returns the bytes that came.

    Raises
    ------
    ModelError : no answer, or other bytes than the manifest names.
    OutputError : the cache folder cannot be written.
    """
    with work_folder():  # tells at once whether the cache can be written
        part = home() / "models" / f".official-{sha256(address.encode()).hexdigest()[:16]}.part"
    try:
        came = _fetch(address, part, follow, stop)
        data = part.read_bytes()
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        kind = ModelError if isinstance(error, urllib.error.HTTPError) else Unreachable
        raise kind(f"cannot be reached ({reason})", where=address, fix="Try again, or without --official.") from error
    except OSError as error:
        raise write_fault(error) from error
    try:
        for model, member in wanted:
            store(model, member, _unpacked(data, member, address), address)
    finally:
        part.unlink(missing_ok=True)
    return came


def _fetch(address: str, part: Path, follow: Callable[[int], None], stop: Event) -> int:
    """Bring ``part`` to its full length; returns the bytes that came this time."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        # What is there is not a beginning of this file: from the start.
        part.unlink()
        return _fetch(address, part, follow, stop)
    with answer:
        goes_on = have > 0 and answer.status == 206
        promised = int(answer.headers.get("Content-Length") or -1)
        came = 0
        with part.open("ab" if goes_on else "wb") as file:
            while piece := answer.read(_CHUNK):
                if stop.is_set():
                    raise Stopped
                file.write(piece)
                came += len(piece)
                follow(came + (have if goes_on else 0))
    if 0 <= came < promised:
        raise ConnectionError(f"it ended after {came} of {promised} bytes")
    return came


def _unpacked(data: bytes, member: Member, address: str) -> bytes:
    if member.inner is None:
        return data
    try:
        return zipfile.ZipFile(io.BytesIO(data)).read(member.inner)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(
            f"is not the expected archive ({error})", where=address, fix="Try without --official."
        ) from error
