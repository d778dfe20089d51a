"""Callables in a pipeline: a user's function stands in it by a registered name, or as ``module:function``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from moodal.core.errors import UsageError

__all__ = ["REGISTERED", "function_named", "is_reference", "name_of", "register"]

F = TypeVar("F", bound=Callable[..., Any])

#: Name → (stage, function), as `register` filled it.
REGISTERED: dict[str, tuple[str, Callable[..., Any]]] = {}


def register(name: str, stage: str) -> Callable[[F], F]:
    """Give a function a name that a pipeline's TOML may use: ``@register("my.hr", stage="extract")``.

    Raises
    ------
    UsageError : the name is taken, or is that of a built-in.
    """
    from .uses import STAGES, USES

    if stage not in STAGES:
        raise UsageError(f"no stage is called {stage!r}", where=name, fix=f"Stages: {', '.join(STAGES)}.")

    def keep(function: F) -> F:
        if name in USES or ":" in name or not name:
            raise UsageError(f"{name!r} cannot be registered", fix="Choose a name that moodal does not use.")
        if name in REGISTERED and REGISTERED[name][1] is not function:
            raise UsageError(f"{name!r} is registered already", fix="Choose another name.")
        REGISTERED[name] = (stage, function)
        return function

    return keep


def is_reference(use: str) -> bool:
    """Whether it reads ``module:function``."""
    module, colon, name = use.partition(":")
    return bool(colon) and all(p.isidentifier() for p in (*module.split("."), *name.split(".")))


def function_named(use: str) -> Callable[..., Any]:
    """The function of a registered name, or the one that ``module:function`` names; its module is imported.

    Raises
    ------
    UsageError : there is none.
    """
    if use in REGISTERED:
        return REGISTERED[use][1]
    module, _, name = use.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"no function {use} ({error})", fix="Is its folder on PYTHONPATH?") from error
    if not callable(found):
        raise UsageError(f"{use} is no function")
    return found


def name_of(function: Callable[..., Any], stage: str) -> str:
    """How TOML names a function.

    Raises
    ------
    UsageError : a lambda, or a function inside another: nothing could find it again, with the line that registers it.
    """
    for name, (_, known) in REGISTERED.items():
        if known is function:
            return name
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if is_reference(f"{module}:{name}") and module != "__main__":
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is function:
            return f"{module}:{name}"
    shown = "a lambda" if "<lambda>" in name else f"the function {name or function!r}"
    raise UsageError(
        f"{shown} cannot be written to TOML",
        where=stage,
        fix=f"Register it before: moodal.lab.pipeline.register('NAME', stage='{stage}')(FUNCTION)",
    )
