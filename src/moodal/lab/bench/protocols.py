"""How an index is split into train, validation and test: every protocol has all three parts, and refuses leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.index import Index
from moodal.lab.data.leak import LeakageError

from .leaks import ALWAYS, Leak, Parts, check, check_fitted, overlaps, shared

__all__ = ["PROTOCOLS", "Fold", "GroupKFold", "LeaveOneSubjectOut", "Official", "Protocol", "SegmentShuffle",
           "WithinSession", "protocol"]  # fmt: skip

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows of one fold's three parts; ``purged`` were left out of training because they overlap a held-out window."""

    name: str
    train: Rows
    validation: Rows
    test: Rows
    purged: int = 0

    @property
    def parts(self) -> Parts:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


@dataclass(frozen=True)
class Protocol:
    """A way to split. ``disjoint`` are the keys no two parts may share, ``notice`` those that are printed if they do.

    ``validation`` is the share of what is not tested that is held out to choose on. ``leaky`` marks a protocol
    that exists only to compare with older literature, and is printed with every score under it. ``held_where`` keeps
    only examples with that value of a column in what is held out (``{"measured": "yes"}``); the others of those
    people are left out of everything.
    """

    disjoint: tuple[str, ...] = (*ALWAYS, "subject")
    notice: tuple[str, ...] = ("stimulus", "session", "dialogue", "recording")
    validation: float = 0.15
    seed: int = 0
    held_where: dict[str, str] = field(default_factory=dict)
    name: ClassVar[str] = ""
    leaky: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1:
            raise UsageError(f"{self.name}: validation is a share between 0 and 1, not {self.validation:g}")
        lost = [key for key in ("clip", "window") if key not in self.disjoint]
        if lost and not self.leaky:
            raise UsageError(
                f"{self.name} may not let its parts share {lost[0]}",
                fix=f"Keep {', '.join(lost)} in disjoint; segment-shuffle is there for old literature.",
            )
        if (k := getattr(self, "k", 2)) < 2:
            raise UsageError(f"{self.name} needs two folds at least, not {k}")

    def split(self, data: Dataset | Index) -> list[Fold]:
        """The folds, checked: three non-empty parts each, disjoint in every named key, labels of two classes to learn.

        Raises
        ------
        LeakageError : parts that share a key, or features fitted on held-out rows.
        InputError : an empty part, or nothing to split by.
        """
        index = data if isinstance(data, Index) else data.index
        folds = []
        for fold in self.folds(index):
            fold = self._purged(index, self._held_out(index, fold))
            for part, rows in fold.parts.items():
                if not len(rows):
                    raise InputError(
                        f"fold {fold.name} has an empty {part} part",
                        where=f"{index.name}, {self}",
                        fix="Use fewer folds, or check the column it splits by.",
                    )
            if not self.leaky:
                check(index, fold.parts, self.disjoint, f"{index.name}, {self}, fold {fold.name}")
                if isinstance(data, Dataset):
                    held = np.concatenate([fold.validation, fold.test])
                    check_fitted(data, held, f"{index.name}, {self}, fold {fold.name}")
            folds.append(fold)
        if not folds:
            raise InputError("gives no fold", where=f"{index.name}, {self}", fix="Check the column it splits by.")
        return folds

    def _held_out(self, index: Index, fold: Fold) -> Fold:
        if not self.held_where:
            return fold
        keep = np.all([index[column] == value for column, value in self.held_where.items()], axis=0)
        return replace(fold, validation=fold.validation[keep[fold.validation]], test=fold.test[keep[fold.test]])

    def notices(self, index: Index, folds: Sequence[Fold]) -> list[str]:
        """What the parts share that the protocol allows: one line a key, to print beside every score."""
        found: dict[str, tuple[int, Leak]] = {}
        keys = [k for k in dict.fromkeys(("trial", "content", *self.notice, "subject")) if k not in self.disjoint]
        for fold in folds:
            for leak in shared(index, {"train": fold.train, "test": fold.test}, keys):
                count, first = found.get(leak.key, (0, leak))
                found[leak.key] = (count + 1, first)
        lines = [
            f"train and test share {key} {', '.join(leak.values[:3])}"
            + (f" and {len(leak.values) - 3} more" if len(leak.values) > 3 else "")
            + f" (in {count} of {len(folds)} folds)"
            for key, (count, leak) in found.items()
        ]
        if purged := sum(fold.purged for fold in folds):
            lines.append(f"{purged} training rows were left out: their windows overlap a held-out one")
        lines += self._unchecked(index, folds)
        if self.leaky:
            lines.insert(0, f"{self.name} is LEAKY by design: windows of one trial stand on both sides")
        return lines

    def folds(self, index: Index) -> Iterator[Fold]:
        """The folds as the protocol makes them, unchecked."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.name

    def as_dict(self) -> dict[str, Any]:
        """What a report says of it."""
        return {"name": str(self), "disjoint": list(self.disjoint), "leaky": self.leaky, "seed": self.seed}

    def _unchecked(self, index: Index, folds: Sequence[Fold]) -> list[str]:
        """Where a leak could not be seen, for the index does not tell the key; and rows that no part holds."""
        lines = []
        # A trial is one person's: where people are apart, so are trials.
        implied = ("clip", "content", "trial") if "subject" in self.disjoint else ("clip", "content")
        for key in (k for k in self.disjoint if k not in implied):
            if key == "window":
                known = np.isfinite(index["start_s"]) & np.isfinite(index["end_s"]) & (index["recording"] != "")
                # A recording that is one example needs no times: nothing can overlap it.
                names, counts = np.unique(index["recording"][index["recording"] != ""].astype(str), return_counts=True)
                unknown = int(np.count_nonzero(~known & np.isin(index["recording"], names[counts > 1])))
                told = "times in their recording"
            else:
                unknown, told = int(np.count_nonzero(index[key] == "")), key
            if unknown:
                lines.append(f"{unknown} of {len(index)} examples have no {told}: not checked for what they share")
        used = np.unique(np.concatenate([rows for fold in folds for rows in fold.parts.values()]))
        if len(used) < len(index):
            lines.append(f"{len(index) - len(used)} of {len(index)} examples are in no part")
        return lines

    def _purged(self, index: Index, fold: Fold) -> Fold:
        """Training rows that overlap a held-out window are dropped (and counted) where trials may be shared."""
        if self.leaky or "trial" in self.disjoint:
            return fold
        drop: set[int] = set()
        for part in ("validation", "test"):
            if leak := overlaps(index, "train", fold.train, part, fold.parts[part]):
                drop |= set(leak.rows) & set(fold.train.tolist())
        kept = np.array([r for r in fold.train if int(r) not in drop], np.int64)
        return replace(fold, train=kept, purged=len(drop))

    def _held(self, index: Index, rows: Rows, column: str, fold: int) -> tuple[Rows, Rows]:
        """Divide rows into train and validation by the values of a column, some drawn from the seed."""
        values = index[column][rows]
        names = sorted(set(values))
        if len(names) < 2:
            raise InputError(
                f"only one {column} is left to learn and to choose on", where=f"{index.name}, {self}",
                fix=f"It takes three values of {column} at least.",
            )  # fmt: skip
        order = np.random.default_rng([self.seed, fold]).permutation(len(names))
        # By examples, not by names: one long dialogue is no smaller than ten short ones.
        counts = Counter(values)
        sizes = np.array([counts[names[i]] for i in order])
        count = int(np.searchsorted(np.cumsum(sizes), self.validation * len(rows))) + 1
        # A set: np.isin compares every pair where values are text.
        chosen = {names[i] for i in order[: min(count, len(names) - 1)]}
        held = np.array([v in chosen for v in values])
        return rows[~held], rows[held]


def _known(index: Index, column: str, where: Protocol) -> list[str]:
    names = sorted(set(index[column]) - {""})
    if (index[column] == "").any() or not names:
        raise InputError(
            f"{int((index[column] == '').sum())} of {len(index)} examples have no {column}",
            where=f"{index.name}, {where}",
            fix=f"Fill the column {column}, or choose a protocol that splits by another.",
        )
    return names


@dataclass(frozen=True)
class Official(Protocol):
    """The split of the set's makers, from column ``split``; where it has no validation part, one is held out by ``by``.

    ::

        train ──────────────┬── validation (made from train, by ``by``, if the set has none)
        test (or validation, where test is kept apart: ``test="validation"``)
    """

    disjoint: tuple[str, ...] = ALWAYS
    by: str = "dialogue"
    test: str = "test"
    name: ClassVar[str] = "official"

    def folds(self, index: Index) -> Iterator[Fold]:
        """One fold."""
        parts = {p: np.flatnonzero(index["split"] == p) for p in ("train", "validation", "test")}
        if self.test not in ("test", "validation"):
            raise UsageError(f"official: test = {self.test!r}", fix="It is test, or validation.")
        test = parts[self.test]
        if not len(test) or not len(parts["train"]):
            have = {p: len(r) for p, r in parts.items()}
            raise InputError(f"the official split has {have}", where=f"{index.name}, {self}",
                             fix="Say which part is tested on: test = \"validation\", say.")  # fmt: skip
        if self.test == "validation" or not len(parts["validation"]):
            train, validation = self._held(index, parts["train"], self.by, 0)
        else:
            train, validation = parts["train"], parts["validation"]
        yield Fold("official", train, validation, test)

    def __str__(self) -> str:
        return self.name if self.test == "test" else f"{self.name}, tested on its {self.test} part"


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
        for k, subject in enumerate(_known(index, "subject", self)):
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

    def folds(self, index: Index) -> Iterator[Fold]:
        """``k`` folds; groups are dealt largest first to the smallest fold."""
        names = _known(index, self.group, self)
        if len(names) < max(self.k, 3):
            raise InputError(f"has {len(names)} {self.group}s for {self.k} folds", where=f"{index.name}, {self}",
                             fix=f"Use fewer folds; three {self.group}s at least.")  # fmt: skip
        column = index[self.group]
        sizes = {name: int(np.count_nonzero(column == name)) for name in names}
        order = np.random.default_rng(self.seed).permutation(len(names))
        dealt: list[list[str]] = [[] for _ in range(self.k)]
        for name in sorted((names[i] for i in order), key=lambda g: -sizes[g]):
            min(dealt, key=lambda fold: (sum(sizes[g] for g in fold), len(fold))).append(name)
        for k, held in enumerate(dealt):
            test = np.isin(column, held)
            train, validation = self._held(index, np.flatnonzero(~test), self.group, k)
            yield Fold(str(k + 1), train, validation, np.flatnonzero(test))

    def __str__(self) -> str:
        return f"{self.k}-fold by {self.group}"


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
        _known(index, "trial", self)
        part = np.zeros(len(index), np.int64)
        column = "session" if (index["session"] != "").any() else "subject"
        _known(index, column, self)
        # Sessions of several people may bear the same name (1, 2): a session is one person's, or one group's.
        sittings: dict[tuple[str, str], list[int]] = {}
        for row, sitting in enumerate(zip(index["subject"], index[column], strict=True)):
            sittings.setdefault(sitting, []).append(row)
        for s, sitting in enumerate(sorted(sittings)):
            rows = np.array(sittings[sitting])
            trials = sorted(set(index["trial"][rows]))
            if len(trials) < max(3, self.k):
                raise InputError(
                    f"{column} {sitting[1]} has {len(trials)} trials for {self.k} folds",
                    where=f"{index.name}, {self}",
                    fix="Use fewer folds; three trials at least.",
                )
            order = np.random.default_rng([self.seed, s]).permutation(len(trials))
            fold_of = {trials[t]: i % self.k for i, t in enumerate(order)}
            part[rows] = [fold_of[t] for t in index["trial"][rows]]
        for k in range(self.k):
            validation = part == (k + 1) % self.k
            test = part == k
            yield Fold(
                str(k + 1), np.flatnonzero(~test & ~validation), np.flatnonzero(validation), np.flatnonzero(test)
            )

    def __str__(self) -> str:
        return f"{self.k}-fold by trial within each session"


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


PROTOCOLS: dict[str, type[Protocol]] = {
    p.name: p for p in (Official, LeaveOneSubjectOut, GroupKFold, WithinSession, SegmentShuffle)
}


_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "dict[str, str]": (dict,),
}


def protocol(use: str, **settings: Any) -> Protocol:
    """The protocol of that name with those settings.

    Raises
    ------
    UsageError : no such protocol or setting.
    """
    if use not in PROTOCOLS:
        raise UsageError(f"unknown protocol {use!r}", fix=f"Known: {', '.join(PROTOCOLS)}.")
    known = PROTOCOLS[use].__dataclass_fields__
    for key, value in settings.items():
        if key not in known:
            raise UsageError(f"protocol {use} has no setting {key!r}", fix=f"It has: {', '.join(known)}.")
        kinds = _TYPES.get(str(known[key].type), (list, tuple))
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds != (bool,)):
            raise UsageError(f"protocol {use}: {key} = {value!r} is not of the type {known[key].type}")
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    return PROTOCOLS[use](**settings)
