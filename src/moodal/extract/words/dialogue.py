"""A model of the lab that reads what was said, and what was said before it, run turn by turn or on a whole dialogue.

::

    text, past texts ─► TextEncoder ─► states ─┐
                                               ├─► BundleModel ─► scores of its classes ─► ekman8
    states of past turns, who spoke ───────────┘
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.dialogue import past_turns
from moodal.core.errors import ModelError, UsageError
from moodal.core.expert import Expert, sha256_of
from moodal.core.scheme import CIRCUMPLEX, SchemeMapping, scheme, to_ekman8
from moodal.weights.run_bundle import BundleModel, BundlePrediction

from .encoder import TextEncoder

__all__ = ["DialogueModel", "Running", "open_dialogue"]

States = npt.NDArray[np.float32]


class DialogueModel:
    """The bundle of an `Expert` that reads text: `predict` takes a dialogue, `Running` its turns one by one.

    Raises
    ------
    ModelError : a bundle or graph cannot be run, tells no classes that lead to ekman8, or reads other widths than its
        encoder gives.
    """

    def __init__(self, expert: Expert) -> None:
        self.expert = expert
        where = expert.bundle.name
        if not expert.encoders:
            raise ModelError("names no encoder of text", where=where, fix="Export it again.")
        self.model = BundleModel(expert.bundle)
        self.encoders = {m: TextEncoder(b).load() for m, b in expert.encoders.items()}
        told = expert.bundle.manifest["encoders"]
        self._past = {m: int(told[m].get("past", e.past)) for m, e in self.encoders.items()}
        self._pooled = {m: bool(told[m].get("pooled", False)) for m in self.encoders}
        for m, encoder in self.encoders.items():
            if m not in self.model.widths or self.model.widths[m] != encoder.width or self._past[m] > encoder.past:
                raise ModelError(
                    f"does not fit its encoder {encoder.bundle.name} ({encoder.width} channels, {encoder.past} past "
                    "utterances)", where=where, fix="Install both from the same release.",
                )  # fmt: skip
        if self.model.kind not in ("class", "distribution"):
            raise ModelError(f"tells {self.model.kind} labels, not one class", where=where, fix="Choose another one.")
        try:
            self.mapping: SchemeMapping = to_ekman8(str(expert.bundle.manifest["scheme"]), self.model.classes)
        except UsageError as error:
            raise ModelError(error.what, where=where, fix="Choose another one.") from error

    @property
    def reach(self) -> int:
        """How many turns before the present one change what is told of it."""
        return max([self.model.context, *self._past.values()])

    def predict(
        self, texts: Sequence[str], turn: Sequence[float] = (), speaker: Sequence[str] = ()
    ) -> BundlePrediction:
        """Scores of every turn of one dialogue, in the model's own classes.

        ``turn`` are places in the dialogue (this order, if not given): later ones are never read, nor are equal ones.
        """
        n = len(texts)
        places = list(turn) or list(range(n))
        states: dict[str, list[States | None]] = {}
        for m, encoder in self.encoders.items():
            past = past_turns(["d"] * n, places, self._past[m])
            before = [[texts[j] for j in row if j >= 0] for row in past]
            made = encoder.states(texts, before)
            states[m] = [self._step(m, t, s) for t, s in zip(texts, made, strict=True)]
        return self.model.predict_examples(states, dialogue=["d"] * n, turn=places, speaker=speaker)

    def _step(self, m: str, text: str, states: States) -> States | None:
        if not text.strip():
            return None
        return np.asarray(states.mean(axis=0, keepdims=True), np.float32) if self._pooled[m] else states

    @cached_property
    def place(self) -> FloatArray:
        """``(8, 2)``: valence and arousal of the classes of ekman8."""
        return np.array([CIRCUMPLEX[c] for c in scheme("ekman8").classes])


class Running:
    """A dialogue as it goes on: it keeps as many turns as the model looks back."""

    def __init__(self, model: DialogueModel) -> None:
        self.model = model
        self._said: deque[str] = deque(maxlen=max(model.reach, 1))
        self._states: deque[tuple[dict[str, States | None], str]] = deque(maxlen=model.model.context or 1)

    def tell(self, text: str, speaker: str = "") -> FloatArray | None:
        """Scores ``(C,)`` of the next turn in the model's own classes; None where there is nothing to read."""
        model = self.model
        said = list(self._said)
        own: dict[str, States | None] = {}
        for m, encoder in model.encoders.items():
            k = model._past[m]
            [states] = encoder.states([text], [said[max(0, len(said) - k) :]])
            own[m] = model._step(m, text, states)
        held = [*self._states, (own, speaker)] if model.model.context else [(own, speaker)]
        told = model.model.predict_examples(
            {m: [row[m] for row, _ in held] for m in model.encoders},
            speaker=[who for _, who in held], rows=slice(len(held) - 1, None),
        )  # fmt: skip
        self._said.append(text)
        self._states.append((own, speaker))
        return None if told.withheld[0] else np.asarray(told.scores[0])


#: The one that was opened last: graphs are large.
_open: dict[tuple[Path, str], DialogueModel] = {}


def open_dialogue(expert: Expert) -> DialogueModel:
    """The model of that expert; its graphs are opened once as long as its file stays the same.

    Raises
    ------
    ModelError : as `DialogueModel`.
    """
    key = (expert.bundle.path, sha256_of(expert.bundle))
    if key not in _open:
        _open.clear()
        _open[key] = DialogueModel(expert)
    return _open[key]
