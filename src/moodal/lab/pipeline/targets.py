"""Label: what each window is to be predicted as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.compact import rows as table_rows
from moodal.lab.data.labels import Labels

from .functions import function_named
from .graph import Node
from .uses import nearest
from .windows import Window, Windows

__all__ = ["target"]


def target(node: Node, windows: Windows, root: Path | str | None = None) -> Labels:
    """The labels of a node, one a window; a window that has none is unlabelled, not dropped.

    Raises
    ------
    InputError : nothing is labelled, or a phase, label or column is not there, with the nearest.
    """
    s, rows = node.settings, windows.rows
    if node.use == "phases":
        labels = _phases(node, s, rows)
    elif node.use == "set":
        labels = _of_set(node, s, rows)
    elif node.use == "threshold":
        labels = _threshold(node, s, rows)
    elif node.use == "table":
        labels = _table(node, s, rows, root)
    else:
        function = function_named(node.use) if isinstance(node.use, str) else node.use
        told = ["" if (v := function(w, **s)) is None else str(v) for w in rows]
        labels = Labels.of_classes(told, sorted(set(told) - {""}), where=node.told)
    if not labels.labelled.any():
        raise InputError("labels no window", where=node.told, fix="Check phases and names.")
    return labels


def _known(wanted: Sequence[str], have: set[str], node: Node, what: str) -> None:
    for name in wanted:
        if name not in have:
            shown = ", ".join(sorted(h for h in have if h)[:8]) or "none"
            raise InputError(
                f"no recording has the {what} {name!r}", where=node.told,
                fix=f"{nearest(name, have)}There are: {shown}.",
            )  # fmt: skip


def _phases(node: Node, s: Mapping[str, Any], rows: Sequence[Window]) -> Labels:
    """Phase → class. Numbers are named after the phases they stand for, unless ``names`` says otherwise."""
    table = s["phases"]
    _known(list(table), {w.phase for w in rows}, node, "phase")
    classes: dict[Any, list[str]] = {}
    for phase, value in table.items():
        classes.setdefault(value, []).append(phase)
    order = sorted(classes) if all(isinstance(c, int) for c in classes) else list(classes)
    names = list(s.get("names") or [c if isinstance(c, str) else "+".join(classes[c]) for c in order])
    if len(names) != len(order):
        raise UsageError(f"names has {len(names)} entries for {len(order)} classes", where=node.told)
    called = dict(zip(order, names, strict=True))
    told = [called[table[w.phase]] if w.phase in table else "" for w in rows]
    return Labels.of_classes(told, names, where=node.told, source=[w.phase for w in rows])


def _of_set(node: Node, s: Mapping[str, Any], rows: Sequence[Window]) -> Labels:
    known = set.intersection(*(set(w.raw.labels) for w in rows)) if rows else set()
    name = s.get("name", "")
    if not name and len(known) == 1:
        name = next(iter(known))
    _known([name], known, node, "label")
    held = {id(w.raw.labels[name][0]): w.raw.labels[name][0] for w in rows}
    first = next(iter(held.values()))
    if any(h.names != first.names or h.kind != first.kind for h in held.values()):
        raise InputError(f"data sets differ in the classes of {name}", where=node.told, fix="Map them: map = {...}.")
    at = [w.raw.labels[name][1] for w in rows]
    if first.kind != "class":
        values = np.stack([w.raw.labels[name][0].values[i] for w, i in zip(rows, at, strict=True)])
        return Labels(first.kind, first.names, values, first.scheme, first.units)
    names = first.names
    mapped, dropped = s.get("map", {}), s.get("drop", [])
    _known([*mapped, *dropped], set(names), node, "class")
    told = [names[v] if (v := w.raw.labels[name][0].values[i]) >= 0 else "" for w, i in zip(rows, at, strict=True)]
    told = ["" if t in dropped else mapped.get(t, t) for t in told]
    kept = list(dict.fromkeys(mapped.get(n, n) for n in names if n not in dropped))
    return Labels.of_classes(told, kept, where=node.told)


def _threshold(node: Node, s: Mapping[str, Any], rows: Sequence[Window]) -> Labels:
    """Above ``at``, or above the mean of the subject's own recordings."""
    column = s["column"]
    _known([column], set(rows[0].raw.columns), node, "column")
    try:
        values = np.array([float(w.raw.columns[column]) for w in rows])
    except ValueError as error:
        raise InputError(f"column {column} holds no number ({error})", where=node.told) from error
    if "at" in s:
        level = np.full(len(rows), float(s["at"]))
    else:
        of: dict[str, dict[str, float]] = {}
        for w, v in zip(rows, values, strict=True):
            of.setdefault(w.raw.subject, {})[w.raw.recording] = v
        level = np.array([np.mean(list(of[w.raw.subject].values())) for w in rows])
    told = ["" if not np.isfinite(v) else "high" if v > t else "low" for v, t in zip(values, level, strict=True)]
    return Labels.of_classes(told, ("low", "high"), where=node.told)


def _table(node: Node, s: Mapping[str, Any], rows: Sequence[Window], root: Path | str | None) -> Labels:
    path = Path(s["file"]) if Path(s["file"]).is_absolute() or root is None else Path(root) / s["file"]
    if not path.exists():
        raise InputError("no such table of labels", where=str(path), fix="Columns: subject, phase, label.")
    column = s.get("column", "label")
    found: dict[tuple[str, str], str] = {}
    for i, row in enumerate(table_rows(path)):
        if column not in row or "subject" not in row:
            raise InputError(f"lacks the column {column if 'subject' in row else 'subject'}", where=str(path))
        key = (row["subject"], row.get("phase", ""))
        if key in found:
            raise InputError(f"row {i + 2} labels {' '.join(key)} again", where=str(path), fix="Keep one.")
        found[key] = row[column]
    told = [found.get((w.raw.subject, w.phase), found.get((w.raw.subject, ""), "")) for w in rows]
    return Labels.of_classes(told, sorted(set(told) - {""}), where=node.told)
