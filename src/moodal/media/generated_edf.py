"""Small EDF and BDF files made from a seed: what the laws of readers test."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from moodal.core.clock import FloatArray

from .generated import EPOCH, wave
from .reader import SignalTruth, Truth

__all__ = ["bids", "edf", "wfdb", "write"]

#: Suffix, what the reserved field says, bytes of a sample.
_LAYOUTS = ((".edf", "", 2), (".edf", "EDF+C", 2), (".bdf", "24BIT", 3), (".edf", "EDF+D", 2), (".bdf", "BDF+C", 3))
#: Label, kind, channel, dimension, factor to the kind's unit, rate, physical range.
_CHANNELS = (
    ("EEG Fp1", "eeg", "Fp1", "uV", 1.0, 128, (-200.0, 200.0)),
    ("EEG Fp2-Ref", "eeg", "Fp2-Ref", "mV", 1e3, 128, (-0.2, 0.2)),
    ("ECG", "ecg", "", "mV", 1e3, 256, (-2.0, 2.0)),
    ("Status", "", "", "", 1.0, 16, (0.0, 100.0)),
    ("GSR", "eda", "", "nS", 1e-3, 16, (500.0, 9000.0)),
    ("Temp rectal", "temp", "rectal", "degC", 1.0, 16, (30.0, 40.0)),
    ("Pleth", "ppg", "", "NU", 1.0, 64, (-1.0, 1.0)),
)


def write(
    path: Path,
    channels: list[tuple[str, str, int, tuple[float, float], FloatArray]],
    *,
    reserved: str = "",
    width: int = 2,
    notes: tuple[tuple[float, float, str], ...] = (),
    onsets: FloatArray | None = None,
    start: datetime | None = None,
) -> list[FloatArray]:
    """Write channels ``(label, dimension, rate, (low, high), values)`` in records of 1 s; give the values as stored.

    ``reserved`` says EDF+C, EDF+D or nothing; ``notes`` are put into the records in which they begin.
    """
    start = start or datetime.fromtimestamp(EPOCH, UTC)
    plus = reserved[:4] in ("EDF+", "BDF+")
    records = len(channels[0][4]) // channels[0][2] if channels else len(notes)
    onsets = np.arange(records, dtype=float) if onsets is None else onsets
    top = 2 ** (8 * width - 1) - 1
    rows: list[tuple[str, str, float, float, int, int, int]] = []
    stored, columns = [], []
    for label, dimension, rate, (low, high), values in channels:
        digital = np.round((values - low) / (high - low) * (2 * top + 1) - top - 1)
        stored.append((digital + top + 1) / (2 * top + 1) * (high - low) + low)
        octets = digital.astype("<i4")[:, None].view(np.uint8)[:, :width]
        columns.append(octets.reshape(records, rate * width))
        rows.append((label, dimension, low, high, -top - 1, top, rate))
    if plus:
        room = 60 * width
        grid = np.zeros((records, room), np.uint8)
        for k in range(records):
            text = f"{onsets[k]:+.6f}\x14\x14\x00".encode()
            for at, length, said in notes:
                if onsets[k] <= at < (onsets[k + 1] if k + 1 < records else np.inf):
                    text += f"{at:+.6f}\x15{length:.3f}\x14{said}\x14\x00".encode()
            grid[k, : len(text)] = np.frombuffer(text, np.uint8)
        columns.append(grid)
        rows.append((f"{reserved[:3]} Annotations", "", -1, 1, -top - 1, top, 60))
    head = b"\xffBIOSEMI" if width == 3 else b"0       "
    recording = f"Startdate {start:%d-%b-%Y} X X X".upper().replace("STARTDATE", "Startdate")
    head += _field("X X X X", 80) + _field(recording if plus else "seeded", 80)
    head += _field(f"{start:%d.%m.%y}", 8) + _field(f"{start:%H.%M.%S}", 8) + _field(256 * (len(rows) + 1), 8)
    head += _field(reserved, 44) + _field(records, 8) + _field(1 if channels else 0, 8) + _field(len(rows), 4)
    for length, cells in (
        (16, [r[0] for r in rows]), (80, [""] * len(rows)), (8, [r[1] for r in rows]), (8, [r[2] for r in rows]),
        (8, [r[3] for r in rows]), (8, [r[4] for r in rows]), (8, [r[5] for r in rows]), (80, [""] * len(rows)),
        (8, [r[6] for r in rows]), (32, [""] * len(rows)),
    ):  # fmt: skip
        head += b"".join(_field(c, length) for c in cells)
    path.write_bytes(head + np.concatenate(columns, axis=1).tobytes())
    return stored


def _field(value: object, length: int) -> bytes:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text.encode("ascii").ljust(length)[:length]


def edf(folder: Path, seed: int, seconds: int = 12) -> Truth:
    """A recording in layout ``seed`` modulo 5, with channels that the seed picks."""
    rng = np.random.default_rng(seed)
    suffix, reserved, width = _LAYOUTS[seed % len(_LAYOUTS)]
    picked = [c for k, c in enumerate(_CHANNELS) if k in (0, 1, 2) or (seed >> (k - 3)) & 1]
    values = [wave(rng, seconds * c[5], c[6][0] * 0.9 + c[6][1] * 0.1, c[6][1] * 0.9, 6) for c in picked]
    onsets = np.arange(seconds, dtype=float)
    if reserved[4:] == "D":
        onsets[seconds // 2 :] += 3.5
    plus = reserved[3:4] == "+"
    notes = ((1.25, 0.0, "stimulus"), (4.0, 2.5, "Schlaf für später")) if plus else ()
    path = folder / f"recording-{seed}{suffix}"
    stored = write(
        path, [(c[0], c[3], c[5], c[6], v) for c, v in zip(picked, values, strict=True)],
        reserved=reserved, width=width, notes=notes, onsets=onsets,
    )  # fmt: skip
    signals: dict[str, SignalTruth] = {}
    for (_, kind, channel, _, factor, rate, _), v in zip(picked, stored, strict=True):
        if not kind:
            continue
        times = (onsets[:, None] + np.arange(rate) / rate).ravel()
        column = (v * factor)[:, None]
        if kind in signals:
            old = signals[kind]
            column, channels = np.column_stack([old.samples, column]), (*old.channels, channel)
        else:
            channels = (channel,)
        signals[kind] = SignalTruth(kind, float(rate), times, column, 1e-6 * float(np.abs(column).max()), channels)
    told = tuple((t, t + length, text) for t, length, text in notes)
    return Truth(path, float(onsets[-1]) + 1.0, signals=signals, notes=told, epoch_s=EPOCH)


def wfdb(folder: Path, seed: int, seconds: int = 12) -> Truth:
    """A record in format 16, 212, 80, 24, 32, 61 or 160, by seed; odd seeds have two samples of pulse a frame."""
    rng = np.random.default_rng(seed)
    form = ("16", "212", "24", "32", "61", "160", "80")[seed % 7]
    per = 1 + seed % 2
    home = folder / f"record-{seed}"
    home.mkdir(exist_ok=True)
    rate, n = 125, 125 * seconds
    top = {"80": 120, "212": 2000}.get(form, 20_000)
    ecg = np.stack([np.round(wave(rng, n, -top, top, 0)) for _ in range(2)], axis=1)
    ppg = np.round(wave(rng, n * per, -top, top, 0)).reshape(n, per)
    if form != "160":
        ppg[n // 2] = {"212": -2048, "80": -128, "24": -(1 << 23), "32": -(1 << 31)}.get(form, -(1 << 15))
    flat = np.concatenate([ecg, ppg], axis=1).ravel().astype(np.int64)
    (home / "rec.dat").write_bytes(b"\x00" * 24 + _packed(flat, form))
    gain = top / 1.5
    head = [
        f"rec 3 {rate} {n} 09:40:00 08/01/2024",
        f"rec.dat {form}+24 {gain!r}(10)/mV 16 0 0 0 0 II",
        f"rec.dat {form}+24 {gain!r}(10)/mV 16 0 0 0 0 V5",
        f"rec.dat {form}{'x2' if per == 2 else ''}+24 {gain!r}/NU 16 0 0 0 0 PLETH",
        "# seeded",
    ]
    path = home / "rec.hea"
    path.write_text("\n".join(head) + "\n")
    if form != "160":
        ppg[n // 2] = np.nan
    times = np.arange(n * per) / (rate * per)
    signals = {
        "ecg": SignalTruth("ecg", float(rate), np.arange(n) / rate, (ecg - 10) / gain * 1e3, 1e-6, ("II", "V5")),
        "ppg": SignalTruth("ppg", float(rate * per), times, ppg.reshape(-1, 1) / gain, 1e-9),
    }
    return Truth(path, float(seconds), signals=signals, epoch_s=EPOCH)


def _packed(values: np.ndarray, form: str) -> bytes:
    """Samples in a WFDB format."""
    if form == "212":
        pairs = np.concatenate([values, np.zeros(len(values) % 2, np.int64)]).reshape(-1, 2) & 0xFFF
        octets = [pairs[:, 0] & 255, pairs[:, 0] >> 8 | (pairs[:, 1] >> 8) << 4, pairs[:, 1] & 255]
        return np.stack(octets, axis=1).astype(np.uint8).tobytes()
    if form == "24":
        return values.astype("<i4")[:, None].view(np.uint8)[:, :3].tobytes()
    shifted = values + {"80": 128, "160": 1 << 15}.get(form, 0)
    kinds = {"16": "<i2", "61": ">i2", "160": "<u2", "32": "<i4", "80": "u1"}
    return shifted.astype(kinds[form]).tobytes()


def bids(folder: Path, seed: int) -> Truth:
    """A subject's folder: EEG as EDF (even seeds), pulse and breathing in a gzipped table with JSON beside, events."""
    home = folder / f"study-{seed}" / "sub-01" / "eeg"
    home.mkdir(parents=True, exist_ok=True)
    (folder / f"study-{seed}" / "dataset_description.json").write_text('{"Name": "seeded", "BIDSVersion": "1.9.0"}')
    rng = np.random.default_rng(seed)
    stem, start = "sub-01_task-rest", 1.5 if seed % 2 == 0 else 0.0
    signals: dict[str, SignalTruth] = {}
    epoch = None
    if seed % 2 == 0:
        whole = edf(home, 5 * (seed // 2 % 2))
        whole.path.rename(home / f"{stem}_eeg.edf")
        signals, epoch = dict(whole.signals), EPOCH
    pulse, breath = wave(rng, 640, -1, 1, 4), wave(rng, 640, -5, 5, 4)
    rows = "".join(f"{a:.4f}\t{b:.4f}\n" for a, b in zip(pulse, breath, strict=True))
    (home / f"{stem}_physio.tsv.gz").write_bytes(gzip.compress(rows.encode(), mtime=0))
    side = {"SamplingFrequency": 64.0, "StartTime": start, "Columns": ["cardiac", "respiratory"]}
    (home / f"{stem}_physio.json").write_text(json.dumps(side))
    times = start + np.arange(640) / 64
    for kind, values in (("ppg", pulse), ("resp", breath)):
        name = f"{kind}2" if kind in signals else kind
        signals[name] = SignalTruth(kind, 64.0, times, values[:, None])
    (home / f"{stem}_events.tsv").write_text("onset\tduration\ttrial_type\n2.0\t0\tgo\n3.5\t1.25\tfilm 1\n")
    notes = ((2.0, 2.0, "go"), (3.5, 4.75, "film 1"))
    end = 12.0 if seed % 2 == 0 else start + 10.0
    return Truth(folder / f"study-{seed}", end, signals=signals, notes=notes, epoch_s=epoch)
