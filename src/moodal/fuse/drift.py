"""The drift monitor: how much of a recording is unlike what the experts were trained on.

Each expert withholds what lies further from its training examples than all but a few held-out people did (reason
``out_of_domain``). Among people like those it was trained on that is a rare event; where it is common, what *is* told
deserves doubt as well, and the result says so.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from moodal.core.mood import Mood

__all__ = ["LEAST_S", "MOST", "drift", "warnings"]

#: Share of what could be told that is unlike training, from which on it is said; seconds that must be unlike at least.
MOST, LEAST_S = 0.25, 2.0

_HEARD = {"face": "seen of faces", "voice": "heard of the voice", "words": "said", "body": "measured of the body",
          "brain": "measured of the brain"}  # fmt: skip


def drift(mood: Mood) -> dict[str, float]:
    """For each modality that told or withheld anything the share, 0 to 1, that was ``out_of_domain``."""
    step = np.diff(mood.edges)
    out = {}
    for modality in mood.modalities:
        unlike = sum(g.end - g.start for g in mood.gaps if g.modality == modality and g.reason == "out_of_domain")
        told = sum(float(step[s.support[modality] > 0].sum()) for s in mood.subjects.values() if modality in s.support)
        if unlike + told > 0:
            out[modality] = round(unlike / (unlike + told), 4)
    return out


def warnings(mood: Mood, shares: Mapping[str, float]) -> list[str]:
    """A line for each modality that drifted."""
    lines = []
    for modality, share in shares.items():
        unlike = sum(g.end - g.start for g in mood.gaps if g.modality == modality and g.reason == "out_of_domain")
        if share >= MOST and unlike >= LEAST_S:
            name = " ".join(mood.recording.split())
            lines.append(
                f"{name}: {share:.0%} of what was {_HEARD.get(modality, modality)} is unlike what the model was "
                "trained on; that is withheld, and the rest deserves doubt"
            )
    return lines
