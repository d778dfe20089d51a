"""The expert's classes on the cells of ``voice.emotion``: the mean of the windows that a cell lies in."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.scheme import scheme

from .activity import FRAME
from .turns import Turns, Window

__all__ = ["Scores"]

#: Samples of a 10-ms step, in which cells are counted.
_STEP = 160
_CLASSES = len(scheme("ekman8").classes)


class Scores:
    """Frames in, scores of stretches kept until their cells have been told.

    ``tell`` gives a window's scores ``(8,)`` or None where it cannot; without it every cell is NaN at once.
    """

    def __init__(self, tell: Callable[[Window], FloatArray | None] | None = None) -> None:
        self._tell = tell
        self._turns = Turns()
        self._told: list[tuple[int, int, FloatArray]] = []
        self._closed = tell is None

    def push(self, sound: npt.NDArray[np.float32], speech: npt.NDArray[np.bool_], near: npt.NDArray[np.bool_]) -> None:
        """Take frames as `Turns.push` does."""
        self._take(self._turns.push(sound, speech, near))

    def close(self) -> None:
        """The sound ended."""
        self._take(self._turns.close())
        self._closed = True

    def known(self, stop: int) -> bool:
        """Whether nothing can change before step ``stop``."""
        return stop * _STEP <= (inf if self._closed else self._turns.final * FRAME)

    def at(self, first: int, stop: int) -> list[float]:
        """Scores ``(8,)`` of the cell of steps ``[first, stop)``, in order: what ended before it is forgotten."""
        middle = (first + stop) * _STEP / 2
        self._told = [row for row in self._told if row[1] * FRAME > first * _STEP]
        here = [scores for a, b, scores in self._told if a * FRAME <= middle < b * FRAME]
        mean = np.mean(here, axis=0) if here else np.full(_CLASSES, np.nan)
        return [float(v) for v in mean]

    def _take(self, windows: list[Window]) -> None:
        for window in windows:
            scores = self._tell(window) if self._tell else None
            if scores is not None:
                self._told.append((window.first, window.last, scores))
