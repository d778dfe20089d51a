"""Settings as dataclasses: read from the tables of a recipe, unknown keys refused with the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from moodal.core.errors import UsageError

__all__ = ["parse", "refuse_unknown"]

T = TypeVar("T")


def refuse_unknown(told: Mapping[str, Any], known: Mapping[str, Any] | tuple[str, ...], where: str) -> None:
    """Refuse the first key that is not known.

    Raises
    ------
    UsageError : naming it and the nearest known one.
    """
    for key in told:
        if key not in known:
            near = difflib.get_close_matches(str(key), list(known), 1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise UsageError(f"unknown setting {key!r}", where=where, fix=f"{hint}Known: {', '.join(known)}.")


def parse(kind: type[T], told: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass from a table; tables within it are dataclasses of their own.

    ``Literal`` fields take one of their values, ``float`` ones whole numbers too.

    Raises
    ------
    UsageError : an unknown key, or a value of another type.
    """
    hints = get_type_hints(kind)
    known = {f.name: hints[f.name] for f in fields(kind)}  # type: ignore[arg-type]
    refuse_unknown(told, known, where)
    return kind(**{key: _value(known[key], value, f"{where}.{key}") for key, value in told.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if not isinstance(value, Mapping):
            raise UsageError("must be a table", where=where)
        return parse(hint, value, where)
    if get_origin(hint) is Literal:
        if value not in get_args(hint) or isinstance(value, bool):
            raise UsageError(f"is {value!r}", where=where, fix=f"Choose one of: {', '.join(map(str, get_args(hint)))}.")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if get_origin(hint) is dict:  # a table of any keys, values of one type
        if not isinstance(value, Mapping):
            raise UsageError("must be a table", where=where)
        return {str(key): _value(get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        told = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[hint]
        raise UsageError(f"is {value!r}, and must be {told}", where=where)
    return value
