"""Drawings of a report as inline SVG: no library, no colour of their own (classes that the page's style knows).

Each is drawn for a width of about 360 units, so that its text is legible on a phone as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from .report import Report, Row
from .tables import figure, title_of

__all__ = ["confusion", "lattice", "reliability", "scores", "subjects"]

_W = 360


def _svg(width: float, height: float, label: str, parts: Sequence[str], kind: str, *, at_size: bool = False) -> str:
    size = f' width="{width:g}" height="{height:g}"' if at_size else ""
    return (
        f'<svg class="plot {kind}"{size} viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start", most: int = 60) -> str:
    told = text if len(text) <= most else f"{text[: most - 1]}…"
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(told)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers that span both."""
    reach = max(high - low, 1e-9)
    step = 10 ** np.floor(np.log10(reach))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if reach / s <= 5)
    return [float(v) for v in np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step]


def scores(report: Report) -> str:
    """Every learner's figure with its interval; a line where the best trivial row stands."""
    told = [v for r in report.rows for v in (r.score, r.low, r.high) if np.isfinite(v)]
    if not told:
        return ""
    ticks = _ticks(min(told), max(told))
    left, right, top, step = 8.0, _W - 14.0, 14.0, 38.0

    def x(value: float) -> float:
        return left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (right - left)

    bottom = top + step * len(report.rows)
    parts = []
    for tick in ticks:
        parts.append(_line(x(tick), top, x(tick), bottom, "grid"))
        parts.append(_text(x(tick), bottom + 14, f"{tick:g}", "axis", "middle"))
    best = [r.score for r in report.rows if r.trivial and np.isfinite(r.score)]
    if best:
        at = x(max(best) if report.higher else min(best))
        parts.append(_line(at, top - 4, at, bottom, "chance"))
    for i, row in enumerate(report.rows):
        y = top + step * i
        kind = "quiet" if row.trivial else "hue"
        parts.append(_text(left, y + 12, row.name, "name" if not row.trivial else "axis", most=34))
        parts.append(_text(right, y + 12, figure(row.score), "value" if not row.trivial else "axis", "end"))
        if np.isfinite(row.low):
            parts.append(_line(x(row.low), y + 23, x(row.high), y + 23, f"span {kind}"))
        if np.isfinite(row.score):
            parts.append(f'<circle class="dot {kind}" cx="{x(row.score):.1f}" cy="{y + 23:.1f}" r="4.5"/>')
    return _svg(_W, bottom + 20, f"{title_of(report.metric)} of each learner with its interval", parts, "scores")


def confusion(report: Report, row: Row) -> str:
    """Shares of each true class: strength says how much, the number says it again."""
    names = report.classes
    counts = np.array(row.confusion, float)
    withheld = counts[:, -1].any()
    columns = [*names, "withheld"] if withheld else list(names)
    if not withheld:
        counts = counts[:, :-1]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left, top = 84.0, 74.0
    cell = min(52.0, (_W - left - 44) / len(columns))  # the last name leans out to the right
    tall = min(40.0, max(18.0, cell))
    parts = [_text(left, 12, "told →", "axis"), _text(0, top - 8, "true ↓", "axis")]
    for j, name in enumerate(columns):
        x, y = left + (j + 0.5) * cell, top - 6
        told = escape(name if len(name) <= 11 else f"{name[:10]}…")
        parts.append(
            f'<text class="axis" x="{x:.1f}" y="{y:.1f}" transform="rotate(-45 {x:.1f} {y:.1f})">{told}</text>'
        )
    for i, name in enumerate(names):
        y = top + i * tall
        parts.append(_text(left - 6, y + tall / 2 + 4, name, "axis", "end", 12))
        for j in range(len(columns)):
            x = left + j * cell
            what = "hit" if j == i else "miss"
            parts.append(
                f'<rect class="cell {what}" x="{x:.1f}" y="{y:.1f}" width="{cell - 1:.1f}" height="{tall - 1:.1f}" '
                f'fill-opacity="{0.06 + 0.8 * share[i, j]:.3f}"><title>{escape(name)} told {escape(columns[j])}: '
                f"{counts[i, j]:g} of {counts[i].sum():g}</title></rect>"
            )
            if cell >= 24 and share[i, j] >= 0.005:
                # On the strongest cells the paper's colour reads, on the others ink.
                ink = "onhue" if share[i, j] > 0.6 else "incell"
                parts.append(_text(x + cell / 2, y + tall / 2 + 4, f"{round(100 * share[i, j])}", ink, "middle"))
    return _svg(_W, top + tall * len(names) + 4, f"Confusion of {row.name}, per cent of each true class", parts, "")


def reliability(report: Report, row: Row) -> str:
    """How often the top class is right against how sure it is; area says how many rows."""
    left, top, side = 40.0, 10.0, 260.0
    parts = [f'<rect class="rail" x="{left}" y="{top}" width="{side}" height="{side}"/>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_text(left + tick * side, top + side + 15, f"{tick:g}", "axis", "middle"))
        parts.append(_text(left - 6, top + side - tick * side + 4, f"{tick:g}", "axis", "end"))
    parts.append(_line(left, top + side, left + side, top, "chance"))
    most = max((n for n, _, _ in row.reliability), default=1)
    points = [(left + c * side, top + side - r * side, n) for n, c, r in row.reliability]
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(f'<polyline class="thread" points="{path}"/>')
    for x, y, n in points:
        radius = 2.5 + 4.5 * np.sqrt(n / most)
        parts.append(
            f'<circle class="dot hue" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{n} rows</title></circle>'
        )
    parts.append(_text(left + side, top + side + 32, "how sure →", "axis", "end"))
    parts.append(_text(left + 8, top + 18, "↑ share right", "axis"))
    return _svg(_W, top + side + 40, f"Reliability of {row.name}", parts, "")


def subjects(report: Report, row: Row) -> str:
    """Each subject's figure, in order; the line is the figure over all rows, the dashed one the best trivial row."""
    told = sorted((value, name, n) for name, value, n in row.units if np.isfinite(value))
    if len(told) < 2:
        return ""
    best = [r.score for r in report.rows if r.trivial and np.isfinite(r.score)]
    chance = (max(best) if report.higher else min(best)) if best else row.score
    ticks = _ticks(min(told[0][0], chance), max(told[-1][0], row.score))
    left, right, top, tall = 40.0, _W - 8.0, 10.0, 190.0

    def y(value: float) -> float:
        return top + tall - (value - ticks[0]) / (ticks[-1] - ticks[0]) * tall

    parts = []
    for tick in ticks:
        parts.append(_line(left, y(tick), right, y(tick), "grid"))
        parts.append(_text(left - 6, y(tick) + 4, f"{tick:g}", "axis", "end"))
    parts.append(_line(left, y(row.score), right, y(row.score), "mean"))
    parts.append(_line(left, y(chance), right, y(chance), "chance"))
    step = (right - left) / len(told)
    radius = float(np.clip(step / 2.4, 1.2, 4.5))
    for i, (value, name, n) in enumerate(told):
        parts.append(
            f'<circle class="dot hue" cx="{left + (i + 0.5) * step:.1f}" cy="{y(value):.1f}" r="{radius:.1f}">'
            f"<title>{escape(name)}: {figure(value)} ({n} examples)</title></circle>"
        )
    least, last = told[0][1], told[-1][1]
    parts.append(_text(left, top + tall + 18, least, "axis", most=16))
    parts.append(_text(right, top + tall + 18, last, "axis", "end", most=16))
    return _svg(_W, top + tall + 26, f"{title_of(report.metric)} of each {report.unit}", parts, "")


def lattice(report: Report) -> str:
    """Every subset of modalities on the level of its size, lines to the subsets that lack one more."""
    cells = {c.modalities: c for c in report.cells if not c.pattern}
    if not cells:
        return ""
    levels: dict[int, list[tuple[str, ...]]] = {}
    for subset in cells:
        levels.setdefault(len(subset), []).append(subset)
    order = sorted(levels, reverse=True)
    widest = max(len(v) for v in levels.values())
    longest = max(len(" + ".join(subset)) for subset in cells)
    box, tall, gap = max(108.0, 6.4 * longest + 12), 46.0, 34.0
    width = max(_W, widest * (box + 10))
    at: dict[tuple[str, ...], tuple[float, float]] = {}
    for level, size in enumerate(order):
        row = levels[size]
        for i, subset in enumerate(row):
            at[subset] = (width / 2 + (i - (len(row) - 1) / 2) * (width / max(widest, 1)), 4 + level * (tall + gap))
    parts = []
    for upper, (x1, y1) in at.items():
        for lower, (x2, y2) in at.items():
            if len(upper) == len(lower) + 1 and set(lower) < set(upper):
                parts.append(_line(x1, y1 + tall, x2, y2, "grid"))
    told = [c.score for c in cells.values() if np.isfinite(c.score)]
    low, high = (min(told), max(told)) if told else (0.0, 1.0)
    for subset, (x, y) in at.items():
        score = cells[subset].score
        place = (score - low) / (high - low) if high > low and np.isfinite(score) else 0.5
        strength = 0.06 + 0.3 * (place if report.higher else 1 - place)
        parts.append(
            f'<rect class="under" x="{x - box / 2:.1f}" y="{y:.1f}" width="{box}" height="{tall}"/>'
            f'<rect class="cell hit" x="{x - box / 2:.1f}" y="{y:.1f}" width="{box}" height="{tall}" '
            f'fill-opacity="{strength:.3f}"/>'
        )
        parts.append(_text(x, y + 18, " + ".join(subset), "axis", "middle"))
        parts.append(_text(x, y + 36, figure(score), "value", "middle"))
    height = 8 + len(order) * tall + (len(order) - 1) * gap
    fits = "fit" if width <= 1.25 * _W else "wide"
    return _svg(width, height, f"{title_of(report.metric)} of each subset of modalities", parts, fits, at_size=True)
