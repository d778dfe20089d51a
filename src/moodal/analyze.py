"""One recording in, its Mood out: measure, conclude, save with its page."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from moodal import __version__, derive, media, weights
from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.clock import Span
from moodal.core.content import HASH_LENGTH, of_text
from moodal.core.errors import InputError, ModelError, spelt
from moodal.core.expert import Chosen, Expert, modality_of
from moodal.core.mood import SCHEMA, Mood
from moodal.core.recording import Recording
from moodal.core.register import status
from moodal.core.scheme import SCHEMES
from moodal.core.track import Track, TrackSet
from moodal.extract.brain.remarks import remarks
from moodal.formats.files import new_folder
from moodal.formats.folder import folder_for, save, with_file
from moodal.formats.tables import TrackReader, TrackWriter
from moodal.formats.writer import EXPORTS
from moodal.fuse import Facts, conclude, drift, states
from moodal.measure import MODALITIES, Measured, Memory, Progress, extractor_specs, measure
from moodal.settings import Settings, default_for, settings_from

__all__ = [
    "analyze_into",
    "extract",
    "extract_from",
    "folder_for",
    "functional_names",
    "functionals",
]

#: Words from which on two equal sentences are taken for one, as an audit of a split does.
KNOWN_BY_WORDS = 6
#: Share of a recording that a gap must last to explain why nothing is told.
LEAST_SHARE = 0.05

PathLike = str | os.PathLike[str]


def analyze_into(
    recording: Recording,
    folder: Path,
    settings: Settings,
    progress: Progress | None = None,
    *,
    write: Sequence[str] = (),
    noted: Mapping[str, Any] | None = None,
) -> tuple[Mood, Measured]:
    """Analyse one recording into ``folder``, which appears whole or not at all.

    ``write`` names further formats, which go into ``exports/`` there; ``noted`` is added to provenance.
    """
    # Rendering brings its own templates; nothing that only measures should wait for them.
    from moodal import page

    span = settings.span(recording)
    only = settings.modalities(recording)
    specs = {t.name: t for s in extractor_specs().values() if s.modality in only for t in s.tracks}
    specs = {name: t for name, t in specs.items() if t.keep or name in settings.keep}
    beside = derive.specs(settings, recording)
    expert = settings.expert
    if settings.commercial:
        used = [m for s in extractor_specs().values() if s.modality in only for m in s.models]
        _require_commercial(used, settings.chosen.bundles if expert is None else expert.bundles)
    with new_folder(folder) as work:
        began = time.perf_counter()
        sink = TrackWriter(work / "tracks", {**specs, **beside})
        measured = measure(
            recording,
            sink,
            modalities=only,
            want=frozenset(specs),
            span=span,
            options=settings.options,
            progress=progress,
        )
        asked: set[str] = set()
        for tracks_beside in derive.derived(settings, recording, span, measured.warnings):
            asked.add(tracks_beside.spec.name)
            for piece in derive.pieces(tracks_beside):
                sink.add(piece)
        if measured.failed and set(measured.withheld) == set(only) and "no_model" in measured.withheld.values():
            # Every modality that the recording could have fed lacks its model: nothing was done.
            raise ModelError(measured.warnings[0])
        tracks = sink.close()
        measured.warnings += remarks(recording, tracks) if "brain" in only else []
        measured.warnings += derive.unread(settings, recording)
        facts = _facts(recording, settings, span, measured, expert, _sentences(tracks), asked)
        mood = conclude(tracks, facts)
        elapsed = time.perf_counter() - began - measured.load_s
        timing = {"load_s": measured.load_s, "analysis_s": elapsed, "real_time": span.duration / max(elapsed, 1e-9)}
        there = Path(os.path.relpath(recording.path, folder)) if recording.path.is_file() else None
        if there is not None and spelt(str(there)) != str(there):
            there = None  # a page cannot name it; it asks for the file instead
        shares = drift.drift(mood)
        provenance = with_file({**mood.provenance, "drift": shares, **(noted or {})}, there)
        told = (*mood.warnings, *_nothing_told(mood, tracks), *drift.warnings(mood, shares))
        mood = replace(mood, warnings=told, provenance=provenance)
        save(mood, work)
        page.write(mood, work, media=there)
        if write:
            measured.notes += replace(mood, tracks=TrackReader(work / "tracks"), path=work).write(
                work / EXPORTS, *write
            )
    return replace(mood, tracks=TrackReader(folder / "tracks"), path=folder, timing=timing), measured


def _require_commercial(names: list[str], chosen: Sequence[Bundle]) -> None:
    """Refuse whatever forbids commercial use, files and bundles alike."""
    bundles = registry.bundles()
    weights.require_commercial([n for n in names if n not in bundles])
    mine = [*(bundles[n] for n in names if n in bundles), *chosen]
    refused = [f"{b.name} ({b.manifest['licence']})" for b in mine if b.manifest["commercial"] is not True]
    if refused:
        raise ModelError(
            f"commercial use is not allowed by {', '.join(refused)}",
            where="--commercial",
            fix="Choose another --model, leave out their modalities with --only, or drop --commercial.",
        )


def _nothing_told(mood: Mood, tracks: Mapping[str, TrackSet]) -> list[str]:
    """That nothing was told: of each modality the reason that covers most, and the scheme that would tell something."""
    if any(s.told.any() for s in mood.subjects.values()):
        return []
    lasts: dict[tuple[str, str], float] = {}
    for gap in mood.gaps:
        if gap.reason != "not_asked":
            key = (gap.modality, gap.reason)
            lasts[key] = lasts.get(key, 0.0) + gap.end - gap.start
    # Longest first, so that it stays; a sliver at an end explains nothing.
    main: dict[str, str] = {}
    for (modality, reason), length in sorted(lasts.items(), key=lambda item: (-item[1], item[0])):
        if length >= LEAST_SHARE * mood.duration_s:
            main.setdefault(modality, f"{modality}: {reason}")
    name = " ".join(mood.recording.split())
    line = f"{name}: nothing could be told ({', '.join(sorted(main.values())) or 'not asked for'})"
    able = [n for n, s in states.STATES.items() if n not in mood.schemes and _holds(tracks.get(s.track))]
    hint = "{}: its sensors tell no emotion here; --scheme {} tells {}"
    return [line, *(hint.format(name, n, " or ".join(SCHEMES[n].classes)) for n in able)]


def _holds(tracks: TrackSet | None) -> bool:
    return tracks is not None and any(len(t) for t in tracks.by_subject.values())


def _sentences(tracks: Mapping[str, TrackSet]) -> list[str]:
    """What was said, without what is too short to be known again by: anybody may say that."""
    told = tracks.get("words.emotion")
    texts = [t for _, track in told.items() for t in track.texts or ()] if told is not None else []
    return list(dict.fromkeys(t for t in texts if len(t.split()) >= KNOWN_BY_WORDS))


def _facts(
    recording: Recording,
    settings: Settings,
    span: Span,
    measured: Measured,
    expert: Expert | None,
    sentences: Sequence[str],
    asked: Container[str],
) -> Facts:
    """What `conclude` is told beside the tracks; ``asked`` are the tracks of the experts that ran after the passes."""
    only, usual = settings.modalities(recording), default_for(recording, settings.schemes)
    absent = {m: "not_asked" for m in usual if m not in only}
    bundles = registry.bundles()
    models = [e.as_model() for e in weights.entries() if e.name in measured.models]
    digest = _digest(recording, measured)

    def said(bundle: Bundle) -> dict[str, Any]:
        """A bundle's row, with whether it was trained on this very file, or on a sentence that is said in it."""
        contents = [(digest or "")[:HASH_LENGTH], *map(of_text, sentences)]
        found = [status(bundle, content) for content in contents]
        return {**bundle.as_model(), "contamination": "in-sample" if "in-sample" in found else found[0]}

    models += [said(bundles[m]) for m in measured.models if m in bundles]
    chosen = settings.chosen
    mine = (
        _running(chosen, [m for m in only if m not in measured.withheld], asked) if expert is None else expert.bundles
    )
    models = [*(said(b) for b in mine), *(m for m in models if m["name"] not in {b.name for b in mine})]
    told = tuple(m for m in MODALITIES if m in only or m in usual)
    return Facts(
        recording=recording.name,
        duration_s=recording.duration_s,
        streams=recording.streams,
        span=span,
        still=recording.still,
        clock=recording.clock,
        schemes=settings.schemes,
        baseline=None if settings.baseline is None else Span(*settings.baseline),
        # What a single model does not read has no part in the answer, and so no gaps in it.
        modalities=told if expert is None else (expert.modality,),
        withheld={**absent, **measured.withheld},
        provenance={
            "moodal": __version__,
            "schema": SCHEMA,
            "recording": {"name": recording.name, "sha256": digest},
            "streams": [{**s.summary(), **s.info} for s in recording.streams],
            **({"epoch_s": recording.epoch_s, "basis": recording.basis} if recording.epoch_s is not None else {}),
            **({"joins": [asdict(j) for j in recording.joins]} if recording.joins else {}),
            "settings": asdict(settings),
            "settings_sha256": settings.sha256,
            "versions": {
                name: metadata.version(name) for name in ("numpy", "av", "onnxruntime", "ai-edge-litert", "pyarrow")
            },
            "models": models,
            "label_rules": _label_rules(chosen, settings.schemes),
            "states": _told_by(chosen, settings.schemes),
            "fusion": dict(registry.find_bundle(chosen.fusion).manifest) if expert is None else expert.fusion(),
        },
        warnings=tuple(spelt(line) for line in (*recording.warnings, *measured.warnings)),
        models=tuple(models),
        fusion=chosen.fusion,
        label_rules=_label_rules(chosen, settings.schemes),
        single=None if expert is None else expert.fusion(),
    )


def _label_rules(chosen: Chosen, schemes: Sequence[str]) -> dict[str, Any]:
    """How label sets are made of schemes that an expert tells by itself."""
    rules = {}
    for name in schemes:
        state = states.STATES.get(name)
        if state is not None and state.role in chosen.experts:
            told = registry.find_bundle(chosen.experts[state.role]).manifest["calibration"] or {}
            rules[name] = told.get("label_sets")
    return {name: rule for name, rule in rules.items() if rule}


def _told_by(chosen: Chosen, schemes: Sequence[str]) -> dict[str, Any]:
    """The bundle that tells each state, and how far it keeps what its label sets promise."""
    found = {}
    for name in schemes:
        state = states.STATES.get(name)
        if state is not None and state.role in chosen.experts:
            told = registry.find_bundle(chosen.experts[state.role]).manifest
            kept = {k: (told["calibration"] or {}).get(k) for k in ("level", "observed", "on")}
            found[name] = {k: told[k] for k in ("name", "version", "data_terms", "not_for")} | {"calibration": kept}
    return found


def _running(chosen: Chosen, measured: Container[str], asked: Container[str]) -> tuple[Bundle, ...]:
    """The fusion, and of the experts those that ran: inside an extractor of a modality that was ``measured``, or after
    the passes for one of the tracks ``asked``."""
    beside = {s.role: s.track in asked for s in states.STATES.values()}
    experts = {
        role: name for role, name in chosen.experts.items()
        if beside.get(role, modality_of(registry.find_bundle(name)) in measured)
    }  # fmt: skip
    return Chosen(experts, chosen.fusion).bundles


def _digest(recording: Recording, measured: Measured) -> str | None:
    """The hash of the recording's bytes; ``None``, and said, where they are gone by now."""
    try:
        return recording.sha256()
    except InputError as error:
        measured.failed = True
        if not measured.warnings:
            measured.warnings.append(str(error))
        return None


def extract(
    source: PathLike | Recording,
    track: str,
    *,
    progress: Progress | None = None,
    with_: Any = (),
    unit: Any = (),
    **options: Any,
) -> TrackSet:
    """One measurement of a recording, for every subject.

    Where a stream breaks off midway, what was measured before is given, the rest is a gap ``unreadable``, and a Python
    warning says why.

    Parameters
    ----------
    source : path or `Recording`.
    track : a name that `moodal tracks` lists (``face.blendshapes``, ``voice.egemaps`` …).
    progress : called with the share done, 0 to 1.
    with_, unit : as in `analyze`.
    options : ``fps``, ``start``, ``end``, ``asr_model``, ``language``, ``model`` as in `analyze`.

    Raises
    ------
    UsageError : no such track.
    InputError : the recording cannot be read, or a stream breaks off before anything could be measured.
    ModelError : a model is not there.
    """
    joined = [with_] if isinstance(with_, (str, os.PathLike)) else list(with_)
    recording = source if isinstance(source, Recording) else media.read(source, with_=joined, unit=unit)
    tracks, measured = extract_from(recording, track, settings_from(**options), progress)
    for line in measured.warnings if measured.partly else ():
        warnings.warn(line, stacklevel=2)
    return tracks


def extract_from(
    recording: Recording, track: str, settings: Settings, progress: Progress | None = None
) -> tuple[TrackSet, Measured]:
    """`extract` of an open recording, with what else there is to say; errors as there."""
    extractor, spec = derive.find(track)
    if extractor is None:
        told = Measured()
        tracks = derive.one(settings, recording, track, settings.span(recording), told.warnings)
        told.failed, told.lost = bool(told.warnings), recording.damaged
        told.warnings = list(dict.fromkeys([*recording.warnings, *told.warnings, *remarks(recording, {track: tracks})]))
        return tracks, told
    memory = Memory()
    measured = measure(
        recording,
        memory,
        modalities=(extractor.modality,),
        want=frozenset([track]),
        span=settings.span(recording),
        options=settings.options,
        progress=progress,
    )
    if measured.failed and "no_model" in measured.withheld.values():
        raise ModelError(measured.warnings[0])
    tracks = memory.track(spec)
    if measured.broke_off and not any(len(t) for t in tracks.by_subject.values()):
        raise InputError(measured.broke_off)
    if extractor.modality == "brain":
        measured.warnings += remarks(recording, {track: tracks})
    measured.warnings = list(dict.fromkeys([*recording.warnings, *measured.warnings]))
    return tracks, measured


def functional_names(track: str) -> tuple[str, ...]:
    """What `functionals` says of this track, in order."""
    spec = derive.find(track)[1]
    [row] = functionals(TrackSet(spec, {"voice": Track.from_pieces(spec, "voice", ())}), "")
    return tuple(row)[2:]


def functionals(tracks: TrackSet, file: str) -> list[dict[str, Any]]:
    """One row a subject: ``file, subject``, then the track's functionals.

    Those are openSMILE's 88 for ``voice.egemaps`` and ``FIELD_mean``, ``FIELD_std`` for any other,
    over the values that are there; NaN where there are none.
    """
    extractor = derive.find(tracks.spec.name)[0]
    own = getattr(registry.load("extractors", extractor.name), "functionals", None) if extractor is not None else None
    rows = []
    for subject in tracks.subjects:
        track = tracks[subject]
        if tracks.spec.name == "voice.egemaps" and own is not None:
            values = own(track)
        else:
            values = {}
            for name in track.fields:
                told = track[name][np.isfinite(track[name])].astype(float)
                values[f"{name}_mean"] = float(told.mean()) if len(told) else np.nan
                values[f"{name}_std"] = float(told.std()) if len(told) else np.nan
        rows.append({"file": file, "subject": subject, **values})
    return rows
