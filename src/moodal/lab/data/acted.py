"""What readers of acted speech share: clips by their names, from the official folders or from our tar."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from moodal.core.errors import InputError

from .compact import Tar, rows
from .dataset import Dataset
from .index import Index
from .labels import Labels
from .media import content_of, in_tar
from .spec import SetSpec, lacking, need
from .told import mapped

__all__ = ["clips_in_tar", "files_named", "named", "speech"]

Row = dict[str, str]


def clips_in_tar(spec: SetSpec, root: Path, needed: Sequence[str]) -> list[Row]:
    """The rows of ``index.csv``, each with ``recording`` (its member of ``clips.tar``) and ``content``.

    ``clip`` loses its ending, so that an example is called the same in every layout.
    """
    index, tar = need(spec, root, ["index.csv", "clips.tar"])
    told = rows(index, ("clip", *needed))
    with Tar(tar) as members:
        for i, row in enumerate(told):
            if row["clip"] not in members:
                raise InputError(f"row {i + 1}: clips.tar has no member {row['clip']!r}", where=str(index))
    return [row | {"clip": Path(row["clip"]).stem} | _media(in_tar(tar, row["clip"])) for row in told]


def files_named(spec: SetSpec, root: Path, pattern: str, what: str) -> list[Path]:
    """Files under the root by pattern, in order of their names; a copy of a name in a second folder is left out.

    Raises
    ------
    InputError : there is none.
    """
    found: dict[str, Path] = {}
    for path in sorted(root.rglob(pattern), key=lambda p: (p.name, len(p.parts), str(p))):
        if path.is_file():
            found.setdefault(path.name, path)
    if not found:
        raise lacking(spec, what, root)
    return list(found.values())


def named(path: Path, form: re.Pattern[str], told: str) -> Row:
    """What a file's name says, with its ``clip``, ``recording`` and ``content``.

    Raises
    ------
    InputError : the name is not of the set's form.
    """
    match = form.fullmatch(path.stem)
    if match is None:
        raise InputError("is not named as the set names its files", where=str(path), fix=f"The form is {told}.")
    return {k: v or "" for k, v in match.groupdict().items()} | {"clip": path.stem} | _media(str(path))


def _media(recording: str) -> Row:
    return {"recording": recording, "content": content_of(recording)}


def speech(
    spec: SetSpec,
    told: Sequence[Mapping[str, str]],
    classes: Sequence[str],
    ekman8: Mapping[str, str],
    columns: Sequence[str],
    *,
    where: Path,
    label: str = "emotion",
    labels: Mapping[str, Labels] | None = None,
    **more: Any,
) -> Dataset:
    """One example a clip: labels ``label`` (as the set calls it) and ``ekman8`` (by the set's written table).

    Every row has clip, recording, content, subject, emotion; ``columns`` are the others that are kept.
    """
    emotions = [row["emotion"] for row in told]
    kept = ("clip", "recording", "content", "subject", *columns)
    index = Index.build(
        spec.name,
        {name: [row[name] for row in told] for name in kept},
        {
            label: Labels.of_classes(emotions, classes, where=str(where)),
            "ekman8": mapped(emotions, ekman8),
            **(labels or {}),
        },
        terms=spec.licence,
        **more,
    )
    return Dataset(index, {})
