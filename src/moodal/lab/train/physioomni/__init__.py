"""PhysioOmni in three stages (tokenizer, masked modelling, fine-tuning) on raw signals of a data set.

It is a learner of its own beside the models of `moodal.lab.models`: those are built from widths of features that the
trainer standardises, this one from modalities whose rate, unit, patches and channel names it must know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .learner import PhysioFitted, PhysioLearner
from .settings import PhysioSettings
from .stages import Pretrained, pretrain

__all__ = ["PhysioFitted", "PhysioLearner", "PhysioSettings", "Pretrained", "learner", "pretrain"]


def learner(name: str, told: Mapping[str, Any]) -> PhysioLearner:
    """What a recipe's ``use = "physioomni"`` means: the learner of that name with those settings."""
    return PhysioLearner(name, told)
