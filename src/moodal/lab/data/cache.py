"""A cache on disk, keyed by what was measured and by what measured it, and checked at each read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.formats.files import disk_errors
from moodal.weights.cache import home

from .dataset import Feature

__all__ = ["Cache", "key_of"]

_DIGEST = 32  # bytes of the SHA-256 in front of each entry


def key_of(*parts: object) -> str:
    """One key of several parts: content hashes, an extractor's name and fingerprint, settings."""
    return hashlib.sha256(json.dumps([str(p) for p in parts], ensure_ascii=False).encode()).hexdigest()


class Cache:
    """Arrays by key, one file each: a SHA-256 and an npz. A damaged entry is told in one line and made again.

    ``folder`` defaults to ``lab`` in moodal's cache folder (``MOODAL_HOME``).
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "lab"

    def arrays(self, key: str, make: Callable[[], Mapping[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
        """The arrays stored under the key, or those that ``make`` gives, stored now."""
        if (found := self.get(key)) is not None:
            return found
        made = {name: np.asarray(array) for name, array in make().items()}
        self.put(key, made)
        return made

    def get(self, key: str) -> dict[str, npt.NDArray[Any]] | None:
        """The arrays stored under the key; None where there are none, or where they are damaged."""
        path = self.folder / key[:2] / f"{key}.npz"
        if not path.exists():
            return None
        if (found := _read(path)) is None:
            warnings.warn(f"{path}: a damaged cache entry; it is made again", stacklevel=3)
        return found

    def put(self, key: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Store arrays under the key, whole or not at all."""
        _write(self.folder / key[:2] / f"{key}.npz", arrays)

    def feature(self, key: str, make: Callable[[], Feature]) -> Feature:
        """The `Feature` stored under the key, or the one that ``make`` gives, stored now."""

        def packed() -> dict[str, npt.NDArray[Any]]:
            f = make()
            told = {"name": f.name, "fields": f.fields, "rate_hz": f.rate_hz, "source": f.source} | {
                "fitted_on": sorted(f.fitted_on)
            }
            text = np.frombuffer(json.dumps(told, ensure_ascii=False).encode(), np.uint8)
            return {"values": f.values, "offsets": f.offsets, "told": text}

        stored = self.arrays(key, packed)
        told = json.loads(stored["told"].tobytes())
        return Feature(
            told["name"], stored["values"], stored["offsets"], tuple(told["fields"]), told["rate_hz"], told["source"],
            frozenset(told["fitted_on"]),
        )  # fmt: skip


def _read(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    data = path.read_bytes()
    if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
        return None
    with np.load(io.BytesIO(data[_DIGEST:]), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _write(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    data = buffer.getvalue()
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(hashlib.sha256(data).digest() + data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
