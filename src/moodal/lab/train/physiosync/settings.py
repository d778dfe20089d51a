"""What a recipe may say of PhysioSync: the model, what positives are, the two stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from moodal.core.errors import UsageError
from moodal.lab.models.physiosync.augment import AugmentSettings
from moodal.lab.models.physiosync.network import FinetuneSettings, Form
from moodal.lab.models.physiosync.specs import SIZES, Windows
from moodal.lab.nn.settings import parse
from moodal.lab.train.stages import StageSettings

__all__ = ["POSITIVE", "PretrainSettings", "SyncSettings"]

#: What two examples must share to be positives.
POSITIVE = ("stimulus", "time", "cross_modal", "random")


@dataclass(frozen=True, slots=True)
class PretrainSettings:
    """What pre-training draws together.

    ``positive``: ``stimulus`` (other people at the same moment of what the column ``key`` names), ``time`` (the same
    person within ``near_s``; batches are of one person, so that who it is tells nothing), ``cross_modal`` (two streams
    of one window), ``random`` (a control); several joined by ``+`` take turns. Without shared moments ``stimulus``
    falls back to ``time``. ``tcl_weight`` of the first stream (``eeg``) and of all others together (``pps``), and
    ``cmca_weight``, are those of LS-TCL and CM-CA. ``group_size`` people are pooled to a group. Without
    ``false_negative_mask`` only copies of one moment are kept from being negatives; with it also neighbours in time.
    """

    positive: str = "stimulus"
    key: str = "stimulus"
    near_s: float = 5.0
    tcl_weight: dict[str, float] = field(default_factory=lambda: {"eeg": 0.5, "pps": 0.5})
    cmca_weight: float = 1.0
    temperature: float = 0.1
    group_size: int = 2
    moments_per_batch: int = 8
    false_negative_mask: bool = True
    dropout: float = 0.2

    def __post_init__(self) -> None:
        for told in self.sources:
            if told not in POSITIVE:
                raise UsageError(f"unknown positive {told!r}", where="physiosync pretrain",
                                 fix=f"Known: {', '.join(POSITIVE)}; join several by +.")  # fmt: skip
        if set(self.tcl_weight) != {"eeg", "pps"}:
            raise UsageError(f"tcl_weight is {self.tcl_weight}", where="physiosync pretrain",
                             fix="Say { eeg = 0.5, pps = 0.5 }.")  # fmt: skip
        if self.group_size < 1 or self.moments_per_batch < 2 or not self.temperature > 0:
            raise UsageError("needs group_size of 1, moments_per_batch of 2 and a temperature above 0 at least",
                             where="physiosync pretrain")  # fmt: skip

    @property
    def sources(self) -> tuple[str, ...]:
        """Kinds of positives."""
        return tuple(dict.fromkeys(self.positive.split("+")))


def _pretrain() -> StageSettings:
    return StageSettings(epochs=60, lr=1e-3, min_lr=1e-4, weight_decay=1e-3)


def _finetune() -> StageSettings:
    return StageSettings(epochs=20, batch=64, lr=1e-3, min_lr=1e-4, weight_decay=1e-2)


@dataclass(frozen=True, slots=True)
class SyncSettings:
    """All that a row of a recipe may set.

    ``windows``: seconds of ``long`` and ``short`` windows (0 leaves one out); an example's last seconds are read.
    ``pps``: the streams beside EEG that are used, joined by ``+``; ``all`` that are given, or ``none``.
    ``pps_context_s``: how far back the long window of a stream other than the first reaches, into the examples before
    it of the same trial. ``norm``: what samples are scaled by: ``train`` (each channel's median over the training
    people), ``session_start`` (the first 30 s of the session), ``session_past`` (all of it before the window),
    ``window`` (itself), ``per_timepoint`` (all channels of an instant, as published). ``init``: ``pretrain`` on the
    training part first, ``scratch``, or the folder of a pre-training. ``encoder_lr``: the encoders' share of the
    learning rate in fine-tuning. ``select``: the validation figure that chooses the epoch of fine-tuning (``last``
    takes the last one), ``patience`` epochs without a better one end it (0: never).
    """

    size: Literal["tiny", "published"] = "tiny"
    front: Literal["tokens", "flatten"] = "tokens"
    views: int = 3
    prompt: int = 2
    windows: dict[str, float] = field(default_factory=lambda: {"long": 5.0, "short": 1.0})
    pps: str = "all"
    pps_context_s: float = 0.0
    norm: Literal["train", "session_start", "session_past", "window", "per_timepoint"] = "train"
    force_units: bool = False
    init: str = "pretrain"
    encoder_lr: float = 1.0
    select: str = ""
    patience: int = 0
    class_weights: Literal["none", "balanced"] = "none"
    calibrate: bool = True
    pretrain: PretrainSettings = field(default_factory=PretrainSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    pretrain_train: StageSettings = field(default_factory=_pretrain)
    train: StageSettings = field(default_factory=_finetune)

    def __post_init__(self) -> None:
        if self.views < 1 or self.prompt < 0 or self.pps_context_s < 0:
            raise UsageError("views must be 1, prompt and pps_context_s 0 at least", where="physiosync")
        self.form()

    @classmethod
    def of(cls, told: Mapping[str, Any], where: str) -> SyncSettings:
        """From a recipe's table; a training table that says some keys keeps the stage's own defaults for the others.

        Raises
        ------
        UsageError : an unknown key, with the nearest known one; a value of another type.
        """
        filled = dict(told)
        for key, make in (("pretrain_train", _pretrain), ("train", _finetune)):
            if isinstance(filled.get(key), Mapping):
                filled[key] = {**asdict(make()), **filled[key]}
        return parse(cls, filled, where)

    def form(self) -> Form:
        """How encoders are built."""
        return Form(SIZES[self.size], Windows.of(self.windows), self.front, self.views, self.prompt, self.pps_context_s)

    def as_dict(self) -> dict[str, Any]:
        """Everything, defaults included."""
        return asdict(self)

    def pretraining(self) -> dict[str, Any]:
        """What a pre-training hangs on."""
        left = ("init", "encoder_lr", "select", "patience", "class_weights", "calibrate", "finetune", "train")
        return {k: v for k, v in self.as_dict().items() if k not in left}
