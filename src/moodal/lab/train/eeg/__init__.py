"""The networks of `moodal.lab.models.eeg`, trained one way: scaled by the training part, chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .learner import EegFitted, EegLearner

__all__ = ["EegFitted", "EegLearner", "learner"]


def learner(name: str, told: Mapping[str, Any]) -> EegLearner:
    """What a recipe's ``use = "eeg-net"`` means: the learner of that name with those settings."""
    return EegLearner(name, told)
