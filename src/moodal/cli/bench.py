"""``moodal bench``: run a recipe under a protocol that refuses leaks, or list the recipes."""

from __future__ import annotations

import json
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from moodal.core.errors import UsageError

__all__ = ["bench"]


def bench(
    name: Annotated[str, typer.Argument(help="A recipe, the path of a TOML file, or: list", show_default=False)],
    data: Annotated[Path | None, typer.Option("--data", help="Your copy of the data set.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write NAME.bench/ there: page, Markdown, CSV, JSON.", show_default=False),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Fits at a time.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute again what is kept.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Write the figures into the repository.")] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one value for this run: protocol.settings.k=3, say.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON on standard output.")] = False,
) -> None:
    """Run a benchmark from its recipe; killed and started again it goes on where it was."""
    if name == "list":
        _list(as_json)
        return
    from moodal.cli import screen
    from moodal.lab.bench.recipe import bench as run_recipe
    from moodal.lab.bench.recipe import record as write_down
    from moodal.lab.bench.recipe import remember

    changes = dict(_changed(text) for text in change or ())
    if changes and record:
        raise UsageError(
            "a run with --set is not the recipe's", where="--record", fix="Change the recipe, or leave it out."
        )
    with _warnings_in_a_line(), screen.progress(name) as progress:
        report = run_recipe(name, data, jobs=jobs, fresh=fresh, progress=progress, changes=changes)
    if not changes:
        remember(report)
    written = list(write_down(report)) if record else []
    if out is not None:
        from moodal.lab.bench.page import write

        written.append(write(report, out))
    if as_json:
        typer.echo(json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False))
        return
    from moodal.lab.bench.tables import terminal

    screen.console().print(terminal(report))
    for path in written:
        screen.console().print(f"written  {path}", soft_wrap=True, markup=False)


def _changed(text: str) -> tuple[str, Any]:
    """``KEY=VALUE``; a value that is no TOML (``svm``, say) is text."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"{text!r} is no KEY=VALUE", where="--set", fix="Write protocol.settings.k=3, say.")
    try:
        return key.strip(), tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """A damaged cache entry is one line on standard error, not Python's two with a place in the source."""
    from moodal.cli import screen

    def show(message: Any, *_: Any, **__: Any) -> None:
        screen.warning(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _list(as_json: bool) -> None:
    from moodal.lab.bench.recipe import listing

    rows = listing()
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    from moodal.cli import screen
    from moodal.lab.bench.tables import figure, title_of

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("recipe", style="bold", overflow="fold")  # a long name may break, a number may not
    table.add_column("data", no_wrap=True)
    table.add_column("figure", no_wrap=True)
    table.add_column("ours", justify="right", no_wrap=True)
    table.add_column("published", justify="right", no_wrap=True)
    table.add_column("gap", justify="right", no_wrap=True)
    nan = float("nan")
    for row in rows:
        published = "–" if row["published"] is None else figure(row["published"])
        if row["published_metric"] not in (None, row["metric"]):
            published += f" {title_of(row['published_metric'])}"
        table.add_row(
            row["name"],
            "here" if row["data_present"] else Text("no", style="yellow"),
            title_of(row["metric"]),
            figure(nan if row["ours"] is None else row["ours"]),
            published,
            figure(nan if row["gap"] is None else row["gap"]),
        )
    terminal = screen.console()
    terminal.print(table)
    for row in rows:
        if told := ", ".join(t for t in (row["published_protocol"], row["source"]) if t):
            terminal.print(f"published, {row['name']}: {told}", style="dim")
    terminal.print("run one: moodal bench NAME; the gap stands only where both are the same figure", style="dim")
