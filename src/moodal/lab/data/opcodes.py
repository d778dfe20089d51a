"""A pickle's opcodes, walked over without running them: a few bytes must not ask for gigabytes.

The unpickler keeps a table as long as the highest place that a pickle stores something at, and a file of twelve bytes
may name place 4,000,000,000. No writer names a place above the number of opcodes before it.
"""

from __future__ import annotations

import pickle
import pickletools
from typing import IO

__all__ = ["bounded"]

_OPCODES = {op.code.encode("latin-1"): op for op in pickletools.opcodes}
#: How many bytes say how long an argument is.
_PREFIX = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_STORES = ("PUT", "BINPUT", "LONG_BINPUT")
#: Longest line of an argument in text, bytes: numbers and names.
_LINE = 1 << 20


def bounded(file: IO[bytes]) -> None:
    """Walk over one pickle and go back to its start; long arguments are skipped, not read.

    Raises
    ------
    pickle.UnpicklingError : it breaks off, has an unknown opcode, or stores at a place that no writer names.
    """
    start = file.tell()
    size = file.seek(0, 2)
    file.seek(start)
    count = 0
    while True:
        code = file.read(1)
        op = _OPCODES.get(code)
        if op is None:
            raise pickle.UnpicklingError("it breaks off" if not code else f"opcode {code!r} is unknown")
        count += 1
        if op.name == "STOP":
            break
        told = b""
        if op.arg is not None:
            n = op.arg.n
            if n == pickletools.UP_TO_NEWLINE:
                # Names of globals are two lines.
                for _ in range(2 if op.name in ("GLOBAL", "INST") else 1):
                    told = file.readline(_LINE)
            elif n >= 0:
                told = file.read(n)
            else:
                length = int.from_bytes(file.read(_PREFIX[n]), "little")
                if length > size - file.tell():
                    raise pickle.UnpicklingError("it breaks off")
                file.seek(length, 1)
        if op.name in _STORES:
            place = int(told) if op.name == "PUT" else int.from_bytes(told, "little")
            if not 0 <= place <= count:
                raise pickle.UnpicklingError(f"it stores at place {place} after {count} steps")
    file.seek(start)
