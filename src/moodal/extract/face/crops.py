"""Squares cut out of frames for the mesh: where they lie, when they move, what is in them."""

from __future__ import annotations

from threading import local
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

__all__ = ["SIDE", "Frame", "crop_of_box", "crop_of_points", "cut_out", "expected"]

Frame = npt.NDArray[np.uint8]
_mine = local()

#: Side of what the mesh reads, px.
SIDE = 256
#: Outer corners of the eyes: the line between them is level in an upright face.
EYE_CORNERS = (33, 263)
#: Side of the square over the longer side of the face's points.
_MARGIN = 1.5
#: A square stays where it is until the face strays from its middle by this share of its side, changes its
#: size by this share or tilts by this angle: the net does not mind, and points do not tremble with the square.
_STRAY, _GROWN, _TILTED = 0.04, 0.08, np.radians(4.0)
#: Faces tilted less than this are cut upright: a copy and a scaling, twice as fast as a turn.
_UPRIGHT = np.radians(4.0)


def crop_of_box(box: FloatArray, points: FloatArray) -> FloatArray:
    """Square ``(x, y, side, angle)`` of a detection: its centre, 1.5 × its longer side, eyes level."""
    turn = points[1] - points[0]
    side = _MARGIN * max(box[2], box[3])
    return _settled(box[0] + box[2] / 2, box[1] + box[3] / 2, side, np.arctan2(turn[1], turn[0]))


def crop_of_points(points: FloatArray, held: FloatArray | None = None) -> FloatArray:
    """Square around the points ``(478, ≥2)`` of a face; ``held`` itself while the face has not strayed from it."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    turn = points[EYE_CORNERS[1], :2] - points[EYE_CORNERS[0], :2]
    x, y = (low + high) / 2
    side, angle = _MARGIN * float((high - low).max()), float(np.arctan2(turn[1], turn[0]))
    if held is not None:
        moved = max(abs(x - held[0]), abs(y - held[1])) / held[2]
        if moved < _STRAY and abs(side / held[2] - 1) < _GROWN and abs(angle - held[3]) < _TILTED:
            return held
    return _settled(x, y, side, angle)


def _settled(x: float, y: float, side: float, angle: float) -> FloatArray:
    """The square as it is cut: on whole pixels where it is upright."""
    if abs(angle) >= _UPRIGHT:
        return np.array([x, y, side, angle])
    whole = max(round(side), 2)
    return np.array([round(x - whole / 2) + whole / 2, round(y - whole / 2) + whole / 2, whole, 0.0])


def expected(points: FloatArray, before: FloatArray | None) -> FloatArray:
    """Where the points ``(478, ≥2)`` will be two frames on, if the face goes on as it came from ``before``."""
    if before is None:
        return points
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    went = (low + high - before[:, :2].min(axis=0) - before[:, :2].max(axis=0)) / 2
    # Not further than a third of the face: what moves faster is a mistake as often as a movement.
    reach = float((high - low).max()) / 3
    return np.asarray(points[:, :2] + np.clip(2 * went, -reach, reach))


def cut_out(frame: Frame, crop: FloatArray) -> Frame:
    """The square as ``(256, 256, 3)``; what lies outside the frame is black."""
    x, y, side, angle = (float(v) for v in crop)
    if not angle:
        n = round(side)
        return _scaled(_part(frame, round(x - side / 2), round(y - side / 2), n), SIDE)
    # The upright square that holds the turned one, then every pixel from its nearest neighbour: points differ
    # from those of an interpolated turn by 0.5 % of the distance of the eyes, in a quarter of the time.
    n = int(side * (abs(np.cos(angle)) + abs(np.sin(angle)))) + 4
    left, top = round(x - n / 2), round(y - n / 2)
    part = _part(frame, left, top, n)
    x, y = x - left, y - top
    if not 0.8 < side / SIDE < 1.25:
        size = max(round(n * SIDE / side), 2)
        part = _scaled(part, size)
        x, y, side = x * size / n, y * size / n, side * size / n
    return _turned(part, x, y, side, angle)


def _part(frame: Frame, left: int, top: int, n: int) -> Frame:
    """A square of ``n`` pixels, contiguous."""
    inside = frame[max(top, 0) : max(top + n, 0), max(left, 0) : max(left + n, 0)]
    if inside.shape[:2] == (n, n):
        return np.ascontiguousarray(inside)
    square = np.zeros((n, n, 3), np.uint8)
    down, right = max(-top, 0), max(-left, 0)
    square[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    return square


def _scaled(square: Frame, size: int) -> Frame:
    from av import VideoFrame
    from av.video.reformatter import Interpolation

    if len(square) == size:
        return square
    # Averaging where the square shrinks by half or more: plain bilinear would skip pixels.
    how = Interpolation.AREA if len(square) >= 2 * size else Interpolation.FAST_BILINEAR
    picture = VideoFrame.from_ndarray(square, format="rgb24")
    return np.asarray(_reformatter().reformat(picture, size, size, interpolation=how, threads=1).to_ndarray())


def _reformatter() -> Any:
    """This thread's own: it keeps its tables while sizes stay the same."""
    if not hasattr(_mine, "reformatter"):
        from av.video.reformatter import VideoReformatter

        _mine.reformatter = VideoReformatter()
    return _mine.reformatter


def _turned(part: Frame, x: float, y: float, side: float, angle: float) -> Frame:
    """The square of ``side`` pixels around ``(x, y)``, turned by ``angle``: places in 16.16 fixed point."""
    step = side / SIDE * 65536
    places = np.arange(SIDE) - (SIDE - 1) / 2
    along, across = (
        (places * (np.cos(angle) * step)).astype(np.int32),
        (places * (np.sin(angle) * step)).astype(np.int32),
    )
    column = (along + int(x * 65536))[None] - across[:, None]
    row = (across + int(y * 65536))[None] + along[:, None]
    for at in (column, row):
        at >>= 16
        np.clip(at, 0, len(part) - 1, out=at)
    row *= len(part)
    row += column
    pixels = part.reshape(-1, 3).view("V3").ravel().take(row.ravel())
    return np.asarray(pixels.view(np.uint8).reshape(SIDE, SIDE, 3))
