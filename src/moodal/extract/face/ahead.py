"""Meshes of two frames at once, on two cores, though each follows from the one before."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from moodal.core.clock import FloatArray

from .crops import Frame, cut_out
from .nets import MeshNet

__all__ = ["Mesher"]

#: Points ``(478, 3)`` in the frame's pixels, presence logit, and the pixels that were read.
Mesh = tuple[FloatArray, float, Frame]


class Mesher:
    """Reads faces in squares; the next frame's ahead of time, on the guess that the squares stay.

    A guess that fails is thrown away, so what comes out is the same with or without: only who waits
    for whom differs.
    """

    def __init__(self, here: MeshNet, ahead: MeshNet) -> None:
        self._here, self._ahead = here, ahead
        self._worker = ThreadPoolExecutor(1)
        self._frame: Frame | None = None
        self._begun: dict[int, tuple[FloatArray, Future[Mesh]]] = {}

    def begin(self, frame: Frame, squares: Iterable[FloatArray]) -> None:
        """Start on the frame that will be asked for next."""
        self._frame = frame
        self._begun = {id(s): (s, self._worker.submit(_read, self._ahead, frame, s)) for s in squares}

    def begun(self, frame: Frame) -> bool:
        """Whether this frame is the one that was started on."""
        return frame is self._frame

    def __call__(self, frame: Frame, square: FloatArray) -> Mesh:
        """One face of a frame."""
        if frame is self._frame and id(square) in self._begun:
            return self._begun.pop(id(square))[1].result()
        return _read(self._here, frame, square)


def _read(net: MeshNet, frame: Frame, square: FloatArray) -> Mesh:
    pixels = cut_out(frame, square)
    return *net(pixels, square), pixels
