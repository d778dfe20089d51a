"""Late fusion with learnt weights: what experts tell, log-linear, for every subset of those who tell a class.

::

    log p(class) ∝ bias_S + Σ_m weight_{S,m} (quality_m log p_m + (1 - quality_m) log prior)        m in subset S

A subset of one passes its expert's calibrated scores through. Weights were fitted by `moodal.lab.experts.fusion`, for
each subset by itself: hiding a modality is another subset, never a zero that is taken for evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.scheme import CIRCUMPLEX, scheme

from .grid import Cells
from .late import FIELDS, Late

__all__ = ["LEAST", "LearntLate", "log_scores", "subset_name"]

#: The least that one expert's word counts against a class: no expert is surer than one in a thousand.
LEAST = 1e-3

_CLASSES = scheme("ekman8").classes
_PLACE = {d: np.array([CIRCUMPLEX[c][j] for c in _CLASSES]) for j, d in enumerate(("valence", "arousal"))}


def subset_name(modalities: Any) -> str:
    """How a manifest calls a subset: its members in the order of the alphabet, joined by ``+``."""
    return "+".join(sorted(modalities))


def log_scores(scores: FloatArray, shares: FloatArray) -> FloatArray:
    """``(n, 8)`` probabilities of one expert as log scores in which no class is excluded.

    ``shares (8,)`` is above 0 for classes that the expert never tells: they get that share, and the others what is left
    over, for no evidence is not evidence against. Nothing else is taken for less likely than `LEAST`.
    """
    told = np.maximum(np.asarray(scores, np.float64), LEAST)
    told = np.where(shares > 0, 0.0, told)
    told = told / told.sum(axis=1, keepdims=True) * (1.0 - shares.sum())
    return np.asarray(np.log(np.where(shares > 0, shares, told)))


@dataclass(frozen=True)
class LearntLate(Late):
    """See the module; valence and arousal are combined as in `Late`."""

    @property
    def class_modalities(self) -> frozenset[str]:
        """Those that tell classes."""
        return frozenset(m for name in self.bundle.manifest["subsets"] for m in name.split("+"))

    def _there(
        self, evidence: Mapping[str, Cells]
    ) -> tuple[list[str], dict[str, npt.NDArray[np.bool_]], npt.NDArray[np.int64]]:
        """Modalities that tell classes, where each does ``(n,)``, and which do in each cell: bit i for the i-th."""
        names = sorted(m for m in evidence if m in self.class_modalities)
        there = {}
        for m in names:
            values = evidence[m].values[:, : len(_CLASSES)]
            there[m] = np.asarray(evidence[m].covered & np.isfinite(values).all(axis=1))
        n = len(next(iter(evidence.values())).covered)
        which = sum((there[m].astype(np.int64) << i for i, m in enumerate(names)), start=np.zeros(n, np.int64))
        return names, there, which

    def least(self, evidence: Mapping[str, Cells]) -> FloatArray | None:
        """See `Late.least`."""
        rule = self.label_rule
        if rule is None or "by_subset" not in rule:
            return None
        names, _, which = self._there(evidence)
        found = np.full(len(which), float(rule["least"]))
        for code in np.unique(which[which > 0]):
            members = subset_name(m for i, m in enumerate(names) if code >> i & 1)
            found[which == code] = float(rule["by_subset"][members][str(rule["level"])])
        return found

    def _classes(
        self, evidence: Mapping[str, Cells]
    ) -> tuple[FloatArray, dict[str, FloatArray], dict[str, FloatArray]]:
        n = len(next(iter(evidence.values())).covered)
        manifest = self.bundle.manifest
        log_prior = np.log(np.array([manifest["prior"][c] for c in _CLASSES]))
        names, there, which = self._there(evidence)
        logs: dict[str, FloatArray] = {}
        for m in names:
            values = np.asarray(evidence[m].values[:, : len(_CLASSES)], np.float64)
            never = manifest["never"].get(m, {})
            shares = np.array([float(never.get(c, 0.0)) for c in _CLASSES])
            told = log_scores(np.where(there[m][:, None], values, 1.0), shares)
            quality = evidence[m].quality[:, None]
            logs[m] = quality * told + (1 - quality) * log_prior
        logits = np.tile(log_prior, (n, 1))
        weights: dict[str, FloatArray] = {m: np.zeros(n) for m in names}
        pull: dict[str, FloatArray] = {m: np.zeros((n, len(_CLASSES))) for m in names}
        for code in np.unique(which):
            members = [m for i, m in enumerate(names) if code >> i & 1]
            if not members:
                continue
            rows = which == code
            learnt = manifest["subsets"][subset_name(members)]
            total = np.tile(np.asarray(learnt["bias"], np.float64), (int(rows.sum()), 1))
            for m in members:
                share = float(learnt["weight"][m])
                total += share * logs[m][rows]
                weights[m][rows] = share * evidence[m].quality[rows]
                pull[m][rows] = share * (logs[m][rows] - log_prior)
            logits[rows] = total
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True)), weights, pull

    def _dimension(self, name: str, evidence: Mapping[str, Cells]) -> FloatArray:
        told = super()._dimension(name, evidence)
        # One that was checked on such labels, and alone: its own interval, which covers what it says it covers.
        measured = self.bundle.manifest.get("measured", {}).get(name, ())
        for modality in set(measured) & set(evidence):
            cells = evidence[modality]
            fields = FIELDS[modality]
            value = cells.values[:, fields.index(name)]
            floor = float(self.bundle.manifest["half_width"][name][modality])
            half = np.maximum(cells.values[:, fields.index(f"{name}_half_width")], floor)
            # Words that are hardly heard say less; more evidence never widens what less of it told.
            half = half / np.sqrt(np.clip(cells.quality, 1e-3, 1.0))
            others = [self._usable(name, m, c) for m, c in evidence.items() if m != modality]
            alone = cells.covered & np.isfinite(value) & ~np.any([np.zeros(len(value), bool), *others], axis=0)
            own = np.clip(np.stack([value, value - half, value + half], axis=1), -1.0, 1.0)
            told = np.where(alone[:, None], own, told)
        return np.asarray(told)

    def _usable(self, name: str, modality: str, cells: Cells) -> Any:
        half_widths = self.bundle.manifest["half_width"][name]
        if modality not in half_widths:
            return np.zeros(len(cells.covered), bool)
        return cells.covered & np.isfinite(self._told(name, modality, cells, half_widths[modality])[0])

    def _told(self, name: str, modality: str, cells: Cells, floor: float) -> tuple[FloatArray, FloatArray]:
        if modality == "voice" and name == "valence":
            # Its classes by the written table, as of a face: the rule tells arousal alone.
            mapped = np.asarray((cells.values[:, : len(_CLASSES)] * _PLACE[name]).sum(axis=1))
            return mapped, np.full(len(cells.covered), floor)
        return super()._told(name, modality, cells, floor)
