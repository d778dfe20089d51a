"""A pipeline drawn: text for a terminal, SVG for a page. Stages are columns; what is fitted stands right of a line."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .graph import Pipeline
from .uses import STAGES

__all__ = ["svg", "text"]

_WIDE, _HIGH, _GAP_X, _GAP_Y, _HEAD = 150, 30, 40, 12, 26


def text(pipeline: Pipeline) -> str:
    """One line a node, in order of stages: what it is, and what it takes from."""
    lines = []
    for stage in STAGES:
        for k, node in enumerate(pipeline.of(stage)):
            if stage == "select" and k == 0:
                lines.append("──────────  inside each fold " + "─" * 30)
            line = f"{stage if k == 0 else '':<10}  {node.told}"
            if node.inputs:
                line += f"  ← {', '.join(node.inputs)}"
            lines.append(line if len(line) <= 80 else line[:79] + "…")
        if stage == "label" and not pipeline.of("select") and pipeline.of("estimate"):
            lines.append("──────────  inside each fold " + "─" * 30)
    return "\n".join(lines)


def svg(nodes: Sequence[Sequence[object]]) -> str:
    """Of ``[id, stage, told, inputs]`` rows, as a card keeps them."""
    columns = [s for s in STAGES if any(n[1] == s for n in nodes)]
    # Labels stand under extracts: both take windows.
    if "label" in columns and "extract" in columns:
        columns.remove("label")
    place: dict[str, tuple[float, float]] = {}
    depth: dict[str, int] = dict.fromkeys(columns, 0)
    level: dict[str, int] = {}
    x_of: dict[str, float] = {}
    x = 0.0
    for stage in columns:
        mine = [
            n for n in nodes if n[1] == stage or (stage == "extract" and n[1] == "label" and "label" not in columns)
        ]
        for n in mine:
            inner = [level[str(i)] for i in _inputs(n) if str(i) in level and any(m[0] == i for m in mine)]
            level[str(n[0])] = max(inner, default=-1) + 1
        x_of[stage] = x
        rows: dict[int, int] = {}
        for n in mine:
            at = level[str(n[0])]
            row = rows.get(at, 0)
            rows[at] = row + 1
            place[str(n[0])] = (x + at * (_WIDE + _GAP_X), _HEAD + row * (_HIGH + _GAP_Y))
        depth[stage] = max((level[str(n[0])] for n in mine), default=0) + 1
        x += depth[stage] * (_WIDE + _GAP_X)
    width = max(x - _GAP_X, _WIDE)
    height = max((y for _, y in place.values()), default=0) + _HIGH + 4
    parts = []
    for n in nodes:
        for i in _inputs(n):
            (x1, y1), (x2, y2) = place[str(i)], place[str(n[0])]
            x1, y1, y2 = x1 + _WIDE, y1 + _HIGH / 2, y2 + _HIGH / 2
            mid = (x1 + x2) / 2
            parts.append(f'<path d="M{x1:g} {y1:g}C{mid:g} {y1:g} {mid:g} {y2:g} {x2:g} {y2:g}" class="edge"/>')
    for n in nodes:
        a, b = place[str(n[0])]
        name = str(n[2])
        shown = name if len(name) <= 22 else name[:21] + "…"
        fitted = " fitted" if n[1] in ("select", "estimate") else ""
        parts.append(
            f'<g><title>{escape(name)}</title><rect x="{a:g}" y="{b:g}" width="{_WIDE}" height="{_HIGH}" rx="2" '
            f'class="node{fitted}"/><text x="{a + 8:g}" y="{b + 19:g}">{escape(shown)}</text></g>'
        )
    for stage in columns:
        label = (
            "extract, label"
            if stage == "extract" and "label" not in columns and any(n[1] == "label" for n in nodes)
            else stage
        )
        parts.append(f'<text x="{x_of[stage]:g}" y="12" class="stage">{label}</text>')
    first = next((s for s in ("select", "estimate") if s in x_of), None)
    if first and x_of[first] > 0:
        line = x_of[first] - _GAP_X / 2
        parts.append(f'<path d="M{line:g} 0V{height:g}" class="split"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 {width + 2:g} {height + 2:g}" width="{width + 2:g}" '
        f'height="{height + 2:g}" role="img" aria-label="The pipeline as a graph" class="graph"><style>'
        ".graph{font:12px system-ui,sans-serif;max-width:100%;height:auto}.graph text{fill:currentColor}"
        ".graph .stage{font-size:11px;opacity:.65}.graph .edge{fill:none;stroke:currentColor;stroke-opacity:.35}"
        ".graph .node{fill:none;stroke:currentColor;stroke-opacity:.55}.graph .fitted{stroke-width:2;stroke-opacity:.9}"
        ".graph .split{stroke:currentColor;stroke-dasharray:3 4;stroke-opacity:.5}</style>" + "".join(parts) + "</svg>"
    )


def _inputs(row: Sequence[object]) -> list[object]:
    told = row[3]
    return list(told) if isinstance(told, (list, tuple)) else []
