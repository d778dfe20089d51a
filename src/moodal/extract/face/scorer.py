"""The bundle ``face`` inside the analysis: the net at some frames, the written rule on blendshapes at every one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray
from moodal.core.extractor import MeasureContext
from moodal.dsp.calibration import softmax

from .classifier import ExpressionNet, tight
from .tracker import Seen

__all__ = ["FaceScorer", "combined", "scorer_of"]

#: The net looks at a face this often, s: expressions last half a second at least (Ekman 2003), and what it said holds
#: in between. It follows from a face's own times alone, so that chunks leave no trace.
EVERY_S = 0.1
#: Least score of the written rule that counts: it knows no doubt below this.
_LEAST = 1e-4


def scorer_of(context: MeasureContext) -> FaceScorer | None:
    """The scorer with the bundle that was chosen for faces, if one was.

    Raises
    ------
    UsageError, ModelError : there is no such bundle, or it is damaged.
    """
    name = (context.options.get("experts") or {}).get("face")
    return FaceScorer(registry.find_bundle(str(name))) if name else None


def combined(told: FloatArray, rule: FloatArray, bundle: Bundle) -> FloatArray:
    """Scores ``(..., 8)`` that sum to 1 of the net's log-probabilities and the rule's scores: a log-linear pool whose
    weights were fitted where both exist, on FER+ validation pictures through the whole chain."""
    weights = bundle.manifest["with_blendshapes"]
    shift = np.asarray((bundle.manifest.get("prior_shift") or {}).get("added", 0.0), np.float64)
    z = float(weights["net"]) * (np.asarray(told, np.float64) + shift)
    return softmax(z + float(weights["rule"]) * np.log(np.maximum(np.asarray(rule, np.float64), _LEAST)))


@dataclass
class _Said:
    """What the net said of a person last, and when it looks again."""

    again: float
    told: FloatArray
    strange: bool


class FaceScorer:
    """Eight calibrated scores a frame and person."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._net = ExpressionNet.of(bundle)
        told = (bundle.manifest["calibration"] or {}).get("out_of_domain") or {}
        self._most = float(told.get("most", np.inf))
        self._unknown = np.asarray(bundle.manifest["prior_shift"]["natural"], np.float64)
        self._said: dict[str, _Said] = {}

    def __call__(self, person: str, time: float, seen: Seen, rule: FloatArray) -> FloatArray:
        """Scores ``(8,)`` of one frame; where the face is unlike those of training, how common each class is at all."""
        said = self._said.get(person)
        if said is None or time >= said.again:
            told, away = self._net(tight(seen.crop, seen.square, seen.points))
            said = self._said[person] = _Said(time + EVERY_S - 1e-6, told, away > self._most)
        return self._unknown if said.strange else combined(said.told, rule, self.bundle)
