"""The sentences that `words` and `words-vad` learn from, and how they are written before they are cut into pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from moodal.dsp.text_signs import named_signs
from moodal.dsp.wordpiece import WordPiece, words
from moodal.extract.words.encoder import normal
from moodal.lab.data.dataset import Dataset
from moodal.lab.experts.work import Work
from moodal.lab.train.text import SPECIAL

__all__ = ["VIEWS", "Corpus", "pieces_of", "plain", "read", "top_pieces"]

FloatArray = npt.NDArray[np.float32]

#: Labels of EmoBank that are learnt, three dimensions each: both views, then the reader's and the writer's alone.
VIEWS = ("vad", "reader", "writer")


def plain(text: str) -> str:
    """As the encoder reads it: emoji by their names, a typewriter's signs, single blanks."""
    return normal(named_signs(text))


@dataclass(frozen=True)
class Corpus:
    """GoEmotions and EmoBank, each in its official parts; English XED counts pieces."""

    goemotions: Dataset
    goemotions_dev: Dataset
    emobank: Dataset
    emobank_dev: Dataset
    xed: Dataset

    @cached_property
    def texts(self) -> tuple[list[str], list[str], list[str]]:
        """What is learnt from, as the encoder reads it: GoEmotions, EmoBank, English XED."""
        return _plain(self.goemotions), _plain(self.emobank), _plain(self.xed)

    @cached_property
    def dev_texts(self) -> tuple[list[str], list[str]]:
        """GoEmotions and EmoBank."""
        return _plain(self.goemotions_dev), _plain(self.emobank_dev)

    @cached_property
    def labels(self) -> FloatArray:
        """``(n, 28)`` of 0 and 1."""
        return np.asarray(self.goemotions.index.label("emotions").values, np.float32)

    @cached_property
    def scale(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean and deviation of the nine ratings in training."""
        told = self._ratings
        return np.nanmean(told, axis=0), np.nanstd(told, axis=0)

    @property
    def _ratings(self) -> npt.NDArray[np.float64]:
        return np.concatenate([self.emobank.index.label(v).values for v in VIEWS], axis=1)

    @cached_property
    def ratings(self) -> FloatArray:
        """``(n, 9)`` standardised; 0 where a view is not told."""
        mean, deviation = self.scale
        return np.asarray(np.nan_to_num((self._ratings - mean) / deviation), np.float32)


def _plain(data: Dataset) -> list[str]:
    return [plain(str(t)) for t in data.index["text"]]


def read(work: Work) -> Corpus:
    """The sets; a sentence that stands in both parts counts for the later one alone.

    Raises
    ------
    InputError : one of them is not there.
    """
    goemotions, emobank = (work.data(n, duplicates="once") for n in ("goemotions", "emobank"))
    xed = work.data("xed", duplicates="once", languages=("en",))

    def part(data: Dataset, name: str) -> Dataset:
        return data.take(data.index["split"] == name)

    return Corpus(
        part(goemotions, "train"), part(goemotions, "validation"), part(emobank, "train"), part(emobank, "validation"),
        xed,
    )  # fmt: skip


def top_pieces(texts: Sequence[Sequence[str]], vocabulary: Sequence[str], most: int) -> list[int]:
    """Places of the ``most`` pieces that occur most often in the texts, with marks and the signs of ASCII."""
    whole = WordPiece(vocabulary)
    counts = Counter(vocabulary[i] for part in texts for t in part for w in words(t) for i in whole.word_ids(w))

    def needed(piece: str) -> bool:
        bare = piece.removeprefix("##")
        return piece in SPECIAL or (len(bare) == 1 and bare.isascii() and bare.isprintable())

    order = sorted(range(len(vocabulary)), key=lambda i: (not needed(vocabulary[i]), -counts[vocabulary[i]], i))
    return sorted(i for i in order[:most] if needed(vocabulary[i]) or counts[vocabulary[i]])


def pieces_of(pieces: WordPiece, texts: Sequence[str], own: int) -> list[tuple[list[int], int]]:
    """``[CLS] sentence [SEP]`` in pieces, cut to ``own`` of the sentence's, and how many there are."""
    first, last = pieces["[CLS]"], pieces["[SEP]"]
    told = [[first, *pieces.ids(t)[:own], last] for t in texts]
    return [(s, len(s)) for s in told]
