"""``moodal analyze`` of several recordings: one bar for all of them, a table, an index, errors at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from moodal import batch
from moodal.formats.leftovers import sweep

__all__ = ["many"]

#: Timing of a recording that was finished before.
_NO_TIME = {"load_s": 0.0, "analysis_s": 0.0, "real_time": None}


def many(inputs: Sequence[tuple[Path, Sequence[Any]]], out: Path, how: batch.Plan, *, jobs: int, as_json: bool) -> None:
    """Analyse them all; exit 1 where some failed, 2 where all did."""
    from moodal.cli import screen

    planned = batch.plan(inputs, out)
    outcomes: list[batch.Outcome] = []
    failed: list[str] = []
    skipped = parts = 0
    with screen.many_progress(len(planned), jobs) as (progress, say):
        for outcome in batch.run(planned, how, workers=jobs, progress=progress):
            job, summary = outcome.job, outcome.summary
            outcomes.append(outcome)
            if summary is None:
                failed.append(outcome.error)
                if as_json:
                    typer.echo(json.dumps({"recording": job.name, "error": outcome.error}, ensure_ascii=False))
                if outcome.stops is not None:
                    continue
            else:
                skipped += outcome.skipped
                parts += outcome.partly
                if as_json:
                    # What was finished before took no time now, but a row has the same fields as any other.
                    summary = {**summary, "timing": summary.get("timing", _NO_TIME)}
                    typer.echo(json.dumps(summary, ensure_ascii=False))
                else:
                    say(screen.recording_line(summary, skipped=outcome.skipped))
                for note in [*summary["warnings"], *outcome.notes]:
                    screen.warning(note)
    for note in batch.index(outcomes, out):
        screen.errors(note)
    sweep(out)  # of a run that was just dying when this one began
    for line in failed:
        screen.errors(line)
    done = len(outcomes) - len(failed)
    if not as_json:
        finished = f", {skipped} of them finished before and skipped" if skipped else ""
        screen.console().print(f"{done} of {len(planned)} recordings analysed{finished}", highlight=False)
        screen.console().print(f"index  {out / 'index.html'}", highlight=False, soft_wrap=True)
    elif skipped:
        screen.errors(f"{skipped} of {len(planned)} recordings were finished before and are skipped …")
    if not done:
        raise typer.Exit(2)
    if failed or parts:
        raise typer.Exit(1)
