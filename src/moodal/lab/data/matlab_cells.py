"""One field of a struct in a MATLAB file, cell after cell: a file of gigabytes costs the memory of its largest cell.

scipy reads a variable as a whole or not at all, and crashes on some damaged files. Here the file's own elements are
walked (MAT-File Format, MathWorks, "Level 5 MAT-Files"), and unpacked piece by piece where they are compressed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, MissingExtra

from . import matlab

__all__ = ["Cells"]

#: Kinds of elements in a file of version 5, and of numbers: their types.
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
#: Classes of arrays, and the flag of complex numbers.
_CELL, _STRUCT, _CHAR, _NUMBERS, _COMPLEX = 1, 2, 4, range(6, 16), 0x800
_PIECE = 1 << 20


class Cells:
    """The cells of ``field`` of the struct ``variable``, one after another, as `matlab.load` would give each; ``rest``
    holds the struct's other fields. Each walk reads the file from its start; one of version 7.3 is read by h5py.

    Raises
    ------
    InputError : not there, damaged, without that struct, or the field is not there or no cell array.
    MissingExtra : h5py, for version 7.3, is not installed.
    """

    def __init__(self, path: Path, variable: str, field: str) -> None:
        self.path, self.variable, self.field = path, variable, field
        self.rest: dict[str, Any] = {}
        self._count = -1
        with matlab.guarded(path):
            for name, told in self._walk(cells=False):
                if name == field:
                    self._count = told
                else:
                    self.rest[name] = told
        if self._count < 0:
            raise InputError(f"has no {field}", where=str(path), fix="Get the file again.")

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        with matlab.guarded(self.path):
            for _, cell in self._walk(cells=True):
                yield cell
                del cell  # before the next is read

    def _walk(self, cells: bool) -> Iterator[tuple[str, Any]]:
        """Each cell of the field; or each other field, and how many cells the field has."""
        version = matlab.version(self.path)
        with self.path.open("rb") as file:
            if version == 7:
                yield from self._hdf5(cells)
            elif version == 5:
                yield from self._elements(file, cells)
            else:
                raise self._lacks()

    def _lacks(self) -> InputError:
        return InputError(f"has no struct {self.variable}", where=str(self.path), fix="Get the file again.")

    def _hdf5(self, cells: bool) -> Iterator[tuple[str, Any]]:
        try:
            import h5py
        except ImportError as error:
            raise MissingExtra("h5py", "lab", "reading MATLAB files of version 7.3") from error
        with h5py.File(self.path, "r") as file:
            held = file.get(self.variable)
            if not isinstance(held, h5py.Group):
                raise self._lacks()
            for name, node in held.items():
                if name != self.field:
                    yield from () if cells else ((name, matlab.node(file, node)),)
                    continue
                if not isinstance(node, h5py.Dataset) or node.dtype != h5py.ref_dtype:
                    raise ValueError(f"its {name} is no cell array")
                refs = node[()].ravel()
                yield from ((name, matlab.node(file, file[r])) for r in refs) if cells else ((name, len(refs)),)

    def _elements(self, file: IO[bytes], cells: bool) -> Iterator[tuple[str, Any]]:
        order = "<" if file.read(128)[126:] == b"IM" else ">"
        while tag := file.read(8):
            kind, size = struct.unpack(f"{order}II", tag)
            after = file.tell() + size
            element = _Element(file if kind != _COMPRESSED else _Inflated(file, size), order)
            if kind == _COMPRESSED:
                kind, size = element.tag()
            if kind == _MATRIX and size:
                flag, shape, name = element.head()
                if name == self.variable and flag & 0xFF == _STRUCT and prod(shape) == 1:
                    yield from self._fields(element, cells)
                    return
            file.seek(after)
        raise self._lacks()

    def _fields(self, element: _Element, cells: bool) -> Iterator[tuple[str, Any]]:
        for name in element.names():
            if name != self.field and not cells:
                yield name, element.value()
                continue
            kind, size = element.tag()
            if kind != _MATRIX:
                raise ValueError("where an array should stand is none")
            if name != self.field:
                element.skip(size)
                continue
            start = element.source.at
            flag, shape, _ = element.head() if size else (_CELL, (0,), "")
            if flag & 0xFF != _CELL:
                raise ValueError(f"its {name} is no cell array")
            if cells:
                for _ in range(prod(shape)):
                    yield name, element.value()
                return
            yield name, prod(shape)
            element.skip(size - (element.source.at - start))


class _Counted:
    """Bytes of a file, and how many of them were read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.at = file, 0

    def read(self, n: int) -> bytes:
        """``n`` bytes at most, as many as there are."""
        data = self._some(n)
        self.at += len(data)
        return data

    def _some(self, n: int) -> bytes:
        return self._file.read(n)


class _Inflated(_Counted):
    """The same of a compressed element of ``size`` bytes, unpacked as it is read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__(file)
        self._left, self._zip = size, zlib.decompressobj()

    def _some(self, n: int) -> bytes:
        found: list[bytes] = []
        while n > 0 and not self._zip.eof:
            packed = self._zip.unconsumed_tail
            if not packed:
                packed = self._file.read(min(_PIECE, self._left))
                self._left -= len(packed)
                if not packed:
                    break
            found.append(self._zip.decompress(packed, n))
            n -= len(found[-1])
        return b"".join(found)


class _Element:
    """Reads the parts of an array's element in their order; ``order`` is the file's byte order."""

    def __init__(self, source: IO[bytes] | _Counted, order: str) -> None:
        self.source = source if isinstance(source, _Counted) else _Counted(source)
        self.order = order

    def exactly(self, n: int) -> bytearray:
        """``n`` bytes, few at a time: a size that is wrong asks for no memory."""
        found = bytearray()
        while len(found) < n:
            if not (data := self.source.read(min(n - len(found), _PIECE))):
                raise ValueError("it breaks off")
            found += data
        return found

    def skip(self, n: int) -> None:
        while n > 0:
            n -= len(self.exactly(min(n, _PIECE)))

    def tag(self) -> tuple[int, int]:
        """Kind and size of what follows."""
        kind, size = struct.unpack(f"{self.order}II", self.exactly(8))
        return kind, size

    def part(self) -> tuple[int, bytearray]:
        """Plain values: their kind, and their bytes."""
        first = self.exactly(8)
        kind, size = struct.unpack(f"{self.order}II", first)
        if kind >> 16:  # up to four bytes stand in the tag itself
            return kind & 0xFFFF, first[4 : 4 + (kind >> 16)]
        data = self.exactly(size)
        self.skip(-size % 8)
        return kind, data

    def head(self) -> tuple[int, tuple[int, ...], str]:
        """Class of the array (and its flags), shape and name."""
        (_, flags), (_, dims), (_, name) = self.part(), self.part(), self.part()
        (flag,) = struct.unpack_from(f"{self.order}I", flags)
        shape = struct.unpack(f"{self.order}{len(dims) // 4}i", dims)
        if min(shape, default=-1) < 0:
            raise ValueError(f"an array has the shape {shape}")
        return flag, shape, name.decode("latin-1")

    def names(self) -> list[str]:
        """Names of a struct's fields."""
        (width,) = struct.unpack_from(f"{self.order}I", self.part()[1])
        text = self.part()[1]
        return [text[at : at + width].split(b"\0")[0].decode("latin-1") for at in range(0, len(text), max(width, 1))]

    def value(self, depth: int = 0) -> Any:
        """The array that follows, as `matlab.load` gives it."""
        if depth > matlab.DEEPEST:
            raise ValueError("it is nested deeper than data are")
        kind, size = self.tag()
        if kind != _MATRIX:
            raise ValueError("where an array should stand is none")
        if not size:
            return np.zeros((0, 0))
        flag, shape, _ = self.head()
        made, count = flag & 0xFF, prod(shape)
        if made == _CELL:
            return [self.value(depth + 1) for _ in range(count)]
        if made == _STRUCT:
            names = self.names()
            several = [{name: self.value(depth + 1) for name in names} for _ in range(count if names else 1)]
            return several[0] if len(several) == 1 else several
        if made == _CHAR:
            letters = np.array(list(self._text()), "U1").reshape(shape, order="F")
            return "\n".join("".join(line) for line in letters)
        if made not in _NUMBERS:
            raise ValueError("it holds an object, a function or a sparse array")
        values = self._numbers()
        return (values + 1j * self._numbers() if flag & _COMPLEX else values).reshape(shape, order="F")

    def _numbers(self) -> npt.NDArray[Any]:
        kind, data = self.part()
        if kind not in _TYPES:
            raise ValueError(f"its numbers are of kind {kind}, which is none")
        return np.frombuffer(data, f"{self.order}{_TYPES[kind]}")

    def _text(self) -> str:
        kind, data = self.part()
        little = "le" if self.order == "<" else "be"
        codecs = {1: "latin-1", 2: "latin-1", 4: f"utf-16-{little}", 16: "utf-8", 17: f"utf-16-{little}",
                  18: f"utf-32-{little}"}  # fmt: skip
        if kind not in codecs:
            raise ValueError(f"its text is of kind {kind}, which is none")
        return data.decode(codecs[kind])
