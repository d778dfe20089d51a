"""From a model's log scores to probabilities that mean what they say, and from these to label sets.

Numbers come from a bundle's manifest (``calibration``); they are fitted in `moodal.lab.experts.calibrate` on people
whom the model had not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["lead", "softmax", "tempered", "weighted_threshold"]


def softmax(logits: FloatArray) -> FloatArray:
    """``(..., C)`` to probabilities over the last axis."""
    z = np.asarray(logits, np.float64)
    told = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(told / told.sum(axis=-1, keepdims=True))


def lead(logits: FloatArray) -> FloatArray:
    """By how much the largest of ``(..., C)`` logits is over the second: ``(..., 1)``, at least 1e-6."""
    two = np.sort(np.asarray(logits, np.float64), axis=-1)[..., -2:]
    return np.asarray(np.maximum(two[..., 1:] - two[..., :1], 1e-6))


def tempered(logits: FloatArray, calibration: Mapping[str, Any] | None) -> FloatArray:
    """Calibrated probabilities of ``(..., C)`` logits: softmax of logits · lead ^ power / temperature + bias (Guo et
    al. 2017, section 4.2: temperature and vector scaling; the power is ours: of two classes the log odds count by
    their power 1 + power); without a calibration the plain softmax."""
    told = calibration or {}
    z = np.asarray(logits, np.float64)
    if told.get("power"):
        z = z * lead(z) ** float(told["power"])
    z = z / float(told.get("temperature", 1.0))
    return softmax(z + np.asarray(told.get("bias", 0.0), np.float64))


def weighted_threshold(scores: FloatArray, weights: FloatArray, level: float) -> float:
    """The score from which on a class belongs to a set of that coverage, under covariate shift.

    ``scores`` are those that calibration examples gave their own class, ``weights`` how much likelier each is among the
    new examples than among the calibration ones (Tibshirani et al. 2019, lemma 3, with the mean weight standing for the
    new example's own). All weights 1 is split conformal as in Sadinle et al. 2019. 0 (every class) where there are too
    few examples for the level.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    mass = np.cumsum(np.asarray(weights, np.float64)[order])
    total = mass[-1] + float(np.mean(weights)) if len(order) else 1.0
    enough = np.flatnonzero(mass >= level * total - 1e-9)
    return float(np.asarray(scores)[order[enough[0]]]) if len(enough) else 0.0
