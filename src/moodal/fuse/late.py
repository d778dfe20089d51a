"""Late fusion of any non-empty subset of face, voice, words and body: of evidence that each has told by itself.

``late-v0`` has hand-set weights: they stand in ``bundles/late-v0/manifest.json``, their reasons on its card. Fusions
with learnt weights are `moodal.fuse.learnt`'s; `open_fusion` gives either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray
from moodal.core.scheme import CIRCUMPLEX, scheme

from .grid import Cells

__all__ = ["DEFAULT", "FIELDS", "TRACKS", "Fused", "Late", "open_fusion"]

#: The fusion that is always there.
DEFAULT = "late-v0"

_CLASSES = scheme("ekman8").classes
#: Cells fused at once: an hour and some.
_BLOCK = 40_000

#: Track that a modality speaks through, and the fields of it that this fusion reads.
TRACKS = {"face": "face.expression", "voice": "voice.emotion", "words": "words.emotion", "body": "body.arousal"}
FIELDS: dict[str, tuple[str, ...]] = {
    "face": _CLASSES,
    "voice": (*_CLASSES, "arousal", "arousal_half_width"),
    "words": (*_CLASSES, "valence", "arousal", "valence_half_width", "arousal_half_width"),
    "body": ("arousal", "arousal_half_width"),
}


@dataclass(frozen=True)
class Fused:
    """The fused answer on n cells; see `moodal.core.mood.SubjectMood` for shapes and meaning."""

    classes: FloatArray
    valence: FloatArray
    arousal: FloatArray
    support: dict[str, FloatArray]
    attribution: dict[str, FloatArray]


def open_fusion(name: str = DEFAULT) -> Late:
    """The installed fusion of that name, or the one at a path.

    Raises
    ------
    UsageError : there is none.
    ModelError : it cannot be read.
    """
    bundle = registry.find_bundle(name, "fusion")
    if "subsets" not in bundle.manifest:
        return Late(bundle)
    from .learnt import LearntLate

    return LearntLate(bundle)


@dataclass(frozen=True)
class Late:
    """The fusion itself: `fuse` takes cells per modality, any of which may be uncovered anywhere."""

    bundle: Bundle

    @property
    def calibrated(self) -> bool:
        """Whether its scores were calibrated on people."""
        return self.bundle.manifest["calibration"] is not None

    @property
    def label_rule(self) -> Mapping[str, Any] | None:
        """How label sets of ekman8 are made; see `moodal.core.mood.label_sets`."""
        rule: Mapping[str, Any] | None = (self.bundle.manifest["calibration"] or {}).get("label_sets")
        return rule

    def least(self, evidence: Mapping[str, Cells]) -> FloatArray | None:
        """Thresholds ``(n,)`` of the cells' label sets, where the modalities that tell a cell's class have one of their
        own; None: the rule has one for all."""
        return None

    def measured(self, dimension: str) -> frozenset[str]:
        """Modalities whose values of a dimension come from a model that was trained and checked on such labels."""
        return frozenset(self.bundle.manifest.get("measured", {}).get(dimension, ()))

    @property
    def smoothing_s(self) -> Mapping[str, float]:
        """Width of the smoothing of each modality's evidence before it is fused."""
        return dict(self.bundle.manifest["smoothing_s"])

    @property
    def class_modalities(self) -> frozenset[str]:
        """Those that tell classes; the others tell arousal alone."""
        return frozenset(self.bundle.manifest["class_weight"])

    @property
    def body_scales(self) -> Mapping[str, float]:
        """How far over its baseline the body is far; see `moodal.fuse.body.arousal`."""
        return dict(self.bundle.manifest["body_scale"])

    def fuse(self, evidence: Mapping[str, Cells]) -> Fused:
        """Fuse what covers each cell; a cell that nothing covers is NaN, and a hidden modality is an absent one.

        Cells are fused for themselves, so a long recording goes through in blocks and needs little room.
        """
        n = len(next(iter(evidence.values())).covered)
        whole = Fused(
            np.empty((n, len(_CLASSES))),
            np.empty((n, 3)),
            np.empty((n, 3)),
            {m: np.empty(n) for m in evidence},
            {m: np.empty(n) for m in evidence},
        )
        for first in range(0, n, _BLOCK):
            block = slice(first, first + _BLOCK)
            part = self._fuse({m: c.part(block) for m, c in evidence.items()})
            whole.classes[block], whole.valence[block], whole.arousal[block] = part.classes, part.valence, part.arousal
            for modality in evidence:
                whole.support[modality][block] = part.support[modality]
                whole.attribution[modality][block] = part.attribution[modality]
        return whole

    def _fuse(self, evidence: Mapping[str, Cells]) -> Fused:
        scores, weights, pull = self._classes(evidence)
        n = len(scores)
        told = sum(weights.values(), start=np.zeros(n)) > 0
        # What tells arousal alone, and no class: a share of the support, and none of the classes.
        lone = self.bundle.manifest["support_weight"]
        support, moved = dict(weights), {m: np.abs(p).max(axis=1) for m, p in pull.items()}
        for modality, cells in evidence.items():
            silent = cells.covered & ~(weights.get(modality, np.zeros(n)) > 0)
            if modality not in lone or not silent.any():
                support.setdefault(modality, np.zeros(n))
                moved.setdefault(modality, np.zeros(n))
                continue
            weight = np.where(silent, lone[modality] * cells.quality, 0.0)
            at = FIELDS[modality].index("arousal")
            support[modality] = support.get(modality, 0.0) + weight
            moved[modality] = moved.get(modality, 0.0) + weight * np.abs(np.nan_to_num(cells.values[:, at]))
        return Fused(
            np.where(told[:, None], scores, np.nan),
            self._dimension("valence", evidence),
            self._dimension("arousal", evidence),
            _shares({m: support[m] for m in evidence}),
            _shares({m: moved[m] for m in evidence}),
        )

    def _classes(
        self, evidence: Mapping[str, Cells]
    ) -> tuple[FloatArray, dict[str, FloatArray], dict[str, FloatArray]]:
        """Class scores ``(n, 8)``, each modality's weight ``(n,)`` in them, and how it moved them ``(n, 8)``.

        A modality whose weight is 0 everywhere in a cell has told no class there.
        """
        n = len(next(iter(evidence.values())).covered)
        manifest = self.bundle.manifest
        prior = np.array([manifest["prior"][c] for c in _CLASSES])
        log_prior = np.log(prior / prior.sum())
        ratios, weights = {}, {}
        for modality, cells in evidence.items():
            if modality not in self.class_modalities:
                continue
            ratio = self._log_ratio(modality, cells, log_prior)
            weights[modality] = np.where(cells.covered, manifest["class_weight"][modality] * cells.quality, 0.0)
            ratios[modality] = np.where(cells.covered[:, None], ratio, 0.0)
        pull = {m: weights[m][:, None] * ratios[m] for m in ratios}
        logits = log_prior + sum(pull.values(), start=np.zeros((n, len(_CLASSES))))
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        return scores, weights, pull

    def _log_ratio(self, modality: str, cells: Cells, log_prior: FloatArray) -> FloatArray:
        """How much more likely each class makes this evidence than the prior does: ``(n, 8)``."""
        if modality == "voice":
            arousal, half_width = cells.values[:, -2:-1], cells.values[:, -1:]
            spread = np.hypot(half_width, self.bundle.manifest["voice_class_spread"])
            place = np.array([CIRCUMPLEX[c][1] for c in _CLASSES])
            fit = -0.5 * ((arousal - place) / spread) ** 2
            return np.asarray(fit - np.log(np.exp(fit + log_prior).sum(axis=1, keepdims=True)))
        scores = np.clip(cells.values[:, : len(_CLASSES)], 1e-4, None)
        return np.asarray(np.log(scores / scores.sum(axis=1, keepdims=True)) - log_prior)

    def _dimension(self, name: str, evidence: Mapping[str, Cells]) -> FloatArray:
        """Valence or arousal: value, low, high, ``(n, 3)``.

        A weighted mean with weight quality / half-width², and a half-width of one over the root of
        the summed weights and the prior's: it can only shrink as evidence is added.
        """
        half_widths = self.bundle.manifest["half_width"][name]
        n = len(next(iter(evidence.values())).covered)
        total, sums = np.zeros(n), np.zeros(n)
        for modality, cells in evidence.items():
            if modality not in half_widths:
                continue
            value, half_width = self._told(name, modality, cells, half_widths[modality])
            usable = cells.covered & np.isfinite(value)
            weight = np.where(usable, cells.quality / np.where(usable, half_width, 1.0) ** 2, 0.0)
            total += weight
            sums += weight * np.where(usable, value, 0.0)
        told = total > 0
        value = np.where(told, sums / np.where(told, total, 1.0), np.nan)
        half = 1.0 / np.sqrt(total + half_widths["unknown"] ** -2)
        return np.asarray(np.clip(np.stack([value, value - half, value + half], axis=1), -1.0, 1.0))

    def _told(self, name: str, modality: str, cells: Cells, floor: float) -> tuple[FloatArray, FloatArray]:
        """One modality's value of a dimension and its half-width, never below the hand-set one."""
        if modality == "face":
            place = np.array([CIRCUMPLEX[c][name == "arousal"] for c in _CLASSES])
            # Row by row: a matrix product would round differently with the number of cells.
            mapped = np.asarray((cells.values[:, : len(_CLASSES)] * place).sum(axis=1))
            return mapped, np.full(len(cells.covered), floor)
        fields = FIELDS[modality]
        value = cells.values[:, fields.index(name)]
        return value, np.maximum(cells.values[:, fields.index(f"{name}_half_width")], floor)


def _shares(weights: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    total = sum(weights.values(), start=np.zeros(1))
    return {m: np.where(total > 0, w / np.where(total > 0, total, 1.0), 0.0) for m, w in weights.items()}
