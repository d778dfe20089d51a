"""A stand-in for a face that was seen: RAVDESS trials of which no picture is here, told from measures of their films.

Fusion needs voice and face of the same trial. The only real pairs are 300 trials of RAVDESS with 56 measures of each
face (openwillis), so a plain head on these stands in for the bundle ``face``: it is trained and used nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import scheme
from moodal.lab.bench.protocols import protocol

from .made import OutOfFold
from .work import Work

__all__ = ["FOLDS", "StandIn", "stand_in"]

#: Folds by actor, those that the voice is cross-validated in.
FOLDS: dict[str, Any] = {"use": "group-kfold", "k": 5, "seed": 0}
_CLASSES = scheme("voice8").classes
#: Of the set's own names.
_NAMES = {"happy": "happiness", "sad": "sadness", "angry": "anger", "fearful": "fear", "surprised": "surprise"}


@dataclass(frozen=True)
class StandIn:
    """Log-probabilities ``(n, 8)`` over ``voice8`` (calm apart) of trials whose actor the head had not seen; ``trial``
    and ``subject`` ``(n,)``, ``audio_clip`` the same trial's sound, ``truth`` class indices, ``fold`` ``(n,)``."""

    log_p: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]
    trial: npt.NDArray[Any]
    audio_clip: npt.NDArray[Any]
    subject: npt.NDArray[Any]
    sex: npt.NDArray[Any]
    fold: npt.NDArray[np.int64]

    def part(self) -> OutOfFold:
        """As a row of figures."""
        return OutOfFold(
            self.log_p, self.truth, self.subject, _CLASSES, "uar",
            "RAVDESS, 5-fold by actor, logistic regression on 56 measures of the face", groups={"sex": self.sex},
        )  # fmt: skip


def stand_in(work: Work, *, strength: float = 0.1) -> StandIn:
    """Cross-validated by actor; ``strength`` is logistic regression's C on standardised measures.

    Raises
    ------
    InputError : the measures are not there.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = work.data("ravdess", part="av")
    index = data.index
    told = index.labels["emotion"]
    own = [_CLASSES.index(_NAMES.get(n, n)) for n in told.names]
    truth = np.array(own)[np.asarray(told.values)]
    measures = data.features["face"].values.astype(np.float64)
    log_p, folds = np.full((len(index), 8), -20.0), np.zeros(len(index), np.int64)
    settings = dict(FOLDS)
    for k, fold in enumerate(protocol(settings.pop("use"), **settings).split(data)):
        rest = np.concatenate([fold.train, fold.validation])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        model.fit(measures[rest], truth[rest])
        log_p[np.ix_(fold.test, model.classes_)] = model.predict_log_proba(measures[fold.test])
        folds[fold.test] = k
    return StandIn(log_p, truth, index["trial"], index["audio_clip"], index["subject"], index["sex"], folds)
