"""A trained model: predict, explain, save, load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.learner import Prediction
from moodal.lab.models import build
from moodal.lab.models.base import Model

from . import state as disk
from .context import with_past
from .loop import predict_logits
from .packed import Packed
from .settings import LearnerSettings, TrainSettings

__all__ = ["TorchFitted"]


@dataclass
class TorchFitted:
    """A `Fitted`: the one checkpoint that validation chose.

    ``modalities`` are those of the data; with context the model has more, made from them. ``prior`` ``(C,)`` is what a
    withheld example's scores are filled with.
    """

    model: Model
    model_name: str
    settings: LearnerSettings
    names: tuple[str, ...]
    scheme: str
    modalities: tuple[str, ...]
    prior: npt.NDArray[np.float64]
    told: dict[str, Any]

    def predict(self, data: Dataset) -> Prediction:
        """Scores ``(n, C)``; an example that has none of the modalities learnt from is withheld.

        ``extra`` holds what the model reports beside: shares of modalities, a second opinion.

        Raises
        ------
        InputError : a modality of another width, or values that are not numbers.
        """
        packed = self._packed(data)
        out = predict_logits(self.model, packed, self._batch, lambda n: n in ("logits", "shares", "q", "js"))
        with torch.no_grad():
            scores = self.model.finish(out.pop("logits")).cpu().numpy().astype(np.float64)
        if self.model.kind in ("class", "distribution"):
            scores /= scores.sum(axis=1, keepdims=True)
        own = [self.model.modalities.index(m) for m in self.modalities]
        withheld = ~packed.present.cpu().numpy()[:, own].any(axis=1)
        scores[withheld] = self.prior
        extra = {name: tensor.cpu().numpy() for name, tensor in out.items()}
        return Prediction(scores, withheld, extra)

    def explain(self, data: Dataset, rows: Sequence[int]) -> list[dict[str, Any]]:
        """For each of those examples: every output of the model, attention without its padding."""
        packed = self._packed(data)
        told = []
        for row in rows:
            at = torch.tensor([int(row)], device=packed.present.device)
            self.model.eval()
            with torch.no_grad():
                out = self.model(*packed.batch(at), scaled=True)
            told.append({"clip": data.index["clip"][row], **{k: v[0].cpu().numpy() for k, v in out.items()}})
        return told

    def save(self, path: Path) -> None:
        """Write one file of plain arrays; `load` gives the same model back, exactly."""
        told = {
            "model": self.model_name,
            "settings": asdict(self.settings),
            "build": self.model.extra_state(),
            "names": self.names,
            "scheme": self.scheme,
            "modalities": self.modalities,
            "prior": self.prior.tolist(),
            "told": self.told,
        }
        disk.save(path, told, model=self.model.state_dict())

    @classmethod
    def load(cls, path: Path) -> TorchFitted:
        """What `save` wrote.

        Raises
        ------
        InputError : not a checkpoint, or damaged.
        """
        told, groups = disk.load(path)
        try:
            stored = told["settings"]
            settings = LearnerSettings(
                TrainSettings(**stored["train"]), stored["context"], stored["calibrate"], stored["model"]
            )
            made, own = told["build"], dict(stored["model"])
            if "lse" in own:  # the labels' start is overwritten by what was learnt
                own["lse"] = {**own["lse"], "init": "random"}
            model = build(told["model"], made["widths"], made["classes"], made["kind"], **own)
            model.load_state_dict(groups["model"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise InputError(
                f"is not a checkpoint of a model ({error})", where=str(path), fix="Train again."
            ) from error
        model.eval()
        return cls(
            model, told["model"], settings, tuple(told["names"]), told["scheme"], tuple(told["modalities"]),
            np.asarray(told["prior"]), told["told"],
        )  # fmt: skip

    @property
    def _batch(self) -> int:
        return max(64, self.settings.train.batch)

    def _packed(self, data: Dataset) -> Packed:
        features: dict[str, Feature] = {}
        for m in self.modalities:
            width = self.model.widths[m]
            feature = data.features.get(m)
            if feature is None or not feature.width:
                feature = Feature(m, np.zeros((0, width), np.float32), np.zeros(len(data) + 1, np.int64))
            if feature.width != width:
                raise InputError(f"{m} has {feature.width} channels, the model was trained on {width}",
                                 where=data.index.name, fix="Make the features as for training.")  # fmt: skip
            features[m] = replace(feature, name=m)
        whole = with_past(Dataset(data.index, features), self.settings.context)
        whole.check_finite()
        return Packed.of(whole, self.model, next(self.model.parameters()).device, self.settings.train.longest)
