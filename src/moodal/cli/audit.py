"""``moodal audit``: is anything of the test part in training?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from moodal.lab.bench.audit import Audit

__all__ = ["app", "split"]

app = typer.Typer(no_args_is_help=True, add_completion=False)

_PEOPLE = {
    "independent": "the people of the test part are new (subject-independent)",
    "dependent": "people of the test part are in training too (subject-dependent)",
    "unknown": "not all rows name their people: nobody can tell whether they are new",
}


@app.callback()
def _front() -> None:
    """Checks of data, not of models."""


@app.command()
def split(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A split table, or a folder of EmoBox, audformat, torcheeg.")
    ],
    index: Annotated[str | None, typer.Option(help="Table of all clips that the split was made from.")] = None,
    media: Annotated[str | None, typer.Option(help="Folder that file names start from.")] = None,
    no_media: Annotated[bool, typer.Option("--no-media", help="Look at the tables alone.")] = False,
    within_subject: Annotated[bool, typer.Option("--within-subject", help="People are meant to be known.")] = False,
    baseline: Annotated[str | None, typer.Option(help="subject: own unlabelled rows may standardise features.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON on standard output.")] = False,
) -> None:
    """Check a split for leaks: exit 0 clean, 3 a leak, 2 nothing to read."""
    from moodal.cli import screen
    from moodal.lab.bench.audit import audit_split

    with screen.progress("looking at the split") as progress:
        audit = audit_split(
            path, index=index, media=media, use_media=not no_media, within_subject=within_subject, baseline=baseline,
            progress=progress,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(audit.as_dict(), ensure_ascii=False))
    else:
        _show(audit)
    if not audit.clean:
        raise typer.Exit(3)


def _show(audit: Audit) -> None:
    from rich.table import Table
    from rich.text import Text

    from moodal.cli import screen

    terminal = screen.console()
    parts = {p: sum(int(f.get(p, 0)) for f in audit.folds) for p in ("train", "validation", "test")}
    rows = ", ".join(f"{n} {p}" for p, n in parts.items() if n)
    folds = f"{len(audit.folds)} folds, " if len(audit.folds) > 1 else ""
    terminal.print(Text(screen.plain(str(audit.path)), style="bold"))
    terminal.print(Text(f"{audit.layout}: {folds}{rows} rows", style="dim"))
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in (*audit.leaks, *audit.notices):
        leak = finding.level == "leak"
        told = Text(screen.plain(finding.what))
        if len(audit.folds) > 1 and finding.folds:
            told.append(f" (in {len(finding.folds)} of {len(audit.folds)} folds)", style="dim")
        if finding.named:
            where = f"{finding.folds[0]}: " if len(audit.folds) > 1 and finding.folds else ""
            told.append(f"\n{screen.plain(where + finding.named)}", style="dim")
        if leak and finding.fix:
            told.append(f"\n{finding.fix}", style="italic")
        name = finding.key.replace("_", " ")
        table.add_row(Text("LEAK", style="bold red") if leak else Text("notice", style="yellow"), name, told)
    if table.row_count:
        terminal.print(table)
    if not audit.media or not any(audit.media.values()):
        terminal.print("No media looked at: duplicates by content and by ear were not looked for.", style="dim")
    terminal.print(_PEOPLE[audit.people], style="dim")
    if audit.clean:
        terminal.print(Text("no leak found", style="bold green"))
    else:
        n = len(audit.leaks)
        terminal.print(
            Text(f"{n} kind{'s' if n > 1 else ''} of leak: scores on this split are not to be quoted", style="bold red")
        )
