"""Sections of RESULTS.md: each part writes its own between two marks and leaves the others alone."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"


def machine() -> str:
    cpu = platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores ({cpu}, Python {platform.python_version()})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def write_section(name: str, lines: Sequence[str], results: Path = RESULTS) -> None:
    """Replace the section ``name``, or add it at the end."""
    start, end = f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"
    text = results.read_text(encoding="utf-8") if results.exists() else "# Results\n"
    if start not in text:
        text = f"{text.rstrip()}\n\n{start}\n{end}\n"
    before, rest = text.split(start, 1)
    body = "\n".join(["", *lines, ""])
    results.write_text(f"{before}{start}\n{body}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")
