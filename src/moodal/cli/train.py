"""``moodal train``: one learner of a recipe, into a folder that can be exported."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["train"]


def train(
    name: Annotated[str, typer.Argument(help="A recipe, or the path of a TOML file. See: moodal bench list")],
    learner: Annotated[str, typer.Option("--learner", help="Which of its learners (the first that trains).")] = "",
    seed: Annotated[int | None, typer.Option("--seed", help="Seed (the recipe's first).")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Your copy of the data set.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder (runs/NAME-LEARNER-SEED).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The scores as JSON on standard output.")] = False,
) -> None:
    """Train a model on the first fold of a recipe, or make an expert's bundle; a killed run started again ends with the
    same numbers."""
    from moodal.cli import screen
    from moodal.core import registry
    from moodal.core.errors import MissingExtra, UsageError
    from moodal.lab import recipes
    from moodal.lab.bench.protocols import protocol
    from moodal.lab.bench.recipe import read
    from moodal.lab.experts import recipe as experts

    if name in experts.names() or "experts" in Path(name).parts:
        _expert(name, seed, data, out, as_json, learner)
        return
    recipe = recipes.load(name)
    models = registry.names("models")
    trained = [part.name for part in recipe.learner if part.use in models]
    if not learner and not trained:
        raise UsageError("has no learner that trains", where=recipe.name, fix=f"Run: moodal bench {recipe.name}")
    chosen = recipe.learner_named(learner or trained[0]).name
    try:
        from moodal.lab.train.run import train as run
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "lab", "moodal train") from error
    seed = recipe.seeds[0] if seed is None else seed
    split = protocol(recipe.protocol.use, **recipe.protocol.settings)
    examples = read(recipe, data)
    folds = split.split(examples)
    for line in split.notices(examples.index, folds):
        screen.warning(line)
    target = out or Path("runs") / f"{recipe.name}-{chosen}-{seed}"
    if int(os.environ.get("RANK", "0")):  # torchrun: the first process tells
        run(recipe, chosen, examples, folds[0], target, seed=seed, protocol=str(split))
        return
    with screen.steps(f"training {chosen}") as told:
        folder = run(recipe, chosen, examples, folds[0], target, seed=seed, protocol=str(split), progress=told)
    if as_json:
        typer.echo(json.dumps({"run": str(folder.path), **folder.scores}, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for column in ("", "validation", "test", "95 % interval", "trivial"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    scores = folder.scores
    for metric, value in scores["test"]["figures"].items():
        low, high = scores["test"]["interval"][metric]
        table.add_row(
            metric.replace("_", " "), f"{scores['validation']['figures'][metric]:.3f}", f"{value:.3f}",
            f"{low:.3f} to {high:.3f}", f"{scores['test']['trivial'][metric]:.3f}",
            style="bold" if metric == recipe.metric else "",
        )  # fmt: skip
    terminal = screen.console()
    fit = scores["fit"]
    terminal.print(f"{chosen} ({fit['model']}, {fit['parameters']:,} parameters), seed {seed}", style="bold")
    terminal.print(table)
    terminal.print(
        f"epoch {fit['best_epoch']} of {fit['epochs']} by {fit['selected_on']}; {scores['validation']['n']} and "
        f"{scores['test']['n']} examples, intervals over {scores['unit']}s", style="dim",
    )  # fmt: skip
    terminal.print(f"in {folder.path}", style="dim", soft_wrap=True)
    terminal.print(f"as a bundle: moodal export {folder.path} --out NAME.bundle", soft_wrap=True)


def _expert(name: str, seed: int | None, data: Path | None, out: Path | None, as_json: bool, learner: str) -> None:
    """An expert: its bundle is written into the run's folder, and its figures are printed."""
    from dataclasses import replace

    from rich.table import Table

    from moodal.cli import screen
    from moodal.core.errors import MissingExtra, UsageError
    from moodal.lab.experts.make import make, table
    from moodal.lab.experts.recipe import load

    recipe = load(name)
    if learner:
        raise UsageError("experts have no learners to choose from", where="--learner", fix="Leave it out.")
    if seed is not None:
        recipe = replace(recipe, seed=seed)
    target = out or Path("runs") / recipe.name
    try:
        with screen.steps(f"making {recipe.name}") as told:
            bundles = make(recipe, target, root=data, progress=told)
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "lab", f"moodal train {recipe.name}") from error
    if as_json:
        rows = [{"bundle": str(b.path), "scores": b.manifest["scores"], "rivals": b.manifest["rivals"],
                 "coverage": b.manifest["coverage"], "groups": b.manifest["groups"]} for b in bundles]  # fmt: skip
        typer.echo(json.dumps(rows[0] if len(rows) == 1 else rows, ensure_ascii=False))
        return
    terminal = screen.console()
    for bundle in bundles:
        if "scores" not in bundle.manifest or bundle.manifest["kind"] == "encoder":
            continue
        shown = Table(box=None, padding=(0, 1), pad_edge=False)
        for column in ("", "metric", "value", "95 % interval", "trivial", "reach", "n"):
            shown.add_column(column, justify="left" if column in ("", "metric") else "right", no_wrap=bool(column))
        for row in table(bundle):
            low, high = row["interval"]
            shown.add_row(
                row["what"], row["metric"].replace("_", " "), f"{row['value']:.3f}", f"{low:.3f} to {high:.3f}",
                f"{row['trivial']:.3f}", f"{row['reach']:.2f}" if "reach" in row else "", str(row["n"]),
                style="dim" if row["rival"] else "",
            )  # fmt: skip
        terminal.print(f"{bundle.name} ({bundle.path.stat().st_size / 1e6:.1f} MB)", style="bold")
        terminal.print(shown)
        for protocol, part in bundle.manifest["coverage"].items():
            for what, levels in (part["coverage"] if "ece" not in part else {"label sets": part["coverage"]}).items():
                cells = ", ".join(f"{c['observed']:.3f} at {float(v):.2g}" for v, c in levels.items())
                apart = f"; ECE {part['ece']:.3f}" if "ece" in part else ""
                terminal.print(f"{protocol}, {what} cover {cells}{apart}", style="dim", soft_wrap=True)
        terminal.print(f"in {bundle.path}", style="dim", soft_wrap=True)
