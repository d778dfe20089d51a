"""Small recordings of signals in every layout that is read, made from a seed: what the laws of readers test."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from moodal.core.clock import FloatArray

from .reader import SignalTruth, Truth

__all__ = ["e4"]

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
