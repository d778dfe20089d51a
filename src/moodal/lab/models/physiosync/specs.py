"""What each stream is to the model (rate, patch, unit), the sizes it is built in, the lengths of its windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from moodal.core.errors import UsageError

__all__ = ["ALIASES", "LEVELS", "SIZES", "STREAMS", "Size", "Stream", "Windows", "stream_named"]

#: The two lengths of window.
LEVELS = ("long", "short")


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of signal. ``patch_s`` is the longest that a token lasts, ``kernel_s`` the length of its filters, both
    in s; ``level`` says that its mean tells something (skin conductance, temperature): of other streams the mean of a
    window is taken away. ``spread`` are the least and largest plausible deviation of a channel, in ``unit``."""

    name: str
    rate_hz: float
    patch_s: float
    kernel_s: float
    unit: str
    level: bool = False
    spread: tuple[float, float] | None = None


_UV = (0.05, 20000.0)
STREAMS: dict[str, Stream] = {
    s.name: s
    for s in (
        Stream("eeg", 128, 1, 0.25, "µV", spread=_UV),
        Stream("eog", 128, 1, 0.25, "µV", spread=_UV),
        Stream("emg", 128, 1, 0.125, "µV", spread=_UV),
        Stream("ecg", 128, 4, 1, "µV", spread=_UV),
        Stream("ppg", 32, 4, 1, ""),
        Stream("eda", 4, 4, 1, "µS", level=True),
        Stream("resp", 16, 4, 2, ""),
        Stream("temp", 4, 4, 1, "°C", level=True),
        Stream("acc", 32, 4, 0.5, "g", level=True),
    )
}
#: Other names of streams, as publications use them.
ALIASES = {"gsr": "eda", "bvp": "ppg", "rsp": "resp"}


@dataclass(frozen=True, slots=True)
class Size:
    """Width ``long`` and ``short`` of the encoders, their ``blocks`` and ``heads``, ``filters`` of a patch, widths of
    the ``projector`` and of the layer that streams share (``shared``); ``fused`` width of the fusion, and the layers
    ``decide`` behind it."""

    long: int
    short: int
    blocks: int
    heads: int
    filters: int
    projector: tuple[int, ...]
    shared: int
    fused: int
    decide: tuple[int, ...]

    def width(self, level: str) -> int:
        """Of the encoders at that length of window."""
        return self.long if level == "long" else self.short


SIZES: dict[str, Size] = {
    "tiny": Size(64, 32, 1, 2, 24, (64, 128), 64, 64, (32,)),
    "published": Size(640, 128, 3, 4, 64, (1024, 2048, 4096), 1024, 512, (256, 128)),
}


@dataclass(frozen=True, slots=True)
class Windows:
    """Lengths in s; 0 leaves that level out. ``pieces`` short windows are cut from the end of each long one."""

    long: float
    short: float

    @classmethod
    def of(cls, told: Mapping[str, float]) -> Windows:
        """From a recipe's table.

        Raises
        ------
        UsageError : another key, no length at all, or a long window that is no multiple of the short one.
        """
        if extra := sorted(set(told) - set(LEVELS)):
            raise UsageError(f"unknown window {extra[0]!r}", where="physiosync", fix="Known: long, short.")
        made = cls(float(told.get("long", 0.0)), float(told.get("short", 0.0)))
        if min(made.long, made.short) < 0 or not made.longest:
            raise UsageError(f"windows of {made.long:g} and {made.short:g} s", where="physiosync",
                             fix="Give one length above 0 at least.")  # fmt: skip
        if made.long and made.short and not _whole(made.long, made.short):
            raise UsageError(f"{made.long:g} s is no multiple of {made.short:g} s", where="physiosync windows")
        return made

    @property
    def longest(self) -> float:
        """Seconds that are read of an example."""
        return max(self.long, self.short)

    @property
    def levels(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(level for level in LEVELS if self.seconds(level))

    @property
    def pieces(self) -> int:
        """Short windows of an example."""
        return round(self.longest / self.short) if self.short else 0

    def seconds(self, level: str) -> float:
        """Of one window of that level."""
        return self.long if level == "long" else self.short

    def patch_s(self, stream: Stream) -> float:
        """Seconds of a patch: the stream's, or less, so that windows are whole numbers of it."""
        patch = stream.patch_s
        lengths = [self.seconds(level) for level in self.levels]
        for _ in range(8):
            if all(_whole(s, patch) for s in lengths) and _whole(patch * stream.rate_hz, 1):
                return patch
            patch /= 2
        told = " and ".join(f"{s:g}" for s in lengths)
        raise UsageError(f"windows of {told} s are no whole patches of {stream.name}", where="physiosync windows",
                         fix="Give whole seconds.")  # fmt: skip


def _whole(a: float, b: float) -> bool:
    return a >= b - 1e-9 and abs(a / b - round(a / b)) < 1e-6


def stream_named(name: str) -> Stream:
    """The stream of that name; ``gsr`` is ``eda``.

    Raises
    ------
    UsageError : there is none.
    """
    told = ALIASES.get(name, name)
    if told not in STREAMS:
        raise UsageError(f"unknown stream {name!r}", where="physiosync", fix=f"Known: {', '.join(STREAMS)}.")
    return STREAMS[told]
