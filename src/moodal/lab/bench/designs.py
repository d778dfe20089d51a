"""What a scikit-learn estimator is fed: one row an example, everything in it fitted on training examples alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.dataset import Dataset, Feature

__all__ = ["NORMALISE", "Design", "PooledDesign", "TextDesign", "pool"]

Array = npt.NDArray[Any]

NORMALISE: dict[str, str] = {
    "none": "features as they are",
    "train": "z-scores by mean and spread of the training part",
    "subject-unlabelled": "z-scores by mean and spread of each person's own clips, test persons' too, without labels"
    " (transductive: it needs several clips of a person at once)",
}


class Design(Protocol):
    """Turns examples into rows. ``fit`` learns from training parts, ``transform`` gives ``(rows, present)``."""

    def fit(self, parts: Sequence[Dataset]) -> None:
        """Learn means, spreads or a vocabulary from those parts."""
        ...

    def transform(self, data: Dataset) -> tuple[Any, npt.NDArray[np.bool_]]:
        """``(n, d)`` finite rows, and ``(n,)`` which examples have anything at all."""
        ...


def pool(feature: Feature, spread: bool) -> npt.NDArray[np.float64]:
    """``(n, channels)`` mean over time, and with ``spread`` the standard deviation beside it.

    Values that are not finite are left out of both; NaN where an example (or a channel of it) has none.
    """
    n, lengths = len(feature), feature.lengths
    out = np.full((n, feature.width), np.nan)
    wide = np.full((n, feature.width), np.nan)
    some = np.flatnonzero(lengths)
    if len(some):
        values = feature.values.astype(np.float64)
        finite = np.isfinite(values)
        starts = feature.offsets[:-1][some]
        counts = np.add.reduceat(finite, starts, axis=0, dtype=np.int64)
        values[~finite] = 0
        known = np.maximum(counts, 1)
        mean = np.add.reduceat(values, starts, axis=0) / known
        off = np.where(finite, values - np.repeat(mean, lengths[some], axis=0), 0)
        deviation = np.sqrt(np.add.reduceat(off * off, starts, axis=0) / known)
        out[some] = np.where(counts > 0, mean, np.nan)
        wide[some] = np.where(counts > 0, deviation, np.nan)
    return np.concatenate([out, wide], axis=1) if spread else out


@dataclass
class PooledDesign:
    """Modalities side by side, each pooled over time, normalised, its holes filled with the training mean.

    Where a modality is absent from some training examples and there in others, a flag says so for each example.
    """

    modalities: tuple[str, ...]
    normalise: str = "train"
    _spread: dict[str, bool] = field(default_factory=dict)
    _mean: dict[str, Array] = field(default_factory=dict)
    _scale: dict[str, Array] = field(default_factory=dict)
    _flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.normalise not in NORMALISE:
            raise UsageError(f"unknown normalisation {self.normalise!r}", fix=f"Known: {', '.join(NORMALISE)}.")

    def fit(self, parts: Sequence[Dataset]) -> None:
        """Learn each modality's mean and spread, and which may be absent."""
        flags = []
        for m in self.modalities:
            features = [data.features[m] for data in parts]
            self._spread[m] = any((f.lengths > 1).any() for f in features)
            rows = np.concatenate([self._pooled(data, m) for data in parts])
            known = np.isfinite(rows)
            n = np.maximum(known.sum(axis=0), 1)
            mean = np.where(known, rows, 0).sum(axis=0) / n
            scale = np.sqrt(np.where(known, (rows - mean) ** 2, 0).sum(axis=0) / n)
            # A channel that does not vary (but for rounding) says nothing; it must not be blown up.
            self._mean[m], self._scale[m] = mean, np.where(scale > 1e-9 * (1 + np.abs(mean)), scale, 1.0)
            present = np.concatenate([f.present for f in features])
            if present.any() and not present.all():
                flags.append(m)
        self._flags = tuple(flags)

    def transform(self, data: Dataset) -> tuple[Array, npt.NDArray[np.bool_]]:
        """``(n, d)`` float64 and ``(n,)``."""
        columns = []
        for m in self.modalities:
            rows = self._pooled(data, m)
            if self.normalise == "train":
                rows = (rows - self._mean[m]) / self._scale[m]
                fill = np.zeros(rows.shape[1])
            else:
                fill = self._mean[m]
            columns.append(np.where(np.isfinite(rows), rows, fill))
        present = {m: data.features[m].present for m in self.modalities}
        columns += [present[m][:, None].astype(np.float64) for m in self._flags]
        return np.concatenate(columns, axis=1), np.any(list(present.values()), axis=0)

    def _pooled(self, data: Dataset, modality: str) -> Array:
        rows = pool(data.features[modality], self._spread[modality])
        if self.normalise != "subject-unlabelled":
            return rows
        who = data.index["subject"]
        if (who == "").any():
            raise UsageError(
                "normalisation by subject needs a subject in every row",
                where=data.index.name,
                fix="Fill the column subject, or choose normalise = \"train\".",
            )  # fmt: skip
        for subject in set(who):
            mine = who == subject
            own = rows[mine]
            known = np.isfinite(own)
            n = np.maximum(known.sum(axis=0), 1)
            mean = np.where(known, own, 0).sum(axis=0) / n
            scale = np.sqrt(np.where(known, (own - mean) ** 2, 0).sum(axis=0) / n)
            rows[mine] = (own - mean) / np.where(scale > 1e-9 * (1 + np.abs(mean)), scale, 1.0)
        return rows


@dataclass
class TextDesign:
    """TF-IDF of the index's ``text``: tokens (and pairs of them) of the training sentences, sublinear counts.

    A token is a word of any length, or a run of signs: in talk, ``I`` and ``?!`` say more than most words do.
    """

    pairs: bool = True
    least: int = 2
    _vectorizer: Any = None

    def fit(self, parts: Sequence[Dataset]) -> None:
        """Learn the vocabulary and its weights.

        Raises
        ------
        InputError : the training part has no text.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        told = [t for data in parts for t in data.index["text"] if t]
        if not told:
            raise InputError("has no text to learn from", where=parts[0].index.name, fix="Fill the column text.")
        words = (1, 2) if self.pairs else (1, 1)
        settings = {"sublinear_tf": True, "token_pattern": r"(?u)\w+(?:['’]\w+)*|[^\w\s]+"}
        self._vectorizer = TfidfVectorizer(ngram_range=words, min_df=min(self.least, len(told)), **settings)
        try:
            self._vectorizer.fit(told)
        except ValueError:  # no word occurs often enough
            self._vectorizer = TfidfVectorizer(**settings).fit(told)

    def transform(self, data: Dataset) -> tuple[Any, npt.NDArray[np.bool_]]:
        """``(n, words)`` sparse and ``(n,)``."""
        text = data.index["text"]
        return self._vectorizer.transform(text.tolist()), np.asarray(text != "", bool)
