"""What is told from windows: speaking rate each second, arousal and the expert's classes each half second."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.track import Piece, TrackSpec

from .egemaps import COLUMNS
from .emotion import arousal
from .labels import REASONS, SPEECH
from .ledger import Ledger
from .rate import LEAST_SPEECH, speaking_rate, syllables
from .scores import Scores
from .tracks import CELL_S, EMOTION, RATE, RATE_CELL_S, SUBJECT

__all__ = ["Windows"]

#: Cells and the windows around them, in 10-ms steps: length of a cell, reach before and after it.
_EMOTION_CELL, _EMOTION_REACH = round(CELL_S * 100), 25
_RATE_CELL, _RATE_REACH = round(RATE_CELL_S * 100), 100
#: Share of a cell that must be speech for it to be told.
_SPOKEN = 0.2
_F0 = 10
_SHORT = REASONS.index("too_short")
Clock = Callable[[int], float]


class Windows:
    """Rows in, pieces of ``voice.rate`` and ``voice.emotion`` out; holds a few seconds.

    ``scores`` are the expert's, which stand before arousal; cells wait until they are known.
    """

    def __init__(self, wanted: Collection[str], scores: Scores | None = None) -> None:
        self._cells = [
            _Cells(spec, cell, reach, tell, beside)
            for spec, cell, reach, tell, beside in (
                (RATE, _RATE_CELL, _RATE_REACH, _rate, None),
                (EMOTION, _EMOTION_CELL, _EMOTION_REACH, _emotion, scores or Scores()),
            )
            if spec.name in wanted
        ]

    def ledger(self, track: str) -> Ledger:
        """The ledger of one of the two tracks."""
        return next(c.ledger for c in self._cells if c.spec.name == track)

    def push(self, values: FloatArray, label: npt.NDArray[np.int8], time: Clock) -> list[Piece]:
        """Take steps: descriptors ``(n, 26)`` (NaN where missing) and labels ``(n,)``."""
        return [piece for cells in self._cells for piece in cells.push(values, label, time)]

    def close(self, end: float) -> list[Piece]:
        """The sound ended at ``end`` s."""
        return [piece for cells in self._cells for piece in cells.close(end)]


class _Cells:
    """Cells of one track, each told from the window around it."""

    def __init__(
        self,
        spec: TrackSpec,
        cell: int,
        reach: int,
        tell: Callable[[FloatArray, npt.NDArray[np.int8]], tuple[float, ...]],
        beside: Scores | None = None,
    ) -> None:
        self._beside = beside
        self.spec = spec
        self.ledger = Ledger()
        self._cell, self._reach, self._tell = cell, reach, tell
        self._values = np.zeros((0, COLUMNS), np.float32)
        self._label = np.zeros(0, np.int8)
        self._from = 0  # step of the first row held
        self._next = 0  # step at which the next cell begins
        self._time: Clock = float

    def push(self, values: FloatArray, label: npt.NDArray[np.int8], time: Clock) -> list[Piece]:
        self._time = time
        self._values = np.concatenate([self._values, values])
        self._label = np.concatenate([self._label, label])
        out = []
        while self._known(self._next + self._cell) and (
            self._next + self._cell + self._reach <= self._from + len(self._label)
        ):
            out += self._one(self._next + self._cell, self._time(self._next + self._cell))
            self._drop()
        return out

    def close(self, end: float) -> list[Piece]:
        out = []
        total = self._from + len(self._label)
        while self._next < total:
            stop = min(self._next + self._cell, total)
            out += self._one(stop, end if stop == total else self._time(stop))
        return out

    def _known(self, stop: int) -> bool:
        return self._beside is None or self._beside.known(stop)

    def _drop(self) -> None:
        old = self._next - self._reach - self._from
        if old > 0:
            self._values, self._label = self._values[old:], self._label[old:]
            self._from += old

    def _one(self, stop: int, end: float) -> list[Piece]:
        """The cell from `_next` to ``stop``."""
        first, self._next = self._next, stop
        here = self._label[first - self._from : stop - self._from]
        if (here == SPEECH).mean() >= _SPOKEN:
            window = slice(max(first - self._reach - self._from, 0), stop + self._reach - self._from)
            answer = self._tell(self._values[window], self._label[window])
            if np.isfinite(answer[:2]).all():
                self.ledger.told()
                quality = np.array([(here == SPEECH).mean()], np.float32)
                told = [] if self._beside is None else self._beside.at(first, stop)
                values = np.array([[*told, *answer]], np.float32)
                start = np.array([self._time(first)])
                return [Piece(self.spec.name, SUBJECT, start, values, quality, self.ledger.take(), np.array([end]))]
        self._miss(here, first, end)
        return []

    def _miss(self, here: npt.NDArray[np.int8], first: int, end: float) -> None:
        label = np.where(here == SPEECH, _SHORT, here)
        edges = np.concatenate([[0], np.flatnonzero(np.diff(label)) + 1, [len(label)]])
        for a, b in pairwise(edges):
            stop = end if b == len(label) else self._time(first + int(b))
            self.ledger.missing(self._time(first + int(a)), stop, REASONS[label[a]])


def _rate(values: FloatArray, label: npt.NDArray[np.int8]) -> tuple[float, ...]:
    told = np.isfinite(values[:, 0])
    speech = label == SPEECH
    return speaking_rate(values[:, 0], np.isfinite(values[:, _F0]), speech & told, told & ~speech)


def _emotion(values: FloatArray, label: npt.NDArray[np.int8]) -> tuple[float, ...]:
    speech = (label == SPEECH) & np.isfinite(values[:, 0])
    voiced = speech & np.isfinite(values[:, _F0])
    talk = int(speech.sum())
    count = len(syllables(np.where(speech, values[:, 0], np.nan), voiced)) if talk >= LEAST_SPEECH else 0
    return arousal(values, voiced, count / (talk / 100) if count else np.nan)
