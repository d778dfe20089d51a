"""Arrow columns to and from NumPy's memory.

``pyarrow.array`` and ``to_numpy`` would do, but they load pandas, where that is installed, only to look at what they
were given: most of a second in which nothing is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["arrow_column", "arrow_table", "numpy_column", "rows_where", "text_codes"]


def arrow_table(columns: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> Any:
    """A ``pyarrow.Table`` of columns of one length; ``notes`` go into the schema's metadata."""
    import pyarrow as pa

    arrays = [arrow_column(values) for values in columns.values()]
    schema = pa.schema([(name, a.type) for name, a in zip(columns, arrays, strict=True)], metadata=notes)
    return pa.Table.from_arrays(arrays, schema=schema)


def arrow_column(values: Any) -> Any:
    """One column: numbers and truth values as they are, NaN and ``None`` as null, anything else as text."""
    import pyarrow as pa

    array = np.asarray(values)
    if array.dtype.kind == "b":
        return pa.Array.from_buffers(pa.bool_(), len(array), [None, _bits(array)])
    if array.dtype.kind in "iuf":
        array = np.ascontiguousarray(array)
        missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), bool)
        return pa.Array.from_buffers(
            pa.from_numpy_dtype(array.dtype), len(array), [_present(missing), pa.py_buffer(array)], int(missing.sum())
        )
    rows = array.tolist()
    texts = [b"" if v is None else str(v).encode("utf-8", "replace") for v in rows]
    missing = np.array([v is None for v in rows], bool)
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    buffers = [_present(missing), pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.string(), len(rows), buffers, int(missing.sum()))


def numpy_column(column: Any) -> npt.NDArray[Any]:
    """A table's column as an array; a null among numbers is NaN (whole numbers become float64), text is objects."""
    parts = [_values(part) for part in column.chunks]
    return np.concatenate(parts) if parts else np.empty(0)


def text_codes(column: Any) -> tuple[npt.NDArray[Any], list[str]]:
    """A column of few different texts as numbers ``(n,)`` and the texts that they stand for."""
    codes: list[npt.NDArray[Any]] = []
    texts: dict[str, int] = {}
    for part in column.chunks:
        coded = part.dictionary_encode()
        found = [texts.setdefault(text, len(texts)) for text in coded.dictionary.to_pylist()]
        codes.append(np.array(found, np.int32)[_values(coded.indices)])
    return np.concatenate(codes) if codes else np.empty(0, np.int32), list(texts)


def _values(array: Any) -> npt.NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_string(array.type):
        return np.array(array.to_pylist(), object)
    present, data = array.buffers()
    part = slice(array.offset, array.offset + len(array))
    if pa.types.is_boolean(array.type):
        return _unpacked(data, part)
    dtype = np.dtype({"double": "f8", "float": "f4"}.get(str(array.type), str(array.type)))
    values = np.frombuffer(data, dtype)[part] if len(array) else np.empty(0, dtype)
    if array.null_count == 0:
        return values
    floats = values if dtype.kind == "f" else values.astype(float)
    return np.where(_unpacked(present, part), floats, floats.dtype.type(np.nan))


def _unpacked(bits: Any, part: slice) -> npt.NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")[part].astype(bool)


def rows_where(table: Any, name: str, value: str) -> Any:
    """The rows of a table whose text column ``name`` is ``value``."""
    import pyarrow.compute as pc

    return table.filter(pc.is_valid(pc.index_in(table[name], value_set=arrow_column([value]))))


def _present(missing: npt.NDArray[np.bool_]) -> Any:
    """Arrow's bitmap of what is there, or ``None`` where all is."""
    return _bits(~missing) if missing.any() else None


def _bits(mask: npt.NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.py_buffer(np.packbits(mask, bitorder="little"))
