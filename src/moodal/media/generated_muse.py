"""A small export of a Muse headband, made from a seed: what the laws of readers test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from moodal.core.clock import FloatArray

from .generated import EPOCH, wave
from .reader import SignalTruth, Truth

__all__ = ["arrivals", "muse"]

#: How long the last sample of a packet is on its way at least, and how much longer, s.
_SOONEST_S, _SPREAD_S = 0.004, 0.03
_MARKS = ("/muse/elements/blink", "/muse/elements/jaw_clench", "/Marker/1", "/muse/event/connected MuseS-84AC")
_SAID = ("blink", "jaw clench", "marker 1", "connected MuseS-84AC")


def arrivals(n: int, rate_hz: float, rng: np.random.Generator, packet: int = 12) -> FloatArray:
    """When each of ``n`` samples arrives ``(n,)`` s, sample k taken at ``k / rate_hz``: packet by packet, late."""
    last = np.minimum((np.arange(n) // packet + 1) * packet - 1, n - 1)
    packets = np.unique(last)
    late = _SOONEST_S + rng.uniform(0, _SPREAD_S, len(packets))
    late[rng.integers(0, len(packets), max(1, len(packets) // 40))] += 0.2  # the radio stalls, nothing is lost
    came = packets / rate_hz + late
    within = np.arange(n) % packet * 1e-4
    return np.asarray(np.maximum.accumulate(came[np.searchsorted(packets, last)] + within))


def muse(folder: Path, seed: int, seconds: float = 20.0) -> Truth:
    """Mind Monitor's columns (even seeds: with band powers), or those that scripts write (every third)."""
    rng = np.random.default_rng(seed)
    plain, old = seed % 3 == 2, seed % 5 == 4
    sites = ("TP9", "FP1", "FP2", "TP10") if old else ("TP9", "AF7", "AF8", "TP10")
    rate = 220.0 if old else 256.0
    n = round(seconds * rate)
    eeg = np.column_stack([wave(rng, n, 700, 900, 3) for _ in sites])
    came = arrivals(n, rate, rng)
    zoned = seed % 2 == 1
    start = EPOCH
    signals = {"eeg": SignalTruth("eeg", rate, np.arange(n) / rate, eeg, channels=sites)}
    head = [f"RAW_{s}" for s in sites]
    columns: list[list[str]] = [[f"{v:.3f}" for v in eeg[:, i]] for i in range(len(sites))]
    if not plain:
        if seed % 2 == 0:
            head = [f"{band}_{s}" for band in ("Delta", "Theta", "Alpha", "Beta", "Gamma") for s in sites] + head
            columns = [["0.5"] * n for _ in range(5 * len(sites))] + columns
        held = np.repeat(np.column_stack([wave(rng, n // 5 + 1, low, low + 0.2, 6) for low in (0.1, 0.0, 0.8)]), 5, 0)
        signals["acc"] = SignalTruth("acc", rate / 5, np.arange(0, n, 5) / rate, held[:n:5], channels=("x", "y", "z"))
        head += ["AUX_RIGHT", "Accelerometer_X", "Accelerometer_Y", "Accelerometer_Z", "Gyro_X", "Gyro_Y", "Gyro_Z"]
        columns += [
            ["800.0"] * n,
            *([f"{v:.6f}" for v in held[:n, i]] for i in range(3)),
            *(["1.5"] * n for _ in "xyz"),
        ]
        if seed % 4 == 1:
            pulse = np.repeat(wave(rng, n // 4 + 1, 1e5, 1.2e5, 0), 4)[:n]
            signals["ppg"] = SignalTruth("ppg", rate / 4, np.arange(0, n, 4) / rate, pulse[::4, None])
            head += ["PPG_Ambient", "PPG_IR", "PPG_Red", "Heart_Rate"]
            columns += [["0"] * n, [f"{v:.0f}" for v in pulse], ["0"] * n, ["0"] * n]
        head += ["HeadBandOn", *(f"HSI_{s}" for s in sites), "Battery"]
        columns += [["1"] * n, *([("1.0", "2.0")[i % 2]] * n for i in range(len(sites))), ["85.0"] * n]
    head = ["TimeStamp", *head, "Marker" if plain else "Elements"]
    lines = [(float(t), [*cells, ""]) for t, cells in zip(came, zip(*columns, strict=True), strict=True)]
    marks = np.sort(rng.uniform(1, seconds - 1, 3)).round(3)
    said = [int(k) for k in rng.integers(0, len(_MARKS), 3)]
    for t, k in zip(marks, said, strict=True):
        lines.append((float(t), [""] * (len(head) - 2) + [_MARKS[k]]))
    lines.sort(key=lambda line: line[0])
    text = "\n".join([",".join(head), *(",".join([_stamp(start + t, zoned), *cells]) for t, cells in lines), ""])
    path = folder / f"museMonitor_{seed}.csv"
    path.write_text(text)
    notes = tuple((float(t), float(t), _SAID[k]) for t, k in zip(marks, said, strict=True))
    return Truth(path, n / rate, signals=signals, notes=notes, epoch_s=start + _SOONEST_S, time_tolerance=0.025)


def _stamp(posix: float, zoned: bool) -> str:
    if zoned:
        return f"{posix:.3f}"
    return f"{datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=round(1000 * posix)):%Y-%m-%d %H:%M:%S.%f}"[:-3]
