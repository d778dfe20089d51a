"""Pickles of other projects, read as data: arrays, dicts, lists, tuples, text and numbers, and nothing that runs.

A pickle is a program. Here its names lead to nothing but a few stand-ins: no function of numpy, let alone of the
system, is ever called by it, and arrays are built by us, from bytes whose length and kind are checked.

`load` gives everything; of a large file, `read` gives what is in it still packed, and `array` takes one out.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError

from .opcodes import bounded

__all__ = ["array", "load", "loads", "read", "write", "write_array"]

#: Kinds of numbers and text that an array may hold, with their width: ``f4``, ``i8``, ``U14``, ``S3``, ``b1``; ``O8``.
_KIND = re.compile(r"[<>|=]?(?:[fiubc]\d{1,2}|[US]\d{1,6}|[O?]\d?)")


class _Type:
    """A stand-in for ``numpy.dtype``; the state that a pickle gives it may choose the byte order, and nothing else."""

    def __init__(self, kind: object, *_: object) -> None:
        if not isinstance(kind, str) or not _KIND.fullmatch(kind):
            raise pickle.UnpicklingError(f"an array of {kind!r} is not read")
        self.type = np.dtype(object if kind.lstrip("<>|=").startswith("O") else kind)

    def __setstate__(self, state: object) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order in ("<", ">"):
            self.type = self.type.newbyteorder(order)


class _Array:
    """A stand-in for ``numpy.ndarray``; its numbers stay bytes until they are asked for."""

    def __init__(self, *state: object) -> None:
        self.state = state

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array of another form")
        _, shape, kind, fortran, raw = state
        self.state = (raw, kind, shape, "F" if fortran else "C")

    def values(self) -> Any:
        if len(self.state) != 4:
            raise pickle.UnpicklingError("an array without its values")
        return _filled(*self.state)


class _Scalar:
    """A stand-in for a number of numpy's."""

    def __init__(self, kind: object, raw: object = b"") -> None:
        self.state = (raw, kind, (), "C")

    def values(self) -> Any:
        return _filled(*self.state)[()]


class _Call:
    """A name that a pickle may call: no class, and without state, so that nothing of ours can be changed by it."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *given: object) -> Any:
        return self._make(*given)

    def __setstate__(self, _: object) -> None:
        raise pickle.UnpicklingError("it changes what it names")


def _filled(raw: object, kind: object, shape: object, order: object) -> npt.NDArray[Any]:
    if not isinstance(kind, _Type) or not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise pickle.UnpicklingError("an array of another form")
    if kind.type.hasobject:
        if not isinstance(raw, list):
            raise pickle.UnpicklingError("an array of objects that is no list")
        flat = np.empty(len(raw), object)
        flat[:] = raw
        return flat.reshape(shape, order="F" if order == "F" else "C")
    if isinstance(raw, str):  # Python 2 wrote bytes as text
        raw = raw.encode("latin-1")
    if not isinstance(raw, bytes | bytearray):
        raise pickle.UnpicklingError("an array without its bytes")
    return np.frombuffer(bytes(raw), kind.type).reshape(shape, order="F" if order == "F" else "C")


def _rebuilt(*_: object) -> _Array:
    return _Array()


def _from_buffer(raw: object, kind: object, shape: object, order: object = "C") -> _Array:
    return _Array(raw, kind, shape, order)


def _encoded(text: object, coding: object = "latin-1") -> bytes:
    """How pickles of protocol 2 hold bytes: text in Latin-1."""
    if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("bytes of another form")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    """How pickles of protocol 2 hold no bytes at all."""
    return b""


_CALLED: dict[tuple[str, str], _Call] = {
    ("multiarray", "_reconstruct"): _Call(_rebuilt),
    ("multiarray", "scalar"): _Call(_Scalar),
    ("numeric", "_frombuffer"): _Call(_from_buffer),
    ("numpy", "ndarray"): _Call(_rebuilt),
    ("numpy", "dtype"): _Call(_Type),
    ("_codecs", "encode"): _Call(_encoded),
    ("__builtin__", "bytes"): _Call(_no_bytes),
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stem = module
        for inside in ("numpy.core.", "numpy._core."):
            stem = stem.removeprefix(inside)
        if (stem, name) not in _CALLED or (stem == module and stem in ("multiarray", "numeric")):
            raise pickle.UnpicklingError(f"it names {module}.{name}, which could run code")
        return _CALLED[stem, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it names something outside itself")


def load(path: Path) -> Any:
    """What a pickle holds: numpy arrays, numbers, text, bytes, and dicts, lists and tuples of these.

    Raises
    ------
    InputError : damaged, or it names anything that could run code.
    """
    return _guarded(path, lambda: _plain(_packed(path)))


def loads(data: bytes, where: str) -> Any:
    """The same of a pickle that lies in another file.

    Raises
    ------
    InputError : damaged, or it names anything that could run code.
    """
    return _guarded(where, lambda: _plain(_unpacked(io.BytesIO(data))))


def read(path: Path) -> dict[Any, Any]:
    """The dictionary that a pickle holds; arrays stay packed until `array` takes them out.

    Raises
    ------
    InputError : damaged, it names anything that could run code, or it is no dictionary.
    """
    held = _guarded(path, lambda: _packed(path))
    if not isinstance(held, dict):
        raise InputError("holds no dictionary of arrays", where=str(path), fix="Get it from its makers again.")
    return held


def array(held: Mapping[Any, Any], *keys: str, where: str) -> npt.NDArray[Any]:
    """The array of numbers under those keys of what `read` gave.

    Raises
    ------
    InputError : it is not there, or it is no array of numbers.
    """
    at: Any = held
    for key in keys:
        if not isinstance(at, Mapping) or key not in at:
            raise InputError(f"has no {'.'.join(keys)}", where=where, fix="Get the file again.")
        at = at[key]
    try:
        values = np.asarray(_plain(at))
    except Exception as error:
        what = " ".join(str(error).split())[:200]
        raise InputError(
            f"its {'.'.join(keys)} cannot be read ({what})", where=where, fix="Get the file again."
        ) from error
    if values.dtype.kind not in "biuf":
        raise InputError(f"its {'.'.join(keys)} is no array of numbers", where=where, fix="Get the file again.")
    return values


def _packed(path: Path) -> Any:
    with path.open("rb") as file:
        return _unpacked(file)


def _unpacked(file: IO[bytes]) -> Any:
    bounded(file)
    return _Reader(file, encoding="latin-1").load()


def _guarded(path: Path | str, made: Callable[[], Any]) -> Any:
    try:
        return made()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", where=str(path)) from error
    except Exception as error:
        # A damaged or hostile pickle can fail inside the unpickler in any way.
        fix = "Get it from its makers again; what could run code is never loaded."
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"cannot be read as plain arrays ({what})", where=str(path), fix=fix) from error


def _plain(told: Any, depth: int = 0) -> Any:
    """The same with arrays and numbers in place of their stand-ins."""
    if depth > 20:
        raise pickle.UnpicklingError("it is nested deeper than data are")
    if isinstance(told, _Array | _Scalar):
        values = told.values()
        if isinstance(values, np.ndarray) and values.dtype == object:
            flat = values.ravel()
            for i, v in enumerate(flat):
                flat[i] = _plain(v, depth + 1)
            return flat.reshape(values.shape)
        return values
    if isinstance(told, dict):
        return {_plain(k, depth + 1): _plain(v, depth + 1) for k, v in told.items()}
    if isinstance(told, list | tuple):
        return type(told)([_plain(v, depth + 1) for v in told])
    if told is None or isinstance(told, str | bytes | bytearray | int | float | complex | bool):
        return told
    raise pickle.UnpicklingError(f"it holds a {type(told).__name__}")


def write(held: Mapping[Any, Any]) -> bytes:
    """A pickle as Python 2 with numpy 1 wrote it (protocol 2, text of bytes): for generated twins.

    ``held`` may hold dictionaries, text and arrays of float64, float32 or int32.
    """
    return b"\x80\x02" + _written(held) + b"."


def write_array(values: npt.NDArray[Any]) -> bytes:
    """A pickle of one array alone, in the same form."""
    return b"\x80\x02" + _written(values) + b"."


def _text(octets: bytes) -> bytes:
    return b"U" + bytes([len(octets)]) + octets if len(octets) < 256 else b"T" + struct.pack("<i", len(octets)) + octets


def _written(value: Any) -> bytes:
    if isinstance(value, Mapping):
        return b"}(" + b"".join(_written(k) + _written(v) for k, v in value.items()) + b"u"
    if isinstance(value, str):
        return _text(value.encode("latin-1"))
    if isinstance(value, (int, np.integer)):
        return b"J" + struct.pack("<i", int(value))
    values = np.ascontiguousarray(value)
    kind = f"{values.dtype.kind}{values.dtype.itemsize}".encode()
    dtype = b"cnumpy\ndtype\n(" + _text(kind) + b"K\x00K\x01tR(K\x03" + _text(b"<") + b"NNNJ\xff\xff\xff\xffJ"
    dtype += b"\xff\xff\xff\xffK\x00tb"
    shape = b"(" + b"".join(_written(n) for n in values.shape) + b"t"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + _text(b"b") + b"tR"
    raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return made + b"(K\x01" + shape + dtype + b"\x89" + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
