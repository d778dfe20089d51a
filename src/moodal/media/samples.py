"""Small recordings of every proven layout, made from a seed: what the laws of readers are tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

from .reader import Truth

__all__ = ["LAYOUTS", "Layout", "colours", "generate", "tones", "write"]

WIDTH, HEIGHT, BLOCK = 96, 64, 32
SECONDS = 2.0
TRUTH_RATE = 16000
FRAME_RATE = 12
#: Pictures are stamped in these units (s), which every container here can hold.
TICK = Fraction(1, 12000)


@dataclass(frozen=True)
class Layout:
    """Codecs of one container, and how far they may stray from what went in."""

    suffix: str
    picture: str = ""
    sound: str = ""
    rate: int = 48000
    channels: int = 1
    varying: bool = False
    turned: int = 0
    pixels: float = 8.0
    samples: float = 0.15
    times: float = 1e-6
    options: Mapping[str, str] = field(default_factory=dict)


_QUIET = {"x265-params": "log-level=none"}

LAYOUTS: tuple[Layout, ...] = (
    Layout(".mp4", "libx264", "aac", options={"g": "8", "crf": "12"}),
    Layout(".wav", sound="pcm_s16le", rate=44100, channels=2, samples=0.002),
    Layout(".webm", "libvpx-vp9", "libopus", times=0.0015, options={"g": "8", "crf": "16", "b": "0", "cpu-used": "6"}),
    Layout(".mp3", sound="libmp3lame", rate=44100, channels=2),
    Layout(".mov", "libx265", "aac", rate=44100, options={"g": "8", "crf": "12", **_QUIET}),
    Layout(".flac", sound="flac", rate=22050, samples=0.002),
    Layout(".mkv", "libx264", "flac", channels=2, varying=True, samples=0.002, times=0.0015, options={"crf": "12"}),
    Layout(".opus", sound="libopus", channels=2),
    Layout(".mp4", "libsvtav1", "libopus", options={"g": "8", "crf": "16", "preset": "10"}),
    Layout(".wav", sound="pcm_f32le", rate=16000, samples=1e-6),
    Layout(".mp4", "libx264", turned=90, options={"g": "8", "crf": "12"}),
    Layout(".m4a", sound="aac", rate=32000),
)


def tones(seed: int, rate: int, seconds: float = SECONDS) -> npt.NDArray[np.float32]:
    """Three seeded tones between 100 and 3,000 Hz that swell and fade: the same sound at any rate."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    waves = sum(
        0.2 * np.sin(2 * np.pi * f * t + p)
        for f, p in zip(rng.uniform(100, 3000, 3), rng.uniform(0, 6, 3), strict=True)
    )
    swell = np.sin(np.pi * t / seconds) ** 0.5
    return np.asarray(waves * swell, np.float32)


def colours(seed: int, n: int, width: int = WIDTH, height: int = HEIGHT) -> npt.NDArray[np.uint8]:
    """Pictures ``(n, height, width, 3)`` of coloured blocks, each unlike its neighbours in time."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(40, 216, (n, height // BLOCK, width // BLOCK, 3), dtype=np.uint8)
    return np.asarray(blocks.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2))


def generate(folder: Path, seed: int) -> Truth:
    """A recording in layout ``seed`` modulo the number of layouts."""
    layout = LAYOUTS[seed % len(LAYOUTS)]
    path = folder / f"sample-{seed}{layout.suffix}"
    times = frames = sound = None
    if layout.picture:
        n = round(SECONDS * FRAME_RATE)
        steps = np.full(n, 1 / FRAME_RATE)
        if layout.varying:
            steps = np.random.default_rng(seed).integers(30, 140, n) / 1000
        times = np.cumsum(steps) - steps[0]
        frames = colours(seed, n)
    if layout.sound:
        sound = tones(seed, layout.rate)
    write(path, layout, times, frames, sound)
    truth = None if sound is None else tones(seed, TRUTH_RATE)
    shown = frames if frames is None or not layout.turned else np.rot90(frames, layout.turned // 90, axes=(1, 2))
    ends = [0.0 if times is None else float(times[-1]) + 1 / FRAME_RATE, 0.0 if sound is None else SECONDS]
    return Truth(
        path, max(ends), times, shown, truth,
        time_tolerance=layout.times, pixel_tolerance=layout.pixels, sound_tolerance=layout.samples,
    )  # fmt: skip


def write(
    path: Path,
    layout: Layout,
    times: FloatArray | None = None,
    frames: npt.NDArray[np.uint8] | None = None,
    sound: npt.NDArray[np.float32] | None = None,
    *,
    sound_start: float = 0.0,
) -> None:
    """Encode ``frames (n, height, width, 3)`` at ``times (n,)`` s and mono ``sound`` at the layout's rate.

    More than one channel carries the sound louder and softer, so that the mean is the sound.
    """
    import av

    options = {"fflags": "+bitexact"}
    if path.suffix in (".mp4", ".mov", ".m4a"):
        options["movflags"] = "+faststart"
    with av.open(str(path), "w", options=options) as container:
        packets: list[tuple[float, int, Any]] = []
        if times is not None and frames is not None:
            packets += _encoded_pictures(container, layout, times, frames)
        if sound is not None:
            packets += _encoded_sound(container, layout, sound, sound_start)
        for _, _, packet in sorted(packets, key=lambda row: row[:2]):
            container.mux(packet)


def _encoded_pictures(
    container: Any, layout: Layout, times: FloatArray, frames: npt.NDArray[np.uint8]
) -> list[tuple[float, int, Any]]:
    import av

    stream = container.add_stream(layout.picture, rate=FRAME_RATE, options=dict(layout.options))
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = TICK
    if layout.turned:
        stream.set_display_rotation(layout.turned)
    packets = []
    for at, pixels in zip(times, frames, strict=True):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = round(float(at) / TICK), TICK
        packets += stream.encode(frame)
    packets += stream.encode(None)
    return [(float((p.dts or 0) * p.time_base), k, p) for k, p in enumerate(packets)]


def _encoded_sound(
    container: Any, layout: Layout, sound: npt.NDArray[np.float32], start: float
) -> list[tuple[float, int, Any]]:
    import av

    name = {1: "mono", 2: "stereo", 6: "5.1"}[layout.channels]
    stream = container.add_stream(layout.sound, rate=layout.rate, layout=name)
    gains = np.linspace(1.25, 0.75, layout.channels) if layout.channels > 1 else np.ones(1)
    channels = np.ascontiguousarray(gains[:, None] * sound, np.float32)
    converter = av.AudioResampler(
        format=stream.format.name, layout=name, rate=layout.rate, frame_size=stream.codec_context.frame_size or 1024
    )
    whole = av.AudioFrame.from_ndarray(channels, format="fltp", layout=name)
    whole.sample_rate, whole.time_base = layout.rate, Fraction(1, layout.rate)
    whole.pts = round(start * layout.rate)
    packets = []
    for frame in [*converter.resample(whole), *converter.resample(None)]:
        packets += stream.encode(frame)
    packets += stream.encode(None)
    return [(float((p.dts or 0) * p.time_base), 10**6 + k, p) for k, p in enumerate(packets)]
