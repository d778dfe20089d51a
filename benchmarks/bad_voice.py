"""How often the voice expert is sure of what it was never meant for.

    MOODAL_DATA=... python benchmarks/bad_voice.py [BUNDLE]

A row a kind of input: how many were withheld, how many told with the best class at 0.9 or more, the mean of the best
class, and the mean size of the label set at coverage 0.9. Made from clips of RAVDESS (two an actor), which the bundle
has been trained on: of people whom it has not heard it is less sure.
"""

from __future__ import annotations

import os
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core import registry
from moodal.core.runner import Example, open_runner
from moodal.lab.data.media import open_sound
from moodal.lab.experts import voice_rooms as rooms

Sound = npt.NDArray[np.float32]
RATE = 16_000


def clips() -> list[Sound]:
    """Two clips of every actor, spread over the emotions."""
    index = registry.load("sets", "ravdess").read().index
    rows: dict[str, list[str]] = {}
    for recording, subject in zip(index["recording"], index["subject"], strict=True):
        rows.setdefault(str(subject), []).append(str(recording))
    return [open_sound(mine[(7 * i + 31 * k) % len(mine)]) for i, mine in enumerate(rows.values()) for k in (0, 1)]


def whispered(sound: Sound) -> Sound:
    """The same without a voice: noise through the linear prediction filters of its 20-ms frames (order 18)."""
    from scipy.linalg import solve_toeplitz
    from scipy.signal import lfilter

    n, hop, order = 640, 320, 18
    rng, window = np.random.default_rng(0), np.hanning(640)
    out = np.zeros(len(sound) + n)
    for first in range(0, len(sound) - n, hop):
        frame = np.append(sound[first], np.diff(sound[first : first + n])) * window
        r = np.correlate(frame, frame, "full")[n - 1 : n + order].astype(float)
        r[0] = r[0] * 1.001 + 1e-9
        a = solve_toeplitz(r[:-1], r[1:])
        error = max(r[0] - a @ r[1:], 1e-12)
        source = rng.standard_normal(n) * np.sqrt(error / n)
        out[first : first + n] += lfilter([1.0], np.append(1.0, -a), source) * window
    return np.asarray(out[: len(sound)], np.float32)


def level(sound: Sound) -> float:
    return max(float(np.sqrt(np.mean(sound**2))), 1e-6)


def kinds(speech: list[Sound]) -> Iterator[tuple[str, list[Sound]]]:
    """Each kind of input by name, most of them made from ``speech`` (each ``(n,)``, 16 kHz)."""
    n = len(speech)

    def each(change: Callable[[Sound], Sound]) -> list[Sound]:
        return [np.clip(change(s), -1, 1).astype(np.float32) for s in speech]

    rng = np.random.default_rng(0)
    yield "clips as they are", speech
    yield (
        "two voices at once",
        [
            speech[i]
            + np.resize(speech[(i + n // 2) % n], len(speech[i])) * level(speech[i]) / level(speech[(i + n // 2) % n])
            for i in range(n)
        ],
    )
    yield "whispered (by a filter)", each(whispered)
    yield "shouted into the microphone: clipped, +40 dB", each(lambda s: s / np.abs(s).max() * 100)
    yield "telephone, 8 kHz", each(lambda s: rooms.coarse(rooms.band(s, 300, 3400)))
    yield "noise as loud as the voice", each(lambda s: rooms.with_noise(s, rooms.noise(len(s), rng), 0.0))
    yield "an octave higher, as a small child", each(lambda s: rooms.speed(s, 1.9))
    yield "backwards", each(lambda s: s[::-1].copy())
    yield "noise alone", [rooms.noise(3 * RATE, rng) * 0.1 for _ in range(n)]
    t = np.arange(3 * RATE) / RATE
    yield "a tone", [np.asarray(0.2 * np.sin(2 * np.pi * f * t), np.float32) for f in np.geomspace(80, 2000, n)]
    yield "laughter-like bursts of a vowel", [laughter(f) for f in np.linspace(120, 320, n)]
    folder = Path(os.environ["MOODAL_DATA"]) / "fixtures_audio"
    for path in sorted(folder.glob("*.ogg")):
        sound = open_sound(str(path))
        part = 5 * RATE
        yield f"{path.stem}, 5-s parts", [sound[a : a + part] for a in range(0, len(sound) - part, part)][:n]


def laughter(f0: float) -> Sound:
    """Five bursts a second of a vowel of pitch ``f0``, each with breath before it."""
    t = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(f0 * (1 - 0.15 * t)) / RATE
    voice = sum(np.cos(k * phase) / k for k in range(1, 20))
    gate = np.clip(np.sin(2 * np.pi * 5 * t), 0, None)
    breath = np.clip(-np.sin(2 * np.pi * 5 * t), 0, None) * np.random.default_rng(0).standard_normal(len(t))
    return np.asarray(0.08 * gate * voice + 0.01 * breath, np.float32)


def main() -> None:
    runner = open_runner(registry.find_bundle(sys.argv[1] if len(sys.argv) > 1 else "voice", "bad_voice"))
    least = float((runner.bundle.manifest["calibration"] or {}).get("label_sets", {}).get("least", 0.0))
    print("| input | n | withheld | told, best class at 0.9 or more | mean best class | mean label set |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "clip.wav"
        for name, sounds in kinds(clips()):
            withheld, best, sizes = 0, [], []
            for sound in sounds:
                with wave.open(str(path), "wb") as file:
                    file.setparams((1, 2, RATE, len(sound), "NONE", ""))
                    file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
                evidence = runner.read(Example(path))
                told = None if isinstance(evidence, str) else runner.tell(evidence)
                if told is None or told.withheld:
                    withheld += 1
                    continue
                best.append(float(told.scores.max()))
                sizes.append(int(max((told.scores >= least).sum(), 1)))
            sure = sum(b >= 0.9 for b in best)
            mean = f"{np.mean(best):.2f} | {np.mean(sizes):.1f}" if best else "– | –"
            print(
                f"| {name} | {len(sounds)} | {withheld} | {sure} ({sure / max(len(sounds), 1):.0%}) | {mean} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
