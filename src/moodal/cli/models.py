"""``moodal models``: fetch, list and check model files; read cards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

__all__ = ["app", "bundle_rows", "model_rows"]

app = typer.Typer(no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Everything, as JSON on standard output.")]

#: What a card says of a model file, in this order.
_CARD = (
    "what_for", "version", "state", "licence", "licence_source", "commercial_terms", "data_terms", "caution",
    "reads", "says", "package", "official",
)  # fmt: skip


def model_rows() -> list[dict[str, Any]]:
    """Every model file of the manifest, with where it stands on this machine."""
    from moodal import weights

    return [{"kind": "model", **e.as_dict(), "state": weights.state(e)} for e in weights.entries()]


def bundle_rows() -> list[dict[str, Any]]:
    """Every bundle that is installed: licence, terms, and where its scores stand."""
    from moodal.core import registry

    return [
        {
            "kind": bundle.manifest["kind"],
            **bundle.as_model(),
            "commercial_terms": "yes" if bundle.manifest["commercial"] is True else "no",
            "data_terms": bundle.manifest["data_terms"],
            "reads": ", ".join(bundle.manifest["inputs"]),
            "says": bundle.manifest["scheme"],
            "scores": bundle.manifest.get("scores"),
            "calibration": bundle.manifest["calibration"],
            "state": "present",
        }
        for bundle in registry.bundles().values()
    ] + [
        {
            "kind": "bundle", "name": name, "version": "", "licence": "not readable", "commercial": False,
            "commercial_terms": "no", "data_terms": "", "reads": "", "says": "", "scores": None, "calibration": None,
            "state": "damaged",
        }
        for name in registry.damaged()
    ]  # fmt: skip


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List models and bundles: licence, commercial use, what is installed."""
    rows = model_rows() + bundle_rows()
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    from rich.table import Table

    from moodal import weights
    from moodal.cli import screen

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("commercial", no_wrap=True)
    table.add_column("licence")
    for row in rows:
        size = f"{row['bytes'] / 1e6:.1f}" if "bytes" in row else "-"
        here = {"present": "yes", "missing": "[yellow]no[/yellow]", "damaged": "[red]damaged[/red]"}[row["state"]]
        table.add_row(row["name"], size, here, row["commercial_terms"], row["licence"])
    terminal = screen.console()
    terminal.print(table)
    terminal.print(f"in {weights.home() / 'models'}", style="dim", soft_wrap=True)
    terminal.print("what each is and where its licence was read: moodal models card NAME", style="dim")
    if any(row["state"] != "present" for row in rows):
        terminal.print("fetch what is missing: moodal models pull")


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """Bytes done, bytes in all and time left, on standard error; plain lines where that is no terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from moodal.cli import screen

    terminal = screen.console(error=True)
    if not terminal.is_terminal:
        started = False

        def say(_: str, done: int, total: int) -> None:
            nonlocal started
            if not started:
                started = True
                screen.errors(f"fetching models, up to {total / 1e6:.0f} MB …")

        yield say
        return
    columns = (
        TextColumn("{task.description:<21}"),
        BarColumn(None),
        DownloadColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=terminal, transient=True) as bars:
        task = bars.add_task("models", total=None)
        yield lambda what, done, total: bars.update(task, description=what or "models", completed=done, total=total)


@app.command()
def pull(
    names: Annotated[list[str] | None, typer.Argument(help="Models to fetch (all by default).")] = None,
    official: Annotated[bool, typer.Option("--official", help="From the publishers' addresses, not packages.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All of them, whatever names are given.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch model files into the cache; what is there already is left alone."""
    from moodal import weights
    from moodal.cli import screen

    with _bar() as progress:
        pulled = weights.pull(None if everything else names, official=official, progress=progress)
    downloaded = sum(p.downloaded for p in pulled)
    if as_json:
        rows = [
            {"name": p.name, "outcome": p.outcome, "bytes": p.bytes, "downloaded_bytes": p.downloaded} for p in pulled
        ]
        typer.echo(json.dumps({"models": rows, "downloaded_bytes": downloaded, "cache": str(weights.home())}))
        return
    fetched = sum(p.outcome == "fetched" for p in pulled)
    how = f"{fetched} fetched now, {downloaded / 1e6:.1f} MB downloaded" if fetched else "nothing to fetch"
    terminal = screen.console()
    terminal.print(f"{len(pulled)} {'model' if len(pulled) == 1 else 'models'} ready: {how}")
    terminal.print(f"in {weights.home() / 'models'}", style="dim", soft_wrap=True)


@app.command()
def card(name: Annotated[str, typer.Argument(help="A model or bundle.")], as_json: AsJson = False) -> None:
    """Print what a model is, its licence, its data's terms and what it is not for."""
    from moodal.cli import screen
    from moodal.core import registry
    from moodal.core.errors import UsageError

    row = next((r for r in model_rows() + bundle_rows() if r["name"] == name), None)
    if row is None:
        raise UsageError(f"unknown model {name!r}", fix="See: moodal models list")
    bundle = registry.find_bundle(name) if row["kind"] != "model" else None
    if as_json:
        more = {"card": bundle.card, "manifest": dict(bundle.manifest)} if bundle else {}
        typer.echo(json.dumps({**row, **more}, ensure_ascii=False))
        return
    terminal = screen.console()
    if bundle:
        from rich.markdown import Markdown

        terminal.print(Markdown(bundle.card))
        return
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    labels = {"commercial_terms": "commercial use", "licence_source": "read in", "data_terms": "training data"}
    for key in _CARD:
        if row[key]:
            table.add_row(labels.get(key, key.replace("_", " ")), _plain(row[key]))
    for file in row["files"]:
        table.add_row("file", _plain(f"{file['file']}, {file['bytes']:,} bytes"))
        table.add_row("SHA-256", file["sha256"])
    terminal.print(_plain(name), style="bold")
    terminal.print(table)


def _plain(text: str) -> Any:
    """Text in which brackets are brackets, not styles."""
    from rich.text import Text

    return Text(text)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Hash every installed file again; exit 1 where one is missing or damaged."""
    from moodal import weights
    from moodal.cli import screen

    states = {e.name: weights.state(e, again=True) for e in weights.entries()}
    bad = [name for name, state in states.items() if state != "present"]
    if as_json:
        typer.echo(json.dumps(states))
    else:
        for name, state in states.items():
            screen.console().print(f"{state:<8} {name}", style="yellow" if name in bad else "")
        if bad:
            screen.console().print("put right what is wrong: moodal models pull")
    if bad:
        raise typer.Exit(1)
