"""Reading the arrays of a CTranslate2 model: so that a part of a packaged network can be run, or trained on."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import ModelError

__all__ = ["arrays"]

#: Element types by their number in the file (CTranslate2's `DataType`).
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def arrays(path: Path, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """The arrays of a ``model.bin`` whose names begin with ``prefix``, in their stored types.

    The file is a version, the model's kind, its revision, and a list of named arrays (format versions 5 and 6).

    Raises
    ------
    ModelError : not such a file, or cut short.
    """
    data = path.read_bytes()
    at = 0

    def number(kind: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{kind}", data, at)
        at += struct.calcsize(kind)
        return int(value)

    def text() -> str:
        nonlocal at
        size = number("H")
        at += size
        return data[at - size : at - 1].decode()

    found: dict[str, npt.NDArray[Any]] = {}
    try:
        if (version := number("I")) not in (5, 6):
            raise ModelError(f"has the format version {version}, not 5 or 6", where=str(path))
        text()
        number("I")
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            kind, size = np.dtype(_TYPES[number("B")]), number("I")
            if name.startswith(prefix):
                found[name] = np.frombuffer(data, kind, size // kind.itemsize, at).reshape(shape)
            at += size
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        raise ModelError(
            "is not a CTranslate2 model that can be read", where=str(path), fix="Fetch it again."
        ) from error
    return found
