"""Acquire: recordings of a folder, a data set or a function, as `Raw`s."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from moodal import media
from moodal.core import registry
from moodal.core.errors import InputError, MoodalError, UsageError
from moodal.core.recording import Recording
from moodal.core.stream import SIGNAL_KINDS, SignalChunk, SoundChunk, Stream
from moodal.lab.data.compact import rows as table_rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.index import TIME_COLUMNS
from moodal.lab.data.raw import Phase, Raw, Signal
from moodal.media.units import label as column_label

from .functions import REGISTERED, function_named
from .graph import Node
from .uses import USES

__all__ = ["acquire", "from_dataset", "from_recording", "matched"]

#: Settings of a node that are not the reader's.
_OURS = ("streams", "units", "corpus", "root", "device")
#: Names under which data sets bring signals, beside the kinds themselves.
_KINDS = {"bvp": "ppg", "audio": "sound", "rsp": "resp", "gsr": "eda"}


def acquire(node: Node, root: Path | str | None, progress: Callable[[float], None] | None = None) -> Iterator[Raw]:
    """The recordings of a node under ``root``, one after another, in a fixed order.

    Raises
    ------
    InputError : nothing there, or something that cannot be read.
    """
    s = node.settings
    if s.get("root"):
        root = Path(root) / s["root"] if root is not None else Path(s["root"])
    told = {k: v for k, v in s.items() if k not in _OURS}
    raws: Iterable[Raw]
    if node.use == "folder":
        raws = _folder(Path(root or "."), s, progress)
    elif isinstance(node.use, str) and _is_set(node.use):
        raws = _set(node.use, root, told, s.get("device", ""))
    else:
        function = function_named(node.use) if isinstance(node.use, str) else node.use
        made = function(root, **told)
        raws = from_dataset(made) if isinstance(made, Dataset) else made
    none = True
    for raw in raws:
        none = False
        raw = raw.only(s["streams"]) if s.get("streams") else raw
        yield replace(raw, corpus=s.get("corpus") or raw.corpus or node.id)
    if none:
        raise InputError("gives no recordings", where=node.told, fix="Check the folder.")


def _set(use: str, root: Path | str | None, told: dict[str, Any], device: str) -> Iterator[Raw]:
    """A data set by whole stretches, one person at a time where its reader can."""
    module = registry.load("sets", use)
    known = inspect.signature(module.read).parameters
    if "window_s" in known:
        told = {"window_s": None, **told}
    if device:
        wanted = [m for m in module.SPEC.modalities if m.startswith(f"{device}_")]
        if not wanted:
            devices = sorted({m.partition("_")[0] for m in module.SPEC.modalities if "_" in m})
            raise InputError(
                f"{use} has no device {device!r}", where=use, fix=f"It has: {', '.join(devices) or 'one'}."
            )
        if "modalities" in known:
            told = {"modalities": wanted, **told}
    parts = module.people(root, **told) if hasattr(module, "people") else [module.read(root, **told)]
    for part in parts:
        for raw in from_dataset(part):
            yield raw.only(wanted) if device else raw
        del part, raw  # before the next person is read


def _is_set(use: str) -> bool:
    return use not in REGISTERED and use not in USES and use in registry.names("sets")


# ---- data sets


def from_dataset(data: Dataset) -> Iterator[Raw]:
    """Each example of a data set as a recording: its features are streams, its class a phase."""
    index = data.index
    labels = {name: index.label(name) for name in index.labels}
    named = next((labels[n] for n in labels if labels[n].kind == "class"), None)
    kept = {c: v for c, v in index.columns.items() if c not in ("recording", "subject", "session", *TIME_COLUMNS)}
    for i in range(len(index)):
        start, end = float(index["start_s"][i]), float(index["end_s"][i])
        signals = {}
        for m, f in data.features.items():
            if not f.lengths[i]:
                continue
            begin = start if np.isfinite(start) else 0.0
            signals[m] = Signal(m, _kind(m), f[i], f.rate_hz, begin, channels=f.fields)
        if not np.isfinite(start) or not np.isfinite(end):
            timed = [s for s in signals.values() if s.rate_hz]
            start, end = 0.0, max((s.end_s for s in timed), default=1.0)
        phase = named.names[named.values[i]] if named is not None and named.values[i] >= 0 else ""
        yield Raw(
            index["recording"][i] or index["clip"][i], index["subject"][i], signals,
            (Phase(phase, start, end),), start, end, session=index["session"][i], corpus=index.name,
            columns={c: v[i] for c, v in kept.items()}, labels={n: (v, i) for n, v in labels.items()},
        )  # fmt: skip


def _kind(name: str) -> str:
    for token in reversed(re.split(r"[\s_.\-]+", name.lower())):
        if token in SIGNAL_KINDS:
            return token
        if token in _KINDS:
            return _KINDS[token]
    return ""


# ---- folders


def matched(root: Path, pattern: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Files (and folders of a layout that is one recording) under ``root`` whose path, without its suffix, fits the
    pattern: ``{subject}/{subject}_{phase}_{signal}``. A name that stands twice must be the same twice; only the phase
    may hold ``_``, and every name may hold blanks.

    Raises
    ------
    UsageError : the pattern names no subject, or something that is not known.
    """
    names = re.findall(r"{(\w*)}", pattern)
    known = ("subject", "session", "phase", "signal")
    if bad := [n for n in names if n not in known]:
        raise UsageError(f"files names {{{bad[0]}}}", where=pattern, fix=f"Known: {', '.join(known)}.")
    if "subject" not in names:
        raise UsageError("files names no {subject}", where=pattern, fix="Write {subject}/{subject}_{phase}_{signal}.")
    seen: set[str] = set()
    regex = ""
    for part in re.split(r"({\w+})", pattern):
        name = part[1:-1]
        if not (part.startswith("{") and name in known):
            regex += re.escape(part)
        elif name in seen:
            regex += f"(?P={name})"
        else:
            seen.add(name)
            inside = {"phase": "[^/]+", "subject": "[^/]+?" if names.count("subject") > 1 else "[^/_]+"}
            regex += f"(?P<{name}>{inside.get(name, '[^/_]+')})"
    shape = re.compile(regex)
    depth = pattern.count("/") + 1
    for path in sorted(root.glob("/".join(["*"] * depth))):
        if path.name.startswith(".") or (path.is_dir() and media.chosen(path, b"") is None):
            continue
        relative = path.relative_to(root).as_posix()
        stem = relative if path.is_dir() else _stem(relative)
        if found := shape.fullmatch(stem):
            yield path, found.groupdict()


def _stem(path: str) -> str:
    for suffix in (".csv.gz", ".tsv.gz"):
        if path.lower().endswith(suffix):
            return path[: -len(suffix)]
    head, _, _ = path.rpartition(".")
    return head or path


def _folder(root: Path, s: Mapping[str, Any], progress: Callable[[float], None] | None) -> Iterator[Raw]:
    if not root.is_dir():
        raise InputError("is no folder", where=str(root), fix="Name the folder of the recordings.")
    pattern = s.get("files", USES["folder"].settings["files"].default)
    groups: dict[tuple[str, str, str], list[tuple[Path, str]]] = {}
    for path, told in matched(root, pattern):
        key = (told["subject"], told.get("session", ""), told.get("phase", ""))
        files = groups.setdefault(key, [])
        signal = told.get("signal", "")
        if any(signal == other for _, other in files):
            raise InputError(
                f"two files are {' '.join(p for p in (*key, signal) if p)}", where=str(path),
                fix="Keep one, or name them apart.",
            )  # fmt: skip
        files.append((path, signal))
    if not groups:
        raise InputError(f"holds no file named {pattern}", where=str(root), fix="See: moodal pipe new --from FOLDER")
    phases = _phases(root / s["phases"]) if s.get("phases") else {}
    for k, ((subject, session, phase), files) in enumerate(sorted(groups.items())):
        yield _group(root, subject, session, phase, files, s, phases)
        if progress:
            progress((k + 1) / len(groups))


def _group(
    root: Path, subject: str, session: str, phase: str, files: Sequence[tuple[Path, str]], s: Mapping[str, Any],
    phases: Mapping[str, list[Phase]],
) -> Raw:  # fmt: skip
    """Files of one sitting (and phase) on one clock."""
    signals: dict[str, Signal] = {}
    warnings: list[str] = []
    units, rates = s.get("units", {}), s.get("rate_hz", {})
    opened: list[tuple[Recording, float | None, str]] = []
    for path, signal in files:
        told = {k: v for k, v in units.items() if not signal or k.lower() == signal.lower() or _is_of(k, signal)}
        if rate := next((v for k, v in rates.items() if k.lower() == signal.lower()), None):
            told["rate"] = f"{rate}Hz"
        recording = media.read(path, unit=told)
        warnings += recording.warnings
        zero = recording.epoch_s if recording.epoch_s is not None else _first_time(path)
        opened.append((recording, zero, signal))
    zeros = [z for _, z, _ in opened if z is not None]
    shared = len(zeros) == len(opened)
    if not shared and len(opened) > 1:
        warnings.append(f"{subject} {phase}: files without a common clock; taken to begin together")
    for recording, zero, _ in opened:
        offset = float(zero) - min(zeros) if shared and zero is not None else 0.0
        for found in from_recording(recording, offset).values():
            name, k = found.name, 2
            while name in signals:
                name, k = f"{found.name}_{k}", k + 1
            signals[name] = replace(found, name=name)
    end = max((x.end_s for x in signals.values()), default=0.0)
    where = "/".join(p for p in (subject, session, phase) if p)
    marked = tuple(phases.get("/".join(p for p in (subject, session) if p), phases.get(subject, ())))
    if phase:
        marked = (Phase(phase, 0.0, end),)
    return Raw(
        where, subject, signals, marked, 0.0, end, session=session, corpus=s.get("corpus", ""),
        columns={"file": str(files[0][0].relative_to(root))}, warnings=tuple(dict.fromkeys(warnings)),
    )  # fmt: skip


def _is_of(field: str, signal: str) -> bool:
    """Whether a field of units and a file's signal mean one kind."""
    a, b = column_label(field), column_label(signal)
    return a is not None and b is not None and a.kind == b.kind


def _first_time(path: Path) -> float | None:
    """The first number of a table's first column, where that is called a time: recorders stamp what they export."""
    if path.is_dir() or not path.name.lower().endswith((".csv", ".tsv")):
        return None
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head, first = file.readline(), file.readline()
    cell = re.split(r"[,;\t]", first)[0].strip()
    name = re.split(r"[,;\t]", head)[0].strip().strip('"').lower()
    try:
        value = float(cell)
    except ValueError:
        return None
    if not name.startswith("time"):
        return None
    return value / 1000 if "ms" in name else value


def from_recording(recording: Recording, offset_s: float = 0.0) -> dict[str, Signal]:
    """Every stream of samples of a recording, whole, by name; ``offset_s`` is where its zero stands."""
    found = {}
    for stream in recording.streams:
        if stream.kind in SIGNAL_KINDS or stream.kind == "sound":
            found[stream.name] = _signal(recording, stream, offset_s)
    return found


def _signal(recording: Recording, stream: Stream, offset_s: float) -> Signal:
    times, values = [], []
    for chunk in recording.chunks(stream.name):
        if isinstance(chunk, SignalChunk):
            times.append(chunk.times)
            values.append(chunk.samples)
        elif isinstance(chunk, SoundChunk):
            times.append((chunk.start_sample + np.arange(len(chunk.samples))) / chunk.rate_hz)
            values.append(chunk.samples[:, None])
    channels = tuple(stream.info.get("channels", ()))
    if not times:
        return Signal(stream.name, stream.kind, np.zeros((0, 1)), stream.rate_hz, offset_s, channels=channels)
    t, x = np.concatenate(times), np.concatenate(values)
    rate = stream.rate_hz
    if rate:
        at = np.round((t - t[0]) * rate).astype(np.int64)
        # Even where every sample lies within half a step of its place; a hole is then NaN.
        if np.abs((t - t[0]) * rate - at).max() <= 0.5 and (np.diff(at) > 0).all():
            even = np.full((int(at[-1]) + 1, x.shape[1]), np.nan)
            even[at] = x
            return Signal(stream.name, stream.kind, even, rate, float(t[0]) + offset_s, channels=channels)
    return Signal(
        stream.name, stream.kind, x, rate, float(t[0]) + offset_s, np.asarray(t + offset_s, np.float64), channels
    )


def _phases(path: Path) -> dict[str, list[Phase]]:
    """Phases of each subject (``subject`` or ``subject/session``) from a CSV."""
    if not path.exists():
        raise InputError("no such table of phases", where=str(path), fix="Columns: subject, phase, start_s, end_s.")
    found: dict[str, list[Phase]] = {}
    for i, row in enumerate(table_rows(path)):
        try:
            key = "/".join(p for p in (row["subject"], row.get("session", "")) if p)
            phase = Phase(row["phase"], float(row["start_s"]), float(row["end_s"]))
            if not phase.end_s > phase.start_s:
                raise ValueError("it ends before it starts")
        except (KeyError, ValueError) as error:
            raise InputError(
                f"row {i + 2} is no phase ({error})", where=str(path), fix="Columns: subject, phase, start_s, end_s."
            ) from error
        found.setdefault(key, []).append(phase)
    return found


def opened(path: Path | str) -> Raw:
    """One file or folder of a known layout as a recording of nobody in particular: what `predict` is given."""
    try:
        recording = media.read(path)
    except MoodalError:
        raise
    signals = from_recording(recording)
    end = max((s.end_s for s in signals.values()), default=recording.duration_s)
    return Raw(recording.name, "", signals, (), 0.0, end, warnings=tuple(recording.warnings))
