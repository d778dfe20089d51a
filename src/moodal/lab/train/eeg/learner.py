"""A network of EEG as a `Learner` of the bench."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.learner import Prediction
from moodal.lab.models.eeg import net_module
from moodal.lab.nn.losses import criterion, scores_of
from moodal.lab.train import state as disk
from moodal.lab.train.signals import shares, told_of, tune

from .prepared import Layout, fitted, prepare
from .settings import EegSettings

__all__ = ["EegFitted", "EegLearner"]


class _Model(nn.Module):
    """A network with what is learnt around it: a temperature, and the scale of values."""

    temperature: Tensor
    shift: Tensor
    spread: Tensor

    def __init__(self, net: nn.Module, kind: str, classes: int, smoothing: float) -> None:
        super().__init__()
        self.net, self.kind, self.classes, self.smoothing = net, kind, classes, smoothing
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("shift", torch.zeros(classes))
        self.register_buffer("spread", torch.ones(classes))

    def predict(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """``logits (B, C)``."""
        return {"logits": self.net(*batch)}

    def loss(
        self, batch: tuple[Tensor, Tensor], goal: Tensor, *, weights: Tensor | None = None
    ) -> Mapping[str, Tensor]:
        """One term."""
        logits = self.net(*batch)
        told = criterion(self.kind, logits, goal, weights=weights, smoothing=self.smoothing, fit="mse")
        return {"fault": told}

    def finish(self, logits: Tensor) -> Tensor:
        """Scores ``(B, C)``."""
        if self.kind == "continuous":
            return logits * self.spread + self.shift
        return scores_of(self.kind, logits / self.temperature)


@dataclass
class EegLearner:
    """A row of a recipe with ``use = "eeg-net"``; ``told`` are `EegSettings` and the network's own.

    Raises
    ------
    UsageError : a setting or network that there is not.
    """

    name: str
    told: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._s = EegSettings.of_table(self.told, self.name)

    def settings(self) -> dict[str, Any]:
        """Everything that can change a number, defaults included."""
        return self._s.as_dict()

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> EegFitted:
        """Scale by ``train``, learn from it, choose the epoch on ``validation``.

        Raises
        ------
        InputError : nothing to learn from, one class only, channels without names, windows that are too short.
        UsageError : several modalities and none is named.
        """
        s, where = self._s, f"{train.index.name}, {self.name}"
        labels = train.index.label(label)
        module = net_module(s.net, self.name)
        layout, ready = fitted(train, self._of(train), module.RATE_HZ, s.channels, where)
        held = prepare(validation, layout, where)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = _built(s, layout, labels.kind, len(labels.names))
            told = tune(model, (train, ready), (validation, held), label, s, seed=seed, progress=progress)
        prior = shares(model, train, ready, label)
        cut = told.pop("cut")
        return EegFitted(model, s, layout, labels.names, prior, {"model": s.net, **told, "thresholds": cut})

    def _of(self, data: Dataset) -> str:
        if self._s.of:
            data.only([self._s.of])
            return self._s.of
        if len(data.modalities) == 1:
            return data.modalities[0]
        if "eeg" in data.modalities:
            return "eeg"
        raise UsageError(f"reads one of {', '.join(data.modalities)}", where=self.name, fix='Say of = "NAME".')


def _built(s: EegSettings, layout: Layout, kind: str, classes: int) -> _Model:
    net = net_module(s.net).build(layout.channels, layout.steps, classes, s.model)
    return _Model(net, kind, classes, s.label_smoothing)


@dataclass
class EegFitted:
    """A trained network; ``prior`` ``(C,)`` is what a withheld example's scores are filled with."""

    model: _Model
    settings: EegSettings
    layout: Layout
    names: tuple[str, ...]
    prior: npt.NDArray[np.float64]
    told: dict[str, Any]

    def predict(self, data: Dataset) -> Prediction:
        """Scores ``(n, C)``; an example without any channel that was learnt from is withheld.

        Raises
        ------
        InputError : channels without names or rate, or none that was learnt from.
        """
        ready = prepare(data, self.layout, f"{data.index.name}, {self.settings.net}")
        there = ready.present[:, 0]
        scores = np.tile(self.prior, (len(data), 1))
        if len(rows := np.flatnonzero(there)):
            logits = told_of(self.model, ready, rows)["logits"]
            with torch.no_grad():
                told = self.model.finish(logits).numpy().astype(np.float64)
            scores[rows] = told / told.sum(1, keepdims=True) if self.model.kind in ("class", "distribution") else told
        return Prediction(scores, ~there)

    def save(self, path: Path) -> None:
        """Write one file of plain arrays; `load` gives the same model back, exactly."""
        layout = asdict(self.layout)
        told = {
            "settings": self.settings.as_dict(), "names": self.names, "told": self.told,
            "kind": self.model.kind, "prior": self.prior.tolist(),
            "layout": {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in layout.items()},
        }  # fmt: skip
        disk.save(path, told, model=self.model.state_dict())

    @classmethod
    def load(cls, path: Path) -> EegFitted:
        """What `save` wrote.

        Raises
        ------
        InputError : not such a file.
        """
        told, groups = disk.load(path)
        try:
            s = EegSettings.of_table(told["settings"], str(path))
            kept = cast(dict[str, Any], told["layout"])
            arrays = {k: np.asarray(kept[k], np.float32) for k in ("centre", "scale")}
            layout = Layout(**{**kept, "channels": tuple(kept["channels"]), "bands": tuple(kept["bands"]), **arrays})
            model = _built(s, layout, told["kind"], len(told["names"]))
            model.load_state_dict(groups["model"])
        except (KeyError, TypeError, RuntimeError, UsageError) as error:
            raise InputError("is no trained network of EEG", where=str(path), fix="Train again.") from error
        model.eval()
        return cls(model, s, layout, tuple(told["names"]), np.asarray(told["prior"]), told["told"])
