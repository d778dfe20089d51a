"""Channel names, one closed table: what a name means, its row in the channel embedding, where it sits on the head.

Rows 0 to 131 are in the order of the public PhysioOmni weights, so that these can be loaded; ours follow. Places are
those of the 10-10 system (Oostenveld and Praamstra 2001, Clin. Neurophysiol. 112, 713), drawn flat: the vertex at
(0, 0), nasion at (0, 1), left ear at (-1, 0).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from moodal.core.errors import InputError

__all__ = ["ALIASES", "CHANNELS", "PUBLISHED", "ROWS", "channel_rows", "clean", "position", "row_of"]

_COLUMNS = ("9", "7", "5", "3", "1", "Z", "2", "4", "6", "8", "10")
#: 10-10 rows from the brow to the nape: names of sites beside the midline, of those at the rim.
_LINES = (("AF", "AF"), ("F", "F"), ("FC", "FT"), ("C", "T"), ("CP", "TP"), ("P", "P"), ("PO", "PO"))
_GRID = tuple(
    f"{outer if column in ('9', '7', '8', '10') else inner}{column}" for inner, outer in _LINES for column in _COLUMNS
)
#: Names of the public weights, in their order.
PUBLISHED: tuple[str, ...] = (
    "FP1", "FPZ", "FP2", *_GRID, "O1", "OZ", "O2", "O9", "CB1", "CB2", "IZ", "O10", "T3", "T5", "T4", "T6",
    "M1", "M2", "A1", "A2", "T1", "T2", "I1", "I2", "HEO", "VEO", "ECG", "EMG", *(f"EMG{k}" for k in range(2, 13)),
    "F3-C3", "F4-C4", "F7-T3", "F8-T4", "FP1-F3", "P3-O1", "P4-O2", "T3-T5", "T4-T6", "C3-P3", "C4-A1", "C4-P4",
    "F2-F4", "FPZ-CZ", "PZ-OZ", "FP2-F4", "F1-F3",
)  # fmt: skip
#: All names: ours are further leads, and signals of the wrist and chest.
CHANNELS: tuple[str, ...] = (
    *PUBLISHED, "ECG2", "ECG3", "PPG", "PPG2", "EDA", "EDA2", "RESP", "RESP2", "TEMP", "TEMP2", "ACCX", "ACCY", "ACCZ",
)  # fmt: skip
#: Rows of the channel embedding: more than there are names.
ROWS = 256
#: Other spellings; the old temporal names of the 10-20 system are the same sites as the new ones.
ALIASES: dict[str, str] = {
    "T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8",
    "HEOG": "HEO", "EOGH": "HEO", "EOG": "HEO", "EOG1": "HEO", "E1-E2": "HEO", "HORIZONTAL": "HEO",
    "VEOG": "VEO", "EOGV": "VEO", "EOG2": "VEO", "EKG": "ECG", "ECG1": "ECG", "EKG1": "ECG", "EMG1": "EMG",
    "CHIN": "EMG", "SUBMENTAL": "EMG", "EMGCHIN": "EMG",
    "BVP": "PPG", "PPG1": "PPG", "PLETH": "PPG", "GSR": "EDA", "EDA1": "EDA", "SCL": "EDA", "RSP": "RESP",
    "RESPIRATION": "RESP", "SKT": "TEMP", "TEMPERATURE": "TEMP", "X": "ACCX", "Y": "ACCY", "Z": "ACCZ",
    "ACC_X": "ACCX", "ACC_Y": "ACCY", "ACC_Z": "ACCZ",
    "LEFT1": "EMG", **{f"LEFT{k}": f"EMG{k}" for k in range(2, 7)}, **{f"RIGHT{k}": f"EMG{k + 6}" for k in range(1, 7)},
}  # fmt: skip
_ROW = {name: row for row, name in enumerate(CHANNELS)}
_KIND = re.compile(r"^(EEG|EOG|ECG|EKG|EMG|RESP|TEMP|EDA|PPG)[\s:_]+(?=\S)")
_REFERENCE = re.compile(r"[-_](REF|LE|AR|AVG|CAR|M1|M2|A1|A2|A1A2|A1\+A2|CZ|0|1|2)$")


def clean(name: str) -> str:
    """A channel's name without the kind of signal in front and the reference behind.

    >>> clean("EEG C4-M1"), clean("EEG Fp1"), clean("ECG ECG"), clean("EEG C4-A1")
    ('C4', 'FP1', 'ECG', 'C4-A1')
    """
    told = " ".join(name.upper().replace(".", "").split())
    for tried in (told, _KIND.sub("", told)):
        if tried in _ROW or tried in ALIASES:
            return tried
    told = _KIND.sub("", told).replace(" ", "")
    return told if told in _ROW or told in ALIASES else _REFERENCE.sub("", told)


def row_of(name: str, *, as_named: bool = False) -> int:
    """The row of a channel in the embedding; ``as_named`` keeps T3 apart from T7, as the public weights do.

    >>> row_of("T3") == row_of("EEG T7-Ref"), row_of("HEOG"), row_of("ecg")
    (True, 100, 102)

    Raises
    ------
    InputError : no such channel; the nearest names are told.
    """
    told = clean(name)
    if not (as_named and told in _ROW):
        told = ALIASES.get(told, told)
    if told not in _ROW:
        near = get_close_matches(told, [*CHANNELS, *ALIASES], 3, 0.4)
        hint = f"Nearest: {', '.join(near)}." if near else "See moodal.lab.models.physioomni.channels.CHANNELS."
        raise InputError(f"unknown channel {name!r}", fix=hint)
    return _ROW[told]


def channel_rows(names: Sequence[str], *, as_named: bool = False, where: str = "") -> np.ndarray:
    """Rows of several channels of one recording, ``(c,)`` int64.

    Raises
    ------
    InputError : an unknown channel, or two names of one channel.
    """
    rows = [row_of(name, as_named=as_named) for name in names]
    for k, row in enumerate(rows):
        if row in rows[:k]:
            raise InputError(f"{names[rows.index(row)]!r} and {names[k]!r} are one channel ({CHANNELS[row]})",
                             where=where, fix="Keep one of them.")  # fmt: skip
    return np.array(rows, np.int64)


def position(name: str) -> tuple[float, float] | None:
    """Where a channel sits, seen from above, or None where it has no place on the head; bipolar ones sit between.

    >>> position("Cz"), position("Fpz"), position("T3") == position("T7"), position("ECG")
    ((0.0, 0.0), (0.0, 0.8), True, None)
    """
    told = CHANNELS[row_of(name)]
    if "-" in told:
        ends = [position(end) for end in told.split("-")]
        (ax, ay), (bx, by) = (e or (0.0, 0.0) for e in ends)
        return round((ax + bx) / 2, 4), round((ay + by) / 2, 4)
    return _PLACES.get(told)


def _rim(degrees: float, radius: float) -> tuple[float, float]:
    """A place by its angle from the brow, to the left where positive."""
    a = np.deg2rad(degrees)
    return round(float(-radius * np.sin(a)) + 0.0, 4), round(float(radius * np.cos(a)) + 0.0, 4)


def _places() -> dict[str, tuple[float, float]]:
    found = {"FPZ": (0.0, 0.8), "OZ": (0.0, -0.8), "IZ": (0.0, -1.0)}
    for side, names in ((1, ("FP1", "O1", "O9", "CB1", "M1", "A1", "T1", "I1")),
                        (-1, ("FP2", "O2", "O10", "CB2", "M2", "A2", "T2", "I2"))):  # fmt: skip
        places = ((18, 0.8), (162, 0.8), (162, 1.0), (150, 0.95), (112, 1.05), (95, 1.1), (63, 0.95), (171, 1.0))
        found |= {name: _rim(side * a, r) for name, (a, r) in zip(names, places, strict=True)}
    for line in range(len(_LINES)):
        degrees, middle = 36 + 18 * line, round(0.6 - 0.2 * line, 4) + 0.0
        for k, column in enumerate(_COLUMNS):
            name = _GRID[line * len(_COLUMNS) + k]
            side = 1 if k < 5 else -1
            if column in ("9", "10"):
                found[name] = _rim(side * degrees, 1.0)
                continue
            share = abs(k - 5) / 4  # from the midline (0) to the rim (1)
            x, y = _rim(side * degrees, 0.8)
            found[name] = round(share * x + 0.0, 4), round(middle + share * (y - middle) + 0.0, 4)
    return found


_PLACES = _places()
