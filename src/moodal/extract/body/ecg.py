"""The ECG, cleaned."""

from __future__ import annotations

from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext

from .tracks import ECG
from .waves import WaveExtractor

__all__ = ["SPEC"]


def _make(context: MeasureContext) -> Extractor:
    return WaveExtractor(context, "ecg", ECG)


SPEC = ExtractorSpec("ecg", ("ecg",), (ECG,), (), _make)
