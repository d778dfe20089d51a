"""Head pose, gaze and eyes from one face's 478 points.

Every function takes one face, not a batch: results must not depend on how frames were grouped, and
numpy may round a sum differently when its neighbours change.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

__all__ = ["box", "eye_openness", "gaze", "head_pose", "picture_quality"]

# Points of the mesh, named from the subject's side.
RIGHT_OUTER, RIGHT_INNER, LEFT_INNER, LEFT_OUTER = 33, 133, 362, 263
RIGHT_TEMPLE, LEFT_TEMPLE, FOREHEAD, CHIN = 234, 454, 10, 152
RIGHT_IRIS, LEFT_IRIS = 468, 473
RIGHT_LIDS, LEFT_LIDS = (159, 145), (386, 374)

#: The line from forehead to chin leans this far back in a face that looks straight ahead, in this mesh:
#: the median over three frontal recordings, so that pitch 0 means level.
PITCH_AT_REST = -3.0
#: Eyeball radius over the distance of the eye's corners: 12 mm over 30 mm in adults.
EYEBALL = 0.4


def _unit(v: FloatArray) -> FloatArray:
    return v / max(float(np.sqrt((v * v).sum())), 1e-9)


def head_pose(points: FloatArray) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees of a face ``(478, 3)`` px.

    Yaw is positive when the head turns to its own left, pitch when it looks up, roll when it leans
    to its own left. Axes are built from stiff points of the mesh (outer eye corners and temples
    across, forehead to chin along), made square by Gram and Schmidt. Weak perspective is assumed.
    """
    p = np.asarray(points, float)
    across = _unit((p[LEFT_OUTER] - p[RIGHT_OUTER]) + (p[LEFT_TEMPLE] - p[RIGHT_TEMPLE]))
    along = p[CHIN] - p[FOREHEAD]
    along = _unit(along - across * float((along * across).sum()))
    yaw = np.degrees(np.arctan2(across[2], np.hypot(across[0], across[1])))
    roll = np.degrees(np.arctan2(across[1], across[0]))
    pitch = np.degrees(np.arctan2(-along[2], np.hypot(along[0], along[1]))) - PITCH_AT_REST
    return float(yaw), float(pitch), float(roll)


def gaze(points: FloatArray) -> tuple[float, float]:
    """Gaze yaw and pitch in degrees relative to the head: left and up are positive. Coarse.

    The iris centre's place between the eye's corners, as an angle of an eyeball of adult size; both
    eyes averaged. Toolkits err by about 20° here (EYEDIAP, end to end): use it as zones.
    """
    p = np.asarray(points[:, :2], float)
    across, up = 0.0, 0.0
    for iris, right, left in ((RIGHT_IRIS, RIGHT_OUTER, RIGHT_INNER), (LEFT_IRIS, LEFT_INNER, LEFT_OUTER)):
        axis = p[left] - p[right]
        width = max(float(np.hypot(*axis)), 1e-6)
        offset = p[iris] - (p[right] + p[left]) / 2
        across += float((offset * axis).sum()) / width**2 / 2
        # The cross product's sign: above the line of the corners is up.
        up += float(axis[1] * offset[0] - axis[0] * offset[1]) / width**2 / 2
    return (
        float(np.degrees(np.arcsin(np.clip(across / EYEBALL, -1, 1)))),
        float(np.degrees(np.arcsin(np.clip(up / EYEBALL, -1, 1)))),
    )


def eye_openness(points: FloatArray) -> tuple[float, float]:
    """Left and right: distance of the lids over the distance of the eye's corners."""
    p = np.asarray(points[:, :2], float)
    left = np.hypot(*(p[LEFT_LIDS[0]] - p[LEFT_LIDS[1]])) / max(np.hypot(*(p[LEFT_INNER] - p[LEFT_OUTER])), 1e-6)
    right = np.hypot(*(p[RIGHT_LIDS[0]] - p[RIGHT_LIDS[1]])) / max(np.hypot(*(p[RIGHT_INNER] - p[RIGHT_OUTER])), 1e-6)
    return float(left), float(right)


def box(points: FloatArray) -> FloatArray:
    """``(x, y, width, height)`` around the points, in their unit."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return np.concatenate([low, high - low])


def picture_quality(crop: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Sharpness and light of a face's crop ``(256, 256, 3)``.

    Sharpness is the mean absolute Laplacian of the middle in grey levels (Pech-Pacheco et al. 2000
    use its variance; the mean is less upset by one bright spot), of means of 2 × 2 pixels, which the
    steps of a nearest-neighbour turn hardly reach; light is mean luma in [0, 1]. Sums are of integers,
    so that they are exact.
    """
    middle = crop[56:200, 56:200].astype(np.int32)
    fine = (middle[..., 0] * 77 + middle[..., 1] * 150 + middle[..., 2] * 29) >> 8
    grey = fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]
    bend = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return int(np.abs(bend).sum()) / bend.size / 4.0, int(fine.sum()) / fine.size / 255.0
