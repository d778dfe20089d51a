"""A folder with a ``recording.toml``: files that are one recording, with what only people know of their clocks.

The first file's second 0 is the recording's. Keys are those of ``docs/reference/clocks.md``.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.errors import InputError
from moodal.core.recording import Recording

from . import join, transcript
from .reader import ReaderSpec, SignalTruth, Truth, sha256_of
from .signals import joint_sha256
from .units import Units

__all__ = ["NAME", "SPEC"]

NAME = "recording.toml"
#: Keys of the file, and of each ``[[file]]`` with their types.
_KEYS: dict[str, tuple[type, ...]] = {
    "path": (str,), "offset_s": (int, float), "drift_ppm": (int, float), "rate_hz": (int, float), "units": (dict,),
}  # fmt: skip
MOST_FILES, MOST_BYTES = 64, 1 << 20


def sniff(path: Path, head: bytes) -> bool:
    """The folder that holds such a file, or the file itself."""
    return (path / NAME).is_file() if path.is_dir() else path.name == NAME


def _rows(path: Path) -> list[dict[str, Any]]:
    """The files that it names, checked."""
    where = str(path)

    def wrong(what: str) -> InputError:
        return InputError(what, where=where, fix="docs/reference/clocks.md shows what it may say.")

    try:
        if path.stat().st_size > MOST_BYTES:
            raise wrong("is too large")
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=where, fix="Check its permissions.") from error
    except (ValueError, RecursionError) as error:
        raise wrong(f"is no TOML ({' '.join(str(error).split())[:120]})") from error
    rows = found.get("file")
    if set(found) - {"file"} or not isinstance(rows, list) or not 0 < len(rows) <= MOST_FILES:
        raise wrong("must hold [[file]] tables and nothing else")
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("path"), str):
            raise wrong("has a [[file]] without a path")
        for key, value in row.items():
            good = key in _KEYS and isinstance(value, _KEYS[key]) and not isinstance(value, bool)
            if not good or (isinstance(value, float) and not np.isfinite(value)):
                raise wrong(f"{key} = {str(value)[:40]!r} of {row['path'][:60]!r} is not what it may say")
        inside = Path(row["path"])
        if inside.is_absolute() or ".." in inside.parts or not inside.parts:
            raise wrong(f"names {row['path'][:60]!r}, which is outside its folder")
        if "drift_ppm" in row and "offset_s" not in row:
            raise wrong(f"gives a drift of {row['path'][:60]!r} and no offset_s")
        if abs(row.get("drift_ppm", 0)) > 10_000:
            raise wrong(f"drift_ppm = {row['drift_ppm']:g} is no drift")
    return rows


def read(path: Path, units: Units | None = None) -> Recording:
    """The files as one recording, named after the folder.

    Raises
    ------
    InputError : the file says what it may not, or a file that it names cannot be read or joined; in one line.
    """
    from . import opened

    units = units or Units()
    toml = path / NAME if path.is_dir() else path
    home = toml.parent
    rows = _rows(toml)
    whole: Recording | None = None
    for row in rows:
        file = home / row["path"]
        if file.resolve() in (home.resolve(), toml.resolve()):
            raise InputError(f"names itself ({row['path']!r})", where=str(toml), fix="Name the files to be joined.")
        own = {str(k): str(v) for k, v in row.get("units", {}).items()}
        if "rate_hz" in row:
            own["rate"] = str(row["rate_hz"])
        if whole is not None and file.suffix.lower() in transcript.EXTENSIONS:
            whole = transcript.join(whole, file, float(row.get("offset_s", 0.0)))
            continue
        part = opened(file, units.with_(own))
        if whole is None:
            whole = part
            continue
        try:
            whole = _joined(whole, part, row)
        except InputError as error:
            raise InputError(f"{error.where}: {error.what}", where=str(home), fix=error.fix) from error
    assert whole is not None
    hashed = joint_sha256([(f"1 {NAME}", sha256_of(toml)), ("2", whole.sha256)])
    return replace(whole, name=home.resolve().name, sha256=hashed)


def _joined(whole: Recording, part: Recording, row: dict[str, Any]) -> Recording:
    """The recording with one more file on its clock, as its row says or as their clocks tell."""
    if "offset_s" in row:
        link = join.Link("given offset", float(row["offset_s"]), 1e-6 * float(row.get("drift_ppm", 0.0)))
    else:
        link = join.linked(whole, part)
    return join.combined(whole, part, link)


def generate(folder: Path, seed: int) -> Truth:
    """A wristband's session and a table whose clock began later and runs fast, by seed."""
    from .generated import e4, table

    home = folder / f"joined-{seed}"
    home.mkdir(exist_ok=True)
    first = e4(home, seed)
    second = table(home, 5 + 6 * (seed % 3))  # a table without a clock, but with its rate in a comment
    offset, ppm = 2.5 + seed % 5, 100.0 * (seed % 3)
    # The path last: a file that breaks off inside a number would else be a whole one with another number.
    text = (
        f'[[file]]\npath = "{first.path.name}"\n\n[[file]]\noffset_s = {offset}\ndrift_ppm = {ppm}\nrate_hz = 32\n'
        f'path = "{second.path.name}"\n'
    )
    (home / NAME).write_text(text, encoding="utf-8")
    signals = dict(first.signals)
    end = first.duration_s
    for signal in second.signals.values():
        name = signal.kind if signal.kind not in signals else f"{signal.kind}2"
        times = offset + signal.times * (1 + 1e-6 * ppm)
        signals[name] = SignalTruth(signal.kind, 32.0, times, signal.samples, signal.tolerance, signal.channels)
        end = max(end, offset + second.duration_s * (1 + 1e-6 * ppm))
    return Truth(home, end, signals=signals, notes=first.notes, epoch_s=first.epoch_s, time_tolerance=2e-6)


SPEC = ReaderSpec(
    "session", (".toml",), "folders with a recording.toml (several files on one clock)", sniff, read, generate,
    folders=True, units=True, listed=lambda path: path.name == NAME,
)  # fmt: skip
