"""What runs the bundle ``workload``: EEG and ECG of ten seconds, rest or mental work.

::

    EEG (n, channels) ─► 19 positions, mean reference ─► covariance in nine bands ─┐ Evidence, a row a window
    ECG (n,) ─────────► beats ─► rate and variability ─────────────────────────────┘
    Evidence ─► tangent space at a mean: of everybody (causal), of this person's own (baseline), of a neutral stretch
             ─► linear heads ─► temperature ─► Told
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray, Span
from moodal.core.errors import UsageError
from moodal.core.recording import Recording
from moodal.core.runner import Evidence, Example, Told, whole_bundle
from moodal.core.scheme import WORKLOAD2
from moodal.core.track import Gap, Piece, TrackSet
from moodal.dsp import spd
from moodal.dsp.beats import ECG, clean, find_beats, refine
from moodal.dsp.calibration import tempered
from moodal.dsp.eeg import POSITIONS, cross_spectra, interpolation, position, referenced
from moodal.dsp.hrv import time_domain
from moodal.dsp.intervals import LONGEST_S, SHORTEST_S, running_median
from moodal.media.whole import Even, whole

from .extractor import usable
from .tracks import LEAST_CHANNELS, SUBJECT, WORKLOAD

__all__ = ["BANDS", "COVARIANCES", "FEW", "HEART", "MODES", "TRACK", "WIDTH", "WINDOW_S", "WorkloadRunner", "eeg_row",
           "heart_row", "matrices", "open_runner", "track"]  # fmt: skip

#: What it says of a recording (see `track`).
TRACK = WORKLOAD
#: Length of a window, s; a shorter one that is at least this long is told too.
WINDOW_S, _LEAST_S = 10.0, 4.0
#: Bands that workload is told from, Hz: the classical ones cut once more.
BANDS: dict[str, tuple[float, float]] = {
    "delta": (1, 4), "theta1": (4, 6), "theta2": (6, 8), "alpha1": (8, 10), "alpha2": (10, 13), "beta1": (13, 18),
    "beta2": (18, 24), "beta3": (24, 32), "gamma": (32, 42),
}  # fmt: skip
#: What is told of the heart: natural logarithms of 1 plus 1/min or ms.
HEART = ("hr_mean", "hr_sd", "rmssd", "sdnn", "hr_min", "hr_max")
_K = len(POSITIONS)
_UPPER = np.triu_indices(_K)
#: Numbers of the covariances, and of a row of evidence: covariances, heart, share of the 19 positions that tell.
COVARIANCES = len(BANDS) * len(_UPPER[0])
WIDTH = COVARIANCES + len(HEART) + 1
#: What a person is compared with: everybody, all of the own windows, a neutral stretch.
MODES = ("causal", "baseline", "neutral")
#: Least windows that a person's own mean is taken of.
_LEAST_OWN = 4
#: What a stream begins later or ends earlier than its recording, and is no gap of its own, s.
_SLIVER_S = 0.05
#: Windows that are read at a time.
_BLOCK = 30
#: Share of the positions below which a head is asked that was trained with positions estimated.
FEW = 0.85


def eeg_row(x: FloatArray, rate_hz: float, names: Sequence[str | None]) -> tuple[FloatArray, float] | str:
    """Covariances of a window ``x (n, channels)`` µV as `COVARIANCES` numbers (µV², upper triangles), and the share of
    the 19 positions that were measured and not estimated from others; or the gap reason."""
    placed = np.array([n is not None for n in names])
    if not placed.any():
        return "no_stream"
    if len(x) < _LEAST_S * rate_hz:
        return "too_short"
    good, reason = usable(x)
    kept = np.flatnonzero(good & placed).tolist()
    if len(kept) < LEAST_CHANNELS:
        return reason
    x = x[:, kept]
    x = np.where(np.isfinite(x), x, np.nanmean(x, axis=0))
    weights = interpolation([names[k] for k in kept])
    c = cross_spectra(referenced(x @ weights.T), rate_hz, BANDS)
    return c[:, _UPPER[0], _UPPER[1]].ravel(), sum(names[k] in POSITIONS for k in kept) / _K


def matrices(row: FloatArray) -> FloatArray:
    """The covariances ``(..., bands, 19, 19)`` of rows ``(..., COVARIANCES)``."""
    flat = np.asarray(row, np.float64).reshape(*np.shape(row)[:-1], len(BANDS), len(_UPPER[0]))
    out = np.empty((*flat.shape[:-1], _K, _K))
    out[..., _UPPER[0], _UPPER[1]] = flat
    out[..., _UPPER[1], _UPPER[0]] = flat
    return out


def heart_row(x: FloatArray, rate_hz: float) -> FloatArray | str:
    """`HEART` of an ECG ``x (n,)``, any unit; or the gap reason."""
    good = np.isfinite(x)
    if len(x) < _LEAST_S * rate_hz:
        return "too_short"
    if good.mean() < 0.8:
        return "not_finite"
    x = np.interp(np.arange(len(x)), np.flatnonzero(good), x[good])
    if np.ptp(x) == 0:
        return "flat"
    cleaned = clean(x - np.median(x), rate_hz, ECG)
    inverted = abs(float(cleaned.min())) > 1.5 * abs(float(cleaned.max()))
    peaks, _ = find_beats(x, cleaned, rate_hz, ECG, inverted=inverted)
    if len(peaks) < 5:
        return "artefact"
    nn = np.diff(refine(-cleaned if inverted else cleaned, peaks)) / rate_hz
    middle = running_median(nn)
    normal = (nn >= SHORTEST_S) & (nn <= LONGEST_S) & (np.abs(nn - middle) <= 0.2 * middle)
    if normal.sum() < 3 or normal.mean() < 0.5:
        return "artefact"
    told = time_domain(1000 * nn, normal)
    hr = 60 / nn[normal]
    values = (hr.mean(), hr.std(ddof=1), told["rmssd"], told["sdnn"], hr.min(), hr.max())
    return np.asarray(np.log1p(np.nan_to_num(np.array(values))))


@dataclass(frozen=True)
class _Signals:
    eeg: Even | None
    ecg: Even | None
    names: tuple[str | None, ...]

    def row(self, start: float, end: float) -> FloatArray | str:
        out = np.full(WIDTH, np.nan)
        out[-1] = 0.0
        told: FloatArray | tuple[FloatArray, float] | str = "no_stream"
        reason = "no_stream"
        if self.eeg is not None:
            told = eeg_row(self.eeg.cut(start, end), self.eeg.rate_hz, self.names)
            if isinstance(told, str):
                reason = told
            else:
                out[:COVARIANCES], out[-1] = told
        if self.ecg is not None:
            heart = heart_row(self.ecg.cut(start, end)[:, 0], self.ecg.rate_hz)
            if isinstance(heart, str):
                reason = heart if reason == "no_stream" else reason
            else:
                out[COVARIANCES:-1] = heart
        return reason if np.isnan(out[:-1]).all() else out


class WorkloadRunner:
    """The bundle, ready to be asked. See `moodal.core.runner.Runner`."""

    uses_baseline = True
    multilabel: frozenset[str] = frozenset()

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.schemes: Mapping[str, tuple[str, ...]] = {"workload2": WORKLOAD2}
        self._whitener = bundle.array("whitener").astype(np.float64)
        self._heads = {m: bundle.array(f"eeg_{m}").astype(np.float64) for m in (*MODES, "few")}
        self._hearts = {m: bundle.array(f"ecg_{m}").astype(np.float64) for m in MODES}
        told = bundle.manifest
        self._shrink = {m: float(told["shrink"][m]) for m in MODES}
        self._heat: Mapping[str, Mapping[str, float]] = told["heat"]
        self._farthest = {k: float(v) for k, v in told["farthest"].items()}
        self._share = float(told["ecg_share"])
        self._open: OrderedDict[tuple[str, int], _Signals] = OrderedDict()

    def read(self, example: Example) -> Evidence | str:
        """Rows of whole windows in the example, at least one if it lasts 4 s; or the gap reason."""
        if example.file is None:
            raise UsageError("reads recordings, not text", where=self.bundle.name)
        signals = self._signals(example.file)
        streams = [s for s in (signals.eeg, signals.ecg) if s is not None]
        if not streams:
            return "no_stream"
        start = example.start_s if example.start_s is not None else min(s.start_s for s in streams)
        end = example.end_s if example.end_s is not None else max(s.end_s for s in streams)
        rows, reason = [], "too_short"
        for a in np.arange(start, max(end - WINDOW_S, start) + 1e-6, WINDOW_S).tolist():
            row = signals.row(a, min(a + WINDOW_S, end))
            if isinstance(row, str):
                reason = row
            else:
                rows.append(row)
        return np.array(rows, np.float32) if rows else reason

    def tell(self, evidence: Evidence, person: Sequence[Evidence] = (), neutral: Sequence[Evidence] = ()) -> Told:
        """``person``: all windows of the same person; ``neutral``: those in which nothing was asked of the person."""
        rows = np.asarray(evidence, np.float64)
        mode, own = "causal", np.zeros((0, WIDTH))
        for name, given in (("baseline", person), ("neutral", neutral)):
            known = np.concatenate([np.asarray(e, np.float64) for e in given]) if len(given) else own
            if len(known) >= (_LEAST_OWN if name == "baseline" else 2):
                mode, own = name, known
        parts, far = self.contributions(rows, mode, own)
        logit = sum(parts.values())
        scores = tempered(np.stack([-logit / 2, logit / 2]), self.bundle.manifest["calibration"])
        return Told(scores, "out_of_domain" if far > 1.0 else "", parts=parts)

    def contributions(
        self, rows: FloatArray, mode: str = "causal", own: FloatArray | None = None
    ) -> tuple[dict[str, float], float]:
        """What ``eeg`` and ``ecg`` add to the log odds of task, means over the rows, and how far their EEG lies from
        all that was trained on (root of the mean square of the tangent vector, over the largest that is let pass; 0
        without EEG)."""
        own = np.zeros((0, WIDTH)) if own is None else own
        eeg = np.asarray(np.isfinite(rows[:, :COVARIANCES]).all(axis=1))
        heart = np.asarray(np.isfinite(rows[:, COVARIANCES:-1]).all(axis=1))
        known = own[~np.isnan(own[:, :COVARIANCES]).any(axis=1)] if len(own) else own
        beats = own[~np.isnan(own[:, COVARIANCES:-1]).any(axis=1)] if len(own) else own
        far, told = 0.0, []
        for i in range(len(rows)):
            parts = {}
            if eeg[i]:
                how = mode if mode == "causal" or len(known) else "causal"
                raw = matrices(rows[i, :COVARIANCES])
                place = spd.tangent(spd.shrunk(raw, self._shrink["causal"]), self._whitener)
                reach = "few" if rows[i, -1] < FEW else "all"
                far = max(far, float(np.sqrt(np.square(place).mean())) / self._farthest[reach])
                if how != "causal":
                    white = spd.inverse_root(spd.log_mean(spd.shrunk(matrices(known[:, :COVARIANCES]),
                                                                     self._shrink[how])))  # fmt: skip
                    place = spd.tangent(spd.shrunk(raw, self._shrink[how]), white)
                head = self._heads["few" if how == "causal" and reach == "few" else how]
                parts["eeg"] = float((place.ravel() * head[:-1]).sum() + head[-1])
            if heart[i]:
                how = mode if mode == "causal" or len(beats) else "causal"
                x = rows[i, COVARIANCES:-1]
                if how != "causal":
                    x = x - beats[:, COVARIANCES:-1].mean(axis=0)
                head = self._hearts[how]
                parts["ecg"] = float((x * head[:-1]).sum() + head[-1])
            told.append(self._weighed(parts, mode))
        kinds = [kind for kind in ("eeg", "ecg") if any(kind in p for p in told)]
        return {kind: sum(p.get(kind, 0.0) for p in told) / len(told) for kind in kinds}, far

    def _weighed(self, parts: Mapping[str, float], mode: str) -> dict[str, float]:
        """Log odds of what there is of EEG and heart, by the heart's share and the temperature of mode and subset."""
        heat = float(self._heat[mode]["+".join(sorted(parts))])
        share = {"ecg": self._share if len(parts) == 2 else 1.0}
        return {kind: x * share.get(kind, 1.0) / heat for kind, x in parts.items()}

    def _signals(self, path: Path) -> _Signals:
        """The file's streams, decoded once as long as it stays the same."""
        from moodal import media

        key = (str(path.resolve()), path.stat().st_mtime_ns if path.exists() else 0)
        if key not in self._open:
            self._open[key] = signals_of(media.read(path))
            while len(self._open) > 2:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return self._open[key]


def signals_of(recording: Recording, start_s: float = 0.0, end_s: float | None = None) -> _Signals:
    """The EEG and ECG of a recording."""
    eeg = whole(recording, "eeg", start_s, end_s)
    names: tuple[str | None, ...] = ()
    if eeg is not None:
        names = tuple(position(n) for n in eeg.channels)
        if not any(names) and len(names) == _K:
            names = tuple(POSITIONS)
    return _Signals(eeg, whole(recording, "ecg", start_s, end_s), names)


def open_runner(bundle: Bundle) -> WorkloadRunner:
    """The runner of kind ``eeg_ecg``.

    Raises
    ------
    ModelError : the bundle lacks something that it needs.
    """
    with whole_bundle(bundle):
        return WorkloadRunner(bundle)


def track(recording: Recording, runner: WorkloadRunner, span: Span, baseline: Span | None = None) -> TrackSet | None:
    """`WORKLOAD` of a recording's EEG and ECG on windows of 10 s; None without either. ``baseline`` is a neutral
    stretch: what comes is compared with it."""
    read = [s for kind in ("eeg", "ecg") if (s := recording.stream(kind)) is not None]
    if not read:
        return None
    # Where another file was joined they may begin later and end earlier than the recording.
    began, ended = max(span.start, min(s.start_s for s in read)), min(span.end, max(s.end_s for s in read))
    least = float(((runner.bundle.manifest["calibration"] or {}).get("label_sets") or {}).get("least", 0.0))
    starts = np.arange(began, ended - WINDOW_S + _SLIVER_S, WINDOW_S)
    found: list[FloatArray | str] = []
    for first in range(0, len(starts), _BLOCK):  # hours of many electrodes would not fit in memory
        some = starts[first : first + _BLOCK]
        signals = signals_of(recording, float(some[0]), float(some[-1]) + WINDOW_S)
        found += [signals.row(float(a), float(a) + WINDOW_S) for a in some]
    neutral = [
        np.atleast_2d(r) for a, r in zip(starts, found, strict=True)
        if baseline is not None and not isinstance(r, str) and baseline.start <= a and a + WINDOW_S <= baseline.end
    ]  # fmt: skip
    times, values, quality = [], [], []
    gaps = [Gap(span.start, min(began, span.end), "no_stream")] if began > span.start + _SLIVER_S else []
    for a, row in zip(starts.tolist(), found, strict=True):
        if isinstance(row, str):
            gaps.append(Gap(a, a + WINDOW_S, row))
            continue
        told = runner.tell(np.atleast_2d(row), neutral=neutral)
        if told.withheld:
            gaps.append(Gap(a, a + WINDOW_S, told.withheld))
            continue
        best = int(np.argmax(told.scores))
        times.append(a)
        values.append([told.scores[1], *(float(p >= least or k == best) for k, p in enumerate(told.scores)),
                       *(told.parts.get(kind, np.nan) for kind in ("eeg", "ecg"))])  # fmt: skip
        quality.append(max(float(row[-1]), 0.5))
    end = float(starts[-1]) + WINDOW_S if len(starts) else min(began, span.end)
    if ended > end + _SLIVER_S:
        gaps.append(Gap(end, ended, "too_short"))
    if span.end > max(end, ended) + _SLIVER_S:
        gaps.append(Gap(max(end, ended), span.end, "no_stream"))
    rows = np.array(values, np.float32).reshape(-1, len(WORKLOAD.fields))
    made = Piece(WORKLOAD.name, SUBJECT, np.array(times), rows, np.array(quality, np.float32), tuple(gaps))
    return TrackSet.from_pieces(WORKLOAD, [made])
