"""NeuroScan recordings (``.cnt``) written from samples: for twins of the sets that come in them.

Header of 900 bytes, 75 bytes a channel, samples one time after another (32 bits), then the table of events; places of
the fields after http://paulbourke.net/dataformats/eeg/.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["cnt"]

_HEADER, _ENTRY = 900, 75
#: Microvolts of one unit, as sensitivity times calibration over 204.8.
_SENSITIVITY, _CALIBRATION = 6.0, 1.0
RESOLUTION_UV = _SENSITIVITY * _CALIBRATION / 204.8


def cnt(
    channels: Sequence[str],
    values: npt.NDArray[Any],
    rate_hz: int,
    events: Sequence[tuple[int, int]] = (),
    start: datetime = datetime(2022, 10, 1, 14, 0, 0),
) -> bytes:
    """The bytes of a recording: ``values (n, channels)`` µV, ``events`` as (sample, code)."""
    n = len(values)
    head = bytearray(_HEADER)
    head[:11] = b"Version 3.0"
    head[225:235] = f"{start:%m/%d/%y}".encode().ljust(10, b"\0")
    head[235:247] = f"{start:%H:%M:%S}".encode().ljust(12, b"\0")
    struct.pack_into("<H", head, 370, len(channels))
    struct.pack_into("<H", head, 376, rate_hz)
    struct.pack_into("<i", head, 864, n)
    table = _HEADER + len(channels) * (_ENTRY + 4 * n)
    struct.pack_into("<i", head, 886, table)
    struct.pack_into("<f", head, 890, n / rate_hz)
    entries = b"".join(_entry(name, k, len(channels)) for k, name in enumerate(channels))
    samples = np.round(np.asarray(values) / RESOLUTION_UV).astype("<i4").tobytes()
    # An event stands at the byte behind its sample.
    places = [_HEADER + len(channels) * (_ENTRY + 4 * (at + 1)) for at, _ in events]
    rows = b"".join(
        struct.pack("<HBclhhfccc", code, 0, b"\0", place, 0, 0, 0.0, b"\0", b"\0", b"\0")
        for (_, code), place in zip(events, places, strict=True)
    )
    return bytes(head) + entries + samples + struct.pack("<Bll", 2, len(rows), 0) + rows


def _entry(name: str, k: int, n: int) -> bytes:
    entry = bytearray(_ENTRY)
    entry[:10] = name.encode("ascii").ljust(10, b"\0")[:10]
    angle = 2 * np.pi * k / n
    struct.pack_into("<ff", entry, 19, float(np.cos(angle)), float(np.sin(angle)))
    struct.pack_into("<h", entry, 47, 0)
    struct.pack_into("<f", entry, 59, _SENSITIVITY)
    struct.pack_into("<f", entry, 71, _CALIBRATION)
    return bytes(entry)
