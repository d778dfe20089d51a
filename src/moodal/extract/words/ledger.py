"""Which stretches are told, and why the others are not, as time goes on."""

from __future__ import annotations

from moodal.core.track import Gap

__all__ = ["Ledger"]


class Ledger:
    """Told stretches and reasons come in; gaps come out once nothing more can be said before a moment.

    Where a stretch is told there is no gap; else the first reason given for that moment counts; else
    the default.
    """

    def __init__(self, start: float, default: str) -> None:
        self._at = start
        self._default = default
        self._stretches: list[tuple[float, float, str | None]] = []

    def cover(self, start: float, end: float) -> None:
        """``[start, end)`` is told."""
        self._stretches.append((start, end, None))

    def explain(self, start: float, end: float, reason: str) -> None:
        """Where nothing is told in ``[start, end)``, this is why."""
        self._stretches.append((start, end, reason))

    def until(self, end: float) -> tuple[Gap, ...]:
        """Gaps up to ``end``, before which nothing more will be said."""
        if end <= self._at:
            return ()
        moments: dict[float, tuple[list[int], list[int]]] = {self._at: ([], []), end: ([], [])}
        for number, (a, b, _) in enumerate(self._stretches):
            first, last = max(a, self._at), min(b, end)
            if last > first:
                moments.setdefault(first, ([], []))[0].append(number)
                moments.setdefault(last, ([], []))[1].append(number)
        gaps: list[Gap] = []
        told: set[int] = set()
        reasons: set[int] = set()
        before: float | None = None
        for moment, (opened, closed) in sorted(moments.items()):
            if before is not None and not told:
                reason = self._stretches[min(reasons)][2] if reasons else self._default
                assert reason is not None
                if gaps and gaps[-1].reason == reason and gaps[-1].end == before:
                    gaps[-1] = Gap(gaps[-1].start, moment, reason)
                else:
                    gaps.append(Gap(before, moment, reason))
            for number in closed:
                (told if self._stretches[number][2] is None else reasons).discard(number)
            for number in opened:
                (told if self._stretches[number][2] is None else reasons).add(number)
            before = moment
        self._at = end
        self._stretches = [stretch for stretch in self._stretches if stretch[1] > end]
        return tuple(gaps)
