"""The demo recording: a still portrait set in motion by a program, and a public-domain reading.

It is made on the user's machine from two openly licensed files. Nobody in it shows anything: it
exists so that tracking, pose, quality and gaps visibly change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, OutputError

__all__ = ["DURATION_S", "assemble"]

WIDTH, HEIGHT, FPS = 640, 360, 30
DURATION_S = 24.0
#: The reading lasts 20 s and leaves silence before and after.
SPEECH = (2.0, 20.0)
SOUND_RATE = 48000

#: What happens when (s). Between them the portrait only moves.
AWAY, COVERED, DARK, BLURRED = (6.0, 8.0), (11.0, 12.5), (15.0, 16.0), (18.0, 19.5)


def assemble(portrait: Path, speech: Path, out: Path) -> None:
    """Write the demo recording as ``out`` (H.264 and AAC in MP4, 640 × 360, 30 frames a second).

    Raises
    ------
    InputError : a part cannot be read.
    OutputError : ``out`` cannot be written.
    """
    import av
    from PIL import Image

    try:
        face = Image.open(portrait).convert("RGB")
        sound = _speech(speech)
    except (OSError, av.error.FFmpegError) as error:
        raise InputError(f"cannot be read ({error})", where="demo parts", fix="Run: moodal models pull") from error
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with av.open(
            str(part), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
        ) as container:
            _encode(container, face, sound)
        os.replace(part, out)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", where=str(out), fix="Choose another --out."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _encode(container: Any, face: Any, sound: npt.NDArray[np.int16]) -> None:
    import av

    # One thread and bit-exact flags: the same parts give the same file on one machine.
    video = container.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "veryfast", "threads": "1"})
    video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    audio = container.add_stream("aac", rate=SOUND_RATE, layout="mono", options={"b": "96000"})
    for stream in (video, audio):
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.codec_context.thread_count = 1
    for index, pixels in enumerate(_frames(face)):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        container.mux(video.encode(frame))
    container.mux(video.encode(None))
    block = 1024
    for first in range(0, len(sound), block):
        piece = av.AudioFrame.from_ndarray(sound[None, first : first + block], format="s16", layout="mono")
        piece.sample_rate, piece.pts, piece.time_base = SOUND_RATE, first, Fraction(1, SOUND_RATE)
        container.mux(audio.encode(piece))
    container.mux(audio.encode(None))


def _speech(path: Path) -> npt.NDArray[np.int16]:
    """The first 20 s of the reading between two stretches of silence, 48 kHz mono."""
    import av

    start, length = (round(s * SOUND_RATE) for s in SPEECH)
    pieces, held = [], 0
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SOUND_RATE)
        for frame in container.decode(audio=0):
            for out in resampler.resample(frame):
                pieces.append(out.to_ndarray()[0])
                held += len(pieces[-1])
            if held >= length:
                break
    reading = np.concatenate(pieces)[:length].astype(np.float64)
    # A short fade, so that the cut at 20 s makes no click.
    fade = np.minimum(1.0, np.arange(len(reading), 0, -1) / (0.05 * SOUND_RATE))
    track = np.zeros(round(DURATION_S * SOUND_RATE), np.int16)
    track[start : start + len(reading)] = (reading * fade).astype(np.int16)
    return track


def _inside(t: float, span: tuple[float, float]) -> bool:
    return span[0] <= t < span[1]


def _frames(face: Any) -> Iterator[npt.NDArray[np.uint8]]:
    """The portrait moved, scaled and turned over a plain wall; away, covered, dark and blurred in turn."""
    from PIL import Image, ImageDraw, ImageFilter

    wall = Image.new("RGB", (WIDTH, HEIGHT), (188, 190, 186))
    ImageDraw.Draw(wall).rectangle([0, 300, WIDTH, HEIGHT], fill=(150, 146, 140))
    cut = face.crop((100, 0, 400, 300))
    for index in range(round(DURATION_S * FPS)):
        t = index / FPS
        frame = wall.copy()
        scale = 0.8 + 0.25 * np.sin(2 * np.pi * t / 12)
        angle = 18 * np.sin(2 * np.pi * t / 7)
        x = WIDTH / 2 + 120 * np.sin(2 * np.pi * t / 9)
        y = HEIGHT / 2 + 15 * np.sin(2 * np.pi * t / 5)
        if _inside(t, AWAY):
            # Out to the right and back, slowly enough to be followed to the edge.
            x += 620 * np.sin(np.pi * (t - AWAY[0]) / (AWAY[1] - AWAY[0]))
        side = round(300 * scale)
        turned = cut.resize((side, side), Image.Resampling.BILINEAR).rotate(angle, Image.Resampling.BILINEAR)
        shape = Image.new("L", (300, 300), 0)
        ImageDraw.Draw(shape).ellipse([20, 5, 280, 295], fill=255)
        mask = shape.resize((side, side)).rotate(angle)
        frame.paste(turned, (round(x - side / 2), round(y - side / 2)), mask)
        if _inside(t, COVERED):
            ImageDraw.Draw(frame).rectangle(
                [x - side * 0.3, y - side * 0.15, x + side * 0.3, y + side * 0.4], fill=(96, 98, 100)
            )
        if _inside(t, BLURRED):
            frame = frame.filter(ImageFilter.GaussianBlur(7))
        pixels = np.asarray(frame)
        yield (pixels // 24 if _inside(t, DARK) else pixels).astype(np.uint8)
