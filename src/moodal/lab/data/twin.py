"""Twins: small made-up copies of a data set in its official layout, with real (tiny) files and a known truth."""

from __future__ import annotations

import csv
import io
import wave
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Truth", "movie", "tabled", "tone", "write"]


@dataclass(frozen=True)
class Truth:
    """What a twin holds: the laws of data sets read it and compare.

    ``clips``, ``subjects`` and ``splits`` are one entry an example, in any order. ``labels`` holds by name of the label
    one entry an example: a class's name (``""`` unlabelled), a tuple of names (multilabel), or a tuple of numbers
    (continuous and distribution; NaN unrated). ``modalities`` are the widths of the features that the reader brings.
    ``parts`` are the paths under the root that the reader cannot do without, ``tables`` those of files whose bytes a
    damaged download may change. ``spoil(root)`` puts a label outside its scheme into a twin and gives back what
    the error must name (a row, or a file). ``settings`` are what ``read`` is told beside the root.
    """

    clips: Sequence[str]
    subjects: Sequence[str]
    splits: Sequence[str]
    labels: Mapping[str, Sequence[Any]]
    parts: Sequence[str]
    tables: Sequence[str]
    spoil: Callable[[Path], str]
    modalities: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def write(path: Path, content: str | bytes) -> Path:
    """A file with its folders; text as UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def tabled(header: Sequence[str], rows: Iterable[Sequence[Any]], delimiter: str = ",") -> str:
    """A table as CSV text (or with another delimiter)."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def tone(seed: int, seconds: float = 0.1, rate_hz: int = 16_000) -> bytes:
    """A mono 16-bit WAV file: a tone in noise, another for each seed."""
    rng = np.random.default_rng([17, seed])
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    samples = 0.3 * np.sin(2 * np.pi * rng.uniform(100, 400) * t) + 0.02 * rng.normal(size=len(t))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


@cache
def movie(seed: int, container: str = "mp4", sound: bool = True) -> bytes:
    """A video of 0.2 s, 32 x 32 pixels, with a tone: ``mp4`` (MPEG-4, AAC) or ``flv`` (Flash video, MP3)."""
    import av

    rng = np.random.default_rng([29, seed])
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        picture = file.add_stream("mpeg4" if container == "mp4" else "flv", rate=25)
        picture.width = picture.height = 32
        picture.pix_fmt = "yuv420p"
        voice = file.add_stream("aac" if container == "mp4" else "libmp3lame", rate=44_100) if sound else None
        grey = rng.integers(40, 200)
        for k in range(5):
            pixels = np.full((32, 32, 3), min(255, grey + 5 * k), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
        if voice is not None:
            t = np.arange(8820) / 44_100
            wave_ = (0.3 * np.sin(2 * np.pi * rng.uniform(100, 400) * t)).astype(np.float32)
            for start in range(0, len(wave_), 1024):
                chunk = av.AudioFrame.from_ndarray(wave_[None, start : start + 1024], format="fltp", layout="mono")
                chunk.sample_rate, chunk.pts = 44_100, start
                file.mux(voice.encode(chunk))
            file.mux(voice.encode(None))
    return out.getvalue()
