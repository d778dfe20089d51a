"""How a pipeline's folds are made: protocols of `moodal.lab.bench.protocols` by the names that TOML uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from moodal.core.errors import InputError, UsageError
from moodal.lab.bench.leaks import ALWAYS
from moodal.lab.bench.protocols import PROTOCOLS, Fold, GroupKFold, LeaveOneSubjectOut, Protocol
from moodal.lab.data.index import Index

from .functions import function_named, is_reference
from .uses import nearest

__all__ = ["SPLITS", "LeaveCorpusOut", "Splitter", "check_split", "protocol_of"]

#: Up to so many subjects each is tested on by the others; above, five folds of subjects.
MOST_SUBJECTS = 20
#: Name in TOML → (protocol, its settings).
SPLITS: dict[str, tuple[str, tuple[str, ...]]] = {
    "leave-subject-out": ("leave-one-subject-out", ()),
    "group-kfold": ("group-kfold", ("k", "group")),
    "official": ("official", ("by", "test")),
    "within-session": ("within-session", ("k",)),
    "leave-corpus-out": ("", ()),
    "window-shuffle": ("segment-shuffle", ("k", "allow_subject_overlap")),
}
_COMMON = ("use", "seed", "validation", "within")


def check_split(split: Mapping[str, Any] | None, where: str) -> None:
    """Refuse a split that does not exist, or one that leaks without saying so.

    Raises
    ------
    UsageError : an unknown name or setting, with the nearest, or a shuffled split without its flag.
    """
    if not split:
        return
    use = split.get("use")
    if not isinstance(use, str) or (use not in SPLITS and not is_reference(use)):
        raise UsageError(
            f"no split is called {use!r}", where=where,
            fix=f"{nearest(str(use), SPLITS)}Known: {', '.join(SPLITS)}, or a splitter as module:class.",
        )  # fmt: skip
    if use not in SPLITS:
        return
    for key in split:
        known = (*SPLITS[use][1], *_COMMON)
        if key not in known:
            raise UsageError(
                f"split {use} has no key {key!r}", where=where, fix=f"{nearest(key, known)}It has: {', '.join(known)}."
            )
    if split.get("within", "corpus") != "corpus":
        raise UsageError(f"split {use}: within is {split['within']!r}", where=where, fix='It can be: "corpus".')
    k = split.get("k", 5)
    if not isinstance(k, int) or isinstance(k, bool) or k < 2:
        raise UsageError(f"split {use}: k must be a whole number above 1, not {k!r}", where=where)
    if use == "window-shuffle" and split.get("allow_subject_overlap") is not True:
        raise UsageError(
            "window-shuffle puts windows of one person into train and test", where=where,
            fix="To compare with old literature say allow_subject_overlap = true; the card shows it in red.",
        )  # fmt: skip


def protocol_of(split: Mapping[str, Any] | None, index: Index) -> Protocol:
    """The protocol of a checked split; the default hangs on how many subjects there are."""
    if not split:
        subjects = len(set(index["subject"]) - {""})
        return LeaveOneSubjectOut() if subjects <= MOST_SUBJECTS else GroupKFold(k=5)
    settings = {k: v for k, v in split.items() if k != "use"}
    use = str(split["use"])
    if settings.pop("within", ""):
        return Within(inner=protocol_of({k: v for k, v in split.items() if k != "within"}, index))
    if use not in SPLITS:
        group = str(settings.pop("group", "subject"))
        return Splitter(use=use, group=group, settings=tuple(sorted(settings.items())),
                        disjoint=(*ALWAYS, group) if group else ALWAYS)  # fmt: skip
    if use == "leave-corpus-out":
        return LeaveCorpusOut(**settings)
    if use == "window-shuffle":
        settings["allow_leak"] = settings.pop("allow_subject_overlap")
    return PROTOCOLS[SPLITS[use][0]](**settings)


@dataclass(frozen=True)
class LeaveCorpusOut(Protocol):
    """Each corpus is tested on by what was learnt from the others.

    ::

        fold apd:   test apd   │ validation some people of wesad │ train the rest of wesad
        fold wesad: test wesad │ validation some people of apd   │ train the rest of apd
    """

    name: ClassVar[str] = "leave-corpus-out"

    def folds(self, index: Index) -> Iterator[Fold]:
        """One fold a corpus."""
        names = sorted(set(index["corpus"]))
        if len(names) < 2:
            raise InputError(f"has the corpus {names[0]!r} alone", where=index.name, fix="Acquire several.")
        for k, corpus in enumerate(names):
            test = index["corpus"] == corpus
            train, validation = self._held(index, np.flatnonzero(~test), "subject", k)
            yield Fold(corpus, train, validation, np.flatnonzero(test))


@dataclass(frozen=True)
class Within(Protocol):
    """The folds of another protocol, made in each corpus by itself: nothing is learnt from another corpus."""

    inner: Protocol = field(default_factory=LeaveOneSubjectOut)
    name: ClassVar[str] = "within-corpus"

    def folds(self, index: Index) -> Iterator[Fold]:
        """Each corpus's folds, one corpus after another."""
        for corpus, rows in index.groups("corpus").items():
            for f in self.inner.folds(index.take(rows)):
                yield Fold(f"{corpus}/{f.name}", rows[f.train], rows[f.validation], rows[f.test])

    def __str__(self) -> str:
        return f"{self.inner} within each corpus"


@dataclass(frozen=True)
class Splitter(Protocol):
    """Folds of a splitter of scikit-learn's form (``split(X, y, groups)``), checked as any others."""

    use: str = ""
    group: str = "subject"
    settings: tuple[tuple[str, Any], ...] = ()
    name: ClassVar[str] = "splitter"

    def folds(self, index: Index) -> Iterator[Fold]:
        """One fold a pair that the splitter gives; what is not tested is divided by ``group``."""
        splitter = function_named(self.use)(**dict(self.settings))
        labels = index.label(next(iter(index.labels)))
        groups = index[self.group] if self.group else None
        rows = np.zeros((len(index), 1))
        y = labels.values if labels.kind == "class" else None
        for k, (train, test) in enumerate(splitter.split(rows, y, groups)):
            kept, validation = self._held(index, np.sort(train), self.group or "clip", k)
            yield Fold(str(k + 1), kept, validation, np.sort(test))

    def __str__(self) -> str:
        told = ", ".join(f"{k}={v}" for k, v in self.settings)
        return f"{self.use.partition(':')[2]}({told})" + (f" by {self.group}" if self.group else "")
