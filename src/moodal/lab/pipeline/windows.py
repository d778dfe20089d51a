"""Windows on the axis of time: planned in seconds, shared by all streams, none shorter than asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data.raw import Phase, Raw, Signal

from .functions import function_named
from .graph import Node

__all__ = ["Window", "Windows", "plan", "sliding", "starts"]

#: Rounding of decimal times, s.
_SLACK_S = 1e-6


def starts(start_s: float, end_s: float, seconds: float, hop: float) -> npt.NDArray[np.float64]:
    """Where the windows in ``[start_s, end_s)`` begin ``(n,)``, every ``hop`` s, each of them whole.

    >>> len(starts(0, 600, 60, 45))
    13
    """
    count = int(np.floor((end_s - start_s - seconds) / hop + _SLACK_S)) + 1
    return start_s + hop * np.arange(max(0, count), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Window:
    """One window of one recording: what an extractor is given."""

    raw: Raw
    start_s: float
    end_s: float
    phase: str = ""
    place: int = 0

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end_s - self.start_s

    def signal(self, kind: str, name: str = "") -> Signal | None:
        """The samples of the first stream of a kind (or of a named stream) in this window; None: no such stream."""
        found = self.raw.signal(kind, name)
        return None if found is None else found.cut(self.start_s, self.end_s)


@dataclass(frozen=True)
class Windows:
    """The windows of all recordings, in order; ``least`` is the share of a window that a stream must cover."""

    rows: tuple[Window, ...]
    least: float = 0.0

    def __len__(self) -> int:
        return len(self.rows)


def sliding(raw: Raw, seconds: float, hop: float, within: str = "phase") -> list[Window]:
    """Equal windows of one recording, inside its phases where it has any."""
    return [
        Window(raw, start, start + seconds, span.name, k)
        for k, span in enumerate(_spans(raw, within))
        for start in starts(span.start_s, span.end_s, seconds, hop).tolist()
    ]


def _spans(raw: Raw, within: str) -> Sequence[Phase]:
    return raw.phases if raw.phases and within == "phase" else (Phase("", raw.start_s, raw.end_s),)


def plan(node: Node, raws: Sequence[Raw], *, within: str | None = None) -> Windows:
    """The windows of a node over recordings; ``within`` overrides its setting (to predict, phases are not known).

    Raises
    ------
    InputError : nothing is as long as a window.
    """
    s = node.settings
    within = within or s.get("within", "phase")
    rows: list[Window] = []
    for raw in raws:
        if node.use == "whole":
            rows += [Window(raw, p.start_s, p.end_s, p.name, k) for k, p in enumerate(_spans(raw, within))]
        elif node.use == "sliding":
            rows += sliding(raw, s["seconds"], hop_of(node), within)
        else:
            made = function_named(node.use)(raw, **s) if isinstance(node.use, str) else node.use(raw, **s)
            for a, b in made:
                phase = next((p for p in raw.phases if p.start_s <= a + _SLACK_S and b <= p.end_s + _SLACK_S), None)
                place = raw.phases.index(phase) if phase else 0
                rows.append(Window(raw, float(a), float(b), phase.name if phase else "", place))
    if not rows:
        longest = max((p.end_s - p.start_s for r in raws for p in _spans(r, within)), default=0.0)
        raise InputError(
            f"no stretch is as long as a window (the longest lasts {longest:.1f} s)", where=node.told,
            fix="Ask for shorter windows.",
        )  # fmt: skip
    return Windows(tuple(rows), float(s.get("min_coverage", 0.9 if node.use == "sliding" else 0.0)))


def hop_of(node: Node) -> float:
    """Seconds from one window's start to the next: as said, by overlap as a share, or side by side."""
    s = node.settings
    return float(s["hop"]) if "hop" in s else float(s["seconds"]) * (1 - float(s.get("overlap", 0.0)))
