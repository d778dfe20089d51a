"""What every protocol is: three parts a fold, disjoint in the keys that it names, and what they share is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.bench.leaks import ALWAYS, Leak, Parts, check, check_fitted, overlaps, shared
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.index import Index

__all__ = ["Fold", "Protocol", "Rows", "known", "owners"]

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

    @property
    def unit(self) -> str:
        """The column whose values are drawn again for intervals: what is kept apart."""
        return "subject"

    @property
    def personal(self) -> bool:
        """Whether each fold is one person's own model, so that a person who cannot be learnt costs no other."""
        return False

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


def known(index: Index, column: str, where: Protocol) -> list[str]:
    """Values of a column in order.

    Raises
    ------
    InputError : examples that have none.
    """
    names = sorted(set(index[column]) - {""})
    if (index[column] == "").any() or not names:
        raise InputError(
            f"{int((index[column] == '').sum())} of {len(index)} examples have no {column}",
            where=f"{index.name}, {where}",
            fix=f"Fill the column {column}, or choose a protocol that splits by another.",
        )
    return names


def owners(index: Index, column: str, where: Protocol) -> dict[str, Rows]:
    """Rows by person, or by person and a value of another column: sessions of several people may bear one name."""
    known(index, column, where)
    found: dict[str, list[int]] = {}
    for row, (person, value) in enumerate(zip(index["subject"], index[column], strict=True)):
        name = value if column == "subject" or not person or value.startswith(person) else f"{person} {value}"
        found.setdefault(name, []).append(row)
    return {name: np.array(found[name], np.int64) for name in sorted(found)}
