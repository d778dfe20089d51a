"""The trained expression net: a small grey square of the face in, log-probabilities of eight classes out.

::

    frame ─► mesh's square (256 px) ─► tight square of 48 px ─► standardised ─► net (as it is + mirrored)

The tight square lies as faces lie in FER2013 (Goodfellow et al. 2013), on whose pictures the net was trained.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray
from moodal.core.errors import ModelError
from moodal.dsp.face_geometry import box
from moodal.weights.sessions import onnx_graph

from .crops import Frame

__all__ = ["NET_SIDE", "ExpressionNet", "Grey", "grey", "standardised", "tight", "whole"]

#: Side of what the net reads, px.
NET_SIDE = 48
#: Side of the tight square over the longer side of the face's points, and how far its middle lies above theirs, as a
#: share of its side: medians over the 6,373 training and validation pictures of FER+ in which the mesh is sure of a
#: face (presence logit above 10).
_MARGIN, _RAISED = 1.057, 0.051
#: Least contrast that is stretched to 1, in grey levels over 255: below it there is nothing but noise.
_LEAST_CONTRAST = 0.04

#: A face, ``(48, 48)`` in [0, 1].
Grey = npt.NDArray[np.float32]


def grey(picture: Frame) -> Frame:
    """``(height, width, 3)`` to luma ``(height, width)``, by whole numbers (ITU-R BT.601)."""
    wide = picture.astype(np.uint16)
    return np.asarray((wide[..., 0] * 77 + wide[..., 1] * 150 + wide[..., 2] * 29 + 128) >> 8).astype(np.uint8)


def tight(crop: Frame, square: FloatArray, points: FloatArray, margin: float = _MARGIN) -> Grey:
    """The face as FER2013 frames it, ``(48, 48)`` in [0, 1], out of the square that the mesh has read.

    ``crop`` ``(256, 256, 3)`` is what `crops.cut_out` gave for ``square`` (x, y, side, angle), ``points``
    ``(478, ≥2)`` lie in the frame's pixels. ``margin`` is the side over the longer side of the points' box.
    """
    x, y, side, angle = (float(v) for v in square)
    cos, sin = np.cos(angle), np.sin(angle)
    away = np.asarray(points[:, :2], float) - [x, y]
    level = np.stack([away[:, 0] * cos + away[:, 1] * sin, away[:, 1] * cos - away[:, 0] * sin], axis=1)
    scale = len(crop) / side
    left, top, width, height = (box(level) * scale + [len(crop) / 2, len(crop) / 2, 0, 0]).tolist()
    wanted = min(margin * max(width, height), float(len(crop)))
    middle_x, middle_y = left + width / 2, top + height / 2 - _RAISED * wanted
    # Inside what was read: what would lie beyond it is not known.
    left = float(np.clip(middle_x - wanted / 2, 0, len(crop) - wanted))
    top = float(np.clip(middle_y - wanted / 2, 0, len(crop) - wanted))
    return _shrunk(grey(crop), (left, top, left + wanted, top + wanted))


def _shrunk(picture: Frame, part: tuple[float, float, float, float] | None = None) -> Grey:
    from PIL import Image

    small = Image.fromarray(picture).resize((NET_SIDE, NET_SIDE), Image.Resampling.BILINEAR, box=part)
    return np.asarray(small, np.float32) / np.float32(255)


def whole(picture: Frame) -> Grey:
    """A picture ``(height, width, 3)`` that is a face cut out, as the net reads it: its middle square."""
    height, width = picture.shape[:2]
    n = min(height, width)
    left, top = (width - n) // 2, (height - n) // 2
    return _shrunk(grey(picture[top : top + n, left : left + n]))


def standardised(face: Grey) -> Grey:
    """Zero mean and unit deviation, so that dark and pale pictures read alike; a flat one stays near 0."""
    deviation = max(float(face.std(dtype=np.float32, ddof=1)), _LEAST_CONTRAST)
    return np.asarray((face - face.mean(dtype=np.float32)) / np.float32(deviation), np.float32)


class ExpressionNet:
    """The graph ``face`` of a bundle: ``x (1, 1, 48, 48)`` → ``log_probabilities (1, 8)`` and ``state (1, d)``. It
    looks at the face and at its mirror image, and averages.

    Raises
    ------
    ModelError : a member is missing, damaged, or no graph that runs here.
    """

    def __init__(self, graph: bytes, mean: FloatArray, whitening: FloatArray, name: str = "face") -> None:
        self._session = onnx_graph(graph, name)
        self._mean, self._whitening = np.asarray(mean, np.float64), np.asarray(whitening, np.float64)

    @classmethod
    def of(cls, bundle: Bundle) -> ExpressionNet:
        """The net of a bundle."""
        try:
            state = bundle.array("state_mean"), bundle.array("state_whitening")
            return cls(bundle.graph("face"), *state, bundle.name)
        except (ValueError, EOFError, zlib.error) as error:
            raise ModelError(
                f"cannot be read ({error})", where=str(bundle.path), fix="Fetch or export it again."
            ) from error

    def looked(self, face: Grey) -> tuple[FloatArray, FloatArray]:
        """``(48, 48)`` in [0, 1] to log-probabilities ``(8,)`` in the order of ``ekman8``, and the state ``(d,)``."""
        told, state = self._session.run(None, {"x": standardised(face)[None, None]})
        return np.asarray(told[0], np.float64), np.asarray(state[0], np.float64)

    def away(self, state: FloatArray) -> float:
        """How unlike the faces of training a state ``(d,)`` is: the root mean square of its whitened components, about
        1 for a face."""
        return float(np.sqrt(np.square((np.asarray(state, np.float64) - self._mean) @ self._whitening).mean()))

    def __call__(self, face: Grey) -> tuple[FloatArray, float]:
        """Log-probabilities ``(8,)`` and `away`."""
        told, state = self.looked(face)
        return told, self.away(state)
