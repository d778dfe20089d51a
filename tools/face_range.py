"""Which blendshapes ever move, and how far the written rule gets: python tools/face_range.py

Prints the 99.5th percentile of each blendshape over the faces of MOODAL_DATA/face_clips and over 5,000 training
pictures of FER+ (those in which the short-range detector finds a face), the least first: `DEAD` in
``dsp/face_expression.py`` are those below 0.12 on both. Then the rule's recall of each class on the same pictures.
Two minutes on one core.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
from PIL import Image

import moodal
from moodal import weights
from moodal.core.scheme import scheme
from moodal.dsp.face_expression import expression
from moodal.extract.face.crops import crop_of_box, crop_of_points, cut_out
from moodal.extract.face.nets import BLENDSHAPES, BlendshapeNet, Detector, MeshNet

#: Share of the scale below which a shape counts as never moving; pictures drawn, seed of the draw.
LEAST, PICTURES, SEED = 0.12, 5000, 0


def of_clips(folder: Path) -> np.ndarray:
    """Blendshapes ``(n, 52)`` of every face frame."""
    rows = []
    for path in sorted(folder.iterdir()):
        if path.suffix != ".csv":
            rows += [t.values for _, t in moodal.extract(path, "face.blendshapes").items() if len(t)]
    return np.concatenate(rows).astype(float)


def of_pictures(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Blendshapes ``(n, 52)`` and the label most voted for of each picture in which a face is found."""
    Image.MAX_IMAGE_PIXELS = None
    sheet = np.asarray(Image.open(folder / "train.png"))
    with (folder / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    detector = Detector(weights.litert("face-detector-short"), full=False)
    mesh, shapes = MeshNet(weights.litert("face-landmarks")), BlendshapeNet(weights.litert("face-blendshapes"))
    values, labels = [], []
    for index in np.random.default_rng(SEED).permutation(len(rows))[:PICTURES]:
        top, left = 48 * int(rows[index]["row"]), 48 * int(rows[index]["col"])
        tile = Image.fromarray(sheet[top : top + 48, left : left + 48]).resize((192, 192), Image.Resampling.BICUBIC)
        frame = np.repeat(np.pad(np.asarray(tile), 48, mode="edge")[..., None], 3, axis=2)
        found = detector(frame)
        if not found:
            continue
        square = crop_of_box(found[0][1], found[0][2])
        square = crop_of_points(mesh(cut_out(frame, square), square)[0])
        points, presence = mesh(cut_out(frame, square), square)
        if presence >= 10:
            values.append(shapes(points))
            labels.append(rows[index]["top_emotion"])
    return np.array(values, float), np.array(labels)


def main() -> None:
    """Print both tables."""
    data = os.environ.get("MOODAL_DATA")
    if not data:
        raise SystemExit("set MOODAL_DATA to the folder of real recordings")
    clips = of_clips(Path(data) / "face_clips")
    values, labels = of_pictures(Path(data) / "faces_ferplus")
    print(f"{len(clips)} face frames of clips, {len(values)} faces of {PICTURES} pictures")
    high = np.stack([np.percentile(v, 99.5, axis=0) for v in (clips, values)])
    for i in np.argsort(high.max(axis=0)):
        mark = "never moves" if high[:, i].max() < LEAST else ""
        print(f"{BLENDSHAPES[i]:<22} clips {high[0, i]:.3f}  pictures {high[1, i]:.3f}  {mark}")
    classes = scheme("ekman8").classes
    told = np.array([classes[int(expression(dict(zip(BLENDSHAPES, r, strict=True)))[0].argmax())] for r in values])
    recalls = {c: float((told[labels == c] == c).mean()) for c in classes if (labels == c).any()}
    print("recall of the rule:", ", ".join(f"{c} {r:.2f} (n {(labels == c).sum()})" for c, r in recalls.items()))
    print(f"unweighted average recall {np.mean(list(recalls.values())):.3f}; one class always: {1 / len(recalls):.3f}")


if __name__ == "__main__":
    main()
