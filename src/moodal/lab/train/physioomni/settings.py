"""What a recipe may say of PhysioOmni: the model, its three stages, how each is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from moodal.lab.models.physioomni.finetune import FinetuneSettings
from moodal.lab.models.physioomni.msm import MsmSettings
from moodal.lab.models.physioomni.tokenizer import TokenizerSettings
from moodal.lab.nn.settings import parse
from moodal.lab.train.stages import StageSettings

__all__ = ["PhysioSettings", "StageSettings"]


def _tokenizer() -> StageSettings:
    return StageSettings(lr=1e-3, min_lr=1e-4, weight_decay=1e-4, beta2=0.99)


def _msm() -> StageSettings:
    return StageSettings(lr=1e-3, min_lr=1e-5, beta2=0.95)


def _finetune() -> StageSettings:
    return StageSettings(lr=1e-3, min_lr=1e-4, epochs=20)


@dataclass(frozen=True, slots=True)
class PhysioSettings:
    """All that a row of a recipe may set.

    ``init``: ``pretrain`` (tokenizer and masked modelling on the training part first), ``scratch``, the folder of a
    pre-training, or a ``.pt`` file of published weights. ``norm`` is what the convolutions normalise over;
    ``as_named`` keeps T3 apart from T7. ``encoder_lr`` is the encoders' share of the learning rate in fine-tuning.
    ``select`` names the validation figure that chooses the epoch, ``patience`` epochs without a better one end it (0:
    never).
    """

    size: Literal["tiny", "published"] = "tiny"
    init: str = "pretrain"
    causal: bool = False
    norm: Literal["sample", "token"] = "sample"
    as_named: bool = False
    force_units: bool = False
    encoder_lr: float = 1.0
    select: str = ""
    patience: int = 0
    class_weights: Literal["none", "balanced"] = "none"
    calibrate: bool = True
    allow_missing: str = ""
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    msm: MsmSettings = field(default_factory=MsmSettings)
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    tokenizer_train: StageSettings = field(default_factory=_tokenizer)
    msm_train: StageSettings = field(default_factory=_msm)
    train: StageSettings = field(default_factory=_finetune)

    @classmethod
    def of(cls, told: Mapping[str, Any], where: str) -> PhysioSettings:
        """From a recipe's table; a training table that says some keys keeps the stage's own defaults for the others.

        Raises
        ------
        UsageError : an unknown key, with the nearest known one; a value of another type.
        """
        filled = dict(told)
        for key, make in (("tokenizer_train", _tokenizer), ("msm_train", _msm), ("train", _finetune)):
            if isinstance(filled.get(key), Mapping):
                filled[key] = {**asdict(make()), **filled[key]}
        return parse(cls, filled, where)

    def as_dict(self) -> dict[str, Any]:
        """Everything, defaults included."""
        return asdict(self)

    def pretraining(self) -> dict[str, Any]:
        """What a pre-training hangs on."""
        keys = ("size", "causal", "norm", "as_named", "force_units", "tokenizer", "msm", "tokenizer_train", "msm_train")
        return {k: v for k, v in self.as_dict().items() if k in keys}
