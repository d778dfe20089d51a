"""The contamination register: which clips a bundle was trained on, so that a score on them is never taken for more.

A bundle's manifest names its data sets under ``data``: a list of names, or of objects with ``name`` and what else there
is to say (``part``, ``n``, ``licence``). Its array ``training_clips`` holds the content hashes
(`moodal.core.content`) of every example that weights, thresholds or calibration were fitted on:
texts of 16 hexadecimal digits, or uint64.
``uses`` names the bundles that a fusion rests on.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.content import HASH_LENGTH
from moodal.core.errors import ModelError

__all__ = ["ARRAY", "Status", "as_array", "data_sets", "status", "statuses", "training_clips"]

Status = Literal["in-sample", "held-out", "unknown"]

#: Name of the array in a bundle.
ARRAY = "training_clips"


def as_array(hashes: Iterable[str]) -> npt.NDArray[np.uint64]:
    """Content hashes as a bundle stores them: sorted, each once, 8 bytes each.

    Raises
    ------
    ModelError : a text that is no content hash.
    """
    told = sorted(set(hashes) - {""})
    for h in told:
        if len(h) != HASH_LENGTH or not set(h) <= set("0123456789abcdef"):
            raise ModelError(f"{h!r} is no content hash", fix=f"It takes {HASH_LENGTH} hexadecimal digits.")
    return np.array([int(h, 16) for h in told], np.uint64)


def training_clips(bundle: Bundle) -> frozenset[str] | None:
    """Content hashes of what the bundle was fitted on; None where it does not say.

    Raises
    ------
    ModelError : the array is there and damaged.
    """
    file = bundle.path / f"{ARRAY}.npy" if bundle.path.is_dir() else bundle.path
    try:
        return _clips(bundle.path, file.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=16)
def _clips(path: Path, _: int) -> frozenset[str] | None:
    # The time of the last change is a key of the cache and nothing else.
    if not path.is_dir():
        with zipfile.ZipFile(path) as archive:
            if f"{ARRAY}.npy" not in archive.namelist():
                return None
    try:
        stored = Bundle(path, {}).array(ARRAY)
    except (ValueError, EOFError, zlib.error) as error:
        raise ModelError(f"array {ARRAY} cannot be read", where=str(path), fix="Export it again.") from error
    if stored.dtype == np.uint64:
        digits = stored.astype(">u8").tobytes().hex()
        return frozenset(digits[i : i + HASH_LENGTH] for i in range(0, len(digits), HASH_LENGTH))
    if stored.dtype.kind in "US":
        return frozenset(h.decode() if isinstance(h, bytes) else str(h) for h in stored.tolist())
    raise ModelError(f"array {ARRAY} holds {stored.dtype}, not hashes", where=str(path), fix="Export it again.")


def data_sets(bundle: Bundle) -> tuple[str, ...] | None:
    """Names of the data sets that the bundle was fitted on, ``()`` for none at all; None where it does not say."""
    told = bundle.manifest.get("data")
    if told is None:
        return None
    return tuple(str(d["name"] if isinstance(d, dict) else d) for d in told)


def status(bundle: Bundle, content: str = "", name: str = "", data_set: str = "") -> Status:
    """Was the bundle fitted on this example?

    ``content`` is its hash, ``name`` its clip's name where the bundle lists names, ``data_set`` the set that it is of.
    ``in-sample``: it is listed. ``held-out``: the bundle lists what it was fitted on and this is not among it, or it
    was fitted on nothing, or on other sets alone. ``unknown``: nothing decides it (a set is named, its clips are not).
    """
    told = _own(bundle, content, name, data_set)
    # A fusion has seen what its experts have seen.
    known = registry.bundles()
    for other in bundle.manifest.get("uses", ()):
        found = status(known[other], content, name, data_set) if other in known else "unknown"
        told = max(told, found, key=_GRAVE.index)
    return told


_GRAVE: tuple[Status, ...] = ("held-out", "unknown", "in-sample")


def _own(bundle: Bundle, content: str, name: str, data_set: str) -> Status:
    clips, sets = training_clips(bundle), data_sets(bundle)
    if sets == ():
        return "held-out"
    names = bundle.manifest.get("training_names")
    if clips is not None and content:
        return "in-sample" if content in clips else "held-out"
    if names is not None and name:
        return "in-sample" if name in names else "held-out"
    if sets is not None and data_set:
        return "unknown" if _plain(data_set) in {_plain(s) for s in sets} else "held-out"
    return "unknown"


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def statuses(bundle: Bundle, contents: Sequence[str], data_sets: Sequence[str] | None = None) -> dict[Status, int]:
    """How many examples stand where; for a report."""
    sets = data_sets if data_sets is not None else [""] * len(contents)
    found = [status(bundle, c, data_set=s) for c, s in zip(contents, sets, strict=True)]
    return {s: found.count(s) for s in ("in-sample", "held-out", "unknown")}
