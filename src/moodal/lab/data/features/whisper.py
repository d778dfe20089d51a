"""Speech: the early blocks of the packaged Whisper encoder, which know how something is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError
from moodal.dsp.mel import log_mel
from moodal.lab.data.cache import Cache, key_of
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.media import content_of, open_sound

__all__ = ["make"]

#: Changes when what is computed changes, so that cached features are made again.
VERSION = 1
_LONGEST_S = 30


def make(data: Dataset, modality: str, cache: Cache, *, blocks: Sequence[int] = (2,), hz: float = 0.0) -> Feature:
    """Outputs of Whisper tiny.en's blocks (0 is the stem) for each recording, 384 channels a block.

    One row an example, the mean and the standard deviation over time, or with ``hz`` above 0 a row for each ``1 / hz``
    seconds, the mean of the 50 Hz frames within. At most the first 30 s of a recording are read; a recording without
    sound of 13 ms is absent.

    Raises
    ------
    UsageError : a block that the encoder does not have, or a rate above 50 Hz.
    InputError : a recording that cannot be read.
    """
    if not blocks or not all(0 <= b <= 4 for b in blocks):
        raise UsageError(f"Whisper tiny has the blocks 0 to 4, not {list(blocks)}", where=f"features.{modality}")
    if not 0 <= hz <= 50:
        raise UsageError(f"a rate between 0 and 50 Hz, not {hz:g}", where=f"features.{modality}")
    recordings, start, end = data.index["recording"], data.index["start_s"], data.index["end_s"]
    contents = {r: content_of(r) if r else "" for r in dict.fromkeys(recordings)}
    spans = [(contents[r], a, b) for r, a, b in zip(recordings, start, end, strict=True)]
    source = f"whisper-tiny.en blocks {list(blocks)} at {hz:g} Hz, {VERSION}"

    def computed() -> Feature:
        import torch

        from moodal.lab.nn.whisper import packaged

        encoder = packaged(max(blocks))
        examples: list[npt.NDArray[np.float32] | None] = []
        with torch.inference_mode():
            for recording, (_, a, b) in zip(recordings, spans, strict=True):
                mel = log_mel(_cut(open_sound(recording), a, b)) if recording else np.zeros((0, 80), np.float32)
                if not len(mel):
                    examples.append(None)
                    continue
                told, _ = encoder(torch.from_numpy(mel)[None], torch.ones(1, len(mel), dtype=torch.bool))
                examples.append(_pooled(np.concatenate([told[k][0].numpy() for k in blocks], axis=1), hz))
        width = 384 * len(blocks)
        names = tuple(f"b{k}_{c}" for k in blocks for c in range(384))
        fields = names if hz else (*(f"{n}_mean" for n in names), *(f"{n}_std" for n in names))
        made = Feature.build(modality, examples, rate_hz=hz or None, fields=fields, source=source)
        if not made.values.size:
            made = Feature.build(modality, [np.zeros((0, width if hz else 2 * width), np.float32)] * len(examples))
        return made

    return cache.feature(key_of("whisper", source, modality, spans), computed)


def _cut(sound: npt.NDArray[np.float32], start: float, end: float) -> npt.NDArray[np.float32]:
    first = round(start * 16_000) if np.isfinite(start) else 0
    last = round(end * 16_000) if np.isfinite(end) else len(sound)
    return sound[first : min(last, first + _LONGEST_S * 16_000)]


def _pooled(frames: npt.NDArray[np.float32], hz: float) -> npt.NDArray[np.float32]:
    if not hz:
        return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    owner = (np.arange(len(frames)) * hz / 50).astype(int)
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    return np.asarray(np.add.reduceat(frames, starts, axis=0) / np.diff([*starts, len(frames)])[:, None], np.float32)
