"""Recipes that differ by little from one another in one file, and single values that a user changes for one run.

A table ``[variant.NAME]`` makes a recipe ``FILE-NAME`` of a file ``FILE``: what stands in it takes the place of what
stands at the top, except that settings of the data are laid over those of the file. Published
figures and goals are of one label and protocol, and are not handed on.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from typing import Any

from moodal.core.errors import UsageError

__all__ = ["changed", "names_in", "varied"]


def names_in(told: Mapping[str, Any], stem: str) -> list[str]:
    """Names of the recipes in a file: the file's own, then its variants'."""
    some = told.get("variant", {})
    return [stem, *(f"{stem}-{name}" for name in some)] if isinstance(some, Mapping) else [stem]


def varied(told: Mapping[str, Any], variant: str, where: str) -> dict[str, Any]:
    """The table of one variant (of the file itself, for ``""``), without the others.

    Raises
    ------
    UsageError : no such variant, or one that is no table or names itself.
    """
    out = {k: v for k, v in told.items() if k != "variant"}
    some = told.get("variant", {})
    if not isinstance(some, Mapping) or not all(isinstance(v, Mapping) for v in some.values()):
        raise UsageError("variant must hold tables: [variant.NAME]", where=where)
    for name, table in some.items():
        for key in ("name", "variant"):
            if key in table:
                raise UsageError(f"[variant.{name}] may not say {key}", where=where, fix="Its name is FILE-NAME.")
    if not variant:
        return out
    if variant not in some:
        raise UsageError(f"has no variant {variant!r}", where=where, fix=f"It has: {', '.join(some) or 'none'}.")
    out["name"] = f"{out.get('name', '')}-{variant}"
    for quoted in ("published", "goal"):
        out.pop(quoted, None)
    for key, value in some[variant].items():
        old = out.get(key)
        out[key] = _over(old, value) if key == "data" and isinstance(old, Mapping) else value
    return out


def _over(old: Any, new: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {**old, **{k: _over(old.get(k), v) for k, v in new.items()}}
    return new


def changed(told: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The table with single values replaced: ``{"protocol.settings.k": 3, "learner.EEGNet.settings.train.epochs": 1}``.

    A learner is named by its ``name`` (``*``: all of them); settings that are not there yet are added.

    Raises
    ------
    UsageError : a path that leads through nothing that a recipe has.
    """
    out = copy.deepcopy(dict(told))
    for path, value in changes.items():
        places: list[Any] = [out]
        *steps, last = path.split(".")
        for depth, step in enumerate(steps):
            places = [inner for place in places for inner in _step(place, step, depth, path, where)]
        for place in places:
            if not isinstance(place, dict):
                raise UsageError(f"cannot set {path}", where=where, fix="A table must stand before the last dot.")
            place[last] = copy.deepcopy(value)
    return out


def _step(place: Any, step: str, depth: int, path: str, where: str) -> list[Any]:
    if isinstance(place, list):
        known = [str(p.get("name", "")) for p in place if isinstance(p, dict)]
        found = [p for p in place if isinstance(p, dict) and step in ("*", p.get("name"))]
        if not found:
            raise UsageError(f"cannot set {path}: there is no {step!r}", where=where, fix=f"Known: {', '.join(known)}.")
        return found
    if not isinstance(place, dict):
        raise UsageError(f"cannot set {path}: {step} leads into no table", where=where)
    if step not in place and depth == 0:
        near = difflib.get_close_matches(step, place, 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(f"cannot set {path}", where=where, fix=f"{hint}It has: {', '.join(place)}.")
    return [place.setdefault(step, {})]
