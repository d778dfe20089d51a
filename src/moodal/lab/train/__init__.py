"""Training: one readable loop, one checkpoint chosen on validation, killed runs that go on to the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fitted import TorchFitted
    from .learner import TorchLearner

__all__ = ["TorchFitted", "TorchLearner"]


def __getattr__(name: str) -> Any:
    # torch is loaded by whoever trains, not by whoever imports the room.
    if name == "TorchLearner":
        from .learner import TorchLearner

        return TorchLearner
    if name == "TorchFitted":
        from .fitted import TorchFitted

        return TorchFitted
    raise AttributeError(name)
