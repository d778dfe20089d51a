"""Faces: who is in view, 478 points, blendshapes, action units, pose, gaze, eyes, quality, expression."""

from __future__ import annotations

from moodal.core.extractor import Extractor, ExtractorSpec, MeasureContext

from .tracks import TRACKS

__all__ = ["SPEC"]


def _make(context: MeasureContext) -> Extractor:
    from .extractor import FaceExtractor

    return FaceExtractor(context)


SPEC = ExtractorSpec(
    "face",
    ("picture",),
    TRACKS,
    ("face-detector-short", "face-detector-full", "face-landmarks", "face-blendshapes"),
    _make,
)
