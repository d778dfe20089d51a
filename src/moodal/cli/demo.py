"""``moodal demo``: assemble the demo recording on this machine and analyse it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]

_ABOUT = (
    "The demo is put together from a public-domain portrait, moved and partly covered by a program, and a "
    "public-domain reading. It shows the machinery, not a person's mood."
)


def demo(out: Annotated[str, typer.Option(help="Folder for the recording and its Mood.")] = "demo") -> None:
    """Assemble a recording from openly licensed parts, analyse it, and say where its page is."""
    from moodal import weights
    from moodal.analyze import analyze_into
    from moodal.cli import screen
    from moodal.media import read
    from moodal.media.demo import assemble
    from moodal.settings import settings_from

    folder = Path(out)
    talk = folder / "demo.mp4"
    if not talk.exists():
        assemble(weights.path("demo-portrait"), weights.path("demo-speech"), talk)
    with screen.progress("demo.mp4") as progress:
        mood, measured = analyze_into(read(talk), folder / "demo.mood", settings_from(), progress)
    terminal = screen.console()
    terminal.print(screen.mood_lines(mood.summary(), path=str(folder / "demo.mood" / "index.html"), warnings=False))
    terminal.print(_ABOUT, style="dim")
    for line in [*mood.warnings, *measured.notes]:
        screen.warning(line)
    if measured.failed:
        raise typer.Exit(1)
