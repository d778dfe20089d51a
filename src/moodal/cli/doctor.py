"""``moodal doctor``: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["doctor", "report"]

#: Package → module, what it is for, and the extra that brings it (empty: moodal cannot run without).
_PARTS = {
    "numpy": ("numpy", "all measurements", ""),
    "av": ("av", "reading video and sound", ""),
    "pillow": ("PIL", "pictures", ""),
    "onnxruntime": ("onnxruntime", "speech detection", ""),
    "ai-edge-litert": ("ai_edge_litert.interpreter", "face networks", ""),
    "pyarrow": ("pyarrow", "Parquet tables", ""),
    "threadpoolctl": ("threadpoolctl", "one thread for small products", ""),
    "typer": ("typer", "the command line", ""),
    "rich": ("rich", "the terminal", ""),
    "faster-whisper": ("faster_whisper", "speech to text", "asr"),
    "pandas": ("pandas", "to_pandas()", "pandas"),
    "pyxdf": ("pyxdf", "XDF recordings", "signals"),
}

#: Modalities whose networks a default analysis cannot do without.
_CORE_USES = ("face", "voice")


def _part(package: str) -> dict[str, Any]:
    """One dependency: its version and whether it loads (core ones are loaded, extras only looked for)."""
    module, purpose, extra = _PARTS[package]
    try:
        version: str | None = metadata.version(package)
    except metadata.PackageNotFoundError:
        version = None
    fault: str | None = None
    if version is not None:
        try:
            if extra:
                if importlib.util.find_spec(module.split(".")[0]) is None:
                    fault = "its files are missing"
            else:
                importlib.import_module(module)
        except Exception as error:  # whatever a broken native library raises is the finding
            fault = f"{type(error).__name__}: {error}"[:160]
    fix: str | None
    if version is None:
        state, fix = "missing", f"pip install 'moodal[{extra}]'" if extra else "pip install moodal"
    else:
        state, fix = ("broken", f"pip install --force-reinstall {package}") if fault else ("present", None)
    return {
        "package": package,
        "version": version,
        "state": state,
        "fault": fault,
        "for": purpose,
        "extra": extra or None,
        "install": fix,
    }


def _writable(home: Path) -> bool:
    """Whether files can be made in the cache folder, or where it would be."""
    near = next(p for p in (home, *home.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=near):
            return True
    except OSError:
        return False


def _free_bytes(home: Path) -> int | None:
    try:
        return shutil.disk_usage(next(p for p in (home, *home.parents) if p.exists())).free
    except OSError:
        return None


def report() -> dict[str, Any]:
    """Everything `moodal doctor --json` prints; ``ok`` says whether the core can run."""
    from moodal import __version__, weights

    parts = [_part(name) for name in _PARTS]
    models = [{"name": e.name, "state": weights.state(e), "use": e.use} for e in weights.entries()]
    broken = [p["package"] for p in parts if p["extra"] is None and p["state"] != "present"]
    lacking = [m["name"] for m in models if m["use"] in _CORE_USES and m["state"] != "present"]
    home = weights.home()
    try:
        pip: str | None = metadata.version("pip")
    except metadata.PackageNotFoundError:
        pip = None
    return {
        "ok": not broken and not lacking,
        "moodal": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": parts,
        "pip": pip,
        "models": models,
        "cache": str(home),
        "cache_writable": _writable(home),
        "free_bytes": _free_bytes(home),
        "offline": os.environ.get("MOODAL_OFFLINE") == "1",
        "problems": [*(f"package {p}" for p in broken), *(f"model {m}" for m in lacking)],
    }


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
) -> None:
    """Say what is installed and what is missing; exit 1 where the core cannot run."""
    found = report()
    if as_json:
        typer.echo(json.dumps(found))
    else:
        try:
            _print(found)
        except ImportError:  # rich may be what is missing
            typer.echo(json.dumps(found, indent=1))
    if not found["ok"]:
        raise typer.Exit(1)


def _print(found: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from moodal.cli import screen

    terminal = screen.console()
    terminal.print(
        f"[bold]moodal {found['moodal']}[/bold], Python {found['python']}, {found['platform']}, {found['cores']} cores"
    )
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for part in found["packages"]:
        if part["state"] == "present":
            told = Text(part["version"])
        else:
            told = Text(f"{part['state']}: {part['install']}", style="yellow" if part["extra"] else "red")
        table.add_row(Text(f"  {part['package']}"), told, Text(part["for"], style="dim"))
    terminal.print(table)
    for part in found["packages"]:
        if part["fault"]:
            terminal.print(Text(f"  {part['package']}: {part['fault']}", style="red"))
    _print_models(found)
    if found["pip"] is None:
        terminal.print(Text("pip is missing, models cannot be fetched: python -m ensurepip", style="yellow"))
    if found["offline"]:
        terminal.print("MOODAL_OFFLINE=1: nothing will be fetched")
    if found["ok"]:
        terminal.print(Text("ready", style="green"))
    else:
        terminal.print(Text(f"not ready: {', '.join(found['problems'])}", style="red"))


def _print_models(found: dict[str, Any]) -> None:
    from rich.text import Text

    from moodal.cli import screen

    terminal = screen.console()
    lacking = [m for m in found["models"] if m["state"] != "present"]
    free = "unknown" if found["free_bytes"] is None else f"{found['free_bytes'] / 1e9:.0f} GB"
    terminal.print(f"models: {len(found['models']) - len(lacking)} of {len(found['models'])} ready, {free} free in")
    terminal.print(Text(f"  {found['cache']}", style="dim"), soft_wrap=True)
    if not found["cache_writable"]:
        terminal.print(Text("  this folder cannot be written: set MOODAL_HOME to another", style="yellow"))
    for model in lacking:
        terminal.print(Text(f"  {model['name']} is {model['state']} ({model['use']})", style="yellow"))
    if lacking:
        terminal.print("  fetch them with: moodal models pull")
