"""Faces as cameras and people spoil them: turned, off the middle, larger, dim, coarse, noisy, half covered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from moodal.lab.nn.face import standardised

__all__ = ["MIRRORED", "POINTS", "Augmented", "augment", "erase"]

#: Points of the mesh whose places are told beside the emotion: eyes, brows, nose, mouth, outline; and for each the
#: place in this list of its fellow on the other side.
POINTS = (
    33, 133, 159, 145, 362, 263, 386, 374, 70, 105, 107, 336, 334, 300, 1, 98, 327, 61, 291, 13, 14, 0, 17, 78, 308, 40,
    270, 91, 321, 152, 234, 454, 10, 172, 397, 468, 473, 205, 425,
)  # fmt: skip
_FELLOWS = (
    263, 362, 386, 374, 133, 33, 159, 145, 300, 334, 336, 107, 105, 70, 1, 327, 98, 291, 61, 13, 14, 0, 17, 308, 78,
    270, 40, 321, 91, 152, 454, 234, 10, 397, 172, 473, 468, 425, 205,
)  # fmt: skip
MIRRORED = tuple(POINTS.index(p) for p in _FELLOWS)


@dataclass(frozen=True, slots=True)
class Augmented:
    """Standardised faces ``(B, 1, size, size)``, where their points went ``(B, P, 2)``, and which were mirrored."""

    faces: Tensor
    points: Tensor
    mirrored: Tensor


def augment(faces: Tensor, points: Tensor, rng: np.random.Generator, size: int, strength: float) -> Augmented:
    """``(B, 1, 48, 48)`` in [0, 1] with points ``(B, P, 2)`` in shares of the picture, spoilt at random.

    Turns by about 10°, margins by ± 25 %, shifts by 4 % of the side, all times ``strength``; then gamma, contrast, a
    coarser picture, noise and a gradient of light.
    """
    n = len(faces)

    def uniform(*shape: int) -> Tensor:
        return torch.from_numpy(rng.random(shape, dtype=np.float32))

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))

    mirrored = uniform(n) < 0.5
    angle = normal(n) * 0.17 * strength
    scale = torch.exp((uniform(n) - 0.5) * 0.45 * strength)
    aspect = torch.exp(normal(n) * 0.05 * strength)
    right, down, shear = (normal(n) * 0.07 * strength, normal(n) * 0.07 * strength, normal(n) * 0.05 * strength)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # From places in the new picture to places in the old one.
    matrix = torch.stack(
        [
            torch.stack([cos * scale * aspect, -sin * scale + shear], 1),
            torch.stack([sin * scale, cos * scale / aspect], 1),
        ],
        1,
    )
    matrix[:, 0] *= torch.where(mirrored, -1.0, 1.0)[:, None]
    shift = torch.stack([right, down], 1)
    grid = F.affine_grid(torch.cat([matrix, shift[:, :, None]], 2), [n, 1, size, size], align_corners=False)
    outside = "border" if rng.random() < 0.5 else "zeros"
    x = F.grid_sample(faces, grid, mode="bilinear", padding_mode=outside, align_corners=False)
    moved = torch.linalg.solve(matrix, (points * 2 - 1 - shift[:, None]).transpose(1, 2)).transpose(1, 2)
    moved = torch.where(mirrored[:, None, None], moved[:, list(MIRRORED)], moved)

    def each(values: Tensor) -> Tensor:
        return values[:, None, None, None]

    x = x.clamp(1e-3, 1) ** each(torch.exp(normal(n) * 0.3 * strength))
    x = x * each(torch.exp(normal(n) * 0.25 * strength))
    coarse = uniform(n) < 0.15 * strength
    if int(coarse.sum()):
        small = int(size / rng.uniform(1.3, 2.5))
        less = F.interpolate(x[coarse], size=(small, small), mode="area")
        x[coarse] = F.interpolate(less, size=(size, size), mode="bilinear", align_corners=False)
    noise = each(uniform(n) < 0.25 * strength) * each(uniform(n)) * 0.08
    x = x + noise * normal(n, 1, size, size)
    slope = each(uniform(n) < 0.3) * normal(n, 2)[:, :, None, None] * 0.3
    line = torch.linspace(-1, 1, size)
    light = 1 + slope[:, :1] * line[None, None, :, None] + slope[:, 1:] * line[None, None, None, :]
    return Augmented(standardised(x * light.clamp_min(0.1)), moved, mirrored)


def erase(faces: Tensor, rng: np.random.Generator, share: float) -> Tensor:
    """A rectangle of up to two fifths of each side covered by one grey or by noise (Zhong et al. 2020), in place."""
    n, _, height, width = faces.shape
    for i in np.flatnonzero(rng.random(n) < share):
        tall = int(rng.integers(height // 8, height * 2 // 5 + 1))
        wide = int(rng.integers(height // 8, height * 2 // 5 + 1))
        top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
        if rng.random() < 0.5:
            faces[i, 0, top : top + tall, left : left + wide] = float(rng.standard_normal())
        else:
            spots = rng.standard_normal((tall, wide), dtype=np.float32)
            faces[i, 0, top : top + tall, left : left + wide] = torch.from_numpy(spots)
    return faces
