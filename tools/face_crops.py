"""What a cheaper cut of a face costs: python tools/face_crops.py

Turns pictures of faces in MOODAL_DATA/face_clips by 0 to 20° and compares the mesh's points (share of the distance of
the eyes) and blendshapes (mean difference) with those of a level square cut by an interpolated turn: of an upright
square, and of a level one cut as ``extract/face/crops.py`` does.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

import moodal
from moodal import weights
from moodal.extract.face.crops import SIDE, Frame, crop_of_box, crop_of_points, cut_out
from moodal.extract.face.nets import BlendshapeNet, Detector, MeshNet

TURNS = (0, 3, 6, 8, 10, 12, 15, 20)


def interpolated(frame: Frame, square: np.ndarray) -> Frame:
    """The same square by a bilinear turn."""
    x, y, side, angle = (float(v) for v in square)
    cos, sin = np.cos(angle) * side / SIDE, np.sin(angle) * side / SIDE
    half = SIDE / 2
    matrix = (cos, -sin, x - half * (cos - sin), sin, cos, y - half * (sin + cos))
    how = Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(frame).transform((SIDE, SIDE), Image.Transform.AFFINE, matrix, how))


def pictures(clips: Path) -> list[Frame]:
    """One smiling man and a frame now and then of a woman who begins to smile."""
    found = [np.asarray(Image.open(clips / "single_face.jpg").convert("RGB"))]
    chunks = moodal.read(clips / "WolfgangLanger_Pexels.mp4").chunks("picture", start=10, end=18.5)
    return found + [chunk.frames[0] for chunk in chunks]


def main() -> None:
    """Print the table."""
    data = os.environ.get("MOODAL_DATA")
    if not data:
        raise SystemExit("set MOODAL_DATA to the folder of real recordings")
    detector = Detector(weights.litert("face-detector-full"), full=True)
    mesh, shapes = MeshNet(weights.litert("face-landmarks")), BlendshapeNet(weights.litert("face-blendshapes"))
    frames = pictures(Path(data) / "face_clips")
    for degrees in TURNS:
        rows = []
        for picture in frames:
            frame = np.asarray(Image.fromarray(picture).rotate(degrees, Image.Resampling.BICUBIC))
            found = detector(frame)
            if not found:
                continue
            square = crop_of_box(found[0][1], found[0][2])
            for _ in range(2):
                points, _ = mesh(cut_out(frame, square), square)
                square = crop_of_points(points)
            low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
            eyes = points[263, :2] - points[33, :2]
            level = np.array([*(low + high) / 2, 1.5 * float((high - low).max()), float(np.arctan2(eyes[1], eyes[0]))])
            truth, _ = mesh(interpolated(frame, level), level)
            upright = np.array([*np.round(level[:2]), round(level[2] / 2) * 2.0, 0.0])
            row = []
            for other in (upright, level):
                told, _ = mesh(cut_out(frame, other), other)
                row += [100 * np.hypot(*(told - truth)[:, :2].T).mean() / np.hypot(*eyes)]
                row += [np.abs(shapes(told) - shapes(truth)).mean()]
            rows.append(row)
        a, b, c, d = np.mean(rows, axis=0)
        print(
            f"{degrees:2d}°, {len(rows)} faces: upright {a:.1f} % and {b:.3f}; level by nearest {c:.1f} % and {d:.3f}"
        )


if __name__ == "__main__":
    main()
