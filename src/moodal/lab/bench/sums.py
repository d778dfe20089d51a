"""Sums over rows that metrics follow from, by group of rows, so that people can be drawn again without their rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: No probability is taken to be smaller: one row must not decide a mean.
_LEAST = 1e-7


def ratio(a: Array, b: Array) -> Floats:
    """a / b, NaN where there is nothing to divide by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b > 0, a / np.where(b > 0, b, 1), np.nan)


def ranks(values: Array) -> Floats:
    """Ranks from 1, ties at their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[place]


def hits(counts: Array) -> Array:
    """``(..., C)``: the diagonal of a confusion, without what was withheld."""
    return np.diagonal(counts[..., :-1], axis1=-2, axis2=-1)


def confusion(truth: Array, predicted: Array, classes: int) -> npt.NDArray[np.int64]:
    """Counts ``(C, C + 1)``: rows the truth, columns the prediction; ``predicted`` -1 is withheld, the last column."""
    column = np.where(np.asarray(predicted) < 0, classes, predicted)
    flat = np.bincount(np.asarray(truth) * (classes + 1) + column, minlength=classes * (classes + 1))
    return flat.reshape(classes, classes + 1)


def recall(counts: Array) -> Floats:
    """``(..., C)`` recall of each class from a confusion; NaN for a class that does not occur."""
    return ratio(hits(counts), counts.sum(axis=-1))


def precision(counts: Array) -> Floats:
    """``(..., C)`` precision of each class from a confusion; NaN for a class that was never predicted."""
    return ratio(hits(counts), counts.sum(axis=-2)[..., :-1])


def counted(truth: Array, predicted: Array) -> Array:
    """The confusion of classes as many as occur on either side."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    return confusion(truth, predicted, _classes(truth, predicted))


def _classes(truth: Array, predicted: Array) -> int:
    return int(max(truth.max(initial=0), predicted.max(initial=0))) + 1


def counts_by_group(truth: Array, predicted: Array, group: Array, groups: int, classes: int) -> Array:
    """``(groups, C, C + 1)``: a confusion for each group of rows."""
    c = classes
    column = np.where(predicted < 0, c, predicted)
    flat = np.bincount((group * c + truth) * (c + 1) + column, minlength=groups * c * (c + 1))
    return flat.reshape(groups, c, c + 1)


def accuracy(counts: Array) -> Any:
    """From confusions."""
    return ratio(hits(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def _mean_of_told(values: Array) -> Any:
    told = np.isfinite(values)
    return ratio(np.where(told, values, 0).sum(axis=-1), told.sum(axis=-1))


def uar(counts: Array) -> Any:
    """From confusions."""
    return _mean_of_told(recall(counts))


def mcc(counts: Array) -> Any:
    """From confusions."""
    true = counts.sum(axis=-1).astype(float)
    told = counts.sum(axis=-2).astype(float)
    n = true.sum(axis=-1)
    cov = hits(counts).sum(axis=-1) * n - (true * told[..., :-1]).sum(axis=-1)
    spread = (n**2 - (told**2).sum(axis=-1)) * (n**2 - (true**2).sum(axis=-1))
    return np.where(spread > 0, cov / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)


def f1_sums(truth: Array, predicted: Array) -> Array:
    """``(3, C)``: hits, times predicted, times true."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    group = np.zeros(len(truth), np.int64)
    return np.asarray(f1_by_group(truth, predicted, group, 1, _classes(truth, predicted))[0])


def f1_by_group(truth: Array, predicted: Array, group: Array, groups: int, classes: int) -> Array:
    """``(groups, 3, C)``: hits, times predicted, times true."""
    if truth.ndim == 1:
        counts = counts_by_group(truth, predicted, group, groups, classes)
        return np.stack([hits(counts), counts.sum(axis=-2)[..., :-1], counts.sum(axis=-1)], axis=1)
    parts = [_sum_by_group(m.astype(float), group, groups) for m in (truth & predicted, predicted, truth)]
    return np.stack(parts, axis=1)


def _f1(sums: Array) -> Floats:
    return ratio(2 * sums[..., 0, :], sums[..., 1, :] + sums[..., 2, :])


def macro_f1(sums: Array) -> Any:
    """From sums ``(..., 3, C)``."""
    return _mean_of_told(np.where(sums[..., 2, :] > 0, _f1(sums), np.nan))


def weighted_f1(sums: Array) -> Any:
    """From sums ``(..., 3, C)``."""
    weight = sums[..., 2, :]
    return ratio((np.nan_to_num(_f1(sums)) * weight).sum(axis=-1), weight.sum(axis=-1))


def micro_f1(sums: Array) -> Any:
    """From sums ``(..., 3, C)``."""
    whole = sums.sum(axis=-1)
    return ratio(2 * whole[..., 0], whole[..., 1] + whole[..., 2])


def _sum_by_group(rows: Array, group: Array, groups: int) -> Floats:
    """``(groups, d)`` sums of ``(n, d)`` rows."""
    rows = np.asarray(rows, np.float64)
    return np.stack([np.bincount(group, column, groups) for column in rows.T], axis=1)


def moments(truth: Array, told: Array) -> Array:
    """``(7, k)``: the sums of `moments_by_group` over all rows."""
    truth = np.asarray(truth, np.float64).reshape(len(truth), -1)
    told = np.asarray(told, np.float64).reshape(len(told), -1)
    return np.asarray(moments_by_group(truth, told, np.zeros(len(truth), np.int64), 1, 0)[0])


def moments_by_group(truth: Array, told: Array, group: Array, groups: int, _: int) -> Array:
    """``(groups, 7, k)``: n, sums of x, y, xx, yy, xy, |x - y|; both shifted by the truth's mean, for precision."""
    keep = np.isfinite(told).all(axis=1)
    x, y, group = truth[keep], told[keep], group[keep]
    middle = truth.mean(axis=0) if len(truth) else 0.0
    x, y = x - middle, y - middle
    parts = (np.ones_like(x), x, y, x * x, y * y, x * y, np.abs(x - y))
    return np.stack([_sum_by_group(p, group, groups) for p in parts], axis=1)


def _central(sums: Array) -> tuple[Array, Array, Array, Array, Array]:
    n = np.maximum(sums[..., 0, :], 1)
    mx, my = sums[..., 1, :] / n, sums[..., 2, :] / n
    vx = np.maximum(sums[..., 3, :] / n - mx**2, 0)
    vy = np.maximum(sums[..., 4, :] / n - my**2, 0)
    # What is left of a constant after the subtraction is rounding, not spread.
    vx = np.where(vx <= 1e-14 * sums[..., 3, :] / n, 0, vx)
    vy = np.where(vy <= 1e-14 * sums[..., 4, :] / n, 0, vy)
    return mx, my, vx, vy, sums[..., 5, :] / n - mx * my


def pearson(sums: Array) -> Any:
    """From moments."""
    _, _, vx, vy, cov = _central(sums)
    return np.clip(ratio(cov, np.sqrt(vx * vy)), -1, 1).mean(axis=-1)


def ccc(sums: Array) -> Any:
    """From moments."""
    mx, my, vx, vy, cov = _central(sums)
    cov = np.where((vx > 0) & (vy > 0), cov, 0)
    return ratio(2 * cov, vx + vy + (mx - my) ** 2).mean(axis=-1)


def rmse(sums: Array) -> Any:
    """From moments."""
    squares = np.maximum(sums[..., 3, :] + sums[..., 4, :] - 2 * sums[..., 5, :], 0)
    return np.sqrt(ratio(squares, sums[..., 0, :])).mean(axis=-1)


def r2(sums: Array) -> Any:
    """From moments; NaN where the truth does not move."""
    squares = np.maximum(sums[..., 3, :] + sums[..., 4, :] - 2 * sums[..., 5, :], 0)
    return (1 - ratio(squares, sums[..., 0, :] * _central(sums)[2])).mean(axis=-1)


def mae(sums: Array) -> Any:
    """From moments."""
    return ratio(sums[..., 6, :], sums[..., 0, :]).mean(axis=-1)


def kl_rows(truth: Array, told: Array) -> Floats:
    """``(n,)``."""
    truth, told = np.asarray(truth, np.float64), np.maximum(np.asarray(told, np.float64), _LEAST)
    return np.asarray((truth * (np.log(np.where(truth > 0, truth, 1)) - np.log(told))).sum(axis=-1))


def js_rows(truth: Array, told: Array) -> Floats:
    """``(n,)``."""
    truth, told = np.asarray(truth, np.float64), np.asarray(told, np.float64)
    middle = (truth + told) / 2

    def part(p: Array) -> Floats:
        there = p > 0
        return np.asarray(
            np.where(there, p * np.log(np.where(there, p, 1) / np.where(there, middle, 1)), 0).sum(axis=-1)
        )

    return np.maximum((part(truth) + part(told)) / 2, 0)


def cross_entropy_rows(truth: Array, told: Array) -> Floats:
    """``(n,)``."""
    return np.asarray(-(np.asarray(truth) * np.log(np.maximum(np.asarray(told, np.float64), _LEAST))).sum(axis=-1))


def cosine_rows(truth: Array, told: Array) -> Floats:
    """``(n,)``."""
    lengths = np.linalg.norm(truth, axis=-1) * np.linalg.norm(told, axis=-1)
    return np.asarray(np.clip((truth * told).sum(axis=-1) / np.maximum(lengths, 1e-300), 0, 1))


def top1_rows(truth: Array, told: Array) -> Floats:
    """``(n,)``: 1 where the likeliest class leads the truth too."""
    truth = np.asarray(truth)
    led = truth[np.arange(len(truth)), np.argmax(told, axis=-1)]
    return np.asarray((led >= truth.max(axis=-1)).astype(float))


def mean_of(rows: Callable[[Array, Array], Floats]) -> Callable[[Array, Array, Array, int, int], Array]:
    """The sums of a metric that is a mean over rows: ``(groups, 2)``, values and rows."""

    def sums(truth: Array, told: Array, group: Array, groups: int, _: int) -> Array:
        values = rows(truth, told)
        return _sum_by_group(np.stack([values, np.ones_like(values)], axis=1), group, groups)

    return sums


def mean(sums: Array) -> Any:
    """From sums of `mean_of`."""
    return ratio(sums[..., 0], sums[..., 1])
