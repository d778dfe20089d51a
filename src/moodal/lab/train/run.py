"""One training of a recipe, into a folder: killed and started again it ends with the same numbers."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError
from moodal.formats.files import json_text, write_text
from moodal.lab.data.contents import contents
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.index import Index
from moodal.lab.data.learner import Prediction
from moodal.lab.recipes import Recipe

from .folder import SCHEMA, RunFolder, environment, git_state
from .metrics import CHOOSERS, figures, interval

__all__ = ["Fold", "train"]


class Fold(Protocol):
    """Rows of the three parts, as the protocols of the bench make them."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def train(self) -> npt.NDArray[np.int64]: ...  # noqa: D102
    @property
    def validation(self) -> npt.NDArray[np.int64]: ...  # noqa: D102
    @property
    def test(self) -> npt.NDArray[np.int64]: ...  # noqa: D102


def train(
    recipe: Recipe,
    learner: str,
    data: Dataset,
    fold: Fold,
    out: Path,
    *,
    seed: int = 0,
    protocol: str = "",
    progress: Callable[[str, float], None] | None = None,
) -> RunFolder:
    """Train one learner of a recipe on one fold of its data; ``out`` becomes the run's folder.

    A run that stands there finished, of the same recipe, data, fold and seed, is returned as it is; a started one goes
    on from its last whole epoch; another one is replaced. Of several processes (torchrun) the first one writes.

    Raises
    ------
    UsageError : no such learner in the recipe, or it is not a model of the lab.
    OutputError : the folder cannot be written.
    """
    import torch

    from moodal.core import registry

    from .learner import TorchLearner
    from .parallel import Group

    part = recipe.learner_named(learner)
    if part.use not in registry.names("models"):
        raise UsageError(
            f"learner {part.name} is {part.use}, which is fitted by the bench", where=recipe.name,
            fix=f"Run: moodal bench {recipe.name}. Models that are trained: {', '.join(registry.names('models'))}.",
        )  # fmt: skip
    settings = dict(part.settings)
    if recipe.metric in CHOOSERS:  # the figure that is quoted, unless told otherwise: as the bench does
        settings["train"] = {"select": f"val_{recipe.metric}", **settings.get("train", {})}
    made = TorchLearner(part.name, part.use, settings)
    seen = data.only(part.modalities) if part.modalities else data
    parts = {name: seen.take(getattr(fold, name)) for name in ("train", "validation", "test")}

    folder = RunFolder(out)
    told = {
        "schema": SCHEMA,
        "recipe": asdict(recipe),
        "learner": part.name,
        "settings": made.settings(),
        "seed": seed,
        "label": recipe.label,
        "protocol": protocol or recipe.protocol.use,
        "fold": fold.name,
        "data": _data(seen, parts),
        "environment": environment(),
        "git": git_state(Path.cwd()),
    }
    key = hashlib.sha256(json_text({k: told[k] for k in ("recipe", "settings", "seed", "fold", "data")}).encode())
    told["key"] = key.hexdigest()
    group = Group.current()
    same = (out / "run.json").exists() and folder.run.get("key") == told["key"]
    done = same and folder.finished
    group.wait()  # all have looked before one writes
    if done:
        return folder
    if group.rank == 0:
        if (out / "run.json").exists() and not same:
            shutil.rmtree(out)
        folder.write("run.json", told)
    group.wait()

    began = time.perf_counter()
    fitted = made.fit(
        parts["train"], parts["validation"], label=recipe.label, seed=seed, folder=out / "state", progress=progress
    )
    took = time.perf_counter() - began
    if group.rank:
        return RunFolder(out)
    fitted.save(out / "checkpoint.npz")
    write_text(out / "curves.csv", _curves(fitted.told["curves"]))
    clips = contents(parts["train"].index) + contents(parts["validation"].index)
    write_text(out / "training_clips.txt", "".join(f"{c}\n" for c in sorted(set(clips))))
    predicted = {name: fitted.predict(parts[name].sealed()) for name in ("validation", "test")}
    write_text(out / "predictions.csv", _predictions(parts, predicted, recipe.label))
    epochs = max(1, len(fitted.told["curves"]))
    folder.write("timing.json", {"fit_s": took, "clips_per_s": len(parts["train"]) * epochs / took,
                                 "threads": torch.get_num_threads()})  # fmt: skip
    unit = _unit(parts)
    scores = {name: _scored(recipe, parts[name].index, predicted[name], unit) for name in ("validation", "test")}
    told_fit = {k: v for k, v in fitted.told.items() if k != "curves"}
    # Last: a folder with scores is a finished one.
    RunFolder(out).write("scores.json", {"metric": recipe.metric, "unit": unit, "fit": told_fit, **scores})
    shutil.rmtree(out / "state", ignore_errors=True)
    return RunFolder.open(out)


def _data(data: Dataset, parts: dict[str, Dataset]) -> dict[str, Any]:
    return {
        "name": data.index.name,
        "terms": data.index.terms,
        "fingerprint": data.fingerprint(),
        "examples": {name: len(part) for name, part in parts.items()},
        "modalities": {
            m: {"channels": f.width, "rate_hz": f.rate_hz, "source": f.source,
                "present": {name: int(p.features[m].present.sum()) for name, p in parts.items()}}
            for m, f in data.features.items()
        },
    }  # fmt: skip


def _unit(parts: dict[str, Dataset]) -> str:
    """What is resampled for intervals: people where no test person was trained on, else dialogues, else recordings."""
    for column in ("subject", "dialogue", "recording"):
        there = [set(parts[p].index[column]) for p in ("train", "test")]
        if "" not in there[1] and len(there[1]) > 4 and not there[0] & there[1]:
            return column
    return "clip"


def _scored(recipe: Recipe, index: Index, predicted: Prediction, unit: str) -> dict[str, Any]:
    labels = index.label(recipe.label)
    rows = np.flatnonzero(labels.labelled)
    scores = predicted.scores[rows]
    if labels.kind in ("class", "distribution"):
        # Withheld counts as wrong: the least likely class is told.
        wrong = (
            np.where(np.arange(scores.shape[1]) == labels.values[rows][:, None], 0.0, 1.0)
            if (labels.kind == "class")
            else scores
        )
        scores = np.where(predicted.withheld[rows][:, None], wrong, scores)
    truth = labels.values[rows]
    told = figures(labels.kind, scores, truth)
    return {
        "n": len(rows),
        "withheld": int(predicted.withheld[rows].sum()),
        "figures": told,
        "interval": interval(labels.kind, scores, truth, index[unit][rows]),
        "trivial": figures(labels.kind, _trivial(labels.kind, scores, truth), truth),
    }


def _trivial(kind: str, scores: npt.NDArray[Any], truth: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """What says the same of everything: the most frequent class, or the mean."""
    if kind == "class":
        return np.tile(np.bincount(truth, minlength=scores.shape[1]).astype(float), (len(truth), 1))
    return np.tile(truth.mean(axis=0, dtype=float), (len(truth), 1))


def _curves(rows: list[dict[str, float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{k: int(v) if k == "epoch" else repr(v) for k, v in row.items()} for row in rows])
    return text.getvalue()


def _predictions(parts: dict[str, Dataset], predicted: dict[str, Prediction], label: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = parts["test"].index.label(label).names
    writer.writerow(["part", "clip", "withheld", *names])
    for name, told in predicted.items():
        clips = parts[name].index["clip"]
        for clip, held, row in zip(clips, told.withheld, told.scores, strict=True):
            writer.writerow([name, clip, int(held), *(f"{v:.6f}" for v in row)])
    return text.getvalue()
