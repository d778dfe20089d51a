"""``moodal pipe``: pipelines in TOML, checked, drawn, run and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False)

File = Annotated[str, typer.Argument(help="A pipeline in TOML, or the name of one that ships with moodal.")]
AsJson = Annotated[bool, typer.Option("--json", help="Everything, as JSON on standard output.")]


@app.command()
def run(
    file: File,
    data: Annotated[list[str] | None, typer.Argument(help="Folder of the recordings; one a source.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the card (and the saved pipeline).")] = Path("."),
    permutations: Annotated[int, typer.Option(help="Runs on permuted labels, for a p-value.", min=0)] = 0,
    save: Annotated[bool, typer.Option("--save", help="Learn from everything too, and save it to OUT/saved.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute again what was computed before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a pipeline by folds; write card.json and card.html."""
    from moodal.cli import screen
    from moodal.lab.data.cache import Cache
    from moodal.lab.pipeline import load
    from moodal.lab.pipeline.prepare import roots
    from moodal.lab.pipeline.toml import to_toml

    pipeline = load(file).check()
    root = roots(pipeline, data or [])
    cache = None if fresh else Cache()
    with screen.progress(pipeline.name) as bar:
        card = pipeline.evaluate(root, cache=cache, permutations=permutations, progress=lambda _, share: bar(share))
        if save:
            pipeline.fit(root, cache=cache).save(out / "saved")
    card.save(out)
    from moodal.formats.files import write_text

    write_text(out / "pipeline.toml", to_toml(pipeline))
    if as_json:
        typer.echo(json.dumps(card.told, ensure_ascii=False))
        return
    _show(card.told)
    screen.console().print(f"page  {screen.plain(str(out / 'card.html'))}", style="dim", soft_wrap=True)


def _show(told: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from moodal.cli import screen

    terminal = screen.console()
    data, split = told["data"], told["split"]
    head = f"{told['name']}  {data['recordings']} recordings of {len(data['subjects'])} subjects, {split['name']}"
    terminal.print(Text(screen.plain(head), style="bold"))
    for line in (*told["declared"], *split["notices"]):
        bad = "OVERLAP" in line or "LEAKY" in line
        terminal.print(Text(f"! {screen.plain(line)}", style="bold red" if bad else "yellow"))
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    metric = told["estimates"][0]["metric"]
    table.add_column("estimate", style="bold")
    for column in (metric, "95 %", "accuracy" if metric == "uar" else "", "majority"):
        if column:
            table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for r in told["estimates"]:
        low, high = r["interval"][metric]
        cells = [_number(r["metrics"][metric]), f"{_number(low)} to {_number(high)}"]
        if metric == "uar":
            cells.append(_number(r["metrics"]["accuracy"]))
        table.add_row(
            Text(screen.plain(r["name"])), *cells, _number(r["trivial"]["majority"]["score"]), Text(r["verdict"])
        )
    terminal.print(table)
    purged, withheld = split["purged"], sum(sum(w.values()) for w in told["windows"]["withheld"].values())
    if purged or withheld:
        terminal.print(f"{purged} windows purged, {withheld} features withheld (reasons: the card)", style="dim")
    terminal.print(told["statement"], style="dim")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


@app.command()
def check(file: File, as_json: AsJson = False) -> None:
    """Check a pipeline without any data: structure, types, units, and what is fitted where."""
    from moodal.lab.pipeline import load

    pipeline = load(file).check()
    if as_json:
        typer.echo(json.dumps({"name": pipeline.name, "nodes": len(pipeline.nodes), "sha256": pipeline.fingerprint()}))
        return
    from moodal.cli import screen

    screen.console().print(f"{screen.plain(pipeline.name)}: {len(pipeline.nodes)} nodes, nothing wrong", markup=False)


@app.command()
def graph(
    file: File, out: Annotated[Path | None, typer.Option("-o", "--out", help="Write it as an SVG.")] = None
) -> None:
    """Draw a pipeline: text here, or an SVG file."""
    from moodal.formats.files import write_text
    from moodal.lab.pipeline import draw, load

    pipeline = load(file).check()
    if out is None:
        typer.echo(draw.text(pipeline))
        return
    write_text(out, draw.svg([[n.id, n.stage, n.told, list(n.inputs)] for n in pipeline.nodes]) + "\n")


@app.command()
def new(
    source: Annotated[Path, typer.Option("--from", help="A folder of recordings.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write it there.")] = None,
) -> None:
    """Propose a pipeline after looking at a folder."""
    from moodal.formats.files import write_text
    from moodal.lab.pipeline.propose import propose

    text = propose(source).check().to_toml()
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)


@app.command()
def compare(a: Path, b: Path, as_json: AsJson = False) -> None:
    """Put two run cards side by side."""
    from moodal.cli import screen
    from moodal.lab.pipeline.card import Card
    from moodal.lab.pipeline.card import compare as compared

    told = compared(Card.open(a), Card.open(b))
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    terminal = screen.console()
    for what, same in told["same"].items():
        terminal.print(f"{what:<9} {'the same' if same else 'differs'}", style="" if same else "yellow")
    for line in told["pipeline"]:
        terminal.print(Text(screen.plain(line), style="red" if line[0] == "-" else "green"), soft_wrap=True)
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for column in ("estimate", "metric", "first", "second", ""):
        table.add_column(column)
    for r in told["estimates"]:
        cells = [
            f"{_number(r[k])} ({_number(r[f'{k}_interval'][0])} to {_number(r[f'{k}_interval'][1])})" for k in "ab"
        ]
        table.add_row(
            Text(screen.plain(r["name"])),
            r["metric"],
            *cells,
            "" if r["comparable"] else "another task: not comparable",
        )
    terminal.print(table)


@app.command()
def features(as_json: AsJson = False) -> None:
    """List every hand feature: name, unit, stream."""
    from moodal.lab.data.hand import GROUPS, listed

    if as_json:
        typer.echo(json.dumps(listed(), ensure_ascii=False))
        return
    for group in GROUPS.values():
        typer.echo(f"{group.name}  {group.about}")
        typer.echo(f"    of the stream: {group.kind or 'any'}")
        fields = [f"{f} [{u}]" for f, u in group.fields.items()] if group.name != "voice.egemaps" else [
            "openSMILE's 88 names: moodal pipe features --json"
        ]  # fmt: skip
        line = "   "
        for f in fields:
            if len(line) + len(f) + 2 > 78:
                typer.echo(line)
                line = "   "
            line += f" {f},"
        typer.echo(line.rstrip(","))
