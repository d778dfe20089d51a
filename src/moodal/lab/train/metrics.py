"""The figures that a checkpoint is chosen by, on the validation part. Reports have their own, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError

__all__ = ["CHOOSERS", "DEFAULT", "chosen", "figures", "interval", "is_better"]

#: Chosen by, where ``select`` is empty.
DEFAULT = {
    "class": "val_macro_f1",
    "multilabel": "val_macro_f1",
    "continuous": "val_ccc",
    "distribution": "val_loss",
}


#: Figures that an epoch may be chosen by; a recipe's metric is taken where it is one of them.
CHOOSERS = ("accuracy", "uar", "macro_f1", "weighted_f1", "micro_f1", "pearson_r", "ccc", "mae")


def figures(kind: str, scores: npt.NDArray[Any], target: npt.NDArray[Any]) -> dict[str, float]:
    """Figures of ``(n, C)`` scores by name.

    ``class`` (and ``distribution``, by its leading class): accuracy, uar, macro_f1, weighted_f1 over those that
    occur;
    ``multilabel``: macro_f1 and micro_f1 at 0.5; ``continuous``: pearson_r, ccc, mae, means over dimensions.
    """
    if kind in ("class", "distribution"):
        truth = target if kind == "class" else target.argmax(axis=1)
        return _classes(scores.argmax(axis=1), truth, scores.shape[1])
    if kind == "multilabel":
        on = scores >= 0.5
        hit = (on & (target > 0.5)).sum(0)
        f1 = 2 * hit / np.maximum(on.sum(0) + (target > 0.5).sum(0), 1)
        micro = 2 * hit.sum() / max(1, int(on.sum() + (target > 0.5).sum()))
        return {"macro_f1": float(f1.mean()), "micro_f1": float(micro)}
    a, b = scores - scores.mean(0), target - target.mean(0)
    both, of_a, of_b = (a * b).mean(0), (a**2).mean(0), (b**2).mean(0)
    r = both / np.maximum(np.sqrt(of_a * of_b), 1e-12)
    ccc = 2 * both / np.maximum(of_a + of_b + (scores.mean(0) - target.mean(0)) ** 2, 1e-12)
    return {"pearson_r": float(r.mean()), "ccc": float(ccc.mean()), "mae": float(np.abs(scores - target).mean())}


def _classes(told: npt.NDArray[Any], truth: npt.NDArray[Any], classes: int) -> dict[str, float]:
    confusion = np.bincount(truth * classes + told, minlength=classes * classes).reshape(classes, classes)
    n, predicted, hit = confusion.sum(1), confusion.sum(0), np.diag(confusion)
    occurs = n > 0
    f1 = 2 * hit / np.maximum(n + predicted, 1)
    return {
        "accuracy": float(hit.sum() / n.sum()),
        "uar": float((hit[occurs] / n[occurs]).mean()),
        "macro_f1": float(f1[occurs].mean()),
        "weighted_f1": float((f1 * n).sum() / n.sum()),
    }


def interval(
    kind: str,
    scores: npt.NDArray[Any],
    target: npt.NDArray[Any],
    unit: npt.NDArray[Any],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, list[float]]:
    """95 % bootstrap intervals of `figures`, resampling whole units (people, dialogues), named by ``unit`` ``(n,)``."""
    _, owner = np.unique(unit.astype(str), return_inverse=True)
    order = np.argsort(owner, kind="stable")
    sizes = np.bincount(owner)
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {}
    for _ in range(draws):
        units = rng.integers(0, len(sizes), len(sizes))
        long = sizes[units]
        rows = order[np.repeat(starts[units] - np.cumsum(long) + long, long) + np.arange(long.sum())]
        for name, value in figures(kind, scores[rows], target[rows]).items():
            drawn.setdefault(name, []).append(value)
    return {name: np.quantile(values, [0.025, 0.975]).tolist() for name, values in drawn.items()}


def chosen(select: str, kind: str, names: tuple[str, ...]) -> str:
    """The validation figure of that name, or the default of the kind.

    Raises
    ------
    UsageError : no such figure.
    """
    name = select or DEFAULT[kind]
    if name not in names:
        raise UsageError(
            f"no figure {name!r} for {kind} labels", where="train.select", fix=f"Known: {', '.join(names)}."
        )
    return name


def is_better(name: str, now: float, best: float | None) -> bool:
    """Whether a figure beats the best so far: losses and errors fall, all others rise."""
    if best is None:
        return True
    return now < best if name in ("val_loss", "val_mae") else now > best
