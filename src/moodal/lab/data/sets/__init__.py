"""Data sets, one module each: ``SPEC``, ``read(root)`` and ``generate(root, seed)``, the twin of its layout."""

from __future__ import annotations

from pathlib import Path

from moodal.core import registry
from moodal.lab.data.dataset import Dataset

__all__ = ["read"]


def read(name: str, root: Path | str | None = None) -> Dataset:
    """The data set of that name; ``root`` as in `moodal.lab.data.spec.find`.

    Raises
    ------
    UsageError : no such reader.
    InputError : the set, or a part of it, is not there, with how to get it.
    """
    return registry.load("sets", name).read(root)  # type: ignore[no-any-return]
