"""What `words` and `words-vad` have of a sentence before either has told anything: one reading serves both.

::

    text ─► English? ─► pieces ─► encoder ─► mean state (d) ┐
                     └► n-grams ─► 28 log odds, 3 values    ├─► one row a window of pieces
                                       share unknown (1)    ┘
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray
from moodal.core.expert import sha256_of
from moodal.core.runner import Evidence
from moodal.dsp.text import is_sign, is_word, tokens

from .encoder import TextEncoder
from .model import TextModel

__all__ = ["FARTHEST", "LONGEST", "TextReader", "open_reader"]

#: Windows of pieces that are read of one text; one that is longer is no sentence, and is told of as such.
LONGEST = 8
#: Characters that a window of pieces hardly goes beyond.
_CHARACTERS = 300
#: Log odds of the n-grams, then their values, stand after the state.
_LABELS, _VALUES = 28, 3
#: Share of training-like sentences that lie farther out than what is believed.
FARTHEST = 0.995


@dataclass(frozen=True)
class Parts:
    """A reading's columns, the mean of its windows: ``state (d,)``, ``labels (28,)`` log odds, ``values (3,)``."""

    state: FloatArray
    labels: FloatArray
    values: FloatArray


class TextReader:
    """The bundle ``text``: an encoder, a linear model on n-grams, and the table that tells English.

    Raises
    ------
    ModelError : a member is missing or damaged.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.encoder = TextEncoder(bundle).load()
        self.grams = TextModel(bundle).load()

    @property
    def width(self) -> int:
        """Channels of a reading."""
        return self.encoder.width + _LABELS + _VALUES

    def read(self, text: str) -> Evidence | str:
        """``(windows, width)``, or why nothing can be told: ``no_words``, ``language``, ``out_of_domain`` (longer than
        `LONGEST` windows, or mostly unknown signs)."""
        # What is longer is told of as such below: its beginning says whether it is English.
        head = text[: _CHARACTERS * LONGEST]
        if not any(is_word(t) or is_sign(t) for t in tokens(head)):
            return "no_words"
        if self.grams.english(head) < self.grams.english_floor:
            return "language"
        windows = self.encoder.windows(text, LONGEST + 1)
        if not 0 < len(windows) <= LONGEST or self.encoder.unknown(windows) > 0.5:
            return "out_of_domain"
        read = np.empty((len(windows), self.width), np.float32)
        read[:, self.encoder.width :] = np.concatenate(self.grams.outputs(text))
        read[:, : self.encoder.width] = self.encoder.pooled(windows)
        return read

    def parts(self, evidence: Evidence) -> Parts:
        """A reading by what its columns are."""
        d = self.encoder.width
        mean = np.add.reduce(evidence, axis=0, dtype=np.float64) / len(evidence)
        return Parts(mean[:d], mean[d : d + _LABELS], mean[d + _LABELS :])

    @cached_property
    def _near(self) -> tuple[FloatArray, FloatArray, float]:
        # Half the bytes of float64: the product waits for memory, and nobody asks for more than "above 1".
        centre, axes, scale = (self.bundle.array(f"near_{n}").astype(np.float32) for n in ("centre", "axes", "scale"))
        return centre, np.ascontiguousarray((axes * scale).T), float(self.bundle.manifest["near"]["farthest"])

    def distance(self, state: FloatArray) -> float:
        """How far a mean state ``(d,)`` lies from what was trained on, over how far any may lie: above 1 is out of its
        domain.

        Mahalanobis distance (Lee et al. 2018, arXiv 1807.03888, with one class): ``axes (d, d)`` are directions over
        their deviation.
        """
        centre, axes, farthest = self._near
        along = axes @ (state - centre).astype(np.float32)
        return float(np.sqrt(along @ along) / farthest)


_open: dict[str, TextReader] = {}


def open_reader(bundle: Bundle) -> TextReader:
    """The reader of that bundle; those that share an encoder share it, and it is opened once.

    Raises
    ------
    ModelError : as `TextReader`.
    """
    key = sha256_of(bundle)
    if key not in _open:
        _open.clear()
        _open[key] = TextReader(bundle)
    return _open[key]
