"""``moodal extract``: one measurement of many recordings as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["extract"]


def extract(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Recordings, or folders of them.")],
    track: Annotated[str, typer.Option("--track", help="A name that `moodal tracks` lists.")],
    out: Annotated[str, typer.Option(help="Folder for the tables.")] = ".",
    functionals: Annotated[
        bool, typer.Option("--functionals", help="One row a recording and subject instead.")
    ] = False,
    fmt: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    fps: Annotated[float | None, typer.Option(help="Look at no more than this many pictures a second.")] = None,
    start: Annotated[float | None, typer.Option(help="Begin here, seconds.")] = None,
    end: Annotated[float | None, typer.Option(help="Stop here, seconds.")] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="FILE[@OFFSET_S]", help="Transcript or recording to join on one clock."),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option("--unit", metavar="FIELD=UNIT", help="Unit of a signal that states none: eda=uS."),
    ] = None,
) -> None:
    """Write one track of each recording, or its functionals, as a table."""
    from moodal.analyze import extract_from, functional_names
    from moodal.analyze import functionals as summarise
    from moodal.cli import screen
    from moodal.core.errors import MoodalError, OutputError, UsageError
    from moodal.derive import find
    from moodal.formats import write_table
    from moodal.media import read
    from moodal.media.inputs import inputs
    from moodal.settings import settings_from

    if fmt not in ("csv", "parquet"):
        raise UsageError(f"must be csv or parquet, not {fmt!r}", where="--format")
    find(track)
    rows: list[dict[str, object]] = []
    taken: set[str] = set()
    settings = settings_from(fps=fps, start=start, end=end)
    jobs = inputs(paths)
    failed = parts = 0
    for path, transcripts in jobs:
        try:
            recording = read(path, with_=[*transcripts, *(with_ or [])], unit=unit or ())
            with screen.progress(recording.name) as progress:
                tracks, measured = extract_from(recording, track, settings, progress)
        except OutputError:
            raise
        except MoodalError as error:
            if len(jobs) == 1:
                raise
            failed += 1
            screen.errors(str(error))
            continue
        parts += measured.partly
        for line in measured.warnings:
            screen.warning(line)
        if not len(tracks.columns()["time_s"]):
            why = sorted({gap.reason for one in tracks.by_subject.values() for gap in one.gaps}) or ["no_stream"]
            screen.warning(f"{recording.name}: {track}: nothing could be measured ({', '.join(why)})")
        if functionals:
            rows += summarise(tracks, recording.name)
            continue
        name = _unused(recording.name, taken)
        target = Path(out) / f"{name}.{track}.{fmt}"
        write_table(target, tracks.columns())
        typer.echo(str(target), err=True)
    if failed == len(jobs):
        raise typer.Exit(2)
    if functionals:
        target = Path(out) / f"{track}.functionals.{fmt}"
        names = ["file", "subject", *functional_names(track)]
        write_table(target, {name: [row[name] for row in rows] for name in names})
        typer.echo(str(target), err=True)
    if failed or parts:
        raise typer.Exit(1)


def _unused(name: str, taken: set[str]) -> str:
    """The name without its suffix; with it, and then numbered, where that is taken."""
    tries = (Path(name).stem, name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
    found = next(t for t in tries if t not in taken)
    taken.add(found)
    return found
