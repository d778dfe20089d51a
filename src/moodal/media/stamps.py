"""Time columns: seconds, milliseconds, POSIX time or ISO 8601, as seconds and what their clock is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError

from .units import Units

__all__ = ["Stamps", "is_time", "stamps"]

_FACTORS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "millis": 1e-3,
    "milliseconds": 1e-3, "us": 1e-6, "microseconds": 1e-6, "ns": 1e-9, "nanoseconds": 1e-9, "min": 60.0,
    "minutes": 60.0, "h": 3600.0, "hours": 3600.0, "posix": 1.0, "unix": 1.0, "epoch": 1.0,
}  # fmt: skip
#: Between 1973 and 2100 in seconds: a clock that counts from 1970, for no recording lasts that long.
_POSIX = (1e8, 4.1e9)
_WORDS = {
    "time", "timestamp", "timestamps", "datetime", "posix", "epoch", "unix", "unixtime", "daqtime", "jstime", "utc",
    "elapsed", "zeit", "date", "t",
}  # fmt: skip
_BRACKETS = re.compile(r"^(.*?)\s*[\[({]\s*([^\])}]*?)\s*[\])}]\s*$")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?$")


def is_time(name: str) -> bool:
    """Whether a column of this name tells the time.

    >>> is_time("time_ms"), is_time("Timestamp [s]"), is_time("unix timestamp"), is_time("eda"), is_time("rr_ms")
    (True, True, True, False, False)
    """
    base, unit = _split(name)
    tokens = [t for t in re.split(r"[\s_\-.:]+", base.lower()) if t]
    return bool(tokens) and (
        any(t in _WORDS for t in tokens[:2]) or (len(tokens) == 1 and tokens[0] in _FACTORS and not unit)
    )


def _split(name: str) -> tuple[str, str]:
    """The name and the unit of time it states."""
    text = name.replace("\ufeff", "").strip()
    if (found := _BRACKETS.match(text)) and found[1]:
        return found[1], found[2].replace("µ", "u").replace("μ", "u").lower()
    tokens = [t for t in re.split(r"[\s_\-.:/]+", text.lower()) if t]
    return text, tokens[-1] if tokens and tokens[-1] in _FACTORS else ""


@dataclass(frozen=True, slots=True)
class Stamps:
    """How cells of a time column become seconds: ``factor`` of a number, or ISO text with a zone or without."""

    text: bool
    factor: float
    basis: Literal["utc", "local", "device"]
    unit: str
    resolution_s: float

    def seconds(self, cells: Any) -> FloatArray:
        """Seconds ``(n,)`` since 1970 (local: by a clock on the wall) or on the device's clock; NaN: no time."""
        if not self.text:
            return np.asarray(cells, np.float64) * self.factor
        return _quickly(cells, self.basis == "utc")


def _quickly(cells: Sequence[str | None], zoned: bool) -> FloatArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        found = pc.cast(pa.array(cells, pa.string()), pa.timestamp("ns", "UTC" if zoned else None))
        nanoseconds = pc.cast(found, pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64)
        return np.asarray(nanoseconds * 1e-9)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return np.array([_one(cell, zoned) for cell in cells])


def _one(cell: str | None, zoned: bool) -> float:
    text = re.sub(r"(?<=\d),(?=\d)", ".", (cell or "").strip().replace(" UTC", "Z").replace("UTC", "Z"))
    text = re.sub(r"\s+(?=[Z+-])", "", text)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return np.nan
    if (when.tzinfo is not None) != zoned:
        return np.nan
    return (when if zoned else when.replace(tzinfo=UTC)).timestamp()


def stamps(name: str, cells: Sequence[str], units: Units, where: str) -> Stamps:
    """How the first cells of a time column are to be read.

    Raises
    ------
    InputError : its stamps are no numbers and not ISO 8601, or its unit is unknown.
    """
    cells = [c.strip() for c in cells if c and c.strip()]
    declared = units.first(name, _split(name)[0], "time")
    unit = (declared or _split(name)[1]).replace("µ", "u").lower()
    if not cells:
        raise InputError(f"its column {name!r} holds no times", where=where, fix="Export it again.")
    values = np.array([_float(c) for c in cells])
    if np.isfinite(values).mean() < 0.5:
        return _iso(name, cells, where)
    if unit and unit not in _FACTORS:
        raise InputError(
            f"{unit!r} is no unit of time (column {name!r})", where=where, fix=f"Say --unit {_plain(name)}=s or ms."
        )
    middle = float(np.nanmedian(values))
    for factor in (_FACTORS[unit],) if unit else (1.0, 1e-3, 1e-6, 1e-9):
        if _POSIX[0] <= middle * factor <= _POSIX[1]:
            shown = {1.0: "s", 1e-3: "ms", 1e-6: "us", 1e-9: "ns"}.get(factor, unit)
            return Stamps(False, factor, "utc", shown, _resolution(cells, factor))
    return Stamps(False, _FACTORS[unit or "s"], "device", unit, 0.0)


def _float(cell: str) -> float:
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return np.nan


def _resolution(cells: Sequence[str], factor: float) -> float:
    """The last digit of the stamps, s."""
    places = max(len(c.replace(",", ".").partition(".")[2].rstrip("0")) for c in cells)
    return float(factor * 10.0**-places)


def _iso(name: str, cells: Sequence[str], where: str) -> Stamps:
    found = [m for c in cells if (m := _ISO.match(c))]
    if len(found) < 0.5 * len(cells):
        raise InputError(
            f"its times ({cells[0][:40]!r} in column {name!r}) are neither numbers nor ISO 8601",
            where=where, fix="Export them as seconds or as 2024-01-31T12:00:00.000Z.",
        )  # fmt: skip
    zones = [m[1] is not None for m in found]
    fractions = max(len(re.split(r"[.,]", m[0])[1].rstrip("Z")[:9]) if re.search(r"[.,]\d", m[0]) else 0 for m in found)
    basis: Literal["utc", "local"] = "utc" if zones[0] else "local"
    return Stamps(True, 1.0, basis, "ISO 8601", 10.0 ** -min(fractions, 6))


def _plain(name: str) -> str:
    return _split(name)[0].strip() or "time"
