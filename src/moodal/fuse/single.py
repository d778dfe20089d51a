"""One modality's answer as it is: for a model that was trained and checked to tell the classes by itself.

No prior, no smoothing, no weight: what the model says of a stretch is what the Mood says of its cells. Other modalities
may be measured; they change nothing, and support says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.scheme import scheme

from .grid import Cells
from .late import FIELDS, Fused

__all__ = ["Single"]

_CLASSES = scheme("ekman8").classes


@dataclass(frozen=True)
class Single:
    """``told`` is `moodal.core.expert.Expert.fusion`: which ``modality`` is passed through, and its calibration."""

    told: Mapping[str, Any]

    @property
    def modality(self) -> str:
        """The one that counts."""
        return str(self.told["modality"])

    @property
    def calibrated(self) -> bool:
        """Whether the model's scores were calibrated on people."""
        return self.told.get("calibration") is not None

    @property
    def label_rule(self) -> Mapping[str, Any] | None:
        """How label sets are made."""
        rule: Mapping[str, Any] | None = self.told.get("label_sets")
        return rule

    def least(self, evidence: Mapping[str, Cells]) -> FloatArray | None:
        """One threshold for all; see `moodal.fuse.late.Late.least`."""
        return None

    def measured(self, dimension: str) -> frozenset[str]:
        """Modalities whose values of a dimension come from a model that was trained and checked on such labels."""
        return frozenset(self.told.get("measured", {}).get(dimension, ()))

    @property
    def smoothing_s(self) -> Mapping[str, float]:
        """No evidence is smoothed: a cue's cells hold what was said of this cue."""
        return dict.fromkeys(FIELDS, 0.0)

    def fuse(self, evidence: Mapping[str, Cells]) -> Fused:
        """The cells of its modality; NaN where it does not cover one."""
        n = len(next(iter(evidence.values())).covered)
        cells = evidence.get(self.modality)
        fields = FIELDS[self.modality]
        covered = np.zeros(n, bool) if cells is None else cells.covered
        support = {m: (covered & (m == self.modality)).astype(float) for m in evidence}

        def column(name: str) -> FloatArray:
            found = np.full(n, np.nan)
            if cells is not None and name in fields:
                found[covered] = cells.values[covered, fields.index(name)]
            return found

        def dimension(name: str) -> FloatArray:
            value, half = column(name), column(f"{name}_half_width")
            return np.clip(np.stack([value, value - half, value + half], axis=1), -1.0, 1.0)

        classes = np.stack([column(c) for c in _CLASSES], axis=1)
        return Fused(classes, dimension("valence"), dimension("arousal"), support, dict(support))
