"""Recipes of experts: one TOML file each, in ``lab/recipes/experts``; unknown keys are refused.

::

    name = "voice"
    title = "How a voice sounds: eight emotions"
    maker = "voice"                       # module of moodal.lab.experts
    sets = ["ravdess", "nemo"]            # what has to be there
    licence = "CC-BY-NC-SA-4.0"           # of the bundle
    commercial = false
    data_terms = "RAVDESS and nEMO: CC BY-NC-SA 4.0"
    home = "moodal-research"              # the distribution that ships it
    seed = 0

    [settings]                            # the maker's own

    [[published]]
    value = 0.72
    metric = "uar"
    protocol = "RAVDESS, 5-fold by actor, WavLM large"
    source = "EmoBox, Ma et al. 2024"
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from moodal.core.errors import UsageError
from moodal.lab import recipes
from moodal.lab.nn.settings import parse
from moodal.lab.recipes import Published

__all__ = ["ExpertRecipe", "load", "names"]

_FOLDER = Path(recipes.__file__).parent / "experts"


@dataclass(frozen=True, slots=True)
class ExpertRecipe:
    """One expert, as its file says it."""

    name: str = ""
    title: str = ""
    maker: str = ""
    sets: tuple[str, ...] = ()
    licence: str = ""
    commercial: bool = False
    data_terms: str = ""
    home: str = "moodal"
    version: str = "1"
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    published: tuple[Published, ...] = ()

    @property
    def module(self) -> ModuleType:
        """What makes it: a module with ``Settings`` and ``make``."""
        return import_module(f"moodal.lab.experts.{self.maker}")

    def fingerprint(self) -> str:
        """SHA-256 of everything that can change the bundle."""
        return self._digest(self.settings)

    def learning(self) -> str:
        """SHA-256 of everything that can change what is learnt: without settings of the maker that say how a bundle is
        written (``WRITING`` of its ``Settings``). Steps that depend on these name them where they are kept."""
        written: frozenset[str] = getattr(self.module.Settings, "WRITING", frozenset())
        return self._digest({k: v for k, v in self.settings.items() if k not in written})

    def _digest(self, settings: dict[str, Any]) -> str:
        told = {**asdict(self), "settings": settings}
        for quoted in ("title", "published"):
            told.pop(quoted)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def names() -> tuple[str, ...]:
    """Experts that have a recipe, by name."""
    return tuple(sorted(p.stem for p in _FOLDER.glob("*.toml")))


def load(name: str) -> ExpertRecipe:
    """The recipe of that name, or the one at a path.

    Raises
    ------
    UsageError : no such recipe, not TOML, an unknown key, one that is missing, or a value of another type.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if not path.is_file():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown expert {name!r}", fix=f"{hint}Known: {', '.join(names())}.")
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"is not TOML ({error})", where=path.name, fix="Correct that line.") from error
    quoted = told.pop("published", [])
    listed = told.pop("sets", [])
    settings = told.pop("settings", {})
    recipe = parse(ExpertRecipe, told, path.name)
    missing = [k for k in ("name", "title", "maker", "licence", "data_terms") if not getattr(recipe, k)]
    if missing:
        raise UsageError(f"lacks {', '.join(missing)}", where=path.name)
    published = tuple(parse(Published, p, f"{path.name}, published") for p in quoted)
    told = {f: getattr(recipe, f) for f in recipe.__dataclass_fields__}
    return ExpertRecipe(**{**told, "sets": tuple(listed), "settings": settings, "published": published})
