"""Whole streams of a recording as `Channels`: what readers of body and brain signals cut their windows from."""

from __future__ import annotations

import numpy as np

from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import SignalChunk, WordsChunk

from .windows import Channels

__all__ = ["channels", "notes"]


def channels(recording: Recording, kind: str, *, wanted: tuple[str, ...] = ()) -> Channels | None:
    """The first stream of a kind, evenly sampled; None where the recording has none.

    ``wanted`` picks channels by name, in that order. Samples that a gap swallowed are NaN.

    Raises
    ------
    InputError : a wanted channel is not there, or the stream has no rate.
    """
    stream = recording.stream(kind)
    if stream is None:
        return None
    rate = stream.rate_hz
    if not rate:
        raise InputError(f"its {kind} has no rate", where=recording.name, fix="Export it again, evenly sampled.")
    names = tuple(stream.info.get("channels", ("",)))
    if missing := [w for w in wanted if w not in names]:
        raise InputError(
            f"lacks the {kind} channel{'s' if len(missing) > 1 else ''} {', '.join(missing)}", where=recording.name,
            fix=f"It has: {', '.join(names)}.",
        )  # fmt: skip
    picked = [names.index(w) for w in wanted] if wanted else list(range(len(names)))
    n = round((stream.end_s - stream.start_s) * rate)
    values = np.full((n, len(picked)), np.nan, np.float32)
    for chunk in recording.chunks(stream.name):
        if isinstance(chunk, SignalChunk):
            at = np.round((chunk.times - stream.start_s) * rate).astype(np.int64)
            inside = (at >= 0) & (at < n)
            values[at[inside]] = chunk.samples[inside][:, picked]
    return Channels(values, rate, stream.start_s)


def notes(recording: Recording) -> list[tuple[float, float, str]]:
    """Annotations of a recording: start and end in s, and text; in order of time."""
    stream = recording.stream("notes")
    if stream is None:
        return []
    chunks = recording.chunks(stream.name, end=float("inf"))
    return [(c.start, c.end, c.text) for chunk in chunks if isinstance(chunk, WordsChunk) for c in chunk.cues]
