"""A recording in, a Mood out: measure, conclude, save with its page."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from math import inf, isfinite
from pathlib import Path
from shutil import rmtree
from typing import Any, overload

import numpy as np

from moodal import __version__, media, weights
from moodal.core import registry
from moodal.core.clock import Span
from moodal.core.errors import InputError, ModelError, UsageError, spelt
from moodal.core.mood import SCHEMA, Mood
from moodal.core.recording import Recording
from moodal.core.scheme import mapping
from moodal.core.track import Track, TrackSet
from moodal.formats.files import new_folder
from moodal.formats.folder import folder_for, save, with_file
from moodal.formats.tables import TrackReader, TrackWriter
from moodal.formats.writer import EXPORTS, chosen
from moodal.fuse import Facts, conclude
from moodal.measure import MODALITIES, Measured, Memory, Progress, extractor_specs, measure, track_spec

__all__ = [
    "Settings",
    "analyze",
    "analyze_into",
    "extract",
    "folder_for",
    "functional_names",
    "functionals",
    "settings_from",
]

#: What `analyze` looks at unless told otherwise: every modality that has an extractor. The body is looked at where the
#: recording has a signal of one: that a video has no wristband is no gap anybody waits for.
DEFAULT = ("face", "voice", "words", "body")

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Settings:
    """Everything that can change a result, and nothing else: stored, and hashed, in provenance.

    ``fps`` thins pictures to at most that rate; ``start_s`` and ``end_s`` bound the analysis on the
    recording's clock; ``asr_model`` is a folder with another faster-whisper model; ``language`` the
    code of what is spoken, where known; ``baseline`` a neutral stretch (start, end in s) of the body's signals;
    ``keep`` names tracks to store that are too large to be stored unasked.
    """

    only: tuple[str, ...] = DEFAULT
    schemes: tuple[str, ...] = ("ekman8",)
    fps: float | None = None
    start_s: float | None = None
    end_s: float | None = None
    commercial: bool = False
    asr_model: str | None = None
    language: str | None = None
    baseline: tuple[float, float] | None = None
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for option, number in (("--fps", self.fps), ("--start", self.start_s), ("--end", self.end_s)):
            if number is not None and not isfinite(number):
                raise UsageError(f"must be a number, not {number:g}", where=option)
        unknown = [m for m in self.only if m not in MODALITIES]
        if unknown or not self.only:
            raise UsageError(
                f"unknown modality {', '.join(unknown)!r}", where="--only", fix=f"Known: {', '.join(MODALITIES)}."
            )
        for name in self.schemes:
            mapping("ekman8", name)
        if self.fps is not None and not self.fps > 0:
            raise UsageError(f"must be above 0, not {self.fps:g}", where="--fps")
        if self.start_s is not None and self.start_s < 0:
            raise UsageError(f"must not be negative, but is {self.start_s:g}", where="--start")
        for name in self.keep:
            track_spec(name)
        if self.baseline is not None and not 0 <= self.baseline[0] < self.baseline[1] < inf:
            raise UsageError("must be START:END in seconds, the end after the start", where="--baseline")
        if self.end_s is not None and self.end_s <= (self.start_s or 0):
            raise UsageError(f"must come after the start, but is {self.end_s:g}", where="--end")

    def modalities(self, recording: Recording) -> tuple[str, ...]:
        """What is looked at in this recording: ``only``, or by default what it could have."""
        return default_for(recording) if self.only == DEFAULT else self.only

    def span(self, recording: Recording) -> Span:
        """The stretch of the recording to analyse."""
        start = self.start_s or 0.0
        if start >= recording.duration_s:
            raise UsageError(
                f"{start:g} s is past the end ({recording.duration_s:.2f} s)", where=f"{recording.name}: --start"
            )
        span = Span(start, min(self.end_s or recording.duration_s, recording.duration_s))
        if self.baseline is not None and not Span(*self.baseline) & span:
            raise UsageError(
                f"{self.baseline[0]:g} to {self.baseline[1]:g} s lies outside of what is analysed "
                f"({span.start:g} to {span.end:.2f} s)",
                where=f"{recording.name}: --baseline",
            )
        return span

    @property
    def sha256(self) -> str:
        """Hash of the settings in one fixed spelling."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def options(self) -> dict[str, Any]:
        """What extractors are told."""
        return {k: v for k, v in asdict(self).items() if k in ("fps", "asr_model", "language") and v is not None}


def default_for(recording: Recording) -> tuple[str, ...]:
    """`DEFAULT` without the body where no stream could tell of one."""
    kinds = {kind for s in extractor_specs().values() if s.modality == "body" for kind in s.reads}
    has_body = any(s.kind in kinds for s in recording.streams)
    return tuple(m for m in DEFAULT if m != "body" or has_body)


@overload
def analyze(
    source: PathLike | Recording,
    *,
    out: PathLike | None = None,
    with_: Any = (),
    unit: Any = (),
    write: Any = (),
    **options: Any,
) -> Mood: ...
@overload
def analyze(
    source: Sequence[PathLike | Recording],
    *,
    out: PathLike | None = None,
    with_: Any = (),
    unit: Any = (),
    write: Any = (),
    **options: Any,
) -> list[Mood]: ...
def analyze(
    source: Any,
    *,
    out: PathLike | None = None,
    with_: Any = (),
    unit: Any = (),
    write: Any = (),
    **options: Any,
) -> Mood | list[Mood]:
    """Turn a recording (or each of a list) into a Mood.

    Parameters
    ----------
    source : path of a video, sound, picture, transcript, text, table of signals, wristband's folder and so on; a
        `Recording`; or a list of them.
    out : folder in which ``NAME.mood/`` is made. Without it nothing is left behind: the Mood's files
        live in a temporary folder as long as the Mood does.
    with_ : path of a transcript or recording to join, as ``FILE`` or ``FILE@OFFSET_S`` (or a list of them).
    unit : units of signals that state none: ``["eda=uS"]`` or ``{"eda": "uS"}``.
    write : further formats for ``NAME.mood/exports/`` (``"eaf,srt"`` or a list).
    options : the command's options: ``only`` (modalities), ``scheme``, ``fps``, ``start``, ``end``,
        ``commercial``, ``asr_model``, ``language``, ``baseline`` (start and end, s), ``keep`` (tracks).

    Raises
    ------
    MoodalError : nothing could be read, or an option is wrong; in one line.
    """
    settings, formats = settings_from(**options), chosen(write)
    if isinstance(source, (list, tuple)):
        taken: set[Path] = set()
        return [_analyze(one, out, with_, unit, formats, settings, taken) for one in source]
    return _analyze(source, out, with_, unit, formats, settings, set())


def _analyze(
    source: PathLike | Recording,
    out: PathLike | None,
    with_: Any,
    unit: Any,
    formats: tuple[str, ...],
    settings: Settings,
    taken: set[Path],
) -> Mood:
    """One of a list; ``taken`` are the folders of those before it."""
    transcripts = [with_] if isinstance(with_, (str, os.PathLike)) else list(with_)
    recording = source if isinstance(source, Recording) else media.read(source, with_=transcripts, unit=unit)
    if out is not None:
        folder = folder_for(recording, Path(out), taken)
        taken.add(folder)
        return analyze_into(recording, folder, settings, write=formats)[0]
    home = tempfile.mkdtemp(prefix="moodal-")
    mood = analyze_into(recording, Path(home) / f"{Path(recording.name).stem}.mood", settings, write=formats)[0]
    weakref.finalize(mood, rmtree, home, ignore_errors=True)
    return mood


def settings_from(**options: Any) -> Settings:
    """`Settings` from keywords spelt as the command's options; ``None`` means not given.

    Raises
    ------
    UsageError : an unknown option, or a value that makes no sense.
    """
    spelt = {"scheme": "schemes", "start": "start_s", "end": "end_s"}
    known = {*Settings.__dataclass_fields__} - set(spelt.values()) | set(spelt)
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(
            f"unknown option {', '.join(unknown)}", where="analyze", fix=f"Known: {', '.join(sorted(known))}."
        )
    values = {spelt.get(name, name): value for name, value in options.items() if value is not None}
    for name in ("only", "schemes", "keep"):
        if name in values:
            texts = [values[name]] if isinstance(values[name], str) else list(values[name])
            values[name] = tuple(
                dict.fromkeys(part.strip() for text in texts for part in text.split(",") if part.strip())
            )
    if "baseline" in values:
        values["baseline"] = _stretch(values["baseline"])
    return Settings(**values)


def _stretch(given: Any) -> tuple[float, float]:
    """``"START:END"``, or a pair, in s."""
    try:
        start, end = (float(x) for x in (given.split(":") if isinstance(given, str) else given))
    except (TypeError, ValueError) as error:
        raise UsageError(f"must be START:END in seconds, not {given!r}", where="--baseline") from error
    return start, end


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
    if settings.commercial:
        used = [m for s in extractor_specs().values() if s.modality in only for m in s.models]
        _require_commercial([*used, "late-v0"])
    with new_folder(folder) as work:
        began = time.perf_counter()
        sink = TrackWriter(work / "tracks", specs)
        measured = measure(
            recording,
            sink,
            modalities=only,
            want=frozenset(specs),
            span=span,
            options=settings.options,
            progress=progress,
        )
        if measured.failed and set(measured.withheld) == set(only) and "no_model" in measured.withheld.values():
            # Every modality that the recording could have fed lacks its model: nothing was done.
            raise ModelError(measured.warnings[0])
        tracks = sink.close()
        facts = _facts(recording, settings, span, measured)
        mood = conclude(tracks, facts)
        elapsed = time.perf_counter() - began - measured.load_s
        timing = {"load_s": measured.load_s, "analysis_s": elapsed, "real_time": span.duration / max(elapsed, 1e-9)}
        there = Path(os.path.relpath(recording.path, folder)) if recording.path.is_file() else None
        if there is not None and spelt(str(there)) != str(there):
            there = None  # a page cannot name it; it asks for the file instead
        provenance = with_file({**mood.provenance, **(noted or {})}, there)
        mood = replace(mood, warnings=(*mood.warnings, *_nothing_told(mood)), provenance=provenance)
        save(mood, work)
        page.write(mood, work, media=there)
        if write:
            measured.notes += replace(mood, tracks=TrackReader(work / "tracks"), path=work).write(
                work / EXPORTS, *write
            )
    return replace(mood, tracks=TrackReader(folder / "tracks"), path=folder, timing=timing), measured


def _require_commercial(names: list[str]) -> None:
    """Refuse whatever forbids commercial use, files and bundles alike."""
    bundles = registry.bundles()
    weights.require_commercial([n for n in names if n not in bundles])
    refused = [
        f"{n} ({bundles[n].manifest['licence']})"
        for n in names
        if n in bundles and not bundles[n].manifest["commercial"]
    ]
    if refused:
        raise ModelError(
            f"commercial use is not allowed by {', '.join(refused)}",
            where="--commercial",
            fix="Leave out their modalities with --only, or drop --commercial.",
        )


def _nothing_told(mood: Mood) -> list[str]:
    if any(s.told.any() for s in mood.subjects.values()):
        return []
    reasons = sorted({f"{g.modality}: {g.reason}" for g in mood.gaps if g.reason != "not_asked"})
    name = " ".join(mood.recording.split())
    return [f"{name}: nothing could be told ({', '.join(reasons or ['not asked for'])})"]


def _facts(recording: Recording, settings: Settings, span: Span, measured: Measured) -> Facts:
    only, usual = settings.modalities(recording), default_for(recording)
    absent = {m: "not_asked" for m in usual if m not in only}
    bundles = registry.bundles()
    models = [e.as_model() for e in weights.entries() if e.name in measured.models]
    models += [bundles[m].as_model() for m in measured.models if m in bundles]
    return Facts(
        recording=recording.name,
        duration_s=recording.duration_s,
        streams=recording.streams,
        span=span,
        still=recording.still,
        clock=recording.clock,
        schemes=settings.schemes,
        baseline=None if settings.baseline is None else Span(*settings.baseline),
        modalities=tuple(m for m in MODALITIES if m in only or m in usual),
        withheld={**absent, **measured.withheld},
        provenance={
            "moodal": __version__,
            "schema": SCHEMA,
            "recording": {"name": recording.name, "sha256": _digest(recording, measured)},
            "streams": [{**s.summary(), **s.info} for s in recording.streams],
            **({"epoch_s": recording.epoch_s, "basis": recording.basis} if recording.epoch_s is not None else {}),
            **({"joins": [asdict(j) for j in recording.joins]} if recording.joins else {}),
            "settings": asdict(settings),
            "settings_sha256": settings.sha256,
            "versions": {
                name: metadata.version(name) for name in ("numpy", "av", "onnxruntime", "ai-edge-litert", "pyarrow")
            },
            "models": models,
            "fusion": {**bundles["late-v0"].manifest},
        },
        warnings=tuple(spelt(line) for line in (*recording.warnings, *measured.warnings)),
        models=tuple(models),
    )


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

    Parameters
    ----------
    source : path or `Recording`.
    track : a name that `moodal tracks` lists (``face.blendshapes``, ``voice.egemaps`` …).
    progress : called with the share done, 0 to 1.
    with_, unit : as in `analyze`.
    options : ``fps``, ``start``, ``end``, ``asr_model``, ``language`` as in `analyze`.

    Raises
    ------
    UsageError : no such track.
    InputError : the recording cannot be read, or breaks off, or a model is not there.
    """
    extractor, spec = track_spec(track)
    joined = [with_] if isinstance(with_, (str, os.PathLike)) else list(with_)
    recording = source if isinstance(source, Recording) else media.read(source, with_=joined, unit=unit)
    settings = settings_from(**options)
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
    if measured.failed:
        raise InputError(measured.warnings[0])
    return memory.track(spec)


def functional_names(track: str) -> tuple[str, ...]:
    """What `functionals` says of this track, in order."""
    spec = track_spec(track)[1]
    [row] = functionals(TrackSet(spec, {"voice": Track.from_pieces(spec, "voice", ())}), "")
    return tuple(row)[2:]


def functionals(tracks: TrackSet, file: str) -> list[dict[str, Any]]:
    """One row a subject: ``file, subject``, then the track's functionals.

    Those are openSMILE's 88 for ``voice.egemaps`` and ``FIELD_mean``, ``FIELD_std`` for any other,
    over the values that are there; NaN where there are none.
    """
    own = getattr(registry.load("extractors", track_spec(tracks.spec.name)[0].name), "functionals", None)
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
