"""A saved pipeline over streams that come in pieces: each window is told once it is over, by the code for files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.raw import Raw, Signal

from .acquire import _kind
from .prepare import extract
from .preprocess import Live as LiveNode
from .windows import Window, Windows, hop_of

if TYPE_CHECKING:
    from .saved import SavedPipeline, Told

__all__ = ["Live"]


class Live:
    """``push`` pieces of each stream, take what is told of the windows that are over; ``close`` at the end.

    ``streams`` names those that will come: a window is over when all of them have passed its end. Second 0 is that of
    the first sample.

    Raises
    ------
    UsageError : a node needs the future, by name, or no stream was named.
    """

    def __init__(self, saved: SavedPipeline, streams: Sequence[str], estimate: str) -> None:
        self.saved, self.estimate = saved, estimate
        pipeline = saved.pipeline
        window = pipeline.of("window")[0]
        if window.use != "sliding":
            raise UsageError(
                f"node {window.told} needs the whole recording", where="live", fix="Use windows of so many seconds."
            )
        for node in pipeline.of("select"):
            if node.use == "scale" and node.settings.get("scope", "train") != "train":
                raise UsageError(
                    f"node {node.told} scales by windows that have not come yet",
                    where="live",
                    fix='Use scope = "train".',
                )
        self._nodes = [n for n in pipeline.upstream(window.id) if n.stage == "preprocess"]
        for node in self._nodes:
            LiveNode(node)
        if not streams:
            raise UsageError("no stream is named", where="live", fix='Say streams=["eda"], the ones that will come.')
        self._streams = tuple(streams)
        self._chain: dict[str, list[LiveNode]] = {}
        self._held: dict[str, Signal] = {}
        self._window, self._done = window, 0

    def push(
        self, stream: str, samples: npt.NDArray[Any], *, rate_hz: float, kind: str = "", channels: Sequence[str] = ()
    ) -> list[Told]:
        """The next samples ``(n,)`` or ``(n, channels)`` of one stream, in the unit of its kind.

        Raises
        ------
        UsageError : a stream that was not named.
        """
        if stream not in self._streams:
            raise UsageError(
                f"stream {stream!r} was not named", where="live", fix=f"Named: {', '.join(self._streams)}."
            )
        x = np.asarray(samples, float)
        x = x[:, None] if x.ndim == 1 else x
        if stream not in self._chain:
            self._chain[stream] = [LiveNode(n) for n in self._nodes]
            self._first: dict[str, int] = getattr(self, "_first", {})
        begin = self._first.get(stream, 0)
        self._first[stream] = begin + len(x)
        piece = Signal(stream, kind or _kind(stream), x, rate_hz, begin / rate_hz, channels=tuple(channels))
        for node in self._chain[stream]:
            piece = node.push(piece)
        held = self._held.get(stream)
        if held is None:
            self._held[stream] = piece
        elif len(piece.values):
            joined = np.concatenate([held.values, piece.values])
            self._held[stream] = Signal(
                stream, held.kind, joined, piece.rate_hz, held.start_s if len(held.values) else piece.start_s,
                channels=held.channels,
            )  # fmt: skip
        return list(self._over(closing=False))

    def close(self) -> list[Told]:
        """What is left: windows that a stream which broke off still covers."""
        return list(self._over(closing=True))

    def _over(self, *, closing: bool) -> Iterator[Told]:
        s = self._window.settings
        seconds, hop = float(s["seconds"]), hop_of(self._window)
        ends = [self._held[n].end_s if n in self._held else 0.0 for n in self._streams]
        reach = max(ends, default=0.0) if closing else min(ends, default=0.0)
        while self._done * hop + seconds <= reach + 1e-6:
            start = self._done * hop
            raw = Raw("live", "", dict(self._held), (), 0.0, reach)
            window = Window(raw, start, start + seconds)
            windows = Windows((window,), float(s.get("min_coverage", 0.9)))
            values = {n.id: extract(n, windows)[0] for n in self.saved.pipeline.of("extract")}
            yield self.saved.told(self.estimate, [window], values)
            self._done += 1
            self._forget(self._done * hop)

    def _forget(self, before_s: float) -> None:
        """Samples that no window to come needs."""
        for name, held in self._held.items():
            if not held.rate_hz:
                raise InputError("a live stream needs a rate", where=name)
            drop = int((before_s - held.start_s) * held.rate_hz) - 1
            if drop > 0:
                self._held[name] = Signal(
                    name, held.kind, held.values[drop:], held.rate_hz, held.start_s + drop / held.rate_hz,
                    channels=held.channels,
                )  # fmt: skip
