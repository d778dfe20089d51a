"""Maps of the head: how much of the EEG's power each band has where, as pictures that need no script.

A field is told at every point within reach of an electrode by spherical splines of the electrodes' values and drawn as
steps of one strength each, always from 0, so that small differences look small.
"""

from __future__ import annotations

import base64
import math
from html import escape
from itertools import pairwise

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.mood import Mood
from moodal.core.track import Track
from moodal.dsp.eeg import BANDS, POSITIONS
from moodal.dsp.eeg_clean import spherical_spline
from moodal.dsp.eeg_places import PLACES

from . import words

__all__ = ["contour", "scalp"]

#: Steps of strength, points across the head, and half the width that is drawn (1: the equator, where Fp1 and T7 are).
STEPS, POINTS, REACH, HEAD = 8, 45, 1.12, 1.12
#: Farthest from an electrode that is drawn, degrees; least electrodes for a picture; share of its seconds that one must
#: tell; units of the drawing that the head's radius is.
FARTHEST, LEAST, TELLS, SIZE = 42.0, 4, 0.25, 88.0
#: Most stretches of the recording that the maps at the cursor are kept of.
CELLS = 300


def shares(track: Track) -> tuple[list[str], FloatArray, dict[str, float]]:
    """Electrodes that tell, each band's share of their power ``(bands, electrodes)`` (median over the seconds), and
    for how much of the time those that do not tell did."""
    relative, told = _relative(track)
    part = told.mean(axis=0) if len(track) else np.zeros(len(POSITIONS))
    kept = np.flatnonzero(part >= TELLS)
    names = list(POSITIONS)
    found = [k for k in kept.tolist() if np.isfinite(relative[:, :, k]).any()]
    middle = np.stack([np.nanmedian(relative[:, :, k], axis=0) for k in found], axis=1) if found else np.zeros((5, 0))
    seen = {n: float(part[k]) for k, n in enumerate(names) if k not in found and part[k] > 0}
    return [names[k] for k in found], middle, seen


def _relative(track: Track) -> tuple[FloatArray, np.ndarray]:
    """Each band's share of an electrode's power ``(n, bands, electrodes)``, NaN where there is none, and which
    electrodes tell all bands ``(n, electrodes)``."""
    values = np.asarray(track.values, float).reshape(len(track), len(BANDS), len(POSITIONS))
    total = values.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return values / np.where(total > 0, total, np.nan), np.isfinite(values).all(axis=1)


def _moving(track: Track, names: list[str], weights: FloatArray, drawn: np.ndarray) -> str:
    """What the script draws the maps at the cursor from, as attributes: for each stretch of equal length, band and
    electrode the median share (a byte, 1 to 255; 0: not told), and the weights of the points (hundredths)."""
    kept = [list(POSITIONS).index(n) for n in names]
    relative = _relative(track)[0][:, :, kept]
    start, end = float(track.times[0]), float(track.times[-1]) + 1.0
    step = max(1.0, math.ceil((end - start) / CELLS))
    cell = ((track.times - start) / step + 1e-6).astype(int)
    out = np.zeros((int(cell[-1]) + 1, len(BANDS), len(kept)), np.uint8)
    for i in np.unique(cell).tolist():
        some = relative[cell == i]
        told = np.isfinite(some).all(axis=1).any(axis=0)
        middle = np.array(
            [np.nanmedian(some[:, :, k], axis=0) if t else np.zeros(len(BANDS)) for k, t in enumerate(told)]
        )
        out[i] = np.where(told, 1 + np.rint(254 * np.clip(middle.T, 0, 1)), 0)
    steps = np.where(drawn[:, None], np.clip(np.rint(100 * weights), -127, 127), -128).astype(np.int8)
    packed = {k: base64.b64encode(v.tobytes()).decode() for k, v in (("cells", out), ("weights", steps))}
    facts = {**packed, "from": f"{start:g}", "step": f"{step:g}", "names": " ".join(names), "points": POINTS,
             "reach": REACH, "size": SIZE}  # fmt: skip
    return "".join(f' data-{k}="{v}"' for k, v in facts.items())


def _field(names: list[str]) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """Coordinates of the grid ``(POINTS,)``, weights ``(POINTS², electrodes)`` and which points are drawn."""
    axis = np.linspace(-REACH, REACH, POINTS)
    x, y = (g.ravel() for g in np.meshgrid(axis, axis))
    r = np.hypot(x, y)
    down = r * np.pi / 2
    safe = np.maximum(r, 1e-9)
    points = np.stack([np.sin(down) * x / safe, np.sin(down) * y / safe, np.cos(down)], axis=1)
    have = np.array([PLACES[n] for n in names])
    near = np.rad2deg(np.arccos(np.clip(points @ have.T, -1, 1))).min(axis=1)
    return axis, spherical_spline(have, points), near <= FARTHEST


def contour(axis: FloatArray, field: FloatArray, level: float) -> str:
    """The region where ``field (rows, columns)`` is at least ``level``, as the path of one SVG element.

    Marching squares, straight between points of the grid; cells that lie inside are joined along a row. NaN is outside.
    """
    at = [f"{SIZE * v:.1f}".removesuffix(".0") for v in axis]
    down = [f"{-SIZE * v:.1f}".removesuffix(".0") for v in axis]
    inside = np.nan_to_num(field, nan=-np.inf) >= level
    count = inside[:-1, :-1].astype(int) + inside[1:, :-1] + inside[:-1, 1:] + inside[1:, 1:]
    parts = []
    for i, j0 in zip(*np.nonzero((count == 4) & ~np.pad(count == 4, ((0, 0), (1, 0)))[:, :-1]), strict=True):
        j = j0
        while j < count.shape[1] and count[i, j] == 4:
            j += 1
        parts.append(f"M{at[j0]} {down[i]}H{at[j]}V{down[i + 1]}H{at[j0]}z")
    for i, j in zip(*np.nonzero((count > 0) & (count < 4)), strict=True):
        corners = [(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)]
        path = []
        for (a, b), (c, d) in pairwise([*corners, corners[0]]):
            if inside[a, b]:
                path.append((axis[b], axis[a]))
            if inside[a, b] != inside[c, d]:
                one, two = field[a, b], field[c, d]
                # Towards a point that is not drawn, the region ends half way.
                t = 0.5 if not (math.isfinite(one) and math.isfinite(two)) else (level - one) / (two - one)
                path.append((axis[b] + t * (axis[d] - axis[b]), axis[a] + t * (axis[c] - axis[a])))
        parts.append("M" + "L".join(f"{SIZE * u:.1f} {-SIZE * v:.1f}" for u, v in path) + "z")
    return "".join(parts)


def _top(most: float) -> float:
    """The end of a scale that begins at 0: a round share at or above the largest value."""
    return next((t for t in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8) if most <= t), 1.0)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}{words.NBSP}%"


def _map(band: str, names: list[str], values: FloatArray, axis: FloatArray, field: FloatArray, number: int) -> str:
    top = _top(float(values.max()))
    low, high = BANDS[band]
    steps = "".join(f'<path d="{d}"/>' for k in range(STEPS) if (d := contour(axis, field, top * (k + 0.5) / STEPS)))
    r = SIZE * HEAD
    # Names stand below their electrode and inside of the head: above it at the back, towards the middle at the sides.
    dots = "".join(
        f'<circle cx="{SIZE * x:.1f}" cy="{-SIZE * y:.1f}" r="2"/>'
        f'<text x="{SIZE * (x * 0.93 if abs(x) > 0.75 else x):.1f}" '
        f'y="{-SIZE * y + (-5 if y < -0.9 else 13):.1f}">{name}</text>'
        for name, (x, y) in ((n, POSITIONS[n]) for n in names)
    )
    most, least = int(np.argmax(values)), int(np.argmin(values))
    said = (
        f"{band}, {low:g} to {high:g} Hz: most at {names[most]}, {_percent(float(values[most]))}; "
        f"least at {names[least]}, {_percent(float(values[least]))}"
    )
    scale = "".join(f'<rect x="{i * 10}" width="{(STEPS - i) * 10}" height="8"/>' for i in range(STEPS))
    return (
        f'<figure class="scalpmap" data-top="{top:g}" data-band="{band}, {low:g} to {high:g} Hz">'
        f'<svg viewBox="-112 -122 224 236" role="img" aria-label="{escape(said)}">'
        f'<clipPath id="head{number}"><circle r="{r:.1f}"/></clipPath>'
        f'<g class="steps" clip-path="url(#head{number})">{steps}</g>'
        f'<path class="line" d="M-11 {-r + 0.6:.1f}L0 {-r - 14:.1f}L11 {-r + 0.6:.1f}'
        f'M{-r:.1f} -16q-11 16 0 32M{r:.1f} -16q11 16 0 32"/><circle class="line" r="{r:.1f}"/>{dots}</svg>'
        f"<figcaption><b>{band.capitalize()}</b> {low:g}–{high:g}{words.NBSP}Hz"
        f'<span class="scale">0 <svg class="steps" viewBox="0 0 {STEPS * 10} 8" aria-hidden="true">{scale}</svg> '
        f"{_percent(top)}</span></figcaption></figure>"
    )


def scalp(mood: Mood) -> str:
    """The section with a map a band, over the whole recording; empty where no EEG, or too little of it, tells.

    Only the ten-twenty positions are drawn; what is farther than 42° from any electrode stays blank.
    """
    tracks = mood.tracks.get("brain.bands")
    sections: list[str] = []
    for owner, track in () if tracks is None else tracks.items():
        names, values, seldom = shares(track)
        if len(names) < LEAST:
            continue
        axis, weights, drawn = _field(names)
        maps = []
        for k, band in enumerate(BANDS):
            field = np.where(drawn, np.clip(weights @ values[k], 0, 1), np.nan).reshape(POINTS, POINTS)
            maps.append(_map(band, names, values[k], axis, field, 10 * len(sections) + k))
        lost = [n for n in POSITIONS if n not in names]
        gone = f" Not drawn, since they do not tell: {', '.join(lost)}." if lost and len(lost) <= 12 else ""
        if seldom:
            gone += " " + ", ".join(f"{n} tells in {_percent(s)} of the seconds" for n, s in seldom.items()) + "."
        rows = "".join(
            f"<tr><th scope='row'>{n}</th>" + "".join(f"<td>{_percent(float(v))}</td>" for v in values[:, i]) + "</tr>"
            for i, n in enumerate(names)
        )
        index = list(mood.subjects).index(owner) if owner in mood.subjects else 0
        sections.append(
            f'<section class="scalp s{index % 4}" aria-labelledby="scalp{len(sections)}"'
            f"{_moving(track, names, weights, drawn) if mood.clock == 'time' and not mood.still else ''}>"
            f'<h2 id="scalp{len(sections)}">Where on the head <span class="sub">share of each band in the power from '
            f"1 to 45{words.NBSP}Hz, at the cursor or as median of {words.plural(len(track), 'second')}; seen from "
            "above, nose up; each scale begins at 0 and ends with its darkest step. "
            "It shows rhythms of the EEG, and muscles and eyes near the edge, not an emotion."
            f"{gone}</span>"
            f'</h2><div class="heads">{"".join(maps)}</div>'
            f'<details class="plain"><summary>The shares as a table</summary><div class="wide" tabindex="0" '
            f'role="region" aria-label="Shares of power"><table><thead><tr><th scope="col">Electrode</th>'
            + "".join(f'<th scope="col">{b.capitalize()}</th>' for b in BANDS)
            + f"</tr></thead><tbody>{rows}</tbody></table></div></details></section>"
        )
    return "\n".join(sections)
