"""Tracks in, a Mood out: who is who, what covers each moment, what is missing and why.

All that needs the whole recording lives here. With ``causal=True`` only the past is used: it is a
different answer, declared as such, in which later tracks change no earlier cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray, Span, Timeline
from moodal.core.mood import Mood, SubjectMood, Word, label_sets
from moodal.core.scheme import SCHEMES, mapping
from moodal.core.stream import Stream
from moodal.core.track import NOBODY, Track, TrackSet

from . import states
from .body import AROUSAL, arousal
from .grid import Cells, Grid, held, on_grid, smooth
from .late import DEFAULT, FIELDS, TRACKS, Fused, Late, open_fusion
from .ledger import explained_by, ledger, told_by
from .single import Single

__all__ = ["STEP_S", "Facts", "cell_s", "conclude"]

#: Length of the Mood's cells: shorter than any expression a person can name, long enough to average frames.
STEP_S = 0.1
#: The same where body signals are all there is: their measures stand on whole seconds.
BODY_STEP_S = 1.0
#: Somebody who leaves the picture for less than this is still taken to be in view by the voice.
BRIDGE_S = 2.0

#: Modalities that belong to whoever wears the sensors.
_WORN = ("body", "brain")


@dataclass(frozen=True)
class Facts:
    """What conclude must know beside the tracks.

    ``withheld`` names for each asked-for modality that was not measured its reason (``no_stream``,
    ``no_model``, ``not_asked``, ``unreadable``); ``span`` is the stretch that was analysed. ``merged`` says whose
    evidence is that would belong to nobody seen: ``{"voice": "p1"}`` (`moodal people`). ``fusion`` names the bundle
    that fuses; ``single`` passes one model's answer through instead (`moodal.fuse.single`): ``modalities`` then has the
    one it is of.
    """

    recording: str
    duration_s: float
    streams: tuple[Stream, ...]
    span: Span
    still: bool = False
    clock: str = "time"
    schemes: tuple[str, ...] = ("ekman8",)
    modalities: tuple[str, ...] = ("face", "voice", "words")
    withheld: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    merged: Mapping[str, str] = field(default_factory=dict)
    models: tuple[Mapping[str, Any], ...] = ()
    baseline: Span | None = None  #: a neutral stretch that the user named
    fusion: str = DEFAULT
    label_rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: of schemes that are no emotions
    single: Mapping[str, Any] | None = None


def cell_s(streams: Sequence[Stream]) -> float:
    """Length of a Mood's cells, s: what a body tells changes by the second, faces and voices faster."""
    kinds = {s.kind for s in streams}
    return STEP_S if not kinds or kinds & {"picture", "sound", "words"} else BODY_STEP_S


def conclude(tracks: Mapping[str, TrackSet], facts: Facts, *, causal: bool = False, first_cell: int = 0) -> Mood:
    """Fuse the tracks of one recording into its Mood with the bundle of ``facts.fusion``, or pass one model's answer
    through.

    ``tracks`` may lack any of the fusion's inputs. For every subject and modality the covered cells
    and the gaps make up the whole duration. With ``causal`` a cell rests on what came before its end
    alone, so that later tracks change no earlier cell: frames hold for a moment instead of until a gap,
    and a voice belongs to whom was in view at the time. ``first_cell`` leaves out the cells before it.
    """
    for name in facts.schemes:
        states.check(name)
    late = open_fusion(facts.fusion)
    fusion = late if facts.single is None else Single(facts.single)
    rules = {"ekman8": fusion.label_rule, **facts.label_rules}
    grid = Grid(1.0 if facts.still or facts.clock == "order" else cell_s(facts.streams), facts.duration_s, first_cell)
    people = _seen(tracks.get("face.quality"), facts, causal)
    owner = _claimed(_owners(tracks, facts, people, causal), facts.merged)
    stored, provenance = tracks, dict(facts.provenance)
    if "body" in facts.modalities:
        body, base = arousal(tracks, facts.span, late.body_scales, given=facts.baseline, causal=causal)
        if body is not None:
            tracks = {**tracks, AROUSAL.name: body}
        if base is not None and told_by(facts.modalities, facts.schemes[0])["body"] == AROUSAL.name:
            provenance["baseline"] = {"start_s": base.span.start, "end_s": base.span.end, "how": base.how}
    by = told_by(facts.modalities, facts.schemes[0])
    wearer = _worn(facts, tracks, grid, causal)
    evidence = _evidence(tracks, grid, facts, fusion, owner, wearer, causal)

    def worn(subject: str) -> npt.NDArray[np.bool_]:
        return wearer.get(subject, np.zeros(grid.n, bool))

    if facts.single is not None:
        # Somebody who is seen and says nothing is a subject too, as where faces count.
        nothing = {m: on_grid(None, grid, len(FIELDS.get(m, ()))) for m in facts.modalities}
        evidence = {**dict.fromkeys(people, nothing), **evidence}
    subjects, gaps = {}, []
    for name in sorted(evidence, key=_order):
        cells = evidence.pop(name)
        read = {m: c for m, c in cells.items() if by[m] == TRACKS.get(m)} or {"voice": _blank(grid)}
        fused, least = fusion.fuse(read), fusion.least(read)
        classes = {
            s: states.told(s, tracks, grid, worn(name), causal=causal) if s in states.STATES
            else mapping("ekman8", s).apply(fused.classes)
            for s in facts.schemes
        }  # fmt: skip
        moved = {s: states.parts(s, tracks, grid, worn(name), causal=causal) for s in states.STATES}
        for s, parts in moved.items():
            cells = states.with_parts(cells, by, s, parts, main=s == facts.schemes[0])
        subjects[name] = SubjectMood(
            name,
            people.get(name, Timeline()),
            fused.valence,
            fused.arousal,
            classes,
            {
                s: label_sets(rows, rules.get(s), least if s == "ekman8" else None)
                if rows.shape[1]
                else np.zeros(rows.shape, bool)
                for s, rows in classes.items()
            },
            *_shares(facts, fused, classes, moved),
            {m: c.quality for m, c in cells.items()},
        )
        for modality in facts.modalities:
            why = explained_by(modality, facts.schemes[0], by)
            gaps += ledger(name, modality, cells[modality], tracks, grid, facts, why)
    if not subjects:
        blank = Cells(np.zeros((grid.n, 0)), np.zeros(grid.n), np.zeros(grid.n, bool))
        for modality in facts.modalities:
            gaps += ledger(NOBODY, modality, blank, tracks, grid, facts, (by[modality],))
    basis = {d: _basis(subjects.values(), d, fusion.measured(d)) for d in ("valence", "arousal")}
    models = _named(
        facts, late, asked=any(s not in states.STATES for s in facts.schemes) or {*basis.values()} != {"none"}
    )
    if "models" in provenance:
        provenance["models"] = list(models)
    return Mood(
        recording=facts.recording,
        duration_s=facts.duration_s,
        streams=facts.streams,
        step_s=grid.step_s,
        times=grid.times,
        schemes=facts.schemes,
        subjects=subjects,
        gaps=tuple(sorted(gaps, key=lambda g: (_order(g.subject), facts.modalities.index(g.modality), g.start))),
        words=_words(tracks.get("words.transcript"), owner, facts.merged),
        modalities=facts.modalities,
        basis=basis,
        calibrated=_calibrated(facts.schemes[0], fusion, rules),
        models=models,
        provenance=provenance,
        still=facts.still,
        clock=facts.clock,
        warnings=facts.warnings,
        tracks=stored,
    )


def _blank(grid: Grid) -> Cells:
    """A modality that covers nothing."""
    return on_grid(None, grid, len(FIELDS["voice"]))


def _shares(
    facts: Facts, fused: Fused, classes: Mapping[str, FloatArray], moved: Mapping[str, Mapping[str, Cells]]
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Support and attribution of every modality; a state as main scheme rests on what its expert reads alone."""
    main = facts.schemes[0]
    nothing = np.zeros(len(fused.classes))
    if main in states.STATES:
        found = states.shares(main, np.asarray(np.isfinite(classes[main]).all(axis=1)), moved[main])
        own = {m: found.get(m, nothing) for m in facts.modalities}
        return own, dict(own)
    return ({m: fused.support.get(m, nothing) for m in facts.modalities},
            {m: fused.attribution.get(m, nothing) for m in facts.modalities})  # fmt: skip


def _calibrated(main: str, fusion: Late | Single, rules: Mapping[str, Any]) -> bool:
    """Whether classes and label sets of the main scheme were checked on people: mapped ones were not, unless the
    fusion has no label rule of its own and says that its scores are."""
    if main in states.STATES:
        return rules.get(main) is not None
    return fusion.calibrated and (main == "ekman8" or fusion.label_rule is None)


def _named(facts: Facts, late: Late, *, asked: bool) -> tuple[Mapping[str, Any], ...]:
    """The models as told, the fusion first; not the fusion where it was not ``asked`` anything, as of a state alone."""
    if facts.single is not None:
        return facts.models
    own = [m for m in facts.models if m.get("name") == late.bundle.name] or [late.bundle.as_model()]
    return (*(own if asked else ()), *(m for m in facts.models if m.get("name") != late.bundle.name))


def _fields_of(track: str) -> tuple[str, ...]:
    """What is read of a track: for the fusion, or a state's probability."""
    emotional = next((FIELDS[m] for m, t in TRACKS.items() if t == track), ())
    return emotional or tuple(SCHEMES[n].classes[1] for n, s in states.STATES.items() if s.track == track)


def _order(subject: str) -> tuple[bool, int, str]:
    number = subject[1:]
    return (not (subject.startswith("p") and number.isdigit()), int(number) if number.isdigit() else 0, subject)


def _basis(subjects: Iterable[SubjectMood], dimension: str, measured: frozenset[str]) -> str:
    """``measured`` where all that was told rests on models that were checked on such labels."""
    told = [s for s in subjects if np.isfinite(getattr(s, dimension)[:, 0]).any()]
    if not told:
        return "none"
    used = {m for s in told for m, share in s.support.items() if (share > 0).any()}
    return "measured" if used <= measured else "mapped"


def _seen(quality: TrackSet | None, facts: Facts, causal: bool) -> dict[str, Timeline]:
    """Where each person is in the picture, however badly: everything but ``no_face`` and where there is no picture."""
    if quality is None:
        return {}
    if causal:
        found = {name: quality[name].times for name in quality.subjects}
        return {name: Timeline(zip(t, held(t), strict=True)) for name, t in found.items()}
    outside = ("no_face", "no_stream", "unreadable", "not_asked", "dark")
    whole = Timeline([facts.span])
    return {
        name: whole - Timeline(g.span for g in quality[name].gaps if g.reason in outside) for name in quality.subjects
    }


def _owners(
    tracks: Mapping[str, TrackSet], facts: Facts, people: Mapping[str, Timeline], causal: bool
) -> dict[str, Timeline]:
    """Whose the voice is, and when: a stretch of speech belongs to the only face in view during it.

    With nobody or several in view it belongs to ``voice`` (``text`` for a bare text).
    """
    nobody = "text" if facts.clock == "order" else "voice"
    stretches: list[Span] = []
    for name in ("voice.emotion", "words.emotion"):
        track = _only(tracks.get(name))
        if track is not None and len(track):
            ends = track.ends if track.ends is not None else np.append(track.times[1:], facts.duration_s)
            stretches += [Span(a, b) for a, b in zip(track.times, ends, strict=True) if b > a]
    near = {name: seen if causal else seen.bridged(BRIDGE_S) for name, seen in people.items()}
    owned: dict[str, list[Span]] = {}
    for stretch in stretches if causal else Timeline(stretches):
        lately = Span(stretch.start - BRIDGE_S, stretch.end) if causal else stretch
        here = [name for name, seen in near.items() if seen & (lately,)]
        owned.setdefault(here[0] if len(here) == 1 else nobody, []).append(stretch)
    return {name: Timeline(spans) for name, spans in owned.items()}


def _claimed(owned: Mapping[str, Timeline], merged: Mapping[str, str]) -> dict[str, Timeline]:
    """The same with what belongs to nobody seen given to whom somebody said it belongs."""
    claimed: dict[str, Timeline] = {}
    for name, spans in owned.items():
        who = merged.get(name, name)
        claimed[who] = claimed.get(who, Timeline()) | spans
    return claimed


def _only(tracks: TrackSet | None) -> Track | None:
    """The one subject that voice and words are measured for."""
    return None if tracks is None or not tracks.subjects else tracks[tracks.subjects[0]]


def _evidence(
    tracks: Mapping[str, TrackSet],
    grid: Grid,
    facts: Facts,
    fusion: Late | Single,
    owner: Mapping[str, Timeline],
    wearer: Mapping[str, npt.NDArray[np.bool_]],
    causal: bool,
) -> dict[str, dict[str, Cells]]:
    """For each subject and modality the cells that the fusion reads."""
    by = told_by(facts.modalities, facts.schemes[0])
    shared: dict[str, Cells] = {}
    faces: dict[str, Cells] = {}
    # The last sample holds on, but not beyond what was analysed.
    inside = Timeline([facts.span]).mask(grid.middles)
    for modality, name in told_by(facts.modalities, facts.schemes[0]).items():
        found = tracks.get(name) if modality in facts.modalities else None
        rows = {s: _fields(found[s], _fields_of(name)) for s in found.subjects} if found is not None else {}
        width = fusion.smoothing_s.get(modality, 0.0)
        cells = {
            s: smooth(on_grid(t, grid, len(_fields_of(name)), causal=causal).only(inside), grid, width, causal=causal)
            for s, t in rows.items()
        }
        if modality == "face":
            faces = cells
        elif cells:
            shared[modality] = next(iter(cells.values()))
    names = {*faces, *owner, *wearer}
    heard = [
        m
        for m in ("voice", "words")
        if m in facts.modalities and facts.withheld.get(m) not in ("no_stream", "not_asked")
    ]
    if not names and heard:
        nobody = "text" if facts.clock == "order" else "voice"
        names = {facts.merged.get(nobody, nobody)}
    result = {}
    for name in names:
        mine = owner.get(name, Timeline()).mask(grid.middles)
        row = {}
        for modality in facts.modalities:
            blank = on_grid(None, grid, len(_fields_of(by.get(modality, ""))))
            if modality == "face":
                row[modality] = faces.get(name, blank)
            else:
                whose = wearer.get(name, np.zeros(grid.n, bool)) if modality in _WORN else mine
                row[modality] = shared.get(modality, blank).only(whose)
        result[name] = row
    return result


def _worn(facts: Facts, tracks: Mapping[str, TrackSet], grid: Grid, causal: bool) -> dict[str, npt.NDArray[np.bool_]]:
    """`_wearer` with what somebody said of who is who."""
    found: dict[str, npt.NDArray[np.bool_]] = {}
    for name, cells_of in _wearer(facts, tracks, grid, causal).items():
        who = facts.merged.get(name, name)
        found[who] = found[who] | cells_of if who in found else cells_of
    return found


def _wearer(facts: Facts, tracks: Mapping[str, TrackSet], grid: Grid, causal: bool) -> dict[str, npt.NDArray[np.bool_]]:
    """Whose the body signals are, in which cells: the only person's that is ever in view, else those of ``body``.

    A band is not handed round: who leaves the picture keeps it. Causal: of those who have been seen so far.
    """
    worn = [m for m in _WORN if m in facts.modalities and facts.withheld.get(m) not in ("no_stream", "not_asked")]
    if not worn:
        return {}
    everywhere = np.ones(grid.n, bool)
    if not causal:
        found = tracks.get(TRACKS["face"]) if "face" in facts.modalities else None
        faces = found.subjects if found is not None else ()
        return {next(iter(faces)) if len(faces) == 1 else "body": everywhere}
    first = {}
    for name, seen in _seen(tracks.get("face.quality"), facts, causal).items():
        if seen:
            first[name] = seen[0].start
    order = sorted(first, key=lambda n: first[n])
    if not order:
        return {"body": everywhere}
    second = first[order[1]] if len(order) > 1 else np.inf
    alone = (grid.times >= first[order[0]]) & (grid.times < second)
    return {order[0]: alone, "body": ~alone} if not alone.all() else {order[0]: alone}


def _fields(track: Track, fields: Sequence[str]) -> Track:
    # A track that was measured before a field was told has it missing throughout.
    blank = np.full(len(track), np.nan, np.float32)
    known = {f: track.values[:, i] for i, f in enumerate(track.fields)}
    values = np.stack([known.get(f, blank) for f in fields], axis=1)
    return Track(track.spec, track.subject, track.times, values, track.quality, track.gaps, track.ends)


def _words(transcript: TrackSet | None, owner: Mapping[str, Timeline], merged: Mapping[str, str]) -> tuple[Word, ...]:
    """Words in order of time, each with the owner of the stretch it was said in."""
    track = _only(transcript)
    if track is None or track.ends is None or track.texts is None:
        return ()
    middles = (track.times + track.ends) / 2
    names = np.full(len(track), merged.get(track.subject, track.subject), dtype=object)
    for name, spans in owner.items():
        names[spans.mask(middles)] = name
    scores = track["probability"]
    return tuple(
        Word(float(a), float(b), text, str(who), float(score) if np.isfinite(score) else None)
        for a, b, text, who, score in zip(track.times, track.ends, track.texts, names, scores, strict=True)
    )
