"""Schemes that no emotion maps to: states that one expert tells of by itself, such as stress or workload.

They stand beside the fusion, not in it: that somebody calculates says nothing of what their face displays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.scheme import SCHEMES, mapping
from moodal.core.track import TrackSet

from .grid import Grid, on_grid

__all__ = ["STATES", "State", "check", "told"]


@dataclass(frozen=True, slots=True)
class State:
    """Which expert tells a scheme: its ``role``, the ``modality`` it reads and the ``track`` it says; the track's field
    named as the second class is the probability of it."""

    role: str
    modality: str
    track: str


STATES: Mapping[str, State] = {
    "stress2": State("stress", "body", "body.stress"),
    "workload2": State("workload", "brain", "brain.workload"),
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
