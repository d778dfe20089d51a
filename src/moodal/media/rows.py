"""Numbers in rows of text, read in blocks: the fast way, and where a cell is no number, row by row."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import IO, Any

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError

__all__ = ["Opened", "lines", "numbers", "table", "text_of"]

#: Opens a file's bytes afresh.
Opened = Callable[[], AbstractContextManager[IO[bytes]]]

#: Bytes of a block, and the longest line that is no attack.
BLOCK, LONGEST_LINE = 1 << 20, 1 << 20
#: Spellings of nothing.
NOTHING = ("", "nan", "NaN", "NAN", "na", "NA", "N/A", "n/a", "null", "NULL", "None", "none", "-", "#N/A", "?", ".")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def text_of(head: bytes) -> str:
    """The first bytes of a file as text, whatever its byte order mark says."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(name, errors="replace")
    return head.decode("utf-8", errors="replace")


def lines(source: Opened, where: str, size: int = BLOCK) -> Iterator[bytes]:
    """Blocks of whole lines as UTF-8 with ``\\n`` alone at their ends; no byte order mark; flat memory.

    Raises
    ------
    InputError : the file cannot be read, is no text, or has a line longer than any table's.
    """
    with source() as file:
        rest = b""
        first, decoder = True, None
        while data := file.read(size):
            if first:
                first = False
                for mark, name in _MARKS:
                    if data.startswith(mark):
                        data = data[len(mark) :]
                        decoder = None if name == "utf-8" else codecs.getincrementaldecoder(name)("replace")
            if decoder is not None:
                data = decoder.decode(data).encode()
            elif b"\x00" in data:
                raise InputError("is not text", where=where, fix="Export it as CSV again.")
            data = rest + data
            if b"\r" in data:
                # The last byte may be half of \r\n.
                held, data = (data[-1:], data[:-1]) if data.endswith(b"\r") else (b"", data)
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
            cut = data.rfind(b"\n") + 1
            if not cut and len(data) > LONGEST_LINE:
                raise InputError("has a line of more than a million characters", where=where, fix="Is it a table?")
            rest = data[cut:]
            if cut:
                yield _clean(data[:cut])
        if rest.strip():
            yield _clean(rest.replace(b"\r", b"\n"))


def _clean(block: bytes) -> bytes:
    """The block, or what of it is UTF-8 with marks where it is not (µ and ° of old exports)."""
    if block.isascii():
        return block
    try:
        block.decode()
    except UnicodeDecodeError:
        return block.decode("cp1252", errors="replace").encode()
    return block


def numbers(block: bytes, columns: int) -> FloatArray:
    """Every line that is not blank as a row of ``columns`` numbers ``(n, columns)``; what is no number is NaN."""
    import pyarrow as pa
    from pyarrow import csv as fast

    names = [str(k) for k in range(columns)]
    if not block.strip():
        return np.empty((0, columns))
    try:
        found = fast.read_csv(
            pa.BufferReader(block),
            fast.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 2),
            fast.ParseOptions(),
            fast.ConvertOptions(column_types=dict.fromkeys(names, pa.float64()), null_values=list(NOTHING)),
        )
        values = np.column_stack([c.to_numpy() for c in found.columns])
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        text = block.decode("utf-8", errors="replace")
        rows = [line.split(",") for line in text.split("\n") if line.strip()]
        values = np.full((len(rows), columns), np.nan)
        for k, row in enumerate(rows):
            if len(row) == columns:
                values[k] = [_number(cell, ".") for cell in row]
    return np.where(np.isfinite(values), values, np.nan)


def table(
    block: bytes, names: list[str], wanted: list[str], texts: list[str], delimiter: str, decimal: str
) -> tuple[dict[str, Any], int]:
    """Columns ``wanted`` of a block: floats ``(n,)``, lists of text for ``texts``; and how many rows were no rows.

    A row with too few or too many cells is left out; a cell that is no number is NaN.
    """
    import pyarrow as pa
    from pyarrow import csv as fast

    bad = 0

    def skip(_: Any) -> str:
        nonlocal bad
        bad += 1
        return "skip"

    kinds = {n: pa.string() if n in texts else pa.float64() for n in wanted}
    try:
        found = fast.read_csv(
            pa.BufferReader(block),
            fast.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 2),
            fast.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
            fast.ConvertOptions(
                column_types=kinds, include_columns=wanted, null_values=list(NOTHING), decimal_point=decimal
            ),
        )
        columns: dict[str, Any] = {}
        for name in wanted:
            column = found.column(name)
            columns[name] = column.to_pylist() if name in texts else _finite(column.to_numpy())
        return columns, bad
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return _slowly(block, names, wanted, texts, delimiter, decimal)


def _slowly(
    block: bytes, names: list[str], wanted: list[str], texts: list[str], delimiter: str, decimal: str
) -> tuple[dict[str, Any], int]:
    text = block.decode("utf-8", errors="replace")
    rows: list[list[str]] = []
    bad = 0
    reader = csv.reader((line for line in text.split("\n") if line.strip()), delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            bad += 1
            continue
        if len(row) == len(names):
            rows.append(row)
        else:
            bad += 1
    columns: dict[str, Any] = {}
    for name in wanted:
        cells = [row[names.index(name)] for row in rows]
        columns[name] = cells if name in texts else _finite(np.array([_number(c, decimal) for c in cells]))
    return columns, bad


def _finite(values: FloatArray) -> FloatArray:
    values = np.asarray(values, np.float64)
    return values if np.isfinite(values).all() else np.where(np.isfinite(values), values, np.nan)


def _number(cell: str, decimal: str) -> float:
    try:
        return float(cell.replace(decimal, ".") if decimal != "." else cell)
    except ValueError:
        return float("nan")


def counted(n: int) -> str:
    """``1 row``, ``2 rows``."""
    return f"{n} row" if n == 1 else f"{n} rows"
