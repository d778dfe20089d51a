"""What a recipe may say of PhysioOmni: the model, its three stages, how each is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from moodal.core.errors import UsageError
from moodal.lab.models.physioomni.encoder import EncoderSettings
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


#: What is filled in where a recipe says nothing, by size: what a short training of a small network needs. Defaults of
#: the dataclasses are the published ones, and those of ``published``.
FILLED: dict[str, dict[str, dict[str, Any]]] = {
    "tiny": {
        "encoder": {"spectrum": 10, "references": True, "embed_std": 0.3, "places": True},
        "tokenizer": {
            "commit": 0.1, "orth": "cov", "warm": 40, "gradient": "rotate", "even_weight": 0.1, "agree_weight": 0.3,
            "cross": "any", "drop_private": 0.2,
        },
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PhysioSettings:
    """All that a row of a recipe may set.

    ``init``: ``pretrain`` (tokenizer and masked modelling on the training part first), ``scratch``, the folder of a
    pre-training, or a ``.pt`` file of published weights. ``encoder`` says what enters and in which order of time;
    ``channels`` and ``train_channels`` are the share of channels that a batch of pre-training and of fine-tuning sees,
    drawn anew for each; ``as_named`` keeps T3 apart from T7. ``encoder_lr`` is the encoders' share of the learning rate
    in fine-tuning. ``select`` names the validation figure that chooses the epoch, ``patience`` epochs without a better
    one end it (0: never). ``whole`` learns from the validation part too, as learners that are fitted again do: then
    nothing is chosen, the last weights are kept, no temperature is fitted and no label sets are told.
    """

    size: Literal["tiny", "published"] = "tiny"
    init: str = "pretrain"
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    channels: float = 1.0
    train_channels: float = 1.0
    as_named: bool = False
    force_units: bool = False
    encoder_lr: float = 1.0
    select: str = ""
    whole: bool = False
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

    def __post_init__(self) -> None:
        for share in (self.channels, self.train_channels):
            if not 0 < share <= 1:
                raise UsageError(f"is a share above 0 and at most 1, not {share:g}", where="physioomni channels")

    @classmethod
    def of(cls, told: Mapping[str, Any], where: str) -> PhysioSettings:
        """From a recipe's table; what it does not say is as `FILLED` has it for the size, or the stage's own default.

        Raises
        ------
        UsageError : an unknown key, with the nearest known one; a value of another type.
        """
        filled = dict(told)
        for key, values in FILLED.get(str(told.get("size", "tiny")), {}).items():
            if isinstance(mine := filled.get(key, {}), Mapping):
                filled[key] = {**values, **mine}
        for key, make in (("tokenizer_train", _tokenizer), ("msm_train", _msm), ("train", _finetune)):
            if isinstance(filled.get(key), Mapping):
                filled[key] = {**asdict(make()), **filled[key]}
        return parse(cls, filled, where)

    def as_dict(self) -> dict[str, Any]:
        """Everything, defaults included."""
        return asdict(self)

    def pretraining(self) -> dict[str, Any]:
        """What a pre-training hangs on."""
        keys = (
            "size",
            "encoder",
            "channels",
            "as_named",
            "force_units",
            "tokenizer",
            "msm",
            "tokenizer_train",
            "msm_train",
        )
        return {k: v for k, v in self.as_dict().items() if k in keys}
