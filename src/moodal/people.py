"""Who is who, said by somebody who knows: subjects of a saved Mood made one, and named.

The tracks of persons made one are joined, the Mood is concluded again from the tracks, and its folder is rewritten
whole; table and index beside it, where a run of many made them, learn of it. Nothing is measured again. What was said
is kept in provenance.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core import registry
from moodal.core.clock import Span, Timeline
from moodal.core.errors import UsageError
from moodal.core.mood import Mood
from moodal.core.track import Gap, Piece, Track, TrackSet, merge_gaps
from moodal.formats.files import disk_errors, new_folder
from moodal.formats.folder import load, save
from moodal.formats.tables import TrackReader, TrackWriter
from moodal.formats.writer import EXPORTS, outputs
from moodal.fuse import Facts, conclude
from moodal.fuse.late import DEFAULT

__all__ = ["facts_of", "joined_track", "people"]

#: Reasons that are a modality's own state in the whole recording, not of a moment.
_WITHHELD = ("no_stream", "no_model", "not_asked", "unreadable")


def people(mood: Mood | str | os.PathLike[str], *, merge: Iterable[str] | str, name: str | None = None) -> Mood:
    """Make several subjects of a saved Mood one, or give one a name; the folder is rewritten.

    Parameters
    ----------
    mood : a saved Mood, or its folder.
    merge : ids (or names given before): ``"p1,voice"`` or ``["p1", "voice"]``. The first person seen among them
        is who stays. A single one is only named.
    name : what to call them.

    Raises
    ------
    UsageError : no such subject, or two persons who are in view at the same time.
    """
    saved = mood if isinstance(mood, Mood) else load(Path(mood))
    if saved.path is None:
        raise UsageError("is not saved, so it cannot be edited", where=saved.recording, fix="Analyse it with out=.")
    asked = merge.split(",") if isinstance(merge, str) else list(merge)
    ids = list(dict.fromkeys(_id(saved, text.strip()) for text in asked if text.strip()))
    label = " ".join(name.split()) if name is not None else None
    if label == "":
        raise UsageError("is empty", where="--name", fix="Say what to call them.")
    if not ids or (len(ids) < 2 and not label):
        raise UsageError("names one subject alone" if ids else "names nobody", where="--merge", fix="Say --merge A,B.")
    _refuse_two_at_once(saved, ids)
    into = min(ids, key=lambda i: (not _is_person(i), int(i[1:]) if _is_person(i) else ids.index(i)))
    provenance = {**saved.provenance, "people": _edited(saved, ids, into, label)}
    folder = saved.path
    with new_folder(folder) as work:
        with disk_errors(work):
            shutil.copytree(folder, work, dirs_exist_ok=True)
        _join_tracks(saved, [i for i in ids if _is_person(i)], into, work / "tracks")
        facts = replace(facts_of(saved), provenance=provenance, merged=provenance["people"]["merged"])
        edited = conclude(TrackReader(work / "tracks"), facts)
        save(edited, work)
        _write_page(edited, work)
        _write_exports(saved, work)
    from moodal.page import many

    many.refresh(folder)
    return load(folder)


def _is_person(subject: str) -> bool:
    return subject[:1] == "p" and subject[1:].isdigit()


def _id(mood: Mood, text: str) -> str:
    """The id itself, or that of the one who has this name."""
    if text not in mood.subjects:
        named = [i for i, n in mood.names.items() if n == text and i in mood.subjects]
        if len(named) == 1:
            return named[0]
    return mood[text].id


def _refuse_two_at_once(mood: Mood, ids: list[str]) -> None:
    for a, b in combinations(ids, 2):
        both = mood[a].seen & mood[b].seen
        if both:
            raise UsageError(
                f"{a} and {b} are in view at the same time ({both[0].start:.2f} to {both[0].end:.2f} s), so they "
                "cannot be one person",
                where=mood.recording,
            )


def _edited(mood: Mood, ids: list[str], into: str, name: str | None) -> dict[str, Any]:
    """The record of who was said to be who: every edit in order, names, and to whom each old id belongs now."""
    before = mood.provenance.get("people")
    before = before if isinstance(before, Mapping) else {"edits": [], "names": {}, "merged": {}}
    gone = [i for i in ids if i != into]
    merged = {old: into if now in gone else now for old, now in before["merged"].items()}
    merged.update(dict.fromkeys(gone, into))
    names = {i: n for i, n in before["names"].items() if i not in gone}
    kept = next((before["names"][i] for i in [into, *ids] if i in before["names"]), None)
    if name or kept:
        names[into] = name or kept
    edit = {"merge": ids, "into": into, "name": name}
    return {"edits": [*before["edits"], edit], "names": names, "merged": merged}


def facts_of(mood: Mood) -> Facts:
    """What `conclude` was told when it made this Mood, beside the tracks."""
    settings = mood.provenance.get("settings")
    settings = settings if isinstance(settings, Mapping) else {}
    start = float(settings.get("start_s") or 0.0)
    span = Span(start, min(float(settings.get("end_s") or mood.duration_s), mood.duration_s))
    withheld = {m: reason for m in mood.modalities if (reason := _withheld(mood, m, span))}
    given = settings.get("baseline")
    fusion = mood.provenance.get("fusion")
    own = fusion.get("name") if isinstance(fusion, Mapping) else None
    single = dict(fusion) if isinstance(fusion, Mapping) and own == "single" else None
    return Facts(
        recording=mood.recording,
        duration_s=mood.duration_s,
        streams=mood.streams,
        span=span,
        still=mood.still,
        clock=mood.clock,
        schemes=mood.schemes,
        modalities=mood.modalities,
        withheld=withheld,
        provenance=mood.provenance,
        warnings=mood.warnings,
        baseline=Span(*given) if given else None,
        models=tuple(m for m in mood.models if m.get("name") != own),
        fusion=str(own) if own and single is None else DEFAULT,
        label_rules=dict(mood.provenance.get("label_rules") or {}),
        single=single,
    )


def _withheld(mood: Mood, modality: str, span: Span) -> str:
    """The one reason for which nobody has this modality anywhere, if it is one of a whole recording; else empty."""
    found = set()
    for subject in mood.subjects or {g.subject for g in mood.gaps}:
        gaps = [g for g in mood.gaps_of(subject, modality) if Span(g.start, g.end) & span]
        if Timeline([span]) - Timeline((g.start, g.end) for g in gaps):
            return ""
        found |= {g.reason for g in gaps}
    return found.pop() if len(found) == 1 and found <= set(_WITHHELD) else ""


def _join_tracks(mood: Mood, persons: list[str], into: str, folder: Path) -> None:
    """Rewrite every track in which two of these persons occur, with one in their place."""
    if len(persons) < 2:
        return
    reader = TrackReader(mood.path / "tracks") if mood.path is not None else {}
    for name in mood.tracks:
        tracks: TrackSet = reader[name]
        mine = [tracks[p] for p in persons if p in tracks.by_subject]
        if not any(t.subject != into for t in mine):
            continue
        rest = [t for t in tracks.by_subject.values() if t.subject not in persons]
        writer = TrackWriter(folder, {name: tracks.spec})
        for track in [*rest, joined_track(mine, into)]:
            writer.add(
                Piece(
                    name, track.subject, track.times, track.values, track.quality, track.gaps, track.ends, track.texts
                )
            )
        writer.close()


def joined_track(tracks: list[Track], subject: str) -> Track:
    """Tracks of persons who are one: their samples in order of time; a gap is where none of them tells anything."""
    first = tracks[0]
    times = np.concatenate([t.times for t in tracks])
    order = np.argsort(times, kind="stable")
    order = order[np.concatenate([[True], np.diff(times[order]) > 0])] if len(order) else order
    with_ends = all(t.ends is not None for t in tracks)
    texts = [text for t in tracks for text in (t.texts or ())] if first.texts is not None else None
    return Track(
        first.spec,
        subject,
        times[order],
        np.concatenate([t.values for t in tracks])[order],
        np.concatenate([t.quality for t in tracks])[order],
        _joined_gaps(tracks),
        np.concatenate([t.ends for t in tracks if t.ends is not None])[order] if with_ends else None,
        None if texts is None else tuple(texts[i] for i in order),
    )


def _joined_gaps(tracks: list[Track]) -> tuple[Gap, ...]:
    """Where each of them is missing; "no face" only where nobody of them gives a more particular reason."""
    everywhere = tracks[0].missing()
    for track in tracks[1:]:
        everywhere = everywhere & track.missing()
    found: list[Gap] = []
    told = Timeline()
    for track in tracks:
        for gap in track.gaps:
            if gap.reason == "no_face":
                continue
            part = (Timeline([gap.span]) & everywhere) - told
            found += [Gap(s.start, s.end, gap.reason) for s in part]
        told = Timeline(g.span for g in found)
    found += [Gap(s.start, s.end, "no_face") for s in everywhere - told]
    return merge_gaps(found)


def _write_page(mood: Mood, work: Path) -> None:
    from moodal import page

    recorded = mood.provenance.get("recording")
    file = recorded.get("file") if isinstance(recorded, Mapping) else None
    page.write(mood, work, media=Path(file) if file else None)


def _write_exports(mood: Mood, work: Path) -> None:
    """Write again whatever formats the folder holds, so that they say the same as its page."""
    home = work / EXPORTS
    there = [
        n for n in registry.names("writers") if home.is_dir() and all((home / f).is_file() for f in outputs(mood, n))
    ]
    for name in there:
        for file in outputs(mood, name):
            with disk_errors(home):
                old = home / Path(file).parts[0]
                if old.is_dir():
                    shutil.rmtree(old)
    if there:
        load(work).write(home, *there)
