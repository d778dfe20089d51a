"""Squares cut out of frames for the mesh: where they lie, when they move, what is in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

__all__ = ["SIDE", "Frame", "crop_of_box", "crop_of_points", "cut_out"]

Frame = npt.NDArray[np.uint8]

#: Side of what the mesh reads, px.
SIDE = 256
#: Outer corners of the eyes: the line between them is level in an upright face.
EYE_CORNERS = (33, 263)
#: Side of the square over the longer side of the face's points.
_MARGIN = 1.5
#: A square stays where it is until the face strays from its middle by this share of its side, changes its
#: size by this share or tilts by this angle. The net does not mind, and what an unmoved square holds can be read ahead.
_STRAY, _GROWN, _TILTED = 0.04, 0.08, np.radians(4.0)
#: Faces tilted less than this are cut upright: a copy and a scaling, four times as fast as a turn.
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


def cut_out(frame: Frame, crop: FloatArray) -> Frame:
    """The square as ``(256, 256, 3)``; what lies outside the frame is black."""
    x, y, side, angle = (float(v) for v in crop)
    if angle:
        return _turned(frame, x, y, side, angle)
    from av import VideoFrame
    from av.video.reformatter import Interpolation, VideoReformatter

    n = round(side)
    left, top = round(x - side / 2), round(y - side / 2)

    inside = frame[max(top, 0) : max(top + n, 0), max(left, 0) : max(left + n, 0)]
    if inside.shape[:2] == (n, n):
        square = np.ascontiguousarray(inside)
    else:
        square = np.zeros((n, n, 3), np.uint8)
        down, right = max(-top, 0), max(-left, 0)
        square[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    # Averaging where the square shrinks by half or more: plain bilinear would skip pixels.
    how = Interpolation.AREA if n >= 2 * SIDE else Interpolation.FAST_BILINEAR
    picture = VideoFrame.from_ndarray(square, format="rgb24")
    return np.asarray(VideoReformatter().reformat(picture, SIDE, SIDE, interpolation=how, threads=1).to_ndarray())


def _turned(frame: Frame, x: float, y: float, side: float, angle: float) -> Frame:
    from PIL import Image

    reach = side * (abs(np.cos(angle)) + abs(np.sin(angle))) / 2 + 2
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    part = frame[top : max(top + 1, int(y + reach) + 1), left : max(left + 1, int(x + reach) + 1)]
    if not part.size:
        return np.zeros((SIDE, SIDE, 3), np.uint8)
    step = side / SIDE
    cos, sin = np.cos(angle) * step, np.sin(angle) * step
    half = SIDE / 2
    matrix = (cos, -sin, x - left - half * (cos - sin), sin, cos, y - top - half * (sin + cos))
    turned = Image.fromarray(part).transform((SIDE, SIDE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(turned)
