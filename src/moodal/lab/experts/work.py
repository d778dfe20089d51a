"""Where a maker works: what it has computed is kept, so that a killed run goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core import registry
from moodal.core.errors import UsageError
from moodal.lab.data.cache import Cache, key_of
from moodal.lab.data.dataset import Dataset

from .made import Made

__all__ = ["Work", "silent"]


def silent(_text: str, _share: float) -> None:
    """No progress is told."""


@dataclass(frozen=True)
class Work:
    """The folder of one run and what the maker may ask of it.

    ``key`` names the recipe with the settings that can change what is learnt: what was kept under another key is
    computed again. ``root`` is the user's own copy of the data, by default where `MOODAL_DATA` says; ``cache`` is for
    features, which outlive a recipe.
    """

    folder: Path
    key: str = ""
    seed: int = 0
    root: Path | None = None
    progress: Callable[[str, float], None] = silent
    cache: Cache = field(default_factory=Cache)

    def data(self, name: str, **settings: Any) -> Dataset:
        """A registered data set.

        Raises
        ------
        InputError : it is not there, with how to get it.
        """
        data: Dataset = registry.load("sets", name).read(self.root, **settings)
        return data

    def made(self, name: str) -> Made:
        """What another expert's maker hands over: from its own folder beside this one, made there if it is not.

        Raises
        ------
        UsageError : no such expert, or it makes none of that name.
        """
        from moodal.lab.nn.settings import parse

        from .recipe import load

        recipe = load(name)
        module = recipe.module
        settings = parse(module.Settings, recipe.settings, f"{recipe.name}: settings")
        beside = replace(self, folder=self.folder.parent / recipe.name, key=recipe.learning(), seed=recipe.seed)
        told = module.make(settings, beside)
        found = {m.name: m for m in ([told] if isinstance(told, Made) else told)}
        if name not in found:
            raise UsageError(f"its recipe makes {', '.join(found)}", where=name)
        return found[name]

    def kept(
        self, name: str, compute: Callable[[], Mapping[str, npt.NDArray[Any]]], *told: object
    ) -> dict[str, npt.NDArray[Any]]:
        """The arrays that ``compute`` gives, from the run's folder if it gave them before.

        ``told`` is what else they depend on (a data set's fingerprint, settings that are not the recipe's).

        Raises
        ------
        OutputError : the folder cannot be written.
        """
        kept = Cache(self.folder / "kept")
        return kept.arrays(key_of(self.key, name, *told), lambda: {k: np.asarray(v) for k, v in compute().items()})
