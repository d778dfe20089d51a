"""``moodal show``: the summary of a saved Mood."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["show"]


def show(
    mood: Annotated[str, typer.Argument(metavar="MOOD", help="A NAME.mood folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="The summary object on standard output.")] = False,
) -> None:
    """Print the summary of a saved Mood."""
    from moodal.formats import load

    saved = load(mood)
    if as_json:
        typer.echo(json.dumps(saved.summary(), ensure_ascii=False))
        return
    from moodal.cli import screen

    screen.console().print(screen.mood_lines(saved.summary(), path=f"{mood.rstrip('/')}/index.html"))
