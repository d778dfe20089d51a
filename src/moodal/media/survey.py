"""The first pass over a table, and the passes that follow: times in order, columns in groups, memory flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from moodal.core.clock import FloatArray, Span
from moodal.core.errors import InputError

from . import rows
from .header import Header
from .stamps import Stamps, stamps
from .units import Sampled, Units

__all__ = ["Group", "Survey", "survey"]

#: Rows of a table that is put in order in memory; above it one must be in order.
MOST_SORTED = 4_000_000
#: A step back of more than this (s) is a clock that starts anew, not rows out of order.
FARTHEST_BACK_S = 60.0
#: Markers that are kept, and rows that may share one time stamp.
MOST_NOTES, MOST_ALIKE = 100_000, 1 << 18
SUMMER_S = (3500.0, 3700.0)


@dataclass
class Group:
    """Columns that make one stream: of one kind, filled in the same rows."""

    kind: str
    columns: tuple[int, ...]
    rate: float | None = None
    sparse: bool = False
    start: float = np.inf
    end: float = -np.inf
    filled: int = 0
    steps: Sampled = field(default_factory=Sampled)


@dataclass
class Survey:
    """What the first pass found; times are absolute (POSIX, or the device's clock). ``zero`` is the first row's."""

    source: rows.Opened
    header: Header
    where: str
    clock: Stamps | None
    stated_rate: float | None
    groups: list[Group]
    sampled: dict[int, Sampled]
    zero: float = 0.0
    n: int = 0
    sort: bool = False
    spread: bool = False
    step: float = 0.0
    notes: list[tuple[float, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def basis(self) -> Literal["utc", "local", "device"]:
        """What the clock counts from."""
        return "device" if self.clock is None else self.clock.basis

    @property
    def resolution_s(self) -> float:
        """The last digit of the stamps, s."""
        return 0.0 if self.clock is None else self.clock.resolution_s

    def raw(
        self, columns: Sequence[int], texts: Sequence[int] = ()
    ) -> Iterator[tuple[FloatArray, dict[int, Any], int]]:
        """Times ``(n,)`` as they stand, columns by number, and how many rows of the block were none."""
        header = self.header
        names = [str(k) for k in range(len(header.names))]
        skip = header.skip
        wanted = sorted({*columns, *texts, *(() if header.time is None else (header.time,))})
        as_text = [str(k) for k in texts]
        if self.clock is not None and self.clock.text:
            as_text.append(str(header.time))
        counted = 0
        for block in rows.lines(self.source, self.where):
            while skip and block:
                block = block.partition(b"\n")[2]
                skip -= 1
            if not block.strip():
                continue
            found, bad = rows.table(block, names, [str(k) for k in wanted], as_text, header.delimiter, header.decimal)
            n = len(next(iter(found.values())))
            times: FloatArray
            if self.clock is None:
                assert self.stated_rate is not None
                times = header.start_s + np.arange(counted, counted + n) / self.stated_rate
                counted += n
            else:
                times = self.clock.seconds(found[str(header.time)])
            yield times, {k: found[str(k)] for k in (*columns, *texts)}, bad

    def ordered(self, columns: Sequence[int]) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Times ``(n,)`` on the recording's clock, rising, and the columns' values ``(n, columns)``."""
        parts = ((t, np.column_stack([c[k] for k in columns])) for t, c, _ in self.raw(columns))
        good: Iterator[tuple[FloatArray, FloatArray]] = (
            (t[keep], v[keep]) for t, v in parts if (keep := np.isfinite(t)).any()
        )
        if self.sort:
            good = _sorted(good)
        if self.spread:
            good = _spread(good, self.step)
        last = -np.inf
        for times, values in good:
            # Rows are in order here, so what does not rise repeats the stamp before it.
            times = times - self.zero
            rising = np.diff(times, prepend=last) > 0
            if not rising.all():
                times, values = times[rising], values[rising]
            if len(times):
                last = times[-1]
                yield times, values

    def blocks(self, group: Group, span: Span) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Times on the recording's clock and values in the file's unit, of one group."""
        for times, values in self.ordered(group.columns):
            if times[-1] < span.start:
                continue
            if group.sparse:
                keep = np.isfinite(values).any(axis=1)
                times, values = times[keep], values[keep]
            if len(times):
                yield times, values


def _sorted(parts: Iterator[tuple[FloatArray, FloatArray]]) -> Iterator[tuple[FloatArray, FloatArray]]:
    held = list(parts)
    times, values = np.concatenate([t for t, _ in held]), np.concatenate([v for _, v in held])
    order = np.argsort(times, kind="stable")
    yield times[order], values[order]


def _spread(parts: Iterator[tuple[FloatArray, FloatArray]], step: float) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Rows of one stamp evenly between it and the next; ``step`` s where no next one follows near."""
    held_t: FloatArray = np.empty(0)
    held_v: FloatArray | None = None

    def even(times: FloatArray, after: float) -> FloatArray:
        firsts = np.flatnonzero(np.diff(times, prepend=-np.inf) > 0)
        counts = np.diff(np.append(firsts, len(times)))
        nexts = np.append(times[firsts][1:], after)
        lengths = np.minimum(nexts - times[firsts], step)
        within = np.arange(len(times)) - np.repeat(firsts, counts)
        return np.asarray(times + within * np.repeat(lengths / counts, counts))

    for times, values in parts:
        times = np.concatenate([held_t, times])
        values = values if held_v is None else np.concatenate([held_v, values])
        cut = int(np.searchsorted(times, times[-1]))
        if cut:
            yield even(times[:cut], times[-1]), values[:cut]
        held_t, held_v = times[cut:], values[cut:]
    if held_v is not None and len(held_t):
        yield even(held_t, held_t[0] + step), held_v


def survey(source: rows.Opened, header: Header, rate: float | None, units: Units, path: Path) -> Survey:
    """One pass over all rows.

    Raises
    ------
    InputError : no times, or times that go back where they cannot be put in order.
    """
    where = str(path)
    clock = None
    if header.time is not None:
        name = header.names[header.time]
        clock = stamps(name, [row[header.time] for row in header.first], units, where)
    kinds: dict[str, list[int]] = {}
    for k, known in header.labels.items():
        if known.kind != "notes":
            kinds.setdefault(known.kind, []).append(k)
    groups = [Group(kind, tuple(columns)) for kind, columns in kinds.items()]
    if any(len(g.columns) > 1 and g.kind in ("hr", "ibi") for g in groups):
        groups = [Group(g.kind, (k,)) for g in groups for k in (g.columns if g.kind in ("hr", "ibi") else ())] + [
            g for g in groups if g.kind not in ("hr", "ibi")
        ]
    columns = [k for g in groups for k in g.columns]
    found = Survey(source, header, where, clock, rate, groups, {k: Sampled() for k in columns})
    texts = [k for k, known in header.labels.items() if known.kind == "notes"]
    _settle(found, _pass(found, columns, texts))
    return found


def _pass(found: Survey, columns: list[int], texts: list[int]) -> int:
    """All rows once; how many stamps differ."""
    steps, back, most_back, alike, run, bad, lost = Sampled(), 0, 0.0, 0, 1, 0, 0
    last, distinct, told = None, 0, ""
    zero, end = np.inf, -np.inf
    lasts: dict[int, float] = {}
    notes: list[tuple[float, str]] = []
    for times, values, wrong in found.raw(columns, texts):
        bad += wrong
        good = np.isfinite(times)
        lost += int((~good).sum())
        if not good.any():
            continue
        t = times[good]
        step = np.diff(t, prepend=t[0] if last is None else last)
        back += int((step < 0).sum())
        most_back = max(most_back, -float(step.min()))
        moved = step > 0
        distinct += int(moved.sum()) + (last is None)
        alike += int((step == 0).sum()) - (last is None)
        stays = np.flatnonzero(np.concatenate([[True], moved, [True]]))
        run = int(np.diff(stays).max()) if len(stays) > 1 else run
        if run > MOST_ALIKE:
            raise InputError(
                "its time stamps do not move", where=found.where, fix="Export it with the time of each sample."
            )
        steps.add(step[moved])
        last = t[-1]
        zero, end = min(zero, float(t.min())), max(end, float(t.max()))
        found.n += len(t)
        for k in columns:
            found.sampled[k].add(values[k][good])
        for number, group in enumerate(found.groups):
            filled = np.isfinite(np.column_stack([values[k][good] for k in group.columns])).any(axis=1)
            at = t[filled]
            if len(at):
                group.start, group.end = min(group.start, float(at.min())), max(group.end, float(at.max()))
                group.filled += len(at)
                group.steps.add(np.diff(at, prepend=lasts.get(number, np.nan)))
                lasts[number] = float(at[-1])
        for k in texts:
            told = _markers(t, [c for c, keep in zip(values[k], good, strict=True) if keep], told, notes)
    if not found.n:
        raise InputError("holds no row with a time", where=found.where, fix="Export it again.")
    _say(found, bad, lost)
    _order(found, steps, back, most_back, alike, distinct, end - zero)
    found.zero = zero
    found.notes = [(t - zero, text) for t, text in sorted(notes)]
    return distinct


def _markers(times: FloatArray, cells: list[str | None], told: str, notes: list[tuple[float, str]]) -> str:
    """Note each text where it begins; a cell that repeats the one above it is the same marker."""
    for at, cell in enumerate(cells):
        text = " ".join((cell or "").split())[:200]
        text = "" if text in ("0", "0.0", "nan", "NaN") else text
        if text and text != told and len(notes) < MOST_NOTES:
            notes.append((float(times[at]), text))
        told = text
    return told


def _say(found: Survey, bad: int, lost: int) -> None:
    if bad:
        found.warnings.append(f"{rows.counted(bad)} with too many or too few cells left out")
    if lost:
        found.warnings.append(f"{rows.counted(lost)} without a readable time left out")


def _order(
    found: Survey, steps: Sampled, back: int, most_back: float, alike: int, distinct: int, length: float
) -> None:
    """Decide how rows come into order, and say so."""
    middle = float(np.median(steps.values)) if len(steps.values) else 0.0
    if back:
        if found.basis == "local" and SUMMER_S[0] <= most_back <= SUMMER_S[1]:
            raise InputError(
                "its clock steps back an hour (the end of summer time?) and states no zone",
                where=found.where, fix="Export times in UTC or with their zone.",
            )  # fmt: skip
        if most_back > FARTHEST_BACK_S:
            raise InputError(
                f"its clock steps back by {most_back:.6g} s in {back} places", where=found.where,
                fix="Split it where the clock starts anew.",
            )  # fmt: skip
        if found.n > MOST_SORTED:
            raise InputError(f"its {found.n} rows are not in order of time", where=found.where, fix="Sort them.")
        found.sort = True
        found.warnings.append(f"{back} time stamps step back; its rows are sorted by time")
    elif found.basis == "local" and len(steps.values) and SUMMER_S[0] <= float(steps.values.max()) <= SUMMER_S[1]:
        found.warnings.append("its clock jumps an hour and states no zone: summer time or a pause, nobody can tell")
    if alike and not back and alike >= 0.5 * found.n:
        found.spread, found.step = True, middle or 1.0
        found.warnings.append(
            f"its stamps repeat ({found.n / max(distinct, 1):.0f} rows a stamp); rows are spread evenly between them"
        )
    elif alike:
        found.warnings.append(f"{alike} rows repeat the time stamp of another one and are left out")
    if found.spread:
        found.step = middle if middle > 0 else 1.0
    if length <= 0 and found.n > 1:
        raise InputError("its time stamps do not move", where=found.where, fix="Export the time of each sample.")


def _settle(found: Survey, distinct: int) -> None:
    """Rates of the groups: of the rows where they are full, of their own cells where most are empty."""
    for group in found.groups:
        if not group.filled:
            continue
        share = group.filled / found.n
        group.sparse = share < 0.6 or group.kind == "ibi"
        steps = group.steps.values
        if found.sort:
            times = [t[np.isfinite(v).any(axis=1)] for t, v in found.ordered(group.columns)]
            steps = np.diff(np.concatenate(times))
        steps = steps[steps > 0]
        if found.clock is None and not group.sparse:
            group.rate = found.stated_rate
        elif found.spread:
            group.rate = _nice(group.filled / max(distinct, 1) / found.step)
            group.end += found.step - 1 / group.rate
        elif len(steps):
            middle = float(np.median(steps))
            near = steps[(steps > 0.5 * middle) & (steps < 1.5 * middle)]
            group.rate = _nice(1 / float(near.mean() if len(near) else middle))
            spread = np.percentile(steps, (25, 75))
            if group.kind not in ("hr", "ibi") and spread[1] > 1.5 * spread[0]:
                found.warnings.append(f"the steps between samples of {group.kind} vary: its rate is only their middle")
        elif found.stated_rate:
            group.rate = found.stated_rate
        if not group.sparse:
            group.start, group.end = min(group.start, found.zero), group.end
    stated, timed = found.stated_rate, [g.rate for g in found.groups if g.rate and not g.sparse]
    if stated and found.clock is not None and timed and abs(timed[0] / stated - 1) > 0.05:
        found.warnings.append(f"states {stated:g} Hz, but its time stamps make {timed[0]:.6g} Hz, which counts")


def _nice(rate: float) -> float:
    """A rate whose last digits come from rounded stamps, made whole."""
    whole = round(rate)
    return float(whole) if whole >= 1 and abs(rate / whole - 1) < 2e-3 else rate
