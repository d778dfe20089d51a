"""``moodal show``: the summary of a saved Mood, and the Mood in other formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["show"]


def show(
    mood: Annotated[str, typer.Argument(metavar="MOOD", help="A NAME.mood folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="The summary object on standard output.")] = False,
    write: Annotated[list[str] | None, typer.Option(help="Write it as csv, json, eaf, srt, vtt, fex …")] = None,
    out: Annotated[str | None, typer.Option(help="Folder for --write; MOOD/exports unless told.")] = None,
) -> None:
    """Print the summary of a saved Mood, or write it in other formats."""
    from moodal.formats import load
    from moodal.formats.writer import EXPORTS, chosen, outputs

    formats = chosen(write)
    saved = load(mood)
    if formats:
        from moodal.cli import screen

        folder = Path(out) if out is not None else Path(mood) / EXPORTS
        for note in saved.write(folder, *formats):
            screen.errors(note)
        for name in formats:
            for file in outputs(saved, name):
                typer.echo(str(folder / file), err=as_json)
    if as_json:
        typer.echo(json.dumps(saved.summary(), ensure_ascii=False))
    elif not formats:
        from moodal.cli import screen

        screen.console().print(screen.mood_lines(saved.summary(), path=f"{mood.rstrip('/')}/index.html"))
