"""MATLAB files as plain data: arrays, text, and cells and structs of these, from every version from 5 to 7.3.

Versions to 7.2 are read by scipy, 7.3 is HDF5 and read by h5py. Cells become lists (in MATLAB's order, column by
column), structs dictionaries (lists of them where there are several), characters text. Objects and functions are
refused. Arrays keep MATLAB's axes, whichever version wrote them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, MissingExtra

__all__ = ["DEEPEST", "guarded", "load", "need", "node", "number", "numbers", "shapes", "version", "write"]

#: How deep cells and structs may lie in each other.
DEEPEST = 20
_HDF5 = b"\x89HDF\r\n\x1a\n"


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Whatever a damaged file raises inside a reader becomes one line."""
    try:
        yield
    except (InputError, MissingExtra):
        raise
    except Exception as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"cannot be read as a MATLAB file ({what})", where=str(path), fix="Get it from its makers again."
        ) from error


def version(path: Path) -> int:
    """7 for HDF5 (version 7.3), 5 for versions 5 to 7.2, 4 for what has no header of either."""
    with path.open("rb") as file:
        head = file.read(520)
    return 7 if _HDF5 in (head[:8], head[512:520]) else 5 if head[126:128] in (b"IM", b"MI") else 4


def load(path: Path, *names: str) -> dict[str, Any]:
    """The variables of a MATLAB file by name; of ``names`` only, where some are given.

    Raises
    ------
    InputError : not there, damaged, or it holds objects or functions.
    MissingExtra : scipy, or h5py for version 7.3, is not installed.
    """
    with guarded(path):
        return _hdf5(path, names) if version(path) == 7 else _classic(path, names)


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a file's variables, in its order; no values are read.

    Raises
    ------
    InputError : not there, or damaged.
    MissingExtra : scipy, or h5py for version 7.3, is not installed.
    """
    with guarded(path):
        if version(path) == 7:
            try:
                import h5py
            except ImportError as error:
                raise MissingExtra("h5py", "lab", "reading MATLAB files of version 7.3") from error
            with h5py.File(path, "r") as file5:
                return {
                    k: tuple(reversed(v.shape)) if isinstance(v, h5py.Dataset) else (1, 1)
                    for k, v in file5.items() if not k.startswith("#")
                }  # fmt: skip
        try:
            from scipy import io as mat
        except ImportError as error:
            raise MissingExtra("scipy", "lab", "reading MATLAB files") from error
        return {name: tuple(int(n) for n in shape) for name, shape, _ in mat.whosmat(str(path))}


def need(held: Mapping[str, Any], *keys: str, where: Path | str) -> Any:
    """What stands under those keys of what `load` gave.

    Raises
    ------
    InputError : one of them is not there.
    """
    at: Any = held
    for key in keys:
        if not isinstance(at, Mapping) or key not in at:
            raise InputError(f"has no {'.'.join(keys)}", where=str(where), fix="Get the file again.")
        at = at[key]
    return at


def numbers(value: Any, what: str, where: Path | str, ndim: int | None = None) -> npt.NDArray[Any]:
    """An array of numbers; ``ndim`` says how many axes it must have (1 takes a row or a column, too).

    Raises
    ------
    InputError : it is something else.
    """
    array = np.asarray(value) if not isinstance(value, list | dict | str) else np.empty(0, object)
    if array.dtype.kind not in "biuf":
        raise InputError(f"its {what} is no array of numbers", where=str(where), fix="Get the file again.")
    if ndim == 1 and array.size == max(array.shape, default=1):
        array = array.ravel()
    if ndim is not None and array.ndim != ndim:
        raise InputError(f"its {what} has the shape {array.shape}", where=str(where), fix="Get the file again.")
    return array


def number(value: Any, what: str, where: Path | str) -> float:
    """One number; see `numbers`."""
    array = numbers(value, what, where)
    if array.size != 1:
        raise InputError(f"its {what} has the shape {array.shape}", where=str(where), fix="Get the file again.")
    return float(array.ravel()[0])


def _classic(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        from scipy import io as mat
    except ImportError as error:
        raise MissingExtra("scipy", "lab", "reading MATLAB files") from error
    held = mat.loadmat(str(path), variable_names=list(names) or None, struct_as_record=True)
    return {k: _plain(v) for k, v in held.items() if not k.startswith("__")}


def _plain(value: Any, depth: int = 0) -> Any:
    from scipy.io.matlab import MatlabFunction, MatlabOpaque

    if depth > DEEPEST:
        raise ValueError("it is nested deeper than data are")
    if isinstance(value, MatlabFunction | MatlabOpaque):
        raise ValueError("it holds an object or a function")
    array = np.asarray(value)
    if array.dtype.names is not None:
        several = [{k: _plain(row[k], depth + 1) for k in array.dtype.names} for row in array.ravel(order="F")]
        return several[0] if len(several) == 1 else several
    if array.dtype == object:
        return [_plain(v, depth + 1) for v in array.ravel(order="F")]
    if array.dtype.kind == "U":
        lines = array.ravel().tolist()
        return lines[0] if len(lines) == 1 else "\n".join(lines)
    return array


def _hdf5(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("h5py", "lab", "reading MATLAB files of version 7.3") from error
    with h5py.File(path, "r") as file:
        wanted = names or tuple(k for k in file if not k.startswith("#"))
        return {k: node(file, file[k]) for k in wanted if k in file}


def node(file: Any, at: Any, depth: int = 0) -> Any:
    """A data set or group of a file of version 7.3 as plain data."""
    import h5py

    if depth > DEEPEST:
        raise ValueError("it is nested deeper than data are")
    kind = at.attrs.get("MATLAB_class", b"")
    kind = kind.decode("latin-1") if isinstance(kind, bytes) else str(kind)
    if isinstance(at, h5py.Group):
        return _struct({k: node(file, at[k], depth + 1) for k in at}, at)
    if "MATLAB_object_decode" in at.attrs or kind == "function_handle":
        raise ValueError("it holds an object or a function")
    if "MATLAB_empty" in at.attrs:
        return "" if kind == "char" else [] if kind == "cell" else np.zeros((0, 0))
    if at.dtype == h5py.ref_dtype:
        # HDF5 holds MATLAB's columns as rows: C order here is MATLAB's own.
        return [node(file, file[ref], depth + 1) for ref in at[()].ravel()]
    if kind == "char":
        return "".join(map(chr, at[()].T.ravel().tolist()))
    return at[()].T


def _struct(fields: dict[str, Any], node: Any) -> Any:
    """One struct, or several: then each field is a list of references, one an element."""
    import h5py

    refs = [k for k in fields if isinstance(node[k], h5py.Dataset) and "MATLAB_class" not in node[k].attrs]
    lists = [fields[k] for k in refs if isinstance(fields[k], list)]
    if lists and len(lists) == len(fields):
        return [dict(zip(fields, row, strict=True)) for row in zip(*lists, strict=True)]
    return fields


def write(held: Mapping[str, Any], *, compressed: bool = True) -> bytes:
    """A MATLAB file of version 5, the same bytes each time: for generated twins.

    Lists become cells ``1 x n``, dictionaries structs.
    """
    from scipy import io as mat

    out = io.BytesIO()
    mat.savemat(out, {k: _celled(v) for k, v in held.items()}, do_compression=compressed)
    text = b"MATLAB 5.0 MAT-file, Platform: GLNXA64"  # scipy's own names the hour
    return text.ljust(116) + out.getvalue()[116:]


def _celled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _celled(v) for k, v in value.items()}
    if isinstance(value, list):
        cell = np.empty((1, len(value)), object)
        for i, v in enumerate(value):
            cell[0, i] = _celled(v)
        return cell
    return value
