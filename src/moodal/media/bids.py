"""BIDS: a folder with one recording of the Brain Imaging Data Structure, its signals, events and side files.

Read are ``*_eeg.edf``/``.bdf``, ``*_physio.tsv.gz`` (with its JSON) and ``*_events.tsv``; ``onset`` and ``StartTime``
are on the clock of the recording's first sample, as the standard says.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import Cue, Stream

from . import edf, join, table
from .header import sidecar
from .reader import ReaderSpec, Truth, sha256_of
from .signals import INSTANT_S, joint_sha256, notes_opener
from .units import Units

__all__ = ["SPEC"]

_FILE = re.compile(r"(sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*)_(eeg|physio|events)\.(edf|bdf|tsv\.gz|tsv)")
_SIDE = re.compile(r"_recording-[A-Za-z0-9]+")
MOST_FILES, MOST_EVENTS = 20_000, 100_000


def sniff(path: Path, head: bytes) -> bool:
    """A folder in which files have BIDS names, in it or below."""
    return path.is_dir() and any(True for _ in _files(path))


def _files(path: Path) -> Iterator[Path]:
    """Files with BIDS names, at most five folders down, links aside."""
    marked = (path / "dataset_description.json").is_file()
    seen = 0
    for home, folders, names in os.walk(path):
        depth = len(Path(home).relative_to(path).parts)
        wanted = marked or depth > 0 or path.name.startswith(("sub-", "ses-"))
        folders[:] = sorted(f for f in folders if depth < 5 and _below(f) and not Path(home, f).is_symlink())
        for name in sorted(names):
            seen += 1
            found = _FILE.fullmatch(name)
            if found and (wanted or found[2] != "events") and not Path(home, name).is_symlink():
                yield Path(home, name)
        if seen > MOST_FILES:
            return


def _below(name: str) -> bool:
    """Folders in which BIDS keeps recordings."""
    return name.startswith(("sub-", "ses-")) or name in ("eeg", "beh", "func", "physio", "meg", "ieeg", "motion")


def read(path: Path, units: Units | None = None) -> Recording:
    """The one recording of the folder: its EEG, its body signals beside it, its events as notes.

    Raises
    ------
    InputError : several recordings, or none that is read; in one line.
    """
    units = units or Units()
    groups: dict[str, dict[str, list[Path]]] = {}
    for file in _files(path):
        found = _FILE.fullmatch(file.name)
        assert found is not None
        groups.setdefault(_SIDE.sub("", found[1]), {}).setdefault(found[2], []).append(file)
    groups = {key: parts for key, parts in groups.items() if "eeg" in parts or "physio" in parts}
    if len(groups) != 1:
        names = ", ".join(sorted(groups)[:4]) + (" …" if len(groups) > 4 else "")
        what = f"holds {len(groups)} recordings ({names})" if groups else "holds events and no signals"
        raise InputError(what, where=str(path), fix="Name the folder of one, or one of its files.")
    ((_, parts),) = groups.items()
    signals = [(0.0, file) for file in parts.get("eeg", ())] + sorted(
        (_start(file), file) for file in parts.get("physio", ())
    )
    whole: Recording | None = None
    zero = 0.0
    for start, file in signals:
        part = edf.read(file, units) if file.suffix in (".edf", ".bdf") else table.read(file, units)
        if whole is None:
            whole, zero = part, start
            continue
        whole = join.combined(whole, part, join.Link("given offset", start - zero))
    assert whole is not None
    cues = [c for file in parts.get("events", ()) for c in _events(file, zero, whole)]
    if cues:
        whole = _with_notes(whole, cues)
    files = [file for found in parts.values() for file in found]
    hashed = joint_sha256((str(file.relative_to(path)), sha256_of(file)) for file in files)
    return replace(whole, path=path, name=path.resolve().name, sha256=hashed)


def _start(file: Path) -> float:
    """Where its first sample stands on the recording's clock, s."""
    try:
        start = float(sidecar(file)[1].get("starttime", "0"))
    except ValueError:
        return 0.0
    return start if np.isfinite(start) else 0.0


def _events(file: Path, zero: float, recording: Recording) -> Iterator[Cue]:
    """Events inside the recording; the text is trial_type, or else value."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as rows:
            for row in islice(csv.DictReader(rows, delimiter="\t"), MOST_EVENTS):
                try:
                    onset = float(row.get("onset") or "nan") - zero
                    length = float((row.get("duration") or "0").replace("n/a", "0"))
                except ValueError:
                    continue
                text = " ".join(str(row.get("trial_type") or row.get("value") or "event").split())[:200]
                if 0 <= onset < recording.duration_s:
                    yield Cue(onset, min(onset + max(length, 0.0), recording.duration_s), text)
    except (OSError, csv.Error) as error:
        recording.warnings.append(f"{file.name}: cannot be read ({error})")


def _with_notes(recording: Recording, cues: list[Cue]) -> Recording:
    cues = sorted(cues, key=lambda c: c.start)
    name = "notes" if recording.stream("notes") is None else "notes2"
    end = min(max(c.end for c in cues) + INSTANT_S, recording.duration_s)
    stream = Stream(name, "notes", None, cues[0].start, max(end, cues[0].start + 1e-6), {"cues": len(cues)})
    return replace(
        recording,
        streams=(*recording.streams, stream),
        openers={**recording.openers, name: notes_opener(cues, name)},
    )


def generate(folder: Path, seed: int) -> Truth:
    """A subject's folder with EEG and physio (even seeds) or physio alone, and events."""
    from .generated_edf import bids

    return bids(folder, seed)


SPEC = ReaderSpec(
    "bids", (), "BIDS folders with one recording (EEG as EDF or BDF, physio, events)", sniff, read, generate,
    folders=True, units=True,
)  # fmt: skip
