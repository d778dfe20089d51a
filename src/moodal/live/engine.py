"""Measure chunks as they come and conclude causally: the same extractors as for a file, the past alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, inf
from types import TracebackType
from typing import Any

import numpy as np

from moodal.core.clock import Span
from moodal.core.errors import UsageError
from moodal.core.expert import Expert, choose, find_expert
from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext
from moodal.core.mood import Mood
from moodal.core.scheme import scheme as scheme_of
from moodal.core.stream import STREAM_KINDS, Chunk, PictureChunk, SignalChunk, SoundChunk, Stream, WordsChunk
from moodal.core.track import NOBODY, Piece, TrackSet, TrackSpec
from moodal.fuse import Facts, cell_s, conclude, states
from moodal.fuse.late import DEFAULT, TRACKS
from moodal.measure import MODALITIES, extractor_specs

__all__ = ["Live", "Point", "stream"]

#: Cells before the first new one that a conclusion looks at: smoothing reaches back less far.
_BACK = 30
#: Tracks are kept for this long, s; those of the body, whose baseline is the person's own past, for ever.
_KEEP_S = 120.0
#: Chunks of one stream that overlap by less than this are in order, s.
_SLACK_S = 1e-6


@dataclass(frozen=True, slots=True)
class Point:
    """What is displayed in ``[start, end)`` s, final: later chunks change nothing in it.

    A cell has a point for everybody who is told in it, or one of nobody (``subject`` is empty) where no one is.
    ``valence`` and ``arousal`` are value, low, high in [-1, 1] or ``None`` where withheld; ``classes`` is empty
    there. ``support`` is each modality's share of the evidence; ``missing`` why the others say nothing, as far as
    that is known by now.
    """

    subject: str
    start: float
    end: float
    valence: tuple[float, float, float] | None
    arousal: tuple[float, float, float] | None
    classes: Mapping[str, float]
    label_set: tuple[str, ...]
    support: Mapping[str, float]
    missing: Mapping[str, str] = field(default_factory=dict)


class Live:
    """One recording as it happens; see `stream`."""

    def __init__(
        self,
        streams: Sequence[str],
        modalities: Sequence[str],
        scheme: str,
        options: dict[str, Any],
        expert: Expert | None = None,
        fusion: str = DEFAULT,
    ) -> None:
        self.fusion = fusion
        self._experts = dict(options.get("experts") or {})
        self.streams, self.modalities, self.scheme = tuple(streams), tuple(modalities), scheme
        self._expert = expert
        self.warnings: list[str] = []
        self._passes: dict[str, list[tuple[ExtractorSpec, Extractor]]] = {s: [] for s in streams}
        self._until: dict[str, float] = dict.fromkeys(streams, 0.0)
        self._tracks: dict[str, list[Piece]] = {}
        self._specs: dict[str, TrackSpec] = {}
        self._cell = 0
        self._step = cell_s([Stream(s, s, None, 0.0, 0.0) for s in streams])  # type: ignore[arg-type]
        self._end = 0.0
        self._closed = False
        self.withheld = dict.fromkeys(modalities, "no_stream")
        for spec in extractor_specs().values():
            kind = next((k for k in spec.reads if k in self.streams), None)
            if spec.modality not in modalities or kind is None:
                continue
            context = MeasureContext(Span(0.0, inf), options={**options, "reads": kind, "live": True})
            self._passes[kind].append((spec, spec.make(context)))
            self._specs.update({t.name: t for t in spec.tracks})
            self.withheld.pop(spec.modality, None)

    @property
    def delay_s(self) -> float:
        """How long after its own end a point can be final at the earliest, s."""
        return max((self._look_ahead(s) for rows in self._passes.values() for s, _ in rows), default=0.0)

    def _look_ahead(self, spec: ExtractorSpec) -> float:
        """Of the tracks that the fusion reads: others may come later."""
        told = spec.modality in self._experts
        return max(
            (max(t.look_ahead_s, t.with_expert_s if told else 0.0) for t in spec.tracks if t.name in _READ),
            default=0.0,
        )

    def push(self, chunk: Chunk) -> list[Point]:
        """Take the next chunk of any announced stream; give the points that became final.

        Streams may run ahead of one another: points wait for the slowest. A chunk that comes after a later one of its
        own stream is left out, with a warning; what is missing between two chunks is a gap.

        Raises
        ------
        UsageError : a stream that was not announced, or the stream is closed.
        """
        kind = _kind(chunk)
        if self._closed:
            raise UsageError("is closed", where="stream", fix="Open another one.")
        if kind not in self._passes:
            raise UsageError(
                f"{kind!r} was not announced", where="stream", fix=f"Open it with streams={[*self.streams, kind]!r}."
            )
        start, end = _span(chunk)
        if start < self._until[kind] - _SLACK_S:
            self.warnings.append(
                f"{kind}: a chunk from {start:.2f} s came after {self._until[kind]:.2f} s had been reached; left out"
            )
            return []
        self._until[kind] = max(self._until[kind], end)
        self._end = max(self._end, _last(chunk))
        for _, extractor in self._passes[kind]:
            self._take(extractor.push(chunk))
        return self._points(self._final())

    def close(self) -> list[Point]:
        """All streams ended: the rest."""
        if self._closed:
            return []
        self._closed = True
        for rows in self._passes.values():
            for _, extractor in rows:
                self._take(extractor.close())
        return self._points(self._end, whole=True)

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Points that nobody asked for are not worth finishing: this only lets threads go.
        self.close()

    def tracks(self) -> dict[str, TrackSet]:
        """What was measured lately, by track."""
        return {name: TrackSet.from_pieces(self._specs[name], pieces) for name, pieces in self._tracks.items()}

    def _take(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            self._tracks.setdefault(piece.track, []).append(piece)

    def _final(self) -> float:
        """Up to when every extractor that the fusion reads has said all it will say, s."""
        ready = [
            self._until[kind] - self._look_ahead(spec)
            for kind, rows in self._passes.items()
            for spec, _ in rows
            if any(t.name in _READ for t in spec.tracks)
        ]
        return min(ready, default=0.0)

    def _points(self, until: float, *, whole: bool = False) -> list[Point]:
        last = int(np.ceil(until / self._step - 1e-9)) if whole else max(floor(until / self._step + 1e-9), 0)
        if last <= self._cell:
            return []
        end = until if whole else last * self._step
        facts = Facts(
            "stream",
            end,
            tuple(Stream(s, s, None, 0.0, end) for s in self.streams),  # type: ignore[arg-type]
            Span(0.0, end),
            schemes=(self.scheme,),
            modalities=self.modalities if self._expert is None else (self._expert.modality,),
            withheld=self.withheld,
            fusion=self.fusion,
            single=None if self._expert is None else self._expert.fusion(),
        )
        first = max(self._cell - _BACK, 0)
        mood = conclude(self.tracks(), facts, causal=True, first_cell=first)
        found = _points_of(mood, self._cell - first)
        self._cell = last
        self._forget(end)
        return found

    def _forget(self, now: float) -> None:
        for name, pieces in self._tracks.items():
            if name.startswith("body."):
                continue
            # Who was seen first is asked for ever after (whose band it is): each person's first piece stays.
            first = {p.subject: i for i, p in reversed(list(enumerate(pieces))) if len(p.times)}
            kept = frozenset(first.values()) if name == "face.quality" else frozenset()
            self._tracks[name] = [p for i, p in enumerate(pieces) if i in kept or _ends(p) >= now - _KEEP_S]


#: Tracks that the fusion reads, and those that say who is there.
_READ = frozenset((*TRACKS.values(), "face.quality", "body.heart", "body.eda", "body.scr"))


def _ends(piece: Piece) -> float:
    """Where a piece ends, s."""
    ends = [g.end for g in piece.gaps]
    if len(piece.times):
        ends.append(float((piece.times if piece.ends is None else piece.ends).max()))
    return max(ends, default=-inf)


def _kind(chunk: Chunk) -> str:
    if isinstance(chunk, PictureChunk):
        return "picture"
    if isinstance(chunk, SoundChunk):
        return "sound"
    if isinstance(chunk, WordsChunk):
        return "words"
    return chunk.stream.rstrip("0123456789")


def _span(chunk: Chunk) -> tuple[float, float]:
    """Start and end of a chunk, s."""
    if isinstance(chunk, SoundChunk):
        return chunk.start_sample / chunk.rate_hz, (chunk.start_sample + len(chunk.samples)) / chunk.rate_hz
    if isinstance(chunk, PictureChunk):
        return (float(chunk.times[0]), float(chunk.times[-1])) if len(chunk.times) else (inf, 0.0)
    if isinstance(chunk, SignalChunk):
        return (float(chunk.times[0]), float(chunk.times[-1])) if len(chunk.times) else (inf, 0.0)
    return (chunk.cues[0].start, chunk.cues[-1].start) if chunk.cues else (inf, 0.0)


def _last(chunk: Chunk) -> float:
    """When what a chunk holds is over, s."""
    if isinstance(chunk, PictureChunk):
        return float(chunk.ends[-1]) if len(chunk.ends) else 0.0
    if isinstance(chunk, SignalChunk):
        return float(chunk.times[-1]) + (1 / chunk.rate_hz if chunk.rate_hz else 0.0) if len(chunk.times) else 0.0
    if isinstance(chunk, WordsChunk):
        return max((c.end for c in chunk.cues), default=0.0)
    return _span(chunk)[1]


def _triple(row: Any) -> tuple[float, float, float] | None:
    return (float(row[0]), float(row[1]), float(row[2])) if np.isfinite(row[0]) else None


def _points_of(mood: Mood, skip: int) -> list[Point]:
    """The new cells in order of time: whoever is told in each, or nobody."""
    edges, scheme = mood.edges, mood.scheme
    labels = scheme_of(scheme).classes
    points = []
    for i in range(skip, len(mood.times)):
        cell = (float(edges[i]), float(edges[i + 1]))
        middle = (cell[0] + cell[1]) / 2
        missing: dict[str, dict[str, str]] = {}
        for gap in mood.gaps:
            if gap.start <= middle < gap.end:
                missing.setdefault(gap.subject, {})[gap.modality] = gap.reason
        here = [s for s in mood.subjects.values() if s.told[i]]
        for subject in here:
            row, chosen = subject.classes[scheme][i], subject.label_set[scheme][i]
            told = bool(len(row)) and bool(np.isfinite(row).all())
            order = sorted(np.flatnonzero(chosen), key=lambda k, row=row: (-row[k], k))  # type: ignore[misc]
            points.append(
                Point(
                    subject.id,
                    *cell,
                    _triple(subject.valence[i]),
                    _triple(subject.arousal[i]),
                    {c: float(v) for c, v in zip(labels, row, strict=True)} if told else {},
                    tuple(labels[k] for k in order),
                    {m: float(v[i]) for m, v in subject.support.items() if v[i] > 0},
                    missing.get(subject.id, {}),
                )
            )
        if not here:
            every = {m: r for reasons in missing.values() for m, r in reasons.items()}
            points.append(Point(NOBODY, *cell, None, None, {}, (), {}, every))
    return points


def stream(
    streams: Sequence[str] = ("picture", "sound"),
    *,
    only: Sequence[str] | str = ("face", "voice"),
    scheme: str = "ekman8",
    model: str | None = None,
    **options: Any,
) -> Live:
    """Open a recording that is still happening.

    Parameters
    ----------
    streams : kinds of the streams that will come. Points wait for all of them.
    only : modalities to measure. ``words`` may be asked for: its points come half a minute late (`Live.delay_s`).
    scheme : class vocabulary.
    model : a bundle's name or path, which tells the emotion instead of what ships: ``only`` must have what it reads.
    options : ``fps``, ``asr_model``, ``language`` as in `moodal.analyze`.

    Raises
    ------
    UsageError : an unknown stream, modality, scheme or bundle.
    ModelError : a model is not installed, or the bundle cannot be run.
    """
    only = (only,) if isinstance(only, str) else tuple(only)
    for name, known, where in ((streams, STREAM_KINDS, "streams"), (only, MODALITIES, "only")):
        unknown = [x for x in name if x not in known]
        if unknown:
            raise UsageError(f"unknown {unknown[0]!r}", where=f"stream: {where}", fix=f"Known: {', '.join(known)}.")
    states.check(scheme)
    if scheme in states.STATES:
        raise UsageError(f"{scheme} is told of whole recordings alone", where="stream: scheme", fix="Analyze a file.")
    expert = None if model is None else find_expert(str(model), "stream: model")
    if expert is not None:
        if expert.modality not in only:
            raise UsageError(
                f"{expert.bundle.name} reads {expert.modality}", where="stream: only", fix=f"Add {expert.modality}."
            )
        options |= expert.options
        return Live(streams, only, scheme, options, expert)
    chosen = choose(None if model is None else str(model))
    # The voice's expert listens to whole turns: nobody waits for that in a conversation, unless it is asked for alone.
    experts = {role: name for role, name in chosen.experts.items() if role != "voice"}
    return Live(streams, only, scheme, {**options, "experts": experts}, fusion=chosen.fusion)
