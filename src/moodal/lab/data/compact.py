"""The compact layout: a set's clips in one tar, its pictures in one sheet, its arrays in one npz.

| form | files | one example |
|---|---|---|
| tar | ``clips.tar`` (Ogg Opus or WAV members) and ``index.csv`` | the member named in column ``clip`` |
| sheet | ``NAME.png`` (grey tiles of ``SIDE`` pixels, 100 a row) and ``NAME.csv`` | the tile at ``row``, ``col`` |
| npz | ``NAME.npz`` (plain arrays, never pickles) | the key, or the row, that the reader names |

Tables are CSV, plain or gzipped; every value is read as text, because a sentence may be ``NA`` or ``None``.
"""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError

__all__ = ["Tar", "arrays", "rows", "sound", "table", "tiles"]

#: What a damaged archive may raise, depending on which byte is wrong.
_DAMAGED = (OSError, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, zlib.error, zipfile.BadZipFile)


def rows(path: Path, needed: Sequence[str] = (), delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a CSV (or ``.csv.gz``), all values text; ``needed`` are columns that it must have.

    Raises
    ------
    InputError : not readable, a row of another length than the header, or a column that is not there.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="\0more", restval="\0less", delimiter=delimiter)
            header = reader.fieldnames or ()
            read = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read as a table ({error})", where=str(path), fix="Get the file again.") from error
    if lost := [name for name in needed if name not in header]:
        raise InputError(f"has no column {', '.join(lost)}", where=str(path), fix="Get the file again.")
    for i, row in enumerate(read):
        if "\0more" in row or "\0less" in row.values():
            raise InputError(f"row {i + 2} has another number of cells than the header", where=str(path))
    return read


def table(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The columns of a CSV as arrays of text."""
    read = rows(path)
    names = list(read[0]) if read else []
    return {name: np.array([row[name] for row in read], object) for name in names}


class _Arrays:
    """An npz that is read as it is asked for; what goes wrong then is one line, too."""

    def __init__(self, path: Path, stored: Any) -> None:
        self._path, self._stored = path, stored
        self.files: list[str] = list(stored.files)

    def __contains__(self, key: str) -> bool:
        return key in self.files

    def __getitem__(self, key: str) -> npt.NDArray[Any]:
        if key not in self.files:
            raise InputError(f"has no array {key}", where=str(self._path), fix="Get the file again.")
        try:
            return np.asarray(self._stored[key])
        except _DAMAGED as error:
            raise InputError(
                f"its array {key} cannot be read ({error})", where=str(self._path), fix="Get the file again."
            ) from error


@contextmanager
def arrays(path: Path) -> Iterator[_Arrays]:
    """The arrays of an npz, loaded as they are asked for; pickles are refused.

    Raises
    ------
    InputError : not a readable npz, or, when it is asked for, no such array or a damaged one.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except _DAMAGED as error:
        raise InputError(f"cannot be read as npz ({error})", where=str(path), fix="Get the file again.") from error
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise InputError("is one array, not an npz of several", where=str(path), fix="Get the file again.")
    with loaded:
        yield _Arrays(path, loaded)


def tiles(sheet: Path, row: npt.NDArray[Any], col: npt.NDArray[Any], side: int = 48) -> npt.NDArray[np.uint8]:
    """Grey tiles ``(n, side, side)`` of a sheet.

    Raises
    ------
    InputError : a tile outside the picture.
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # a sheet of ten thousand faces is no bomb; its size is checked below
    with Image.open(sheet) as picture:
        grey = np.asarray(picture.convert("L"))
    row, col = np.asarray(row, np.int64), np.asarray(col, np.int64)
    if len(row) and ((row.max() + 1) * side > grey.shape[0] or (col.max() + 1) * side > grey.shape[1]):
        raise InputError(f"a tile lies outside the sheet of {grey.shape[1]} x {grey.shape[0]} pixels", where=str(sheet))
    grid = grey[: grey.shape[0] // side * side, : grey.shape[1] // side * side]
    grid = grid.reshape(grid.shape[0] // side, side, grid.shape[1] // side, side).swapaxes(1, 2)
    return np.ascontiguousarray(grid[row, col])


class Tar:
    """Members of a tar by name, read without unpacking; one is opened by each worker.

    Raises
    ------
    InputError : not a tar, or no such member.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self._tar = tarfile.open(self.path, "r:")  # noqa: SIM115 (closed by `close`)
            self._members = {m.name: m for m in self._tar.getmembers() if m.isfile()}
        except (OSError, tarfile.TarError) as error:
            raise InputError(f"cannot be read as tar ({error})", where=str(path), fix="Get the file again.") from error

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """The bytes of a member."""
        if name not in self._members:
            raise InputError(f"has no member {name}", where=str(self.path), fix="Get the file again.")
        file = self._tar.extractfile(self._members[name])
        assert file is not None
        return file.read()

    def places(self) -> dict[str, tuple[int, int]]:
        """Start and length of each member's bytes in the file."""
        return {name: (m.offset_data, m.size) for name, m in self._members.items()}

    def close(self) -> None:
        """Close the file."""
        self._tar.close()

    def __enter__(self) -> Tar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sound(data: bytes, rate_hz: int = 16_000) -> npt.NDArray[np.float32]:
    """Mono samples ``(n,)`` in [-1, 1] at ``rate_hz`` of an encoded clip.

    Raises
    ------
    InputError : the bytes hold no sound.
    """
    import av

    try:
        with av.open(io.BytesIO(data), "r") as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
            parts = [r.to_ndarray()[0] for f in container.decode(audio=0) for r in resampler.resample(f)]
            parts += [r.to_ndarray()[0] for r in resampler.resample(None)]
    except (av.FFmpegError, IndexError) as error:
        raise InputError(f"holds no sound that can be read ({error})") from error
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
