"""How often the language gate errs on real speech: python tools/words_gate.py

Recognises acted clips in English (RAVDESS), Polish (nEMO) and German (EmoDB) from MOODAL_DATA with the packaged
tiny.en, one by one and packed to windows, and prints for the speakers of part A (on which the threshold was set) and
part B (the others) how many English ones would be withheld and how many others believed. Some minutes on one core.
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

from moodal.extract.words.gate import BELIEVED, surprise
from moodal.extract.words.recogniser import Recogniser
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
                believed = sum(v >= BELIEVED for v in values)
                low, middle, high = np.quantile([max(v, -9.0) for v in values], [0.02, 0.5, 0.98])
                print(
                    f"{name} {kind} {part}: believed {believed} of {len(values)}; "
                    f"surprise 2 % {low:.2f}, median {middle:.2f}, 98 % {high:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
