"""Drawings of recordings and tracks as SVG: no library, the same bytes for the same data, and legible in grey.

Position says what, hatching says missing, as on the page (`moodal.page`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .clock import FloatArray
from .stream import PictureChunk, SignalChunk, SoundChunk, WordsChunk

if TYPE_CHECKING:
    from .recording import Recording
    from .track import Track

__all__ = ["Drawing", "draw_recording", "draw_track"]

_WIDTH, _GUTTER, _LANE, _GAP = 760, 130, 44, 10
_INK, _QUIET, _LINE, _RAIL = "#14202B", "#485562", "#D9DFE4", "#F3F5F6"
_HUES = ("#1B5E9E", "#8F5600", "#B23A66", "#123B3A")
#: Fields of one track drawn at most.
_FIELDS = 8


@dataclass(frozen=True)
class Drawing:
    """An SVG text that notebooks show."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> Path:
        """Write it to a file."""
        path = Path(path)
        path.write_text(self.svg, encoding="utf-8")
        return path


class _Canvas:
    """Lanes under each other on one axis of time."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, max(end, start + 1e-9)
        self.parts: list[str] = []
        self.y = 6.0

    def x(self, t: FloatArray | float) -> Any:
        return _GUTTER + (np.asarray(t) - self.start) / (self.end - self.start) * (_WIDTH - _GUTTER - 8)

    def lane(self, title: str, sub: str) -> float:
        """Room for one more lane; its top."""
        top = self.y
        self.parts.append(
            f'<text x="8" y="{top + 18:.0f}" fill="{_INK}" font-weight="600">{escape(title)}</text>'
            f'<text x="8" y="{top + 33:.0f}" fill="{_QUIET}">{escape(sub)}</text>'
            f'<rect x="{_GUTTER}" y="{top:.0f}" width="{_WIDTH - _GUTTER - 8}" height="{_LANE}" fill="{_RAIL}"/>'
        )
        self.y += _LANE + _GAP
        return top

    def band(self, top: float, low: FloatArray, high: FloatArray, hue: str) -> None:
        """Least and most value in each column of pixels, NaN where nothing is, on the scale of the told ones."""
        told = np.isfinite(low)
        if not told.any():
            return
        floor, ceiling = float(np.nanmin(low)), float(np.nanmax(high))
        reach = max(ceiling - floor, 1e-12)
        columns = np.flatnonzero(told)
        ys = [top + 3 + (1 - (v[columns] - floor) / reach) * (_LANE - 6) for v in (high, low)]
        path = "".join(
            f"M{_GUTTER + c + 0.5:g} {a - 0.4:.1f}V{b + 0.4:.1f}" for c, a, b in zip(columns, *ys, strict=True)
        )
        self.parts.append(f'<path d="{path}" stroke="{hue}" fill="none"/>')
        for value, y in ((ceiling, top + 9), (floor, top + _LANE - 1)):
            self.parts.append(
                f'<text x="{_GUTTER - 5}" y="{y:.0f}" fill="{_QUIET}" text-anchor="end">{value:.3g}</text>'
            )

    def block(self, top: float, span: tuple[float, float], title: str, fill: str, text: str = "") -> None:
        """A stretch, with words inside where they fit."""
        x0, x1 = float(self.x(span[0])), float(self.x(span[1]))
        inside = f'<text x="{x0 + 3:.1f}" y="{top + 26:.0f}" fill="{_INK}">{escape(text)}</text>'
        self.parts.append(
            f'<g><title>{escape(title)}</title><rect x="{x0:.1f}" y="{top:.0f}" width="{max(x1 - x0, 1):.1f}" '
            f'height="{_LANE}" fill="{fill}"/>{inside if text and x1 - x0 > 6.2 * len(text) else ""}</g>'
        )

    def drawing(self) -> Drawing:
        """The whole with its axis."""
        ticks = np.linspace(self.start, self.end, 6)
        y = self.y + 6
        axis = "".join(
            f'<text x="{float(self.x(t)):.0f}" y="{y + 6:.0f}" fill="{_QUIET}" '
            f'text-anchor="{"end" if t == self.end else "middle"}">{t:.4g} s</text>'
            for t in ticks
        )
        hatch = (
            '<defs><pattern id="gap" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            f'<rect width="6" height="6" fill="{_RAIL}"/><path d="M0 0V6" stroke="#7F8B96"/></pattern></defs>'
        )
        return Drawing(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 14:.0f}" width="{_WIDTH}" '
            f'font-family="system-ui, sans-serif" font-size="11">'
            f'<rect width="100%" height="100%" fill="#fff"/>{hatch}{"".join(self.parts)}{axis}</svg>'
        )


class _Columns:
    """Least and most of a signal in each column of pixels, in one pass and without keeping it."""

    def __init__(self, canvas: _Canvas) -> None:
        self.n = _WIDTH - _GUTTER - 8
        self.canvas = canvas
        self.low, self.high = np.full(self.n, np.inf), np.full(self.n, -np.inf)

    def add(self, times: FloatArray, values: FloatArray) -> None:
        told = np.isfinite(values)
        share = (times[told] - self.canvas.start) / (self.canvas.end - self.canvas.start)
        at = np.clip((share * self.n).astype(int), 0, self.n - 1)
        np.minimum.at(self.low, at, values[told])
        np.maximum.at(self.high, at, values[told])

    def bands(self) -> tuple[FloatArray, FloatArray]:
        empty = ~np.isfinite(self.low)
        return np.where(empty, np.nan, self.low), np.where(empty, np.nan, self.high)


def draw_recording(recording: Recording) -> Drawing:
    """Every stream of a recording on one axis: sound and signals as minimum and maximum, words as blocks.

    Reads the whole recording once, in bounded memory.
    """
    canvas = _Canvas(0.0, recording.duration_s)
    for i, stream in enumerate(recording.streams):
        rate = "" if stream.rate_hz is None else f"{stream.rate_hz:g} Hz"
        unit = str(stream.info.get("unit", ""))
        top = canvas.lane(stream.name, ", ".join(x for x in (unit, rate) if x))
        hue = _HUES[i % len(_HUES)]
        columns, spans = _Columns(canvas), []
        for chunk in recording.chunks(stream.name):
            if isinstance(chunk, SoundChunk):
                times = (chunk.start_sample + np.arange(len(chunk.samples))) / chunk.rate_hz
                columns.add(times, np.asarray(chunk.samples, float))
            elif isinstance(chunk, SignalChunk):
                # Several channels are drawn as their mean: one lane a stream.
                columns.add(chunk.times, chunk.samples.mean(axis=1) if len(chunk.times) else np.empty(0))
            elif isinstance(chunk, PictureChunk):
                luma = np.array([f[::8, ::8].mean() for f in chunk.frames])
                columns.add(chunk.times, luma)
            elif isinstance(chunk, WordsChunk):
                spans += [(c.start, c.end, c.text) for c in chunk.cues]
        canvas.band(top, *columns.bands(), hue)
        for start, end, text in spans:
            canvas.block(top, (start, end), text, _LINE, text)
    return canvas.drawing()


def draw_track(track: Track, fields: Sequence[str] = ()) -> Drawing:
    """Fields of a track (the first few unless named), its gaps hatched with their reasons.

    Raises
    ------
    ValueError : no such field.
    """
    ends = [track.times[-1]] if len(track) else []
    ends += [track.ends[-1]] if track.ends is not None and len(track) else []
    starts = [float(track.times[0])] if len(track) else []
    gaps = [g for g in track.gaps if np.isfinite(g.end)]
    canvas = _Canvas(
        min([*starts, *(g.start for g in gaps)], default=0.0),
        max([*map(float, ends), *(g.end for g in gaps)], default=1.0),
    )
    for i, name in enumerate(fields or track.fields[:_FIELDS]):
        field = track.spec.fields[track.fields.index(name)]
        top = canvas.lane(name, field.unit or track.spec.name)
        for gap in gaps:
            canvas.block(
                top, (gap.start, gap.end), f"{gap.reason}, {gap.end - gap.start:.2f} s", "url(#gap)", gap.reason
            )
        columns = _Columns(canvas)
        columns.add(track.times, np.asarray(track[name], float))
        canvas.band(top, *_joined(*columns.bands(), canvas, gaps), _HUES[i % len(_HUES)])
    return canvas.drawing()


def _joined(low: FloatArray, high: FloatArray, canvas: _Canvas, gaps: Iterable[Any]) -> tuple[FloatArray, FloatArray]:
    """Columns between two samples hold the earlier one, except inside a gap."""
    n = len(low)
    told = np.isfinite(low)
    if not told.any():
        return low, high
    last = np.maximum.accumulate(np.where(told, np.arange(n), -1))
    fill = last >= 0
    middles = canvas.start + (np.arange(n) + 0.5) / n * (canvas.end - canvas.start)
    outside: npt.NDArray[np.bool_] = np.ones(n, bool)
    for gap in gaps:
        outside &= ~((middles >= gap.start) & (middles < gap.end))
    fill &= outside & (np.arange(n) <= int(np.flatnonzero(told)[-1]))
    return np.where(fill, low[last], np.nan), np.where(fill, high[last], np.nan)
