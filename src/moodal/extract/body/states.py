"""What each sample of a window is: a value, or a gap with its reason."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.track import Gap, Piece
from moodal.dsp.fir import centred

from .blocks import HOLE, NOT_FINITE, OUTSIDE, Window

__all__ = ["REASONS", "TOLD", "Codes", "code", "piece", "plain_reasons", "runs", "spread", "worst"]

#: Reasons by number; the earlier explains more than the later where several hold.
REASONS = (
    "no_stream",
    "unreadable",
    "not_finite",
    "out_of_range",
    "no_contact",
    "flat",
    "saturated",
    "artefact",
    "warm_up",
    "too_short",
)
TOLD = len(REASONS)
Codes = npt.NDArray[np.int8]


def code(reason: str) -> int:
    """Number of a reason."""
    return REASONS.index(reason)


def runs(x: FloatArray) -> npt.NDArray[np.int64]:
    """Length of the run of equal values that each of ``x (n,)`` is in."""
    starts = np.flatnonzero(np.concatenate([[True], x[1:] != x[:-1]]))
    lengths = np.diff(np.append(starts, len(x)))
    return np.repeat(lengths, lengths)


def plain_reasons(
    window: Window,
    rate_hz: float,
    *,
    flat_s: float,
    limits: tuple[float, float] | None = None,
    rail_s: float = 0.04,
    channel: int = 0,
) -> Codes:
    """Per sample of the window why it is no value, `TOLD` where it is: ``(n,)``.

    ``flat_s``: exactly the same value for so long. ``limits``: outside them no sensor of this kind measures.
    Saturated: at the highest or lowest value of the window for at least ``rail_s`` (and 3 samples), those being over
    2 % of it.
    """
    x = window.samples[:, channel]
    reasons = np.full(len(x), TOLD, np.int8)
    good = window.state == 0
    if good.any():
        length = runs(x)
        flat = good & (length >= max(3, round(flat_s * rate_hz)))
        held = good & ~flat & (length >= max(3, round(rail_s * rate_hz)))
        if held.any() and not flat.all():
            some = x[good]
            for rail in (some.max(), some.min()):
                at = held & (x == rail)
                if at.sum() > 0.02 * len(x):
                    reasons[spread(at, round(0.25 * rate_hz)) & good] = code("saturated")
        reasons[flat] = code("flat")
        if limits is not None:
            with np.errstate(invalid="ignore"):
                reasons[good & ((x < limits[0]) | (x > limits[1]))] = code("out_of_range")
    reasons[window.state == NOT_FINITE] = code("not_finite")
    reasons[window.state == HOLE] = code("unreadable")
    reasons[window.state == OUTSIDE] = code("no_stream")
    return reasons


def spread(mask: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    """True within ``by`` samples of a true one."""
    return mask if by < 1 or not mask.any() else centred(mask.astype(float), 2 * by + 1) > 0.5


def worst(codes: Codes, starts: npt.NDArray[np.int64]) -> Codes:
    """The reason that explains most in each cell that begins at ``starts``; what is outside of the run counts only
    where there is nothing else."""
    outside = codes == code("no_stream")
    if not outside.any():
        return np.asarray(np.minimum.reduceat(codes, starts))
    inside = np.minimum.reduceat(np.where(outside, np.int8(TOLD), codes), starts)
    return np.where(np.logical_and.reduceat(outside, starts), code("no_stream"), inside).astype(np.int8)


def piece(
    track: str, subject: str, edges: FloatArray, values: FloatArray, quality: FloatArray, codes: Codes
) -> Piece | None:
    """Cells ``[edges[i], edges[i + 1])`` as rows where told, as gaps where not; ``None`` for no cells."""
    n = len(codes)
    if not n:
        return None
    told = codes == TOLD
    cuts = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    first, last = np.append(0, cuts), np.append(cuts, n)
    gaps = tuple(
        Gap(float(edges[a]), float(edges[b]), REASONS[codes[a]])
        for a, b in zip(first.tolist(), last.tolist(), strict=True)
        if codes[a] != TOLD
    )
    return Piece(
        track,
        subject,
        edges[:-1][told],
        np.asarray(values[told], np.float32),
        np.clip(quality[told], 0.0, 1.0).astype(np.float32),
        gaps,
    )
