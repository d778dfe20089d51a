"""Floor 1: bytes in, a `Recording` on one clock out. One file a format, found through the registry."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from moodal.core import registry
from moodal.core.errors import InputError
from moodal.core.recording import Recording

from .reader import ReaderSpec
from .units import Units

__all__ = ["ReaderSpec", "read"]


def read(
    path: str | os.PathLike[str],
    *,
    with_: Sequence[str | os.PathLike[str]] = (),
    unit: Mapping[str, str] | Sequence[str] | str = (),
) -> Recording:
    """Open a recording: video, sound, still picture, transcript, text, signals of body and brain, or a folder of one.

    Only headers, time stamps and a sample of values are read; `Recording.chunks` reads the rest.

    Parameters
    ----------
    path : a file, or a folder of a layout that is one recording (Empatica E4, BIDS, or with a ``recording.toml``).
    with_ : files that join it on one clock: transcripts, and recordings as ``FILE`` or ``FILE@OFFSET_S`` (the
        file's zero stands at that second of the recording).
    unit : units of columns and channels that state none or a wrong one: ``{"eda": "uS"}`` or ``["eda=uS"]``.

    Raises
    ------
    InputError : no such file, nothing in it, no reader knows it, clocks that cannot be joined, or ``unit`` names a
        field that is in none of the files; in one line.
    UsageError : an item of ``unit`` is no ``FIELD=UNIT``.
    """
    units = Units.parse(unit)
    recording = opened(Path(path), units)
    if with_:
        from .join import join

        recording = join(recording, with_, units)
    if units.asked:
        units.check(recording.name)
    elif units:
        said = ", ".join(f"{field}={units[field]}" for field in units)
        recording.warnings.append(f"{recording.name}: --unit {said} is not used: it has no signal without a unit")
    return recording


def opened(path: Path, units: Units) -> Recording:
    """One file or folder as a recording, nothing joined."""
    if saved(path):
        raise InputError("is a saved Mood", where=str(path), fix=f"Show it with: moodal show {path}")
    try:
        head = b"" if path.is_dir() else _head(path)
        spec = chosen(path, head)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot be opened ({reason})", where=str(path), fix="Check its name and permissions."
        ) from error
    if spec is None:
        from .inputs import readable

        readable(path)
        raise InputError(
            "is a folder of no known layout (E4, BIDS, recording.toml)", where=str(path),
            fix="Name a file, or let moodal analyze take the folder.",
        )  # fmt: skip
    if not spec.units:
        return spec.read(path)
    units.asked = True
    return spec.read(path, units)


def saved(path: Path) -> bool:
    """Whether this is a Mood's own folder, which holds tables but no recording."""
    # Unlike Path.is_file this takes a folder that may not be searched for one without.
    return os.path.isfile(path / "mood.parquet")


def chosen(path: Path, head: bytes) -> ReaderSpec | None:
    """The reader that knows a file or folder: every file has one, for FFmpeg tries what is left."""
    folder = path.is_dir()
    return next((s for s in specs() if (s.folders or not folder) and s.sniff(path, head)), None)


def specs() -> list[ReaderSpec]:
    """Every registered reader, in the order in which they are asked."""
    return [registry.load("readers", name).SPEC for name in registry.names("readers")]


def _head(path: Path) -> bytes:
    """The first bytes of a file that can be read."""
    where = str(path)
    try:
        if not path.is_file():
            if path.exists():
                raise InputError("is no file", where=where, fix="Save the recording to a file first.")
            raise InputError("no such file", where=where, fix="Check the path.")
        with path.open("rb") as file:
            head = file.read(4096)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be opened ({reason})", where=where, fix="Check its name and permissions.") from error
    if not head:
        raise InputError("is empty (0 bytes)", where=where, fix="Copy or export the recording again.")
    return head
