"""``moodal analyze``: recordings in, one ``NAME.mood/`` each out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["analyze"]


def analyze(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Videos, sounds, pictures, transcripts, signals of the body, or folders of them."
        ),
    ],
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="FILE[@OFFSET_S]", help="Transcript or recording to join on one clock."),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option("--unit", metavar="FIELD=UNIT", help="Unit of a signal that states none: eda=uS."),
    ] = None,
    out: Annotated[str, typer.Option(help="Folder in which NAME.mood/ is made.")] = ".",
    only: Annotated[list[str] | None, typer.Option(help="face, voice, words … (commas or repeated).")] = None,
    scheme: Annotated[list[str] | None, typer.Option(help="Class vocabulary; the first is the main one.")] = None,
    fps: Annotated[float | None, typer.Option(help="Look at no more than this many pictures a second.")] = None,
    start: Annotated[float | None, typer.Option(help="Begin here, seconds.")] = None,
    end: Annotated[float | None, typer.Option(help="Stop here, seconds.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="BUNDLE", help="Tell the emotion by this bundle (name or path).")
    ] = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="Refuse whatever forbids commercial use.")] = False,
    asr_model: Annotated[str | None, typer.Option(help="Folder with another faster-whisper model.")] = None,
    language: Annotated[str | None, typer.Option(help="What is spoken, as a code (en), where known.")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="START:END in s: a neutral stretch that body signals are compared with.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="TRACK", help="Store this track too: face.landmarks.")
    ] = None,
    write: Annotated[list[str] | None, typer.Option(help="Further formats: csv, json, eaf, srt, vtt, fex …")] = None,
    parallel: Annotated[int, typer.Option("--jobs", help="Recordings at a time, each in a process of its own.")] = 1,
    again: Annotated[bool, typer.Option("--again", help="Of several: do finished ones again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One summary object a line on standard output.")] = False,
) -> None:
    """Turn recordings into displayed emotion with honest uncertainty."""
    from moodal import batch
    from moodal.analyze import analyze_into, folder_for
    from moodal.cli import screen
    from moodal.core.errors import MoodalError, spelt
    from moodal.formats.leftovers import sweep
    from moodal.formats.writer import chosen
    from moodal.media import read
    from moodal.media.inputs import inputs
    from moodal.settings import settings_from

    settings = settings_from(
        only=only,
        scheme=scheme,
        fps=fps,
        start=start,
        end=end,
        commercial=commercial,
        asr_model=asr_model,
        language=language,
        baseline=baseline,
        keep=keep,
        model=model,
    )
    formats = chosen(write)
    batch.check_jobs(parallel)
    jobs: list[tuple[Path, list[str | Path]]] = [
        (path, [*joined, *(with_ or [])]) for path, joined in inputs(paths, Path(out))
    ]
    for left in sweep(Path(out)):
        screen.errors(f"{left}: left by a run that was killed, cleared away …")
    if len(jobs) > 1:
        from moodal.cli.many import many

        many(jobs, Path(out), batch.Plan(settings, tuple(unit or ()), formats, again), jobs=parallel, as_json=as_json)
        return
    [(path, transcripts)] = jobs
    try:
        recording = read(path, with_=transcripts, unit=unit or ())
        target = folder_for(recording, Path(out))
        with screen.progress(recording.name) as progress:
            noted = batch.noted(batch.Job(path, tuple(transcripts), target), unit or ())
            mood, measured = analyze_into(recording, target, settings, progress, write=formats, noted=noted)
    except MoodalError as error:
        if as_json:
            name = spelt(path.name or path.resolve().name)
            typer.echo(json.dumps({"recording": name, "error": str(error)}, ensure_ascii=False))
        raise
    if as_json:
        typer.echo(json.dumps(mood.summary(), ensure_ascii=False))
    else:
        screen.console().print(screen.mood_lines(mood.summary(), path=str(target / "index.html"), warnings=False))
    for line in [*mood.warnings, *measured.notes]:
        screen.warning(line)
    if measured.partly:
        raise typer.Exit(1)
