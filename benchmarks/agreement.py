"""Rows of a table of agreement: how close two ways of measuring the same come, and why they miss each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["HEAD", "Pairs", "figures"]

Array = npt.NDArray[np.float64]
HEAD = ("measure", "of", "beside", "n", "r", "bias", "limits of agreement", "median error", "share", "misses")


def figures(ours: Array, theirs: Array, within: float, unit: str = "") -> list[str]:
    """Of the pairs ``(n,)`` in which both are numbers: n of all, r, bias and its 95 % limits (Bland & Altman 1986,
    Lancet 327, 307-310), median absolute error, share within a tolerance."""
    some = np.isfinite(ours) & np.isfinite(theirs)
    a, b = ours[some], theirs[some]
    if len(a) < 3:
        return [f"{len(a)} of {len(ours)}", *["–"] * 5]
    d = a - b
    # A reference that never changes correlates with nothing.
    changes = a.std() > 1e-9 * max(1.0, np.abs(a).max()) and b.std() > 1e-9 * max(1.0, np.abs(b).max())
    r = f"{np.corrcoef(a, b)[0, 1]:.3f}" if changes else "–"
    low, high = d.mean() - 1.96 * d.std(ddof=1), d.mean() + 1.96 * d.std(ddof=1)
    # As many digits as the tolerance has, and one more.
    k = max(2, 1 - int(np.floor(np.log10(within))))
    share = f"{100 * np.mean(np.abs(d) <= within):.1f} % within {within:g} {unit}".strip()
    bias = [f"{d.mean():+.{k}f}", f"{low:+.{k}f} to {high:+.{k}f}", f"{np.median(np.abs(d)):.{k}f}"]
    return [f"{len(a)} of {len(ours)}", r, *bias, share]


@dataclass
class Pairs:
    """What we and a reference say of the same, case by case, and why should we miss it: one row of a table."""

    measure: str
    of: str
    beside: str
    within: float
    unit: str = ""
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    why: list[str] = field(default_factory=list)

    def add(self, ours: float, theirs: float, why: str = "") -> None:
        self.ours.append(float(ours))
        self.theirs.append(float(theirs))
        self.why.append(why)

    def extend(self, ours: Sequence[float] | Array, theirs: Sequence[float] | Array, why: Sequence[str]) -> None:
        for row in zip(ours, theirs, why, strict=True):
            self.add(*row)

    def cells(self) -> list[str]:
        a, b = np.array(self.ours, float), np.array(self.theirs, float)
        return [self.measure, self.of, self.beside, *figures(a, b, self.within, self.unit), self._misses(a, b)]

    def _misses(self, a: Array, b: Array) -> str:
        """Reasons of what is beyond the tolerance or told by one side alone, the most frequent first."""
        with np.errstate(invalid="ignore"):
            missed = ~(np.abs(a - b) <= self.within) & (np.isfinite(a) | np.isfinite(b))
        if not missed.any():
            return "none"
        count = Counter(
            "the reference gives no number" if not np.isfinite(b[i]) else self.why[i] for i in np.flatnonzero(missed)
        )
        return "; ".join(f"{n} {why or 'unexplained'}" for why, n in count.most_common())
