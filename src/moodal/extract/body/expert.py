"""What runs the bundle ``stress``: a wristband's signals of a minute, and what came before.

::

    PPG, heart rate, EDA, temperature, acceleration ─► measures of 60 s ──────────────┐ Evidence, a row a window
    the same of every half minute of the session before the window ─► their mean ─────┘
    Evidence ─► how far from the session's past (causal), and rank among the person's own windows (baseline)
             ─► linear head and forest ─► temperature ─► Told

Time itself is never told: a row knows when it was, so that neighbours may be found, and no head sees it.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray, Span
from moodal.core.errors import UsageError
from moodal.core.recording import Recording
from moodal.core.runner import Evidence, Example, Told, whole_bundle
from moodal.core.scheme import STRESS2
from moodal.core.track import Field, Gap, Piece, TrackSet, TrackSpec
from moodal.dsp.calibration import tempered
from moodal.dsp.normal import normal_scores
from moodal.dsp.trees import forest
from moodal.media.whole import Even, whole

from .tracks import SUBJECT
from .wrist import FIELDS, KINDS, WINDOW_S, measures

__all__ = ["HOP_S", "MODES", "NAMES", "STRESS", "TRACK", "WIDTH", "Session", "StressRunner", "among_own", "in_context",
           "kinds_of", "of_past", "open_runner", "subset_of", "track", "trees_log_odds"]  # fmt: skip

#: The session is measured every so often, s.
HOP_S = 30.0
#: What is measured, in order.
NAMES = tuple(f"{k}.{f}" for k in KINDS for f in FIELDS[k])
_F = len(NAMES)
#: Numbers of a row of evidence: which session, when, how many windows before; the window's measures, those of the past.
WIDTH = 3 + 2 * _F
#: What a window is compared with: everybody (there is no past), the session's past, all of the person's own windows.
MODES = ("alone", "causal", "baseline")
#: Least windows of the past, of a person's own; and shortest window that is told, s.
_LEAST_PAST, _LEAST_OWN, _LEAST_S = 4, 8, 20.0
#: Windows that the mean of a short past is drawn to nothing by.
_SHORT_PAST = 4.0
#: Width of the kernel over a person's neighbouring windows, s.
_AROUND_S = 60.0
#: Windows around one add this share of their own log odds, by a kernel of the same width.
_LENT = 0.6
#: Log odds of one model are no larger, so that neither outvotes the other.
_MOST = 4.0

STRESS = TrackSpec(
    "body.stress",
    (
        Field("stress", "", 0, 1, "how likely a stressor acts, both being as likely beforehand"),
        Field("set_no_stress", "", 0, 1, "1: no stress belongs to the label set at 90 %"),
        Field("set_stress", "", 0, 1, "1: stress belongs to the label set at 90 %"),
    ),
    1 / HOP_S,
    "moodal's bundle stress: a wristband's last 60 s over the session's past, trained on Stress-Predict",
    look_ahead_s=HOP_S,
    about="whether a stressor acts, from the 60 s that end with the sample; quality: share of the signals that tell",
)

#: What is told of a recording.
TRACK = STRESS


class Session:
    """One recording of a wristband, measured window by window on demand."""

    def __init__(self, streams: Mapping[str, Even], key: float = 0.0) -> None:
        self.streams = dict(streams)
        self.key = key
        self._grid: list[FloatArray] = []

    @classmethod
    def of(cls, recording: Recording, start_s: float = 0.0, end_s: float | None = None) -> Session:
        """The streams of a recording that this reads."""
        found = {k: s for k in KINDS if (s := whole(recording, k, start_s, end_s)) is not None}
        first = next(iter(found.values()), None)
        sample = b"" if first is None else np.ascontiguousarray(first.values[:4096]).tobytes()
        # A float32 holds 24 bits exactly.
        return cls(found, float(zlib.crc32(sample + recording.name.encode()) % (1 << 24)))

    @property
    def span(self) -> Span:
        """From the first sample of any stream to the last; events do not say where a session begins."""
        sampled = {k: s for k, s in self.streams.items() if k != "ibi"} or self.streams
        ends = [(s.start_s, s.end_s) for s in sampled.values()]
        return Span(min(a for a, _ in ends), max(b for _, b in ends)) if ends else Span(0.0, 0.0)

    def at(self, start: float, end: float) -> FloatArray | str:
        """The measures ``(F,)`` of ``[start, end)`` s, NaN where a signal tells nothing; the reason where none does."""
        found = measures({k: (s.cut(start, end), s.rate_hz) for k, s in self.streams.items()})
        if all(isinstance(m, str) for m in found.values()):
            reasons = [str(m) for m in found.values() if m != "no_stream"]
            return reasons[0] if reasons else "no_stream"
        return np.concatenate(
            [np.full(len(FIELDS[k]), np.nan) if isinstance(m, str) else m for k, m in found.items()]
        )  # fmt: skip

    def past(self, before: float) -> tuple[FloatArray, int]:
        """Mean measures ``(F,)`` of the windows that end by ``before``, every half minute from the session's start, and
        how many there are."""
        zero = self.span.start
        n = max(0, int(np.floor((before - zero - WINDOW_S) / HOP_S + 1e-6)) + 1)
        while len(self._grid) < n:
            a = zero + HOP_S * len(self._grid)
            found = self.at(a, a + WINDOW_S)
            self._grid.append(np.full(_F, np.nan) if isinstance(found, str) else found)
        return _mean(np.array(self._grid[:n]).reshape(n, _F)), n

    def row(self, start: float, end: float) -> FloatArray | str:
        """A row of evidence of ``[start, end)`` s, or the gap reason."""
        now = self.at(start, end)
        if isinstance(now, str):
            return now
        past, n = self.past(start)
        return np.concatenate([[self.key, start, n], now, past])


def _mean(x: FloatArray) -> FloatArray:
    """Mean over rows of what is there; NaN where nothing is."""
    there = np.isfinite(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(there, x, 0.0).sum(axis=0) / there.sum(axis=0))


def of_past(rows: FloatArray, scale: FloatArray) -> FloatArray:
    """How far the measures of rows ``(n, WIDTH)`` lie from their sessions' past, in ``scale (F,)``: ``(n, F)``, 0 where
    either is not told; drawn to 0 while the past is short."""
    count = rows[:, 2:3]
    off = (rows[:, 3 : 3 + _F] - rows[:, 3 + _F :]) / scale * (count / (count + _SHORT_PAST))
    return np.asarray(np.clip(np.nan_to_num(off, nan=0.0), -_MOST, _MOST))


def among_own(rows: FloatArray, own: FloatArray) -> FloatArray:
    """Normal scores of rows ``(n, WIDTH)`` among a person's ``own (m, WIDTH)``, and means of those scores over the own
    windows around each in its session: ``(n, 2 F)``, 0 where nothing is told."""
    base = own[:, 3 : 3 + _F]
    z = np.nan_to_num(normal_scores(rows[:, 3 : 3 + _F], base), nan=0.0)
    others = normal_scores(base, base)
    near = np.exp(-0.5 * ((rows[:, 1:2] - own[None, :, 1]) / _AROUND_S) ** 2) * (rows[:, :1] == own[None, :, 0])
    there = np.isfinite(others)
    weight = (near[:, :, None] * there[None]).sum(axis=1)
    total = (near[:, :, None] * np.where(there, others, 0.0)[None]).sum(axis=1)
    return np.concatenate([z, np.where(weight > 1e-9, total / np.maximum(weight, 1e-9), z)], axis=1)


def in_context(
    log_odds: FloatArray, rows: FloatArray, own_log_odds: FloatArray, own: FloatArray, level: float
) -> FloatArray:
    """Log odds ``(n,)`` of rows once those of the person's own windows ``(m,)`` are known: brought to the same mean
    for everybody (``level``), and with a share of those that stand beside them in time.

    Stress lasts; a minute of it seldom stands alone. The mean takes for granted that people's windows hold about as
    much stress as those that were trained on.
    """
    shift = float(own_log_odds.mean()) - level
    apart = rows[:, 1:2] - own[None, :, 1]
    near = np.exp(-0.5 * (apart / _AROUND_S) ** 2) * (rows[:, :1] == own[None, :, 0]) * (np.abs(apart) > 1.0)
    return np.asarray(log_odds - shift + _LENT * (near * (own_log_odds - shift)[None]).sum(axis=1))


def kinds_of(rows: FloatArray) -> npt.NDArray[np.bool_]:
    """Which `KINDS` tell in each row: ``(n, kinds)``."""
    first = np.cumsum([0, *(len(FIELDS[k]) for k in KINDS)])
    now = np.isfinite(rows[:, 3 : 3 + _F])
    return np.stack([now[:, a:b].any(axis=1) for a, b in pairwise(first.tolist())], axis=1)


def subset_of(kinds: Iterable[bool]) -> str:
    """What a temperature is kept for: all signals, heart and skin, or less."""
    there = dict(zip(KINDS, kinds, strict=True))
    heart = there["ppg"] or there["hr"] or there["ibi"]
    if heart and there["eda"]:
        return "all" if there["temp"] and there["acc"] else "heart+eda"
    return "few"


class StressRunner:
    """The bundle, ready to be asked. See `moodal.core.runner.Runner`."""

    uses_baseline = True
    multilabel: frozenset[str] = frozenset()

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.schemes: Mapping[str, tuple[str, ...]] = {"stress2": STRESS2}
        told = bundle.manifest
        self._heat: Mapping[str, Mapping[str, float]] = told["heat"]
        self._farthest, self._level = float(told["farthest"]), float(told["level"])
        self._known: tuple[bytes, FloatArray] = (b"", np.zeros(0))
        self._typical = bundle.array("typical").astype(np.float64)
        self._scale = bundle.array("scale").astype(np.float64)
        self._linear = {m: bundle.array(f"linear_{m}").astype(np.float64) for m in MODES}
        self._forest = {
            m: tuple(bundle.array(f"forest_{m}_{part}") for part in ("feature", "threshold", "left", "right", "value"))
            for m in MODES
        }
        self._open: OrderedDict[tuple[str, int], Session] = OrderedDict()

    def read(self, example: Example) -> Evidence | str:
        """Rows of whole minutes of the example, one at least if it lasts 20 s; or the gap reason."""
        if example.file is None:
            raise UsageError("reads recordings, not text", where=self.bundle.name)
        session = self._session(example.file)
        span = session.span
        if not session.streams:
            return "no_stream"
        start = span.start if example.start_s is None else example.start_s
        end = span.end if example.end_s is None else example.end_s
        if end - start < _LEAST_S:
            return "too_short"
        rows, reason = [], "too_short"
        for a in np.arange(start, max(end - WINDOW_S, start) + 1e-6, WINDOW_S).tolist():
            row = session.row(a, min(a + WINDOW_S, end))
            if isinstance(row, str):
                reason = row
            else:
                rows.append(row)
        return np.array(rows, np.float32) if rows else reason

    def tell(self, evidence: Evidence, person: Sequence[Evidence] = (), neutral: Sequence[Evidence] = ()) -> Told:
        """``person``: all windows of the same person; ``neutral``: those of a calm stretch, which then stand for the
        past."""
        rows = np.asarray(evidence, np.float64)
        own = np.concatenate([np.asarray(e, np.float64) for e in person]) if len(person) else np.zeros((0, WIDTH))
        if len(neutral):
            calm = np.concatenate([np.asarray(e, np.float64) for e in neutral])
            rows = rows.copy()
            rows[:, 2], rows[:, 3 + _F :] = max(len(calm), 8), _mean(calm[:, 3 : 3 + _F])
        log_odds = float(self.log_odds(rows, own).mean())
        scores = tempered(np.array([-log_odds / 2, log_odds / 2]), self.bundle.manifest["calibration"])
        return Told(scores, "out_of_domain" if self.far(rows) > self._farthest else "")

    def log_odds(self, rows: FloatArray, own: FloatArray) -> FloatArray:
        """Log odds of stress of rows ``(n, WIDTH)``, both states being as likely beforehand: ``(n,)``."""
        enough = len(own) >= _LEAST_OWN
        theirs = self._own(own) if enough else np.zeros(0)
        out = np.empty(len(rows))
        for i, (row, kinds) in enumerate(zip(rows, kinds_of(rows), strict=True)):
            one = row[None]
            mode = "baseline" if enough else "causal" if row[2] >= _LEAST_PAST else "alone"
            if mode == "baseline":
                told = in_context(self._both(one, own), one, theirs, own, self._level)
            elif mode == "causal":
                told = self.head(of_past(one, self._scale), mode)
            else:
                x = (one[:, 3 : 3 + _F] - self._typical) / self._scale
                told = self.head(np.clip(np.nan_to_num(x, nan=0.0), -_MOST, _MOST), mode)
            out[i] = told[0] / float(self._heat[mode][subset_of(kinds)])
        return out

    def _own(self, own: FloatArray) -> FloatArray:
        """Log odds of a person's own windows, computed once as long as they stay the same."""
        key = own.tobytes()
        if self._known[0] != key:
            self._known = (key, self._both(own, own))
        return self._known[1]

    def _both(self, rows: FloatArray, own: FloatArray) -> FloatArray:
        """What rows tell among the person's own windows, and over the session's past."""
        return self.head(among_own(rows, own), "baseline") + self.head(of_past(rows, self._scale), "causal")

    def head(self, x: FloatArray, mode: str) -> FloatArray:
        """Log odds of features ``(n, f)`` of a mode before any temperature: the mean of linear head and forest."""
        linear = (x * self._linear[mode][:-1]).sum(axis=1) + self._linear[mode][-1]
        return np.asarray((np.clip(linear, -_MOST, _MOST) + trees_log_odds(x, self._forest[mode])) / 2)

    def far(self, rows: FloatArray) -> float:
        """Root mean square of the measures' distance from what is typical, in deviations: how unlike all that was
        trained on."""
        off = (rows[:, 3 : 3 + _F] - self._typical) / self._scale
        return float(np.sqrt(np.nanmean(np.square(np.clip(off, -20, 20)))))

    def _session(self, path: Path) -> Session:
        """The file's session, decoded once as long as it stays the same."""
        from moodal import media

        key = (str(path.resolve()), path.stat().st_mtime_ns if path.exists() else 0)
        if key not in self._open:
            self._open[key] = Session.of(media.read(path))
            while len(self._open) > 2:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return self._open[key]


def trees_log_odds(x: FloatArray, arrays: tuple[npt.NDArray[np.generic], ...]) -> FloatArray:
    """Log odds of a forest whose leaves hold the share of class 1, stretched for forests shy away from the ends."""
    share = np.clip(forest(x, *arrays), 0.02, 0.98)  # type: ignore[arg-type]
    return np.asarray(2 * np.log(share / (1 - share)))


def open_runner(bundle: Bundle) -> StressRunner:
    """The runner of kind ``wristband``.

    Raises
    ------
    ModelError : the bundle lacks something that it needs.
    """
    with whole_bundle(bundle):
        return StressRunner(bundle)


def track(recording: Recording, runner: StressRunner, span: Span, baseline: Span | None = None) -> TrackSet | None:
    """`STRESS` of a recording of a wristband; None where it has none of its signals. A row at t rests on the minute
    that ends at t + 30 s and on what came before; ``baseline`` is a calm stretch that then stands for the past."""
    session = Session.of(recording, span.start, span.end)
    if not session.streams:
        return None
    least = float(((runner.bundle.manifest["calibration"] or {}).get("label_sets") or {}).get("least", 0.0))
    neutral = []
    if baseline is not None:
        for a in np.arange(baseline.start, baseline.end - WINDOW_S + 1e-6, HOP_S).tolist():
            if not isinstance(row := session.row(a, a + WINDOW_S), str):
                neutral.append(np.atleast_2d(row))
    times, values, quality = [], [], []
    first = session.span.start
    gaps = [Gap(span.start, first, "no_stream")] if first > span.start + 1e-6 else []
    starts = np.arange(first, session.span.end - WINDOW_S + 1e-6, HOP_S)
    end = first + HOP_S if len(starts) else first
    if len(starts):
        gaps.append(Gap(first, end, "warm_up"))
    for a in starts.tolist():
        here, end = end, a + WINDOW_S
        row = session.row(a, end)
        if not isinstance(row, str) and row[2] < _LEAST_PAST and not neutral:
            row = "warm_up"
        if isinstance(row, str):
            gaps.append(Gap(here, end, row))
            continue
        told = runner.tell(np.atleast_2d(row), neutral=neutral)
        if told.withheld:
            gaps.append(Gap(here, end, told.withheld))
            continue
        best = int(np.argmax(told.scores))
        times.append(here)
        values.append([told.scores[1], *(float(p >= least or k == best) for k, p in enumerate(told.scores))])
        quality.append(float(kinds_of(row[None]).mean()))
    if span.end > end + 1e-6:
        gaps.append(Gap(end, span.end, "too_short" if end < session.span.end else "no_stream"))
    made = Piece(STRESS.name, SUBJECT, np.array(times), np.array(values, np.float32).reshape(-1, 3),
                 np.array(quality, np.float32), tuple(gaps))  # fmt: skip
    return TrackSet.from_pieces(STRESS, [made])
