"""The pulse wave, cleaned."""

from __future__ import annotations

from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext

from .tracks import PPG
from .waves import WaveExtractor

__all__ = ["SPEC"]


def _make(context: MeasureContext) -> Extractor:
    return WaveExtractor(context, "ppg", PPG)


SPEC = ExtractorSpec("ppg", ("ppg",), (PPG,), (), _make)
