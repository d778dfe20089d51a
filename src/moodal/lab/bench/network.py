"""A model of `moodal.lab.models` as a row of the bench: torch is loaded only where one has to be trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from moodal.core import registry
from moodal.core.errors import MissingExtra
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.learner import Fitted, Learner

__all__ = ["Network"]


@dataclass(frozen=True)
class Network:
    """The model of that name with the settings that a recipe gives; `moodal.lab.train.TorchLearner` does the work, or
    the registered learner of that name.

    What is not given has the model's defaults: results hang on its sources, and so on those.
    """

    name: str
    model: str
    told: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """What was given."""
        return {"model": self.model, **self.told}

    def made(self) -> Learner:
        """The learner itself.

        Raises
        ------
        UsageError : a setting that the model does not know.
        MissingExtra : torch is not installed.
        """
        try:
            if self.model in registry.names("learners"):
                return cast(Learner, registry.load("learners", self.model).learner(self.name, dict(self.told)))
            return cast(Learner, import_module("moodal.lab.train").TorchLearner(self.name, self.model, dict(self.told)))
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "torch":
                raise
            raise MissingExtra("torch", "lab", f"the model {self.model}") from error

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        *,
        label: str,
        seed: int,
        folder: Path | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> Fitted:
        """Train, on one thread: sums in another order would differ in the last digit with the number of processes."""
        learner = self.made()
        torch = import_module("torch")
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return learner.fit(train, validation, label=label, seed=seed, folder=folder, progress=progress)
        finally:
            torch.set_num_threads(before)
