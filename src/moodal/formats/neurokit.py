"""``--write neurokit``: body signals under the column names of NeuroKit2 0.2.13, a table a signal.

Nothing is computed here. What a track does not hold stays an empty column, and a rate or a peak never stands where
the track has a gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.mood import Mood
from moodal.core.track import NOBODY, Track

from .files import disk_errors
from .tables import write_table
from .writer import WriterSpec, stem

__all__ = ["HRV", "SIGNALS", "SPEC"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Signal:
    """One table: rows are the samples of ``track``.

    ``fields`` names for each column the fields that may hold it, ``events`` the tracks whose times are marked by 1,
    ``at_events`` columns that hold a number at such an event, ``rate`` the column of the heart's or breath's rate.
    """

    track: str
    columns: tuple[str, ...]
    fields: dict[str, tuple[str, ...]]
    quality: str = ""
    rate: tuple[str, str, str] | None = None
    events: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    at_events: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


_SCR = "body.scr"
#: File → its columns and where they come from. An event's own time is the track's; other times are named fields.
SIGNALS: dict[str, _Signal] = {
    "ppg": _Signal(
        "body.ppg",
        ("PPG_Raw", "PPG_Clean", "PPG_Rate", "PPG_Quality", "PPG_Peaks"),
        {"PPG_Raw": ("raw", "ppg"), "PPG_Clean": ("clean", "filtered")},
        "PPG_Quality",
        ("PPG_Rate", "body.heart", "hr"),
        {"PPG_Peaks": ("body.beats", ())},
    ),
    "ecg": _Signal(
        "body.ecg",
        ("ECG_Raw", "ECG_Clean", "ECG_Rate", "ECG_Quality", "ECG_R_Peaks"),
        {"ECG_Raw": ("raw", "ecg"), "ECG_Clean": ("clean", "filtered")},
        "ECG_Quality",
        ("ECG_Rate", "body.heart", "hr"),
        {"ECG_R_Peaks": ("body.beats", ())},
    ),
    "eda": _Signal(
        "body.eda",
        (
            "EDA_Raw", "EDA_Clean", "EDA_Tonic", "EDA_Phasic", "SCR_Onsets", "SCR_Peaks", "SCR_Height",
            "SCR_Amplitude", "SCR_RiseTime", "SCR_Recovery", "SCR_RecoveryTime",
        ),
        {
            "EDA_Raw": ("raw", "eda"),
            "EDA_Clean": ("clean", "filtered"),
            "EDA_Tonic": ("tonic",),
            "EDA_Phasic": ("phasic",),
        },
        events={
            "SCR_Onsets": (_SCR, ("onset", "onset_s")),
            "SCR_Peaks": (_SCR, ("peak", "peak_s")),
            "SCR_Recovery": (_SCR, ("recovery", "recovery_s")),
        },
        at_events={
            "SCR_Height": (_SCR, ("height", "scr_height")),
            "SCR_Amplitude": (_SCR, ("amplitude", "scr_amplitude")),
            "SCR_RiseTime": (_SCR, ("rise_time", "rise_time_s", "rise_s")),
            "SCR_RecoveryTime": (_SCR, ("recovery_time", "recovery_time_s", "half_recovery_s")),
        },
    ),
    "rsp": _Signal(
        "body.resp",
        ("RSP_Raw", "RSP_Clean", "RSP_Amplitude", "RSP_Rate"),
        {
            "RSP_Raw": ("raw", "resp"),
            "RSP_Clean": ("clean", "filtered"),
            "RSP_Amplitude": ("amplitude", "depth"),
            "RSP_Rate": ("rate", "breathing_rate"),
        },
    ),
    "emg": _Signal(
        "body.emg",
        ("EMG_Raw", "EMG_Clean", "EMG_Amplitude"),
        {"EMG_Raw": ("raw", "emg"), "EMG_Clean": ("clean", "filtered"), "EMG_Amplitude": ("envelope", "amplitude")},
    ),
}  # fmt: skip

#: NeuroKit2's name of each field of ``body.heart`` that has one, in its units (ms, ms², shares of 1 as per cent).
HRV: dict[str, tuple[str, float]] = {
    "rmssd": ("HRV_RMSSD", 1.0), "sdnn": ("HRV_SDNN", 1.0), "mean_nn": ("HRV_MeanNN", 1.0),
    "sdsd": ("HRV_SDSD", 1.0), "median_nn": ("HRV_MedianNN", 1.0), "pnn50": ("HRV_pNN50", 1.0),
    "pnn20": ("HRV_pNN20", 1.0), "lf": ("HRV_LF", 1.0), "hf": ("HRV_HF", 1.0), "vlf": ("HRV_VLF", 1.0),
    "lf_hf": ("HRV_LFHF", 1.0), "sd1": ("HRV_SD1", 1.0), "sd2": ("HRV_SD2", 1.0),
    "sampen": ("HRV_SampEn", 1.0), "sample_entropy": ("HRV_SampEn", 1.0),
}  # fmt: skip


def write(mood: Mood, folder: Path) -> list[str]:
    """``STEM-neurokit/``: ``hrv.csv`` always, and a table for each of ppg, ecg, eda, rsp and emg that was measured."""
    home = folder / f"{stem(mood)}-neurokit"
    with disk_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    found = False
    for name, signal in SIGNALS.items():
        rows = [_rows(mood, signal, track) for track in _tracks(mood, signal.track) if len(track)]
        if rows:
            found = True
            write_table(home / f"{name}.csv", _stacked(rows))
    heart = [_heart(track) for track in _tracks(mood, "body.heart") if len(track)]
    write_table(home / "hrv.csv", _stacked(heart) if heart else {"time_s": [], "subject": []})
    if found or heart:
        return []
    return [f"{mood.recording}: --write neurokit: no body signal was measured, hrv.csv has no rows"]


def _tracks(mood: Mood, name: str) -> list[Track]:
    tracks = mood.tracks.get(name)
    return [] if tracks is None else [t for s, t in tracks.items() if s != NOBODY]


def _stacked(tables: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}


def _first(track: Track, names: tuple[str, ...]) -> Array | None:
    return next((track[n].astype(float) for n in names if n in track.fields), None)


def _rows(mood: Mood, signal: _Signal, track: Track) -> dict[str, Array]:
    n = len(track)
    table: dict[str, Array] = {"time_s": track.times, "subject": np.full(n, track.subject, object)}
    for column in signal.columns:
        values = _first(track, signal.fields[column]) if column in signal.fields else None
        table[column] = np.full(n, np.nan) if values is None else values
    if signal.quality:
        table[signal.quality] = track.quality.astype(float)
    if signal.rate is not None:
        column, name, source = signal.rate
        for heart in _tracks(mood, name):
            if heart.subject == track.subject and source in heart.fields:
                table[column] = _held(heart, source, track.times)
    for column, (name, times) in signal.events.items():
        events = [t for t in _tracks(mood, name) if t.subject == track.subject]
        if events:
            table[column] = np.zeros(n)
            at, _ = _places(events[0], times, track.times)
            table[column][at] = 1.0
    for column, (name, names) in signal.at_events.items():
        for events_of in (t for t in _tracks(mood, name) if t.subject == track.subject):
            values = _first(events_of, names)
            at, rows = _places(events_of, signal.events["SCR_Peaks"][1], track.times)
            if values is not None:
                table[column][at] = values[rows]
    return table


def _held(track: Track, source: str, times: Array) -> Array:
    """A slow track's values at these times: each holds until the next, and never into a gap."""
    at = np.searchsorted(track.times, times + 1e-9, side="right") - 1
    step = float(np.median(np.diff(track.times))) if len(track) > 1 else 1.0
    fresh = (at >= 0) & (times - track.times[np.maximum(at, 0)] < 1.5 * step) & ~track.missing().mask(times)
    return np.where(fresh, track[source].astype(float)[np.maximum(at, 0)], np.nan)


def _places(events: Track, fields: tuple[str, ...], times: Array) -> tuple[Array, Array]:
    """Nearest sample of each event (that has a time, near a sample at all) and the event's row."""
    when = _first(events, fields)
    when = events.times if when is None else when
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    rows = np.flatnonzero(np.isfinite(when))
    right = np.clip(np.searchsorted(times, when[rows]), 1, max(len(times) - 1, 1)) if len(times) > 1 else 0 * rows
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(times[left] - when[rows]) <= np.abs(times[right] - when[rows]), left, right)
    near = np.abs(times[nearest] - when[rows]) <= step
    return nearest[near], rows[near]


def _heart(track: Track) -> dict[str, Array]:
    """The grid of the heart: its rate under our own name, ``hr``, and every measure that NeuroKit2 has a name for."""
    table: dict[str, Array] = {"time_s": track.times, "subject": np.full(len(track), track.subject, object)}
    for name in track.fields:
        if name == "hr":
            table["hr"] = track[name].astype(float)
        elif name in HRV:
            column, scale = HRV[name]
            table[column] = track[name].astype(float) * scale
    return table


SPEC = WriterSpec("neurokit", "body signals with NeuroKit2's column names", ("{stem}-neurokit/hrv.csv",), write)
