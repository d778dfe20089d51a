"""A run's folder: what was trained, on what, in which environment, how it went, and the one checkpoint."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moodal.core.errors import InputError
from moodal.formats.files import json_text, write_text

if TYPE_CHECKING:
    from .fitted import TorchFitted

__all__ = ["RunFolder", "environment", "git_state"]

#: Changes when the members of a folder do.
SCHEMA = 1


@dataclass(frozen=True)
class RunFolder:
    """The folder of one training.

    ============================ ===============================================================
    ``run.json``                 recipe, learner and its settings, seed, fold, data, environment
    ``curves.csv``               figures of every epoch
    ``checkpoint.npz``           the model that validation chose (plain arrays)
    ``scores.json``              figures of validation and test with intervals
    ``predictions.csv``          a row an example of these parts
    ``training_clips.txt``       content hashes of what was trained and chosen on
    ``timing.json``              how long it took; apart, so that everything else repeats
    ``state/``                   only while a training has not finished: what it resumes from
    ============================ ===============================================================
    """

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """A folder that `train` wrote.

        Raises
        ------
        InputError : it is none, or its training has not finished.
        """
        folder = cls(Path(path))
        if not (folder.path / "run.json").exists():
            raise InputError("is not the folder of a run", where=str(path), fix="Make one: moodal train NAME")
        if not folder.finished:
            raise InputError("its training has not finished", where=str(path), fix="Start the same command again.")
        return folder

    @cached_property
    def run(self) -> dict[str, Any]:
        """What ``run.json`` says."""
        return self._read("run.json")

    @cached_property
    def scores(self) -> dict[str, Any]:
        """What ``scores.json`` says: figures by part."""
        return self._read("scores.json")

    @property
    def finished(self) -> bool:
        """Whether the training has ended and its scores are there: they are written last."""
        return (self.path / "scores.json").exists()

    def training_clips(self) -> list[str]:
        """Content hashes of what was trained and chosen on."""
        return (self.path / "training_clips.txt").read_text(encoding="utf-8").split()

    def fitted(self) -> TorchFitted:
        """The trained model."""
        from .fitted import TorchFitted

        return TorchFitted.load(self.path / "checkpoint.npz")

    def write(self, name: str, told: dict[str, Any]) -> None:
        """One of its JSON files."""
        write_text(self.path / name, json_text(told))

    def _read(self, name: str) -> dict[str, Any]:
        try:
            told = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{name} cannot be read", where=str(self.path), fix="Train again.") from error
        return dict(told)


def environment() -> dict[str, Any]:
    """Versions and the machine, as far as numbers may hang on them."""
    import numpy
    import torch

    return {
        "moodal": version("moodal"),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "system": platform.system(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit and whether tracked files are changed; None outside a repository."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20, check=True
        )
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None
