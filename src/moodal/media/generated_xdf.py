"""Small XDF files made from a seed: what the laws of readers test."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from moodal.core.clock import FloatArray

from .generated import wave
from .reader import SignalTruth, Truth

__all__ = ["chunk", "sender", "xdf"]


def chunk(tag: int, body: bytes) -> bytes:
    """One chunk of an XDF file."""
    return b"\x04" + struct.pack("<I", len(body) + 2) + struct.pack("<H", tag) + body


def sender(
    number: int,
    name: str,
    kind: str,
    rate: float,
    channels: tuple[tuple[str, str], ...],
    times: FloatArray,
    samples: FloatArray | list[str],
    offset: float,
    *,
    footer: bool = True,
) -> bytes:
    """All chunks of one stream: header, samples as float64 or text, clock offsets every 2 s, footer.

    ``times (n,)`` are on the sender's clock, which is ``offset`` s behind the recorder's.
    """
    text = isinstance(samples, list)
    rows = "".join(f"<channel><label>{label}</label><unit>{unit}</unit></channel>" for label, unit in channels)
    head = (
        f'<?xml version="1.0"?><info><name>{name}</name><type>{kind}</type><channel_count>{len(channels)}'
        f"</channel_count><nominal_srate>{rate}</nominal_srate><channel_format>{'string' if text else 'double64'}"
        f"</channel_format><created_at>1</created_at><hostname>h{number}</hostname>"
        f"<desc><channels>{rows}</channels></desc></info>"
    )
    mark = struct.pack("<I", number)
    out = chunk(2, mark + head.encode())
    for first in range(0, len(times), 50):
        part = times[first : first + 50]
        body = mark + b"\x04" + struct.pack("<I", len(part))
        for k, at in enumerate(part, first):
            body += b"\x08" + struct.pack("<d", at)
            if isinstance(samples, list):
                said = samples[k].encode()
                body += b"\x04" + struct.pack("<I", len(said)) + said
            else:
                body += samples[k].astype("<f8").tobytes()
        out += chunk(3, body)
    for at in np.arange(times[0], times[-1] + 2, 2.0):
        out += chunk(4, mark + struct.pack("<dd", at, offset))
    end = (
        f"<?xml version='1.0'?><info><first_timestamp>{times[0]}</first_timestamp><last_timestamp>{times[-1]}"
        f"</last_timestamp><sample_count>{len(times)}</sample_count></info>"
    )
    return out + (chunk(6, mark + end.encode()) if footer else b"")


def xdf(folder: Path, seed: int, seconds: float = 12.0) -> Truth:
    """An EEG, perhaps a skin conductance, and markers, each from a sender with a clock of its own."""
    rng = np.random.default_rng(seed)
    offsets = rng.uniform(-5000, 5000, 3).round(3)
    out = b"XDF:" + chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    times = 6000.0 + np.arange(round(seconds * 100)) / 100
    eeg = np.column_stack([wave(rng, len(times), -80, 80, 3) for _ in range(2)])
    out += sender(
        1, "Cap", "EEG", 100.0, (("Fp1", "microvolts"), ("Cz", "microvolts")), times - offsets[0], eeg, offsets[0]
    )
    at = times - 6000.0
    signals = {"eeg": SignalTruth("eeg", 100.0, at, eeg, channels=("Fp1", "Cz"))}
    if seed % 2:
        slow = 6001.0 + np.arange(round((seconds - 1) * 10)) / 10
        skin = wave(rng, len(slow), 1000, 4000, 1)[:, None]
        out += sender(2, "Skin", "GSR", 10.0, (("GSR", "nS"),), slow - offsets[1], skin, offsets[1])
        signals["eda"] = SignalTruth("eda", 10.0, slow - 6000.0, skin / 1000, 1e-6, channels=("GSR",))
    marks = 6000.0 + np.sort(rng.uniform(0.5, seconds - 0.5, 4)).round(3)
    out += sender(3, "Stimuli", "Markers", 0.0, (("", ""),), marks - offsets[2], ["a", "b", "a", "end"], offsets[2])
    path = folder / f"lsl-{seed}.xdf"
    path.write_bytes(out)
    notes = tuple((float(t), float(t), said) for t, said in zip(marks - 6000.0, ("a", "b", "a", "end"), strict=True))
    return Truth(path, seconds, signals=signals, notes=notes, time_tolerance=2e-4)
