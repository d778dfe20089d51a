"""WFDB records (PhysioNet): a ``.hea`` header and the files of samples that it names beside itself.

Written here and not through the wfdb package, which brings pandas, SciPy, Matplotlib and network clients and reads
a whole record at once; the package is the oracle the tests' figures come from. Formats 16, 24, 32, 61, 80, 160 and
212 are read, which is what records of body signals use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.clock import FloatArray, Span
from moodal.core.errors import InputError
from moodal.core.recording import Loss, Recording
from moodal.core.stream import SIGNAL_KINDS

from .reader import ReaderSpec, Truth, sha256_of
from .signals import Signal, assembled, evenly, joint_sha256
from .units import Unit, Units, declared, doubt, known_as, unit_of

__all__ = ["SPEC"]

#: Format → bytes of how many samples, dtype where NumPy has one, the value that stands for no sample.
_FORMATS: dict[str, tuple[int, int, str, int]] = {
    "16": (2, 1, "<i2", -(1 << 15)),
    "61": (2, 1, ">i2", -(1 << 15)),
    "160": (2, 1, "<u2", -(1 << 15)),
    "32": (4, 1, "<i4", -(1 << 31)),
    "80": (1, 1, "u1", -128),
    "24": (3, 1, "", -(1 << 23)),
    "212": (3, 2, "", -2048),
}
MOST_SIGNALS, BLOCK = 512, 1 << 20
_LINE = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d+)(?:x(?P<per>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    r"(?:\s+(?P<gain>[-+\d.eE]+)?(?:\((?P<baseline>-?\d+)\))?(?:/(?P<unit>\S+))?"
    r"(?:\s+-?\d+(?:\s+(?P<zero>-?\d+)(?:\s+-?\d+(?:\s+-?\d+(?:\s+-?\d+(?:\s+(?P<name>.*))?)?)?)?)?)?)?$"
)


def sniff(path: Path, head: bytes) -> bool:
    """By suffix; a file of samples is its record where a header of its name lies beside it."""
    if path.suffix.lower() == ".hea":
        return b"\x00" not in head
    return path.suffix.lower() in (".dat", ".mat") and path.with_suffix(".hea").is_file()


@dataclass(frozen=True)
class _Part:
    """One signal: the place of its samples in a frame of its file, how many a frame, and their scale."""

    name: str
    file: Path
    at: int
    per: int
    gain: float
    baseline: int
    unit: str


@dataclass(frozen=True)
class _Samples:
    """One file of samples: its format, the samples of a frame, the bytes before the first."""

    path: Path
    format: str
    frame: int
    offset: int

    def frames(self) -> int:
        """Whole frames in the file."""
        size, count, _, _ = _FORMATS[self.format]
        there = self.path.stat().st_size - self.offset
        return max(there, 0) * count // size // self.frame

    def blocks(self, first: int, last: int) -> Iterator[tuple[int, FloatArray]]:
        """Frames ``(n, samples)`` as integers, NaN where none was taken; ``first`` is even."""
        size, count, kind, missing = _FORMATS[self.format]
        step = 2 * max(1, BLOCK * count // size // self.frame // 2)
        with self.path.open("rb") as file:
            for number in range(first, last, step):
                n = min(step, last - number)
                file.seek(self.offset + number * self.frame * size // count)
                data = file.read(-(-n * self.frame * size // count))
                values = _integers(np.frombuffer(data, np.uint8), self.format, kind)[: n * self.frame]
                if len(values) < n * self.frame:
                    raise InputError("became shorter while it was read", where=str(self.path), fix="Copy it again.")
                values[values == missing] = np.nan
                yield number, values.reshape(n, self.frame)


def _integers(data: Any, form: str, kind: str) -> FloatArray:
    if form == "212":
        data = np.concatenate([data, np.zeros(-len(data) % 3, np.uint8)]).reshape(-1, 3).astype(np.int32)
        pairs = np.stack([data[:, 0] | (data[:, 1] & 15) << 8, data[:, 2] | (data[:, 1] & 240) << 4], axis=1)
        return np.asarray(np.where(pairs >= 2048, pairs - 4096, pairs).ravel(), np.float64)
    if form == "24":
        parts = data[: len(data) // 3 * 3].reshape(-1, 3).astype(np.int32)
        whole = parts[:, 0] | parts[:, 1] << 8 | parts[:, 2] << 16
        return np.asarray(np.where(whole & 0x800000, whole - (1 << 24), whole), np.float64)
    size = np.dtype(kind).itemsize
    values = data[: len(data) // size * size].view(kind).astype(np.float64)
    return np.asarray(values - {"80": 128, "160": 1 << 15}.get(form, 0), np.float64)


@dataclass(frozen=True)
class _Record:
    rate: float
    frames: int
    parts: list[_Part]
    files: dict[Path, _Samples]
    start: datetime | None


def _record(path: Path, warnings: list[str]) -> _Record:
    where = str(path)

    def wrong(what: str, fix: str = "Is it the header of a WFDB record?") -> InputError:
        return InputError(what, where=where, fix=fix)

    try:
        with path.open("rb") as file:
            text = file.read(1 << 20).decode("utf-8", errors="replace")
    except OSError as error:
        raise wrong(f"cannot be read ({error.strerror})", "Is it still there?") from error
    lines = [line.strip() for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    fields = lines[0].split() if lines else []
    if len(fields) < 2 or not fields[1].isdigit():
        raise wrong("has no first line as a WFDB header has")
    if "/" in fields[0]:
        raise wrong("is a record of several segments", "Name the headers of its segments, one by one.")
    n = int(fields[1])
    if not 0 < n <= MOST_SIGNALS or len(lines) <= n:
        raise wrong(f"says {n} signals and describes {len(lines) - 1}" if n else "says that it has no signals")
    rate = _float(fields[2].split("/")[0].split("(")[0]) if len(fields) > 2 else 250.0
    if not 0 < rate < 1e6:
        raise wrong(f"says a rate of {fields[2][:20]!r}")
    parts: list[_Part] = []
    files: dict[Path, _Samples] = {}
    for line in lines[1 : n + 1]:
        _part(line, path, parts, files, wrong)
    try:
        there = min(f.frames() for f in files.values())
    except OSError as error:
        raise wrong(f"its samples cannot be read ({error.strerror})", "Copy the files that it names too.") from error
    said = int(fields[3]) if len(fields) > 3 and fields[3].isdigit() else 0
    frames = min(said, there) if said else there
    if said > there:
        warnings.append(Loss(f"{path.name}: its samples break off at {there / rate:.6g} s of {said / rate:.6g} s"))
    if not frames:
        raise InputError("holds no samples", where=where, fix="Copy the record again.")
    return _Record(rate, frames, parts, files, _start(fields))


def _part(line: str, path: Path, parts: list[_Part], files: dict[Path, _Samples], wrong: Any) -> None:
    found = _LINE.match(line)
    if found is None:
        raise wrong(f"has a line that describes no signal: {line[:60]!r}")
    name, form = found["file"], found["format"]
    if Path(name).name != name or name in ("-", "~", ".", ".."):
        raise wrong(f"names samples outside its folder ({name[:60]!r})", "Put them beside it.")
    if form not in _FORMATS:
        raise wrong(f"its samples are in format {form}", f"Convert it to one of {', '.join(_FORMATS)}.")
    file = path.with_name(name)
    per = int(found["per"] or 1)
    old = files.get(file)
    at = old.frame if old else 0
    if not 0 < per <= 10_000 or (old and old.format != form):
        raise wrong(f"says {per} samples a frame" if not 0 < per <= 10_000 else f"says two formats for {name}")
    files[file] = _Samples(file, form, at + per, old.offset if old else int(found["offset"] or 0))
    gain = _float(found["gain"] or "")
    zero = int(found["zero"] or 0)
    baseline = zero if found["baseline"] is None else int(found["baseline"])
    # A gain of 0 or none means that nobody calibrated it.
    stated = (found["unit"] or "mV") if gain else ""
    parts.append(_Part((found["name"] or "").strip(), file, at, per, gain or 1.0, baseline, stated))


def _float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if np.isfinite(value) else 0.0


def _start(fields: list[str]) -> datetime | None:
    """The wall clock of the first sample, where date and time are there."""
    try:
        time = [float(p) for p in fields[4].split(":")]
        day, month, year = (int(p) for p in fields[5].split("/"))
        whole = datetime(year, month, day, int(time[0]), int(time[1]), int(time[2]), tzinfo=UTC)
        return whole.replace(microsecond=int(time[2] % 1 * 1e6))
    except (IndexError, ValueError, OverflowError):
        return None


def read(path: Path, units: Units | None = None) -> Recording:
    """Signals of a known kind, those of one kind and rate as one stream.

    Raises
    ------
    InputError : no record, no samples beside it, or no signal of a kind that is read; in one line.
    """
    units = units or Units()
    path = path.with_suffix(".hea") if path.suffix.lower() in (".dat", ".mat") else path
    warnings: list[str] = []
    record = _record(path, warnings)
    groups: dict[tuple[str, int, Path], list[tuple[_Part, Any]]] = {}
    left: list[str] = []
    for part in record.parts:
        known = known_as(part.name, units, leads=True)
        if known is None or known.kind == "notes":
            left.append(part.name or "a signal without a name")
        else:
            groups.setdefault((known.kind, part.per, part.file), []).append((part, known))
    if left:
        warnings.append(f"{path.name}: {', '.join(left)[:300]}: of no kind that is read, left out (--unit NAME=ecg:mV)")
    signals, refused = [], []
    for (kind, per, file), rows in groups.items():
        signal, why = _signal(record, kind, per, record.files[file], rows, units)
        if signal is None:
            refused.append(f"{rows[0][0].name}: {why}")
        else:
            signals.append(signal)
    if not signals:
        names = ", ".join(p.name for p in record.parts)[:200]
        reason = refused[0] if refused else f"has no signal of a kind that is read (it has: {names})"
        raise InputError(reason, where=str(path), fix="Say what one is: --unit NAME=ecg:mV.")
    warnings += [f"{path.name}: {line}; it is left out" for line in refused]
    hashed = joint_sha256((f.name, sha256_of(f)) for f in (path, *record.files))
    start = record.start
    return assembled(
        path, signals, sha256=hashed, warnings=warnings, epoch_s=None if start is None else start.timestamp(),
        epoch_error_ms=None if start is None else 1000.0, basis="device" if start is None else "local",
    )  # fmt: skip


def _signal(
    record: _Record, kind: str, per: int, file: _Samples, rows: list[tuple[_Part, Any]], units: Units
) -> tuple[Signal | None, str]:
    taken: list[Unit] = []
    stated_all = True
    for part, known in rows:
        stated = declared(part.name, known, units) or part.unit
        unit = unit_of(kind, stated) if stated else None
        if stated and unit is None:
            return None, f"{stated!r} is no unit of {kind}"
        if unit is None:
            return None, "is not calibrated; say its unit (--unit NAME=UNIT)"
        stated_all = stated_all and bool(stated)
        taken.append(unit)

    def values(first: int, last: int) -> Iterator[tuple[int, FloatArray]]:
        for number, frames in file.blocks(first, last):
            columns = [
                u.convert((frames[:, p.at : p.at + per].ravel() - p.baseline) / p.gain)
                for u, (p, _) in zip(taken, rows, strict=True)
            ]
            yield number, np.column_stack(columns)

    looked = [
        block
        for first in np.unique(np.linspace(0, max(record.frames - 500, 0), 20).astype(int) // 2 * 2)
        for _, block in values(int(first), min(int(first) + 500, record.frames))
    ]
    sample = np.concatenate(looked)
    if why := doubt(kind, Unit(SIGNAL_KINDS[kind]), [c[np.isfinite(c)] for c in sample.T]):
        return None, why
    rate = record.rate * per

    def blocks(span: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        first = int(max(span.start * record.rate - 2, 0)) // 2 * 2
        last = int(min(span.end * record.rate + 2, record.frames))
        for number, samples in values(first, last):
            yield evenly(number * per, len(samples), rate, 0.0), samples

    names = tuple(known.channel for _, known in rows)
    return Signal(kind, rate, 0.0, record.frames / record.rate, blocks, names, taken[0].name), ""


def generate(folder: Path, seed: int) -> Truth:
    """A record of 12 s in one of the formats, by seed."""
    from .generated_edf import wfdb

    return wfdb(folder, seed)


SPEC = ReaderSpec(
    "wfdb", (".hea",), "WFDB records (PhysioNet), named by their header", sniff, read, generate, units=True
)
