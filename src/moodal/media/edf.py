"""EDF, EDF+ (continuous and with gaps), BDF and BDF+: signals and annotations, read record by record.

Written here because what is needed is what libraries refuse: files that break off, records with gaps between them,
annotations alone. pyEDFlib is the oracle of the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten
from typing import IO, Any, Literal

import numpy as np

from moodal.core.clock import FloatArray, Span
from moodal.core.errors import InputError
from moodal.core.recording import Loss, Recording
from moodal.core.stream import SIGNAL_KINDS, Cue

from .reader import ReaderSpec, Truth, sha256_of
from .signals import Signal, assembled
from .units import Label, Unit, Units, declared, doubt, known_as, unit_of

__all__ = ["SPEC"]

EXTENSIONS = (".edf", ".bdf")
#: Channels of a file, bytes of a data record, samples in it: more than any device writes.
MOST_CHANNELS, MOST_BYTES = 4096, 64 << 20
#: Bytes of records read at once, and records whose values are looked at to check units.
BLOCK, LOOKED = 1 << 20, 24
MOST_NOTES = 200_000
#: Channels that are known and not read: nothing is said of them.
_ASIDE = re.compile(r"status|.*\bs[ap]o2\b.*|trigger|.*annotations|marker|event|battery.*|counter", re.IGNORECASE)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def sniff(path: Path, head: bytes) -> bool:
    """By the first eight bytes and the length of the header that they announce."""
    return head[:8] in (b"0       ", b"\xffBIOSEMI") and head[184:192].strip().isdigit()


@dataclass(frozen=True)
class _Channel:
    """One channel: where its samples lie in a record (bytes), how many, and how they become physical."""

    name: str
    at: int
    n: int
    gain: float
    zero: float
    dimension: str
    notes: bool


@dataclass
class _File:
    """What the header says, checked against the file; ``onsets`` of records in s where they are not even."""

    path: Path
    offset: int
    width: int
    record: int
    seconds: float
    records: int
    channels: list[_Channel]
    start: datetime | None
    plus: bool
    gaps: bool
    onsets: FloatArray | None = None
    zero: float = 0.0


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), fix="Is it still there?") from error


def _header(path: Path, warnings: list[str]) -> _File:
    where = str(path)

    def wrong(what: str) -> InputError:
        return InputError(what, where=where, fix="Copy or export it again; the header of an EDF or BDF is damaged.")

    with _opened(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(256)
        if len(head) < 256:
            raise wrong("breaks off in its header")
        width = 3 if head[0] == 0xFF else 2
        n = _whole(head[252:256])
        if n is None or not 0 < n <= MOST_CHANNELS:
            raise wrong("does not say how many channels it has")
        more = file.read(256 * n)
    if len(more) < 256 * n:
        raise wrong("breaks off in its header")
    fields: list[list[str]] = []
    at = 0
    for length in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
        cells = [more[at + k * length : at + (k + 1) * length] for k in range(n)]
        fields.append([c.decode("latin-1").replace("\x00", " ").strip() for c in cells])
        at += n * length
    reserved = head[192:236].decode("latin-1")
    seconds = _number(head[244:252].decode("latin-1"))
    channels, record = _channels(fields, width, wrong)
    signals = [c for c in channels if not c.notes]
    if signals and not (np.isfinite(seconds) and 0 < seconds <= 86_400):
        raise wrong(f"says that a record lasts {seconds:g} s")
    there, rest = divmod(max(size - 256 * (n + 1), 0), record)
    said = _whole(head[236:244]) or 0
    records = there if said < 0 else min(there, said)
    if said > there or (rest and said < 0):
        cut = f"; {there * seconds:.6g} s of {said * seconds:.6g} s" if said > 0 else ""
        warnings.append(Loss(f"{path.name}: breaks off{cut}; what is there is read"))
    if not records:
        raise InputError("holds no whole data record", where=where, fix="Copy or export it again.")
    plus = reserved[:4] in ("EDF+", "BDF+")
    return _File(
        path, 256 * (n + 1), width, record, seconds, records, channels, _start(head, plus), plus, reserved[4:5] == "D"
    )


def _channels(fields: list[list[str]], width: int, wrong: Any) -> tuple[list[_Channel], int]:
    names, _, dimensions, low, high, least, most, _, counts, _ = fields
    channels: list[_Channel] = []
    at = 0
    for k, name in enumerate(names):
        n = _whole(counts[k].encode()) or 0
        if n < 0 or at + n * width > MOST_BYTES:
            raise wrong(f"says that a record holds {n} samples of {name!r}")
        span = _number(most[k]) - _number(least[k])
        gain = (_number(high[k]) - _number(low[k])) / span if span else np.nan
        notes = name in ("EDF Annotations", "BDF Annotations")
        channels.append(_Channel(name, at, n, gain, _number(low[k]) - gain * _number(least[k]), dimensions[k], notes))
        at += n * width
    if not at:
        raise wrong("says that its records are empty")
    return channels, at


def _whole(text: bytes) -> int | None:
    try:
        return int(float(text.decode("latin-1").replace("\x00", " ")))
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float:
    try:
        return float(text.replace("\x00", " ").replace(",", "."))
    except ValueError:
        return float("nan")


def _start(head: bytes, plus: bool) -> datetime | None:
    """The wall clock at the start; ``None`` where there is none or the date was blanked out."""
    day, hour = (head[a : a + 8].decode("latin-1") for a in (168, 176))
    full = re.search(r"Startdate (\d{1,2})-([A-Z]{3})-(\d{4})", head[88:168].decode("latin-1")) if plus else None
    try:
        d, m, y = (int(part) for part in re.split(r"[.\-/:]", day.strip()))
        y += 1900 if y >= 85 else 2000
        if full and full[2] in _MONTHS:
            d, m, y = int(full[1]), _MONTHS.index(full[2]) + 1, int(full[3])
        hours, minutes, seconds = (int(part) for part in re.split(r"[.:]", hour.strip()))
        start = datetime(y, m, d, hours, minutes, seconds, tzinfo=UTC)
    except (ValueError, TypeError):
        return None
    return None if (start.year, start.month, start.day) in ((1985, 1, 1), (2000, 1, 1)) else start


def _annotations(file: _File, warnings: list[str]) -> list[tuple[float, float, str]]:
    """Onset, length and text of every annotation; sets the onsets of records, s from the header's start."""
    columns = [c for c in file.channels if c.notes and c.n]
    found: list[tuple[float, float, str]] = []
    onsets = np.full(file.records, np.nan)
    if not columns or not file.plus:
        return []
    with _opened(file.path) as source:
        for number in range(file.records):
            for which, column in enumerate(columns):
                source.seek(file.offset + number * file.record + column.at)
                for place, (onset, length, texts) in enumerate(_tals(source.read(column.n * file.width))):
                    if place == 0 and which == 0 and np.isnan(onsets[number]):
                        onsets[number] = onset
                    found += [(onset, length, t) for t in texts if t]
            if len(found) > MOST_NOTES:
                warnings.append(f"{file.path.name}: has more than {MOST_NOTES} annotations; the rest is left out")
                break
    if file.gaps or any(not c.notes for c in file.channels):
        known = np.isfinite(onsets)
        first = onsets[0] if known[0] else 0.0
        file.zero = float(first)
        if file.gaps:
            file.onsets = _rising(onsets, file, warnings)
    return found


def _rising(onsets: FloatArray, file: _File, warnings: list[str]) -> FloatArray:
    """Onsets of records with gaps between; those that are missing or go back follow the one before."""
    onsets = onsets.copy()
    wrong = 0
    for k in range(len(onsets)):
        least = onsets[k - 1] + file.seconds if k else file.zero
        if not onsets[k] >= least - 1e-3 * file.seconds:
            onsets[k] = least
            wrong += 1
    if wrong:
        warnings.append(f"{file.path.name}: {wrong} records have no time of their own and follow the one before")
    return onsets


def _tals(data: bytes) -> Iterator[tuple[float, float, list[str]]]:
    """Time-stamped lists of annotations: onset, length, texts."""
    for part in data.split(b"\x00"):
        head, *texts = part.split(b"\x14")
        onset, _, length = head.partition(b"\x15")
        if not re.fullmatch(rb"[+-]\d+(?:\.\d*)?", onset) or not texts:
            continue
        seconds = float(length) if re.fullmatch(rb"\d+(?:\.\d*)?", length) else 0.0
        yield float(onset), seconds, [" ".join(t.decode("utf-8", errors="replace").split())[:500] for t in texts]


def _samples(file: _File, channels: list[_Channel], first: int, last: int) -> Iterator[tuple[int, FloatArray]]:
    """Physical values ``(records, n, channels)`` of records from ``first`` to ``last``, a block at a time."""
    step = max(1, min(BLOCK // file.record, 8 * 4096 // max(channels[0].n, 1)))
    with _opened(file.path) as source:
        for number in range(first, last, step):
            count = min(step, last - number)
            source.seek(file.offset + number * file.record)
            data = source.read(count * file.record)
            if len(data) < count * file.record:
                raise InputError(
                    "became shorter while it was read", where=str(file.path), fix="Copy it again and run again."
                )
            grid = np.frombuffer(data, np.uint8).reshape(count, file.record)
            values = [
                c.gain * _integers(grid[:, c.at : c.at + c.n * file.width], file.width) + c.zero for c in channels
            ]
            yield number, np.stack(values, axis=-1)


def _integers(data: Any, width: int) -> FloatArray:
    if width == 2:
        return np.ascontiguousarray(data).view("<i2").astype(np.float64)
    parts = np.ascontiguousarray(data).reshape(len(data), -1, 3).astype(np.int32)
    whole = parts[..., 0] | parts[..., 1] << 8 | parts[..., 2] << 16
    return np.asarray(np.where(whole & 0x800000, whole - (1 << 24), whole), np.float64)


def read(path: Path, units: Units | None = None) -> Recording:
    """Channels of a known kind, those of one kind and rate as one stream; annotations as notes.

    Raises
    ------
    InputError : no EDF or BDF, or no channel and no annotation that is read; in one line.
    """
    units = units or Units()
    warnings: list[str] = []
    file = _header(path, warnings)
    found = _annotations(file, warnings)
    groups, left = _groups(file, units)
    if left:
        warnings.append(f"{path.name}: {', '.join(left)[:300]}: of no kind that is read, left out (--unit NAME=eeg:uV)")
    signals, refused, bare = [], [], []
    for (kind, n), rows in groups.items():
        signal, why, unstated = _signal(file, kind, n, rows, units)
        if signal is None:
            refused.append(f"{rows[0][0].name}: {why}")
        else:
            signals.append(signal)
            bare += unstated
    warnings += [f"{path.name}: {line}; it is left out" for line in refused]
    if bare:
        warnings.append(f"{path.name}: {', '.join(bare)[:300]} without a unit, taken as it fits (--unit NAME=UNIT)")
    end = max((s.end_s for s in signals), default=np.inf)
    notes = [(t - file.zero, length, text) for t, length, text in found]
    inside = [Cue(t, min(t + length, end), text) for t, length, text in notes if 0 <= t < end]
    if len(inside) < len(notes):
        warnings.append(
            f"{path.name}: {len(notes) - len(inside)} annotations lie outside the recording and are left out"
        )
    if not signals and not inside:
        names = shorten(", ".join(c.name for c in file.channels if not c.notes), 200, placeholder=" …")
        reason = refused[0] if refused else f"has no channel of a kind that is read (it has: {names or 'none'})"
        raise InputError(reason, where=str(path), fix="Say what one is: --unit NAME=eeg:uV.")
    basis: Literal["local", "device"] = "device" if file.start is None else "local"
    epoch = None if file.start is None else file.start.timestamp() + file.zero
    return assembled(
        path, signals, inside, sha256=sha256_of(path), warnings=warnings, epoch_s=epoch,
        epoch_error_ms=None if epoch is None else 1000.0, basis=basis,
    )  # fmt: skip


_Row = tuple[_Channel, Label]


def _groups(file: _File, units: Units) -> tuple[dict[tuple[str, int], list[_Row]], list[str]]:
    """Channels by kind and samples a record; names of those that are of no kind."""
    groups: dict[tuple[str, int], list[_Row]] = {}
    left: list[str] = []
    names = [c.name for c in file.channels]
    sites = sum(known_as(n, units, sites=True) is not None and known_as(n, units) is None for n in names) >= 2
    for channel in file.channels:
        if channel.notes or not channel.n:
            continue
        known = known_as(channel.name, units, sites=sites)
        if known is None or known.kind == "notes":
            if not _ASIDE.fullmatch(channel.name) and channel.name:
                left.append(channel.name)
            continue
        if known.kind == "ppg" and channel.n / file.seconds < 8:
            known = Label("hr", known.channel, known.unit)  # a pulse that comes once a second is a rate
        groups.setdefault((known.kind, channel.n), []).append((channel, known))
    return groups, left


def _signal(file: _File, kind: str, n: int, rows: list[_Row], units: Units) -> tuple[Signal | None, str, list[str]]:
    """The stream of some channels; or why it cannot be; names of channels without a unit."""
    taken: list[Unit] = []
    bare: list[str] = []
    for channel, known in rows:
        stated = declared(channel.name, known, units) or channel.dimension
        unit = unit_of(kind, stated) if stated else None
        if stated and unit is None:
            return None, f"{stated!r} is no unit of {kind}", []
        if not np.isfinite(channel.gain) or not channel.gain or not np.isfinite(channel.zero):
            return None, "says a range of nothing", []
        if unit is None and SIGNAL_KINDS[kind]:
            bare.append(channel.name)
        taken.append(unit or Unit(SIGNAL_KINDS[kind]))
    channels = [c for c, _ in rows]
    looked = np.unique(np.linspace(0, file.records - 1, LOOKED).astype(int))
    sample = np.concatenate([v.reshape(-1, len(rows)) for k in looked for _, v in _samples(file, channels, k, k + 1)])
    whole = [u.convert(sample[:, i]) for i, u in enumerate(taken)]
    if why := doubt(kind, None if bare else Unit(SIGNAL_KINDS[kind]), whole):
        return None, why, []
    rate = n / file.seconds
    ends = file.onsets[-1] - file.zero + file.seconds if file.onsets is not None else file.records * file.seconds

    def blocks(span: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        if file.onsets is None:
            first = int(max(span.start, 0.0) / file.seconds)
            last = int(min(span.end / file.seconds + 2, file.records))
        else:
            first = max(int(np.searchsorted(file.onsets, span.start + file.zero, side="right")) - 1, 0)
            last = int(np.searchsorted(file.onsets, span.end + file.zero)) + 1
        for number, values in _samples(file, channels, max(first - 1, 0), min(last, file.records)):
            count = len(values)
            flat = values.reshape(count * n, len(rows))
            if file.onsets is None:
                times = np.arange(number * n, (number + count) * n) / rate
            else:
                begun = file.onsets[number : number + count] - file.zero
                times = (begun[:, None] + np.arange(n) / rate).ravel()
            yield times, np.column_stack([u.convert(flat[:, i]) for i, u in enumerate(taken)])

    names = tuple(known.channel for _, known in rows)
    signal = Signal(kind, rate, 0.0, float(ends), blocks, names, ", ".join(sorted({u.name for u in taken})))
    return signal, "", bare


def generate(folder: Path, seed: int) -> Truth:
    """A recording of 12 s as EDF, EDF+C, EDF+D, BDF or BDF+C, by seed."""
    from .generated_edf import edf

    return edf(folder, seed)


SPEC = ReaderSpec("edf", EXTENSIONS, "EDF, EDF+, BDF and BDF+", sniff, read, generate, units=True)
