"""The commands put together."""

from __future__ import annotations

from typing import Annotated

import typer

from moodal import __version__
from moodal.cli import (
    analyze,
    audit,
    bench,
    demo,
    doctor,
    export,
    extract,
    models,
    people,
    pipe,
    score,
    show,
    tracks,
    train,
)

__all__ = ["build"]

_ABOUT = "A recording in, displayed emotion with honest uncertainty out."


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"moodal {__version__}")
        raise typer.Exit


def build() -> typer.Typer:
    """The application with every command."""
    app = typer.Typer(help=_ABOUT, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def front(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version)
        ] = False,
    ) -> None:
        pass

    app.command("analyze")(analyze.analyze)
    app.command("show")(show.show)
    app.command("people")(people.people)
    app.command("extract")(extract.extract)
    app.command("tracks")(tracks.tracks)
    app.add_typer(models.app, name="models", help="Models and bundles: fetch, list, check, read their cards.")
    app.command("score")(score.score)
    app.add_typer(audit.app, name="audit", help="Check a split for leaks.")
    app.command("bench")(bench.bench)
    app.add_typer(pipe.app, name="pipe", help="Pipelines in TOML: run, check, draw, propose, compare.")
    app.command("train")(train.train)
    app.command("export")(export.export)
    app.command("doctor")(doctor.doctor)
    app.command("demo")(demo.demo)
    return app
