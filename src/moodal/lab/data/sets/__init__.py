"""Data sets, one module each: ``SPEC``, ``read(root, **settings)`` and ``generate(root, seed)``, the layout's twin."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from moodal.core import registry
from moodal.core.errors import UsageError
from moodal.lab.data.dataset import Dataset

__all__ = ["read"]


def read(name: str, root: Path | str | None = None, **settings: Any) -> Dataset:
    """The data set of that name; ``root`` as in `moodal.lab.data.spec.find`, ``settings`` as its reader takes them.

    Raises
    ------
    UsageError : no such reader, or a setting that it does not have.
    InputError : the set, or a part of it, is not there, with how to get it.
    """
    reader = registry.load("sets", name).read
    known = [p for p in inspect.signature(reader).parameters if p != "root"]
    for key in settings:
        if key not in known:
            has = f"It has: {', '.join(known)}." if known else "It has none."
            raise UsageError(f"the reader of {name} has no setting {key!r}", where="[data] settings", fix=has)
    return reader(root, **settings)
