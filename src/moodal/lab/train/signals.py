"""Fine-tuning of models of raw signals, the same for all: the epoch chosen and the temperature set on validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.models.base import Model
from moodal.lab.nn.losses import criterion

from .calibrate import temperature, thresholds
from .metrics import chosen, figures, is_better
from .stages import Progress, Rows, StageSettings, run_stage
from .target import class_weights, scaled, target_of

__all__ = ["Ready", "SignalModel", "TuneSettings", "same_label", "shares", "told_of", "tune"]


class Ready(Protocol):
    """A data set as a model takes it; ``left_out`` counts channels that could not be used."""

    @property
    def left_out(self) -> dict[str, int]:
        """By modality."""
        ...

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """``(n, M)``."""
        ...

    def batch(self, rows: Rows) -> Any:
        """Those examples."""
        ...


class SignalModel(Protocol):
    """``predict(batch)`` tells ``logits (B, C)`` and more, ``loss(batch, goal)`` terms that are weighted already."""

    kind: str
    classes: int
    shift: Tensor
    spread: Tensor

    def finish(self, logits: Tensor) -> Tensor:
        """Scores at the fitted temperature."""
        ...


class TuneSettings(Protocol):
    """What a learner's settings say of fine-tuning."""

    @property
    def train(self) -> StageSettings:
        """The stage."""
        ...

    @property
    def select(self) -> str:
        """The validation figure that chooses the epoch; by the kind of label, for ``""``; ``last``: none is chosen."""
        ...

    @property
    def patience(self) -> int:
        """Epochs without a better one that end it, 0: never."""
        ...

    @property
    def class_weights(self) -> str:
        """``none`` or ``balanced``."""
        ...

    @property
    def calibrate(self) -> bool:
        """Whether a temperature is fitted."""
        ...


def same_label(train: Dataset, validation: Dataset, label: str) -> Labels:
    """The training part's labels.

    Raises
    ------
    InputError : the validation part's are of another kind, or of other names.
    """
    one, other = train.index.label(label), validation.index.label(label)
    if (one.kind, one.names) != (other.kind, other.names):
        raise InputError(f"label {label} has other names in validation", where=train.index.name)
    return one


def tune(
    model: Any, train: tuple[Dataset, Ready], validation: tuple[Dataset, Ready], label: str, s: TuneSettings, *,
    seed: int, progress: Progress | None = None, scale: Callable[[str], float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train ``model`` in place, leave it as it was after the best epoch, and say what is to be kept of the fit
    (``cut``: thresholds of several labels, or None). ``scale``: a parameter's share of the learning rate, by name.

    Raises
    ------
    InputError : nothing to learn from or to choose on, one class only.
    """
    if model.kind == "continuous":
        scaled(cast(Model, model), train[0].index.label(label))
    goal, held = _goals(model, train[0], label), _goals(model, validation[0], label)
    rows, check = _labelled(*train, label), _labelled(*validation, label)
    if not len(rows) or not len(check):
        part = "validation" if len(rows) else "training"
        raise InputError(f"no labelled example of the {part} part has any signal", where=train[0].index.name)
    if model.kind == "class" and len(goal[rows].unique()) < 2:
        raise InputError("the training part holds one class only", where=train[0].index.name,
                         fix="Check the split, or what was filtered out.")  # fmt: skip
    weights = class_weights(model.kind, goal[rows], model.classes) if s.class_weights == "balanced" else None
    best: dict[str, Any] = {"value": None, "loss": np.inf, "epoch": 0, "weights": {}, "select": ""}

    def terms(part: npt.NDArray[np.int64]) -> tuple[Tensor, Mapping[str, Tensor]]:
        told = model.loss(train[1].batch(part), goal[part], weights=weights)
        return torch.stack(list(told.values())).sum(), told

    def after(epoch: int, row: dict[str, float]) -> bool:
        logits = told_of(model, validation[1], check)["logits"]
        row |= {f"val_{k}": v for k, v in _figures(model, logits, held[check]).items()}
        if s.select == "last":
            best.update(value=None, epoch=epoch + 1, select="last")
            return False
        best["select"] = chosen(s.select, model.kind, tuple(k for k in row if k.startswith("val_")))
        value = row[best["select"]]
        equal = value == best["value"] and row["val_loss"] < best["loss"]
        if equal or is_better(best["select"], value, best["value"]):
            best.update(value=value, loss=row["val_loss"], epoch=epoch + 1)
            best["weights"] = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.train()
        return bool(s.patience and epoch + 1 - best["epoch"] >= s.patience)

    curves = run_stage("fine-tuning", model, terms, rows, s.train, seed=seed, progress=progress, scale=scale,
                       after=after)  # fmt: skip
    if best["weights"]:
        model.load_state_dict(best["weights"])
    model.eval()
    cut = None
    if s.calibrate and model.kind != "continuous":
        logits = told_of(model, validation[1], check)["logits"]
        model.temperature.fill_(temperature(model.kind, logits, held[check]))
        if model.kind == "multilabel":
            scores = model.finish(logits).numpy().astype(np.float64)
            cut = thresholds(scores, held[check].numpy() > 0.5).tolist()
    return {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "epochs": len(curves),
        "best_epoch": best["epoch"],
        "selected_on": best["select"],
        "selected_value": best["value"],
        "temperature": float(model.temperature),
        "curves": curves,
        "left_out": train[1].left_out,
        "cut": cut,
    }


def told_of(
    model: Any, ready: Ready, rows: npt.NDArray[np.int64], names: Sequence[str] = ("logits",), batch: int = 128
) -> dict[str, Tensor]:
    """What the model tells of those rows, in order, in evaluation mode."""
    cast(nn.Module, model).eval()
    parts: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for start in range(0, len(rows), batch):
            out = model.predict(ready.batch(rows[start : start + batch]))
            for name in names:
                parts.setdefault(name, []).append(out[name])
    return {name: torch.cat(some) for name, some in parts.items()}


def shares(model: Any, data: Dataset, ready: Ready, label: str) -> npt.NDArray[np.float64]:
    """What is said where nothing is known, ``(C,)``: the training part's shares, or means."""
    goal = _goals(model, data, label)
    told = goal[_labelled(data, ready, label)]
    if model.kind == "class":
        counts = torch.bincount(told, minlength=model.classes).double()
        return np.asarray((counts / counts.sum()).numpy())
    mean = told.double().mean(dim=0)
    return np.asarray((mean * model.spread + model.shift if model.kind == "continuous" else mean).numpy())


def _goals(model: SignalModel, data: Dataset, label: str) -> Tensor:
    return target_of(cast(Model, model), data.index.label(label))


def _labelled(data: Dataset, ready: Ready, label: str) -> npt.NDArray[np.int64]:
    return np.flatnonzero(data.index.label(label).labelled & ready.present.any(axis=1))


def _figures(model: SignalModel, logits: Tensor, goal: Tensor) -> dict[str, float]:
    fault = float(criterion(model.kind, logits, goal, fit="mse"))
    with torch.no_grad():
        scores = model.finish(logits).numpy().astype(np.float64)
    target = goal.numpy()
    if model.kind == "continuous":
        target = target * model.spread.numpy() + model.shift.numpy()
    return {"loss": fault, **figures(model.kind, scores, target)}
