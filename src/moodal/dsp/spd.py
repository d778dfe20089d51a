"""Covariance matrices as points of a curved space: logarithms, means, tangent vectors.

Barachant et al. 2012, IEEE Trans. Biomed. Eng. 59(4), 920-928 (tangent space at a mean covariance); Zanini et al.
2018, IEEE Trans. Biomed. Eng. 65(5), 1107-1116 (recentring each person's matrices at that person's own mean).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from moodal.core.clock import FloatArray

__all__ = ["inverse_root", "log_mean", "shrunk", "tangent"]


def _mapped(c: FloatArray, f: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """``f`` of the eigenvalues of symmetric matrices ``(..., k, k)``."""
    w, v = np.linalg.eigh(c)
    return np.asarray((v * f(w)[..., None, :]) @ np.swapaxes(v, -1, -2))


def shrunk(c: FloatArray, share: float) -> FloatArray:
    """Covariances ``(..., k, k)`` drawn to a sphere of the same mean power, so that they are of full rank."""
    k = c.shape[-1]
    level = np.trace(c, axis1=-2, axis2=-1)[..., None, None] / k
    return np.asarray((1 - share) * c + share * level * np.eye(k))


def log_mean(c: FloatArray) -> FloatArray:
    """Log-Euclidean mean (Arsigny et al. 2007) of matrices ``(n, ..., k, k)`` over the first axis."""
    return _mapped(_mapped(c, np.log).mean(axis=0), np.exp)


def inverse_root(c: FloatArray) -> FloatArray:
    """``c`` to the power -1/2: ``(..., k, k)``."""
    return _mapped(c, lambda w: w**-0.5)


def tangent(c: FloatArray, whitener: FloatArray) -> FloatArray:
    """Vectors ``(..., k (k + 1) / 2)`` of matrices ``(..., k, k)``: the logarithm after whitening on both sides, its
    upper triangle, off-diagonal entries times the root of 2 so that lengths are distances."""
    k = c.shape[-1]
    rows, columns = np.triu_indices(k)
    log = _mapped(whitener @ c @ whitener, np.log)
    return np.asarray(log[..., rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2.0)))
