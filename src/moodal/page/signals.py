"""Measured signals as the page draws them: cells of a minimum and a maximum, marks, quality and gaps.

The browser builds coarser levels from the finest one, so that a day can be seen at once and a single beat zoomed to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.mood import Mood
from moodal.core.track import Track

from . import words

__all__ = ["SIGNALS", "Signal", "packed_signals"]

Bytes = npt.NDArray[np.uint8]

#: Cells of one signal at most; a wave is worth more, since single beats are looked at.
MAX_CELLS, MAX_WAVE = 350_000, 2_800_000
#: Shortest cell of a wave and of any other signal, s.
WAVE_STEP_S, STEP_S = 1 / 32, 0.02
#: Grades of quality, told for cells of this length, s.
QUALITY_STEP_S, GOOD, FAIR = 1.0, 0.66, 0.33
#: Longest time between two marks that two bytes hold, ms; a longer one is told in several steps.
_FAR = 65_535


@dataclass(frozen=True)
class Signal:
    """One row: which field of which track, under which name, on which axis.

    ``low`` and ``high`` bound the axis; where they are ``None`` the data do, but it never spans less than ``least``,
    so that noise is not made to look like change. ``marks`` names a track whose rows are marked at their ``mark_at``.
    """

    track: str
    field: str
    name: str
    unit: str
    low: float | None = None
    high: float | None = None
    least: float = 1.0
    digits: int = 0
    wave: bool = False
    marks: str = ""
    mark_at: str = "time"
    mark_name: str = ""
    row: bool = True  #: drawn in a row of its own; else only told beside the cursor


SIGNALS = (
    Signal("voice.activity", "level_db", "Sound level", "dB", -80.0, 0.0),
    Signal("body.heart", "hr", "Heart rate", "beats per minute", least=30.0),
    Signal("body.heart", "rmssd", "RMSSD", "ms", 0.0, least=50.0, row=False),
    Signal(
        "body.eda", "eda", "Skin", "conductance, µS", least=1.0, digits=2,
        marks="body.scr", mark_at="peak", mark_name="response",
    ),
    Signal("body.resp", "rate", "Breathing", "breaths per minute", 0.0, 40.0, digits=1),
    Signal("body.emg", "envelope", "Muscle", "µV", 0.0, least=20.0),
    Signal("body.acc", "mad", "Movement", "g", 0.0, least=0.2, digits=2),
    Signal("body.temp", "temp", "Temperature", "of the skin, °C", least=2.0, digits=1),
    Signal("body.ppg", "ppg", "Pulse wave", "", wave=True, marks="body.beats", mark_at="end", mark_name="beat"),
    Signal("body.ecg", "ecg", "ECG", "µV", wave=True, marks="body.beats", mark_at="end", mark_name="beat"),
)  # fmt: skip


def packed_signals(mood: Mood, add: Callable[[Sequence[Bytes]], int]) -> list[dict[str, Any]]:
    """An entry for each signal that the Mood has; ``add`` takes columns of bytes and says where they lie."""
    entries = []
    for signal in SIGNALS:
        tracks = mood.tracks.get(signal.track)
        for owner, track in () if tracks is None else tracks.items():
            if signal.field in track.fields and len(track) and np.isfinite(track[signal.field]).any():
                entries.append(_entry(mood, signal, owner, track, add))
                break
    return entries


def _entry(
    mood: Mood, signal: Signal, owner: str, track: Track, add: Callable[[Sequence[Bytes]], int]
) -> dict[str, Any]:
    values = np.asarray(track[signal.field], float)
    low, high = _axis(signal, values[np.isfinite(values)])
    step, columns = _levels(track.times, values, mood.duration_s, low, high, wave=signal.wave)
    entry: dict[str, Any] = {
        "track": signal.track, "name": signal.name, "unit": signal.unit, "low": low, "high": high, "step": step,
        "digits": signal.digits, "subject": owner, "n": len(columns[0]), "single": len(columns) == 1,
        "wave": signal.wave, "row": signal.row,
        "at": add(columns), "gaps": _gaps(track, mood.duration_s), "judged": _judged(track),
        "quality": None, "marks": None,
    }  # fmt: skip
    if signal.track.startswith("body.") and float(track.quality.min(initial=1.0)) < GOOD:
        grades = _grades(track, mood.duration_s)
        entry["quality"] = {"n": len(grades), "at": add([grades]), "step": mood.duration_s / len(grades)}
    marks = mood.tracks.get(signal.marks) if signal.marks else None
    if marks is not None and owner in marks.by_subject:
        times = _marked(marks[owner], signal.mark_at)
        if len(times):
            columns = _deltas(times)
            entry["marks"] = {"n": len(columns[0]), "at": add(columns), "name": signal.mark_name}
    return entry


def _axis(signal: Signal, told: FloatArray) -> tuple[float, float]:
    """Ends of the axis: whole steps around the told values, never closer than the signal's least span."""
    if signal.wave:
        reach = max(float(np.percentile(np.abs(told), 99.5)), 1e-9)
        return -reach, reach
    low = float(told.min()) if signal.low is None else signal.low
    high = float(told.max()) if signal.high is None else signal.high
    if signal.high is None and high - low < signal.least:
        middle = (low + high) / 2 if signal.low is None else low + signal.least / 2
        low, high = middle - signal.least / 2, middle + signal.least / 2
    grain = signal.least / 10
    return math.floor(low / grain + 1e-9) * grain, math.ceil(high / grain - 1e-9) * grain


def _levels(
    times: FloatArray, values: FloatArray, duration: float, low: float, high: float, *, wave: bool
) -> tuple[float, list[Bytes]]:
    """Minimum and maximum on an even grid as 0 … 250 of the axis, 255 where there is none; one column if they agree."""
    told = np.isfinite(values) & (times < duration)
    spacing = float(np.median(np.diff(times))) if len(times) > 1 else duration
    step = max(spacing, duration / (MAX_WAVE if wave else MAX_CELLS), WAVE_STEP_S if wave else STEP_S)
    cells = max(1, math.ceil(duration / step - 1e-9))
    index = np.minimum((times[told] / step + 1e-6).astype(int), cells - 1)
    most = np.full(cells, -np.inf)
    np.maximum.at(most, index, values[told])
    scale = 250 / (high - low)

    def packed(rows: FloatArray) -> Bytes:
        inside = np.clip((np.nan_to_num(rows, posinf=0, neginf=0) - low) * scale, 0, 250)
        return np.where(np.isfinite(rows), np.round(inside), 255).astype(np.uint8)

    if wave:
        return step, [packed(most)]
    least = np.full(cells, np.inf)
    np.minimum.at(least, index, values[told])
    columns = [packed(least), packed(most)]
    return step, columns[:1] if np.array_equal(columns[0], columns[1]) else columns


def _gaps(track: Track, duration: float) -> list[list[Any]]:
    """``[start, end, reason]`` in ms and words."""
    return [
        [round(g.start * 1000), round(min(g.end, duration) * 1000), words.reason_text(g.reason, track.spec.modality)]
        for g in track.gaps
        if g.start < duration
    ]


def _judged(track: Track) -> list[float]:
    """From when and until when the measurement can say anything at all, s: what was analysed, without warming up."""
    gaps = sorted(track.gaps, key=lambda g: g.start)
    at = min([*track.times[:1].tolist(), *(g.start for g in gaps[:1])], default=0.0)
    until = max([*track.times[-1:].tolist(), *(g.end for g in gaps)], default=0.0)
    for gap in gaps:
        if gap.start > at + 1e-6 or gap.reason not in ("no_stream", "warm_up"):
            break
        at = max(at, gap.end)
    return [at, until]


def _grades(track: Track, duration: float) -> Bytes:
    """The poorest quality in each second as 2 good, 1 fair, 0 poor."""
    cells = max(1, math.ceil(duration / QUALITY_STEP_S))
    worst = np.ones(cells)
    index = np.minimum((track.times / (duration / cells)).astype(int), cells - 1)
    np.minimum.at(worst, index, track.quality.astype(float))
    return ((worst >= FAIR).astype(np.uint8) + (worst >= GOOD)).astype(np.uint8)


def _marked(track: Track, at: str) -> FloatArray:
    """Times of the marks, s, rising."""
    if at == "end" and track.ends is not None:
        return np.sort(track.ends)
    if at in track.fields:
        return np.sort(np.asarray(track[at], float))
    return np.asarray(track.times)


def _deltas(times: FloatArray) -> list[Bytes]:
    """Steps from mark to mark in ms, high bytes and low bytes; `_FAR` only goes on, without a mark at its end."""
    gaps = np.diff(np.round(times[np.isfinite(times)] * 1000).astype(np.int64), prepend=0)
    far, near = np.divmod(gaps, _FAR)
    steps = np.full(int(far.sum()) + len(gaps), _FAR, np.int64)
    steps[np.cumsum(far + 1) - 1] = near
    return [(steps >> 8).astype(np.uint8), (steps & 255).astype(np.uint8)]
