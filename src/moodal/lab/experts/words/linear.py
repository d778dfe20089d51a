"""Fitting linear models to sparse rows in numpy alone, so that a training run gives the same bytes again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from moodal.dsp.text_sparse import SparseRows

Floats = npt.NDArray[np.float64]


def logistic(rows: SparseRows, target: Floats, strength: float, steps: int = 60) -> tuple[Floats, float]:
    """Weights ``(width,)`` and offset that minimise log-loss + |weights|² / (2 · strength).

    Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) with backtracking. ``target (rows,)`` is 0 or 1.
    """
    owners, width = rows.owners, rows.width
    sign = 2.0 * target - 1.0

    def loss(x: Floats) -> tuple[float, Floats]:
        scores = np.bincount(owners, weights=rows.values * x[rows.places], minlength=len(rows)) + x[width]
        margin = sign * scores
        wrong = -sign / (1.0 + np.exp(np.clip(margin, -500, 500)))
        slope = np.empty(width + 1)
        slope[:width] = np.bincount(rows.places, weights=rows.values * wrong[owners], minlength=width)
        slope[:width] += x[:width] / strength
        slope[width] = wrong.sum()
        return float(np.logaddexp(0, -margin).sum() + 0.5 * (x[:width] ** 2).sum() / strength), slope

    start = np.zeros(width + 1)
    share = np.clip(target.mean(), 1e-6, 1 - 1e-6)
    start[width] = np.log(share / (1 - share))
    x = _lbfgs(loss, start, steps)
    return x[:width], float(x[width])


def _lbfgs(loss: Callable[[Floats], tuple[float, Floats]], x: Floats, steps: int, memory: int = 10) -> Floats:
    value, slope = loss(x)
    first = float(np.abs(slope).max())
    past: list[tuple[Floats, Floats, float]] = []
    for _ in range(steps):
        direction = slope.copy()
        shares = []
        for s, y, rho in reversed(past):
            share = rho * float((s * direction).sum())
            shares.append(share)
            direction -= share * y
        if past:
            s, y, rho = past[-1]
            direction *= 1.0 / (rho * float((y * y).sum()))
        else:
            direction /= max(float(np.sqrt((slope * slope).sum())), 1e-12)
        for (s, y, rho), share in zip(past, reversed(shares), strict=True):
            direction += (share - rho * float((y * direction).sum())) * s
        descent = float((direction * slope).sum())
        length = 1.0
        while True:
            trial = x - length * direction
            new_value, new_slope = loss(trial)
            if new_value <= value - 1e-4 * length * descent or length < 1e-8:
                break
            length *= 0.5
        s, y = trial - x, new_slope - slope
        curve = float((s * y).sum())
        x, value, slope = trial, new_value, new_slope
        if curve > 1e-12:
            past = [*past[-(memory - 1) :], (s, y, 1.0 / curve)]
        if float(np.abs(slope).max()) < 1e-3 * first:
            break
    return x


def ridge(
    rows: SparseRows, extra: Floats, target: Floats, alpha: float, steps: int = 150
) -> tuple[Floats, Floats, float]:
    """Weights of the sparse and of the ``extra (rows, k)`` columns, and the offset, for one target ``(rows,)``.

    Least squares + alpha · |weights|², by conjugate gradients on the normal equations (Hestenes and Stiefel 1952).
    """
    mean = float(target.mean())
    centre = extra.mean(axis=0)
    dense = extra - centre
    shift = rows.back(np.ones(len(rows))) / len(rows)

    def forward(x: Floats) -> Floats:
        sparse = x[: rows.width]
        return np.asarray(rows.times(sparse) - (shift * sparse).sum() + (dense * x[rows.width :]).sum(axis=1))

    def back(r: Floats) -> Floats:
        return np.concatenate([rows.back(r) - shift * r.sum(), (dense * r[:, None]).sum(axis=0)])

    x = np.zeros(rows.width + extra.shape[1])
    residual = back(target - mean)
    direction = residual.copy()
    size = float((residual * residual).sum())
    goal = 1e-10 * size
    for _ in range(steps):
        if size <= goal:
            break
        moved = back(forward(direction)) + alpha * direction
        length = size / float((direction * moved).sum())
        x += length * direction
        residual -= length * moved
        new = float((residual * residual).sum())
        direction = residual + (new / size) * direction
        size = new
    sparse, dense_weights = x[: rows.width], x[rows.width :]
    return sparse, dense_weights, mean - float((shift * sparse).sum()) - float((centre * dense_weights).sum())


def quantised(weights: Floats) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Columns ``(width, k)`` as int8 with one scale each; the few largest weights are cut to the range.

    The range is the one of four that leaves the least squared error.
    """
    scales = np.empty(weights.shape[1], np.float32)
    for k in range(weights.shape[1]):
        column = np.abs(weights[:, k])
        largest = max(float(column.max(initial=0.0)), 1e-12)
        errors = {}
        for share in (1.0, 0.8, 0.6, 0.45):
            step = np.float32(largest * share / 127)
            errors[step] = float(((np.clip(np.round(column / step), 0, 127) * step - column) ** 2).sum())
        scales[k] = min(errors, key=lambda step: errors[step])
    return np.clip(np.round(weights / scales), -127, 127).astype(np.int8), scales
