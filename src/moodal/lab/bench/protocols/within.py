"""Protocols in which the tested person is known: whole trials held out, and one that leaks windows on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.bench.leaks import ALWAYS
from moodal.lab.data.index import Index
from moodal.lab.data.leak import LeakageError

from .base import Fold, Protocol, Rows, known, owners

__all__ = ["SegmentShuffle", "TrialKFoldWithinSubject", "WithinSession"]


@dataclass(frozen=True)
class WithinSession(Protocol):
    """Trials of each session are dealt into ``k`` folds: the person is known, the trial is not.

    A model for one person's own recordings; never to be quoted as what a stranger gets, which the notice says.
    """

    disjoint: tuple[str, ...] = ALWAYS
    k: int = 5
    name: ClassVar[str] = "within-session"

    def folds(self, index: Index) -> Iterator[Fold]:
        """``k`` folds; each session has trials in every part."""
        part = np.zeros(len(index), np.int64)
        column = "session" if (index["session"] != "").any() else "subject"
        for s, (name, rows) in enumerate(owners(index, column, self).items()):
            part[rows] = _dealt(index, rows, self, f"{column} {name}", s)
        for k in range(self.k):
            yield _fold(np.arange(len(index)), part, k, self.k, str(k + 1))

    def __str__(self) -> str:
        return f"{self.k}-fold by trial within each session"


@dataclass(frozen=True)
class TrialKFoldWithinSubject(Protocol):
    """A model for each person (``within = "session"``: for each sitting), on whose whole trials it is tested.

    ::

        fold s01/1: of s01's trials a fifth tests, a fifth is chosen on, the rest is learnt from; nobody else's
        fold s01/2: …
        fold s02/1: …

    Never to be quoted as what a stranger gets. Stimuli that everybody sees are no leak here, for nobody else is seen.
    """

    disjoint: tuple[str, ...] = ALWAYS
    k: int = 5
    within: str = "subject"
    name: ClassVar[str] = "trial-kfold-within-subject"

    @property
    def personal(self) -> bool:
        """Each fold is one person's."""
        return True

    def folds(self, index: Index) -> Iterator[Fold]:
        """``k`` folds a person."""
        known(index, "subject", self)
        for s, (name, rows) in enumerate(owners(index, self.within, self).items()):
            part = _dealt(index, rows, self, f"{self.within} {name}", s)
            for k in range(self.k):
                yield _fold(rows, part, k, self.k, f"{name}/{k + 1}")

    def __str__(self) -> str:
        return f"{self.k}-fold by trial within each {self.within}, a model each"


@dataclass(frozen=True)
class SegmentShuffle(Protocol):
    """LEAKY: windows dealt at random, so that those of one trial stand on both sides. For old literature only."""

    disjoint: tuple[str, ...] = ("clip",)
    k: int = 5
    allow_leak: bool = False
    name: ClassVar[str] = "segment-shuffle"
    leaky: ClassVar[bool] = True

    def folds(self, index: Index) -> Iterator[Fold]:
        """``k`` folds of shuffled rows."""
        if not self.allow_leak:
            raise LeakageError(
                "segment-shuffle puts windows of one trial into train and test",
                where=index.name,
                fix="To compare with old literature say allow_leak = true; the score is printed as leaky.",
                key="trial",
            )
        order = np.random.default_rng(self.seed).permutation(len(index))
        for k in range(self.k):
            test, rest = order[k :: self.k], np.concatenate([order[j :: self.k] for j in range(self.k) if j != k])
            cut = max(1, round(self.validation * len(rest)))
            yield Fold(str(k + 1), np.sort(rest[cut:]), np.sort(rest[:cut]), np.sort(test))


def _dealt(
    index: Index, rows: Rows, protocol: WithinSession | TrialKFoldWithinSubject, whose: str, s: int
) -> npt.NDArray[np.int64]:
    """The fold of each of those rows, ``(len(rows),)``: whole trials, dealt at random."""
    known(index, "trial", protocol)
    trials = sorted(set(index["trial"][rows]))
    if len(trials) < max(3, protocol.k):
        raise InputError(
            f"{whose} has {len(trials)} trials for {protocol.k} folds", where=f"{index.name}, {protocol}",
            fix="Use fewer folds; three trials at least.",
        )  # fmt: skip
    order = np.random.default_rng([protocol.seed, s]).permutation(len(trials))
    fold_of = {trials[t]: i % protocol.k for i, t in enumerate(order)}
    return np.array([fold_of[t] for t in index["trial"][rows]], np.int64)


def _fold(rows: Rows, part: npt.NDArray[np.int64], k: int, of: int, name: str) -> Fold:
    validation, test = part == (k + 1) % of, part == k
    return Fold(name, rows[~test & ~validation], rows[validation], rows[test])
