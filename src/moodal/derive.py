"""Tracks that an expert tells from several streams of a recording at once: stress, workload.

An extractor takes one stream in one pass; these experts compare EEG with ECG, or a pulse with the skin, of the same
moment. They run after the passes, on the whole recording, and say tracks like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from moodal.core import registry
from moodal.core.clock import Span
from moodal.core.errors import InputError
from moodal.core.extractor import ExtractorSpec
from moodal.core.recording import Recording
from moodal.core.runner import open_runner
from moodal.core.track import Piece, TrackSet, TrackSpec
from moodal.fuse.states import STATES, State
from moodal.measure import extractor_specs, track_spec
from moodal.settings import Settings

__all__ = ["derived", "find", "known", "one", "pieces", "specs", "track_specs", "unread"]


def _chosen(settings: Settings, recording: Recording) -> list[tuple[State, str]]:
    """The states whose expert is used and whose modality is looked at, with the name of the bundle."""
    if settings.expert is not None:
        return []
    experts, only = settings.chosen.experts, settings.modalities(recording)
    return [(s, experts[s.role]) for s in STATES.values() if s.role in experts and s.modality in only]


def specs(settings: Settings, recording: Recording) -> dict[str, TrackSpec]:
    """The tracks that will be told beside those of the extractors, by name."""
    found = {}
    for state, name in _chosen(settings, recording):
        runner = str(registry.find_bundle(name).manifest["runner"])
        found[state.track] = registry.load("experts", runner).TRACK
    return found


def unread(settings: Settings, recording: Recording) -> list[str]:
    """A line for each scheme that was asked for and whose expert finds nothing to read in the recording."""
    there, lines = {s.kind for s in recording.streams}, []
    for name, state in STATES.items():
        if name in settings.schemes and state.role in settings.chosen.experts:
            reads = [str(k) for k in registry.find_bundle(settings.chosen.experts[state.role]).manifest["inputs"]]
            if not there & set(reads):
                which = f"{', '.join(reads[:-1])} or {reads[-1]}"
                lines.append(
                    f"{' '.join(recording.name.split())}: {name} is told of {which}, and none of these is here"
                )
    return lines


def known() -> dict[str, tuple[State, TrackSpec]]:
    """Every track that such an expert tells, of those whose bundle is installed, by name."""
    found = {}
    for state in STATES.values():
        if state.role in registry.bundles():
            runner = str(registry.find_bundle(state.role).manifest["runner"])
            found[state.track] = (state, registry.load("experts", runner).TRACK)
    return found


def track_specs() -> list[TrackSpec]:
    """Every track that can be measured, in order: those of the extractors, then those told beside them."""
    return [*(t for s in extractor_specs().values() for t in s.tracks), *(spec for _, spec in known().values())]


def find(name: str) -> tuple[ExtractorSpec | None, TrackSpec]:
    """A track and the extractor that says it; None for one that an expert tells beside the extractors.

    Raises
    ------
    UsageError : no such track.
    """
    beside = known()
    return (None, beside[name][1]) if name in beside else track_spec(name)


def one(settings: Settings, recording: Recording, track: str, span: Span, warnings: list[str]) -> TrackSet:
    """The track of such an expert alone; no subject where the recording has nothing that it reads."""
    state, spec = known()[track]
    asked = replace(settings, schemes=tuple(n for n, s in STATES.items() if s == state))
    found = [t for t in derived(asked, recording, span, warnings, (state,)) if t.spec.name == track]
    return found[0] if found else TrackSet.from_pieces(spec, ())


def derived(
    settings: Settings,
    recording: Recording,
    span: Span,
    warnings: list[str],
    of: Sequence[State] = tuple(STATES.values()),
) -> Iterator[TrackSet]:
    """What those experts tell of the recording; one that cannot read it any more is a line in ``warnings``."""
    baseline = None if settings.baseline is None else Span(*settings.baseline)
    only = settings.modalities(recording)
    for state, name in [(s, n) for s, n in _chosen(settings, recording) if s in of]:
        bundle = registry.find_bundle(name)
        module = registry.load("experts", str(bundle.manifest["runner"]))
        try:
            tracks = module.track(_looked_at(recording, state, only), open_runner(bundle), span, baseline)
        except InputError as error:
            warnings.append(str(error))
            continue
        if tracks is not None:
            yield tracks


def _looked_at(recording: Recording, state: State, only: tuple[str, ...]) -> Recording:
    """The recording without the streams of modalities that are not looked at."""
    unread = {kind for modality, kind in state.parts.items() if modality not in only}
    return replace(recording, streams=tuple(s for s in recording.streams if s.kind not in unread))


def pieces(tracks: TrackSet) -> Iterator[Piece]:
    """The tracks as pieces, for a sink."""
    for subject, track in tracks.items():
        yield Piece(tracks.spec.name, subject, track.times, track.values, track.quality, track.gaps, track.ends)
