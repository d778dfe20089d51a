"""What a recipe may say of a training, beside the model's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from moodal.core.errors import UsageError
from moodal.lab.nn.settings import parse

__all__ = ["LearnerSettings", "TrainSettings"]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """The table ``train`` of a learner's settings.

    ``select`` names the validation figure that chooses the one checkpoint (``val_macro_f1`` …; empty: by the kind of
    label); ``patience`` epochs without a better one end the training (0: never); ``ramp`` is the share of steps over
    which a model's extra terms grow from 0; ``ema`` averages all weights (0: off); ``longest`` cuts examples, in steps;
    ``loss`` is for values; ``target_scale`` standardises values by the training part.
    """

    epochs: int = 30
    batch: int = 32
    accumulate: int = 1
    lr: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.05
    grad_clip: float = 1.0
    ema: float = 0.0
    modality_dropout: float = 0.1
    patience: int = 8
    select: str = ""
    ramp: float = 0.1
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = 0.0
    loss: Literal["l1", "mse", "ccc"] = "l1"
    target_scale: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"
    longest: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch", 1), ("accumulate", 1), ("patience", 0), ("longest", 0)):
            if getattr(self, name) < low:
                raise UsageError(f"must be {low} at least, not {getattr(self, name)}", where=f"train.{name}")
        for name in ("warmup", "ema", "modality_dropout", "ramp", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"must be at least 0 and below 1, not {getattr(self, name):g}", where=f"train.{name}")
        if not self.lr > 0:
            raise UsageError(f"must be above 0, not {self.lr:g}", where="train.lr")


@dataclass(frozen=True, slots=True)
class LearnerSettings:
    """All that a learner is told: ``train``, ``context`` (past turns of the dialogue), ``calibrate`` (temperature, and
    thresholds of several labels, fitted on validation), and ``model``: everything else."""

    train: TrainSettings = field(default_factory=TrainSettings)
    context: int = 0
    calibrate: bool = True
    model: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Mapping[str, Any], model_settings: type, where: str) -> LearnerSettings:
        """From a recipe's flat table: ``train``, ``context`` and ``calibrate`` are ours, other keys the model's.

        Raises
        ------
        UsageError : a key that neither has, with the nearest known one; a value of another type.
        """
        from dataclasses import fields

        from moodal.lab.nn.settings import refuse_unknown

        own = ("train", "context", "calibrate")
        theirs = tuple(f.name for f in fields(model_settings))
        refuse_unknown(told, (*own, *theirs), where)
        made = parse(cls, {k: v for k, v in told.items() if k in own}, where)
        if made.context < 0:
            raise UsageError(f"must be 0 at least, not {made.context}", where=f"{where}.context")
        model = asdict(parse(model_settings, {k: v for k, v in told.items() if k in theirs}, where))
        return cls(made.train, made.context, made.calibrate, model)

    def as_dict(self) -> dict[str, Any]:
        """Everything, defaults included."""
        return {"train": asdict(self.train), "context": self.context, "calibrate": self.calibrate, **self.model}
