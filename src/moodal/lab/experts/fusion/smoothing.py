"""How long what a face shows stays what it is: the width that tells a left-out stretch best from what is around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["WIDTHS_S", "width"]

Array = npt.NDArray[Any]

#: Standard deviations that are tried, s.
WIDTHS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 2.0)
#: What is left out around the frame that is told, s: errors of neighbouring frames are one error, and an expression
#: that is told anew within a quarter of a second is no other one.
LEFT_OUT_S = 0.25


def width(tracks: Sequence[tuple[Array, Array]]) -> tuple[float, dict[float, float]]:
    """The width (s) of lowest mean cross-entropy, and that of each width; of ``(times (n,), scores (n, C))`` a person.

    A Gaussian over the other frames, as the fusion smooths, without those nearer than `LEFT_OUT_S`: a width that is too
    small has hardly anybody to ask, one that is too large asks other moments. Frames with nobody around are left out
    for every width alike.
    """
    losses = dict.fromkeys(WIDTHS_S, 0.0)
    total = 0
    for times, scores in tracks:
        apart = np.abs(times[:, None] - times[None, :])
        usable = (apart >= LEFT_OUT_S) & (apart <= 3 * WIDTHS_S[-1])
        near = ((apart >= LEFT_OUT_S) & (apart <= 2 * LEFT_OUT_S)).any(axis=1)
        total += int(near.sum())
        for w in WIDTHS_S:
            weight = np.where(usable, np.exp(-0.5 * (apart / w) ** 2), 0.0)
            mean = weight @ scores / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
            told = -(scores * np.log(np.maximum(mean, 1e-6))).sum(axis=1)
            losses[w] += float(told[near].sum())
    losses = {w: v / max(total, 1) for w, v in losses.items()}
    return min(losses, key=lambda w: losses[w]), losses
