"""XDF recordings of Lab Streaming Layer, through pyxdf (extra ``signals``): many senders on the recorder's clock.

pyxdf puts every stream on one clock by the clock offsets that the recorder stored, mends clock resets and evens out
the stamps of regular streams. It reads a whole file at once, so memory grows with length: the one reader that does.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.clock import FloatArray, Span
from moodal.core.errors import InputError, MissingExtra
from moodal.core.recording import ClockJoin, Loss, Recording
from moodal.core.stream import SIGNAL_KINDS, Cue

from .reader import ReaderSpec, Truth, sha256_of
from .signals import INSTANT_S, Signal, assembled
from .units import Label, Unit, Units, declared, doubt, known_as, unit_of

__all__ = ["SPEC"]

#: Starts of streams that differ by more than this (s) count from different clocks.
FARTHEST_S = 7 * 86_400.0
POSIX = 1e8
#: What the recorder's clock is called in the certificate.
RECORDER = "recorder"


def sniff(path: Path, head: bytes) -> bool:
    """By the first four bytes."""
    return head[:4] == b"XDF:"


def _load(path: Path, warnings: list[str]) -> list[dict[str, Any]]:
    try:
        import pyxdf
    except ImportError as error:
        raise MissingExtra("pyxdf", "signals", f"{path.name}: reading XDF") from error
    _check(path, warnings)
    logger = logging.getLogger("pyxdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # what it would say is said here, in one line
    try:
        with np.errstate(all="ignore"):
            streams, _ = pyxdf.load_xdf(str(path))
    except Exception as error:  # a parser fed with hostile bytes raises whatever it likes
        raise InputError(
            f"cannot be read as XDF ({' '.join(str(error).split())[:120] or type(error).__name__})",
            where=str(path), fix="Copy it again, or record it again.",
        ) from error  # fmt: skip
    finally:
        logger.setLevel(before)
    return list(streams)


def _check(path: Path, warnings: list[str]) -> None:
    """Walk over the chunks: lengths that lie are caught before anything is allocated for them."""
    size = path.stat().st_size

    def wrong(at: int) -> InputError:
        return InputError(f"is damaged at byte {at}", where=str(path), fix="Copy it again, or record it again.")

    footers = headers = 0
    with path.open("rb") as file:
        file.seek(4)
        while (at := file.tell()) < size:
            width = file.read(1)
            if width not in (b"\x01", b"\x04", b"\x08"):
                raise wrong(at)
            cell = file.read(width[0])
            length = int.from_bytes(cell, "little")
            if len(cell) < width[0] or at + 1 + width[0] + length > size:
                warnings.append(Loss(f"{path.name}: breaks off; what is there is read"))
                break
            if length < 2:
                raise wrong(at)
            body = file.tell()
            (tag,) = struct.unpack("<H", file.read(2))
            headers += tag == 2
            footers += tag == 6
            if tag == 3 and length >= 7:
                file.read(4)
                (wide,) = file.read(1)
                if wide not in (1, 4, 8) or int.from_bytes(file.read(wide), "little") > length:
                    raise wrong(at)
            file.seek(body + length)
    if headers > footers and not warnings:
        warnings.append(Loss(f"{path.name}: {headers - footers} streams were not closed; what is there is read"))


def _first(found: Any, *names: str) -> str:
    """The first text under nested names of pyxdf's tree; empty where there is none."""
    for name in names:
        if isinstance(found, list):
            found = found[0] if found else None
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, list):
        found = found[0] if found else None
    return str(found).strip() if isinstance(found, str) else ""


def _channels(info: Any, n: int) -> list[dict[str, str]]:
    """Label, type and unit of each channel, empty where the sender states none."""
    try:
        rows = info["desc"][0]["channels"][0]["channel"]
    except (KeyError, IndexError, TypeError):
        rows = []
    rows = rows if isinstance(rows, list) and len(rows) == n else [{}] * n
    return [{key: _first(row, key) for key in ("label", "type", "unit")} for row in rows]


def read(path: Path, units: Units | None = None) -> Recording:
    """Streams of a known type on the recorder's clock, markers as notes; empty ones are left out.

    Raises
    ------
    MissingExtra : pyxdf is not installed.
    InputError : no XDF, damaged beyond reading, streams on different clocks, or nothing in it that is read.
    """
    units = units or Units()
    warnings: list[str] = []
    streams = _load(path, warnings)
    kept: list[tuple[dict[str, Any], FloatArray]] = []
    empty: list[str] = []
    for stream in streams:
        times: FloatArray = np.asarray(stream.get("time_stamps", ()), np.float64)
        if len(times) and np.isfinite(times).any():
            kept.append((stream, times))
        else:
            empty.append(_first(stream["info"], "name") or "a stream without a name")
    if empty:
        warnings.append(f"{path.name}: {', '.join(empty)[:200]}: nothing was recorded, left out")
    if not kept:
        raise InputError("holds no samples", where=str(path), fix="Was anything sending while it was recorded?")
    firsts = {_first(s["info"], "name") or "?": float(np.nanmin(t)) for s, t in kept}
    if max(firsts.values()) - min(firsts.values()) > FARTHEST_S:
        low, high = min(firsts, key=firsts.__getitem__), max(firsts, key=firsts.__getitem__)
        raise InputError(
            f"its streams count from different clocks ({low}: {firsts[low]:.0f} s, {high}: {firsts[high]:.0f} s)",
            where=str(path), fix="Send all with LSL's own clock and record again.",
        )  # fmt: skip
    kept = _of_one_clock(path, kept, warnings, whole=not any("breaks off" in w for w in warnings))
    zero = min(float(np.nanmin(t)) for _, t in kept)
    signals: list[Signal] = []
    notes: list[Cue] = []
    left: list[str] = []
    joins: list[ClockJoin] = []
    for stream, times in kept:
        if _first(stream["info"], "channel_format") == "string" or _first(stream["info"], "type").lower() == "markers":
            notes += _cues(stream, times - zero)
            joins.append(_joined("notes", stream))
            continue
        for signal in _signals(path, stream, times - zero, units, warnings, left):
            signals.append(signal)
            number = sum(s.kind == signal.kind for s in signals)
            joins.append(_joined(signal.kind if number == 1 else f"{signal.kind}{number}", stream))
    if left:
        warnings.append(f"{path.name}: {', '.join(left)[:300]}: of no kind that is read, left out (--unit NAME=eeg:uV)")
    if not signals and not notes:
        raise InputError("holds no stream that is read", where=str(path), fix="Say what one is: --unit NAME=eeg:uV.")
    utc = zero > POSIX
    recording = assembled(
        path, signals, notes, sha256=sha256_of(path), warnings=warnings,
        epoch_s=zero if utc else None, epoch_error_ms=1.0 if utc else None, basis="utc" if utc else "device",
    )  # fmt: skip
    unique = {j.stream: j for j in reversed(joins)}
    return replace(recording, joins=tuple(unique[s.name] for s in recording.streams if s.name in unique))


def _of_one_clock(
    path: Path, kept: list[tuple[dict[str, Any], FloatArray]], warnings: list[str], *, whole: bool
) -> list[tuple[dict[str, Any], FloatArray]]:
    """The streams without those whose clock nobody measured and that do not even overlap one that was.

    Where the file breaks off (not ``whole``) the offsets may be in the part that is lost, and an overlap may be chance:
    such a stream is left out, too.
    """
    sure = [(s, t) for s, t in kept if len(s.get("clock_times", ()))]
    if not sure or len(sure) == len(kept):
        return kept
    start, end = min(float(np.nanmin(t)) for _, t in sure), max(float(np.nanmax(t)) for _, t in sure)
    found = []
    for stream, times in kept:
        inside = float(np.nanmin(times)) <= end and float(np.nanmax(times)) >= start
        if len(stream.get("clock_times", ())) or (inside and whole):
            found.append((stream, times))
        else:
            name = _first(stream["info"], "name") or "a stream without a name"
            why = "it counts from elsewhere" if whole else "they may be in what is lost"
            warnings.append(f"{path.name}: {name}: no clock offsets were stored, and {why}; left out")
    return found


def _joined(name: str, stream: dict[str, Any]) -> ClockJoin:
    """How the stream came onto the recorder's clock: the offsets that were stored, as a line through them."""
    times: FloatArray = np.asarray(stream.get("clock_times", ()), np.float64)
    values: FloatArray = np.asarray(stream.get("clock_values", ()), np.float64)
    good = np.isfinite(times) & np.isfinite(values) if len(times) == len(values) else np.zeros(0, bool)
    if good.sum() < 1:
        return ClockJoin(name, RECORDER, "same file", 0.0)
    times, values = times[good], values[good]
    middle = float(np.median(values))
    slope = 0.0
    if len(times) >= 5 and np.ptp(times) > 30:
        slope = float(np.polyfit(times - times.mean(), values - middle, 1)[0])
        slope = slope if abs(slope) < 1e-3 else 0.0  # a clock that was reset is no drift
    rest = values - middle - slope * (times - times.mean())
    error = 1000 * float(np.median(np.abs(rest - np.median(rest)))) * 1.4826
    return ClockJoin(name, RECORDER, "clock offsets", middle - slope * float(times.mean()), 1e6 * slope, error)


def _cues(stream: dict[str, Any], times: FloatArray) -> Iterator[Cue]:
    for at, row in zip(times.tolist(), stream["time_series"], strict=False):
        cells = [row] if isinstance(row, (str, bytes)) else list(np.atleast_1d(np.asarray(row, object)))
        text = " ".join(" ".join(str(c) for c in cells).split())[:500]
        if text and np.isfinite(at):
            yield Cue(float(at), float(at), text)


def _signals(
    path: Path, stream: dict[str, Any], times: FloatArray, units: Units, warnings: list[str], left: list[str]
) -> Iterator[Signal]:
    """The streams of one sender: its channels by kind."""
    info = stream["info"]
    name, kind = _first(info, "name"), _first(info, "type")
    try:
        samples = np.asarray(stream["time_series"], np.float64)
    except (TypeError, ValueError):
        left.append(name)
        return
    samples = samples.reshape(len(times), -1) if samples.size % max(len(times), 1) == 0 else samples[:0]
    rows = _channels(info, samples.shape[1] if samples.ndim == 2 else 0)
    whole = known_as(name, units) if len(units) else None
    whole = whole or known_as(kind, units, leads=False) or known_as(name, units)
    groups: dict[str, list[tuple[int, Label]]] = {}
    for k, row in enumerate(rows):
        own = known_as(row["type"], units) if row["type"] else None
        known = own or (known_as(row["label"], units) if row["label"] else None) or whole
        if known is None or known.kind == "notes":
            continue
        channel = row["label"] or (str(k + 1) if len(rows) > 1 else "")
        groups.setdefault(known.kind, []).append((k, Label(known.kind, channel, row["unit"] or known.unit)))
    if not groups:
        left.append(name)
    for group, members in groups.items():
        found, why = _signal(info, group, members, times, samples, units, f"{path.name}: {name or group}", warnings)
        if found is None:
            warnings.append(f"{path.name}: {name or group}: {why}; it is left out")
        else:
            yield found


def _signal(
    info: Any, kind: str, members: list[tuple[int, Label]], times: FloatArray, samples: FloatArray, units: Units,
    where: str, warnings: list[str],
) -> tuple[Signal | None, str]:  # fmt: skip
    taken: list[Unit] = []
    bare = False
    for _, known in members:
        stated = declared(_first(info, "name"), known, units)
        unit = unit_of(kind, stated) if stated else None
        if stated and unit is None:
            return None, f"{stated!r} is no unit of {kind}"
        bare = bare or (unit is None and bool(SIGNAL_KINDS[kind]))
        taken.append(unit or Unit(SIGNAL_KINDS[kind]))
    order = np.argsort(times, kind="stable")
    order = order[np.isfinite(times[order])]
    order = order[np.diff(times[order], prepend=-np.inf) > 0]
    if len(order) < len(times):
        warnings.append(f"{where}: {len(times) - len(order)} samples share the time of another one and are left out")
    times = times[order]
    values = np.column_stack([u.convert(samples[order, k]) for u, (k, _) in zip(taken, members, strict=True)])
    values = np.where(np.isfinite(values), values, np.nan)
    step = max(1, len(values) // 50_000)
    if why := doubt(kind, None if bare else Unit(SIGNAL_KINDS[kind]), [c[np.isfinite(c)] for c in values[::step].T]):
        return None, why
    if bare:
        warnings.append(f"{where} states no unit, taken as {SIGNAL_KINDS[kind]}, which its values fit")
    rate = _rate(info, times) if kind != "ibi" else None
    if rate is None and kind not in ("ibi", "hr"):
        return None, "holds too few samples to tell its rate"

    def blocks(_: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        yield times, values

    length = INSTANT_S if rate is None else 1 / rate
    channels = tuple(known.channel for _, known in members)
    return Signal(kind, rate, float(times[0]), float(times[-1]) + length, blocks, channels, taken[0].name), ""


def _rate(info: Any, times: FloatArray) -> float | None:
    """The nominal rate where the stamps bear it out, else that of the stamps."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        return None
    measured = 1 / float(np.median(steps))
    try:
        nominal = float(_first(info, "nominal_srate") or 0)
    except ValueError:
        nominal = 0.0
    return nominal if nominal > 0 and abs(measured / nominal - 1) < 5e-3 else measured


def generate(folder: Path, seed: int) -> Truth:
    """A recording of 12 s from two or three senders whose clocks differ, by seed."""
    from .generated_xdf import xdf

    return xdf(folder, seed)


SPEC = ReaderSpec("xdf", (".xdf",), "XDF recordings of Lab Streaming Layer", sniff, read, generate, units=True)
