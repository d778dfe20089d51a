"""The brain: power of the EEG in bands, and the workload that it and the heart show."""

from __future__ import annotations

from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext

from .tracks import TRACKS

__all__ = ["SPEC"]


def _make(context: MeasureContext) -> Extractor:
    from .extractor import BrainExtractor

    return BrainExtractor(context)


SPEC = ExtractorSpec("brain", ("eeg",), TRACKS, (), _make)
