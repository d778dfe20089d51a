"""What the picture and the sound of a container share: opening, time stamps, seeking, damage.

Nothing is believed that a header says and a packet can show. A container may name no other file and
no address: FFmpeg is held to local files and to formats that carry their own data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

from moodal.core.errors import InputError
from moodal.core.recording import Loss

__all__ = ["Clock", "Facts", "Source", "decoded", "failures", "opened", "positioned", "seconds_of"]

#: Containers that hold their own data. Playlists, sessions and picture patterns, which make FFmpeg
#: open what they name, are left out on purpose.
FORMATS = (
    "mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "wav", "w64", "aiff", "au", "caf", "flac",
    "mp3", "aac", "ac3", "eac3", "amr", "amrnb", "amrwb", "ape", "wv", "tta", "mxf", "nut", "dv", "gif", "ivf",
    "mpegvideo", "m4v", "h264", "hevc", "obu", "rm",
)  # fmt: skip

#: Time stamps that jump back by more than this (s), or ahead by more than a day, start a new clock.
BACK_S, AHEAD_S = 0.5, 86_400.0
#: Packets between two looks at whether the file is still there.
CHECK_PACKETS = 64


def failures() -> tuple[type[Exception], ...]:
    """What FFmpeg raises over a file it cannot follow; some of its errors are no `OSError`."""
    import av

    return av.error.FFmpegError, OSError, ValueError


@dataclass
class Facts:
    """What the packets say of one stream; ``start`` and ``end`` in s on the container's clock.

    ``frame_s`` is the nominal length of a picture, ``aspect`` the width of a stored pixel over its
    height, ``first`` the samples of the first sound frame. ``counted`` marks stamps that number
    packets instead of timing pictures; ``broken_clock`` those that jump back, in which nothing can be
    sought.
    """

    index: int
    start: float
    end: float
    rate: float | None
    frame_s: float = 0.0
    aspect: Fraction | None = None
    first: int = 0
    counted: bool = False
    broken_clock: bool = False
    info: dict[str, Any] = field(default_factory=dict)


class Source:
    """A file that is being read, and the warnings of its recording.

    It remembers the file's size, so that one that vanishes or shrinks while it is read is told from
    one that ends.
    """

    def __init__(self, path: Path, warnings: list[str]) -> None:
        self.path = path
        self.warnings = warnings
        self._size = path.stat().st_size

    def check(self) -> None:
        """Raise `InputError` where the file is gone or shorter than it was."""
        try:
            short = self.path.stat().st_size < self._size
        except OSError as error:
            raise InputError(
                "vanished while it was read", where=str(self.path), fix="Put it back and run again."
            ) from error
        if short:
            raise InputError(
                "became shorter while it was read", where=str(self.path), fix="Copy it again and run again."
            )

    def warn(self, what: str, *, lost: bool = False) -> None:
        """Say something once, however often the stream is read; ``lost``: that a part of the file is."""
        line = f"{self.path.name}: {what}"
        line = Loss(line) if lost else line
        if line not in self.warnings:
            self.warnings.append(line)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The container at ``path``, closed afterwards.

    Raises
    ------
    InputError : not there, not to be opened, or no container that is read.
    """
    import av

    try:
        # "file:" keeps a colon in a name from being taken for a protocol.
        container = av.open(
            f"file:{path}",
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)},
        )
    except failures() as error:
        if not path.exists():
            raise InputError("is no longer there", where=str(path), fix="Put it back and run again.") from error
        if isinstance(error, av.error.PermissionError):
            raise InputError("cannot be opened", where=str(path), fix="Check its permissions.") from error
        raise InputError(
            "is not a video, sound, picture, transcript or signal that moodal can read",
            where=str(path),
            fix="Convert it (mp4, wav, jpg, srt, edf, csv …), or check that the copy is complete.",
        ) from error
    try:
        yield container
    finally:
        container.close()


def seconds_of(stamp: int, unit: Fraction) -> float:
    """``stamp * unit`` rounded once, as ``float(stamp * unit)`` is, without the fraction between."""
    return stamp * unit.numerator / unit.denominator


class Clock:
    """Makes the time stamps of one stream's packets rise where they start anew.

    Joined recordings often begin their stamps again in the middle. What follows is then set right
    behind what came before. ``breaks`` counts such places.
    """

    def __init__(self) -> None:
        self.breaks = 0
        self._shift = 0
        self._last: int | None = None
        self._end = 0

    def set(self, packet: Any) -> None:
        """Shift the packet's stamps where needed."""
        stamp = packet.dts
        if stamp is not None:
            if self._last is not None:
                ahead = seconds_of(stamp - self._last, packet.time_base)
                if ahead < -BACK_S or ahead > AHEAD_S:
                    self.breaks += 1
                    self._shift = self._end - stamp
            self._last = stamp
            self._end = stamp + self._shift + int(packet.duration or 0)
        if self._shift:
            if packet.pts is not None:
                packet.pts += self._shift
            if stamp is not None:
                packet.dts = stamp + self._shift


def positioned(container: Any, stream: Any, facts: Facts, seconds: float) -> bool:
    """Go to the last key frame before ``seconds`` (container's clock); False: still at the beginning."""
    if facts.broken_clock or seconds <= facts.start:
        return False
    try:
        container.seek(int(seconds / stream.time_base), stream=stream, backward=True, any_frame=False)
    except failures():
        return False
    return True


def decoded(container: Any, stream: Any, source: Source, damage: Callable[[], None]) -> Iterator[Any]:
    """Decoded frames of a stream. ``damage`` is called for each packet that cannot be decoded.

    Raises
    ------
    InputError : the file vanished or shrank. What was yielded before stays valid.
    """
    clock, broken = Clock(), failures()
    packets = container.demux(stream)
    for number in count():
        try:
            packet = next(packets, None)
        except broken:  # the container's structure ends here
            packet = None
        flush = packet is None or (packet.size == 0 and packet.dts is None)
        if flush or number % CHECK_PACKETS == 0:
            source.check()
        if packet is None:
            return
        if packet.size == 0 and not flush:  # "the same picture again" in AVI
            continue
        if packet.is_corrupt:
            damage()
            continue
        clock.set(packet)
        try:
            frames = packet.decode()
        except broken:
            damage()
            continue
        yield from frames
