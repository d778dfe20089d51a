"""``moodal train NAME`` for experts: data in, bundles out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from moodal.core.bundle import Bundle
from moodal.lab.nn.settings import parse

from .made import Made
from .recipe import ExpertRecipe
from .work import Work, silent
from .write import write

__all__ = ["make", "table"]


def make(
    recipe: ExpertRecipe,
    out: Path,
    *,
    root: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> list[Bundle]:
    """Make an expert's bundle (or its several) in the folder ``out``; a killed run started again goes on.

    Raises
    ------
    UsageError : a setting that the maker does not know.
    InputError : a data set that is not there, with how to get it.
    OutputError : the folder cannot be written.
    """
    module = recipe.module
    settings = parse(module.Settings, recipe.settings, f"{recipe.name}: settings")
    work = Work(out, recipe.learning(), recipe.seed, root, progress or silent)
    for name in recipe.sets:  # all that is missing is told before hours are spent
        work.data(name)
    made: Made | Sequence[Made] = module.make(settings, work)
    return [write(recipe, one, out) for one in (made if isinstance(made, Sequence) else [made])]


def table(bundle: Bundle) -> list[dict[str, Any]]:
    """The rows that are printed of a bundle: its scores, then its rivals."""
    told = bundle.manifest
    rows = [{"what": name, "rival": False, **row} for name, row in told["scores"].items()]
    return rows + [{"what": name, "rival": True, **row} for name, row in told.get("rivals", {}).items()]
