"""Statistics that were fitted on test people: features standardised over more than the training rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .split import SplitFold

__all__ = ["Fitted", "fitted_on_test"]

#: How near to 0 and 1 mean and deviation of a standardised column lie: rounding to four digits moves them less.
NEAR = 2e-4
#: The training rows alone are this far from 0 and 1 at least, else nothing tells where the column was fitted.
FAR = 2e-3
#: Rows from which a mean of 0 and a deviation of 1 is no chance.
FEWEST = 12
FEWEST_OF_PERSON = 5


@dataclass(frozen=True)
class Fitted:
    """Columns standardised over ``over`` (``all rows`` or ``each person``), and the held-out rows in it."""

    over: str
    columns: tuple[str, ...]
    rows: tuple[int, ...]


def fitted_on_test(fold: SplitFold) -> Iterator[Fitted]:
    """Columns whose mean and deviation over training and held-out rows together are exactly 0 and 1, the training rows'
    are not; and columns in which that holds for each person of the test part alone.

    A column that was standardised rightly is exactly 0 and 1 over the training rows, and over the others only nearly.
    """
    train = fold.parts.get("train", np.zeros(0, np.int64))
    held = np.concatenate([fold.parts.get(p, np.zeros(0, np.int64)) for p in ("validation", "test")])
    if not len(train) or not len(held):
        return
    # Test rows count most: a column may be fitted over training and test rows with the validation rows left out.
    spans = [np.concatenate([train, held]), np.concatenate([train, fold.parts.get("test", held)])]
    over_all = [
        name
        for name, values in fold.features.items()
        if not _standard(values[train], FAR) and any(_standard(values[s], NEAR, FEWEST) for s in spans)
    ]
    if over_all:
        yield Fitted("all rows", tuple(over_all), tuple(held.tolist()))
    test = fold.parts.get("test", held)
    people = fold.index["subject"]
    rows_of = [np.flatnonzero(people == s) for s in sorted(set(people[test]) - {""})]
    rows_of = [r for r in rows_of if len(r) >= FEWEST_OF_PERSON]
    if not rows_of:
        return
    by_person = [
        name
        for name, values in fold.features.items()
        if name not in over_all and all(_standard(values[r], NEAR, FEWEST_OF_PERSON) for r in rows_of)
    ]
    if by_person:
        mine = np.concatenate([np.intersect1d(r, test) for r in rows_of])
        yield Fitted("each person", tuple(by_person), tuple(mine.tolist()))


def _standard(values: npt.NDArray[np.float64], tolerance: float, fewest: int = 1) -> bool:
    """Mean 0 and standard deviation 1 (of either denominator) within the tolerance; gaps are left out."""
    told = values[np.isfinite(values)]
    if len(told) < max(fewest, 2):
        return False
    return bool(abs(told.mean()) <= tolerance and min(abs(told.std() - 1), abs(told.std(ddof=1) - 1)) <= tolerance)
