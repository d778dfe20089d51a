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
    """The width (s), and the mean cross-entropy of each width; of ``(times (n,), scores (n, C))`` a person.

    A Gaussian over the other frames, as the fusion smooths, without those nearer than `LEFT_OUT_S`, tells each frame.
    Of the widths that are within one standard error of the best, persons counting alike, the largest is taken (Breiman
    et al. 1984, section 3.4.3: the plainest that is as good), but none above `LEFT_OUT_S`: it would see further than
    what was left out.
    """
    losses = np.array([_losses(times, scores) for times, scores in tracks])
    mean = losses.mean(axis=0)
    best = int(np.argmin(mean))
    error = losses[:, best].std(ddof=1) / np.sqrt(len(losses)) if len(losses) > 1 else 0.0
    allowed = [w for w in WIDTHS_S if w <= LEFT_OUT_S]
    good = [w for w, m in zip(allowed, mean, strict=False) if m <= mean[best] + error]
    return max(good, default=allowed[-1]), dict(zip(WIDTHS_S, mean.tolist(), strict=True))


def _losses(times: Array, scores: Array) -> list[float]:
    """Mean cross-entropy of one person's frames, by width; frames with nobody around are left out for all alike."""
    apart = np.abs(times[:, None] - times[None, :])
    usable = (apart >= LEFT_OUT_S) & (apart <= 3 * WIDTHS_S[-1])
    near = ((apart >= LEFT_OUT_S) & (apart <= 2 * LEFT_OUT_S)).any(axis=1)
    told = []
    for w in WIDTHS_S:
        weight = np.where(usable, np.exp(-0.5 * (apart / w) ** 2), 0.0)
        mean = weight @ scores / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
        told.append(float(-(scores * np.log(np.maximum(mean, 1e-6))).sum(axis=1)[near].mean()) if near.any() else 0.0)
    return told
