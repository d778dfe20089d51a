"""Schemes that no emotion maps to: states that one expert tells of by itself, such as stress or workload.

They stand beside the fusion, not in it: that somebody calculates says nothing of what their face displays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.scheme import SCHEMES, mapping
from moodal.core.track import TrackSet

from .grid import Cells, Grid, on_grid

__all__ = ["STATES", "State", "check", "parts", "shares", "told", "with_parts"]


@dataclass(frozen=True, slots=True)
class State:
    """Which expert tells a scheme: its ``role``, the ``modality`` it reads and the ``track`` it says; the track's field
    named as the second class is the probability of it.

    Where it reads more than one modality, ``parts`` has for each the kind of stream that it reads of it, which is also
    the name of the track's field that says by how much that moved the log odds."""

    role: str
    modality: str
    track: str
    parts: Mapping[str, str] = field(default_factory=dict)


STATES: Mapping[str, State] = {
    "stress2": State("stress", "body", "body.stress"),
    "workload2": State("workload", "brain", "brain.workload", {"brain": "eeg", "body": "ecg"}),
}


def check(name: str) -> None:
    """Whether a Mood can be told in that scheme.

    Raises
    ------
    UsageError : no such scheme, or no table leads to it.
    """
    if name not in STATES:
        mapping("ekman8", name)


def told(
    name: str, tracks: Mapping[str, TrackSet], grid: Grid, whose: npt.NDArray[np.bool_], *, causal: bool
) -> FloatArray:
    """``(n, 2)`` probabilities of the scheme's two classes in each cell, NaN where nothing is told or it is not
    ``whose`` they are."""
    found = tracks.get(STATES[name].track)
    out = np.full((grid.n, 2), np.nan)
    if found is None or not found.subjects:
        return out
    track = found[found.subjects[0]]
    field = track.fields.index(SCHEMES[name].classes[1])
    cells = on_grid(track, grid, len(track.fields), causal=causal)
    share = np.where(cells.covered & whose, cells.values[:, field], np.nan)
    return np.stack([1.0 - share, share], axis=1)


def parts(
    name: str, tracks: Mapping[str, TrackSet], grid: Grid, whose: npt.NDArray[np.bool_], *, causal: bool
) -> dict[str, Cells]:
    """For each modality that the scheme's expert reads the cells that it was told by; their value is by how much it
    moved the log odds. Empty where the track does not say so: its expert reads one modality."""
    state, found = STATES[name], tracks.get(STATES[name].track)
    track = found[found.subjects[0]] if found is not None and found.subjects else None
    if track is None or not state.parts or not set(state.parts.values()) <= set(track.fields):
        return {}
    cells = on_grid(track, grid, len(track.fields), causal=causal).only(whose)
    moved = {m: np.abs(cells.values[:, [track.fields.index(f)]]) for m, f in state.parts.items()}
    return {m: Cells(x, cells.quality, cells.covered).only(np.isfinite(x[:, 0])) for m, x in moved.items()}


def shares(name: str, told: npt.NDArray[np.bool_], moved: Mapping[str, Cells]) -> dict[str, FloatArray]:
    """What a state rests on: each modality's ``(n,)`` share of what `parts` says moved it, 0 where nothing is told."""
    if not moved:
        return {STATES[name].modality: told.astype(float)}
    total = np.sum([np.nan_to_num(c.values[:, 0]) for c in moved.values()], axis=0)
    many = np.sum([c.covered for c in moved.values()], axis=0)
    out = {}
    for modality, cells in moved.items():
        share = np.where(total > 0, np.nan_to_num(cells.values[:, 0]) / np.where(total > 0, total, 1.0), 0.0)
        even = cells.covered / np.maximum(many, 1)
        out[modality] = np.where(told, np.where(total > 0, share, even), 0.0)
    return out


def with_parts(
    cells: Mapping[str, Cells], by: Mapping[str, str], name: str, moved: Mapping[str, Cells], *, main: bool
) -> dict[str, Cells]:
    """What each modality covers, for the ledger: by the scheme's track only where it was told by that modality; as
    ``main`` scheme also where another modality's own track (see `told_by`) is silent."""
    out = dict(cells)
    for modality, part in moved.items():
        mine = out.get(modality)
        if mine is None:
            continue
        if by.get(modality) == STATES[name].track:
            out[modality] = mine.only(part.covered)
        elif main:
            quality = np.where(mine.covered, mine.quality, part.quality)
            out[modality] = Cells(mine.values, quality, mine.covered | part.covered)
    return out
