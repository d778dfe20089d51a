"""PhysioSync in two stages (contrastive pre-training, fine-tuning) on raw signals of a data set.

It is a learner of its own beside the models of `moodal.lab.models`: it must know rates, units, channel names, and who
met which moment of what.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moodal.lab.train.stages import Pretrained

from .learner import SyncFitted, SyncLearner
from .settings import SyncSettings
from .stages import pretrain

__all__ = ["Pretrained", "SyncFitted", "SyncLearner", "SyncSettings", "learner", "pretrain"]


def learner(name: str, told: Mapping[str, Any]) -> SyncLearner:
    """What a recipe's ``use = "physiosync"`` means: the learner of that name with those settings."""
    return SyncLearner(name, told)
