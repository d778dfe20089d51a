"""Meshes of two frames at once, on two cores: each frame is read where the frame before the last one says."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from moodal.core.clock import FloatArray

from .crops import Frame, cut_out
from .nets import MeshNet

__all__ = ["Mesher"]

#: Points ``(478, 3)`` in the frame's pixels, presence logit, and the pixels that were read.
Mesh = tuple[FloatArray, float, Frame]


class Mesher:
    """Reads faces in squares, one a net at a time; what was begun is taken up when it is asked for.

    When a reading is begun changes nothing in what it gives: only who waits for whom differs.
    """

    def __init__(self, *nets: MeshNet) -> None:
        self._free: SimpleQueue[MeshNet] = SimpleQueue()
        for net in nets:
            self._free.put(net)
        self._workers = ThreadPoolExecutor(len(nets))
        self._begun: dict[tuple[int, int], tuple[Frame, FloatArray, Future[Mesh]]] = {}

    def begin(self, frame: Frame, squares: Iterable[FloatArray]) -> None:
        """Start on squares of a frame that will be asked for next."""
        for square in squares:
            self._begun[id(frame), id(square)] = frame, square, self._workers.submit(self._read, frame, square)

    def __call__(self, frame: Frame, square: FloatArray) -> Mesh:
        """One face of a frame."""
        begun = self._begun.pop((id(frame), id(square)), None)
        return begun[2].result() if begun is not None else self._read(frame, square)

    def forget(self, frame: Frame) -> None:
        """Drop what was begun on a frame and not asked for: whoever was expected there had been lost."""
        self._begun = {key: row for key, row in self._begun.items() if row[0] is not frame}

    def close(self) -> None:
        """Let the threads go."""
        self._begun.clear()
        self._workers.shutdown(wait=False)

    def _read(self, frame: Frame, square: FloatArray) -> Mesh:
        pixels = cut_out(frame, square)
        net = self._free.get()
        try:
            return *net(pixels, square), pixels
        finally:
            self._free.put(net)
