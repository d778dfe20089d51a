"""Small recordings made on the spot: sound of every kind of nothing, pictures of nobody, a moving portrait."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE = 16000


def write_wav(path: Path, samples: npt.NDArray[np.floating], rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def write_float_wav(path: Path, samples: npt.NDArray[np.floating], rate: int = RATE) -> Path:
    """32-bit float WAV, which may hold NaN."""
    data = np.asarray(samples, "<f4").tobytes()
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += (3).to_bytes(2, "little") + (1).to_bytes(2, "little") + rate.to_bytes(4, "little")
    head += (rate * 4).to_bytes(4, "little") + (4).to_bytes(2, "little") + (32).to_bytes(2, "little")
    path.write_bytes(head + b"data" + len(data).to_bytes(4, "little") + data)
    return path


def silence(seconds: float) -> npt.NDArray[np.float64]:
    return np.zeros(round(seconds * RATE))


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> npt.NDArray[np.float64]:
    return level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def write_video(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    fps: int = 10,
    sound: npt.NDArray[np.floating] | None = None,
    codec: str = "libx264",
) -> Path:
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=fps)
        audio = container.add_stream("aac", rate=RATE, layout="mono") if sound is not None else None
        for index, pixels in enumerate(frames):
            if index == 0:
                video.height, video.width = pixels.shape[:2]
                video.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            for first in range(0, len(sound), 1024):
                part = (np.clip(sound[None, first : first + 1024], -1, 1) * 32767).astype(np.int16)
                piece = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
                piece.sample_rate, piece.pts, piece.time_base = RATE, first, Fraction(1, RATE)
                container.mux(audio.encode(piece))
            container.mux(audio.encode(None))
    return path


def wall(
    seconds: float, fps: int = 10, colour: tuple[int, int, int] = (150, 140, 130)
) -> Iterable[npt.NDArray[np.uint8]]:
    for _ in range(round(seconds * fps)):
        yield np.full((180, 320, 3), colour, np.uint8)


def snow(seconds: float, fps: int = 10) -> Iterable[npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    for _ in range(round(seconds * fps)):
        yield rng.integers(0, 256, (180, 320, 3), dtype=np.uint8)


def portrait(seconds: float, fps: int = 10, *, away: tuple[float, float] = (0, 0)) -> Iterable[npt.NDArray[np.uint8]]:
    """The demo's portrait on a wall, moving slowly; not there during ``away``."""
    from PIL import Image

    from moodal import weights

    face = Image.open(weights.path("demo-portrait")).convert("RGB").crop((100, 0, 400, 300)).resize((170, 170))
    for index in range(round(seconds * fps)):
        t = index / fps
        frame = Image.new("RGB", (320, 180), (188, 190, 186))
        if not away[0] <= t < away[1]:
            frame.paste(face, (round(75 + 10 * np.sin(t)), 5))
        yield np.asarray(frame)


def speech(seconds: float) -> npt.NDArray[np.float64]:
    """The beginning of the demo's reading."""
    import moodal
    from moodal import weights

    parts, held = [], 0
    for chunk in moodal.read(weights.path("demo-speech")).chunks("sound"):
        parts.append(chunk.samples)
        held += len(parts[-1])
        if held >= seconds * RATE:
            break
    return np.concatenate(parts)[: round(seconds * RATE)].astype(float)
