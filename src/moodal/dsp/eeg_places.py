"""Where electrodes sit: one table from the names of channels to places on a sphere.

The 10-20 system (Jasper 1958), its 10-10 and 10-5 extensions (Oostenveld and Praamstra 2001, Clin. Neurophysiol.
112(4), 713-719) laid on a sphere as they are defined: the ring through Fpz, T7, Oz and T8 is the equator, cut in steps
of 10 %; so is the line from front to back; and every row is the arc through two points of the ring and one of that
line, cut in equal parts. Columns 9 and 10 lie on a second ring, a step of 10 % lower.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["PLACES", "POSITIONS", "pair", "plane", "position", "reference", "spherical"]

#: Rows from front to back: place of their middle on the line from front to back and of their end on the ring, degrees
#: from the vertex and from the front; names near the middle and at the side.
_ROWS = {
    "AFp": (78.75, 27, "AFp"), "AF": (67.5, 36, "AF"), "AFF": (56.25, 45, "AFF"), "F": (45, 54, "F"),
    "FFC": (33.75, 63, "FFT"), "FC": (22.5, 72, "FT"), "FCC": (11.25, 81, "FTT"), "C": (0, 90, "T"),
    "CCP": (-11.25, 99, "TTP"), "CP": (-22.5, 108, "TP"), "CPP": (-33.75, 117, "TPP"), "P": (-45, 126, "P"),
    "PPO": (-56.25, 135, "PPO"), "PO": (-67.5, 144, "PO"), "POO": (-78.75, 153, "POO"),
}  # fmt: skip
#: Columns of the left side, shares of the arc from the middle to the ring; and those below it, degrees from the vertex.
_COLUMNS = {"1h": 1 / 8, "1": 1 / 4, "3h": 3 / 8, "3": 1 / 2, "5h": 5 / 8, "5": 3 / 4, "7h": 7 / 8, "7": 1.0}
_BELOW = {"9h": 101.25, "9": 112.5}
#: On the ring and below it: degrees from the front, to the left, and from the vertex.
_OUTER = {
    "Fpz": (0, 90), "Fp1h": (9, 90), "Fp1": (18, 90), "Oz": (180, 90), "O1h": (171, 90), "O1": (162, 90),
    "Nz": (0, 112.5), "N1": (18, 112.5), "Iz": (180, 112.5), "I1": (162, 112.5), "O9": (162, 112.5),
    "CB1": (153, 112.5),
}  # fmt: skip


def _at(left: float, down: float) -> FloatArray:
    a, b = np.deg2rad(left), np.deg2rad(down)
    return np.array([-np.sin(a) * np.sin(b), np.cos(a) * np.sin(b), np.cos(b)])


def _other(name: str) -> str:
    """The electrode of the other side."""
    return re.sub(r"\d+", lambda m: str(int(m[0]) + 1), name)


def _laid() -> dict[str, tuple[float, float, float]]:
    told: dict[str, FloatArray] = {}
    for name, (left, down) in _OUTER.items():
        told[name] = _at(left, down)
    for row, (down, azimuth, side) in _ROWS.items():
        middle, end = _at(0, down), _at(azimuth, 90)
        normal = np.cross(middle - end, middle - end * [-1, 1, 1])
        normal /= np.linalg.norm(normal)
        centre = (normal @ middle) * normal
        radius = np.linalg.norm(middle - centre)
        first = (middle - centre) / radius
        second = np.cross(normal, first)
        reach = np.arctan2((end - centre) @ second, (end - centre) @ first)
        told[f"{row}z"] = middle
        for column, share in _COLUMNS.items():
            place = centre + radius * (np.cos(share * reach) * first + np.sin(share * reach) * second)
            told[f"{side if column[0] == '7' else row}{column}"] = place
        told |= {f"{side}{column}": _at(azimuth, below) for column, below in _BELOW.items()}
    for name in [n for n in told if not n.endswith("z")]:
        told[_other(name)] = told[name] * [-1, 1, 1]
    return {n: (float(x), float(y), float(z)) for n, (x, y, z) in told.items()}


#: Every electrode on a sphere of radius 1: x to the right, y to the front, z up (names as the 10-5 system spells them;
#: CB1 and CB2 are the cerebellar electrodes of the caps that recorded SEED).
PLACES: dict[str, tuple[float, float, float]] = _laid()


def plane(name: str) -> tuple[float, float]:
    """Place of an electrode of `PLACES` in a plane seen from above, nose up: x to the right, y to the front, 1 where
    the equator is (azimuthal equidistant projection)."""
    x, y, z = PLACES[name]
    out = float(np.hypot(x, y))
    r = float(np.arccos(np.clip(z, -1, 1))) / (np.pi / 2)
    return (0.0, 0.0) if out < 1e-9 else (round(r * x / out, 4) + 0.0, round(r * y / out, 4) + 0.0)


#: The 19 electrodes of the 10-20 system in the plane.
POSITIONS: dict[str, tuple[float, float]] = {
    n: plane(n) for n in ("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz",
                          "P4", "P8", "O1", "O2")
}  # fmt: skip
#: Names of older editions (T1 and T2 sit by FT9 and FT10: ACNS guideline 2, 2016).
_OLD = {"t3": "T7", "t4": "T8", "t5": "P7", "t6": "P8", "t1": "FT9", "t2": "FT10"}
_KNOWN = {name.lower(): name for name in PLACES} | _OLD
#: Ears, mastoids and what else a channel may be measured against.
_REFERENCES = {"a1", "a2", "m1", "m2", "ref", "le", "avg", "ar", "linked", "cle", "org", "vref", "gnd", "car"}
#: What may stand before a position, and after it.
_BEFORE = re.compile(r"^(eeg|pol|chan(nel)?)(?=[:_\-\s]|[A-Z])[:_\-\s]*|^(eeg|channel)", re.IGNORECASE)
_AFTER = re.compile(r"\s*[-_:/]\s*(ref|le|avg|ar|a1|a2|m1|m2|linked|cle|org|vref|car)\w*$|\.+$", re.IGNORECASE)


@lru_cache(maxsize=4096)
def position(name: str) -> str | None:
    """The electrode that a channel's name means, as `PLACES` spells it; None for none, for a reference and for a pair.

    >>> position("EEG T3-REF"), position("FP1."), position("A2-A1"), position("T7/T3"), position("fcz")
    ('T7', 'Fp1', None, 'T7', 'FCz')
    """
    bare = _BEFORE.sub("", name.strip())
    bare = _AFTER.sub("", _AFTER.sub("", bare)).lower()
    if bare in _KNOWN:
        return _KNOWN[bare]
    both = {_KNOWN.get(part.strip()) for part in bare.split("/")}  # T7/T3: two editions of one name
    return both.pop() if "/" in bare and len(both) == 1 else None


def pair(name: str) -> tuple[str, str] | None:
    """The two electrodes of a bipolar channel, as `PLACES` spells them; None where it is no pair of known electrodes.

    >>> pair("EEG Fpz-Cz"), pair("F7-T3"), pair("C3-M2"), pair("EEG Pz-Oz")
    (('Fpz', 'Cz'), ('F7', 'T7'), None, ('Pz', 'Oz'))
    """
    parts = re.split(r"\s*[-_]\s*", _BEFORE.sub("", name.strip()).rstrip("."))
    if len(parts) != 2:
        return None
    one, other = (_KNOWN.get(p.lower()) for p in parts)
    return None if one is None or other is None or one == other else (one, other)


def reference(name: str) -> str | None:
    """The ear or mastoid that a channel's name means (``a1``, ``a2``, ``m1``, ``m2``); None for any other."""
    bare = _BEFORE.sub("", name.strip()).rstrip(".").lower()
    return bare if bare in ("a1", "a2", "m1", "m2") else None


def spherical(name: str) -> FloatArray | None:
    """Where a channel sits on the sphere ``(3,)``: its electrode, or half way between the two of a pair; else None."""
    if (own := position(name)) is not None:
        return np.array(PLACES[own])
    if (two := pair(name)) is None:
        return None
    middle = np.array(PLACES[two[0]]) + np.array(PLACES[two[1]])
    size = float(np.linalg.norm(middle))
    return middle / size if size > 1e-6 else None
