"""Vectors of label names without a text encoder: hashed letter n-grams."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["label_vectors"]


def label_vectors(names: Sequence[str], width: int = 256) -> npt.NDArray[np.float32]:
    """``(C, width)`` of unit length: signed counts of the letter 2-, 3- and 4-grams of each name (feature hashing,
    Weinberger et al. 2009). Names that share letters lie closer; an encoder's vectors may be given to the learner
    instead.
    """
    out = np.zeros((len(names), width))
    for row, name in zip(out, names, strict=True):
        spelt = f" {name.lower().replace('_', ' ')} "
        for n in (2, 3, 4):
            for i in range(len(spelt) - n + 1):
                digest = hashlib.sha256(spelt[i : i + n].encode()).digest()
                row[int.from_bytes(digest[:4], "little") % width] += 1 if digest[4] & 1 else -1
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12), np.float32)
