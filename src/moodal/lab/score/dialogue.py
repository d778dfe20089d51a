"""A dialogue model of the lab asked about rows: all turns of a dialogue at once, as its bench asked it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.bundle import Bundle
from moodal.core.errors import ModelError, MoodalError
from moodal.core.expert import expert_of
from moodal.core.mood import label_sets
from moodal.core.scheme import SCHEMES, mapping
from moodal.extract.words.dialogue import DialogueModel, open_dialogue
from moodal.lab.data.learner import Prediction

from .table import Row

__all__ = ["Dialogues", "dialogue_model"]


class Dialogues:
    """`moodal.lab.score.scorers.DialogueModel` of an exported bundle; ``schemes`` are its own classes and those that a
    written table leads to."""

    def __init__(self, model: DialogueModel, schemes: Mapping[str, tuple[str, ...]]) -> None:
        self.model, self.schemes = model, schemes
        self.native = next(iter(schemes))
        self.failed: list[str] = []

    def predict(self, turns: Sequence[Row], scheme: str) -> Prediction:
        """Tell of the turns of one dialogue, given in order; one without words is withheld.

        A turn is its text, or what is said in its file. Where every turn has a number those count (equal ones do not
        see each other, as in training), else the order does.
        """
        self.failed = []
        texts = [row.text if row.text is not None else self._said(row) for row in turns]
        places = [row.turn for row in turns]
        told = self.model.predict(
            texts, places if np.isfinite(places).all() else (), [row.subject for row in turns]
        )  # fmt: skip
        scores: npt.NDArray[Any] = told.scores
        sets: npt.NDArray[np.bool_] | None = None
        if scheme != self.native:
            scores = self.model.mapping.apply(scores)
            if scheme != "ekman8":
                scores = mapping("ekman8", scheme).apply(scores)
        rule = (self.model.expert.bundle.manifest["calibration"] or {}).get("label_sets")
        if rule is not None and scheme in (self.native, "ekman8"):
            sets = label_sets(scores, rule)
        return Prediction(scores, told.withheld, {} if sets is None else {"sets": sets})

    def _said(self, row: Row) -> str:
        from moodal.analyze import extract

        try:
            tracks = extract(str(row.file), "words.transcript", start=row.start_s, end=row.end_s)
        except MoodalError as error:
            self.failed.append(f"{row.name}: {error}")
            return ""
        return " ".join(t for _, track in tracks.items() for t in (track.texts or ()))


def dialogue_model(bundle: Bundle) -> Dialogues:
    """What runs a dialogue bundle that `moodal.lab.export` wrote.

    Raises
    ------
    ModelError : it cannot be run.
    """
    from .scorers import reached

    expert = expert_of(bundle)
    if expert.modality != "words":
        raise ModelError("reads no words", where=bundle.name, fix="See: moodal models list")
    model = open_dialogue(expert)
    own = str(bundle.manifest["scheme"])
    return Dialogues(model, {own: model.model.classes, **reached("ekman8" if own not in SCHEMES else own)})
