"""PhysioOmni as a `Learner` of the bench: pre-trained on the fold's training part, fine-tuned, any subset told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.learner import Prediction
from moodal.lab.data.windows import joined
from moodal.lab.models.physioomni.finetune import PhysioOmni
from moodal.lab.models.physioomni.load import load_encoders
from moodal.lab.models.physioomni.specs import size_named, spec_named
from moodal.lab.train import state as disk
from moodal.lab.train.signals import same_label, shares, told_of, tune
from moodal.lab.train.stages import Pretrained, check_unseen

from .prepared import Prepared, prepare
from .settings import PhysioSettings
from .stages import pretrain

__all__ = ["PhysioFitted", "PhysioLearner"]


@dataclass
class PhysioLearner:
    """A row of a recipe with ``use = "physioomni"``; ``told`` are `PhysioSettings`.

    Raises
    ------
    UsageError : a setting that there is not.
    """

    name: str
    told: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._s = PhysioSettings.of(self.told, self.name)

    def settings(self) -> dict[str, Any]:
        """Everything that can change a number, defaults included."""
        return {"model": "physioomni", **self._s.as_dict()}

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> PhysioFitted:
        """Pre-train on ``train`` without its labels, fine-tune with them, choose the epoch on ``validation``.

        Raises
        ------
        InputError : nothing to learn from, one class only, a modality or channel that is not known.
        LeakageError : a pre-training that has seen people or trials outside ``train``.
        """
        s = self._s
        modalities = tuple(m for m, f in train.features.items() if f.width)
        for m in modalities:
            spec_named(m)
        labels = same_label(train, validation, label)
        seen, choice = train.only(modalities), validation.only(modalities)
        if s.whole:
            s = replace(s, select="last", calibrate=False)
            seen = joined([seen, choice])
        ready = prepare(seen, modalities, as_named=s.as_named, force_units=s.force_units)
        held = prepare(choice, modalities, as_named=s.as_named, force_units=s.force_units)
        start = self._start(seen, ready, seed, folder, progress)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 2)
            model = PhysioOmni(modalities, len(labels.names), labels.kind, size_named(s.size), s.finetune,
                               s.encoder)  # fmt: skip
            if start:
                model.start_from(start.weights)
            few = replace(ready, channels=s.train_channels)
            told = _tuned(model, (seen, few), (choice, held), label, s, seed, progress)
        if start:
            told["pretraining"] = {k: v for k, v in start.told.items() if k != "seen"}
        cut = told.pop("cut")
        prior = shares(model, seen, ready, label)
        # What was learnt from tells nothing of how sure the model may be of others.
        held_out = Prediction(np.tile(prior, (len(validation), 1)), np.ones(len(validation), bool)) if s.whole else None
        return PhysioFitted(model, s, labels.names, labels.scheme, prior, {**told, "thresholds": cut}, held_out)

    def _start(
        self, train: Dataset, ready: Prepared, seed: int, folder: Path | None,
        progress: Callable[[str, float], None] | None,
    ) -> Pretrained | None:  # fmt: skip
        s = self._s
        if s.init == "scratch":
            return None
        if s.init == "pretrain":
            made = pretrain(train, s, seed=seed, folder=folder, progress=progress, prepared=ready)
        elif s.init.endswith((".pt", ".pth")):
            missing = s.allow_missing.split()
            weights = load_encoders(s.init, train.modalities, size_named(s.size), allow_missing=missing)
            made = Pretrained(weights, {}, {"seen": {"set": "", "subject": [], "trial": []}, "from": s.init})
        else:
            made = Pretrained.load(Path(s.init))
        check_unseen(made, train, self.name)
        return made


def _tuned(
    model: PhysioOmni, train: tuple[Dataset, Prepared], validation: tuple[Dataset, Prepared], label: str,
    s: PhysioSettings, seed: int, progress: Callable[[str, float], None] | None,
) -> dict[str, Any]:  # fmt: skip
    def share(name: str) -> float:
        return s.encoder_lr if name.startswith("encoders.") else 1.0

    told = tune(model, train, validation, label, s, seed=seed + 2, progress=progress, scale=share)
    return {"model": "physioomni", **told}


@dataclass
class PhysioFitted:
    """A fine-tuned model; ``prior`` ``(C,)`` is what a withheld example's scores are filled with, ``validation`` what
    is to be taken for its predictions of the validation part (None: what it predicts)."""

    model: PhysioOmni
    settings: PhysioSettings
    names: tuple[str, ...]
    scheme: str
    prior: npt.NDArray[np.float64]
    told: dict[str, Any]
    validation: Prediction | None = None

    def predict(self, data: Dataset) -> Prediction:
        """Scores ``(n, C)``; an example with none of the modalities is withheld.

        ``extra`` holds ``each`` ``(n, M, C)``, scores of every modality alone (NaN where absent), and ``z`` ``(n, w)``.

        Raises
        ------
        InputError : signals without rate or names, or in a unit that cannot be right.
        """
        ready = prepare(data, self.model.modalities, as_named=self.settings.as_named,
                        force_units=self.settings.force_units)  # fmt: skip
        there = np.asarray(ready.present.any(axis=1))
        n, classes = len(data), self.model.classes
        scores = np.tile(self.prior, (n, 1))
        each = np.full((n, len(self.model.modalities), classes), np.nan)
        z = np.zeros((n, self.model.size.width))
        if len(rows := np.flatnonzero(there)):
            out = told_of(self.model, ready, rows, ("logits", "logits_each", "z"))
            with torch.no_grad():
                told = self.model.finish(out["logits"]).numpy().astype(np.float64)
                each[rows] = self.model.finish(out["logits_each"]).numpy()
            scores[rows] = told / told.sum(1, keepdims=True) if self.model.kind in ("class", "distribution") else told
            z[rows] = out["z"].numpy()
        return Prediction(scores, np.asarray(~there), {"each": each, "z": z})

    def save(self, path: Path) -> None:
        """Write one file of plain arrays; `load` gives the same model back, exactly."""
        told = {
            "build": self.model.extra_state(), "settings": self.settings.as_dict(), "names": self.names,
            "scheme": self.scheme, "prior": self.prior.tolist(), "told": self.told,
        }  # fmt: skip
        disk.save(path, told, model=self.model.state_dict())

    @classmethod
    def load(cls, path: Path) -> PhysioFitted:
        """What `save` wrote.

        Raises
        ------
        InputError : not such a file.
        """
        told, groups = disk.load(path)
        try:
            s = PhysioSettings.of(told["settings"], str(path))
            made = told["build"]
            model = PhysioOmni(made["modalities"], made["classes"], made["kind"], size_named(s.size), s.finetune,
                               s.encoder)  # fmt: skip
            model.load_state_dict(groups["model"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise InputError("is not a trained PhysioOmni", where=str(path), fix="Train again.") from error
        model.eval()
        return cls(model, s, tuple(told["names"]), told["scheme"], np.asarray(told["prior"]), told["told"])
