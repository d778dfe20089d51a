"""Twins of data sets, one a set for all the tests of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Made", "twins"]

#: The root of a set's twin, by the set's name, and what it holds; nobody changes it.
Made = Callable[[str], tuple[Path, Any]]


def twins(sets: Mapping[str, Any], folders: pytest.TempPathFactory) -> Made:
    """A twin is made when it is first asked for."""
    kept: dict[str, tuple[Path, Any]] = {}

    def twin(name: str) -> tuple[Path, Any]:
        if name not in kept:
            root = folders.mktemp(name)
            kept[name] = root, sets[name].generate(root)
        return kept[name]

    return twin
