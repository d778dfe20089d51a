"""``moodal people``: who is who, edited and recorded."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["people"]


def people(
    mood: Annotated[str, typer.Argument(metavar="MOOD", help="A NAME.mood folder.")],
    merge: Annotated[str, typer.Option("--merge", metavar="A,B", help="Subjects that are one; one alone is named.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call them.")] = None,
) -> None:
    """Make face, voice and wristband of one person one subject, and name it."""
    from moodal.cli import screen
    from moodal.people import people as edit

    edited = edit(mood, merge=merge, name=name)
    screen.console().print(screen.mood_lines(edited.summary(), path=f"{mood.rstrip('/')}/index.html"))
