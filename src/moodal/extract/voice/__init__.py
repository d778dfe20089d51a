"""Voice: when somebody speaks, how it sounds, how fast it goes, and the arousal it displays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext

from .tracks import TRACKS

if TYPE_CHECKING:
    from moodal.core.track import Track

__all__ = ["SPEC", "functionals"]


def _make(context: MeasureContext) -> Extractor:
    from .extractor import VoiceExtractor

    return VoiceExtractor(context)


SPEC = ExtractorSpec("voice", ("sound",), TRACKS, ("silero-vad",), _make)


def functionals(track: Track) -> dict[str, float]:
    """The 88 functionals of a ``voice.egemaps`` track by openSMILE's names (NaN: the track does not tell).

    Rows count as consecutive unless a gap lies between them.
    """
    from .egemaps import track_functionals

    return track_functionals(track)
