"""Protocols that keep people, films or whatever a column tells apart: one model for all who are learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from moodal.core.errors import InputError, UsageError
from moodal.lab.bench.leaks import ALWAYS
from moodal.lab.data.index import Index

from .base import Fold, Protocol, Rows, known, owners

__all__ = ["GroupKFold", "LeaveOneSubjectOut", "Official", "StimulusKFold", "SubjectStimulus"]


@dataclass(frozen=True)
class Official(Protocol):
    """The split of the set's makers, from column ``split``; where it has no validation part, one is held out by ``by``.

    ::

        train ──────────────┬── validation (made from train, by ``by``, if the set has none)
        test (or validation, where test is kept apart: ``test="validation"``)

    ``each`` names a column (``subject``, ``session``) whose every value has a fold, and so a model, of its own: the
    split is then one of each person's trials. Who lacks a part is in no fold.
    """

    disjoint: tuple[str, ...] = ALWAYS
    by: str = "dialogue"
    test: str = "test"
    each: str = ""
    name: ClassVar[str] = "official"

    @property
    def unit(self) -> str:
        """What is kept apart."""
        return "subject" if self.each else self.by

    @property
    def personal(self) -> bool:
        """Each fold is one person's."""
        return bool(self.each)

    def folds(self, index: Index) -> Iterator[Fold]:
        """One fold, or one for each value of ``each``."""
        if not self.each:
            yield self._fold(index, np.arange(len(index)), "official", 0)
            return
        for k, (name, rows) in enumerate(owners(index, self.each, self).items()):
            split = set(index["split"][rows])
            if {"train", self.test} <= split:
                yield self._fold(index, rows, name, k)

    def _fold(self, index: Index, rows: Rows, name: str, k: int) -> Fold:
        parts = {p: rows[index["split"][rows] == p] for p in ("train", "validation", "test")}
        if self.test not in ("test", "validation"):
            raise UsageError(f"official: test = {self.test!r}", fix="It is test, or validation.")
        test = parts[self.test]
        if not len(test) or not len(parts["train"]):
            have = {p: len(r) for p, r in parts.items()}
            raise InputError(f"the official split has {have}", where=f"{index.name}, {self}",
                             fix="Say which part is tested on: test = \"validation\", say.")  # fmt: skip
        if self.test == "validation" or not len(parts["validation"]):
            train, validation = self._held(index, parts["train"], self.by, k)
        else:
            train, validation = parts["train"], parts["validation"]
        return Fold(name, train, validation, test)

    def __str__(self) -> str:
        told = self.name if self.test == "test" else f"{self.name}, tested on its {self.test} part"
        return f"{told}, within each {self.each}" if self.each else told


@dataclass(frozen=True)
class LeaveOneSubjectOut(Protocol):
    """Each person is tested on by what was learnt from others; a share of the others is held out to choose on.

    ::

        fold s01: test s01 │ validation s07 s11 │ train the rest
        fold s02: test s02 │ validation s03 s09 │ train the rest
    """

    name: ClassVar[str] = "leave-one-subject-out"

    def folds(self, index: Index) -> Iterator[Fold]:
        """One fold a person."""
        for k, subject in enumerate(known(index, "subject", self)):
            test = index["subject"] == subject
            train, validation = self._held(index, np.flatnonzero(~test), "subject", k)
            yield Fold(subject, train, validation, np.flatnonzero(test))


@dataclass(frozen=True)
class GroupKFold(Protocol):
    """``k`` folds by the values of ``group`` (people, by default), about equal in examples.

    ::

        group  a b c d e f g h i j
        fold 1 t t v . . . . . . .     t test, v validation, . train
        fold 2 . . t t . . v . . .
    """

    #: Empty: what it splits by. Split by dialogue or film, and people who stand in several are a notice.
    disjoint: tuple[str, ...] = ()
    k: int = 5
    group: str = "subject"
    name: ClassVar[str] = "group-kfold"

    def __post_init__(self) -> None:
        if not self.disjoint:
            object.__setattr__(self, "disjoint", tuple(dict.fromkeys((*ALWAYS, self.group))))
        Protocol.__post_init__(self)

    @property
    def unit(self) -> str:
        """What is kept apart."""
        return self.group

    def folds(self, index: Index) -> Iterator[Fold]:
        """``k`` folds; groups are dealt largest first to the smallest fold."""
        column = index[self.group].astype(str)
        for k, held in enumerate(_dealt(index, self.group, self.k, self)):
            test = np.isin(column, held)
            train, validation = self._held(index, np.flatnonzero(~test), self.group, k)
            yield Fold(str(k + 1), train, validation, np.flatnonzero(test))

    def __str__(self) -> str:
        return f"{self.k}-fold by {self.group}"


@dataclass(frozen=True)
class StimulusKFold(GroupKFold):
    """``k`` folds by stimulus: every film is tested on by what was learnt from others, people are known.

    Where everybody sees the same films and a film has one label, a model can learn the film instead of the feeling;
    here it cannot. People stand on both sides, which a notice says: `SubjectStimulus` holds both apart.
    """

    group: str = "stimulus"
    name: ClassVar[str] = "stimulus-kfold"


@dataclass(frozen=True)
class SubjectStimulus(Protocol):
    """New people on new stimuli: what is tested shares neither a person nor a film with what was learnt from.

    ::

                   films 1-10   11-20   21-30   31-40
        people 1-8   test         ·       ·       ·
        people 9-16    ·       validation ·       ·        · in no part of this fold
        people 17-32   ·          ·     train   train

    ``k`` folds of people times ``stimuli`` folds of films, so that every example is tested on once. ``validation`` is
    the share of the people, and of the films, that are left.
    """

    disjoint: tuple[str, ...] = (*ALWAYS, "subject", "stimulus")
    validation: float = 0.25
    k: int = 4
    stimuli: int = 4
    name: ClassVar[str] = "subject+stimulus"

    def __post_init__(self) -> None:
        if self.stimuli < 2:
            raise UsageError(f"{self.name} needs two folds of stimuli at least, not {self.stimuli}")
        Protocol.__post_init__(self)

    def folds(self, index: Index) -> Iterator[Fold]:
        """``k * stimuli`` folds."""
        people, films = index["subject"].astype(str), index["stimulus"].astype(str)
        of_films = _dealt(index, "stimulus", self.stimuli, self)
        for i, held in enumerate(_dealt(index, "subject", self.k, self)):
            mine = np.isin(people, held)
            for j, shown in enumerate(of_films):
                theirs = np.isin(films, shown)
                rest = np.flatnonzero(~mine & ~theirs)
                known_people, new_people = self._held(index, rest, "subject", i)
                known_films, new_films = self._held(index, rest, "stimulus", self.k + j)
                yield Fold(
                    f"{i + 1}/{j + 1}", np.intersect1d(known_people, known_films),
                    np.intersect1d(new_people, new_films), np.flatnonzero(mine & theirs),
                )  # fmt: skip

    def notices(self, index: Index, folds: Sequence[Fold]) -> list[str]:
        """With how much of the data a fold leaves aside."""
        used = np.mean([sum(len(rows) for rows in fold.parts.values()) for fold in folds]) / len(index)
        told = f"{1 - used:.0%} of the examples are in no part of a fold: people of one side with stimuli of another"
        return [told, *super().notices(index, folds)]

    def __str__(self) -> str:
        return f"{self.k}-fold by subject and {self.stimuli}-fold by stimulus"


def _dealt(index: Index, column: str, k: int, where: Protocol) -> list[list[str]]:
    """The values of a column in ``k`` folds, largest first to the smallest fold, shuffled by the protocol's seed."""
    names = known(index, column, where)
    if len(names) < max(k, 3):
        many = "stimuli" if column == "stimulus" else f"{column}s"
        raise InputError(f"has {len(names)} {many} for {k} folds", where=f"{index.name}, {where}",
                         fix=f"Use fewer folds; three {many} at least.")  # fmt: skip
    found, counts = np.unique(index[column].astype(str), return_counts=True)
    sizes = dict(zip(found.tolist(), counts.tolist(), strict=True))
    order = np.random.default_rng(where.seed).permutation(len(names))
    dealt: list[list[str]] = [[] for _ in range(k)]
    total = [0] * k
    for name in sorted((names[i] for i in order), key=lambda g: -sizes[g]):
        least = min(range(k), key=lambda f: (total[f], len(dealt[f])))
        dealt[least].append(name)
        total[least] += sizes[name]
    return dealt
