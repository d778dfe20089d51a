"""Columns of numbers out of large text tables, and samples that bear a time each as evenly sampled `Channels`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError

from .windows import Channels

__all__ = ["columns", "even", "window_means", "write_columns"]


def columns(
    path: Path, names: Sequence[str], *, texts: Sequence[str] = (), headless: bool = False, delimiter: str = ","
) -> dict[str, npt.NDArray[Any]]:
    """The columns ``names`` as float64 ``(n,)`` (empty cells NaN) and ``texts`` as text, of a table with a header line;
    of a ``headless`` one ``names`` are all its columns, in order.

    Raises
    ------
    InputError : not readable, a column that is not there or stands twice, a row of another length, a cell that is no
        number; with the row where it is known.
    """
    import pyarrow as pa
    from pyarrow import csv

    where = str(path)
    wanted = {**dict.fromkeys(names, pa.float64()), **dict.fromkeys(texts, pa.string())}
    try:
        if not headless:
            with path.open("rb") as file:
                head = file.readline(1 << 16).decode("utf-8-sig").strip()
            have = [c.strip().strip('"') for c in head.split(delimiter)]
            if lost := [n for n in wanted if n not in have]:
                raise InputError(f"has no column {', '.join(lost)}", where=where, fix="Get the file again.")
            if twice := [n for n in wanted if have.count(n) > 1]:
                raise InputError(f"has two columns called {twice[0]}", where=where, fix="Get the file again.")
        found = csv.read_csv(
            path,
            csv.ReadOptions(column_names=list(names) if headless else have, skip_rows=0 if headless else 1),
            csv.ParseOptions(delimiter=delimiter, invalid_row_handler=_refuse),
            csv.ConvertOptions(column_types=wanted, include_columns=list(wanted), strings_can_be_null=False),
        )
    except (OSError, ValueError, pa.ArrowException) as error:
        what = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        raise InputError(f"cannot be read as a table ({what})", where=where, fix="Get the file again.") from error
    if not len(found):
        raise InputError("holds no rows", where=where, fix="Get the file again.")
    told: dict[str, npt.NDArray[Any]] = {n: found.column(n).to_numpy() for n in names}
    return told | {n: np.array(found.column(n).to_pylist(), object) for n in texts}


def _refuse(row: Any) -> str:
    """A row of another length than the header is an error (what this returns), not a row to be left out."""
    return "error"


def write_columns(path: Path, table: Iterable[tuple[str, npt.NDArray[Any]]], delimiter: str = ",") -> Path:
    """A table of numbers and text with a header line (without one, where names are empty): for generated twins."""
    import pyarrow as pa
    from pyarrow import csv

    held = list(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [name or str(k) for k, (name, _) in enumerate(held)]
    made = pa.table([pa.array(v) for _, v in held], names=names)
    options = csv.WriteOptions(
        include_header=bool(held[0][0]), delimiter=delimiter, quoting_style="none", batch_size=1 << 16
    )
    csv.write_csv(made, path, options)
    return path


def even(
    times: FloatArray,
    values: FloatArray,
    rate_hz: float,
    where: str,
    *,
    hole_s: float | None = None,
    resample: bool = False,
) -> Channels:
    """Samples ``values (n, channels)`` taken at ``times (n,)`` s on the grid of ``rate_hz`` that begins with the first.

    A stamp that repeats keeps its first sample. Between samples the line that joins them holds (a sample on the grid is
    itself); in holes longer than ``hole_s`` (three samples, if not said) the grid is NaN. ``resample``: the samples
    have another rate than the grid.

    Raises
    ------
    InputError : no finite sample, times that go back, or a rate that the times do not bear out (a fifth off).
    """
    known = np.isfinite(times) & np.isfinite(values).any(axis=1)
    times, values = times[known], values[known]
    if not len(times):
        raise InputError("holds no samples", where=where, fix="Get the file again.")
    steps = np.diff(times, prepend=-np.inf)
    if (steps < 0).any():
        at = int(np.flatnonzero(steps < 0)[0])
        raise InputError(f"its times go back at row {at + 1}", where=where, fix="Get the file again.")
    times, values = times[steps > 0], values[steps > 0]
    if len(times) > 2 and not resample:
        own = 1 / float(np.median(np.diff(times)))
        whole = (len(times) - 1) / float(times[-1] - times[0])
        if not (0.8 <= own / rate_hz <= 1.25 or 0.8 <= whole / rate_hz <= 1.25):
            raise InputError(f"its times make {own:.4g} Hz, not {rate_hz:g}", where=where, fix="Get the file again.")
    n = int(np.floor((times[-1] - times[0]) * rate_hz + 1e-6)) + 1
    grid = times[0] + np.arange(n) / rate_hz
    out = np.column_stack([np.interp(grid, times, values[:, k]) for k in range(values.shape[1])])
    after = np.clip(np.searchsorted(times, grid - 1e-9), 1, max(1, len(times) - 1))
    if len(times) > 1:
        away = np.minimum(grid - times[after - 1], times[after] - grid)
        wide = times[after] - times[after - 1] > (3 / rate_hz if hole_s is None else hole_s) + 1e-9
        out[wide & (np.abs(away) > 1e-6)] = np.nan
    return Channels(out.astype(np.float32), rate_hz, float(times[0]))


def window_means(at: FloatArray, values: FloatArray, starts: Sequence[float], ends: Sequence[float]) -> FloatArray:
    """Means ``(windows, k)`` of ``values (n, k)`` told at ``at (n,)`` s, of each ``[start, end)``; NaN without any."""
    known = np.isfinite(values)
    sums = np.vstack([np.zeros(values.shape[1]), np.cumsum(np.where(known, values, 0.0), axis=0)])
    counts = np.vstack([np.zeros(values.shape[1]), np.cumsum(known, axis=0)])
    first, last = np.searchsorted(at, np.asarray(starts) - 1e-6), np.searchsorted(at, np.asarray(ends) - 1e-6)
    with np.errstate(invalid="ignore"):
        return np.asarray((sums[last] - sums[first]) / (counts[last] - counts[first]))
