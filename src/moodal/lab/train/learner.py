"""A model of the lab as a `Learner`: fit on two labelled parts, predict a sealed third."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from moodal.core import registry
from moodal.core.errors import InputError, UsageError
from moodal.lab.data.dataset import Dataset
from moodal.lab.models import build
from moodal.lab.models.base import Loss, Model

from .calibrate import temperature, thresholds
from .context import with_past
from .fitted import TorchFitted
from .label_text import label_vectors
from .loop import Part, predict_logits, train_model
from .packed import Packed
from .parallel import Group
from .settings import LearnerSettings
from .target import class_weights, scaled, target_of

__all__ = ["TorchLearner"]


@dataclass
class TorchLearner:
    """A row of a recipe whose ``use`` is a model of `moodal.lab.models`.

    ``settings`` are the model's own keys and ``train`` (`TrainSettings`), ``context`` (past turns of the dialogue that
    the model sees), ``calibrate``. ``vectors`` gives text vectors ``(C, v)`` of label names, for models that may start
    from them.

    Raises
    ------
    UsageError : no such model, or a setting it does not know.
    """

    name: str
    model: str
    told: Mapping[str, Any] = field(default_factory=dict)
    vectors: Callable[[tuple[str, ...]], Any] | None = None

    def __post_init__(self) -> None:
        spec = registry.load("models", self.model).SPEC
        self._settings = LearnerSettings.of(self.told, spec.settings, self.name)

    def settings(self) -> dict[str, Any]:
        """Everything that can change a number, defaults included."""
        return {"model": self.model, **self._settings.as_dict()}

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> TorchFitted:
        """Train on ``train``, choose the epoch, the temperature and thresholds on ``validation``.

        With a ``folder``, a fit that was killed goes on from its last whole epoch, to the same numbers.

        Raises
        ------
        InputError : an empty part, one class only, values that are not numbers, labels of unlike names.
        """
        s = self._settings
        labels = _checked(train, validation, label)
        known = {m: f.width for m, f in train.features.items() if f.width}
        train, validation = (with_past(d.only(tuple(known)), s.context) for d in (train, validation))
        widths = {m: f.width for m, f in train.features.items()}
        _same_widths(widths, validation)
        train, validation = (_usable(d, label) for d in (train, validation))
        key = self._key(train, validation, label, seed) if folder is not None else ""

        device = _device(s.train.device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            model = self._build(widths, labels)
            for m in model.modalities:
                model.scale[m].fit(torch.from_numpy(train.features[m].values))
            if labels.kind == "continuous" and s.train.target_scale:
                scaled(model, train.index.label(label))
            model.to(device)
            parts = [
                Part(Packed.of(d, model, device, s.train.longest), target_of(model, d.index.label(label)).to(device))
                for d in (train, validation)
            ]
            weights = (
                class_weights(labels.kind, parts[0].target, len(labels.names))
                if (s.train.class_weights == "balanced")
                else None
            )
            done = train_model(
                model, parts[0], parts[1], s.train,
                loss=Loss(weights, s.train.label_smoothing, s.train.loss), seed=seed,
                state=folder / "state.npz" if folder is not None else None, key=key, progress=progress,
            )  # fmt: skip
            cut = _calibrated(model, parts[1], s) if s.calibrate else None
        told = {
            "model": self.model,
            "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "epochs": len(done.curves),
            "best_epoch": done.best_epoch,
            "selected_on": done.select,
            "selected_value": done.best,
            "temperature": float(model.temperature),
            "thresholds": None if cut is None else cut.tolist(),
            "curves": done.curves,
        }
        return TorchFitted(
            model, self.model, s, labels.names, labels.scheme, tuple(known), _prior(model, parts[0]), told
        )

    def _build(self, widths: Mapping[str, int], labels: Any) -> Model:
        settings = dict(self._settings.model)
        if settings.get("lse", {}).get("init") == "text":
            vectors = self.vectors or label_vectors
            settings["label_vectors"] = torch.as_tensor(np.asarray(vectors(labels.names), np.float32))
        return build(self.model, widths, len(labels.names), labels.kind, **settings)

    def _key(self, train: Dataset, validation: Dataset, label: str, seed: int) -> str:
        told = [self.settings(), label, seed, train.fingerprint(), validation.fingerprint(), torch.__version__]
        told.append(Group.current().size)  # several processes see other batches
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _checked(train: Dataset, validation: Dataset, label: str) -> Any:
    """The training labels, if both parts can be learnt from."""
    for part, data in (("training", train), ("validation", validation)):
        if not len(data):
            raise InputError(f"the {part} part is empty", where=data.index.name, fix="Check the split.")
        data.check_finite()
        if not data.index.label(label).labelled.any():
            raise InputError(f"no example of the {part} part has a label {label}", where=data.index.name)
    labels, other = train.index.label(label), validation.index.label(label)
    if (labels.kind, labels.names) != (other.kind, other.names):
        raise InputError(
            f"label {label} is {', '.join(labels.names)} in training and {', '.join(other.names)} in validation",
            where=train.index.name, fix="Read both parts with one vocabulary.",
        )  # fmt: skip
    if labels.kind == "class":
        outside = (labels.values >= len(labels.names)) | (labels.values < -1)
        if outside.any():
            clip = train.index["clip"][np.flatnonzero(outside)[0]]
            raise InputError(f"its label is none of {', '.join(labels.names)}", where=str(clip), fix="Correct it.")
        there = [name for name, n in labels.counts().items() if n]
        if len(there) < 2:
            raise InputError(f"the training part holds one class only ({there[0]})", where=train.index.name,
                             fix="Check the split, or what was filtered out.")  # fmt: skip
    return labels


def _same_widths(widths: Mapping[str, int], validation: Dataset) -> None:
    for m, width in widths.items():
        if m not in validation.features or validation.features[m].width not in (width, 0):
            there = validation.features[m].width if m in validation.features else 0
            raise InputError(
                f"{m} has {width} channels in training and {there} in validation", where=validation.index.name
            )


def _usable(data: Dataset, label: str) -> Dataset:
    """Examples that have a label and a modality."""
    rows = data.index.label(label).labelled & data.present.any(axis=1)
    if not rows.any():
        raise InputError("no labelled example has any modality", where=data.index.name, fix="Check the features.")
    return data if rows.all() else data.take(np.flatnonzero(rows))


def _calibrated(model: Model, part: Part, s: LearnerSettings) -> Any:
    """Fit the temperature, and return thresholds for several labels."""
    if model.kind == "continuous":
        return None
    logits = predict_logits(model, part.packed, s.train.batch)["logits"]
    model.temperature.fill_(temperature(model.kind, logits, part.target))
    if model.kind != "multilabel":
        return None
    with torch.no_grad():
        scores = model.finish(logits).cpu().numpy().astype(np.float64)
    return thresholds(scores, part.target.cpu().numpy() > 0.5)


def _prior(model: Model, part: Part) -> np.ndarray:
    """What is said where nothing is known, ``(C,)``: the training part's shares, or means."""
    if model.kind == "class":
        counts = torch.bincount(part.target, minlength=model.classes).double()
        return np.asarray((counts / counts.sum()).cpu().numpy())
    mean = part.target.double().mean(dim=0).cpu()
    if model.kind == "continuous":
        mean = mean * model.spread.cpu() + model.shift.cpu()
    return np.asarray(mean.numpy())


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(name)
    except RuntimeError:
        raise UsageError(f"no device {name!r}", where="train.device", fix="Use auto, cpu or cuda.") from None
