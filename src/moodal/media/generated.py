"""Small recordings of signals in every layout that is read, made from a seed: what the laws of readers test."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from moodal.core.clock import FloatArray

from .reader import SignalTruth, Truth

__all__ = ["e4", "table"]

#: When the generated sessions begin: 8 January 2024, 09:40 UTC.
EPOCH = 1_704_706_800.0


def wave(rng: np.random.Generator, n: int, low: float, high: float, places: int) -> FloatArray:
    """Smooth seeded values ``(n,)`` between bounds, rounded as a text file would hold them."""
    walk = np.cumsum(rng.normal(size=n))
    span = np.ptp(walk) or 1.0
    return np.asarray(np.round(low + (high - low) * (walk - walk.min()) / span, places), np.float64)


def e4(folder: Path, seed: int, seconds: float = 20.0) -> Truth:
    """A wristband's session: zip, folder, or zip with a folder inside, by seed; the seed drops some members."""
    rng = np.random.default_rng(seed)
    signals: dict[str, SignalTruth] = {}
    files: dict[str, str] = {}

    def even(name: str, kind: str, rate: float, low: float, high: float, places: int, late: float = 0.0) -> None:
        n = round((seconds - late) * rate)
        width = 3 if kind == "acc" else 1
        values = np.column_stack([wave(rng, n, low, high, places) for _ in range(width)])
        head = [", ".join([f"{v:.6f}"] * width) for v in (EPOCH + late, rate)]
        files[name] = "\n".join([*head, *(",".join(f"{v:.{places}f}" for v in row) for row in values), ""])
        scale = 1 / 64 if kind == "acc" else 1.0
        channels = ("x", "y", "z") if kind == "acc" else ("",)
        signals[kind] = SignalTruth(kind, rate, late + np.arange(n) / rate, values * scale, channels=channels)

    even("BVP", "ppg", 64.0, -80, 80, 2)
    if seed % 3 != 1:
        even("EDA", "eda", 4.0, 0.2, 3, 6)
    even("TEMP", "temp", 4.0, 31, 33, 2)
    if seed % 4 != 3:
        even("ACC", "acc", 32.0, -60, 60, 0)
    if seed % 3 != 2:
        even("HR", "hr", 1.0, 60, 90, 2, late=10.0)
        intervals = np.round(rng.uniform(0.7, 1.1, 15) * 64) / 64
        ends = 2.0 + np.cumsum(intervals)
        rows = [f"{t:.6f},{v:.6f}" for t, v in zip(ends, intervals, strict=True)]
        files["IBI"] = "\n".join([f"{EPOCH:.6f}, IBI", *rows, ""])
        signals["ibi"] = SignalTruth("ibi", None, ends, intervals[:, None])
    presses = np.sort(rng.uniform(1, seconds - 1, 3)).round(2)
    files["tags"] = "".join(f"{EPOCH + t:.2f}\n" for t in presses)
    notes = tuple((float(t), float(t), "tag") for t in np.array([float(f"{EPOCH + t:.2f}") for t in presses]) - EPOCH)
    path = folder / f"session-{seed}"
    if seed % 3 == 1:
        path.mkdir(exist_ok=True)
        for name, text in files.items():
            (path / f"{name}.csv").write_text(text)
    else:
        path = path.with_suffix(".zip")
        home = "" if seed % 3 else f"session-{seed}/"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(zipfile.ZipInfo(f"{home}{name}.csv", (2024, 1, 8, 9, 40, 0)), text)
            archive.writestr(zipfile.ZipInfo(f"{home}info.txt", (2024, 1, 8, 9, 40, 0)), "seeded")
    return Truth(path, seconds, signals=signals, notes=notes, epoch_s=EPOCH)


#: Time column, its cell for second t, and whether it tells when second 0 was.
_CLOCKS: tuple[tuple[str, Callable[[float], str], bool], ...] = (
    ("time_s", lambda t: f"{t:.6f}", False),
    ("timestamp [ms]", lambda t: f"{1000 * t:.3f}", False),
    ("unix", lambda t: f"{EPOCH + t:.6f}", True),
    ("time", lambda t: f"{_when(t):%Y-%m-%dT%H:%M:%S.%f}+00:00", True),
    ("unix_ms", lambda t: f"{1000 * (EPOCH + t):.3f}", True),
    ("", lambda t: "", False),
)


#: Suffix, separator, whether a comma is the decimal sign, byte order mark.
_SPELLINGS = (
    (".csv", ",", False, ""),
    (".csv", ";", True, "\ufeff"),
    (".tsv", "\t", False, ""),
    (".csv.gz", ",", False, ""),
)


def _when(t: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=round(1e6 * (EPOCH + t)))


def table(folder: Path, seed: int, seconds: float = 20.0) -> Truth:
    """A table of signals in one of six clocks and four spellings, by seed."""
    rng = np.random.default_rng(seed)
    clock, cell, stamped = _CLOCKS[seed % len(_CLOCKS)]
    suffix, delimiter, comma, mark = _SPELLINGS[seed % 4]
    rate, n = 32.0, round(32 * seconds)
    columns: dict[str, FloatArray] = {}
    signals: dict[str, SignalTruth] = {}
    times = np.round(np.arange(n) / rate, 6)

    def add(kind: str, names: tuple[str, ...], factor: float, values: FloatArray, *channels: str) -> None:
        columns.update({name: values[:, i] for i, name in enumerate(names)})
        signals[kind] = SignalTruth(kind, rate, times, values * factor, 1e-7 * factor * 1e3, channels or ("",))

    add("eda", (("EDA_uS", "gsr [nS]", "eda (mS)", "EDA_uS")[seed % 4],), (1.0, 1e-3, 1e3, 1.0)[seed % 4],
        wave(rng, n, 1.0, 3.0, 6)[:, None] / (1.0, 1e-3, 1e3, 1.0)[seed % 4])  # fmt: skip
    if seed % 2:
        add("ppg", ("BVP",), 1.0, wave(rng, n, -50, 50, 3)[:, None])
    if seed % 3 == 0:
        axes = np.column_stack([wave(rng, n, a, a + 0.3, 4) for a in (0.1, 0.2, 0.8)])
        add("acc", ("acc_x [g]", "acc_y [g]", "acc_z [g]"), 1.0, axes, "x", "y", "z")
    if seed % 5 == 0:
        add("temp", ("skin temp (°F)",), 5 / 9, wave(rng, n, 90, 94, 3)[:, None])
        signals["temp"] = SignalTruth("temp", rate, times, (columns["skin temp (°F)"][:, None] - 32) / 1.8, 1e-6)
    holes = rng.random(n) < 0.05
    columns["EDA_uS" if "EDA_uS" in columns else next(iter(columns))][holes] = np.nan
    signals["eda"].samples[holes] = np.nan
    head = ([clock] if clock else []) + list(columns)
    grid = np.column_stack(list(columns.values()))
    shown = [
        [cell(float(t))] * bool(clock) + ["" if np.isnan(v) else f"{v:.9f}" for v in row]
        for t, row in zip(times, grid, strict=True)
    ]
    body = "\n".join(
        [
            delimiter.join(head),
            *(delimiter.join(c.replace(".", ",") if comma and "T" not in c else c for c in row) for row in shown),
            "",
        ]
    )
    text = mark + ("" if clock else "# rate_hz: 32\n") + body
    path = folder / f"signals-{seed}{suffix}"
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if suffix.endswith(".gz") else text.encode())
    return Truth(path, n / rate, signals=signals, epoch_s=EPOCH if stamped else None, time_tolerance=2e-6)
