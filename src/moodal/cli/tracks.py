"""``moodal tracks``: every measurement, its fields, units, rate, look-ahead and source."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["tracks"]

#: Tracks with a row for each sample of the signal.
_SIGNALS = ("body.ecg", "body.ppg")


def tracks(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, and the closed list of gap reasons.")] = False,
) -> None:
    """List every track that can be measured."""
    from moodal.core.track import GAP_REASONS
    from moodal.derive import track_specs

    specs = track_specs()
    if as_json:
        rows = {"tracks": [s.as_dict() for s in specs], "gap_reasons": dict(GAP_REASONS)}
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    from rich.table import Table

    from moodal.cli import screen

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for name in ("track", "rate", "fields"):
        table.add_column(name, no_wrap=name != "fields", style="bold" if name == "track" else "")
    for spec in specs:
        rate = "events" if spec.rate_hz is None else f"{spec.rate_hz:g} Hz"
        if spec.rate_hz is None and spec.modality == "face":
            rate = "frames"
        elif spec.name in _SIGNALS:
            rate = "sensor's"
        shown = ", ".join(f"{f.name}{f' ({f.unit})' if f.unit else ''}" for f in spec.fields[:6])
        more = f" and {len(spec.fields) - 6} more" if len(spec.fields) > 6 else ""
        table.add_row(spec.name, rate, shown + more)
    screen.console().print(table)
    screen.console().print("Units, ranges, look-ahead, sources and gap reasons: moodal tracks --json", style="dim")
