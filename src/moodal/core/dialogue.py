"""What was said before: the past turns of each utterance in its dialogue, never a later one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PAST_FLAGS", "past_turns", "past_values"]

#: Channels that `past_values` puts behind the features of a past turn.
PAST_FLAGS = ("turns_back", "same_speaker", "speaker_changed")


def past_turns(
    dialogue: Sequence[Any] | npt.NDArray[Any], turn: Sequence[float] | npt.NDArray[Any], k: int
) -> npt.NDArray[np.int64]:
    """Rows of the ``k`` utterances before each one, ``(n, k)``: the nearest last, -1 where there is none.

    Only rows of the same dialogue with an earlier turn count, whatever order the rows stand in; a row without a
    dialogue or a turn has no past.
    """
    names = np.asarray(dialogue, object)
    turns = np.asarray(turn, np.float64)
    past = np.full((len(names), k), -1, np.int64)
    known = np.flatnonzero((names != "") & np.isfinite(turns))
    _, group = np.unique(names[known].astype(str), return_inverse=True)
    order = known[np.lexsort((turns[known], group))]
    group = np.sort(group)
    # Position of each row among those that speak at an earlier turn: equal turns do not see each other.
    first = np.searchsorted(group, group, side="left")
    place = np.arange(len(order))
    same = (group[1:] == group[:-1]) & (turns[order][1:] == turns[order][:-1])
    for i in np.flatnonzero(same):
        place[i + 1] = place[i]
    for back in range(1, k + 1):
        at = place - back
        there = at >= first
        past[order[there], k - back] = order[at[there]]
    return past


def past_values(
    pooled: npt.NDArray[np.float32], past: npt.NDArray[np.int64], speaker: Sequence[Any] | npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Steps of a context modality: ``(n, k, channels + 3)`` and which are there, ``(n, k)``.

    Parameters
    ----------
    pooled : ``(n, channels)``, one row an utterance; NaN where it lacks the modality.
    past : from `past_turns`.
    speaker : ``(n,)`` names; ``""`` is nobody known, who is the same as nobody.

    A past turn that lacks the modality is no step. The channels of `PAST_FLAGS` follow the features: how many turns
    back as a share of k, whether the speaker is the present one, whether the speaker changed from that turn to the
    next.
    """
    who = np.asarray(speaker, object)
    n, k = past.shape
    there = (past >= 0) & np.isfinite(pooled[past]).all(axis=2)
    values = np.zeros((n, k, pooled.shape[1] + len(PAST_FLAGS)), np.float32)
    values[..., : pooled.shape[1]] = np.where(there[..., None], pooled[past], 0)
    then = who[past]
    following = np.concatenate([then[:, 1:], who[:, None]], axis=1)
    values[..., -3] = (k - np.arange(k)) / k
    values[..., -2] = (then == who[:, None]) & (then != "")
    values[..., -1] = then != following
    return np.where(there[..., None], values, 0).astype(np.float32), there
