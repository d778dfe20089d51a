"""Muse headbands: the CSV that the apps Mind Monitor and Muse Direct export.

A row a sample of raw EEG (``RAW_TP9`` … in µV, with an offset near 800), with whatever else the app knew last: band
powers (computed, not read), acceleration in g, pulse wave, whether the band was on the head (``HeadBandOn``) and each
electrode's contact (``HSI_TP9``: 1 good, 2 medium, 4 none). Blinks, clenched jaws and markers are rows of their own,
with text in ``Elements`` (scripts that write this layout call it ``Marker``). ``TimeStamp`` tells when a row arrived:
see `packets`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.clock import FloatArray, Span
from moodal.core.errors import InputError
from moodal.core.recording import Loss, Recording
from moodal.core.stream import Cue

from . import rows, table
from .header import Header, header_of, lines_of
from .packets import Clock, Packets
from .reader import ReaderSpec, Truth, sha256_of
from .signals import Signal, assembled
from .stamps import Stamps, stamps
from .units import Sampled, Unit, Units, doubt, unit_of

__all__ = ["SPEC"]

#: Electrodes in the order of the headband, and the rate of the headbands that have them, Hz.
_SITES = ("TP9", "AF7", "FP1", "AF8", "FP2", "TP10")
_RATE_HZ, _OLD_RATE_HZ = 256.0, 220.0
_RAW = re.compile(r"raw_(tp9|af7|af8|fp1|fp2|tp10)", re.IGNORECASE)
_BAND = re.compile(r"(delta|theta|alpha|beta|gamma)_(tp9|af7|af8|fp1|fp2|tp10)", re.IGNORECASE)
#: Columns that the app repeats in every row until the next value comes → kind, how many rows make one of its samples.
_HELD: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "acc": (("accelerometer_x", "accelerometer_y", "accelerometer_z"), 5, ("x", "y", "z")),
    "ppg": (("ppg_ir",), 4, ("",)),
    "hr": (("heart_rate",), 256, ("",)),
}
#: What the app writes of an electrode that does not touch.
_NO_CONTACT = 4.0
#: Fewer rows a second than this are no EEG, Hz; a clock that steps back more than this (s) starts anew.
_SLOWEST_HZ, _FARTHEST_BACK_S = 100.0, 5.0
_ELEMENTS = {"/muse/elements/blink": "blink", "/muse/elements/jaw_clench": "jaw clench"}
#: Markers that are kept.
_MOST_NOTES = 100_000


def sniff(path: Path, head: bytes) -> bool:
    """By the names above its columns: raw EEG or band powers of a Muse's electrodes, with a time."""
    if not path.name.lower().endswith(".csv") or (b"\x00" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))):
        return False
    lines = [
        line for line in rows.text_of(head).splitlines()[:5] if line.strip() and not line.startswith(("#", "sep="))
    ]
    names = [c.strip().strip('"').lower() for c in re.split(r"[,;\t|]", lines[0])] if lines else []
    known = sum(bool(_RAW.fullmatch(n)) for n in names), sum(bool(_BAND.fullmatch(n)) for n in names)
    return any(n.startswith("timestamp") or n == "time" for n in names) and (known[0] >= 2 or known[1] >= 4)


@dataclass
class _File:
    """The file and what its first pass learnt; columns by their number."""

    path: Path
    header: Header
    clock_of: Stamps
    raw: dict[str, int]
    contact: dict[str, int]
    worn: int | None
    texts: list[int]
    held: dict[str, list[int]]
    unit: Unit
    cut: set[Path] = field(default_factory=set)
    rate_hz: float = 0.0
    zero: float = 0.0
    clock: Clock | None = None
    n: int = 0

    def blocks(self, columns: list[int], texts: list[int]) -> Iterator[tuple[FloatArray, dict[int, Any], int]]:
        """Stamps ``(m,)`` s, columns by number, and rows that were none, a block of lines at a time."""
        h = self.header
        assert h.time is not None
        names = [str(k) for k in range(len(h.names))]
        as_text = [str(k) for k in texts] + ([str(h.time)] if self.clock_of.text else [])
        wanted = [str(k) for k in sorted({*columns, *texts, h.time})]
        skip = h.skip
        for block in rows.lines(table.source_of(self.path, self.cut), str(self.path)):
            while skip and block:
                block = block.partition(b"\n")[2]
                skip -= 1
            if block.strip():
                found, bad = rows.table(block, names, wanted, as_text, h.delimiter, h.decimal)
                yield self.clock_of.seconds(found[str(h.time)]), {k: found[str(k)] for k in (*columns, *texts)}, bad

    def eeg(self, extra: list[int]) -> Iterator[tuple[FloatArray, dict[int, Any]]]:
        """Times on the recording's clock and columns, of the rows that hold raw EEG."""
        assert self.clock is not None
        at = 0
        for times, found, _ in self.blocks([*self.raw.values(), *extra], []):
            keep = np.isfinite(times) & np.isfinite(np.column_stack([found[k] for k in self.raw.values()])).any(axis=1)
            n = int(keep.sum())
            if n:
                yield self.clock.times(at, n) - self.zero, {k: v[keep] for k, v in found.items()}
            at += n


def read(path: Path, units: Units | None = None) -> Recording:
    """EEG of the headband's electrodes, acceleration, pulse and markers, on one clock.

    Samples of an electrode without contact, and all while the band was off the head, are not finite. ``units`` may say
    what an auxiliary channel is (``AUX_RIGHT=ecg:uV``), or that the EEG has another unit (``eeg=mV``).

    Raises
    ------
    InputError : no raw EEG (band powers alone, or saved once a second), no times, names that repeat, values that are no
        EEG; in one line.
    """
    units = units or Units()
    where = str(path)
    file = _opened(path, units)
    auxiliary = {k: known for k, name in enumerate(file.header.names) if (known := _declared(name, units)) is not None}
    warnings, notes = _survey(file)
    length = 1 / file.rate_hz
    assert file.clock is not None
    first, last = (float(file.clock.times(k, 1)[0]) - file.zero for k in (0, file.n - 1))
    names = tuple(file.raw)
    signals = [Signal("eeg", file.rate_hz, first, last + length, _eeg(file), names, file.unit.name)]
    for k, (kind, unit) in auxiliary.items():
        name = file.header.names[k]
        signals.append(Signal(kind, file.rate_hz, first, last + length, _column(file, k, unit), (name,), unit.name))
    for kind, columns in file.held.items():
        _, every, channels = _HELD[kind]
        if _any(file, columns, every):
            end, unit_told = last + every * length, {"acc": "g", "hr": "1/min"}.get(kind, "")
            blocks = _thinned(file, columns, every, kind)
            signals.append(Signal(kind, file.rate_hz / every, first, end, blocks, channels, unit_told))
    if file.cut:
        warnings.append(Loss(f"{path.name}: breaks off; what is there is read"))
    stamped = file.clock_of.basis != "device"
    cues = [Cue(t - file.zero, t - file.zero, text) for t, text in notes if t - file.zero >= 0]
    if not signals:
        raise InputError("holds no signal", where=where, fix="Export it again.")
    return assembled(
        path, signals, cues, sha256=sha256_of(path), warnings=warnings, epoch_s=file.zero if stamped else None,
        epoch_error_ms=1000 * file.clock_of.resolution_s if stamped else None, basis=file.clock_of.basis,
    )  # fmt: skip


def _opened(path: Path, units: Units) -> _File:
    """The layout that its first lines show."""
    where = str(path)
    header = header_of(lines_of(table.source_of(path), where), path)
    lower = [n.lower() for n in header.names]
    found = {m[1].upper(): k for k, n in enumerate(lower) if (m := _RAW.fullmatch(n))}
    if not found:
        raise InputError(
            "holds band powers without raw EEG", where=where,
            fix="In Mind Monitor choose the recording interval 'Constant', which saves RAW_TP9 and the others.",
        )  # fmt: skip
    twice = sorted({n for n in lower if lower.count(n) > 1 and _RAW.fullmatch(n)})
    if twice:
        raise InputError(f"names {twice[0].upper()} twice", where=where, fix="Which of them is it? Rename the other.")
    if header.time is None:
        raise InputError("has no column TimeStamp", where=where, fix="Export it again, with times.")
    stated = units.first("eeg", *(header.names[k] for k in found.values()))
    unit = unit_of("eeg", (stated or "uV").rpartition(":")[2])
    if unit is None:
        raise InputError(f"{stated!r} is no unit of eeg", where=where, fix="Say uV, mV or V.")
    clock = stamps(header.names[header.time], [row[header.time] for row in header.first], units, where)
    held = {kind: [lower.index(n) for n in names] for kind, (names, *_) in _HELD.items() if set(names) <= set(lower)}
    return _File(
        path, header, clock, {s: found[s] for s in _SITES if s in found},
        {s: lower.index(f"hsi_{s.lower()}") for s in found if f"hsi_{s.lower()}" in lower},
        lower.index("headbandon") if "headbandon" in lower else None,
        [k for k, n in enumerate(lower) if n in ("elements", "marker")], held, unit,
        rate_hz=_OLD_RATE_HZ if "FP1" in found else _RATE_HZ,
    )  # fmt: skip


def _declared(name: str, units: Units) -> tuple[str, Unit] | None:
    """What the user says an auxiliary channel is: its kind and unit."""
    kind, _, text = (units.first(name) or "").partition(":")
    unit = unit_of(kind, text) if text and kind in ("ecg", "emg", "eog", "eeg", "ppg", "eda") else None
    return None if unit is None or _RAW.fullmatch(name) else (kind, unit)


def _survey(file: _File) -> tuple[list[str], list[tuple[float, str]]]:
    """One pass (two, where the headband has another rate than its electrodes say): clock, doubts, markers."""
    warnings, notes, packets = _pass(file)
    rate = packets.rate()
    where = str(file.path)
    if file.n < 2 or not rate:
        raise InputError("holds no raw EEG", where=where, fix="Was the headband connected? Record it again.")
    if rate < _SLOWEST_HZ:
        raise InputError(
            f"its raw EEG was saved {rate:.3g} times a second, which is no EEG", where=where,
            fix="In Mind Monitor choose the recording interval 'Constant'.",
        )  # fmt: skip
    if packets.back_s > _FARTHEST_BACK_S:
        raise InputError(
            f"its clock steps back by {packets.back_s:.6g} s", where=where, fix="Split it where the clock starts anew."
        )
    if abs(rate / file.rate_hz - 1) > 0.05:
        warnings.append(f"{file.path.name}: its stamps make {rate:.4g} Hz, a Muse has {file.rate_hz:g}; theirs count")
        file.rate_hz = float(round(rate))
        _, _, packets = _pass(file)
    file.clock = packets.clock()
    file.rate_hz = 1 / file.clock.step
    lost = float(file.clock.lost.sum())
    if lost:
        warnings.append(f"{file.path.name}: packets were lost in {len(file.clock.lost)} places, {lost:.1f} s in all")
    first = float(file.clock.times(0, 1)[0])
    file.zero = min([first, *(t for t, _ in notes)])
    return warnings, notes


def _pass(file: _File) -> tuple[list[str], list[tuple[float, str]], Packets]:
    packets = Packets(file.rate_hz)
    sampled = {s: Sampled() for s in file.raw}
    notes: list[tuple[float, str]] = []
    off = bad = lost = file.n = 0
    loose = dict.fromkeys(file.contact, 0)
    numbers = [*file.raw.values(), *file.contact.values(), *([] if file.worn is None else [file.worn])]
    for times, found, wrong in file.blocks(numbers, file.texts):
        bad += wrong
        told = np.isfinite(times)
        lost += int((~told).sum())
        filled = np.isfinite(np.column_stack([found[k] for k in file.raw.values()])).any(axis=1) & told
        packets.add(times[filled])
        file.n += int(filled.sum())
        for s, k in file.raw.items():
            sampled[s].add(found[k][filled])
        off += 0 if file.worn is None else int((found[file.worn][filled] == 0).sum())
        for s, k in file.contact.items():
            loose[s] += int((found[k][filled] >= _NO_CONTACT).sum())
        for k in file.texts:
            for i in [i for i, cell in enumerate(found[k]) if cell and told[i] and len(notes) < _MOST_NOTES]:
                notes += [(float(times[i]), text)] if (text := _marker(found[k][i])) else []
    name, warnings = file.path.name, []
    if file.n:
        if why := doubt("eeg", file.unit, [s.values for s in sampled.values() if len(s.values)]):
            raise InputError(f"eeg: {why}", where=str(file.path), fix="State the unit: --unit eeg=UNIT.")
        warnings += [f"{name}: {rows.counted(bad)} with too many or too few cells left out"] if bad else []
        warnings += [f"{name}: {rows.counted(lost)} without a readable time left out"] if lost else []
        usual = ("TP9", "FP1", "FP2", "TP10") if {"FP1", "FP2"} & set(file.raw) else ("TP9", "AF7", "AF8", "TP10")
        if absent := [f"RAW_{s}" for s in usual if s not in file.raw]:
            warnings.append(f"{name}: has no column {' and '.join(absent)}; the other electrodes are read")
        if off:
            warnings.append(f"{name}: the band was off the head for {100 * off / file.n:.0f} % of the time")
        bare = [f"{s} {100 * m / file.n:.0f} %" for s, m in loose.items() if m > off]
        if bare:
            warnings.append(f"{name}: electrodes without contact, share of the time: {', '.join(bare)}")
    return warnings, sorted(notes), packets


def _marker(cell: str) -> str:
    """What a cell of ``Elements`` says, in words."""
    text = " ".join(cell.split())[:200]
    if text in ("0", "0.0", "nan"):
        return ""
    known = _ELEMENTS.get(text)
    if known:
        return known
    found = re.fullmatch(r"/?marker/(.+)", text, re.IGNORECASE)
    return f"marker {found[1]}" if found else text.removeprefix("/muse/event/")


Blocks = Callable[[Span], Iterator[tuple[FloatArray, FloatArray]]]


def _eeg(file: _File) -> Blocks:
    beside = [*file.contact.values(), *([] if file.worn is None else [file.worn])]

    def blocks(span: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        for times, found in file.eeg(beside):
            if times[-1] < span.start:
                continue
            values = file.unit.convert(np.column_stack([found[k] for k in file.raw.values()]))
            for i, s in enumerate(file.raw):
                if s in file.contact:
                    values[found[file.contact[s]] >= _NO_CONTACT, i] = np.nan
            if file.worn is not None:
                values[found[file.worn] == 0] = np.nan
            yield times, values

    return blocks


def _column(file: _File, k: int, unit: Unit) -> Blocks:
    def blocks(span: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        for times, found in file.eeg([k]):
            if times[-1] >= span.start:
                yield times, unit.convert(found[k])[:, None]

    return blocks


def _thinned(file: _File, columns: list[int], every: int, kind: str) -> Blocks:
    """Every so manieth row of columns that repeat their last value; a heart rate of 0 is none."""

    def blocks(span: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        at = 0
        for times, found in file.eeg(columns):
            first = -at % every
            at += len(times)
            values = np.column_stack([found[k][first::every] for k in columns])
            keep = np.isfinite(values).all(axis=1) & ((values[:, 0] > 0) if kind == "hr" else True)
            if keep.any() and times[-1] >= span.start:
                yield times[first::every][keep], values[keep]

    return blocks


def _any(file: _File, columns: list[int], every: int) -> bool:
    """Whether the app ever had a value there: without the sensor the column is empty or 0."""
    return any(np.abs(v).max() > 0 for _, v in _thinned(file, columns, every, "")(Span(0.0, np.inf)))


def generate(folder: Path, seed: int) -> Truth:
    """An export of 20 s with packets of twelve, by seed with or without band powers, pulse, markers and old names."""
    from .generated_muse import muse

    return muse(folder, seed)


SPEC = ReaderSpec("muse", (".csv",), "Muse headbands (CSV of Mind Monitor, Muse Direct)", sniff, read, generate,
                  units=True, listed=lambda path: sniff(path, path.open("rb").read(4096)))  # fmt: skip
