"""The audit: every fold's parts are compared by every key, and what several folds share is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from moodal.core.errors import InputError, UsageError
from moodal.lab.bench.leaks import Leak, Parts, overlaps, shared

from .findings import FIXES, Audit, Finding, Level, shown
from .media import Media
from .readers import read_split
from .split import Split, SplitFold, Stale, identities, with_content
from .statistics import fitted_on_test

__all__ = ["audit_split"]

Progress = Callable[[float], None]

#: How each key's sharing is told; the number of values comes first.
_NOUNS = {
    "clip": ("example", "examples"),
    "trial": ("trial", "trials"),
    "window": ("recording or trial with windows that overlap", "recordings or trials with windows that overlap"),
    "content": ("duplicate (same content)", "duplicates (same content)"),
    "subject": ("person", "people"),
    "dialogue": ("dialogue", "dialogues"),
    "recording": ("recording (other stretches of it)", "recordings (other stretches of them)"),
    "stimulus": ("stimulus or sentence", "stimuli or sentences"),
    "session": ("session", "sessions"),
    "short_text": ("short text", "short texts"),
}
_ORDER = (*_NOUNS, "sound", "statistics", "baseline", "stale", "mixed", "people", "dialogue_numbers", "note")


def audit_split(
    path: str | Path,
    *,
    index: str | Path | None = None,
    media: str | Path | None = None,
    use_media: bool = True,
    within_subject: bool = False,
    baseline: str | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Compare the parts of a split: EmoBox, audformat, torcheeg's folders, tables by part, or one with a column split.

    A leak is an example, trial, overlapping window, duplicate, dialogue or person in two parts, statistics fitted on
    held-out rows, or a split made from other data than lie beside it. People may be shared where the split declares
    itself within-subject (torcheeg's folders for each subject, or ``within_subject``) or is published with names of
    files alone to tell them (EmoBox): that is a notice, as are sentences, sessions and stimuli.

    Parameters
    ----------
    index : the table of all clips that the split was made from; found beside the split where the layout has one.
    media : folder that the tables' file names are relative to, where it is not the tables' own.
    use_media : hash and compare the files if they are there.
    baseline : ``"subject"`` where features may be standardised by each person's own unlabelled rows.
    progress : called with the share done, 0 to 1.

    Raises
    ------
    InputError : nothing there that can be read as a split, naming the row where one is at fault.
    """
    if baseline not in (None, "subject"):
        raise UsageError(f"unknown baseline {baseline!r}", where="--baseline", fix="Known: subject.")
    split = read_split(Path(path), None if index is None else Path(index))
    roots = (*((Path(media),) if media is not None else ()), *split.roots)
    if media is not None and not Path(media).is_dir():
        raise InputError("no such folder", where=str(media), fix="--media takes the folder that file names start from.")
    files = Media(roots) if use_media else None
    book = _Book()
    people: set[str] = set()
    seen: dict[tuple[str, ...], None] = {}
    stale_roles: list[str] = []
    universes: dict[str, dict[str, int]] = {}
    for fold in split.folds():
        # Only where the split itself is made for each person are its folds of different clips.
        group = str(fold.index["subject"][0]) if fold.within else ""
        if within_subject:
            fold = replace(fold, within=True)
        if files is not None:
            content = files.contents(fold, progress)
            if any(content):
                fold = with_content(fold, content)
        book.folds.append({"name": fold.name, **{p: len(r) for p, r in fold.parts.items()}})
        people.add(_people(fold))
        for finding in _of_fold(fold, split, baseline):
            book.add(fold, finding)
        if files is not None:
            for leak in files.near(fold, progress):
                book.add(fold, _told(fold, leak, "leak", leak.values[0]))
        if split.stale is not None or split.even:
            roles = _stale_roles(split, fold)
            rows = _universe(fold, roles)
            if split.stale is not None:
                gone = _gone(fold, split.stale, roles, rows)
                if gone is not None:
                    book.add(fold, gone)
                seen.update(dict.fromkeys(rows))
                stale_roles = roles
            universes.setdefault(group, {})[fold.name] = hash(frozenset(rows))
    for finding in _after(split, stale_roles, seen, universes):
        book.add(None, finding)
    for note in split.notes:
        book.add(None, Finding("note", "notice", note))
    if not book.folds:
        raise InputError("holds no split", where=str(path))
    told = book.findings()
    return Audit(
        Path(path),
        split.layout,
        tuple(book.folds),
        tuple(f for f in told if f.level == "leak"),
        tuple(f for f in told if f.level == "notice"),
        next((p for p in ("dependent", "unknown", "independent") if p in people), "unknown"),
        files.counts if files is not None else {},
    )


@dataclass
class _Book:
    """Findings by key and parts: the first fold's rows are kept, further folds are counted."""

    folds: list[dict[str, object]] = field(default_factory=list)
    first: dict[tuple[str, ...], Finding] = field(default_factory=dict)

    def add(self, fold: SplitFold | None, finding: Finding) -> None:
        key = (finding.key, finding.level, *finding.parts, finding.what if finding.key == "note" else "")
        old = self.first.get(key)
        if old is None:
            self.first[key] = replace(finding, folds=(fold.name,) if fold is not None and fold.name else ())
        elif fold is not None:
            self.first[key] = replace(old, folds=(*old.folds, fold.name))

    def findings(self) -> list[Finding]:
        return sorted(self.first.values(), key=lambda f: _ORDER.index(f.key) if f.key in _ORDER else len(_ORDER))


def _told(fold: SplitFold, leak: Leak, level: Level, what: str = "") -> Finding:
    one, many = _NOUNS.get(leak.key, (leak.key, leak.key))
    count = len(leak.values)
    if not what:
        # A hash tells a reader nothing; the rows do.
        names = "" if leak.key in ("content", "short_text") else f": {shown(leak.values)}"
        what = f"{leak.parts[0]} and {leak.parts[1]} share {count} {one if count == 1 else many}{names}"
    return Finding(
        key=leak.key,
        level=level,
        what=what,
        parts=leak.parts,
        values=leak.values[:20],
        count=count,
        rows=tuple(
            {"file": fold.files[fold.file_of[r]].name, "row": int(fold.number[r])} for r in leak.rows[:50]
        ),
        rows_count=len(leak.rows),
        named=fold.named(leak.rows),
        fix=FIXES[leak.key],
    )  # fmt: skip


def _of_fold(fold: SplitFold, split: Split, baseline: str | None) -> Iterator[Finding]:
    index = fold.index
    again: set[int] = set()
    for leak in shared(index, fold.parts, ["example"]):
        again |= set(leak.rows)
        yield _told(fold, replace(leak, key="clip"), "leak")
    # What is one example twice need not be told again as one trial, one window and one file.
    once: Parts = {p: np.array([r for r in rows if int(r) not in again], np.int64) for p, rows in fold.parts.items()}
    trials = list(shared(index, once, ["trial"]))
    for leak in trials:
        what = str(_told(fold, leak, "leak").what) + _manner(fold, leak, split)
        yield _told(fold, leak, "leak", what)
    # A trial is told once, and windows that overlap as well, for they are the graver form.
    yield from (_told(fold, leak, "leak") for leak in _windows(fold, once))
    yield from (_told(fold, leak, "leak") for leak in shared(index, once, ["content"]))
    for leak in shared(index, fold.parts, ["subject"]):
        known = fold.within or fold.derived or (split.even and _across_trials(fold, leak))
        yield _told(fold, leak, "notice" if known else "leak")
    yield from _dialogues(fold, once)
    placed = (index["subject"] != "") | (index["trial"] != "") | (index["dialogue"] != "")
    told = ["session", "short_text"]
    if not trials:
        told.insert(0, "stimulus")
        for leak in shared(index, once, ["recording"]):
            yield _told(fold, leak, "notice" if fold.within or all(placed[list(leak.rows)]) else "leak")
    yield from (_told(fold, leak, "notice") for leak in shared(index, once, told))
    if not (index["subject"] != "").any():
        yield Finding("people", "notice", "no column says who is seen or heard: people were not compared",
                      fix=FIXES["people"])  # fmt: skip
    for fitted in fitted_on_test(fold):
        each = fitted.over == "each person"
        level: Level = "notice" if each and baseline == "subject" else "leak"
        whose = "by each test person's own rows" if each else "over training and held-out rows together"
        leak = Leak("baseline" if each else "statistics", ("train", "test"), fitted.columns, fitted.rows)
        plural = "s are" if len(fitted.columns) > 1 else " is"
        yield _told(fold, leak, level, f"column{plural} standardised {whose}: {shown(fitted.columns)}")


def _across_trials(fold: SplitFold, leak: Leak) -> bool:
    """torcheeg's KFoldCrossTrial: trial numbers are dealt out, every person is on both sides: meant so."""
    a, b = (fold.parts[p] for p in leak.parts)
    trials, people = fold.index["told_trial"], fold.index["subject"]
    apart = not (set(trials[a]) & set(trials[b])) and not (trials[np.concatenate([a, b])] == "").any()
    return apart and set(people[b]) <= set(people[a])


def _windows(fold: SplitFold, parts: Parts) -> Iterator[Leak]:
    names = list(parts)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if leak := overlaps(fold.index, a, parts[a], b, parts[b]):
                yield leak


def _manner(fold: SplitFold, leak: Leak, split: Split) -> str:
    """How trials were cut: a stretch of each held out, or windows dealt at random."""
    held = np.zeros(len(fold.index), bool)
    held[fold.parts[leak.parts[1]]] = True
    cut = set(leak.values)
    mine = np.array([t in cut for t in fold.index["trial"]])
    mine[[r for p in fold.parts if p not in leak.parts for r in fold.parts[p]]] = False
    rows = np.flatnonzero(mine)
    start = fold.index["start_s"][rows]
    at = np.where(np.isfinite(start), start, fold.number[rows])
    rows = rows[np.lexsort((at, fold.index["trial"][rows].astype(str)))]
    trial, flags = fold.index["trial"][rows], held[rows]
    changes = (flags[1:] != flags[:-1]) & (trial[1:] == trial[:-1])
    # A stretch at an end changes sides once, one in the middle twice.
    per_trial = np.count_nonzero(changes) / max(1, len(leak.values))
    if per_trial <= 2.0:
        return "; a stretch of each is held out" + (" (KFoldGroupbyTrial does that)" if split.even else "")
    return "; their windows were dealt at random" + (" (KFold with shuffle does that)" if split.even else "")


def _dialogues(fold: SplitFold, parts: Parts) -> Iterator[Finding]:
    """Shared dialogues; where each table counts its dialogues from 0, equal numbers say nothing."""
    dialogue = fold.index["dialogue"]
    for leak in shared(fold.index, parts, ["dialogue"]):
        sides = [set(dialogue[parts[p]]) - {""} for p in leak.parts]
        if fold.apart and all(v.isdigit() for v in leak.values) and len(leak.values) >= 0.5 * min(map(len, sides)):
            what = f"the {leak.parts[0]} and {leak.parts[1]} tables each number their dialogues: not compared"
            yield Finding("dialogue_numbers", "notice", what, leak.parts, fix=FIXES["dialogue_numbers"])
        else:
            yield _told(fold, leak, "leak")


def _people(fold: SplitFold) -> str:
    column = fold.index["subject"]
    if (column == "").any():
        return "unknown"
    train, test = (set(column[fold.parts[p]]) for p in ("train", list(fold.parts)[-1]) if p in fold.parts)
    return "dependent" if train & test else "independent"


def _stale_roles(split: Split, fold: SplitFold) -> list[str]:
    """Roles by which rows of the split and of its index can be told apart, that both tables have."""
    if split.stale is None:
        return ["clip", "record", "subject", "session", "trial", "recording", "start", "end"]
    known = set(split.stale.table.names)
    for table in fold.tables:
        known &= set(table.names)
    return [r for r in ("clip", "record", "subject", "session", "trial", "recording", "start", "end") if r in known]


def _universe(fold: SplitFold, roles: Sequence[str]) -> list[tuple[str, ...]]:
    return [row for table in fold.tables for row in identities(table, roles)] if roles else []


def _gone(fold: SplitFold, stale: Stale, roles: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Finding | None:
    if not {"clip", "recording"} & set(roles):
        return None
    known = set(identities(stale.table, roles))
    gone = [i for i, row in enumerate(rows) if row not in known]
    if not gone:
        return None
    first, *_, last = fold.parts
    # Rows of the index stand in the order of the tables.
    leak = Leak("stale", (first, last), tuple(", ".join(rows[i]) for i in gone[:20]), tuple(gone))
    name = stale.table.path.name
    return _told(fold, leak, "leak", f"{len(gone)} of {len(rows)} rows name clips that {name} does not have: "
                                     "the split was made from other data")  # fmt: skip


def _after(
    split: Split, roles: Sequence[str], seen: dict[tuple[str, ...], None], universes: dict[str, dict[str, int]]
) -> Iterator[Finding]:
    """What only all folds together tell."""
    if split.even:
        uneven = [n for folds in universes.values() if len(set(folds.values())) > 1 for n in folds]
        if uneven:
            what = f"folds are not of the same clips ({shown(uneven)}): they come from different runs"
            yield Finding("mixed", "leak", what, folds=tuple(uneven), fix=FIXES["mixed"])
    if split.stale is None or not seen or not {"clip", "recording"} & set(roles):
        return
    table = split.stale.table
    unseen = [row for row in identities(table, roles) if row not in seen]
    if unseen:
        what = f"{len(unseen)} of {len(table)} clips of {table.path.name} are in no fold"
        if split.stale.whole:
            yield Finding("stale", "leak", f"{what}: the data changed after the split", ("index",),
                          values=tuple(", ".join(u) for u in unseen[:20]), count=len(unseen),
                          fix=FIXES["stale"])  # fmt: skip
        else:
            yield Finding("note", "notice", what)
