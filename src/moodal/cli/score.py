"""``moodal score``: how well a bundle does on a user's own labelled data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from moodal.lab.score import Score

__all__ = ["score"]


def score(
    index: Annotated[str, typer.Argument(metavar="INDEX.csv", help="Rows with file or text, and a label column.")],
    bundle: Annotated[str, typer.Option(help="A bundle that `moodal models list` names, or the path of one.")],
    label: Annotated[str, typer.Option(help="Label column; several of ratings: valence,arousal.")],
    baseline: Annotated[str | None, typer.Option(help="subject: each one's own unlabelled rows may be used.")] = None,
    out: Annotated[str | None, typer.Option(help="Also write what was told of each row, as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object.")] = False,
) -> None:
    """Score a bundle on your own labelled data."""
    from moodal.cli import screen
    from moodal.lab import score as room

    with screen.progress(f"scoring {bundle}") as progress:
        scored = room.score(index, bundle=bundle, label=label, baseline=baseline, progress=progress)
    for line in scored.failed:
        screen.errors(line)
    if out is not None:
        _write(scored, out)
    if as_json:
        typer.echo(json.dumps(scored.answer, ensure_ascii=False))
    else:
        _show(scored)
    if scored.failed:
        raise typer.Exit(1)


def _write(scored: Score, out: str) -> None:
    import csv
    import io
    from pathlib import Path

    from moodal.formats.files import write_text

    rows = scored.rows()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(Path(out), text.getvalue())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _span(told: list[float | None]) -> str:
    return "" if None in told else f"{told[0]:.3f} to {told[1]:.3f}"


def _show(scored: Score) -> None:
    from rich.table import Table
    from rich.text import Text

    from moodal.cli import screen

    answer, terminal = scored.answer, screen.console()
    head = Text(f"{answer['bundle']}", style="bold")
    terminal.print(
        head.append(f"  {answer['n']} rows, {answer['withheld']} withheld, told in {answer['scheme']}", "dim")
    )
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    numbers = scored.targets.labels.kind == "continuous"
    table.add_column("", no_wrap=True)
    for name in ("score", "95 %", "constant", *(() if numbers else ("all classes",))):
        table.add_column(name, justify="right", no_wrap=True)
    for name, value in answer["metrics"].items():
        if numbers:
            for dimension, told in value.items():
                spans, none = answer["interval"][name][dimension], answer["trivial"][name][dimension]
                table.add_row(f"{name} {dimension}", _number(told), _span(spans), _number(none))
        else:
            more = (_number(answer["trivial"][name]), _number(answer["open_set"][name]))
            table.add_row(name, _number(value), _span(answer["interval"][name]), *more)
    terminal.print(table)
    _confusion(terminal, answer["confusion"])
    lines = [f"intervals over {answer['interval_over']}"]
    cover = answer["coverage"]
    if cover["observed"] is not None:
        lines.append(
            f"label sets at {cover['level']:.0%} hold the label in {cover['observed']:.0%}, with "
            f"{cover['mean_set_size']:.1f} classes on average; calibration error {_number(answer['ece'])}"
        )
    elif answer["ece"] is not None:
        lines.append(f"calibration error {_number(answer['ece'])}")
    if answer["trivial"]:
        lines.append(f"constant: {answer['trivial']['what']}")
    renamed = [f"{m['source']} as {m['label']}" for m in answer["labels"] if m["how"] != "same"]
    if renamed:
        lines.append(f"labels read: {', '.join(renamed)}")
    if answer["scale"]:
        lines.append(f"ratings taken as from {answer['scale'][0]:g} to {answer['scale'][1]:g} (matters for ccc alone)")
    if answer["baseline"]["asked"] and not answer["baseline"]["used"]:
        lines.append("this bundle has no use for a baseline")
    kinds = ", ".join(f"{n} {k}" for k, n in answer["contamination"].items() if n)
    lines.append(f"training data: {kinds}")
    for line in lines:
        terminal.print(Text(screen.plain(line), style="dim"))
    good = answer["verdict"].startswith("above")
    terminal.print(Text(answer["verdict"], style="bold green" if good else "bold yellow"))


def _confusion(terminal: Any, told: dict[str, Any]) -> None:
    """Rows are the labels, columns what was told; left out where it would not fit."""
    from rich.table import Table

    if "counts" not in told or len(told["classes"]) > 9:
        return
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("label", no_wrap=True, style="dim")
    for name in (*told["classes"], "withheld"):
        table.add_column(name[:6], justify="right", no_wrap=True)
    for name, row, held in zip(told["classes"], told["counts"], told["withheld"], strict=True):
        table.add_row(name, *(str(n) if n else "·" for n in (*row, held)))
    terminal.print(table)
