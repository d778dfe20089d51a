"""``moodal doctor``: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from importlib import metadata
from typing import Annotated, Any

import typer

__all__ = ["doctor"]

#: Package → what it is for, and the extra that brings it (empty: always installed).
_PARTS = {
    "numpy": ("all measurements", ""),
    "av": ("reading video and sound", ""),
    "pillow": ("pictures", ""),
    "onnxruntime": ("speech detection", ""),
    "ai-edge-litert": ("face networks", ""),
    "pyarrow": ("Parquet tables", ""),
    "typer": ("the command line", ""),
    "rich": ("the terminal", ""),
    "faster-whisper": ("speech to text", "asr"),
    "pandas": ("to_pandas()", "pandas"),
}


def _report() -> dict[str, Any]:
    from moodal import __version__, weights

    parts = []
    for name, (purpose, extra) in _PARTS.items():
        try:
            version: str | None = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = None
        parts.append({"package": name, "version": version, "for": purpose, "extra": extra or None})
    home = weights.home()
    near = next(p for p in (home, *home.parents) if p.exists())
    return {
        "moodal": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": parts,
        "models": {e.name: weights.state(e) for e in weights.entries()},
        "cache": str(home),
        "free_bytes": shutil.disk_usage(near).free,
        "offline": os.environ.get("MOODAL_OFFLINE") == "1",
        "executable": sys.executable,
    }


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
) -> None:
    """Say what is installed and what is missing; exit 1 where the core cannot run."""
    report = _report()
    broken = [p for p in report["packages"] if p["version"] is None and p["extra"] is None]
    lacking = [name for name, state in report["models"].items() if state != "present"]
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _print(report, lacking)
    if broken or lacking:
        raise typer.Exit(1)


def _print(report: dict[str, Any], lacking: list[str]) -> None:
    from rich.table import Table

    from moodal.cli import screen

    terminal = screen.console()
    terminal.print(
        f"[bold]moodal {report['moodal']}[/bold], Python {report['python']}, {report['platform']}, {report['cores']} cores"
    )
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for part in report["packages"]:
        missing = f"[yellow]missing[/yellow]: pip install 'moodal{'[' + part['extra'] + ']' if part['extra'] else ''}'"
        table.add_row(f"  {part['package']}", part["version"] or missing, f"[dim]{part['for']}[/dim]")
    terminal.print(table)
    present = len(report["models"]) - len(lacking)
    terminal.print(f"models: {present} of {len(report['models'])} ready, {report['free_bytes'] / 1e9:.0f} GB free")
    terminal.print(f"  {report['cache']}", style="dim", soft_wrap=True)
    for name in lacking:
        terminal.print(f"  {name} {report['models'][name]}", style="yellow")
    if lacking:
        terminal.print("fetch them with: moodal models pull")
    if report["offline"]:
        terminal.print("MOODAL_OFFLINE=1: nothing will be fetched")
