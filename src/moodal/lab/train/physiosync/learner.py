"""PhysioSync as a `Learner` of the bench: pre-trained on the fold's training part, fine-tuned, any subset told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.learner import Prediction
from moodal.lab.models.physiosync.network import PhysioSync
from moodal.lab.train import state as disk
from moodal.lab.train.signals import same_label, shares, told_of, tune
from moodal.lab.train.stages import Pretrained, check_unseen

from .prepared import Prepared, Scales, prepare, streams_of
from .settings import SyncSettings
from .stages import pretrain

__all__ = ["SyncFitted", "SyncLearner"]


@dataclass
class SyncLearner:
    """A row of a recipe with ``use = "physiosync"``; ``told`` are `SyncSettings`.

    Raises
    ------
    UsageError : a setting that there is not.
    """

    name: str
    told: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._s = SyncSettings.of(self.told, self.name)

    def settings(self) -> dict[str, Any]:
        """Everything that can change a number, defaults included."""
        return {"model": "physiosync", **self._s.as_dict()}

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> SyncFitted:
        """Pre-train on ``train`` without its labels, fine-tune with them, choose the epoch on ``validation``.

        Raises
        ------
        InputError : nothing to learn from, one class only, a stream or channel that is not known.
        LeakageError : a pre-training that has seen people or trials outside ``train``.
        """
        s, form = self._s, self._s.form()
        labels = same_label(train, validation, label)
        streams = streams_of(train, s.pps)
        seen, choice = train.only(streams), validation.only(streams)
        ready = prepare(seen, streams, form, s.norm, force_units=s.force_units)
        held = prepare(choice, streams, form, s.norm, scales=ready.scales, force_units=s.force_units)
        start = self._start(seen, ready, seed, folder, progress)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 7)
            model = PhysioSync(streams, len(labels.names), labels.kind, form, ready.channels, s.finetune)
            if start:
                model.start_from(start.weights)

            def share(name: str) -> float:
                return s.encoder_lr if name.startswith("encoders.") else 1.0

            told = tune(model, (seen, ready), (choice, held), label, s, seed=seed + 7, progress=progress, scale=share)
        told["model"] = "physiosync"
        if start:
            told["pretraining"] = {k: v for k, v in start.told.items() if k != "seen"}
        cut = told.pop("cut")
        prior = shares(model, seen, ready, label)
        told |= {"thresholds": cut}
        return SyncFitted(model, s, ready.scales, labels.names, labels.scheme, prior, told)

    def _start(
        self, train: Dataset, ready: Prepared, seed: int, folder: Path | None,
        progress: Callable[[str, float], None] | None,
    ) -> Pretrained | None:  # fmt: skip
        s = self._s
        if s.init == "scratch":
            return None
        if s.init == "pretrain":
            made = pretrain(train, s, seed=seed, folder=folder, progress=progress, prepared=ready)
        else:
            made = Pretrained.load(Path(s.init))
        check_unseen(made, train, self.name)
        return made


@dataclass
class SyncFitted:
    """A fine-tuned model; ``prior`` ``(C,)`` is what a withheld example's scores are filled with, ``scales`` what
    samples are scaled by."""

    model: PhysioSync
    settings: SyncSettings
    scales: Scales
    names: tuple[str, ...]
    scheme: str
    prior: npt.NDArray[np.float64]
    told: dict[str, Any]

    def predict(self, data: Dataset) -> Prediction:
        """Scores ``(n, C)``; an example with none of the streams is withheld.

        ``extra`` holds ``each`` ``(n, M, C)``, scores of every stream alone (NaN where absent), ``confidence``
        ``(n, M)``, and ``z`` ``(n, w)``.

        Raises
        ------
        InputError : signals without rate or names, or in a unit that cannot be right.
        """
        model, form = self.model, self.settings.form()
        ready = prepare(data, model.streams, form, self.settings.norm, scales=self.scales,
                        force_units=self.settings.force_units)  # fmt: skip
        there = _tellable(model, ready)
        n, classes = len(data), model.classes
        scores = np.tile(self.prior, (n, 1))
        each = np.full((n, len(model.streams), classes), np.nan)
        confidence = np.zeros((n, len(model.streams)))
        z = np.zeros((n, 0))
        if len(rows := np.flatnonzero(there)):
            out = told_of(model, ready, rows, ("logits", "logits_each", "confidence", "z"))
            with torch.no_grad():
                told = model.finish(out["logits"]).numpy().astype(np.float64)
                each[rows] = model.finish(out["logits_each"]).numpy()
            scores[rows] = told / told.sum(1, keepdims=True) if model.kind in ("class", "distribution") else told
            confidence[rows] = out["confidence"].numpy()
            z = np.zeros((n, out["z"].shape[1]))
            z[rows] = out["z"].numpy()
        return Prediction(scores, ~there, {"each": each, "confidence": confidence, "z": z})

    def save(self, path: Path) -> None:
        """Write one file of plain arrays; `load` gives the same model back, exactly."""
        told = {
            "build": self.model.extra_state(), "settings": self.settings.as_dict(), "scales": self.scales,
            "names": self.names, "scheme": self.scheme, "prior": self.prior.tolist(), "told": self.told,
        }  # fmt: skip
        disk.save(path, told, model=self.model.state_dict())

    @classmethod
    def load(cls, path: Path) -> SyncFitted:
        """What `save` wrote.

        Raises
        ------
        InputError : not such a file.
        """
        told, groups = disk.load(path)
        try:
            s, made = SyncSettings.of(told["settings"], str(path)), told["build"]
            model = PhysioSync(made["streams"], made["classes"], made["kind"], s.form(), made["channels"], s.finetune)
            model.load_state_dict(groups["model"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise InputError("is not a trained PhysioSync", where=str(path), fix="Train again.") from error
        model.eval()
        return cls(model, s, told["scales"], tuple(told["names"]), told["scheme"], np.asarray(told["prior"]),
                   told["told"])  # fmt: skip


def _tellable(model: PhysioSync, ready: Prepared) -> npt.NDArray[np.bool_]:
    """``(n,)``: examples with a stream that the model can read (the flat front end reads whole windows alone)."""
    there = ready.present.any(axis=1)
    if model.form.front == "flatten":
        there = np.any([w.valid.flatten(1).all(dim=1).numpy() for w in ready.waves.values()], axis=0)
    return np.asarray(there)
