"""``moodal analyze``: recordings in, one ``NAME.mood/`` each out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["analyze"]


def analyze(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Videos, sounds, pictures, transcripts, or folders of them.")
    ],
    with_: Annotated[
        list[str] | None, typer.Option("--with", help="Transcript to join (SRT, VTT, Whisper JSON, text).")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder in which NAME.mood/ is made.")] = ".",
    only: Annotated[list[str] | None, typer.Option(help="face, voice, words … (commas or repeated).")] = None,
    scheme: Annotated[list[str] | None, typer.Option(help="Class vocabulary; the first is the main one.")] = None,
    fps: Annotated[float | None, typer.Option(help="Look at no more than this many pictures a second.")] = None,
    start: Annotated[float | None, typer.Option(help="Begin here, seconds.")] = None,
    end: Annotated[float | None, typer.Option(help="Stop here, seconds.")] = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="Refuse whatever forbids commercial use.")] = False,
    asr_model: Annotated[str | None, typer.Option(help="Folder with another faster-whisper model.")] = None,
    language: Annotated[str | None, typer.Option(help="What is spoken, as a code (en), where known.")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="START:END in s: a neutral stretch that body signals are compared with.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One summary object a line on standard output.")] = False,
) -> None:
    """Turn recordings into displayed emotion with honest uncertainty."""
    from moodal.analyze import analyze_into, folder_for, settings_from
    from moodal.cli import screen
    from moodal.core.errors import InputError, MoodalError
    from moodal.media import read
    from moodal.media.inputs import inputs

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
    )
    jobs = [(path, [*joined, *map(Path, with_ or [])]) for path, joined in inputs(paths)]
    done: list[Path] = []
    failed = parts = 0
    for path, transcripts in jobs:
        try:
            recording = read(path, with_=transcripts)
            target = folder_for(recording, Path(out), done)
            with screen.progress(recording.name) as progress:
                mood, measured = analyze_into(recording, target, settings, progress)
        except MoodalError as error:
            if len(jobs) == 1 or not isinstance(error, InputError):
                if as_json:
                    typer.echo(json.dumps({"recording": Path(path).name, "error": str(error)}))
                raise
            failed += 1
            screen.errors(str(error))
            if as_json:
                typer.echo(json.dumps({"recording": Path(path).name, "error": str(error)}))
            continue
        done.append(target)
        parts += measured.failed
        if as_json:
            typer.echo(json.dumps(mood.summary(), ensure_ascii=False))
            for warning in mood.warnings:
                screen.errors(warning)
        else:
            screen.console().print(screen.mood_lines(mood.summary(), path=str(target / "index.html")))
    if not done:
        raise typer.Exit(2)
    if failed or parts:
        raise typer.Exit(1)
