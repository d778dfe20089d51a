"""Running extractors over a recording: one pass a stream, each in a thread of its own.

Decoding runs ahead of the networks by a few chunks (both release the interpreter's lock), which is
what makes two cores pay. What a thread does never depends on another, so neither do its results.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Protocol

from moodal.core import registry
from moodal.core.blas import one_thread
from moodal.core.clock import Span
from moodal.core.errors import InputError, MissingExtra, ModelError, UsageError
from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext
from moodal.core.recording import Recording
from moodal.core.stream import Chunk, PictureChunk, SignalChunk, SoundChunk, WordsChunk
from moodal.core.track import Gap, Piece, TrackSet, TrackSpec

__all__ = ["MODALITIES", "Measured", "Memory", "Sink", "extractor_specs", "measure", "track_spec"]

#: Modalities of `--only`; those without an extractor in the registry are gaps.
MODALITIES = ("face", "voice", "words", "body", "brain", "pose", "music")

#: Chunks decoded ahead of the extractors.
_AHEAD = 3
#: Steps of niceness by which other streams go behind pictures.
_BEHIND = 15

Progress = Callable[[float], None]


class Sink(Protocol):
    """Where pieces go; `add` is called from several threads, for one track always from the same."""

    def add(self, piece: Piece) -> None:
        """Take a piece."""
        ...


class Memory:
    """A sink that keeps everything: for one track of one recording."""

    def __init__(self) -> None:
        self.pieces: dict[str, list[Piece]] = {}

    def add(self, piece: Piece) -> None:
        """Take a piece."""
        self.pieces.setdefault(piece.track, []).append(piece)

    def track(self, spec: TrackSpec) -> TrackSet:
        """All pieces of one track."""
        return TrackSet.from_pieces(spec, self.pieces.get(spec.name, ()))


@dataclass
class Measured:
    """What a run of `measure` says beside its pieces."""

    load_s: float = 0.0
    withheld: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  #: about outputs; no part of the result
    models: list[str] = field(default_factory=list)
    failed: bool = False  #: a stream or model could not be used though it should have been
    lost: bool = False  #: a part of the recording is damaged or not there any more
    broke_off: str = ""  #: why a stream could not be read to its end

    @property
    def partly(self) -> bool:
        """Whether something failed and the rest is done (exit code 1)."""
        return self.failed or self.lost


def extractor_specs() -> dict[str, ExtractorSpec]:
    """Every registered extractor: name → spec."""
    return {name: registry.load("extractors", name).SPEC for name in registry.names("extractors")}


def track_spec(name: str) -> tuple[ExtractorSpec, TrackSpec]:
    """The extractor that says a track, and the track's spec.

    Raises
    ------
    UsageError : no such track.
    """
    specs = extractor_specs()
    for spec in specs.values():
        for track in spec.tracks:
            if track.name == name:
                return spec, track
    # All of them are a screenful: those of the same modality, or else those of a like name.
    known = [t.name for s in specs.values() for t in s.tracks]
    alike = [n for n in known if n.partition(".")[0] == name.partition(".")[0]] or get_close_matches(name, known, 3)
    some = f"Known: {', '.join(alike)}. " if alike else ""
    raise UsageError(f"unknown track {name!r}", fix=f"{some}See: moodal tracks.")


def measure(
    recording: Recording,
    sink: Sink,
    *,
    modalities: tuple[str, ...],
    want: frozenset[str] = frozenset(),
    span: Span | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Run the extractors of ``modalities`` over the streams they read, inside ``span``.

    A stream that breaks off, or a model that is not there, costs its own modality alone: the rest
    is measured, and `Measured` says what happened.
    """
    span = span or Span(0.0, recording.duration_s)
    result = Measured()
    context = MeasureContext(span, recording.still, recording.clock, want, dict(options or {}))
    passes: dict[str, list[Extractor]] = {}
    began = time.perf_counter()
    for modality in modalities:
        _load(modality, recording, context, passes, result)
    result.load_s = time.perf_counter() - began
    with one_thread():
        _run(recording, passes, span, sink, result, progress)
    # Asked last: some damage is found only when it is decoded.
    result.lost = recording.damaged
    return result


def _load(
    modality: str,
    recording: Recording,
    context: MeasureContext,
    passes: dict[str, list[Extractor]],
    result: Measured,
) -> None:
    """Start every extractor of a modality on the stream it prefers; if none starts, say why not."""
    specs = [s for s in extractor_specs().values() if s.modality == modality]
    specs = [s for s in specs if not context.want or context.want & {t.name for t in s.tracks}] or specs
    if not specs:
        result.withheld[modality] = "no_stream" if modality in ("body", "brain") else "no_model"
        return
    reasons = [_start(spec, recording, context, passes, result) for spec in specs]
    if all(reasons):
        # A model that is not there explains more than a stream that is not.
        result.withheld[modality] = "no_model" if "no_model" in reasons else "no_stream"


def _start(
    spec: ExtractorSpec,
    recording: Recording,
    context: MeasureContext,
    passes: dict[str, list[Extractor]],
    result: Measured,
) -> str:
    """Start one extractor; the reason where it cannot be, else empty."""
    stream = next((s for kind in spec.reads if (s := recording.stream(kind)) is not None), None)
    if stream is None:
        return "no_stream"
    others = [s.name for s in recording.streams if s.kind == stream.kind and s is not stream]
    if others:
        aside = f"{recording.name}: {stream.name} is measured, not {', '.join(others)}, which is of the same kind"
        result.warnings += [aside] if aside not in result.warnings else []
    try:
        channels = stream.info.get("channels", ())  # names of a signal's, the number of a sound's
        told = {"reads": stream.kind, "channels": tuple(channels) if isinstance(channels, (list, tuple)) else ()}
        extractor = spec.make(replace(context, options={**context.options, **told}))
    except (ModelError, MissingExtra) as error:
        result.warnings.append(str(error))
        # Going without an optional package is a choice; a model that should be there and is not is a fault.
        result.failed = result.failed or isinstance(error, ModelError)
        return "no_model"
    passes.setdefault(stream.name, []).append(extractor)
    result.models += [m for m in spec.models if m not in result.models]
    return ""


def _run(
    recording: Recording,
    passes: Mapping[str, list[Extractor]],
    span: Span,
    sink: Sink,
    result: Measured,
    progress: Progress | None,
) -> None:
    done = dict.fromkeys(passes, span.start)
    errors: list[BaseException] = []
    stop = threading.Event()
    pictures = next((s.name for s in recording.streams if s.kind == "picture" and s.name in passes), None)

    def follow(stream: str, extractors: list[Extractor]) -> None:
        if pictures not in (None, stream):
            _give_way()
        broke_off = False
        try:
            try:
                for chunk in _ahead(recording.chunks(stream, start=span.start, end=span.end), stop):
                    for extractor in extractors:
                        for piece in extractor.push(chunk):
                            sink.add(piece)
                    done[stream] = _end(chunk)
            except InputError as error:
                broke_off = True
                result.failed = True
                result.broke_off = result.broke_off or str(error)
                result.warnings.append(str(error))
            for extractor in extractors:
                for piece in extractor.close():
                    sink.add(_unreadable(piece) if broke_off else piece)
            done[stream] = span.end
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=follow, args=item, daemon=True) for item in passes.items()]
    for thread in threads:
        thread.start()
    try:
        while any(t.is_alive() for t in threads):
            for thread in threads:
                thread.join(0.05)
            if progress is not None and done:
                progress(min(max((min(done.values()) - span.start) / max(span.duration, 1e-9), 0.0), 1.0))
    except BaseException:
        stop.set()
        raise
    if errors:
        raise errors[0]


def _give_way() -> None:
    """Step back behind the threads that read pictures.

    Faces are followed from frame to frame, so that their reading cannot be made up for later; sound is soon done and
    fills what they leave of the cores. Only Linux gives each thread a niceness of its own.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(os.nice(0) + _BEHIND, 19))


def _unreadable(piece: Piece) -> Piece:
    """An extractor that is closed early takes the stream for ended: but there was more, only nobody could read it."""
    gaps = tuple(Gap(g.start, g.end, "unreadable") if g.reason == "no_stream" else g for g in piece.gaps)
    return replace(piece, gaps=gaps)


def _end(chunk: Chunk) -> float:
    """Where a chunk ends, s."""
    if isinstance(chunk, SoundChunk):
        return (chunk.start_sample + len(chunk.samples)) / chunk.rate_hz
    if isinstance(chunk, PictureChunk):
        return float(chunk.ends[-1]) if len(chunk.ends) else 0.0
    if isinstance(chunk, SignalChunk):
        return float(chunk.times[-1]) if len(chunk.times) else 0.0
    assert isinstance(chunk, WordsChunk)
    return chunk.cues[-1].end if chunk.cues else 0.0


def _ahead(chunks: Iterator[Chunk], stop: threading.Event) -> Iterator[Chunk]:
    """The same chunks, fetched by a thread that stays a few ahead; its error arrives in its place."""
    ready: queue.Queue[Chunk | BaseException | None] = queue.Queue(_AHEAD)

    def offer(item: Chunk | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def fetch() -> None:
        try:
            for chunk in chunks:
                if not offer(chunk):
                    return
            offer(None)
        except BaseException as error:
            offer(error)

    threading.Thread(target=fetch, daemon=True).start()
    while not stop.is_set():
        try:
            item = ready.get(timeout=0.1)
        except queue.Empty:
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item
