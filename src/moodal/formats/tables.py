"""Tracks as Parquet while they grow, and as CSV.

A track's file holds ``time_s, [end_s,] subject, fields…, [text,] quality``, subject after subject,
and in its metadata (key ``moodal``) the track's spec and every gap with its reason.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from moodal.core.errors import InputError, UsageError
from moodal.core.track import Field, Gap, Piece, Track, TrackSet, TrackSpec, merge_gaps

from .columns import arrow_table, numpy_column, rows_where
from .files import disk_errors, write_text
from .writer import guarded

__all__ = ["TrackReader", "TrackWriter", "csv_text", "write_table"]

#: Rows of a Parquet row group; fixed, so that how pieces were cut leaves no mark in the bytes.
GROUP = 4096


class _SubjectRows:
    """One subject's rows: waiting ones in memory, full groups in a file of their own."""

    def __init__(self, spec: TrackSpec, subject: str, part: Path) -> None:
        self.spec, self.subject, self.part = spec, subject, part
        self.waiting: list[Piece] = []
        self.n = 0
        self.writer: Any = None
        self.gaps: list[Gap] = []

    def add(self, piece: Piece) -> None:
        self.gaps.extend(piece.gaps)
        if not len(piece.times):
            return
        self.waiting.append(piece)
        self.n += len(piece.times)
        while self.n >= GROUP:
            track = Track.from_pieces(self.spec, self.subject, self.waiting)
            self._write(_cut(track, 0, GROUP))
            rest = _cut(track, GROUP, len(track))
            self.waiting, self.n = [_piece(rest)], len(rest)

    def _write(self, track: Track) -> None:
        import pyarrow.parquet as pq

        table = _table(track)
        with disk_errors(self.part):
            if self.writer is None:
                self.writer = pq.ParquetWriter(self.part, table.schema, compression="zstd")
            self.writer.write_table(table)

    def groups(self) -> Iterator[Any]:
        """Every full group in order, then what waits."""
        import pyarrow.parquet as pq

        if self.writer is not None:
            with disk_errors(self.part):
                self.writer.close()
            with pq.ParquetFile(self.part) as file:
                for i in range(file.num_row_groups):
                    yield file.read_row_group(i)
            self.part.unlink()
        if self.n:
            yield _table(Track.from_pieces(self.spec, self.subject, self.waiting))


def _cut(track: Track, first: int, last: int) -> Track:
    return replace(
        track,
        times=track.times[first:last],
        values=track.values[first:last],
        quality=track.quality[first:last],
        ends=None if track.ends is None else track.ends[first:last],
        texts=None if track.texts is None else track.texts[first:last],
    )


def _piece(track: Track) -> Piece:
    return Piece(track.spec.name, track.subject, track.times, track.values, track.quality, (), track.ends, track.texts)


def _table(track: Track) -> Any:
    kinds = {"subject": object, "text": object, "time_s": np.float64, "end_s": np.float64}
    return arrow_table({name: np.asarray(v, kinds.get(name, np.float32)) for name, v in track.columns().items()})


class TrackWriter:
    """Takes pieces from several threads; `close` leaves one ``TRACK.parquet`` a track in ``folder``."""

    def __init__(self, folder: Path, specs: Mapping[str, TrackSpec]) -> None:
        self.folder, self.specs = folder, dict(specs)
        self.rows: dict[str, dict[str, _SubjectRows]] = {name: {} for name in specs}
        self._lock = Lock()
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, piece: Piece) -> None:
        """Append a piece; full groups go to disk at once."""
        with self._lock:
            rows = self.rows[piece.track]
            if piece.subject not in rows:
                part = self.folder / f"{piece.track}.{len(rows)}.part"
                rows[piece.subject] = _SubjectRows(self.specs[piece.track], piece.subject, part)
            subject = rows[piece.subject]
        subject.add(piece)

    def close(self) -> TrackReader:
        """Join each track's subjects into its final file."""
        import pyarrow.parquet as pq

        for name, rows in self.rows.items():
            path = self.folder / f"{name}.parquet"
            spec = self.specs[name]
            subjects = sorted(rows, key=_subject_key)
            empty = _table(Track.from_pieces(spec, "", ()))
            notes = {
                "spec": spec.as_dict(),
                "subjects": subjects,
                "gaps": {s: [[g.start, g.end, g.reason] for g in merge_gaps(rows[s].gaps)] for s in subjects},
            }
            tables = (t for s in subjects for t in rows[s].groups())
            first = next(tables, empty)
            schema = first.schema.with_metadata({"moodal": json.dumps(notes, ensure_ascii=False)})
            with disk_errors(path), pq.ParquetWriter(path, schema, compression="zstd") as writer:
                writer.write_table(first)
                for table in tables:
                    writer.write_table(table)
        return TrackReader(self.folder)


def _subject_key(subject: str) -> tuple[str, int, str]:
    digits = subject.lstrip("abcdefghijklmnopqrstuvwxyz")
    return (subject[: len(subject) - len(digits)], int(digits) if digits.isdigit() else 0, subject)


class UnknownTrack(UsageError, KeyError):
    """A track that is not stored; a `KeyError` too, so that ``tracks.get(name)`` works."""


class TrackReader(Mapping[str, TrackSet]):
    """The tracks of a folder: name → `TrackSet`, each read when asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cache: dict[str, TrackSet] = {}

    def __getitem__(self, name: str) -> TrackSet:
        if name not in self._cache:
            self._cache[name] = self.read(name)
        return self._cache[name]

    def read(self, name: str, fields: tuple[str, ...] | None = None) -> TrackSet:
        """One track (only these fields of it, where given), not remembered.

        Raises
        ------
        UnknownTrack : the folder holds no such track.
        InputError : its file is damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.folder / f"{name}.parquet"
        if not path.exists():
            known = ", ".join(self) or "none"
            raise UnknownTrack(f"no track {name!r} is stored", where=str(self.folder), fix=f"Stored are: {known}.")
        try:
            with pq.ParquetFile(path) as file:
                notes = json.loads(file.schema_arrow.metadata[b"moodal"])
                described = notes["spec"]
                kept = [f for f in described["fields"] if fields is None or f["name"] in fields]
                spec = TrackSpec(
                    described["name"],
                    tuple(Field(**f) for f in kept),
                    described["rate_hz"],
                    described["source"],
                    described["look_ahead_s"],
                    described["about"],
                    ends="end_s" in file.schema_arrow.names,
                    texts="text" in file.schema_arrow.names,
                )
                fixed = [c for c in ("time_s", "end_s", "subject", "text", "quality") if c in file.schema_arrow.names]
                table = file.read(columns=[*fixed, *spec.columns])
        except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError) as error:
            raise InputError("is damaged", where=str(path), fix="Analyse the recording again.") from error
        return TrackSet(spec, {s: _track(spec, s, table, notes["gaps"][s]) for s in notes["subjects"]})

    def __iter__(self) -> Iterator[str]:
        return (p.stem for p in sorted(self.folder.glob("*.parquet")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _track(spec: TrackSpec, subject: str, table: Any, gaps: list[list[Any]]) -> Track:
    rows = rows_where(table, "subject", subject)

    def column(name: str, dtype: Any = np.float32) -> Any:
        return np.asarray(numpy_column(rows[name]), dtype)

    fields = [column(f) for f in spec.columns]
    return Track(
        spec,
        subject,
        column("time_s", np.float64),
        np.stack(fields, axis=1) if fields else np.empty((len(rows), 0), np.float32),
        column("quality"),
        tuple(Gap(start, end, reason) for start, end, reason in gaps),
        column("end_s", np.float64) if "end_s" in rows.column_names else None,
        tuple(rows["text"].to_pylist()) if "text" in rows.column_names else None,
    )


def csv_text(columns: Mapping[str, Any]) -> str:
    """Columns as CSV: full precision of time, seven digits of float32, missing is empty, no text is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_cells(name, values) for name, values in columns.items()), strict=True))
    return out.getvalue()


def _cells(name: str, values: Any) -> list[str]:
    if name in ("time_s", "start_s", "end_s"):
        return [repr(round(float(v), 9)) for v in values]
    array = np.asarray(values)
    if array.dtype.kind == "f":
        if not np.isfinite(array).any():
            return [""] * len(array)
        return ["" if not np.isfinite(v) else f"{v:.7g}" for v in array.tolist()]
    if array.dtype.kind == "O":
        return ["" if v is None else guarded(str(v)) for v in array.tolist()]
    return [str(v) for v in array.tolist()]


def write_table(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns as CSV or, by the path's suffix, Parquet: whole or not at all."""
    if path.suffix != ".parquet":
        write_text(path, csv_text(columns))
        return
    import pyarrow.parquet as pq

    table = arrow_table(columns)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            pq.write_table(table, part, compression="zstd")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
