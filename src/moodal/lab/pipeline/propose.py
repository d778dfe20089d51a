"""A first pipeline for a folder: what its files are called, which streams they hold, which phases there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from moodal import media
from moodal.core.errors import InputError, MoodalError
from moodal.lab.data.hand import GROUPS
from moodal.lab.data.raw import Raw
from moodal.media.units import label as column_label

from .acquire import _stem, acquire, matched
from .graph import Pipeline

__all__ = ["propose"]

#: How folders of people are often named, the most telling first.
PATTERNS = (
    "{subject}/{subject}_{phase}_{signal}", "{subject}/{phase}_{signal}", "{subject}/{session}/{phase}_{signal}",
    "{subject}_{phase}_{signal}", "{subject}/{signal}", "{subject}/{session}", "{subject}/{phase}",
    "{subject}_{signal}", "{subject}_{phase}", "{subject}",
)  # fmt: skip
#: What in a folder tells a data set.
_SETS = (("wesad", "S*/S*.pkl"), ("apd", "participants_details.csv"), ("eegmat", "Subject*_1.edf"))
_CALM = re.compile(r"base|rest|neutral|calm|control|relax", re.IGNORECASE)


def propose(folder: Path | str) -> Pipeline:
    """A pipeline that `check` passes and a person should read before trusting it.

    Raises
    ------
    InputError : no folder, or nothing in it that is read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("is no folder", where=str(folder), fix="Name the folder of the recordings.")
    made = Pipeline(re.sub(r"[^\w-]+", "-", folder.resolve().name).strip("-") or "pipeline")
    for name, glob in _SETS:
        if any(folder.glob(glob)):
            return _rest(made.acquire(name), folder)
    for pattern in PATTERNS:
        found = [(p, t) for p, t in matched(folder, pattern) if _read(p)]
        if not found or len({t["subject"] for _, t in found}) < min(2, len(found)):
            continue
        if "signal" in pattern and not all(column_label(t["signal"]) for _, t in found):
            continue
        every = [p for p in folder.glob("/".join(["*"] * (pattern.count("/") + 1))) if p.is_file()]
        if 2 * len(found) < len(every):
            continue
        return _rest(made.acquire("folder", files=pattern), folder)
    shown = ", ".join(sorted(_stem(p.name) for p in folder.iterdir())[:3]) or "nothing"
    raise InputError(
        f"its files are named by no known pattern (it holds {shown})", where=str(folder),
        fix="Name them {subject}/{subject}_{phase}_{signal}.csv, or write files = ... yourself.",
    )  # fmt: skip


def _read(path: Path) -> bool:
    """Whether a file is a recording by its name and, where a table, by its columns; folders were asked before."""
    asked = [s for s in media.specs() if s.name != "transcript" and path.suffix.lower() in s.extensions]
    return path.is_dir() or any(s.listed is None or s.listed(path) for s in asked)


def _rest(made: Pipeline, folder: Path) -> Pipeline:
    """Windows, extracts and labels by what the first recordings hold."""
    phases: dict[str, float] = {}
    kinds: dict[str, None] = {}
    labels: dict[str, None] = {}
    try:
        for raw in _some(made, folder):
            kinds |= dict.fromkeys(s.kind for s in raw.signals.values())
            labels |= dict.fromkeys(n for n, (v, _) in raw.labels.items() if v.kind == "class")
            for p in raw.phases:
                phases[p.name] = min(phases.get(p.name, 1e9), p.end_s - p.start_s)
    except MoodalError as error:
        raise InputError(error.what, where=error.where or str(folder), fix=error.fix) from error
    phases.pop("", None)
    short = min(phases.values(), default=60.0)
    seconds = 60 if short >= 60 else max(1, int(short / 2))
    made = made.window(seconds, hop=seconds / 2 if seconds % 2 else seconds // 2)
    groups = [g.name for g in GROUPS.values() if g.kind in kinds and g.kind and g.name != "eeg.channels"]
    made = made.extract(*groups) if groups else made.extract("stats")
    if len(phases) > 1:
        calm = [p for p in sorted(phases) if _CALM.search(p)]
        if len(calm) in (0, len(phases)):
            calm = sorted(phases)[:1]
        made = made.label(phases={p: 0 if p in calm else 1 for p in sorted(phases, key=lambda p: (p not in calm, p))})
    elif labels:
        made = made.label("set", name=next(iter(labels)))
    else:
        return made
    return made.select("impute", "scale").estimate("logistic")


def _some(made: Pipeline, folder: Path, most: int = 12) -> Sequence[Raw]:
    """The first recordings, without keeping their samples."""
    found = []
    for raw in acquire(made.nodes[0], folder):
        found.append(replace(raw, signals={n: replace(s, values=s.values[:0]) for n, s in raw.signals.items()}))
        if len(found) == most:
            break
    return found
