"""Tables of signals: CSV and TSV (also gzipped) with a time column or a stated rate, read in blocks.

A first pass over the file learns where it begins and ends, how fast each column is and whether its values can be what
its name and unit say; nothing is kept, so ten million rows need no more memory than ten thousand.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.clock import FloatArray, Span
from moodal.core.errors import InputError
from moodal.core.recording import Loss, Recording
from moodal.core.stream import SIGNAL_KINDS, Cue

from . import rows
from .header import Header, header_of, lines_of, sidecar
from .reader import ReaderSpec, Truth, sha256_of
from .signals import INSTANT_S, Signal, assembled
from .survey import Group, Survey, survey
from .units import Unit, Units, declared, doubt, known_as, unit_of

__all__ = ["SPEC", "read", "source_of"]

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
#: Streams slower than this (Hz) are not what their name says.
_SLOWEST = {"ecg": 40.0, "ppg": 8.0, "emg": 20.0, "eeg": 40.0, "eog": 15.0, "acc": 1.5, "resp": 1.5}
#: A gzip that swells to more than this is taken for an attack.
MOST_BYTES = 32 << 30


def sniff(path: Path, head: bytes) -> bool:
    """By suffix; whatever is not text under such a name is not a table."""
    name = path.name.lower()
    if not name.endswith(_SUFFIXES):
        return False
    if name.endswith(".gz"):
        return head.startswith(b"\x1f\x8b")
    return b"\x00" not in head or head.startswith((b"\xff\xfe", b"\xfe\xff"))


def listed(path: Path) -> bool:
    """Whether a table in a folder holds signals: it has a time or a rate, and a column that is one."""
    try:
        if not sniff(path, path.open("rb").read(4096)):
            return False
        header = _header(path, source_of(path), None)
    except (InputError, OSError):
        return False
    return (header.time is not None or header.rate_hz is not None) and any(
        known.kind != "notes" for known in header.labels.values()
    )


def source_of(path: Path, cut: set[Path] | None = None) -> rows.Opened:
    """Opens the table's bytes, unpacked where it is gzipped; the path joins ``cut`` where that breaks off."""
    return partial(_bytes, path, set() if cut is None else cut)


class _Unpacked:
    """A gzip as it unpacks; one that breaks off ends where it breaks off."""

    def __init__(self, file: gzip.GzipFile, path: Path, cut: set[Path]) -> None:
        self._file, self._path, self._cut, self._n = file, path, cut, 0

    def read(self, size: int) -> bytes:
        data = b""
        try:
            # By parts: what was unpacked before it breaks off is there to be read.
            while len(data) < size and (part := self._file.read1(size - len(data))):
                data += part
        except EOFError:
            self._cut.add(self._path)
        self._n += len(data)
        if self._n > MOST_BYTES:
            raise zlib.error("it unpacks to more than any table")
        return data


@contextmanager
def _bytes(path: Path, cut: set[Path]) -> Iterator[Any]:
    try:
        with path.open("rb") as file:
            if path.suffix.lower() == ".gz":
                with gzip.open(file) as packed:
                    yield _Unpacked(packed, path, cut)
            else:
                yield file
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be read ({reason})", where=str(path), fix="Copy or export it again.") from error


def _header(path: Path, source: rows.Opened, beside: tuple[tuple[str, ...], dict[str, str]] | None) -> Header:
    names, meta = beside if beside is not None else sidecar(path)
    text = lines_of(source, str(path))
    first = text.split("\n", 1)[0].split("\t")
    numeric = all(
        c.strip().replace(".", "").replace("-", "").isdigit() or c.strip().lower() in ("n/a", "nan", "") for c in first
    )
    headless = bool(names) and len(first) == len(names) and (numeric or path.name.lower().endswith("_physio.tsv.gz"))
    return header_of(text, path, names=names if headless else (), meta=meta)


def read(path: Path, units: Units | None = None) -> Recording:
    """The table's columns as streams, on a clock that begins with its first row.

    Raises
    ------
    InputError : no column that is read, no time and no rate, times that cannot be trusted, or values that are not
        what their unit says; in one line.
    """
    units = units or Units()
    cut: set[Path] = set()
    source = source_of(path, cut)
    header = _header(path, source, None)
    units = units.with_(header.units)
    told = {k: known for k, name in enumerate(header.names) if len(units) and (known := known_as(name, units))}
    header = replace(header, labels={**header.labels, **told})
    rate = _stated_rate(units, header, path)
    if not any(known.kind != "notes" for known in header.labels.values()):
        seen = ", ".join(n for n in header.names[:8] if n)
        raise InputError(
            f"has no column that is a signal (it has: {seen[:200]})", where=str(path),
            fix="Name columns eda, ppg, ecg, hr, ibi, resp, temp, acc_x, emg or eeg_Fp1, with units.",
        )  # fmt: skip
    if header.time is None and rate is None:
        raise InputError(
            "has no time column and states no rate", where=str(path), fix="Say its rate, for one: --unit rate=64Hz."
        )
    found = survey(source, header, rate, units, path)
    warnings = [f"{path.name}: {w}" for w in found.warnings]
    if cut:
        warnings.append(Loss(f"{path.name}: breaks off; what is there is read"))
    signals, refused, bare = _signals(found, header, units)
    warnings += [f"{path.name}: {name}: {why}; it is left out" for name, why in refused]
    if bare:
        warnings.append(
            f"{path.name}: {', '.join(bare)} without a unit, taken as it fits their values; say --unit FIELD=UNIT"
        )
    if not signals:
        name, why = refused[0] if refused else ("", "holds no number")
        unit = any(part in why for part in (" are no ", "is no unit"))
        fix = f"State the unit: --unit {name}=UNIT." if unit else "Check how it was exported."
        raise InputError(f"{name}: {why}", where=str(path), fix=fix)
    utc = found.basis != "device"
    notes = [Cue(t, t, text) for t, text in found.notes]
    return assembled(
        path, signals, notes, sha256=sha256_of(path), warnings=warnings,
        epoch_s=found.zero if utc else None, epoch_error_ms=1000 * found.resolution_s if utc else None,
        basis=found.basis,
    )  # fmt: skip


def _stated_rate(units: Units, header: Header, path: Path) -> float | None:
    """The rate that was declared, Hz."""
    said = units.first("rate", "rate_hz")
    if said is None:
        return header.rate_hz
    try:
        rate = float(said.lower().removesuffix("hz").strip())
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1e6:
        raise InputError(f"a rate of {said!r} is none", where=str(path), fix="Say, for one: --unit rate=64Hz.")
    return rate


def _signals(found: Survey, header: Header, units: Units) -> tuple[list[Signal], list[tuple[str, str]], list[str]]:
    """Streams; names and reasons of those left out; names of those whose unit was taken as it fits."""
    kept: list[Signal] = []
    refused: list[tuple[str, str]] = []
    bare: list[str] = []
    for group in found.groups:
        names = [header.names[k] for k in group.columns]
        shown = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
        taken: list[Unit] = []
        why = ""
        for k, name in zip(group.columns, names, strict=True):
            known = header.labels[k]
            stated = declared(name, known, units)
            unit = unit_of(group.kind, stated) if stated else None
            if stated and unit is None:
                why = f"{stated!r} is no unit of {group.kind}"
            taken.append(unit or Unit(SIGNAL_KINDS[group.kind]))
            if not stated and SIGNAL_KINDS[group.kind]:
                bare.append(name)
        samples = [found.sampled[k].values for k in group.columns]
        if not sum(found.sampled[k].finite for k in group.columns):
            why = why or "holds no number"
        whole = [s for s in samples if len(s)]
        if not why and whole:
            stated_unit = None if any(n in bare for n in names) else taken[0]
            same = all(u == taken[0] for u in taken)
            why = doubt(
                group.kind, stated_unit, whole if same else [u.convert(s) for u, s in zip(taken, samples, strict=True)]
            )
        if not why and group.rate is None and group.kind not in ("ibi", "hr"):
            why = "holds too few samples to tell its rate"
        slowest = _SLOWEST.get(group.kind, 0.0)
        if not why and group.rate is not None and group.rate < slowest:
            why = f"{group.rate:.3g} Hz is too slow for {group.kind}: a wrong rate, or something computed from it"
        if why:
            refused.append((shown, why))
            bare = [n for n in bare if n not in names]
            continue
        kept.append(_signal(found, group, tuple(taken), header))
    return kept, refused, bare


def _signal(found: Survey, group: Group, taken: tuple[Unit, ...], header: Header) -> Signal:
    plain = all(u.factor == 1.0 and u.shift == 0.0 and not u.inverse for u in taken)

    def blocks(span: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        for times, values in found.blocks(group, span):
            if not plain:
                values = np.column_stack([u.convert(values[:, i]) for i, u in enumerate(taken)])
            yield times, values

    channels = tuple(header.labels[k].channel for k in group.columns)
    units = {u.name for u in taken}
    rate: float | None = None if group.kind == "ibi" else group.rate
    length = INSTANT_S if rate is None else 1 / rate
    return Signal(
        group.kind, rate, group.start - found.zero, group.end - found.zero + length, blocks, channels,
        units.pop() if len(units) == 1 else ", ".join(u.name for u in taken),
    )  # fmt: skip


def generate(folder: Path, seed: int) -> Truth:
    """A table of 20 s: comma, semicolon with decimal commas or tab; seconds, ms, POSIX, ISO or a rate; by seed."""
    from .generated import table

    return table(folder, seed)


SPEC = ReaderSpec(
    "table", (".csv", ".tsv", ".gz"), "tables of signals (CSV, TSV; also gzipped)", sniff, read, generate,
    units=True, listed=listed,
)  # fmt: skip
