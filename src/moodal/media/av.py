"""Video and sound of any container FFmpeg knows, by time stamps, streamed.

The recording's zero is the earliest start of its picture and its sound. Lengths come from packets,
not from headers, which lie; damaged parts are left out and stay holes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import Span
from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import Chunk, PictureChunk, SoundChunk, Stream

from .reader import ReaderSpec, sha256_of

__all__ = ["SOUND_RATE", "SPEC"]

EXTENSIONS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".3gp", ".wmv", ".flv",
    ".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma", ".amr",
)  # fmt: skip

#: Sound is given at this rate, the one that speech models read.
SOUND_RATE = 16000
#: Longer side of a frame: above it decoding costs more than the networks, and faces gain nothing.
LONGEST = 1280
#: Frames and samples of a chunk.
FRAMES, SAMPLES = 16, SOUND_RATE
#: A jump of sound time stamps below this is rounding, not a hole.
JITTER_S = 0.02


@dataclass
class _Facts:
    """What the packets say of one stream: start and end in s on the container's clock."""

    index: int
    start: float
    end: float
    packets: int
    frame_s: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)
    rate: float | None = None


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import av

    try:
        container = av.open(str(path), metadata_errors="ignore")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if not path.exists():
            raise InputError("is no longer there", where=str(path), fix="Put it back and run again.") from error
        raise InputError(
            "is not a video, sound, picture or transcript that moodal can read",
            where=str(path),
            fix="Convert it (mp4, webm, wav, mp3, jpg, srt …), or check that the copy is complete.",
        ) from error
    try:
        yield container
    finally:
        container.close()


def sniff(path: Path, head: bytes) -> bool:
    """The last reader asked: whatever no other one knows is tried with FFmpeg."""
    return True


def read(path: Path) -> Recording:
    """Streams, rates and lengths from one pass over the packets; nothing is decoded.

    Raises
    ------
    InputError : not media, or neither sound nor picture in it.
    """
    warnings: list[str] = []
    with _open(path) as container:
        facts = _survey(container, path, warnings)
    if not facts:
        raise InputError("holds no sound and no picture", where=str(path), fix="Choose another file.")
    zero = min(f.start for f in facts.values())
    duration = max(f.end for f in facts.values()) - zero
    if duration <= 0:
        raise InputError("holds nothing that lasts", where=str(path), fix="Copy or export the recording again.")
    streams, openers = [], {}
    for kind, fact in facts.items():
        start, end = fact.start - zero, fact.end - zero
        if kind == "picture":
            streams.append(Stream("picture", "picture", fact.rate, start, end, fact.info))
            openers["picture"] = _pictures(path, fact, zero)
        else:
            streams.append(Stream("sound", "sound", float(SOUND_RATE), start, end, fact.info))
            openers["sound"] = _sounds(path, fact, zero)
    return Recording(path, path.name, duration, tuple(streams), openers, sha256_of(path), warnings=warnings)


def _survey(container: Any, path: Path, warnings: list[str]) -> dict[str, _Facts]:
    """First picture and first sound stream, with starts and ends read from every packet."""
    import av

    pictures = [s for s in container.streams.video if not _is_cover(s)]
    sounds = [s for s in container.streams.audio if s.codec_context is not None]
    chosen = [*pictures[:1], *sounds[:1]]
    if len(sounds) > 1:
        warnings.append(f"{path.name}: has {len(sounds)} sound tracks; the first is used")
    if len(pictures) > 1:
        warnings.append(f"{path.name}: has {len(pictures)} pictures; the first is used")
    times: dict[int, list[float]] = {s.index: [np.inf, -np.inf, 0] for s in chosen}
    step: dict[int, float] = {}
    broken = False
    try:
        for packet in container.demux(chosen):
            if packet.size == 0 or packet.is_discard:
                continue
            pts = packet.pts if packet.pts is not None else packet.dts
            row = times[packet.stream.index]
            row[2] += 1
            if pts is None:
                continue
            base = packet.time_base or packet.stream.time_base
            length = float((packet.duration or 0) * base)
            if length > 0:
                step[packet.stream.index] = length
            at = float(pts * base)
            row[0], row[1] = min(row[0], at), max(row[1], at + length)
    except av.error.FFmpegError:
        broken = True
    facts: dict[str, _Facts] = {}
    for stream in chosen:
        start, end, packets = times[stream.index]
        if not packets or not np.isfinite(start):
            continue
        kind = "picture" if stream.type == "video" else "sound"
        fact = _Facts(stream.index, start, end, int(packets))
        if kind == "picture":
            rate = stream.average_rate or stream.guessed_rate or Fraction(25)
            fact.rate = float(rate)
            fact.frame_s = 1.0 / fact.rate
            if stream.index not in step:
                fact.end += fact.frame_s
            context = stream.codec_context
            fact.info = {"width": context.width, "height": context.height, "codec": context.name}
            if end - start > 0 and packets > 1:
                fact.rate = (
                    round(packets / (fact.end - start), 6)
                    if abs(packets / (fact.end - start) / fact.rate - 1) > 0.05
                    else fact.rate
                )
        else:
            context = stream.codec_context
            fact.info = {"codec": context.name, "channels": context.channels, "sample_rate": context.sample_rate}
            # Encoder padding before zero is not sound (AAC and Opus start with it).
            fact.start = max(fact.start, 0.0) if fact.start < 0 else fact.start
        if stream.metadata.get("language"):
            fact.info["language"] = stream.metadata["language"]
        facts[kind] = fact
    announced = float(container.duration or 0) / 1_000_000
    real = max((f.end for f in facts.values()), default=0.0) - min((f.start for f in facts.values()), default=0.0)
    if broken or (announced > 0 and real < 0.9 * announced):
        warnings.append(f"{path.name}: breaks off at {real:.2f} s of {announced:.2f} s; what is there is read")
    return facts


def _is_cover(stream: Any) -> bool:
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _pictures(path: Path, fact: _Facts, zero: float) -> Callable[[Span], Iterator[Chunk]]:
    def chunks(span: Span) -> Iterator[Chunk]:
        times: list[float] = []
        frames: list[npt.NDArray[np.uint8]] = []
        scale = 1.0
        for at, frame, shrunk in _frames(path, fact, zero, span):
            if len(frames) == FRAMES:
                yield _picture_chunk(times, at, frames, scale)
                times, frames = [], []
            times.append(at)
            frames.append(frame)
            scale = shrunk
        if frames:
            # The last frame stays for as long as the one before it did, but not past the stream.
            yield _picture_chunk(times, max(min(times[-1] + fact.frame_s, fact.end - zero), times[-1]), frames, scale)

    return chunks


def _picture_chunk(times: list[float], end: float, frames: list[npt.NDArray[np.uint8]], scale: float) -> PictureChunk:
    return PictureChunk("picture", np.array(times), np.array([*times[1:], end]), frames, scale)


def _frames(path: Path, fact: _Facts, zero: float, span: Span) -> Iterator[tuple[float, npt.NDArray[np.uint8], float]]:
    """Upright RGB frames of ``span`` in order of time; a frame whose time does not rise is left out."""
    import av
    from av.video.reformatter import VideoReformatter

    with _open(path) as container:
        stream = container.streams[fact.index]
        stream.thread_type = "AUTO"
        _seek(container, stream, span.start + zero)
        reformat = VideoReformatter()
        last = -np.inf
        for frame in _decoded(container, stream, path):
            if frame.pts is None:
                at = last + fact.frame_s if np.isfinite(last) else span.start
            else:
                at = float(frame.pts * frame.time_base) - zero
            if at >= span.end:
                break
            if at < span.start or at <= last:
                continue
            last = at
            shrink = max(frame.width, frame.height) / LONGEST
            size = {}
            if shrink > 1:
                size = {"width": round(frame.width / shrink / 2) * 2, "height": round(frame.height / shrink / 2) * 2}
            turned = round(getattr(frame, "rotation", 0) or 0) % 360
            kind = av.video.reformatter.Interpolation.FAST_BILINEAR
            rgb: Any = reformat.reformat(frame, format="rgb24", interpolation=kind, **size).to_ndarray()
            if turned:
                rgb = np.ascontiguousarray(np.rot90(rgb, turned // 90))
            yield at, rgb, max(shrink, 1.0)


def _seek(container: Any, stream: Any, start: float) -> None:
    if start > 0:
        container.seek(max(0, int((start - 0.5) / stream.time_base)), stream=stream, backward=True, any_frame=False)


def _decoded(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """Decoded frames; a packet that cannot be decoded is passed over, a file that is gone is an error."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            if path.exists():
                return
            raise InputError("vanished while it was read", where=str(path), fix="Put it back and run again.") from error
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


def _sounds(path: Path, fact: _Facts, zero: float) -> Callable[[Span], Iterator[Chunk]]:
    def chunks(span: Span) -> Iterator[Chunk]:
        first, last = round(span.start * SOUND_RATE), round(span.end * SOUND_RATE)
        waiting: list[npt.NDArray[np.float32]] = []
        held, at = 0, first
        for start, samples in _samples(path, fact, zero, span):
            low, high = max(start, first), min(start + len(samples), last)
            part = samples[max(low - start, 0) : max(high - start, 0)]
            if not len(part):
                if start >= last:
                    break
                continue
            if held and low != at + held:
                yield SoundChunk("sound", at, np.concatenate(waiting), SOUND_RATE)
                waiting, held = [], 0
            if not held:
                at = low
            waiting.append(part)
            held += len(part)
            while held >= SAMPLES:
                whole = np.concatenate(waiting)
                yield SoundChunk("sound", at, whole[:SAMPLES], SOUND_RATE)
                waiting, held, at = [whole[SAMPLES:]], held - SAMPLES, at + SAMPLES
        if held:
            yield SoundChunk("sound", at, np.concatenate(waiting), SOUND_RATE)

    return chunks


def _samples(path: Path, fact: _Facts, zero: float, span: Span) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Mono samples at `SOUND_RATE` with the index of the first; a jump of the time stamps is a hole.

    Reading from the middle begins two seconds early, so that the resampler and codecs with memory
    give the same samples as a read from the start.
    """
    import av

    with _open(path) as container:
        stream = container.streams[fact.index]
        stream.thread_type = "AUTO"
        _seek(container, stream, span.start + zero - 2.0)
        resampler = None
        origin, given = 0.0, 0

        def resampled(frame: Any) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
            nonlocal given
            assert resampler is not None
            for out in resampler.resample(frame):
                samples = out.to_ndarray()
                mono = samples.mean(axis=0, dtype=np.float32) if samples.shape[0] > 1 else samples[0]
                yield round(origin * SOUND_RATE) + given, np.ascontiguousarray(mono, np.float32)
                given += samples.shape[1]

        expected = None
        for frame in _decoded(container, stream, path):
            at = expected if frame.pts is None else float(frame.pts * frame.time_base) - zero
            if at is None:
                at = span.start
            if expected is None or abs(at - expected) > JITTER_S:
                if resampler is not None:
                    yield from resampled(None)
                resampler = av.AudioResampler(format="fltp", layout=frame.layout.name, rate=SOUND_RATE)
                origin, given = at, 0
            expected = at + frame.samples / frame.sample_rate
            frame.pts = None
            yield from resampled(frame)
        if resampler is not None:
            yield from resampled(None)


def generate(path: Path, seed: int) -> dict[str, Any]:
    """A WAV of seeded tones at 16 kHz, stored without loss."""
    import wave

    rng = np.random.default_rng(seed)
    t = np.arange(int(2.5 * SOUND_RATE)) / SOUND_RATE
    tones = sum(
        0.2 * np.sin(2 * np.pi * f * t + p)
        for f, p in zip(rng.uniform(100, 3000, 3), rng.uniform(0, 6, 3), strict=True)
    )
    stored = np.round(tones * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE)
        file.writeframes(stored.tobytes())
    return {
        "suffix": ".wav",
        "sound": stored.astype(np.float32) / 32768,
        "duration_s": len(t) / SOUND_RATE,
        "tolerance": 1e-4,
    }


SPEC = ReaderSpec("av", EXTENSIONS, "video and sound (every container and codec FFmpeg decodes)", sniff, read, generate)
