"""The experts of words: `words` tells 28 emotions of a sentence, `words-vad` its valence, arousal and dominance.

Both read by one encoder (the bundle ``text``), so that a sentence is read once for the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray
from moodal.core.errors import InputError, ModelError
from moodal.core.expert import encoder_of
from moodal.core.runner import Evidence, Example, Told
from moodal.core.scheme import SCHEMES, mapping
from moodal.dsp.calibration import tempered

from .model import DIMENSIONS
from .reader import TextReader, open_reader

__all__ = ["LabelRunner", "ValueRunner", "open_label", "open_runner", "open_value"]

_EKMAN = SCHEMES["ekman8"].classes
#: What is added before a logarithm: less than any share that is told apart.
_LEAST = 1e-6


def open_runner(bundle: Bundle) -> LabelRunner | ValueRunner:
    """What runs ``words`` (scheme goemotions28) or ``words-vad`` (scheme va).

    Raises
    ------
    ModelError : it names no encoder, this one is not installed, or an array does not fit it.
    """
    return ValueRunner(bundle) if bundle.manifest["scheme"] == "va" else LabelRunner(bundle)


def open_label(name: str) -> LabelRunner:
    """The installed bundle of labels of that name.

    Raises
    ------
    UsageError : it is not installed.
    ModelError : it tells something else, or as `open_runner`.
    """
    found = open_runner(registry.find_bundle(name))
    if not isinstance(found, LabelRunner):
        raise ModelError("tells no labels", where=name, fix="See: moodal models list")
    return found


def open_value(name: str) -> ValueRunner:
    """The installed bundle of values of that name; errors as `open_label`."""
    found = open_runner(registry.find_bundle(name))
    if not isinstance(found, ValueRunner):
        raise ModelError("tells no values", where=name, fix="See: moodal models list")
    return found


class _Text:
    """What both have: the reading, and the head on the mean state."""

    uses_baseline = False

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        encoders = bundle.manifest.get("encoders", {})
        if "text" not in encoders:
            raise ModelError("names no encoder of text", where=bundle.name, fix="Make it again.")
        self.reader: TextReader = open_reader(encoder_of(bundle, encoders["text"]))
        self._weight = bundle.array("weight").astype(np.float64)
        self._bias = bundle.array("bias").astype(np.float64)
        if self._weight.shape != (len(self._bias), self.reader.encoder.width):
            raise ModelError("does not fit its encoder", where=bundle.name, fix="Install both from the same release.")

    def read(self, example: Example) -> Evidence | str:
        """The text as `TextReader.read` has it.

        Raises
        ------
        InputError : the example is no text.
        """
        if example.text is None:
            raise InputError("is no text", where=str(example.file), fix="Put what is said in a column `text`.")
        return self.reader.read(example.text)

    def _head(self, state: FloatArray) -> FloatArray:
        """``(k,)``: row by row, so that no number depends on how products are blocked."""
        return np.asarray(np.einsum("kd,d->k", self._weight, state) + self._bias)

    def _withheld(self, state: FloatArray) -> str:
        return "out_of_domain" if self.reader.distance(state) > 1 else ""


class LabelRunner(_Text):
    """``words``: each of 28 labels for itself, and by the written table the classes of ekman8 and sentiment3.

    A label's log odds are ``net · head + grams · n-grams + offset``; numbers from the manifest's ``calibration``.
    """

    multilabel = frozenset({"goemotions28"})

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.schemes: Mapping[str, tuple[str, ...]] = {
            n: SCHEMES[n].classes for n in ("goemotions28", "ekman8", "sentiment3")
        }
        self._told = bundle.manifest["calibration"]
        self._offset = np.array(self._told["offset"], np.float64)

    @cached_property
    def thresholds(self) -> FloatArray:
        """``(28,)``: from which score on a label is told."""
        return np.array([self._told["thresholds"][c] for c in self.schemes["goemotions28"]])

    def tell(self, evidence: Evidence, person: Sequence[Evidence] = ()) -> Told:
        """One score in (0, 1) a label; windows of a longer text are averaged."""
        read = self.reader.parts(evidence)
        odds = self._told["net"] * self._head(read.state) + self._told["grams"] * read.labels + self._offset
        return Told(1 / (1 + np.exp(-odds)), self._withheld(read.state))

    def in_scheme(self, name: str, scores: FloatArray) -> FloatArray:
        """Scores ``(28,)`` as shares of another scheme's classes, calibrated on single-label sentences.

        A class that no label stands for keeps the manifest's fixed share: no evidence is not evidence against.
        """
        if name == "goemotions28":
            return scores
        unheard: Mapping[str, float] = self._told["unheard"]
        heard = [i for i, c in enumerate(_EKMAN) if c not in unheard]
        summed = mapping("goemotions28", "ekman8").apply(scores)[heard]
        shares = np.array([unheard.get(c, 0.0) for c in _EKMAN])
        shares[heard] = tempered(np.log(summed + _LEAST), self._told) * (1 - sum(unheard.values()))
        return shares if name == "ekman8" else mapping("ekman8", name).apply(shares)


class ValueRunner(_Text):
    """``words-vad``: valence, arousal and dominance in [-1, 1], each with half the interval at coverage 0.9."""

    multilabel: frozenset[str] = frozenset()

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.schemes: Mapping[str, tuple[str, ...]] = {"va": DIMENSIONS}
        told = bundle.manifest["calibration"]
        self._half_width = np.array([told["half_width"][d]["0.9"] for d in DIMENSIONS])
        self._mix = bundle.array("mix").astype(np.float64)

    def tell(self, evidence: Evidence, person: Sequence[Evidence] = ()) -> Told:
        """``mix (3, 3)``: what the head, the n-grams and 1 count for in each dimension."""
        read = self.reader.parts(evidence)
        values = self._mix[:, 0] * self._head(read.state) + self._mix[:, 1] * read.values + self._mix[:, 2]
        return Told(np.clip(values, -1, 1), self._withheld(read.state), self._half_width)
