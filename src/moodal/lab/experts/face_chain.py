"""FER+ pictures in the product's own chain: what the mesh says of them, and what is left when a face must be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal import weights
from moodal.core.stream import PictureChunk
from moodal.dsp.face_expression import expression
from moodal.extract.face.ahead import Mesher
from moodal.extract.face.classifier import tight
from moodal.extract.face.expert import largest_of, reason_of
from moodal.extract.face.nets import BLENDSHAPES, BlendshapeNet, Detector, MeshNet
from moodal.extract.face.tracker import Tracker

__all__ = ["geometry", "through", "with_room"]

Pictures = npt.NDArray[np.uint8]
#: Height of an enlarged face and the share of it that is added on each side: as `moodal score` enlarges small pictures.
_FACE, _ROOM = 256, 0.2
#: Side of what the mesh reads over that of the picture: faces of FER2013 fill theirs.
_FILLS = 340 / 256


def with_room(face: Pictures) -> Pictures:
    """A grey face ``(48, 48)`` enlarged on a grey ground, ``(358, 358, 3)``."""
    from PIL import Image

    margin = round(_ROOM * _FACE)
    large = Image.fromarray(face).resize((_FACE, _FACE), Image.Resampling.BICUBIC)
    ground = np.full((_FACE + 2 * margin, _FACE + 2 * margin, 3), 128, np.uint8)
    ground[margin : margin + _FACE, margin : margin + _FACE] = np.asarray(large)[..., None]
    return ground


def geometry(pictures: Pictures, progress: Callable[[float], None]) -> Mapping[str, npt.NDArray[Any]]:
    """What the mesh says of faces ``(n, 48, 48)`` that fill their picture, without looking for them.

    ``points (n, 478, 2)`` in shares of the picture, ``shapes (n, 52)``, ``presence (n,)`` logits.
    """
    from PIL import Image

    net, shapes = MeshNet(weights.litert("face-landmarks")), BlendshapeNet(weights.litert("face-blendshapes"))
    side = round(256 / _FILLS)
    margin = (256 - side) // 2
    square = np.array([128.0, 128.0, 256.0, 0.0])
    rows: dict[str, list[Any]] = {"points": [], "shapes": [], "presence": []}
    for i, face in enumerate(pictures):
        ground = np.full((256, 256), 110, np.uint8)
        large = Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC)
        ground[margin : margin + side, margin : margin + side] = np.asarray(large)
        points, presence = net(np.repeat(ground[:, :, None], 3, 2), square)
        points = points.copy()
        points[:, :2] -= margin
        points /= side
        rows["points"].append(points[:, :2].astype(np.float16))
        rows["shapes"].append(shapes(points * 256))
        rows["presence"].append(presence)
        if i % 200 == 0:
            progress(i / len(pictures))
    return {name: np.array(values) for name, values in rows.items()}


def through(pictures: Pictures, progress: Callable[[float], None]) -> Mapping[str, npt.NDArray[Any]]:
    """Faces ``(n, 48, 48)`` with room around them, found and cut out again by the product.

    ``faces (n, 48, 48)`` float32 in [0, 1] (zeros where none was found), ``rule (n, 8)`` the written rule's scores,
    ``reason (n,)`` why there is nothing (empty where there is).
    """
    shapes_of = BlendshapeNet(weights.litert("face-blendshapes"))
    short = Detector(weights.litert("face-detector-short"), full=False)
    full = Detector(weights.litert("face-detector-full"), full=True)
    mesh = MeshNet(weights.litert("face-landmarks"))
    faces, rules, reasons = [], [], []
    for i, face in enumerate(pictures):
        tracker = Tracker(short, full, Mesher(mesh), still=True)
        notes = tracker.push(with_room(face), 0.0, 1.0) + tracker.close()
        seen = largest_of(notes[-1].seen) if notes else None
        reason = "no_face" if seen is None else reason_of(seen)
        reasons.append(reason)
        if seen is None or reason:
            faces.append(np.zeros((48, 48), np.float32))
            rules.append(np.full(8, 1 / 8))
        else:
            faces.append(tight(seen.crop, seen.square, seen.points))
            shapes = shapes_of(seen.points)
            rules.append(expression(dict(zip(BLENDSHAPES, shapes.tolist(), strict=True)))[0])
        if i % 50 == 0:
            progress(i / len(pictures))
    return {"faces": np.array(faces), "rule": np.array(rules), "reason": np.array(reasons)}


def cartoons(path: Any, most: int = 60) -> list[Pictures]:
    """Grey middle squares of a film's frames, two a second; empty where the film is not there."""
    from moodal.extract.face.classifier import grey
    from moodal.media import read

    found: list[Pictures] = []
    if not path.is_file():
        return found
    following = -1.0
    for chunk in read(path).chunks("picture"):
        assert isinstance(chunk, PictureChunk)
        for time, frame in zip(chunk.times.tolist(), chunk.frames, strict=True):
            if time >= following and len(found) < most:
                following = time + 0.1
                n = min(frame.shape[:2])
                left = (frame.shape[1] - n) // 2
                found.append(grey(np.asarray(frame[:n, left : left + n])))
    return found
