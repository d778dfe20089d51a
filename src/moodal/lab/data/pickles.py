"""Pickles of data sets, read without running anything in them.

Some sets (WESAD, DEAP) are published as pickles that Python 2 wrote. Unpickling runs what a file names; here the only
names that are known are those of numpy's arrays, each stands for a plain record of ours, and numbers are taken from
the bytes by `numpy.frombuffer`. Whatever else a file names is refused before it is looked up.
"""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError

__all__ = ["array", "read", "write"]

_NUMBERS = re.compile(r"[<>|=]?[biuf][1248]")


class _Dtype:
    """What a pickle says of an array's numbers."""

    def __init__(self, text: Any = "", *_: Any) -> None:
        self.text = text.decode("latin-1") if isinstance(text, bytes) else str(text)
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "=", b"<", b">", b"|", b"="):
            self.order = state[1].decode() if isinstance(state[1], bytes) else state[1]

    def numbers(self) -> np.dtype[Any]:
        text = self.text.lstrip("<>|=")
        if not _NUMBERS.fullmatch(text):
            raise ValueError(f"values of type {self.text!r}")
        return np.dtype(text).newbyteorder("=" if self.order == "|" else self.order)  # type: ignore[arg-type]


class _Array:
    """An array as the pickle holds it: shape, type, order of axes, bytes."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def values(self) -> npt.NDArray[Any]:
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise ValueError("an array without its numbers")
        _, shape, dtype, columns_first, raw = self.state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, (str, bytes)):
            raise ValueError("an array of objects")
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape) or len(shape) > 3:
            raise ValueError("an array of impossible shape")
        octets = raw.encode("latin-1") if isinstance(raw, str) else raw
        return np.frombuffer(octets, dtype.numbers()).reshape(shape, order="F" if columns_first else "C")


class _Scalar:
    """A single number of numpy's."""

    def __init__(self, dtype: Any, raw: Any = b"") -> None:
        self.dtype, self.raw = dtype, raw

    def value(self) -> Any:
        octets = self.raw.encode("latin-1") if isinstance(self.raw, str) else self.raw
        return np.frombuffer(octets, self.dtype.numbers())[0].item()


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _frombuffer(raw: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """How protocol 5 holds an array."""
    made = _Array()
    made.state = (1, shape, dtype, order == "F", bytes(raw))
    return made


def _encode(text: Any, encoding: Any = "") -> bytes:
    """How Python 3 writes bytes into old protocols."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("bytes in an encoding that no array is written in")
    return text.encode("latin-1")


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _KNOWN[module, name]


def read(path: Path) -> dict[str, Any]:
    """The dictionary that a pickle holds; arrays stay packed until `array` takes them out.

    Raises
    ------
    InputError : not a pickle, one that breaks off, one that names anything but arrays, or no dictionary.
    """
    try:
        with path.open("rb") as file:
            held = _Reader(file, encoding="latin1").load()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), fix="Get the file again.") from error
    except pickle.UnpicklingError as error:
        raise InputError(
            f"is no pickle of plain arrays ({error})", where=str(path),
            fix="It was not run. Get the file again from its makers.",
        ) from error  # fmt: skip
    except Exception as error:  # a hostile file may make the machine of pickles fail in any way
        raise InputError(
            f"cannot be read as a pickle ({type(error).__name__})", where=str(path), fix="Get the file again."
        ) from error
    if not isinstance(held, dict):
        raise InputError(f"holds a {type(held).__name__}, not a dictionary", where=str(path), fix="Get it again.")
    return held


def array(held: Mapping[Any, Any], *keys: str, where: str) -> npt.NDArray[Any]:
    """The array under those keys, ``(n,)`` or ``(n, channels)``.

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
        if isinstance(at, list):
            return np.asarray([v.value() if isinstance(v, _Scalar) else float(v) for v in at])
        if not isinstance(at, _Array):
            raise ValueError(f"a {type(at).__name__}")
        return at.values()
    except (ValueError, TypeError, AttributeError, OverflowError, UnicodeError) as error:
        raise InputError(
            f"its {'.'.join(keys)} is no array of numbers ({error})", where=where, fix="Get the file again."
        ) from error


def write(held: Mapping[str, Any]) -> bytes:
    """A pickle as Python 2 with numpy 1 wrote it (protocol 2, text of bytes): for generated twins.

    ``held`` may hold dictionaries, text and arrays of float64, float32 or int32.
    """
    return b"\x80\x02" + _packed(held) + b"."


def _text(octets: bytes) -> bytes:
    return b"U" + bytes([len(octets)]) + octets if len(octets) < 256 else b"T" + struct.pack("<i", len(octets)) + octets


def _packed(value: Any) -> bytes:
    if isinstance(value, Mapping):
        return b"}(" + b"".join(_packed(k) + _packed(v) for k, v in value.items()) + b"u"
    if isinstance(value, str):
        return _text(value.encode("latin-1"))
    if isinstance(value, (int, np.integer)):
        return b"J" + struct.pack("<i", int(value))
    values = np.ascontiguousarray(value)
    kind = f"{values.dtype.kind}{values.dtype.itemsize}".encode()
    dtype = b"cnumpy\ndtype\n(" + _text(kind) + b"K\x00K\x01tR(K\x03" + _text(b"<") + b"NNNJ\xff\xff\xff\xffJ"
    dtype += b"\xff\xff\xff\xffK\x00tb"
    shape = b"(" + b"".join(_packed(n) for n in values.shape) + b"t"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + _text(b"b") + b"tR"
    raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return made + b"(K\x01" + shape + dtype + b"\x89" + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
