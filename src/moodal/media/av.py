"""Video and sound of any container FFmpeg knows, by time stamps, streamed.

The recording's zero is the earliest start of its picture and its sound. Lengths come from packets,
not from headers, which lie; damaged parts are left out and stay holes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import Stream

from . import pictures, sounds
from .container import Clock, Facts, Source, failures, opened
from .reader import ReaderSpec, Truth, sha256_of
from .sounds import SOUND_RATE

__all__ = ["SOUND_RATE", "SPEC"]

EXTENSIONS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".3gp", ".wmv", ".flv",
    ".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".mka", ".aac", ".aif", ".aiff", ".wma", ".amr",
)  # fmt: skip

#: Packets within which the first frame of a stream must come out of the decoder.
PROBE = 250
#: A recording that ends this much (s, and share) before its header says has lost its tail.
LOST_S, LOST_SHARE = 0.25, 0.03
#: Padding of the last sound packet that only an MP3's header knows: at most this long (s).
PADDING_S = 0.05
#: Pictures that cannot be drawn though FFmpeg names them.
_COVERS = ("attached_pic", "timed_thumbnails")


def sniff(path: Path, head: bytes) -> bool:
    """The last reader asked: whatever no other one knows is tried with FFmpeg."""
    return True


def read(path: Path) -> Recording:
    """Streams, rates and lengths from one pass over the packets; one frame of each stream is decoded.

    Raises
    ------
    InputError : not media, or neither sound nor picture that can be decoded in it.
    """
    source = Source(path, [])
    with opened(path) as container:
        facts = _survey(container, source)
    zero = min(f.start for f in facts.values())
    duration = max(f.end for f in facts.values()) - zero
    streams: list[Stream] = []
    openers = {}
    if "picture" in facts:
        fact = facts["picture"]
        streams.append(Stream("picture", "picture", fact.rate, fact.start - zero, fact.end - zero, fact.info))
        openers["picture"] = pictures.opener(source, fact, zero)
    if "sound" in facts:
        fact = facts["sound"]
        streams.append(Stream("sound", "sound", float(SOUND_RATE), fact.start - zero, fact.end - zero, fact.info))
        openers["sound"] = sounds.opener(source, fact, zero)
    return Recording(
        path, path.name, duration, tuple(streams), openers, sha256_of(path), warnings=source.warnings
    )  # fmt: skip


class _Row:
    """What one pass over a stream's packets adds up to; stamps in the stream's own units."""

    def __init__(self, stream: Any, kind: str) -> None:
        self.stream, self.kind = stream, kind
        self.clock = Clock()
        self.frame: Any = None  # the first one decoded
        self.start = self.end = 0  # of what the packets show; without meaning before the first stamp
        self.stamped = False
        self.packets = self.stampless = self.twice = 0
        self._recent: list[int] = []

    def take(self, packet: Any) -> None:
        """Note one packet; decode until the first frame has come."""
        if self.frame is None and self.packets < PROBE and not packet.is_corrupt:
            self.frame = _first_frame(packet)
        if packet.is_discard:
            return
        self.packets += 1
        self.clock.set(packet)
        pts = packet.pts
        if pts is None:
            self.stampless += 1
            pts = packet.dts
            if pts is None:
                return
        end = pts + (packet.duration or 0)
        self.start = min(self.start, pts) if self.stamped else pts
        self.end = max(self.end, end) if self.stamped else end
        self.stamped = True
        if self.kind == "picture":
            # Two pictures of one time: only near neighbours can be, so a short memory will do.
            self.twice += pts in self._recent
            self._recent = [*self._recent[-15:], pts]


def _first_frame(packet: Any) -> Any:
    try:
        return next(iter(packet.decode()), None)
    except failures():
        return None


def _survey(container: Any, source: Source) -> dict[str, Facts]:
    """Facts of the first picture and the first sound; warnings for what is left aside or lost."""
    covers = [s for s in container.streams.video if any(s.disposition & getattr(_dispositions(), c) for c in _COVERS)]
    videos = [s for s in container.streams.video if s not in covers]
    audios = list(container.streams.audio)
    for what, tracks in (("picture", videos), ("sound", audios)):
        if len(tracks) > 1:
            others = ", ".join(_called(s) for s in tracks[1:])
            source.warn(f"has {len(tracks)} {what} tracks; the first is used, not {others}")
    rows = [_Row(s, kind) for kind, tracks in (("picture", videos), ("sound", audios)) for s in tracks[:1]]
    broken = _pass(container, [r for r in rows if r.stream.codec_context is not None])
    facts: dict[str, Facts] = {}
    for row in rows:
        if row.frame is None or not row.stamped:
            if row.packets or row.stream.codec_context is None:
                source.warn(f"its {row.kind} cannot be decoded ({_codec(row.stream)})", lost=True)
            continue
        facts[row.kind] = _picture_facts(row, container) if row.kind == "picture" else _sound_facts(row, container)
        facts[row.kind].info["tracks"] = len(videos if row.kind == "picture" else audios)
    if not facts:
        _refuse(source, rows, bool(covers))
    for row in rows:
        if row.kind in facts:
            _say_what_is_odd(row, facts[row.kind], source)
    real = max(f.end for f in facts.values()) - min(f.start for f in facts.values())
    announced = (container.duration or 0) / 1_000_000
    if broken or real < announced - max(LOST_S, LOST_SHARE * announced):
        told = f" of {announced:.2f} s" if announced > real else ""
        source.warn(f"breaks off at {real:.2f} s{told}; what is there is read", lost=True)
    return facts


def _pass(container: Any, rows: Sequence[_Row]) -> bool:
    """All packets of the rows' streams; true where the container breaks off."""
    by_index = {r.stream.index: r for r in rows}
    if not rows:
        return False
    for row in rows:
        row.stream.thread_type = "NONE"  # so that the first frame does not wait for a queue to fill
    broken = False
    try:
        for packet in container.demux([r.stream for r in rows]):
            if packet.stream_index not in by_index:  # a damaged header may bring up streams on the way
                continue
            row = by_index[packet.stream_index]
            if packet.size:
                row.take(packet)
                broken |= packet.is_corrupt
            elif row.frame is None and packet.dts is None:
                row.frame = _first_frame(packet)
    except failures():
        broken = True
    return broken


def _picture_facts(row: _Row, container: Any) -> Facts:
    stream, frame, base = row.stream, row.frame, row.stream.time_base
    span = float((row.end - row.start) * base)
    rate = float(stream.average_rate or stream.guessed_rate or Fraction(25))
    measured = row.packets / span if span > 0 and row.packets > 1 else rate
    # The header's rate is exact where it is true (30000/1001); packets tell where it is not.
    rate = rate if abs(measured / rate - 1) <= 0.05 else measured
    start = row.start if frame.pts is None else frame.pts
    facts = Facts(stream.index, float(start * base), float(row.end * base), rate, frame_s=1 / rate)
    facts.end = max(facts.end, facts.start + facts.frame_s)
    facts.counted = container.format.name == "avi" or row.stampless > row.packets / 2
    facts.broken_clock = row.clock.breaks > 0
    facts.aspect = stream.sample_aspect_ratio
    width, height, turns = pictures.shape_of(frame, facts.aspect)
    if turns % 2:
        width, height = height, width
    facts.info = {"width": width, "height": height, "rotation": -90 * turns % 360, "codec": _codec(stream)}
    return facts


def _sound_facts(row: _Row, container: Any) -> Facts:
    stream, frame, base = row.stream, row.frame, row.stream.time_base
    # The first decoded frame stands where sound begins: packets before it are the encoder's run-up.
    start = max(row.start, 0) if frame.pts is None else frame.pts
    end = row.end
    if stream.duration and container.format.name == "mp3" and not row.clock.breaks:
        # The encoder's padding at the end: other containers shorten the last packet by it.
        told = (stream.start_time or 0) + stream.duration
        end = told if 0 < (end - told) * base < PADDING_S else end
    length = frame.samples / frame.sample_rate
    facts = Facts(stream.index, float(start * base), float(end * base), float(frame.sample_rate))
    facts.end = max(facts.end, facts.start + length)
    facts.first = frame.samples
    facts.broken_clock = row.clock.breaks > 0
    facts.info = {
        "codec": _codec(stream),
        "channels": frame.layout.nb_channels,
        "sample_rate": frame.sample_rate,
        "language": _language(stream),
    }
    return facts


def _say_what_is_odd(row: _Row, facts: Facts, source: Source) -> None:
    if row.clock.breaks:
        source.warn(f"the time stamps of its {row.kind} start anew {row.clock.breaks} times; it is read as one piece")
    if row.kind == "picture" and not facts.counted and row.stampless:
        source.warn(f"{row.stampless} pictures have no time stamp")
    if row.twice:
        source.warn(f"{row.twice} pictures have the time stamp of another one and are left out")


def _refuse(source: Source, rows: Sequence[_Row], cover: bool) -> None:
    where = str(source.path)
    if rows:
        kinds = " and ".join(f"{r.kind} ({_codec(r.stream)})" for r in rows)
        raise InputError(
            f"holds {kinds} that cannot be decoded", where=where, fix="Convert it, or check that the copy is complete."
        )
    only = "only a cover picture, no sound and no video" if cover else "no sound and no picture"
    raise InputError(f"holds {only}", where=where, fix="Choose another file.")


def _dispositions() -> Any:
    import av

    return av.stream.Disposition


def _codec(stream: Any) -> str:
    return "unknown codec" if stream.codec_context is None else str(stream.codec_context.codec.canonical_name)


def _language(stream: Any) -> str | None:
    language = stream.metadata.get("language")
    return None if language in (None, "und", "") else str(language)


def _called(stream: Any) -> str:
    title = stream.metadata.get("title") or stream.metadata.get("handler_name") or ""
    said = ", ".join(part for part in (_language(stream), " ".join(title.split())) if part)
    return f"track {stream.index}" + (f" ({said})" if said else "")


def generate(folder: Path, seed: int) -> Truth:
    """One of the layouts that are proven, by seed: see `moodal.media.samples`."""
    from .samples import generate as made

    return made(folder, seed)


SPEC = ReaderSpec("av", EXTENSIONS, "video and sound (every container and codec FFmpeg decodes)", sniff, read, generate)
