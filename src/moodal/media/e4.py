"""Empatica E4: a folder, a zip or a single file of the layout in which the wristband's sessions are exported.

First line: start, POSIX seconds UTC; second: rate in Hz; then samples. ``IBI.csv``: start, then seconds from it of
the beat that ends an interval, and the interval. ``tags.csv``: POSIX seconds of button presses.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from moodal.core.clock import FloatArray, Span
from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import Cue

from . import rows
from .reader import ReaderSpec, Truth, sha256_of
from .signals import INSTANT_S, LONGEST_S, Signal, assembled, evenly, joint_sha256

__all__ = ["SPEC"]

#: Member → kind, columns, factor to the kind's unit, the file's unit.
_MEMBERS: dict[str, tuple[str, tuple[str, ...], float, str]] = {
    "BVP": ("ppg", ("",), 1.0, "device units"),
    "EDA": ("eda", ("",), 1.0, "µS"),
    "TEMP": ("temp", ("",), 1.0, "°C"),
    "ACC": ("acc", ("x", "y", "z"), 1 / 64, "1/64 g"),
    "IBI": ("ibi", ("",), 1.0, "s"),
    "HR": ("hr", ("",), 1.0, "1/min"),
}
#: A zip with more entries or larger members than these is taken for an attack; so is one that swells this much.
MOST_ENTRIES, MOST_BYTES, MOST_RATIO = 10_000, 4 << 30, 1100
#: Clocks of two members that differ by more than this (s) are not of one session.
FARTHEST_S = 86_400.0
#: What a button press is called among the notes.
TAG = "tag"


def sniff(path: Path, head: bytes) -> bool:
    """A folder or a zip with a member of this layout, or such a member alone."""
    try:
        if head.startswith(b"PK"):
            return path.suffix.lower() == ".zip" or bool(_zipped(path))
        if path.is_dir():
            return any(_layout(name, _head(source)) for name, source in _in_folder(path).items())
    except (InputError, OSError):
        return False
    return _layout(_member(path.name), head)


def listed(path: Path) -> bool:
    """Whether a zip that lies in a folder is meant as a session; one that cannot be read may have been."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(_member(PurePosixPath(name).name) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
        return True


def _member(name: str) -> str:
    """``BVP`` for ``BVP.csv``; empty for names that are none of the layout's."""
    pure = PurePosixPath(name)
    stem = pure.stem.upper()
    return stem if pure.suffix.lower() == ".csv" and (stem in _MEMBERS or stem == "TAGS") else ""


def _layout(name: str, head: bytes) -> bool:
    """Whether a member begins as its layout says: numbers alone, in the columns it has."""
    if name not in _MEMBERS:
        return False
    first = [[cell.strip() for cell in line.split(",")] for line in rows.text_of(head).splitlines()[:2]]
    if name == "IBI":
        return bool(first) and len(first[0]) == 2 and first[0][1].upper() == "IBI" and _start(first[0][0]) is not None
    width = len(_MEMBERS[name][1])
    cells = [_start(cell) for line in first for cell in line]
    return len(first) == 2 and all(len(line) == width for line in first) and None not in cells


def _start(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


@contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), fix="Is it still there?") from error


@contextmanager
def _unzipped(path: Path, member: str) -> Iterator[IO[bytes]]:
    """One member as bytes, unpacked as it is read and never to disk."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, KeyError,
            ValueError, _deflated()) as error:  # fmt: skip
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"its {PurePosixPath(member).name} cannot be unpacked ({error or type(error).__name__})",
            where=str(path), fix="Export the session again.",
        ) from error  # fmt: skip


def _deflated() -> type[Exception]:
    import zlib

    return zlib.error


def _in_folder(path: Path) -> dict[str, rows.Opened]:
    found: dict[str, rows.Opened] = {}
    for file in sorted(path.iterdir()):
        if (name := _member(file.name)) and file.is_file() and not file.name.startswith("."):
            found.setdefault(name, partial(_plain, file))
    return found


def _zipped(path: Path) -> dict[str, rows.Opened]:
    """Members of the layout in a zip, from one folder of it; whatever is hostile in it is one error."""
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, UnicodeError) as error:
        raise InputError(
            f"is no zip that can be read ({error or type(error).__name__})", where=where, fix="Copy or export it again."
        ) from error
    if len(entries) > MOST_ENTRIES:
        raise InputError(f"holds {len(entries)} files, no session does", where=where, fix="Is it an E4 session?")
    homes: dict[str, dict[str, zipfile.ZipInfo]] = {}
    for entry in entries:
        pure = PurePosixPath(entry.filename.replace("\\", "/"))
        if pure.is_absolute() or ".." in pure.parts or ":" in entry.filename[:3]:
            raise InputError("names a file outside itself", where=where, fix="Do not open it: no E4 export does that.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InputError("holds a link", where=where, fix="Do not open it: no E4 export does that.")
        name = _member(pure.name)
        if name and not pure.name.startswith(".") and "__MACOSX" not in pure.parts and not entry.is_dir():
            homes.setdefault(str(pure.parent), {}).setdefault(name, entry)
    homes = {home: members for home, members in homes.items() if set(members) & set(_MEMBERS)}
    if not homes:
        inner = any(e.filename.lower().endswith(".zip") for e in entries)
        raise InputError(
            "holds other zips" if inner else "holds none of BVP, EDA, ACC, TEMP, IBI and HR .csv of an E4 session",
            where=where, fix="Unpack it and name what is inside." if inner else "It is no recording that moodal reads.",
        )  # fmt: skip
    if len(homes) > 1:
        raise InputError(f"holds {len(homes)} sessions", where=where, fix="Unpack it and name each folder.")
    members = next(iter(homes.values()))
    for name, entry in members.items():
        if entry.flag_bits & 1:
            raise InputError(f"its {name}.csv is encrypted", where=where, fix="Unpack it with its password first.")
        # Deflate cannot pack more than 1032 to 1; a larger ratio is a forged header.
        if entry.file_size > MOST_BYTES or entry.file_size > MOST_RATIO * max(entry.compress_size, 1):
            raise InputError(
                f"its {name}.csv would unpack to {entry.file_size / 1e6:.0f} MB", where=where, fix="Is it a zip bomb?"
            )
    return {name: partial(_unzipped, path, entry.filename) for name, entry in members.items()}


def _head(source: rows.Opened) -> bytes:
    with source() as file:
        return file.read(4096)


@dataclass(frozen=True)
class _Part:
    """One member: where it begins (s, POSIX or its own clock), its rate (0: events), and how long it lasts, s."""

    name: str
    start: float
    rate: float
    length: float
    source: rows.Opened
    where: str

    def blocks(self) -> Iterator[FloatArray]:
        """Rows of numbers ``(n, columns)`` after the head."""
        width = 2 if self.name == "IBI" else len(_MEMBERS[self.name][1])
        skip = 1 if self.name == "IBI" else 2
        for block in rows.lines(self.source, self.where):
            while skip and block:
                block = block.partition(b"\n")[2]
                skip -= 1
            values = rows.numbers(block, width)
            if len(values):
                yield values


def read(path: Path) -> Recording:
    """The session on one clock that begins with its earliest member.

    Raises
    ------
    InputError : no member can be read, or a zip that no wristband wrote.
    """
    warnings: list[str] = []
    if path.is_dir():
        sources = _in_folder(path)
        sha256 = joint_sha256((f.name, sha256_of(f)) for f in sorted(path.iterdir()) if _member(f.name) and f.is_file())
    elif zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
        sources, sha256 = _zipped(path), sha256_of(path)
    else:
        sources, sha256 = {_member(path.name): partial(_plain, path)}, sha256_of(path)
    parts: list[_Part] = []
    for name in _MEMBERS:
        if name not in sources:
            continue
        try:
            parts.append(_part(name, sources[name], str(path)))
        except InputError as error:
            warnings.append(f"{path.name}: its {name}.csv is left out: it {error.what}")
    if not parts:
        reason = f" ({warnings[0].partition(': ')[2]})" if warnings else ""
        raise InputError(f"holds no samples of an E4 session{reason}", where=str(path), fix="Export it again.")
    zero = _zero(parts, warnings, path.name)
    parts = [p for p in parts if abs(p.start - zero) <= FARTHEST_S]
    stamped = zero > 1e8
    signals = [_ibi(p, zero) if p.name == "IBI" else _even(p, zero) for p in parts]
    notes = _tags(sources.get("TAGS"), zero, max(s.end_s for s in signals), path, warnings) if stamped else []
    return assembled(
        path, signals, notes, sha256=sha256, warnings=warnings,
        epoch_s=zero if stamped else None, epoch_error_ms=1000.0 if stamped else None,
        basis="utc" if stamped else "device",
    )  # fmt: skip


def _part(name: str, source: rows.Opened, where: str) -> _Part:
    """The member's facts.

    Raises
    ------
    InputError : it is not usable, and why.
    """
    head = _head(source)
    if not head.strip():
        raise InputError("is empty", where=where)
    if not _layout(name, head):
        raise InputError("is not in the layout of an E4", where=where)
    first, *second = rows.text_of(head).splitlines()[:2]
    part = _Part(name, float(first.split(",")[0]), 0.0, 0.0, source, where)
    if name == "IBI":
        ends = [float(np.nanmax(b[:, 0])) for b in part.blocks() if np.isfinite(b[:, 0]).any()]
        if not ends:
            raise InputError("holds no beat intervals", where=where)
        if not 0 < max(ends) < LONGEST_S:
            raise InputError("has impossible times", where=where)
        return replace(part, length=max(ends) + INSTANT_S)
    rate = float(second[0].split(",")[0])
    if not 0.01 <= rate <= 10_000:
        raise InputError(f"says a rate of {rate:g} Hz", where=where)
    n = _count(source, where) - 2
    if n <= 0:
        raise InputError("holds no samples", where=where)
    if n / rate > LONGEST_S:
        raise InputError(f"would last {n / rate / 86_400:.0f} days at its rate of {rate:g} Hz", where=where)
    return replace(part, rate=rate, length=n / rate)


def _count(source: rows.Opened, where: str) -> int:
    """Lines of a member that are not blank."""
    n = 0
    for block in rows.lines(source, where):
        if b"\n\n" in block or block.startswith(b"\n"):
            n += sum(bool(line.strip()) for line in block.split(b"\n"))
        else:
            n += block.count(b"\n") + (not block.endswith(b"\n"))
    return n


def _zero(parts: list[_Part], warnings: list[str], name: str) -> float:
    """The start of the session: the earliest of those that agree within a day."""
    starts = np.array([p.start for p in parts])
    near = [starts[np.abs(starts - s) <= FARTHEST_S] for s in starts]
    agreed = max(near, key=len)
    zero = float(agreed.min())
    for part in parts:
        if abs(part.start - zero) > FARTHEST_S:
            hours = (part.start - zero) / 3600
            warnings.append(
                f"{name}: the clock of its {part.name}.csv is {hours:+.0f} h off the others; it is left out"
            )
    return zero


def _even(part: _Part, zero: float) -> Signal:
    kind, channels, factor, unit = _MEMBERS[part.name]
    start = part.start - zero

    def blocks(span: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        first = 0
        for values in part.blocks():
            if start + (first + len(values)) / part.rate >= span.start:
                yield evenly(first, len(values), part.rate, start), values * factor
            first += len(values)

    return Signal(kind, part.rate, start, start + part.length, blocks, channels, unit)


def _ibi(part: _Part, zero: float) -> Signal:
    """Beat intervals; rows out of order or impossible are left out."""
    start = part.start - zero

    def blocks(span: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        last = -np.inf
        for values in part.blocks():
            values = values[np.isfinite(values).all(axis=1)]
            # Rising times only: each is compared with the highest before it.
            before = np.maximum.accumulate(np.concatenate([[last], values[:, 0]]))
            values = values[(values[:, 0] > before[:-1]) & (values[:, 0] >= 0)]
            last = before[-1]
            yield start + values[:, 0], values[:, 1:]

    return Signal("ibi", None, start, start + part.length, blocks, ("",), "s")


def _tags(source: rows.Opened | None, zero: float, end: float, path: Path, warnings: list[str]) -> list[Cue]:
    if source is None:
        return []
    try:
        blocks = [rows.numbers(block, 1)[:, 0] for block in rows.lines(source, str(path))]
    except InputError as error:
        warnings.append(f"{path.name}: its tags.csv cannot be read: {error.what}")
        return []
    stamps = np.concatenate([*blocks, np.empty(0)])
    times = np.unique(stamps[np.isfinite(stamps)] - zero)
    inside = times[(times >= 0) & (times < end)]
    if len(inside) < len(times):
        warnings.append(
            f"{path.name}: {len(times) - len(inside)} button presses lie outside the session and are left out"
        )
    return [Cue(float(t), float(t), TAG) for t in inside]


def generate(folder: Path, seed: int) -> Truth:
    """A session of 20 s as zip or folder (even, odd), by seed without some members, with tags."""
    from .generated import e4

    return e4(folder, seed)


SPEC = ReaderSpec(
    "e4", (".zip",), "Empatica E4 sessions (folder, zip or one of its files)", sniff, read, generate,
    folders=True, listed=listed,
)  # fmt: skip
