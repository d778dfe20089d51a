"""What a recipe may say of a network of EEG: which one, on which channels, how it is trained, and its own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from moodal.lab.models.eeg import net_module
from moodal.lab.nn.settings import parse, refuse_unknown
from moodal.lab.train.stages import StageSettings

__all__ = ["EegSettings"]


def _train() -> StageSettings:
    return StageSettings(epochs=50, batch=64, lr=1e-3, min_lr=1e-5, weight_decay=1e-3, warmup=0.05)


@dataclass(frozen=True, slots=True)
class EegSettings:
    """``net``: one of `moodal.lab.models.eeg.NETS`; ``of``: the modality that it reads (the only one, for ``""``).

    ``channels`` are learnt from, by name (all, for none). ``select`` names the validation figure that chooses the
    epoch, ``patience`` epochs without a better one end the training (0: never). ``model`` holds the
    network's own settings.
    """

    net: str
    of: str = ""
    channels: tuple[str, ...] = ()
    class_weights: Literal["none", "balanced"] = "balanced"
    label_smoothing: float = 0.0
    select: str = ""
    patience: int = 10
    calibrate: bool = True
    train: StageSettings = field(default_factory=_train)
    model: Any = None

    @classmethod
    def of_table(cls, told: Mapping[str, Any], where: str) -> EegSettings:
        """From a recipe's flat table: keys that are not of the trainer are the network's.

        Raises
        ------
        UsageError : no such network or key, with the nearest known one; a value of another type.
        """
        given = dict(told)
        module = net_module(str(given.pop("net", "eegnet")), where)
        net = module.__name__.rpartition(".")[2]
        own = {f.name for f in fields(cls)} - {"net", "model", "train", "channels"}
        theirs = {f.name for f in fields(module.Settings)}
        refuse_unknown(given, (*sorted(own), "train", "channels", *sorted(theirs)), where)
        train = parse(StageSettings, {**asdict(_train()), **given.get("train", {})}, f"{where}.train")
        model = parse(module.Settings, {k: v for k, v in given.items() if k in theirs}, where)
        flat = parse(_Flat, {k: v for k, v in given.items() if k in own}, where)
        return cls(net, channels=tuple(str(c) for c in given.get("channels", ())), train=train, model=model,
                   **asdict(flat))  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Everything, defaults included."""
        told = asdict(self)
        model = told.pop("model")
        return {**told, "channels": list(self.channels), **model}


@dataclass(frozen=True, slots=True)
class _Flat:
    of: str = ""
    class_weights: Literal["none", "balanced"] = "balanced"
    label_smoothing: float = 0.0
    select: str = ""
    patience: int = 10
    calibrate: bool = True
