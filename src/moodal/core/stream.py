"""What flows from a recording into extractors: streams, and chunks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .clock import FloatArray

__all__ = [
    "SIGNAL_KINDS",
    "STREAM_KINDS",
    "Chunk",
    "Cue",
    "PictureChunk",
    "SignalChunk",
    "SoundChunk",
    "Stream",
    "WordsChunk",
]

StreamKind = Literal[
    "picture", "sound", "words", "ppg", "ecg", "ibi", "hr", "eda", "resp", "temp", "acc", "emg", "eeg", "eog", "notes"
]
STREAM_KINDS: tuple[str, ...] = StreamKind.__args__  # type: ignore[attr-defined]

#: Kinds that come as `SignalChunk`s, and the unit each is in whatever its file's own was. Sound and PPG have none of
#: their own; ``ibi`` (beat intervals) and ``hr`` (heart rate) are what a device computed itself.
SIGNAL_KINDS: dict[str, str] = {
    "ppg": "",
    "ecg": "µV",
    "ibi": "s",
    "hr": "1/min",
    "eda": "µS",
    "resp": "",
    "temp": "°C",
    "acc": "g",
    "emg": "µV",
    "eeg": "µV",
    "eog": "µV",
}


@dataclass(frozen=True, slots=True)
class Stream:
    """One named stream of a recording.

    ``rate_hz`` is nominal (the truth is in each chunk's times), or ``None`` where there is none
    (words). ``start_s`` and ``end_s`` are on the recording's clock. ``info`` holds what only this
    kind has: width, height, rotation, codec, language; of signals ``unit`` (that of `SIGNAL_KINDS`), ``file_unit``
    and ``channels`` (their names in order).
    """

    name: str
    kind: StreamKind
    rate_hz: float | None
    start_s: float
    end_s: float
    info: dict[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """The stream as the summary object shows it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "rate_hz": None if self.rate_hz is None else round(self.rate_hz, 6),
            "start_s": round(self.start_s, 6),
            "end_s": round(self.end_s, 6),
        }


@dataclass(frozen=True, slots=True)
class PictureChunk:
    """Some pictures in order of time.

    ``times (n,)`` float64 s, each picture's own presentation time; ``ends (n,)`` when the next one
    takes over; ``frames`` n arrays ``(height, width, 3)`` uint8 RGB, upright. ``scale`` is the
    stored picture's width over the frame's (above 1 where the reader shrank a large picture).
    """

    stream: str
    times: FloatArray
    ends: FloatArray
    frames: Sequence[npt.NDArray[np.uint8]]
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class SoundChunk:
    """Consecutive sound samples: ``samples (n,)`` float32 mono in [-1, 1] at ``rate_hz``.

    ``start_sample`` counts samples of this rate from the recording's start, so that the time of
    sample i is exactly ``(start_sample + i) / rate_hz``. A jump between chunks is a hole in the
    stream; NaN marks samples that could not be decoded.
    """

    stream: str
    start_sample: int
    samples: npt.NDArray[np.float32]
    rate_hz: int


@dataclass(frozen=True, slots=True)
class SignalChunk:
    """Consecutive samples of a body or brain signal, or of values a device sends when it has one.

    ``times (n,)`` float64 s on the recording's clock, rising; ``samples (n, channels)`` float64 in the unit of
    `SIGNAL_KINDS`. ``rate_hz`` is the nominal rate, ``None`` for a stream of events (beat intervals: each
    stands at the beat that ends it). A step of more than 1.5 / rate between times, in a chunk or between two,
    is a hole; NaN marks samples that are there but hold no value.
    """

    stream: str
    times: FloatArray
    samples: FloatArray
    rate_hz: float | None


@dataclass(frozen=True, slots=True)
class Cue:
    """Some words of a transcript: ``[start, end)`` in s, the text, who says it where known.

    ``words`` holds ``(start, end, text, probability)`` for each word where the source tells.
    """

    start: float
    end: float
    text: str
    speaker: str | None = None
    words: tuple[tuple[float, float, str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class WordsChunk:
    """Transcript cues in order of time. ``language`` is a code (``en``) or ``None`` where unknown.

    A stream of kind ``notes`` (button presses, markers, annotations) comes as these chunks too: the text is the
    marker's, ``end`` equals ``start`` where it marks an instant, nobody says it, and no extractor reads it.
    """

    stream: str
    cues: tuple[Cue, ...]
    language: str | None = None


Chunk: TypeAlias = PictureChunk | SoundChunk | SignalChunk | WordsChunk
