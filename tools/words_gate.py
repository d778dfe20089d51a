"""How often the language gate errs on real speech: python tools/words_gate.py

Recognises acted clips in English (RAVDESS), Polish (nEMO) and German (EmoDB) from MOODAL_DATA with the packaged
tiny.en, and prints for the speakers of part A (on which the threshold was set) and part B (the others)

- how many clips, and windows packed from clips, the gate on the recogniser's own scores believes;
- of how many clips the whole room tells any words, and of how many an emotion: what a user meets.

English ones should be believed and told of, the others not. Rates come with Wilson's 95 % interval. Ten minutes on one
core.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.clock import Span
from moodal.core.extractor import MeasureContext
from moodal.core.stream import SoundChunk
from moodal.extract.voice.activity import SpeechDetector
from moodal.extract.words.gate import BELIEVED, surprise
from moodal.extract.words.recogniser import Recogniser
from moodal.extract.words.speech import FromSpeech
from moodal.extract.words.windows import RATE, Window

#: Clips of each set, seed of the draw, silence between clips of a packed window, s.
CLIPS, SEED, PAUSE_S = 110, 3, 0.5
SETS = {"speech_ravdess": "actor", "speech_nemo": "speaker", "speech_emodb": "speaker"}


def decode(data: bytes) -> npt.NDArray[np.float32]:
    """A clip at 16 kHz, mono."""
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(io.BytesIO(data)) as container:
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([f.to_ndarray()[0] for f in frames]).astype(np.float32)


def clips(folder: Path, column: str) -> list[tuple[str, npt.NDArray[np.float32]]]:
    """Speaker and sound of the drawn clips."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    order = np.random.default_rng(SEED).permutation(len(rows))[:CLIPS]
    with tarfile.open(folder / "clips.tar") as tar:
        found = []
        for i in order:
            member = tar.extractfile(rows[i]["clip"])
            assert member is not None
            found.append((rows[i][column], decode(member.read())))
    return found


def packed(
    found: list[tuple[str, npt.NDArray[np.float32]]], longest_s: float = 27.0
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Clips of one speaker one after the other, up to a window's length."""
    pause = np.zeros(round(PAUSE_S * RATE), np.float32)
    for speaker in sorted({s for s, _ in found}):
        held: list[npt.NDArray[np.float32]] = []
        for clip in (c for s, c in found if s == speaker):
            if held and sum(map(len, held)) + len(clip) > longest_s * RATE:
                yield speaker, np.concatenate(held)
                held = []
            held += [clip, pause]
        if held:
            yield speaker, np.concatenate(held)


def told(recogniser: Recogniser, sound: npt.NDArray[np.float32]) -> tuple[bool, bool]:
    """Whether the room tells any words, and an emotion, of a clip."""
    room = FromSpeech(MeasureContext(Span(0.0, len(sound) / RATE)), recogniser, SpeechDetector())
    pieces = [*room.push(SoundChunk("sound", 0, sound, RATE)), *room.close()]
    words, emotion = (any(len(p.times) for p in pieces if p.track == f"words.{t}") for t in ("transcript", "emotion"))
    return words, emotion


def rate(hits: int, n: int, z: float = 1.96) -> str:
    """``hits of n`` with the interval of Wilson 1927."""
    middle, spread = hits + z * z / 2, z * np.sqrt(hits * (n - hits) / n + z * z / 4)
    low, high = (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)
    return f"{hits} of {n} ({100 * hits / n:.1f} %, {100 * low:.1f} to {100 * high:.1f})"


def main() -> None:
    """Print the table."""
    data = os.environ.get("MOODAL_DATA")
    if not data:
        sys.exit("set MOODAL_DATA to the folder of the recordings")
    recogniser = Recogniser()
    print(f"threshold {BELIEVED}")
    for name, column in SETS.items():
        found = clips(Path(data) / name, column)
        speakers = sorted({s for s, _ in found})
        for kind, sounds in (("clips", found), ("windows", list(packed(found)))):
            scores: dict[str, list[float]] = {"A": [], "B": []}
            for speaker, sound in sounds:
                heard = recogniser.hear(Window(sound, ((0, 0, len(sound)),)))
                scores["AB"[speakers.index(speaker) % 2]].append(surprise(heard.words))
            for part, values in scores.items():
                believed = rate(sum(v >= BELIEVED for v in values), len(values))
                low, middle, high = np.quantile([max(v, -9.0) for v in values], [0.02, 0.5, 0.98])
                print(
                    f"{name} {kind} {part}: believed {believed}; "
                    f"surprise 2 % {low:.2f}, median {middle:.2f}, 98 % {high:.2f}",
                    flush=True,
                )
        whole = [("AB"[speakers.index(s) % 2], told(recogniser, sound)) for s, sound in found]
        for part in "AB":
            here = [t for p, t in whole if p == part]
            words, emotion = (rate(sum(t[k] for t in here), len(here)) for k in (0, 1))
            print(f"{name} whole room {part}: words of {words}; emotion of {emotion}", flush=True)


if __name__ == "__main__":
    main()
