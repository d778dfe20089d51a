"""What the face expert makes of spoilt faces and of what is no face: accuracy under each, and how often it is sure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.dsp.calibration import tempered
from moodal.extract.face.classifier import ExpressionNet, whole

__all__ = ["NOT_FACES", "SPOILT", "Look", "Told", "answers", "rows_of_bad", "rows_of_spoilt"]

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
#: From grey pictures ``(48, 48)`` uint8 to log-probabilities ``(n, 8)`` and distances ``(n,)``.
Look = Callable[[npt.NDArray[np.uint8]], tuple[Floats, Floats]]
#: A class told with at least this probability is told with confidence.
CONFIDENT = 0.8


class Told:
    """Log-probabilities to what the bundle tells: calibrated scores, and whether they are withheld."""

    def __init__(self, shift: Floats, calibration: Mapping[str, Any], most: float) -> None:
        self.shift, self.calibration, self.most = shift, calibration, most
        self.least = float(calibration["label_sets"]["least"])

    def __call__(self, log_p: Floats, away: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Scores ``(n, 8)`` and which of them are withheld ``(n,)``."""
        return np.asarray(tempered(log_p + self.shift, self.calibration)), away > self.most


def _image(face: Picture) -> Any:
    from PIL import Image

    return Image.fromarray(face)


def _blurred(face: Picture, radius: float) -> Picture:
    from PIL import ImageFilter

    return np.asarray(_image(face).filter(ImageFilter.GaussianBlur(radius)))


def _looser(face: Picture) -> Picture:
    """A quarter more around it: the border repeated outwards, for what was there is not known."""
    margin = 6
    return np.asarray(_image(np.pad(face, margin, mode="edge")).resize((48, 48), 2))


def _tighter(face: Picture) -> Picture:
    return np.asarray(_image(face[5:43, 5:43]).resize((48, 48), 2))


def _dark(face: Picture) -> Picture:
    """A fifth of the light, in whole grey levels, with a camera's noise."""
    noise = np.random.default_rng(int(face.sum())).normal(0, 1.5, face.shape)
    return np.clip(np.round(face * 0.2 + noise), 0, 255).astype(np.uint8)


def _coarse(face: Picture) -> Picture:
    return np.asarray(_image(face).resize((24, 24), 4).resize((48, 48), 2))


def _jpeg(face: Picture) -> Picture:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    _image(face).save(buffer, "JPEG", quality=20)
    return np.asarray(Image.open(buffer))


def _turned(face: Picture) -> Picture:
    return np.asarray(_image(np.pad(face, 12, mode="edge")).rotate(15, 2).crop((12, 12, 60, 60)))


def _shaded(face: Picture) -> Picture:
    """Dark glasses: a bar over the eyes, which lie at 0.4 of the height in these pictures."""
    out = face.copy()
    out[13:24, 4:44] = 12
    return out


def _masked(face: Picture) -> Picture:
    """A pale mask over nose and mouth."""
    out = face.copy()
    out[27:47, 7:41] = 200
    return out


def _half(face: Picture) -> Picture:
    """One half of the face in the dark."""
    out = face.copy()
    out[:, :24] = 5
    return out


#: Faces that are spoilt but still faces.
SPOILT: dict[str, Callable[[Picture], Picture]] = {
    "as they are": lambda face: face,
    "crop 25 % looser": _looser,
    "crop 25 % tighter": _tighter,
    "turned by 15 degrees": _turned,
    "blurred (sigma 1.5 px)": lambda face: _blurred(face, 1.5),
    "half the resolution (24 px)": _coarse,
    "a fifth of the light": _dark,
    "JPEG quality 20": _jpeg,
    "dark glasses": _shaded,
    "mask": _masked,
    "half in the dark": _half,
}


def rows_of_spoilt(faces: Picture, truth: npt.NDArray[np.int64], look: Look, told: Told) -> dict[str, dict[str, float]]:
    """For each of `SPOILT`: accuracy, mean size of label sets at 90 %, and the share told with confidence but wrong."""
    out = {}
    for name, spoil in SPOILT.items():
        scores, withheld = told(*look(np.stack([spoil(f) for f in faces])))
        right = (scores.argmax(1) == truth) & ~withheld
        sure = (scores.max(1) >= CONFIDENT) & ~withheld
        out[name] = {
            "accuracy": round(float(right.mean()), 4),
            "mean_set_size": round(float((scores >= told.least).sum(1).clip(1).mean()), 2),
            "confident": round(float(sure.mean()), 4),
            "confident_and_wrong": round(float((sure & ~right).mean()), 4),
            "withheld": round(float(withheld.mean()), 4),
        }
    return out


#: Pictures that show no face at all, made by a seed.
NOT_FACES: dict[str, Callable[[np.random.Generator], Picture]] = {
    "black": lambda rng: np.zeros((48, 48), np.uint8),
    "one grey": lambda rng: np.full((48, 48), rng.integers(20, 250), np.uint8),
    "noise": lambda rng: rng.integers(0, 256, (48, 48), np.uint8),
    "soft noise": lambda rng: np.asarray(_image(rng.integers(0, 256, (6, 6), np.uint8)).resize((48, 48), 3)),
    "stripes": lambda rng: (127 + 120 * np.sin(np.arange(48) * rng.uniform(0.2, 1.5))[None].repeat(48, 0)).astype(
        np.uint8
    ),
    "a blurred ball": lambda rng: _blurred(
        ((np.hypot(*np.mgrid[-24:24, -24:24]) < rng.uniform(8, 20)) * 180 + 30).astype(np.uint8), 4.0
    ),
}


def rows_of_bad(
    faces: Picture, cartoons: list[Picture], look: Look, told: Told, seed: int
) -> dict[str, dict[str, float]]:
    """For what is no face, or not as faces stand: the share told with confidence, withheld, and mean set size."""
    rng = np.random.default_rng(seed)
    bad = {name: np.stack([draw(rng) for _ in range(100)]) for name, draw in NOT_FACES.items()}
    bad["faces upside down"] = faces[:300, ::-1]
    bad["faces in 6 x 6 blocks"] = np.stack(
        [np.asarray(_image(f).resize((6, 6), 4).resize((48, 48), 0)) for f in faces[:300]]
    )
    bad["shuffled quarters of faces"] = np.stack(
        [np.block([[f[24:, 24:], f[24:, :24]], [f[:24, 24:], f[:24, :24]]]) for f in faces[:300]]
    )
    if cartoons:
        bad["frames of an animated film"] = np.stack(
            [np.round(whole(np.repeat(c[..., None], 3, 2)) * 255).astype(np.uint8) for c in cartoons]
        )
    out = {}
    for name, pictures in bad.items():
        scores, withheld = told(*look(pictures))
        out[name] = {
            "n": len(pictures),
            "confident": round(float(((scores.max(1) >= CONFIDENT) & ~withheld).mean()), 4),
            "withheld": round(float(withheld.mean()), 4),
            "mean_set_size": round(float((scores >= told.least).sum(1).clip(1).mean()), 2),
        }
    return out


def states(net: ExpressionNet, pictures: npt.NDArray[np.uint8]) -> Floats:
    """States ``(n, d)`` alone: of a net whose distance from training is not known yet."""
    return np.array([net.looked(np.asarray(p, np.float32) / np.float32(255))[1] for p in pictures])


def answers(net: ExpressionNet, pictures: npt.NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Of pictures ``(n, 48, 48)`` (uint8, or float in [0, 1]), one at a time as the product does: log-probabilities
    ``(n, 8)``, states ``(n, d)``, distances ``(n,)``."""
    scale = np.float32(255 if pictures.dtype == np.uint8 else 1)
    rows = [net.looked(np.asarray(p, np.float32) / scale) for p in pictures]
    states = np.array([s for _, s in rows])
    return np.array([t for t, _ in rows]), states, np.array([net.away(s) for s in states])
