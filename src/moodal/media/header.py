"""How a table of signals is laid out: its separator, its decimal sign, its time column, what each column is."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from moodal.core.errors import InputError

from . import rows
from .stamps import is_time
from .units import Label, label, unit_of

__all__ = ["Header", "header_of", "sidecar"]

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?$")
_META = re.compile(r"^[#%;/\s]*\"?([A-Za-z][\w \[\]()]*?)\"?\s*[:=]\s*(.+?)\s*$")


@dataclass(frozen=True)
class Header:
    """``names`` as the file spells them; ``skip`` lines come before the first row; ``labels`` by column."""

    names: tuple[str, ...]
    skip: int
    delimiter: str
    decimal: str
    time: int | None
    labels: Mapping[int, Label]
    rate_hz: float | None = None
    start_s: float = 0.0
    first: tuple[tuple[str, ...], ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.match(cell.strip()))


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [c.strip() for c in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _delimiter(lines: list[str]) -> str:
    """The separator that cuts the header and the rows alike into most cells."""
    best, most = ",", 1
    for candidate in ("\t", ";", ",", "|"):
        widths = [len(_cells(line, candidate)) for line in lines[:20]]
        alike = sum(w == widths[0] for w in widths)
        if widths[0] > most and alike >= 0.5 * len(widths):
            best, most = candidate, widths[0]
            if candidate in "\t;":
                break  # a comma may then be a decimal sign
    return best


def header_of(text: str, path: Path, *, names: tuple[str, ...] = (), meta: Mapping[str, str] | None = None) -> Header:
    """The layout that the first lines of a table show; ``names`` where it has no header of its own.

    Raises
    ------
    InputError : no header, or nothing in it that is read.
    """
    meta = dict(meta or {})
    lines = text.split("\n")
    skip = 0
    while skip < len(lines) and (lines[skip].lstrip().startswith(("#", "%")) or not lines[skip].strip()):
        if found := _META.match(lines[skip]):
            meta.setdefault(found[1].strip().lower(), found[2])
        skip += 1
    while skip < len(lines) and not names and re.match(r"sep=.$", lines[skip].strip()):
        skip += 1  # a hint for spreadsheets
    body = [line for line in lines[skip:] if line.strip()]
    if not body:
        raise InputError("holds no rows", where=str(path), fix="Export it again.")
    delimiter = "\t" if names else _delimiter(body)
    if not names:
        names = tuple(_cells(body[0], delimiter))
        skip += 1
        body = body[1:]
        if all(_is_number(n) or not n for n in names):
            raise InputError(
                "has no names above its columns", where=str(path), fix="Put a first line such as: time_s,eda_uS"
            )
    units: dict[str, str] = {}
    grid = [_cells(line, delimiter) for line in body[:60]]
    if grid and len(grid[0]) == len(names) and not any(_is_number(c) for c in grid[0]) and _units_row(names, grid[0]):
        units = {n.lower(): u.strip("[]() ") for n, u in zip(names, grid[0], strict=True) if u.strip("[]() ")}
        skip += 1
        grid = grid[1:]
    grid = [row for row in grid if len(row) == len(names)]
    comma = sum(bool(re.match(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?$", c)) for row in grid for c in row)
    point = sum(bool(re.match(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?$", c)) for row in grid for c in row)
    labels = _labels(names, path)
    times = [k for k, name in enumerate(names) if is_time(name) and k not in labels]
    rate = next((_rate(meta[k]) for k in _RATES if k in meta), None)
    start = next((_rate(meta[k]) or 0.0 for k in ("starttime", "start_s") if k in meta), 0.0)
    return Header(
        names, skip, delimiter, "," if comma > point else ".", times[0] if times else None, labels, rate, start,
        tuple(tuple(row) for row in grid), {**{k: v for k, v in meta.items() if k not in _RATES}, **units},
    )  # fmt: skip


_RATES = ("rate_hz", "rate", "sampling rate", "sampling_rate", "samplingfrequency", "sampling frequency", "fs")


def _rate(text: str) -> float | None:
    found = re.match(r"[+-]?\d+(?:\.\d+)?", text.strip())
    return float(found[0]) if found else None


def _units_row(names: tuple[str, ...], cells: list[str]) -> bool:
    """Whether the row below the names states units."""
    found = 0
    for name, cell in zip(names, cells, strict=True):
        known = label(name)
        if known is not None and known.kind != "notes":
            found += unit_of(known.kind, cell.strip("[]() ")) is not None
    return found > 0


def _labels(names: tuple[str, ...], path: Path) -> dict[int, Label]:
    """What each column is; a column called ``value``, or ``x, y, z``, is what its file is called."""
    sites = sum(label(n, sites=True) is not None and label(n) is None for n in names) >= 2
    found = {k: known for k, n in enumerate(names) if (known := label(n, sites=sites)) is not None}
    if not any(known.kind != "notes" for known in found.values()):
        whole = label(path.name.partition(".")[0])
        plain = {"value", "values"} if whole is None or whole.kind != "acc" else {"x", "y", "z"}
        if whole is not None and whole.kind != "notes":
            axes = {k: n.lower() for k, n in enumerate(names) if n.lower() in plain}
            found |= {k: Label(whole.kind, "" if n.startswith("value") else n, None) for k, n in axes.items()}
    return found


def sidecar(path: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names of columns, and rate, start and units, from a JSON file beside the table (as BIDS has them)."""
    stem = path.name
    for suffix in (".gz", ".tsv", ".csv"):
        stem = stem.removesuffix(suffix)
    beside = path.with_name(f"{stem}.json")
    try:
        if not beside.is_file() or beside.stat().st_size > 1 << 20:
            return (), {}
        found = json.loads(beside.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return (), {}
    if not isinstance(found, dict):
        return (), {}
    meta = {str(k).lower(): str(v) for k, v in found.items() if isinstance(v, (int, float, str))}
    for name, said in found.items():
        if isinstance(said, dict) and isinstance(said.get("Units"), str):
            meta[str(name).lower()] = said["Units"]
    columns = found.get("Columns")
    names = tuple(str(c) for c in columns) if isinstance(columns, list) else ()
    return names, meta


def lines_of(source: rows.Opened, where: str, most: int = 1 << 16) -> str:
    """The beginning of a table as text."""
    for block in rows.lines(source, where, most):
        return block.decode("utf-8", errors="replace")
    return ""
