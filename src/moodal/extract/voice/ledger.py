"""Gaps of one track as time goes on: what is not told has a reason, and neighbours of one reason are one gap."""

from __future__ import annotations

from moodal.core.track import Gap

__all__ = ["Ledger"]

#: A gap still open is given in parts of this length, so that a listener hears of long silence, s.
_LONGEST_S = 60.0


class Ledger:
    """Stretches come in order, each told or missing."""

    def __init__(self) -> None:
        self._start = 0.0
        self._end = 0.0
        self._reason: str | None = None
        self._done: list[Gap] = []

    def told(self) -> None:
        """The next stretch is told."""
        self._close()

    def missing(self, start: float, end: float, reason: str) -> None:
        """``[start, end)`` s is missing."""
        if end <= start:
            return
        if self._reason != reason or start > self._end or self._end - self._start >= _LONGEST_S:
            self._close()
            self._start, self._reason = start, reason
        self._end = end

    def take(self, *, everything: bool = False) -> tuple[Gap, ...]:
        """Gaps that are complete."""
        if everything:
            self._close()
        done, self._done = tuple(self._done), []
        return done

    def _close(self) -> None:
        if self._reason is not None:
            self._done.append(Gap(self._start, self._end, self._reason))
            self._reason = None
