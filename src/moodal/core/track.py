"""Tracks: what an extractor measured, for whom, how well, and what is missing and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .clock import FloatArray, Span, Timeline
from .errors import MissingExtra, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from .plot import Drawing

__all__ = ["GAP_REASONS", "NOBODY", "Field", "Gap", "Piece", "Track", "TrackSet", "TrackSpec"]

#: Subject of evidence about a whole stream (a dark picture is dark for everybody).
NOBODY = ""

#: The closed list of reasons why a value is missing, with the words a person reads.
GAP_REASONS: dict[str, str] = {
    "no_face": "no face in view",
    "face_small": "face too small",
    "face_turned": "face turned away",
    "face_blurred": "face blurred",
    "dark": "picture too dark",
    "occluded": "face covered",
    "silence": "silence",
    "noise": "noise, no speech",
    "clipped": "sound clipped",
    "music": "music",
    "overlap": "several voices at once",
    "language": "language not supported",
    "no_words": "no words",
    "no_contact": "sensor not in contact",
    "flat": "signal flat",
    "saturated": "signal saturated",
    "artefact": "artefact",
    "too_short": "too short",
    "not_finite": "values not finite",
    "out_of_range": "values out of range",
    "no_stream": "not in this recording",
    "unreadable": "could not be read",
    "out_of_domain": "unlike anything the model knows",
    "warm_up": "warming up",
    "no_model": "model not installed",
    "not_asked": "not asked for",
}


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch ``[start, end)`` s without a value, and why (a key of `GAP_REASONS`)."""

    start: float
    end: float
    reason: str

    def __post_init__(self) -> None:
        if self.reason not in GAP_REASONS:
            raise ValueError(f"{self.reason!r} is not a gap reason; the list is closed: {', '.join(GAP_REASONS)}")

    @property
    def span(self) -> Span:
        """The stretch as a `Span`."""
        return Span(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a track: its name, unit (empty for a ratio), range and meaning."""

    name: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class TrackSpec:
    """What a track says: fields, rate, look-ahead and the source of its definition.

    ``rate_hz`` is ``None`` where samples follow the picture's frames or events (words). A sample is final
    ``look_ahead_s`` seconds after its own time, or ``with_expert_s`` where a trained expert tells it. ``ends``: a row
    is a stretch and has an end; ``texts``: it has words. Both are columns even where nothing was found.
    """

    name: str
    fields: tuple[Field, ...]
    rate_hz: float | None
    source: str
    look_ahead_s: float = 0.0
    about: str = ""
    keep: bool = True  #: stored in NAME.mood/ without being asked for
    ends: bool = False
    texts: bool = False
    with_expert_s: float = 0.0

    @property
    def modality(self) -> str:
        """The first part of the name: face, voice, words …"""
        return self.name.split(".", 1)[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """Field names in order."""
        return tuple(f.name for f in self.fields)

    def as_dict(self) -> dict[str, Any]:
        """The row of `moodal tracks --json`."""
        return {
            "name": self.name,
            "modality": self.modality,
            "fields": [
                {"name": f.name, "unit": f.unit, "low": f.low, "high": f.high, "about": f.about} for f in self.fields
            ],
            "rate_hz": self.rate_hz,
            "look_ahead_s": self.look_ahead_s,
            "source": self.source,
            "about": self.about,
        }


@dataclass(frozen=True, slots=True)
class Piece:
    """What one `push` adds to one subject's track; times follow those of the piece before.

    ``times (n,)`` s (start of each sample), ``values (n, k)`` (NaN where a field is missing),
    ``quality (n,)`` in [0, 1]; ``ends (n,)`` s where samples are stretches (words); ``texts`` n
    strings where a sample has words; ``gaps`` found in this stretch.
    """

    track: str
    subject: str
    times: FloatArray
    values: FloatArray
    quality: FloatArray
    gaps: tuple[Gap, ...] = ()
    ends: FloatArray | None = None
    texts: tuple[str, ...] | None = None

    @classmethod
    def gap(cls, track: str, subject: str, fields: int, *gaps: Gap) -> Piece:
        """A piece that holds gaps alone."""
        return cls(track, subject, np.empty(0), np.empty((0, fields), np.float32), np.empty(0, np.float32), gaps)


@dataclass(frozen=True)
class Track:
    """What one extractor measured for one subject.

    ``times (n,)`` float64 s rise; ``values (n, k)`` in the units of ``spec.fields``; ``quality (n,)``
    in [0, 1]; ``gaps`` name every missing stretch. Nothing is silently filled.
    """

    spec: TrackSpec
    subject: str
    times: FloatArray
    values: FloatArray
    quality: FloatArray
    gaps: tuple[Gap, ...] = ()
    ends: FloatArray | None = None
    texts: tuple[str, ...] | None = None

    @classmethod
    def from_pieces(cls, spec: TrackSpec, subject: str, pieces: Iterable[Piece]) -> Track:
        """Pieces of one subject joined in the order they came; gaps that touch are made one."""
        parts = list(pieces)
        full = [p for p in parts if len(p.times)]
        k = len(spec.fields)

        def join(arrays: list[Any], empty: Any) -> Any:
            return np.concatenate(arrays) if arrays else empty

        with_ends = full[0].ends is not None if full else spec.ends
        with_texts = full[0].texts is not None if full else spec.texts

        return cls(
            spec,
            subject,
            join([p.times for p in full], np.empty(0)),
            join([p.values for p in full], np.empty((0, k), np.float32)),
            join([p.quality for p in full], np.empty(0, np.float32)),
            merge_gaps(g for p in parts for g in p.gaps),
            join([p.ends for p in full], np.empty(0)) if with_ends else None,
            tuple(t for p in full for t in (p.texts or ())) if with_texts else None,
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """Column names of `values`."""
        return self.spec.columns

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, name: str) -> FloatArray:
        """One field as ``(n,)``."""
        return np.asarray(self.values[:, self.fields.index(name)])

    def missing(self, reason: str | None = None) -> Timeline:
        """Where there is no value (for one reason, or any)."""
        return Timeline(g.span for g in self.gaps if reason in (None, g.reason))

    def columns(self) -> dict[str, Any]:
        """The track as a table: ``time_s, [end_s,] subject, fields…, [text,] quality``."""
        table: dict[str, Any] = {"time_s": self.times}
        if self.ends is not None:
            table["end_s"] = self.ends
        table["subject"] = np.full(len(self.times), self.subject, dtype=object)
        table.update({name: self.values[:, i] for i, name in enumerate(self.fields)})
        if self.texts is not None:
            table["text"] = np.array(self.texts, dtype=object)
        table["quality"] = self.quality
        return table

    def to_pandas(self) -> pd.DataFrame:
        """The table of `columns` as a pandas frame (needs the extra ``pandas``)."""
        return TrackSet(self.spec, {self.subject: self}).to_pandas()

    def plot(self, *fields: str) -> Drawing:
        """Some fields (the first few unless named) over time, gaps hatched with their reasons, as SVG.

        Raises
        ------
        UsageError : no such field.
        """
        from .plot import draw_track

        unknown = [f for f in fields if f not in self.fields]
        if unknown:
            raise UsageError(
                f"has no field {unknown[0]!r}", where=self.spec.name, fix=f"Known: {', '.join(self.fields)}."
            )
        return draw_track(self, fields)

    def __repr__(self) -> str:
        when = f" from {self.times[0]:.2f} to {self.times[-1]:.2f} s" if len(self.times) else ""
        fields, gaps = len(self.fields), len(self.gaps)
        return f"Track({self.spec.name!r}, {self.subject!r}, {len(self)} × {fields} values{when}, {gaps} gaps)"

    def _repr_html_(self) -> str:
        return TrackSet(self.spec, {self.subject: self})._repr_html_()


def merge_gaps(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Gaps in order; those of one reason that touch or overlap are made one."""
    by_reason: dict[str, list[Span]] = {}
    for gap in gaps:
        by_reason.setdefault(gap.reason, []).append(gap.span)
    merged = [Gap(s.start, s.end, reason) for reason, spans in by_reason.items() for s in Timeline(spans)]
    return tuple(sorted(merged, key=lambda g: (g.start, g.end, g.reason)))


@dataclass(frozen=True)
class TrackSet:
    """One measurement for every subject: subject id → `Track`.

    With a single subject its arrays are at hand directly: ``tracks.times``, ``tracks.values`` (which
    is why this is no ``Mapping``: there ``values`` is a method).
    """

    spec: TrackSpec
    by_subject: dict[str, Track] = field(default_factory=dict)

    @classmethod
    def from_pieces(cls, spec: TrackSpec, pieces: Iterable[Piece]) -> TrackSet:
        """Pieces of this track sorted out by subject."""
        rows: dict[str, list[Piece]] = {}
        for piece in pieces:
            rows.setdefault(piece.subject, []).append(piece)
        return cls(spec, {s: Track.from_pieces(spec, s, p) for s, p in rows.items()})

    def __getitem__(self, subject: str) -> Track:
        return self.by_subject[subject]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_subject)

    def __len__(self) -> int:
        return len(self.by_subject)

    def items(self) -> Iterable[tuple[str, Track]]:
        """Pairs of subject and track."""
        return self.by_subject.items()

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects measured, those of the whole stream left out."""
        return tuple(s for s in self.by_subject if s != NOBODY)

    @property
    def only(self) -> Track:
        """The track of the single subject.

        Raises
        ------
        UsageError : several subjects, or none; index by subject then.
        """
        subjects = [s for s in self.by_subject if s != NOBODY] or list(self.by_subject)
        if len(subjects) != 1:
            raise UsageError(
                f"holds {len(subjects)} subjects ({', '.join(subjects) or 'none'})",
                where=self.spec.name,
                fix="Choose one: tracks['p1'].",
            )
        return self.by_subject[subjects[0]]

    @property
    def fields(self) -> tuple[str, ...]:
        """Column names."""
        return self.spec.columns

    @property
    def times(self) -> FloatArray:
        """``(n,)`` s of the single subject."""
        return self.only.times

    @property
    def values(self) -> FloatArray:
        """``(n, k)`` of the single subject."""
        return self.only.values

    @property
    def quality(self) -> FloatArray:
        """``(n,)`` of the single subject."""
        return self.only.quality

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Gaps of the single subject."""
        return self.only.gaps

    def plot(self, *fields: str) -> Drawing:
        """`Track.plot` of the single subject."""
        return self.only.plot(*fields)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """All subjects as one table, in order of subject, then time."""
        tables = [t.columns() for t in self.by_subject.values() if len(t)]
        if not tables:
            return {k: np.asarray(v) for k, v in Track.from_pieces(self.spec, NOBODY, ()).columns().items()}
        return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}

    def to_pandas(self) -> pd.DataFrame:
        """All subjects as one pandas frame (needs the extra ``pandas``)."""
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtra("pandas", "pandas", "to_pandas()") from error
        return pd.DataFrame(self.columns())

    def __repr__(self) -> str:
        rows = ", ".join(f"{s or 'stream'}: {len(t)}" for s, t in self.by_subject.items())
        return f"TrackSet({self.spec.name!r}, {{{rows}}})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(s or 'stream')}</td><td>{len(t)}</td><td>{t.missing().duration:.2f}</td></tr>"
            for s, t in self.by_subject.items()
        )
        return (
            f"<p><b>{escape(self.spec.name)}</b>: {escape(', '.join(self.fields[:12]))}"
            f"{' …' if len(self.fields) > 12 else ''}</p><table><tr><th>subject</th><th>samples</th>"
            f"<th>missing, s</th></tr>{rows}</table>"
        )
