"""Read, predict, count: the answer of ``moodal score``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.errors import InputError, MoodalError, UsageError
from moodal.core.register import statuses
from moodal.lab.bench.intervals import Units, units
from moodal.lab.data.index import Index
from moodal.lab.data.learner import Prediction

from . import figures
from .scorers import Scorer, open_scorer, sets_of
from .table import Row, read_rows
from .targets import Targets, read_targets

__all__ = ["Score", "score"]

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Score:
    """The answer, and what stands behind it row by row."""

    bundle: Bundle
    targets: Targets
    prediction: Prediction
    #: The object of ``moodal score --json``.
    answer: Mapping[str, Any]
    #: A line for each file that could not be read.
    failed: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """A row an example: what it is, its label as the table spells it and as it was read, what was told."""
        names, out = self.targets.labels.names, []
        told = np.argmax(self.prediction.scores, axis=1)
        occur = np.ones(len(names), bool)
        if self.targets.labels.kind == "class":
            occur = np.isin(np.arange(len(names)), self.targets.labels.values)
            told = np.argmax(np.where(occur, self.prediction.scores, -1), axis=1)
        for i, row in enumerate(self.targets.rows):
            withheld = bool(self.prediction.withheld[i])
            cells: dict[str, Any] = {
                "row": row.number,
                "file": "" if row.file is None else str(row.file),
                "text": row.text or "",
                "subject": row.subject,
                "source_label": self.targets.labels.source[i],
            }
            values = self.targets.labels.values[i]
            if self.targets.labels.kind == "continuous":
                cells |= {f"{n}_label": float(values[j]) for j, n in enumerate(names)}
            else:
                on = [n for j, n in enumerate(names) if (values[j] if np.ndim(values) else values == j)]
                cells["label"] = "|".join(on)
                chosen = [names[told[i]]]
                if self.targets.labels.kind == "multilabel":
                    chosen = [n for n, yes in zip(names, self.prediction.extra["decided"][i], strict=True) if yes]
                cells["predicted"] = "" if withheld else "|".join(chosen)
            cells["withheld"] = int(withheld)
            cells |= {n: "" if withheld else float(s) for n, s in zip(names, self.prediction.scores[i], strict=True)}
            out.append(cells)
        return out


def score(
    index: str | Path,
    *,
    bundle: str | Bundle,
    label: str | Sequence[str],
    baseline: str | None = None,
    seed: int = 0,
    scorer: Scorer | None = None,
    progress: Progress | None = None,
) -> Score:
    """Run a bundle on the rows of a table and compare with the labels there.

    Parameters
    ----------
    index : CSV with ``file`` (relative to it) or ``text``, and if known ``start_s``, ``end_s``, ``subject``,
        ``dialogue``, ``turn``, ``dataset``; and the label column.
    bundle : an installed bundle's name, or the path of one.
    label : the label column: classes (several joined by ``|`` for a bundle that tells several), or columns of ratings
        (``"valence,arousal"``).
    baseline : ``"subject"`` lets the bundle use each subject's own unlabelled rows, where it has a use for them.
    seed : of the bootstrap.

    Raises
    ------
    InputError, UsageError : in one line, naming the row at fault; also if no row's file could be read.
    """
    columns = [c.strip() for c in label.split(",")] if isinstance(label, str) else list(label)
    if baseline not in (None, "subject"):
        raise UsageError(f"unknown baseline {baseline!r}", where="--baseline", fix="Known: subject.")
    opened = registry.find_bundle(bundle) if isinstance(bundle, str) else bundle
    runner = scorer if scorer is not None else open_scorer(opened, baseline)
    path = Path(index)
    rows = read_rows(path, [c for c in columns if c])
    if baseline and not any(r.subject for r in rows):
        raise UsageError("--baseline subject needs a column subject", where=str(path), fix="Add one, or leave it out.")
    targets = read_targets(rows, columns, runner.schemes, runner.multilabel, str(path))
    prediction = _in_order(runner.predict(targets.rows, targets.scheme, progress), targets, runner)
    if len(runner.failed) == len(targets.rows):
        raise InputError(
            f"none of {len(runner.failed)} rows could be read; the first: {runner.failed[0]}", where=str(path)
        )
    among = _units(targets.rows)
    answer = {
        "bundle": opened.name,
        "n": len(targets.rows),
        **_figures(targets, prediction, among, seed),
        "withheld": int(prediction.withheld.sum()),
        "unlabelled": len(rows) - len(targets.rows),
        "scheme": targets.scheme,
        "labels": [dict(m) for m in targets.mapped],
        "scale": list(targets.scale) if targets.scale is not None else None,
        "interval_over": str(among),
        "baseline": {"asked": baseline, "used": bool(baseline) and runner.uses_baseline},
        "contamination": _contamination(opened, targets.rows),
        "failed": list(runner.failed),
    }
    answer["verdict"] = _verdict(answer, targets.labels.kind)
    return Score(opened, targets, prediction, answer, tuple(runner.failed))


def _in_order(prediction: Prediction, targets: Targets, runner: Scorer) -> Prediction:
    """Dimensions in the order of the label columns; classes stand in the scheme's order already."""
    if targets.labels.kind != "continuous":
        return prediction
    order = [runner.schemes["va"].index(n) for n in targets.labels.names]
    scores = prediction.scores[:, order]
    return Prediction(scores, prediction.withheld | ~np.isfinite(scores).all(axis=1))


def _units(rows: Sequence[Row]) -> Units:
    made = Index.build(
        "rows",
        {
            "clip": [str(r.number) for r in rows],
            "subject": [r.subject for r in rows],
            "dialogue": [r.dialogue for r in rows],
            "recording": [str(r.file or "") for r in rows],
        },
        {},
    )
    return units(made)


def _figures(targets: Targets, prediction: Prediction, among: Units, seed: int) -> dict[str, Any]:
    if targets.labels.kind == "continuous":
        return figures.of_numbers(targets.labels, prediction, among, seed)
    if targets.labels.kind == "multilabel":
        return figures.of_labels(targets.labels, prediction, among, seed)
    sets: npt.NDArray[np.bool_] = sets_of(prediction)
    return figures.of_classes(targets.labels, prediction, sets, among, seed)


def _contamination(bundle: Bundle, rows: Sequence[Row]) -> dict[str, int]:
    """How many rows the bundle was trained on; a file is hashed once, whatever number of stretches are scored."""
    known: dict[Path | None, str] = {}
    contents = []
    for row in rows:
        if row.file is None:
            contents.append(row.content())
            continue
        if row.file not in known:
            try:
                known[row.file] = row.content()
            except MoodalError:
                known[row.file] = ""
        contents.append(known[row.file])
    return {str(k): v for k, v in statuses(bundle, contents, [r.data_set for r in rows]).items()}


def _verdict(answer: Mapping[str, Any], kind: str) -> str:
    """One line: is it above what a constant answer gets, and was it trained on these rows?"""
    seen = answer["contamination"]["in-sample"]
    told = f"; {seen} of {answer['n']} rows were in its training data" if seen else ""
    if kind == "continuous":
        lows = {d: span[0] for d, span in answer["interval"]["pearson_r"].items()}
        weak = [d for d, low in lows.items() if low is None or low <= 0]
        return (f"not above chance in {', '.join(weak)}" if weak else "above chance") + told
    low, trivial = answer["interval"]["uar"][0], answer["trivial"]["uar"]
    if kind == "multilabel":
        low, trivial = answer["interval"]["macro_f1"][0], answer["trivial"]["macro_f1"]
    return ("above chance" if low is not None and low > trivial else "not above chance") + told
