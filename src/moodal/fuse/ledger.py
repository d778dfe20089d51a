"""Why a modality tells nothing of somebody: every cell that it does not cover gets the most particular reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray, Span, Timeline
from moodal.core.mood import MoodGap
from moodal.core.track import GAP_REASONS, NOBODY, Gap, TrackSet

from . import states
from .grid import NO_REASON, Cells, Grid, reasons
from .late import TRACKS

__all__ = ["explained_by", "ledger", "told_by"]

_REASONS = tuple(GAP_REASONS)
#: Why a modality that was measured says nothing where its track names no reason of its own.
_DEFAULT_REASON = {"face": "no_face", "voice": "silence", "words": "no_words"}


def told_by(modalities: Sequence[str], main: str) -> dict[str, str]:
    """The track that each modality is told by: what is fused, or what tells the state that is the ``main`` scheme."""
    beside = {s.modality: s.track for s in states.STATES.values() if s.modality not in TRACKS}
    own = {states.STATES[main].modality: states.STATES[main].track} if main in states.STATES else {}
    return {m: {**TRACKS, **beside, **own}.get(m, "") for m in modalities}


def explained_by(modality: str, main: str, by: Mapping[str, str]) -> tuple[str, ...]:
    """The tracks whose gaps say why a modality tells nothing: that of the state it helps to tell, then its own."""
    state = states.STATES.get(main)
    helps = (state.track,) if state is not None and modality in state.parts else ()
    return tuple(dict.fromkeys((*helps, by[modality])))


class Analysed(Protocol):
    """What is asked of `moodal.fuse.conclude.Facts`: the stretch, and what was withheld for which reason."""

    @property
    def span(self) -> Span: ...
    @property
    def withheld(self) -> Mapping[str, str]: ...


def ledger(
    subject: str,
    modality: str,
    cells: Cells,
    tracks: Mapping[str, TrackSet],
    grid: Grid,
    facts: Analysed,
    told: Sequence[str],
) -> list[MoodGap]:
    """The gaps that, with the covered cells, make up the whole duration.

    ``told`` are the tracks that the modality is told by, the most particular first.
    """
    missing = ~cells.covered
    why = np.full(grid.n, NO_REASON, np.int16)

    def fill(found: npt.NDArray[np.int16]) -> None:
        np.copyto(why, found, where=(why == NO_REASON) & (found != NO_REASON))

    inside = Timeline([facts.span]).mask(grid.middles)
    fill(np.where(inside, NO_REASON, _REASONS.index("not_asked")).astype(np.int16))
    if modality in facts.withheld:
        fill(np.full(grid.n, _REASONS.index(facts.withheld[modality]), np.int16))
    for gaps in _reasons_of(subject, modality, told, tracks, grid):
        fill(reasons(gaps, grid, _REASONS))
    fill(np.full(grid.n, _REASONS.index(_DEFAULT_REASON.get(modality, "no_stream")), np.int16))
    if grid.n > 1 and missing[-2:].all() and why[-1] == _REASONS.index("no_stream"):
        # Streams of one file end some milliseconds apart: that is not a gap of its own.
        why[-1] = why[-2]
    edges: FloatArray = grid.edges
    return [
        MoodGap(subject, modality, span.start, span.end, _REASONS[code])
        for code in np.unique(why[missing])
        for span in Timeline.from_mask(missing & (why == code), edges)
    ]


def _reasons_of(
    subject: str, modality: str, told: Sequence[str], tracks: Mapping[str, TrackSet], grid: Grid
) -> list[Sequence[Gap]]:
    """Gap lists that may explain a missing cell, the most particular first."""
    sets = [tracks[n] for n in (*told, *_BESIDE.get(modality, ())) if n in tracks]
    found: list[Sequence[Gap]] = []
    if modality == "face":
        found += [s[subject].gaps for s in sets if subject in s.by_subject]
    else:
        heard = [s[s.subjects[0]] for s in sets if s.subjects]
        found += [t.gaps for t in heard]
        # Measured, but for somebody else: nobody can say whose voice it was.
        others = [Gap(t.times[i], t.ends[i], "overlap") for t in heard[:1] if t.ends is not None for i in range(len(t))]
        found.append(others)
    found += [s[NOBODY].gaps for s in sets if NOBODY in s.by_subject]
    return found


#: Tracks whose gaps explain what the modality's own track leaves open.
_BESIDE = {"face": ("face.quality",), "voice": ("voice.activity",), "words": ("words.transcript", "voice.activity"),
           "body": ("body.heart",), "brain": ("brain.bands",)}  # fmt: skip
