"""A bundle: a trained (or written) model ready to run, its card and its calibration, in one file.

A bundle written by hand may also lie unpacked in a folder of the same members, where it can be read
and reviewed as text.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ModelError

__all__ = ["BUNDLE_FIELDS", "Bundle"]

#: What every manifest states.
BUNDLE_FIELDS = ("name", "version", "kind", "licence", "commercial", "data_terms", "inputs", "scheme", "calibration")

#: Fixed time stamp of members, so that the same content is the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def _member(path: Path, member: str) -> bytes:
    if path.is_dir():
        return (path / member).read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


@dataclass(frozen=True)
class Bundle:
    """One zip file (or folder): ``manifest.json``, ``card.md``, arrays as ``NAME.npy``, graphs as ``NAME.onnx``.

    ``manifest`` has at least `BUNDLE_FIELDS`: ``kind`` is ``expert`` (runs in an extractor) or
    ``fusion`` (runs in conclude); ``calibration`` is ``null`` where nothing was calibrated on people.
    """

    path: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Read the manifest alone.

        Raises
        ------
        ModelError : no such file, not a bundle, or a manifest without a required field.
        """
        if not Path(path).exists():
            raise ModelError("no such bundle", where=str(path), fix="See: moodal models list")
        try:
            manifest = json.loads(_member(Path(path), "manifest.json"))
        except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
            raise ModelError("is not a readable bundle", where=str(path), fix="Fetch or export it again.") from error
        missing = [f for f in BUNDLE_FIELDS if f not in manifest]
        if missing:
            raise ModelError(f"manifest lacks {', '.join(missing)}", where=str(path), fix="Export it again.")
        return cls(Path(path), manifest)

    @property
    def name(self) -> str:
        """Its name, as options and summaries spell it."""
        return str(self.manifest["name"])

    @cached_property
    def card(self) -> str:
        """What it was made from, how well it does, and what it is not for (Markdown)."""
        return self._read("card.md").decode()

    def array(self, name: str) -> npt.NDArray[Any]:
        """The stored array ``NAME.npy`` (never a pickle)."""
        return np.asarray(np.load(io.BytesIO(self._read(f"{name}.npy")), allow_pickle=False))

    def graph(self, name: str) -> bytes:
        """The stored graph ``NAME.onnx``."""
        return self._read(f"{name}.onnx")

    def _read(self, member: str) -> bytes:
        try:
            return _member(self.path, member)
        except (KeyError, zipfile.BadZipFile, OSError) as error:
            raise ModelError(f"member {member} cannot be read", where=str(self.path), fix="Export it again.") from error

    def sha256(self) -> str:
        """Hash of its file; of its members in order, where it lies unpacked in a folder."""
        digest = hashlib.sha256()
        for file in sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]:
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def as_model(self) -> dict[str, Any]:
        """The row of a summary's ``models``."""
        return {k: self.manifest[k] for k in ("name", "version", "licence", "commercial")}

    @staticmethod
    def write(
        path: Path,
        manifest: Mapping[str, Any],
        card: str,
        arrays: Mapping[str, npt.NDArray[Any]] | None = None,
        graphs: Mapping[str, bytes] | None = None,
    ) -> None:
        """Write a bundle; the same content gives the same bytes."""
        members: dict[str, bytes] = {
            "manifest.json": json.dumps(dict(manifest), indent=1, ensure_ascii=False).encode(),
            "card.md": card.encode(),
        }
        for name, array in sorted((arrays or {}).items()):
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            members[f"{name}.npy"] = buffer.getvalue()
        members.update({f"{name}.onnx": data for name, data in sorted((graphs or {}).items())})
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for member, data in members.items():
                archive.writestr(zipfile.ZipInfo(member, _EPOCH), data, zipfile.ZIP_DEFLATED, 9)
