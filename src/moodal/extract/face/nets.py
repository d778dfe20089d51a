"""The face networks: detectors, landmarks and blendshapes, with their crops.

Shapes and feeds are those that MediaPipe documents for these files (BlazeFace, Bazarevsky et al. 2019;
attention mesh, Grishchenko et al. 2020; blendshapes V2, 2022); see `weights/manifest.toml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from moodal.core.clock import FloatArray

from .crops import SIDE, Frame

__all__ = ["BLENDSHAPES", "BlendshapeNet", "Detector", "MeshNet", "overlap"]

BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip

#: Points of the mesh that the blendshape net reads, in its order.
_BLENDSHAPE_POINTS = np.array(
    [
        0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78,
        80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152,
        153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246,
        249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312,
        314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381,
        382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, *range(468, 478),
    ]
)  # fmt: skip


def _anchors(side: int, layers: Sequence[tuple[int, int]]) -> FloatArray:
    """Centres of the SSD anchors ``(n, 2)`` in [0, 1]: for each (stride, anchors a cell), row by row."""
    rows = []
    for stride, each in layers:
        cells = side // stride
        centres = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        rows.append(np.repeat(grid, each, axis=0))
    return np.concatenate(rows)


class Detector:
    """BlazeFace on a whole frame: boxes with six points, strongest first.

    ``short`` sees faces near the camera in a 128 px square, ``full`` smaller ones in 192 px.
    """

    def __init__(self, interpreter: Any, *, full: bool) -> None:
        self.net = interpreter
        self.side = 192 if full else 128
        self.anchors = _anchors(self.side, [(4, 1)] if full else [(8, 2), (16, 6)])
        self._input = interpreter.get_input_details()[0]["index"]
        outputs = {d["shape"][2]: d["index"] for d in interpreter.get_output_details()}
        self._boxes, self._scores = outputs[16], outputs[1]
        self._canvas = np.zeros((1, self.side, self.side, 3), np.float32)

    def __call__(self, frame: Frame, least: float = 0.5) -> list[tuple[float, FloatArray, FloatArray]]:
        """``(score, box (x, y, width, height), points (6, 2))`` in the frame's pixels."""
        from PIL import Image

        height, width = frame.shape[:2]
        scale = self.side / max(height, width)
        w, h = max(1, round(width * scale)), max(1, round(height * scale))
        small = Image.fromarray(frame).resize((w, h), Image.Resampling.BILINEAR, reducing_gap=1.0)
        left, top = (self.side - w) // 2, (self.side - h) // 2
        self._canvas[:] = 0.0
        self._canvas[0, top : top + h, left : left + w] = np.asarray(small, np.float32) / 127.5 - 1.0
        self.net.set_tensor(self._input, self._canvas)
        self.net.invoke()
        logits = self.net.get_tensor(self._scores)[0, :, 0]
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50)))
        kept = np.flatnonzero(scores >= least)
        if not len(kept):
            return []
        raw = self.net.get_tensor(self._boxes)[0, kept].astype(float) / self.side
        raw[:, :2] += self.anchors[kept]
        raw[:, 4:] += np.tile(self.anchors[kept], 6)
        points = (raw[:, 4:].reshape(-1, 6, 2) * self.side - [left, top]) / scale
        size = raw[:, 2:4] * self.side / scale
        corner = (raw[:, :2] * self.side - [left, top]) / scale - size / 2
        return _suppress(scores[kept], np.concatenate([corner, size], axis=1), points)


def overlap(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union of two boxes ``(x, y, width, height)``."""
    low = np.maximum(a[:2], b[:2])
    high = np.minimum(a[:2] + a[2:4], b[:2] + b[2:4])
    inter = float(np.prod(np.maximum(high - low, 0)))
    return inter / max(float(a[2] * a[3] + b[2] * b[3]) - inter, 1e-9)


def _suppress(scores: FloatArray, boxes: FloatArray, points: FloatArray) -> list[tuple[float, FloatArray, FloatArray]]:
    """Weighted suppression: boxes that overlap the strongest are averaged into it by score."""
    order = np.argsort(-scores, kind="stable")
    found = []
    while len(order):
        same = np.array([overlap(boxes[order[0]], boxes[i]) > 0.3 for i in order])
        near = order[same]
        weight = scores[near] / scores[near].sum()
        found.append((float(scores[near[0]]), weight @ boxes[near], np.einsum("n,nij->ij", weight, points[near])))
        order = order[~same]
    return found


class MeshNet:
    """478 points of one face in a square that was cut out of the frame."""

    def __init__(self, interpreter: Any) -> None:
        self.net = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        details = {tuple(d["shape"]): d["index"] for d in interpreter.get_output_details()}
        self._points, self._presence = details[(1, 1, 1, 1434)], details[(1, 1, 1, 1)]
        self._feed = np.empty((1, SIDE, SIDE, 3), np.float32)

    def __call__(self, pixels: Frame, crop: FloatArray) -> tuple[FloatArray, float]:
        """Points ``(478, 3)`` float32 in the frame's pixels, and the presence logit."""
        np.multiply(pixels, np.float32(1 / 255), out=self._feed[0])
        self.net.set_tensor(self._input, self._feed)
        self.net.invoke()
        raw = self.net.get_tensor(self._points).reshape(478, 3) / SIDE
        x, y, side, angle = crop
        cos, sin = np.cos(angle) * side, np.sin(angle) * side
        dx, dy = raw[:, 0] - 0.5, raw[:, 1] - 0.5
        points = np.stack([x + cos * dx - sin * dy, y + sin * dx + cos * dy, raw[:, 2] * side], axis=1)
        return points.astype(np.float32), float(self.net.get_tensor(self._presence).ravel()[0])


class BlendshapeNet:
    """52 blendshape scores of one face from its points in picture pixels."""

    def __init__(self, interpreter: Any) -> None:
        self.net = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        self._output = interpreter.get_output_details()[0]["index"]

    def __call__(self, points: FloatArray) -> FloatArray:
        """``(478, ≥2)`` to ``(52,)`` float32 in [0, 1]."""
        self.net.set_tensor(self._input, points[None, _BLENDSHAPE_POINTS, :2].astype(np.float32))
        self.net.invoke()
        return np.array(self.net.get_tensor(self._output))
