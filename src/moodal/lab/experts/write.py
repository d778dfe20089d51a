"""From what a maker hands over to a bundle: calibration, scores, card, register of training clips."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core import register
from moodal.core.bundle import Bundle
from moodal.formats.files import disk_errors
from moodal.lab.data.contents import contents
from moodal.lab.export.card import NOT_FOR

from . import calibrate
from .figures import by_group, scored
from .made import Made
from .recipe import ExpertRecipe

__all__ = ["manifest_of", "write"]


def manifest_of(recipe: ExpertRecipe, made: Made) -> dict[str, Any]:
    """The manifest with everything that is measured: calibration, scores, rivals, groups, coverage."""
    fitted: dict[str, Any] | None = dict(made.calibration) or None
    coverage: Mapping[str, Any] = {}
    ranked = [made.parts[name] for name in made.calibrate_on]
    if ranked and ranked[0].kind in ("class", "distribution"):
        fitted = {**calibrate.fit(ranked, scaling=made.scaling), **made.calibration}
        coverage = calibrate.checked(ranked, scaling=made.scaling, seed=recipe.seed)
    elif made.calibrated:
        counted = [made.parts[name] for name in made.calibrated]
        coverage = calibrate.checked(counted, hot=False, seed=recipe.seed)
    elif ranked and ranked[0].kind == "continuous":
        told = calibrate.half_widths(ranked[0], recipe.seed)
        coverage = {ranked[0].protocol: {"coverage": told.pop("coverage")}}
        fitted = {**told, **made.calibration}
    coverage = dict(coverage)
    first: Mapping[str, Any] = next(iter(coverage.values()), {})
    if fitted is not None and first.get("coverage", {}).get("0.9"):
        # What a page says of the label sets.
        fitted = {"level": 0.9, "observed": first["coverage"]["0.9"]["observed"], **fitted}
    for name, (known, target) in made.unseen_corpus.items():
        coverage[name] = calibrate.adapted(
            [made.parts[k] for k in known], target, scaling=made.scaling, seed=recipe.seed
        )
    sets: dict[str, dict[str, Any]] = {}
    for index in made.trained_on:
        row = sets.setdefault(index.name, {"name": index.name, "n": 0, "licence": index.terms})
        row["n"] += len(index)
    manifest = {
        "name": made.name,
        "version": recipe.version,
        "kind": "expert",
        "licence": recipe.licence,
        "commercial": recipe.commercial,
        "data_terms": recipe.data_terms,
        "inputs": [],
        "scheme": "",
        **made.manifest,
        "data": list(sets.values()),
        "calibration": fitted,
        "scores": {name: scored(part, fitted, recipe.seed) for name, part in made.parts.items()},
        "rivals": {name: scored(part, None, recipe.seed) for name, part in made.rivals.items()},
        "groups": {name: told for name, part in made.parts.items() if (told := by_group(part, fitted))},
        "coverage": coverage,
        "not_for": list(NOT_FOR),
        "recipe": {"name": recipe.name, "key": recipe.fingerprint(), "seed": recipe.seed},
    }
    return manifest


def write(recipe: ExpertRecipe, made: Made, folder: Path) -> Bundle:
    """Write ``NAME.bundle`` into the folder, whole or not at all; the same content gives the same bytes.

    Raises
    ------
    OutputError : the folder cannot be written.
    """
    manifest = manifest_of(recipe, made)
    clips = [h for index in made.trained_on for h in contents(index)]
    arrays = {**made.arrays, register.ARRAY: register.as_array(clips)} if clips else dict(made.arrays)
    target = folder / f"{made.name}.bundle"
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with disk_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            Bundle.write(part, manifest, card(recipe, made, manifest), _plain(arrays), made.graphs)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return Bundle.open(target)


def _plain(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.ascontiguousarray(a) for name, a in arrays.items()}


def card(recipe: ExpertRecipe, made: Made, manifest: Mapping[str, Any]) -> str:
    """The card as Markdown: every figure stands in the manifest too."""
    terms = [f"- {d['name']}: {d['n']:,} examples. {d['licence'] or 'terms not stated'}" for d in manifest["data"]]
    lines = [
        f"# {made.name}", "", made.about.strip(), "",
        "It tells displayed emotion or state as others would name it, never what is felt.", "",
        "## Data and terms", "",
        f"{recipe.data_terms}. {'Commercial use is allowed.' if recipe.commercial else 'Not for commercial use.'}", "",
        *terms, *([""] if terms else []),
        "`training_clips` holds a hash of every example that weights or calibration were fitted on.", "",
        "## Scores", "",
        "Each figure is of people (or documents, or pictures, where the set names no people) that the model which made "
        "it had not seen; intervals are at 95 %, by bootstrap over them. Trivial: the most frequent class or the mean.",
        "", "| protocol | metric | value | 95 % interval | trivial | n | over |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(told["protocol"], told) for told in manifest["scores"].values()),
        *(_row(f"*{name}*", told) for name, told in manifest["rivals"].items()), "",
    ]  # fmt: skip
    dimensions = [(n, d, t) for n, told in manifest["scores"].items() for d, t in told.get("by_dimension", {}).items()]
    if dimensions:
        lines += ["| protocol | dimension | r | 95 % interval |", "| --- | --- | --- | --- |"]
        lines += [f"| {n} | {d} | {t['pearson_r']:.3f} | {_span(t['interval'])} |" for n, d, t in dimensions]
        lines.append("")
    lines += _coverage(manifest)
    for name, columns in manifest["groups"].items():
        for column, rows in columns.items():
            lines += [f"{name}, by {column}:", "", "| group | value | n | people |", "| --- | --- | --- | --- |"]
            lines += [f"| {g} | {r['value']:.3f} | {r['n']} | {r['people']} |" for g, r in rows.items()] + [""]
    lines += [
        "## How it was made", "",
        f"`moodal train {recipe.name}`, seed {recipe.seed}; the recipe's key is {manifest['recipe']['key'][:12]}.", "",
        "## Not for", "", *(f"- {use}" for use in manifest["not_for"]), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _row(name: str, told: Mapping[str, Any]) -> str:
    return (
        f"| {name} | {told['metric'].replace('_', ' ')} | {told['value']:.3f} | {_span(told['interval'])} | "
        f"{told['trivial']:.3f} | {told['n']} | {told['units']} |"
    )


def _span(interval: list[float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def _chance(part: Mapping[str, Any]) -> str:
    return f" ({part['ece_by_chance'][1]:.3f})" if "ece_by_chance" in part else ""


def _coverage(manifest: Mapping[str, Any]) -> list[str]:
    if not manifest["coverage"]:
        return ["## Calibration", "", "None.", ""]
    told = manifest["calibration"]
    lines = ["## Calibration", ""]
    if "temperature" in told:
        lines += [f"{told['kind'].capitalize()} scaling, temperature {told['temperature']:.3f}, fitted on "
                  f"{told['n']:,} out-of-fold predictions of {told['people']} people or groups.", ""]  # fmt: skip
    lines += ["Counted on those that neither the model nor the calibration had seen; beside the ECE, what 95 % of "
              "draws of as many labels from the probabilities themselves stay below:", "",
              "| protocol | level | covered | 95 % interval | mean set size | ECE (by chance) |",
              "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for protocol, part in manifest["coverage"].items():
        if "ece" in part:
            lines += [
                f"| {protocol} | {level} | {c['observed']:.3f} | {_span(c['interval'])} | {c['mean_set_size']:.2f} | "
                f"{part['ece']:.3f}{_chance(part)} |"
                for level, c in part["coverage"].items()
            ]
        else:
            lines += [
                f"| {protocol}, {dimension} | {level} | {c['observed']:.3f} | {_span(c['interval'])} | – | – |"
                for dimension, levels in part["coverage"].items()
                for level, c in levels.items()
            ]
    return [*lines, ""]
