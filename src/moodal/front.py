"""`moodal.analyze` as it stands on the front page: one recording or many, with the command's options as keywords."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any, overload

from moodal import batch, media
from moodal.analyze import analyze_into, folder_for
from moodal.core.errors import UsageError
from moodal.core.mood import Mood
from moodal.core.recording import Recording
from moodal.formats.folder import load
from moodal.formats.leftovers import sweep
from moodal.formats.writer import chosen
from moodal.media.inputs import inputs, members
from moodal.settings import settings_from

__all__ = ["analyze"]

PathLike = str | os.PathLike[str]
#: Recordings, each with what joins it.
Sources = list[tuple[Path | Recording, list[Any]]]


@overload
def analyze(source: Recording, *, out: PathLike | None = None, **options: Any) -> Mood: ...
@overload
def analyze(source: PathLike, *, out: PathLike | None = None, **options: Any) -> Mood | Any: ...
@overload
def analyze(source: Sequence[PathLike | Recording], *, out: PathLike | None = None, **options: Any) -> list[Mood]: ...
def analyze(
    source: Any,
    *,
    out: PathLike | None = None,
    with_: Any = (),
    unit: Any = (),
    write: Any = (),
    jobs: int = 1,
    again: bool = False,
    **options: Any,
) -> Mood | list[Mood]:
    """Turn a recording into a Mood, or many into a list of them.

    Parameters
    ----------
    source : path of a video, sound, picture, transcript, text, table of signals, wristband's folder and so on; a
        `Recording`; a list of them; or a folder that is no recording itself, which stands for the readable files in it.
    out : folder in which ``NAME.mood/`` is made. Without it nothing is left behind: the Mood's files
        live in a temporary folder as long as the Mood does.
    with_ : path of a transcript or recording to join, as ``FILE`` or ``FILE@OFFSET_S`` (or a list of them).
    unit : units of signals that state none: ``["eda=uS"]`` or ``{"eda": "uS"}``.
    write : further formats for ``NAME.mood/exports/`` (``"eaf,srt"`` or a list).
    jobs : of many, how many are analysed at a time, each in a process of its own.
    again : of many, whether finished ones in ``out`` are done afresh.
    options : the command's other options: ``only`` (modalities), ``scheme``, ``fps``, ``start``, ``end``,
        ``commercial``, ``asr_model``, ``language``, ``baseline`` (start and end, s), ``keep`` (tracks),
        ``model`` (a bundle's name or path, which tells the emotion instead of what ships).

    Returns
    -------
    A Mood; of a list, or of a folder of recordings, a list of Moods in order. As on the command line, many with ``out``
    also make ``summary.csv`` and ``index.html`` there, and what is finished there is not done again (it has no
    ``timing`` then).

    Raises
    ------
    MoodalError : nothing could be read, or an option is wrong; in one line. Of many it is that of the first that
        failed: without ``out`` at once, with ``out`` when all others are done and saved.
    """
    settings, formats = settings_from(**options), chosen(write)
    if not isinstance(jobs, int):
        raise UsageError(f"must be a whole number, not {jobs!r}", where="--jobs")
    batch.check_jobs(jobs)
    joined = [with_] if isinstance(with_, (str, os.PathLike)) else list(with_)
    home = None if out is None else Path(out)
    how = batch.Plan(settings, _texts(unit), formats, again)
    if isinstance(source, Recording) or not _is_many(source):
        return _one(source, home, joined, how)
    sources: Sources = []
    for one in source if isinstance(source, (list, tuple)) else [source]:
        if isinstance(one, Recording):
            if jobs > 1:
                raise UsageError(
                    f"{one.name} is open, and no other process can go on with it", where="--jobs", fix="Give its path."
                )
            sources.append((one, []))
        else:
            sources += [(path, [*own, *joined]) for path, own in inputs([one], home)]
    return _many(sources, home, how, jobs)


def _is_many(source: Any) -> bool:
    return isinstance(source, (list, tuple)) or bool(members(Path(source)))


def _texts(unit: Any) -> tuple[str, ...]:
    """Declared units spelt as on the command line."""
    if isinstance(unit, Mapping):
        return tuple(f"{field}={name}" for field, name in unit.items())
    return (unit,) if isinstance(unit, str) else tuple(unit)


def _one(source: PathLike | Recording, out: Path | None, joined: list[Any], how: batch.Plan) -> Mood:
    is_open = isinstance(source, Recording)
    recording = source if isinstance(source, Recording) else media.read(source, with_=joined, unit=how.unit)
    if out is None:
        folder = Path(tempfile.mkdtemp(prefix="moodal-")) / f"{Path(recording.name).stem}.mood"
    else:
        folder = folder_for(recording, out)
    told = {} if is_open else batch.noted(batch.Job(recording.path, tuple(joined), folder), how.unit)
    try:
        mood = analyze_into(recording, folder, how.settings, write=how.write, noted=told)[0]
    except BaseException:
        if out is None:
            rmtree(folder.parent, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(mood, rmtree, folder.parent, ignore_errors=True)
    return mood


def _many(sources: Sources, out: Path | None, how: batch.Plan, jobs: int) -> list[Mood]:
    if out is None:
        return _many_kept_nowhere(sources, how, jobs)
    sweep(out)
    outcomes = list(batch.run(batch.plan(sources, out), how, workers=jobs))
    batch.index(outcomes, out)
    sweep(out)  # of a run that was just dying when this one began
    faults = [o.fault for o in outcomes if o.fault is not None]
    if faults:
        faults[0].add_note(f"{len(faults)} of {len(outcomes)} recordings failed; the others are saved in {out}")
        raise faults[0]
    return [_loaded(o) for o in outcomes]


def _many_kept_nowhere(sources: Sources, how: batch.Plan, jobs: int) -> list[Mood]:
    """Each in a temporary folder of its own, which goes with its Mood."""
    homes = [Path(tempfile.mkdtemp(prefix="moodal-")) for _ in sources]
    moods: list[Mood] = []
    try:
        planned = [batch.plan([one], home)[0] for one, home in zip(sources, homes, strict=True)]
        for outcome in batch.run(planned, how, workers=jobs):
            if outcome.fault is not None:
                raise outcome.fault
            moods.append(_loaded(outcome))
    except BaseException:
        for home in homes:
            rmtree(home, ignore_errors=True)
        raise
    for mood, home in zip(moods, homes, strict=True):
        weakref.finalize(mood, rmtree, home, ignore_errors=True)
    return moods


def _loaded(outcome: batch.Outcome) -> Mood:
    assert outcome.summary is not None
    return replace(load(outcome.job.folder), timing=outcome.summary.get("timing"))
