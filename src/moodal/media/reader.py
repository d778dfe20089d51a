"""What every reader says of itself, and what they share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError
from moodal.core.recording import Recording

__all__ = ["ReaderSpec", "SignalTruth", "Truth", "sha256_of"]


@dataclass(frozen=True)
class SignalTruth:
    """A stream of samples as a reader must give it back: in the kind's unit, to within ``tolerance``."""

    kind: str
    rate_hz: float | None
    times: FloatArray
    samples: FloatArray
    tolerance: float = 1e-9
    channels: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Truth:
    """What a generated file holds, as a reader must give it back.

    ``frames (n, height, width, 3)`` RGB shown at ``times (n,)`` s; ``sound (m,)`` mono at
    16,000 Hz from second ``sound_start``; ``words`` with ``(start, end, text)``. The tolerances are
    the codec's: of times in s, of pixels as mean absolute difference, of samples as root mean square
    over that of the sound. ``signals`` are streams of samples by name, ``notes`` markers with ``(start, end,
    text)``, ``epoch_s`` the POSIX time of second 0 where the layout tells it.
    """

    path: Path
    duration_s: float
    times: FloatArray | None = None
    frames: npt.NDArray[np.uint8] | None = None
    sound: npt.NDArray[np.float32] | None = None
    sound_start: float = 0.0
    words: tuple[tuple[float, float, str], ...] | None = None
    time_tolerance: float = 1e-6
    pixel_tolerance: float = 0.0
    sound_tolerance: float = 0.0
    signals: Mapping[str, SignalTruth] = field(default_factory=dict)
    notes: tuple[tuple[float, float, str], ...] = ()
    epoch_s: float | None = None


@dataclass(frozen=True)
class ReaderSpec:
    """A reader: the suffixes it knows, how it recognises a file, how it reads one.

    ``sniff(path, head)`` sees the first 4,096 bytes. ``generate(folder, seed)`` writes a small file of
    one of the reader's layouts, chosen by the seed, and returns what is in it (see the laws of readers).

    ``folders``: a folder can be one recording of this layout; ``sniff`` is then asked with no bytes. ``units``:
    ``read(path, units)`` takes the units that the user declared. ``listed(path)``: whether a file of these
    suffixes that lies in a folder is meant as a recording (``None``: always).
    """

    name: str
    extensions: tuple[str, ...]
    about: str
    sniff: Callable[[Path, bytes], bool]
    read: Callable[..., Recording]
    generate: Callable[[Path, int], Truth]
    folders: bool = False
    units: bool = False
    listed: Callable[[Path], bool] | None = None


def sha256_of(path: Path) -> Callable[[], str]:
    """A function that hashes the file's bytes when asked."""

    def digest() -> str:
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(
                f"can no longer be read ({error.strerror})", where=str(path), fix="Is it still there?"
            ) from error

    return digest
