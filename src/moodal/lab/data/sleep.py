"""Nights and their hypnograms: what readers of sleep recordings share.

Stages come from annotations by their own times, never by their number in the file: what is no stage (lights off, a
comment, a score of another length) makes no epoch, and an epoch that the signals do not cover is left out, not filled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError

from .labels import Labels
from .planted import Person, signal
from .streams import Reading
from .windows import Channels, Windowed

__all__ = ["EPOCH_S", "STAGES", "cut", "planted_night", "stage_labels", "staged", "trimmed"]

STAGES = ("W", "N1", "N2", "N3", "R")
EPOCH_S = 30.0
#: Times may be off by this much, s.
_SLACK = 1e-3

#: Start and end in s, stage.
Bout = tuple[float, float, str]


def staged(told: Sequence[tuple[float, float, str]], names: Mapping[str, str], where: str) -> list[Bout]:
    """Bouts of one stage from annotations (start, end, text); ``names`` maps what follows ``Sleep stage`` to one of
    `STAGES`, or to ``""`` where it was not scored. Bouts that touch are one.

    Raises
    ------
    InputError : a stage that there is not, two that overlap, or none at all.
    """
    bouts: list[Bout] = []
    for row, (start, end, text) in enumerate(sorted(told), start=1):
        spelt = text.strip()
        stage = (
            spelt.lower().removeprefix("sleep stage").strip().upper() if spelt.lower().startswith("sleep") else spelt
        )
        if not spelt.lower().startswith("sleep stage") and spelt not in names:
            continue  # lights off, a movement, a comment
        if stage not in names:
            raise InputError(
                f"annotation {row} at {start:g} s is {text!r}, which is none of {', '.join(n for n in names if n)}",
                where=where, fix="Get the file again.",
            )  # fmt: skip
        if bouts and start < bouts[-1][1] - _SLACK:
            raise InputError(f"annotation {row} at {start:g} s begins before the one before it ends", where=where,
                             fix="Get the file again.")  # fmt: skip
        name = names[stage]
        if bouts and bouts[-1][2] == name and start <= bouts[-1][1] + _SLACK:
            bouts[-1] = (bouts[-1][0], end, name)
        else:
            bouts.append((start, end, name))
    if not any(name for *_, name in bouts):
        raise InputError("scores no sleep stage", where=where, fix="Is it the hypnogram of this night?")
    return bouts


def trimmed(bouts: Sequence[Bout], wake_s: float | None) -> list[Bout]:
    """The bouts from ``wake_s`` before the first that is asleep to ``wake_s`` after the last; all, for None."""
    asleep = [b for b in bouts if b[2] not in ("", "W")]
    if wake_s is None or not asleep:
        return list(bouts)
    first, last = asleep[0][0] - wake_s, asleep[-1][1] + wake_s
    kept = [(max(a, first), min(b, last), name) for a, b, name in bouts]
    return [(a, b, name) for a, b, name in kept if b > a]


def cut(
    collected: Windowed, ask: Reading, streams: Mapping[str, Channels], bouts: Sequence[Bout], night: str,
    **told: Any,
) -> None:  # fmt: skip
    """Windows inside each bout of a scored stage, a bout a trial."""
    covered = max((c.end_s for c in streams.values()), default=0.0)
    wanted = kept = 0
    for k, (start, end, stage) in enumerate(bouts, start=1):
        if not stage:
            continue
        if collected.window_s is not None:
            wanted += int((end - start) / collected.window_s + _SLACK)
        kept += collected.add(streams, start, min(end, covered) if collected.window_s is None else end,
                              trial=f"{night}-b{k:03d}-{stage}", session=night, _stage=stage, **told)  # fmt: skip
    if collected.window_s is not None and collected.hop_s == collected.window_s and kept < wanted:
        ask.note(f"{night}: {wanted - kept} of {wanted} epochs lie where no signal is and are left out")


def stage_labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
    """``stage``, of `STAGES`."""
    return {"stage": Labels.of_classes(told["_stage"], STAGES)}


#: The state that shows each stage in a twin, by kind of signal: W, N1, N2, N3, R.
_STATES = {"eeg": (1.0, 0.3, -0.4, -1.0, 0.7), "eog": (0.6, 0.0, -1.0, -1.0, 1.0), "emg": (1.0, 0.3, -0.1, -0.4, -1.0),
           "ecg": (1.0, 0.2, -0.4, -0.8, 0.4)}  # fmt: skip


def planted_night(
    kind: str, channels: Sequence[str], rate_hz: float, person: Person, stages: Sequence[str], night: int, *,
    effect: float = 1.0, fingerprint: float = 1.0,
) -> FloatArray:  # fmt: skip
    """A made-up night ``(n, channels)`` of an epoch a stage, in which each stage shows."""
    state = np.repeat([_STATES[kind][STAGES.index(s)] for s in stages], round(EPOCH_S))
    return signal(kind, channels, EPOCH_S * len(stages), rate_hz, person, state, person.drawn(kind, night),
                  effect=effect, fingerprint=fingerprint, trial=night)  # fmt: skip
