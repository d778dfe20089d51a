"""From beats to their intervals, the heart rate and its variability, as time goes on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import ceil, floor, isfinite

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray, Span
from moodal.core.track import Gap, Piece
from moodal.dsp import hrv
from moodal.dsp.intervals import LONGEST_S, correct

from .seconds import Seconds
from .states import TOLD, code, piece
from .tracks import BEATS, HEART, HRV, SUBJECT

__all__ = ["Rhythm"]

#: Heart rate is a mean over this, around the middle of each second, s.
_AROUND_S = 10.0
#: It is told where this much of it is intervals beyond doubt, at least so many of them.
_COVERED_S, _INTERVALS = 5.0, 3
#: … and this share of the wider stretch around it is too, s: where little is beyond doubt, that little is in doubt.
_WIDER_S, _WIDER_SHARE = 30.0, 0.4
#: Variability is that of the last so many seconds …
_WINDOW_S = 300.0
#: … of which normal intervals make up this much at least (s; share), and no hole is longer than this, s.
_LEAST_S, _LEAST_SD_S, _LEAST_HF_S, _SHARE, _HOLE_S = 30.0, 60.0, 120.0, 0.7, 30.0
#: Step of `body.hrv`, s.
_STEP_S = 30
#: Beats are corrected in the light of those of the next so many seconds.
_AHEAD_S = 8.0
#: In a pulse what is far off its neighbours is rather noise than a beat.
_PULSE = {"least": 0.08, "keep": 0.0}
#: Beats that correction looks back on.
_CONTEXT = 100


@dataclass
class _Beats:
    """Beats and, for the interval that ends at each, what is known of it; all ``(k,)``."""

    times: FloatArray
    match: FloatArray
    broken: FloatArray
    changed: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]
    normal: npt.NDArray[np.bool_]

    @classmethod
    def none(cls) -> _Beats:
        no = np.zeros(0, bool)
        return cls(np.zeros(0), np.zeros(0), np.zeros(0), no, no, no)

    @classmethod
    def raw(cls, times: FloatArray, match: FloatArray, broken: FloatArray) -> _Beats:
        no = np.zeros(len(times), bool)
        return cls(times, match, broken, no, no, no)

    def __len__(self) -> int:
        return len(self.times)

    def __add__(self, other: _Beats) -> _Beats:
        return _Beats(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))

    def part(self, which: slice | npt.NDArray[np.bool_]) -> _Beats:
        return _Beats(*(getattr(self, f.name)[which] for f in fields(self)))


class Rhythm:
    """Takes beats stretch by stretch; what it says of one is final some seconds later."""

    def __init__(self, span: Span, wanted: frozenset[str], kind: str, least_match: float) -> None:
        self._span = span
        self._wanted = wanted
        self._least = least_match
        self._apart = 0.25 if kind in ("ecg", "ppg") else 0.0
        self._rules = _PULSE if kind == "ppg" else {}
        self._final = _Beats.none()
        self._waiting = _Beats.none()
        self._edge: float | None = None  # beats before this are all known
        self._told = 0.0  # beats are told up to here
        self._cell = 0  # next second of body.heart
        self._step = 0  # next half minute of body.hrv
        self._begun = False
        self._start = 0.0
        self.seconds = Seconds()

    def push(self, times: FloatArray, match: FloatArray, broken: FloatArray, edges: tuple[float, float]) -> list[Piece]:
        """Beats of the stretch ``edges``; what has become final."""
        pieces: list[Piece] = []
        if not self._begun:
            self._begin(edges[0], pieces)
        newest = self._waiting if len(self._waiting) else self._final
        if len(newest) and len(times) and times[0] < newest.times[-1] + self._apart:
            late = times >= newest.times[-1] + self._apart
            times, match, broken = times[late], match[late], broken[late]
        self._waiting = self._waiting + _Beats.raw(times, match, broken)
        self._edge = edges[1]
        front = self._edge - _AHEAD_S
        if front > self._start:
            self._settle(front, pieces)
        return pieces

    def close(self) -> list[Piece]:
        """The stream ended."""
        pieces: list[Piece] = []
        end = self._span.end
        if self._edge is None:
            if isfinite(end):
                for spec in (BEATS, HEART, HRV):
                    self._gap(spec.name, len(spec.fields), [Gap(self._span.start, end, "no_stream")], pieces)
            return pieces
        last = self._edge
        self._settle(last, pieces, ends=True)
        if isfinite(end) and end > last:
            for spec in (BEATS, HEART, HRV):
                self._gap(spec.name, len(spec.fields), [Gap(last, end, "no_stream")], pieces)
        return pieces

    def _begin(self, start: float, pieces: list[Piece]) -> None:
        self._begun = True
        self._start = self._told = start
        self._cell = ceil(start - 1e-6)
        self._step = ceil((start - 1e-6) / _STEP_S) * _STEP_S
        for spec, first in ((BEATS, start), (HEART, self._cell), (HRV, min(self._step, self._span.end))):
            gaps = [Gap(self._span.start, start, "no_stream"), Gap(start, max(first, start), "warm_up")]
            self._gap(spec.name, len(spec.fields), [g for g in gaps if g.end > g.start], pieces)

    def _gap(self, track: str, width: int, gaps: list[Gap], pieces: list[Piece]) -> None:
        if track in self._wanted and gaps:
            pieces.append(Piece.gap(track, SUBJECT, width, *gaps))

    def _settle(self, front: float, pieces: list[Piece], *, ends: bool = False) -> None:
        """Beats up to ``front`` become final."""
        held = self._final.part(slice(max(0, len(self._final) - _CONTEXT), None))
        both = held + self._waiting
        new = _Beats.none()
        if len(self._waiting):
            sure = (both.match >= self._least) | both.changed
            broken = np.diff(both.broken, prepend=both.broken[:1]) > 0
            c = correct(both.times, sure, broken, both.changed, len(held), **self._rules)
            mine = (c.times > (held.times[-1] if len(held) else -np.inf)) & (c.times <= front)
            told = _Beats(
                c.times, np.clip(both.match[c.origin], 0, 1), both.broken[c.origin], c.changed, c.valid, c.normal
            )
            new = told.part(mine)
            self._waiting = self._waiting.part(self._waiting.times > front)
        before = self._final.times[-1] if len(self._final) else np.nan
        self._tell_beats(before, new, front, ends, pieces)
        final = self._final + new
        self._final = final.part(final.times >= front - _WINDOW_S - 60)
        if HEART.name in self._wanted or HRV.name in self._wanted:
            self._tell_heart(front, ends, pieces)
        self.seconds.forget(front - 60)

    def _tell_beats(self, before: float, new: _Beats, front: float, ends: bool, pieces: list[Piece]) -> None:
        if BEATS.name not in self._wanted:
            return
        starts = np.append(before, new.times[:-1]) if len(new) else np.zeros(0)
        a, b = starts[new.valid], new.times[new.valid]
        last = float(new.times[-1]) if len(new) else float(before)
        # An interval that begins at the last beat may still come; one that would be too long does not.
        edge = last if not ends and front - last <= LONGEST_S else front
        gaps: list[Gap] = []
        for low, high in zip(np.append(self._told, b).tolist(), np.append(a, edge).tolist(), strict=True):
            if high > low + 1e-9:
                gaps += self.seconds.gaps(low, high, "warm_up" if low == self._start else "artefact")
        self._told = max(self._told, edge, float(b[-1]) if len(b) else edge)
        if not len(b) and not gaps:
            return
        values = np.stack([b - a, new.changed[new.valid].astype(float)], axis=1)
        pieces.append(
            Piece(
                BEATS.name,
                SUBJECT,
                a,
                values.astype(np.float32),
                (new.match[new.valid] * np.where(new.changed[new.valid], 0.5, 1.0)).astype(np.float32),
                tuple(gaps),
                b,
            )
        )

    def _tell_heart(self, front: float, ends: bool, pieces: list[Piece]) -> None:
        until = ceil(front - 1e-6) if ends else floor(front - LONGEST_S - _WIDER_S / 2 - 0.5)
        if until > self._cell:
            self._tell_seconds(self._cell, until, front, pieces)
            self._cell = until
        while self._step + _STEP_S <= until or (ends and self._step < front - 1e-6):
            self._tell_half_minute(self._step, min(self._step + _STEP_S, front), pieces)
            self._step += _STEP_S

    def _tell_seconds(self, first: int, until: int, front: float, pieces: list[Piece]) -> None:
        cells = np.arange(first, until)
        beats = self._final
        n = len(cells)
        values = np.full((n, len(HEART.fields)), np.nan)
        quality = np.zeros(n)
        codes = np.full(n, code("artefact"), np.int8)
        if len(beats) >= 2 and HEART.name in self._wanted:
            interval = np.diff(beats.times, prepend=beats.times[0])
            count = np.cumsum(beats.valid.astype(float))
            covered = np.cumsum(np.where(beats.valid, interval, 0.0))
            match = np.cumsum(np.where(beats.valid, beats.match, 0.0))

            def over(total: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
                return np.asarray(np.interp(b, beats.times, total) - np.interp(a, beats.times, total))

            low, high = cells + 0.5 - _AROUND_S / 2, cells + 0.5 + _AROUND_S / 2
            seconds, beaten, alike = over(covered, low, high), over(count, low, high), over(match, low, high)
            here = over(covered, cells.astype(float), np.minimum(cells + 1.0, front))
            told = (seconds >= _COVERED_S) & (beaten >= _INTERVALS) & (here >= 0.5 * np.minimum(1.0, front - cells))
            low, high = (
                np.maximum(cells + 0.5 - _WIDER_S / 2, self._start),
                np.minimum(cells + 0.5 + _WIDER_S / 2, front),
            )
            told &= over(covered, low, high) >= _WIDER_SHARE * (high - low)
            values[:, 0] = np.where(told, 60 * beaten / np.where(told, seconds, 1.0), np.nan)
            quality = np.where(told, alike / np.where(told, beaten, 1.0) * np.minimum(seconds / _AROUND_S, 1.0), 0.0)
            self._variability(values, np.minimum(cells + 1.0, front), told)
            codes[told] = TOLD
        missing = codes != TOLD
        reasons = self.seconds.around(first, until, 5)
        early = missing & (reasons == TOLD) & (cells < self._start + _AROUND_S / 2)
        codes[missing & (reasons != TOLD)] = reasons[missing & (reasons != TOLD)]
        codes[early] = code("warm_up")
        edges = np.append(cells, min(float(until), front)).astype(float)
        made = piece(HEART.name, SUBJECT, edges, values, quality, codes)
        if made is not None and HEART.name in self._wanted:
            pieces.append(made)

    def _windows(self, ends: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
        """For windows that end at ``ends (m,)``: when each begins, its intervals ``[first, last)``, their seconds."""
        beats = self._final
        at = np.flatnonzero(beats.valid[1:]) + 1
        starts = beats.times[at - 1] if len(at) else np.zeros(0)
        begins = np.full(len(ends), np.inf)
        if len(at):
            holes = np.append(True, starts[1:] - beats.times[at[:-1]] > _HOLE_S)
            fresh = starts[holes]
            begins = fresh[np.maximum(np.searchsorted(fresh, ends, side="right") - 1, 0)]
        begins = np.maximum(begins, ends - _WINDOW_S)
        first = np.searchsorted(beats.times, begins + 1e-9, side="right")
        # The interval that ends at the window's first beat begins before it.
        late = (first < len(beats)) & (np.append(np.inf, beats.times)[first] < begins - 1e-6)
        first = first + late
        last = np.searchsorted(beats.times, ends, side="right")
        interval = np.diff(beats.times, prepend=beats.times[:1])
        total = np.concatenate([[0.0], np.cumsum(np.where(beats.normal, interval, 0.0))])
        return begins, first, last, total[last] - total[np.minimum(first, last)]

    def _length(self, begins: FloatArray, ends: FloatArray) -> FloatArray:
        """How long windows are if they begin one interval before their first beat, as the stream allows, s."""
        return np.asarray(np.minimum(np.minimum(ends - begins + LONGEST_S, ends - self._start), _WINDOW_S))

    def _variability(self, values: FloatArray, ends: FloatArray, told: npt.NDArray[np.bool_]) -> None:
        beats = self._final
        begins, first, last, seconds = self._windows(ends)
        length = ends - begins
        enough = told & (seconds >= _SHARE * (length - LONGEST_S))
        rows = hrv.windowed_time_domain(
            1000 * np.diff(beats.times, prepend=beats.times[:1]), beats.normal, first, np.maximum(first, last)
        )
        for i, name in enumerate(hrv.TIME_FIELDS):
            least = _LEAST_S if name in ("meannn", "rmssd", "pnn50") else _LEAST_SD_S
            values[:, 1 + i] = np.where(
                enough & (seconds >= _SHARE * least) & (length >= least - 2), rows[:, i], np.nan
            )
        values[:, 7:10] = self._spectrum(begins, ends, enough & (self._length(begins, ends) >= _LEAST_HF_S - 1e-6))

    def _spectrum(self, begins: FloatArray, ends: FloatArray, enough: npt.NDArray[np.bool_]) -> FloatArray:
        """``hf``, ``lf``, ``lf_hf`` of windows: ``(m, 3)``, NaN where not ``enough`` or too short."""
        out = np.full((len(ends), 3), np.nan)
        at = np.flatnonzero(self._final.valid[1:]) + 1
        rows = np.flatnonzero(enough)
        if not len(rows) or len(at) < 20:
            return out
        times = self._final.times[at]
        interval = 1000 * (times - self._final.times[at - 1])
        # Windows that still grow do so in half minutes, so that many are transformed at once.
        seconds = np.floor(self._length(begins, ends) / _STEP_S + 1e-6) * _STEP_S
        n = (seconds * hrv.RATE_HZ).astype(int)
        grid_end = np.floor(ends * hrv.RATE_HZ + 1e-6).astype(int)
        low = int((grid_end[rows] - n[rows]).min())
        line = hrv.tachogram(times, interval, np.arange(low, int(grid_end[rows].max())) / hrv.RATE_HZ)
        for length in np.unique(n[rows]).tolist():
            same = rows[n[rows] == length]
            view = np.lib.stride_tricks.sliding_window_view(line, length)[grid_end[same] - length - low]
            powers = hrv.band_powers(view)
            out[same, 0] = powers[:, 1]
            if length >= _WINDOW_S * hrv.RATE_HZ - 1:
                out[same, 1] = powers[:, 0]
                out[same, 2] = powers[:, 0] / np.maximum(powers[:, 1], 1e-9)
        return out

    def _tell_half_minute(self, start: float, end: float, pieces: list[Piece]) -> None:
        if HRV.name not in self._wanted:
            return
        ends = np.array([end])
        begins, first, last, seconds = self._windows(ends)
        length = float(end - begins[0])
        row = np.full((1, len(HRV.fields)), np.nan)
        codes = np.full(1, TOLD, np.int8)
        share = float(seconds[0]) / max(length, 1.0) if isfinite(length) else 0.0
        if not isfinite(length) or share < _SHARE * (1 - LONGEST_S / max(length, 10.0)):
            found = self.seconds.around(floor(start), ceil(end), 0)
            codes[0] = min(int(found.min()), code("artefact")) if len(found) else code("artefact")
        elif self._length(begins, ends)[0] < _LEAST_HF_S - 1e-6:
            codes[0] = code("too_short")
        else:
            row[0, :3] = self._spectrum(begins, ends, np.ones(1, bool))[0]
            part = self._final.part(slice(int(first[0]), int(last[0])))
            interval = 1000 * np.diff(self._final.times, prepend=self._final.times[:1])[first[0] : last[0]]
            row[0, 3] = hrv.sample_entropy(interval[part.normal])
            row[0, 4] = hrv.dfa_alpha1(interval[part.normal])
            if not np.isfinite(row[0, 0]):
                codes[0] = code("artefact")
        made = piece(HRV.name, SUBJECT, np.array([start, end]), row, np.array([min(share, 1.0)]), codes)
        if made is not None:
            pieces.append(made)
