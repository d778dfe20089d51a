"""Channels of an EDF or BDF by the names in its header, and the codes of a trigger channel.

`edf.read` knows channels by their kind and leaves the others out; readers of data sets know which file they hold, and
ask for its channels one by one, a stretch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError

from .edf import _Channel, _header, _samples
from .units import Unit, unit_of

__all__ = ["EdfChannels"]


class EdfChannels:
    """One file's channels. ``names`` are the labels of its header, in its order, empty ones among them; ``warnings``
    what is wrong with it (it breaks off).

    Raises
    ------
    InputError : not there, or no EDF or BDF.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._file = _header(path, self.warnings)
        self._channels = [c for c in self._file.channels if not c.notes]

    @property
    def names(self) -> tuple[str, ...]:
        """Labels, in the order of the file."""
        return tuple(c.name for c in self._channels)

    @property
    def seconds(self) -> float:
        """How long the whole records last."""
        return self._file.records * self._file.seconds

    def find(self, *spellings: str) -> int:
        """The place of the channel with one of these labels, whatever their case.

        Raises
        ------
        InputError : there is none, or there are several.
        """
        folded = [n.lower() for n in self.names]
        for spelling in spellings:
            at = [k for k, n in enumerate(folded) if n == spelling.lower()]
            if len(at) > 1:
                raise InputError(f"two channels are called {spelling!r}", where=str(self.path), fix="Get it again.")
            if at:
                return at[0]
        raise InputError(f"has no channel {spellings[0]}", where=str(self.path),
                         fix=f"It has: {', '.join(self.names)[:300]}.")  # fmt: skip

    def rate_hz(self, at: int) -> float:
        """Samples a second of the channel at that place."""
        return self._channels[at].n / self._file.seconds

    def unit(self, at: int) -> str:
        """Its unit as the header spells it."""
        return self._channels[at].dimension

    def told(self, at: int, kind: str) -> Unit | None:
        """Its unit for a kind of stream; None where the header states none, or one that the kind has not."""
        return unit_of(kind, self.unit(at)) if self.unit(at) else None

    def values(
        self, places: Sequence[int], start_s: float = 0.0, end_s: float = np.inf, kind: str = ""
    ) -> npt.NDArray[np.float32]:
        """``(n, channels)``: samples in ``[start_s, end_s)``, as far as the file goes. In the units of the header, or
        in moodal's unit of a ``kind`` where the header states one that the kind has.

        Raises
        ------
        InputError : the channels have unlike rates.
        """
        channels = [self._channels[k] for k in places]
        if len({c.n for c in channels}) != 1:
            raise InputError("its channels have unlike rates", where=str(self.path), fix="Ask for one after another.")
        n, length = channels[0].n, self._file.seconds
        first = max(int(start_s / length), 0)
        last = min(int(np.ceil(min(end_s, self.seconds) / length)), self._file.records)
        units = [self.told(k, kind) if kind else None for k in places]
        parts = []
        for _, block in self._read(channels, first, last):
            flat = block.reshape(-1, len(channels))
            for k, unit in enumerate(units):
                if unit is not None:
                    flat[:, k] = unit.convert(flat[:, k])
            parts.append(flat.astype(np.float32))
        if not parts:
            return np.zeros((0, len(channels)), np.float32)
        a = int(np.ceil((start_s - first * length) * n / length - 1e-6))
        b = a + round((min(end_s, self.seconds) - start_s) * n / length)
        return np.concatenate(parts)[max(a, 0) : max(b, 0)]

    def codes(self, at: int, mask: int = 0xFF) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """When the code of a trigger channel turns to another that is not 0, s, and to which: ``(n,)`` each.

        ``mask`` keeps the bits of triggers: a BioSemi status word holds flags of the amplifier above them, and some set
        the upper trigger bits for good.
        """
        channel = self._channels[at]
        words = [np.rint((v.ravel() - channel.zero) / channel.gain).astype(np.int64)
                 for _, v in self._read([channel], 0, self._file.records)]  # fmt: skip
        low = np.concatenate(words) & mask
        turns = np.flatnonzero(np.diff(low, prepend=0) != 0)
        turns = turns[low[turns] != 0]
        return turns / self.rate_hz(at), low[turns]

    def _read(self, channels: list[_Channel], first: int, last: int) -> Iterator[tuple[int, FloatArray]]:
        return _samples(self._file, channels, first, max(first, last))
