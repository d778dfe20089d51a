"""A forest of decision trees kept as plain arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray

__all__ = ["forest"]


def forest(
    x: FloatArray,
    feature: npt.NDArray[np.int16],
    threshold: npt.NDArray[np.float32],
    left: npt.NDArray[np.int16],
    right: npt.NDArray[np.int16],
    value: npt.NDArray[np.float32],
) -> FloatArray:
    """Mean over ``t`` trees of the value of the leaf that each row of ``x (n, f)`` falls into: ``(n,)``.

    Node ``j`` of a tree (all arrays ``(t, nodes)``) sends a row left where its ``feature`` is at most ``threshold``;
    a leaf has feature -1. Node 0 is the root. Values are compared as float32, as scikit-learn does.
    """
    rows = np.asarray(x, np.float32)
    tree = np.arange(len(feature))[None, :]
    node = np.zeros((len(rows), len(feature)), np.int64)
    here = np.arange(len(rows))[:, None]
    while True:
        split = feature[tree, node]
        inner = split >= 0
        if not inner.any():
            break
        low = rows[here, np.maximum(split, 0)] <= threshold[tree, node]
        node = np.where(inner, np.where(low, left[tree, node], right[tree, node]), node)
    return np.asarray(value[tree, node].astype(np.float64).mean(axis=1))
