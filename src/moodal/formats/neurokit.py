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

    ``fields`` names the field that each column holds, ``rate`` the column of the heart's rate, ``beats`` that of its
    beats, ``events`` columns that are 1 at a skin conductance response's onset, peak or half recovery, and
    ``at_peaks`` those that hold a number at its peak.
    """

    track: str
    columns: tuple[str, ...]
    fields: dict[str, str]
    quality: str = ""
    rate: str = ""
    beats: str = ""
    events: dict[str, str] = field(default_factory=dict)
    at_peaks: dict[str, str] = field(default_factory=dict)


#: File → its columns and where they come from. Our ECG and PPG are filtered, so they are the clean ones.
SIGNALS: dict[str, _Signal] = {
    "ppg": _Signal(
        "body.ppg",
        ("PPG_Raw", "PPG_Clean", "PPG_Rate", "PPG_Quality", "PPG_Peaks"),
        {"PPG_Clean": "ppg"},
        quality="PPG_Quality",
        rate="PPG_Rate",
        beats="PPG_Peaks",
    ),
    "ecg": _Signal(
        "body.ecg",
        ("ECG_Raw", "ECG_Clean", "ECG_Rate", "ECG_Quality", "ECG_R_Peaks"),
        {"ECG_Clean": "ecg"},
        quality="ECG_Quality",
        rate="ECG_Rate",
        beats="ECG_R_Peaks",
    ),
    "eda": _Signal(
        "body.eda",
        (
            "EDA_Raw", "EDA_Clean", "EDA_Tonic", "EDA_Phasic", "SCR_Onsets", "SCR_Peaks", "SCR_Height",
            "SCR_Amplitude", "SCR_RiseTime", "SCR_Recovery", "SCR_RecoveryTime",
        ),
        {"EDA_Raw": "eda", "EDA_Tonic": "tonic", "EDA_Phasic": "phasic"},
        events={"SCR_Onsets": "onset", "SCR_Peaks": "peak", "SCR_Recovery": "recovery"},
        at_peaks={"SCR_Amplitude": "amplitude", "SCR_RiseTime": "rise_time", "SCR_RecoveryTime": "recovery_time"},
    ),
    "rsp": _Signal(
        "body.resp",
        ("RSP_Raw", "RSP_Clean", "RSP_Amplitude", "RSP_Rate"),
        {"RSP_Amplitude": "depth", "RSP_Rate": "rate"},
    ),
    "emg": _Signal("body.emg", ("EMG_Raw", "EMG_Clean", "EMG_Amplitude"), {"EMG_Amplitude": "envelope"}),
}  # fmt: skip

#: NeuroKit2's name of each measure of the heart that has one; ours are in ms, ms² and per cent.
HRV: dict[str, str] = {
    "rmssd": "HRV_RMSSD", "sdnn": "HRV_SDNN", "meannn": "HRV_MeanNN", "pnn50": "HRV_pNN50", "sd1": "HRV_SD1",
    "sd2": "HRV_SD2", "lf": "HRV_LF", "hf": "HRV_HF", "lf_hf": "HRV_LFHF", "sampen": "HRV_SampEn",
    "dfa_alpha1": "HRV_DFA_alpha1",
}  # fmt: skip
#: File → the track of measures that it is.
MEASURES = {"hrv": "body.heart", "hrv-windows": "body.hrv"}


def write(mood: Mood, folder: Path) -> list[str]:
    """``STEM-neurokit/``: ``hrv.csv`` always, and a table for each other thing that was measured."""
    home = folder / f"{stem(mood)}-neurokit"
    with disk_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, Array]]] = {}
    for name, signal in SIGNALS.items():
        found[name] = [_rows(mood, signal, track) for track in _tracks(mood, signal.track) if len(track)]
    for name, source in MEASURES.items():
        found[name] = [_measures(track) for track in _tracks(mood, source) if len(track)]
    for name, rows in found.items():
        if rows or name == "hrv":
            write_table(home / f"{name}.csv", _stacked(rows) if rows else {"time_s": [], "subject": []})
    if any(found.values()):
        return []
    return [f"{mood.recording}: --write neurokit: no body signal was measured, hrv.csv has no rows"]


def _tracks(mood: Mood, name: str, subject: str | None = None) -> list[Track]:
    tracks = mood.tracks.get(name)
    return [] if tracks is None else [t for s, t in tracks.items() if s != NOBODY and subject in (None, s)]


def _stacked(tables: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}


def _rows(mood: Mood, signal: _Signal, track: Track) -> dict[str, Array]:
    n = len(track)
    table: dict[str, Array] = {"time_s": track.times, "subject": np.full(n, track.subject, object)}
    for column in signal.columns:
        held = signal.fields.get(column)
        table[column] = track[held].astype(float) if held in track.fields and held else np.full(n, np.nan)
    if signal.quality:
        table[signal.quality] = track.quality.astype(float)
    # Where there is an ECG the beats are its own, and a pulse comes later than they do.
    own = signal.track == "body.ecg" or not any(len(t) for t in _tracks(mood, "body.ecg", track.subject))
    for heart in _tracks(mood, "body.heart", track.subject) if signal.rate and own else ():
        table[signal.rate] = _held(heart, "hr", track.times)
    for beats in _tracks(mood, "body.beats", track.subject) if signal.beats and own else ():
        # A row is an interval between two beats.
        when = beats.times if beats.ends is None else np.union1d(beats.times, beats.ends)
        table[signal.beats] = _marked(when, track.times)
    for responses in _tracks(mood, "body.scr", track.subject) if signal.events else ():
        moments = _moments(responses)
        for column, name in signal.events.items():
            table[column] = _marked(moments[name], track.times)
        for column, name in signal.at_peaks.items():
            at, rows = _places(moments["peak"], track.times)
            if name in responses.fields:
                table[column][at] = responses[name].astype(float)[rows]
    return table


def _moments(responses: Track) -> dict[str, Array]:
    """When each skin conductance response begins, peaks and is half over, s."""
    blank = np.full(len(responses), np.nan)
    told = {n: responses[n].astype(float) if n in responses.fields else blank for n in ("peak", "recovery_time")}
    return {"onset": responses.times, "peak": told["peak"], "recovery": told["peak"] + told["recovery_time"]}


def _held(track: Track, source: str, times: Array) -> Array:
    """A slow track's values at these times: each holds until the next, and never into a gap."""
    at = np.searchsorted(track.times, times + 1e-9, side="right") - 1
    step = float(np.median(np.diff(track.times))) if len(track) > 1 else 1.0
    if not len(track) or source not in track.fields:
        return np.full(len(times), np.nan)
    fresh = (at >= 0) & (times - track.times[np.maximum(at, 0)] < 1.5 * step) & ~track.missing().mask(times)
    return np.where(fresh, track[source].astype(float)[np.maximum(at, 0)], np.nan)


def _marked(when: Array, times: Array) -> Array:
    marks = np.zeros(len(times))
    marks[_places(when, times)[0]] = 1.0
    return marks


def _places(when: Array, times: Array) -> tuple[Array, Array]:
    """Nearest sample to each moment that is one and has a sample near, and which moment it is."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    rows = np.flatnonzero(np.isfinite(when))
    right = np.minimum(np.searchsorted(times, when[rows]), len(times) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(times[left] - when[rows]) <= np.abs(times[right] - when[rows]), left, right)
    near = np.abs(times[nearest] - when[rows]) <= step
    return nearest[near], rows[near]


def _measures(track: Track) -> dict[str, Array]:
    """The heart's rate under our own name, ``hr``, and every measure that NeuroKit2 has a name for."""
    table: dict[str, Array] = {"time_s": track.times, "subject": np.full(len(track), track.subject, object)}
    for name in track.fields:
        if name == "hr" or name in HRV:
            table[HRV.get(name, name)] = track[name].astype(float)
    return table


SPEC = WriterSpec("neurokit", "body signals with NeuroKit2's column names", ("{stem}-neurokit/hrv.csv",), write)
