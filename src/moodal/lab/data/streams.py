"""What readers of raw signals share: which signals are asked for, checks of each, and a lower rate.

`Reading` is one call of a reader. It turns what a file holds into `Channels` that are checked and, where a rate is
asked for, down-sampled without aliasing; nothing is ever sampled up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, MissingExtra, UsageError

from .dataset import Dataset, Feature
from .plausible import Plausible
from .windows import Channels, Windowed, checked, joined

__all__ = ["Reading", "Stream", "asked_people", "each", "gathered", "lowered"]


@dataclass(frozen=True, slots=True)
class Stream:
    """A modality of a set: its kind (as in `plausible.RANGES`), channels and rate in Hz."""

    kind: str
    fields: tuple[str, ...]
    rate_hz: float


def lowered(values: npt.NDArray[Any], rate_hz: float, to_hz: float) -> npt.NDArray[np.float32]:
    """``values (n, channels)`` at ``to_hz``, ``(n', channels)``: a polyphase filter, so that nothing aliases.

    The line from first to last sample is taken out while it filters, so that an offset does not ring at the ends.

    Raises
    ------
    MissingExtra : scipy is not installed.
    """
    if to_hz == rate_hz or not len(values):
        return np.asarray(values, np.float32)
    try:
        from scipy.signal import resample_poly
    except ImportError as error:
        raise MissingExtra("scipy", "lab", "resampling signals") from error
    ratio = Fraction(to_hz / rate_hz).limit_denominator(1000)
    made = resample_poly(np.asarray(values, np.float32), ratio.numerator, ratio.denominator, axis=0, padtype="line")
    return np.asarray(made[: int(len(values) * to_hz / rate_hz + 1e-6)], np.float32)


def each(
    function: Callable[[Dataset], Dataset], parts: Iterable[Dataset]
) -> Generator[Dataset, None, Sequence[str] | None]:
    """What ``function`` makes of each part, one after another; returns what the generator of the parts returns.

    A part is let go before the next is asked for: where parts are people, one person's signals are in memory.
    """
    rest = iter(parts)
    while True:
        try:
            made = function(next(rest))
        except StopIteration as end:
            return end.value
        yield made
        del made


def gathered(parts: Iterable[Dataset]) -> Dataset:
    """What `windows.joined` gives, of parts that come one after another: each is let go once it is taken in, so that no
    more than all samples and one part's lie in memory. A generator of parts may return the notices of all, where those
    of the parts do not add up.

    Raises
    ------
    InputError : two clips have the same name, or there is no part.
    """
    values: dict[str, npt.NDArray[np.float32]] = {}
    lengths: dict[str, list[npt.NDArray[np.int64]]] = {}
    made: dict[str, Feature] = {}
    said: Sequence[str] | None = None

    def taken(part: Dataset) -> Dataset:
        for m, f in part.features.items():
            if m not in values:
                values[m], made[m] = np.empty(f.values.shape, np.float32), replace(f, values=f.values[:0].copy())
                filled = 0
            else:
                filled = len(values[m])
                # In place: large blocks grow by new pages, and nothing is copied.
                values[m].resize((filled + len(f.values), f.width), refcheck=False)
            values[m][filled:] = f.values
            lengths.setdefault(m, []).append(f.lengths)
        return Dataset(part.index, {})

    def passed() -> Iterator[Dataset]:
        nonlocal said
        said = yield from each(taken, parts)

    indexes = list(passed())
    if not indexes:
        raise InputError("has no examples", fix="Check the folder, and what was filtered out.")
    features = {}
    for m, f in made.items():
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths[m]))]).astype(np.int64)
        features[m] = replace(f, values=values[m], offsets=offsets)
    index = joined(indexes).index
    return Dataset(index if said is None else replace(index, notices=tuple(said)), features)


def asked_people(asked: Sequence[int], there: Sequence[int], where: str) -> list[int]:
    """The people that are read, in order of their numbers: all, or those asked for.

    Raises
    ------
    UsageError : one that is not there.
    """
    asked = (asked,) if isinstance(asked, int) else asked
    for person in asked:
        if person not in there:
            has = ", ".join(str(p) for p in sorted(there)[:40])
            raise UsageError(f"has no person {person!r}", where=where, fix=f"It has: {has}.")
    return sorted(set(asked) or set(there))


@dataclass
class Reading:
    """One call of the reader of set ``name``.

    ``streams`` are the modalities of the set, ``signals`` those asked for (none: all), ``rate_hz`` the highest rate
    that is wanted (of all, or by signal; None: as recorded), ``window_s``, ``hop_s`` and ``accept`` as in
    `windows.checked` and `Plausible`.

    Raises
    ------
    UsageError : a signal that the set does not have, a rate or window that is none, a check that there is not.
    """

    name: str
    streams: Mapping[str, Stream]
    signals: Sequence[str] = ()
    rate_hz: float | Mapping[str, float] | None = None
    window_s: float | None = None
    hop_s: float | None = None
    accept: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        asked = (self.signals,) if isinstance(self.signals, str) else tuple(self.signals)
        for m in asked:
            if m not in self.streams:
                raise UsageError(f"has no signal {m!r}", where=self.name, fix=f"It has: {', '.join(self.streams)}.")
        self.signals = tuple(m for m in self.streams if m in asked) or tuple(self.streams)
        told = self.rate_hz if isinstance(self.rate_hz, Mapping) else dict.fromkeys(self.streams, self.rate_hz)
        for m, rate in told.items():
            if m not in self.streams:
                raise UsageError(
                    f"rate_hz names no signal {m!r}", where=self.name, fix=f"It has: {', '.join(self.streams)}."
                )
            if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e6):
                raise UsageError(
                    f"rate_hz is {rate!r}", where=self.name, fix="Give the highest rate that you want, in Hz."
                )
        self._rates = {m: rate for m, rate in told.items() if rate is not None}
        self.window_s, self.hop_s = checked(self.window_s, self.hop_s, self.name)
        accept = (self.accept,) if isinstance(self.accept, str) else self.accept
        self._plausible = Plausible(self.name, tuple(accept))

    def target_hz(self, modality: str) -> float:
        """The rate at which a modality is given."""
        rate = self.streams[modality].rate_hz
        return min(rate, float(self._rates.get(modality, rate)))

    def windowed(self) -> Windowed:
        """A collector of windows of the signals that are asked for."""
        told = {m: (self.streams[m].fields, self.target_hz(m)) for m in self.signals}
        return Windowed(self.name, told, self.window_s, self.hop_s)

    def channels(
        self, modality: str, values: npt.NDArray[Any], where: str, *, rate_hz: float | None = None,
        start_s: float = 0.0, expected_s: float | None = None,
    ) -> Channels:  # fmt: skip
        """``values (n, channels)`` in our unit at ``rate_hz`` (the set's own, if not said), checked, at the rate asked.

        Raises
        ------
        InputError : what cannot be right (`Plausible.stream`).
        """
        stream = self.streams[modality]
        rate = stream.rate_hz if rate_hz is None else rate_hz
        self._plausible.stream(
            stream.kind, values, rate, stream.fields, where, expected_s=expected_s, published_hz=stream.rate_hz
        )
        to = min(self.target_hz(modality), rate)
        return Channels(lowered(values, rate, to), to, start_s)

    def note(self, line: str) -> None:
        """A notice of the index, each once."""
        if line not in self.notes:
            self.notes.append(line)

    @property
    def notices(self) -> tuple[str, ...]:
        """What was noted, and what the checks let pass."""
        return (*self.notes, *self._plausible.notices)
