"""``moodal export``: a trained run as a bundle that runs without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a run (moodal train).")],
    out: Annotated[Path, typer.Option("--out", help="The bundle to write.")],
    name: Annotated[str, typer.Option("--name", help="Its name (the file's stem).")] = "",
    version: Annotated[str, typer.Option("--version", help="Its version.")] = "1",
    licence: Annotated[str, typer.Option("--licence", help="Licence of the weights.")] = "",
    commercial: Annotated[bool, typer.Option("--commercial", help="The data's terms allow commercial use.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The manifest as JSON on standard output.")] = False,
) -> None:
    """Export a run; refused where the exported graph differs from the trained model."""
    from moodal.cli import screen
    from moodal.core.errors import MissingExtra
    from moodal.lab.export import export as write
    from moodal.lab.train.folder import RunFolder

    folder = RunFolder.open(run)
    try:
        with screen.progress(f"exporting {run.name}"):
            bundle = write(folder, out, name=name, version=version, licence=licence, commercial=commercial)
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "lab", "moodal export") from error
    if as_json:
        typer.echo(json.dumps(dict(bundle.manifest), ensure_ascii=False))
        return
    model = bundle.manifest["model"]
    terminal = screen.console()
    terminal.print(f"{bundle.name}: {out} ({out.stat().st_size / 1e6:.1f} MB)", style="bold", soft_wrap=True)
    terminal.print(f"reads {', '.join(model['modalities'])}; says {', '.join(model['classes'])}")
    terminal.print(f"differs from the trained model by {model['parity']['found']:.1g} at most", style="dim")
