"""What a data set's reader declares about it, and the one message for what a user lacks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moodal.core.errors import InputError

__all__ = ["SetSpec", "data_home", "find", "lacking"]


@dataclass(frozen=True, slots=True)
class SetSpec:
    """One data set, as its reader knows it.

    ``licence`` is its terms in one line, ``commercial`` ``yes``, ``no`` or ``unclear``; ``where`` says how to get it;
    ``layout`` the official tree in a few lines; ``compact`` the folder of our compact layout under ``MOODAL_DATA``, or
    ``""``; ``source`` the publication. ``subjects`` names the column a fold must not share, or says why there is none.
    """

    name: str
    title: str
    modalities: tuple[str, ...]
    labels: tuple[str, ...]
    licence: str
    commercial: str
    where: str
    layout: str
    source: str
    compact: str = ""
    subjects: str = "subject"


def lacking(spec: SetSpec, what: str, where: Path | str) -> InputError:
    """The error for a part that is not there: what, where to get it, under which terms."""
    return InputError(
        f"{spec.title} lacks {what}",
        where=str(where),
        fix=f"Get it: {spec.where} Terms: {spec.licence}",
    )


def data_home() -> Path | None:
    """The folder that holds data sets, from ``MOODAL_DATA``; None where it is not set."""
    home = os.environ.get("MOODAL_DATA", "")
    return Path(home) if home and Path(home).is_dir() else None


def find(spec: SetSpec, root: Path | str | None) -> tuple[Path, bool]:
    """Where the set lies, and whether that is our compact layout.

    ``root`` is the user's own copy in the official layout, or a folder in the compact one; None looks under
    ``MOODAL_DATA`` for ``spec.compact``, then for ``spec.name``.

    Raises
    ------
    InputError : it is in none of these places, with how to get it.
    """
    if root is not None:
        path = Path(root)
        if not path.exists():
            raise lacking(spec, "its folder", path)
        return path, bool(spec.compact) and path.name == spec.compact
    home = data_home()
    if home is None:
        raise InputError(
            f"{spec.title} was not named and MOODAL_DATA is not set",
            where=spec.name,
            fix=f"Name its folder, or set MOODAL_DATA. Get it: {spec.where} Terms: {spec.licence}",
        )
    if spec.compact and (home / spec.compact).is_dir():
        return home / spec.compact, True
    if (home / spec.name).is_dir():
        return home / spec.name, False
    raise lacking(spec, f"its folder ({spec.compact or spec.name})", home)


def need(spec: SetSpec, root: Path, parts: Sequence[str]) -> list[Path]:
    """The parts under ``root``, each of which must be there.

    Raises
    ------
    InputError : naming the first that is not.
    """
    for part in parts:
        if not (root / part).exists():
            raise lacking(spec, part, root)
    return [root / part for part in parts]
