"""The voice expert's second opinion: ridge regression on statistics of the encoder's first block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import scheme
from moodal.extract.voice.expert import own

__all__ = ["away", "by_own", "first_heads", "ridge", "statistics", "temperature_of"]

Array = npt.NDArray[Any]
CLASSES = scheme("voice8").classes


def statistics(frames: Mapping[str, Array]) -> Array:
    """Mean and deviation of each clip's frames: ``(n, 768)``."""
    x, starts = frames["frames"].astype(np.float32), frames["starts"]
    n = np.diff(starts)[:, None]
    mean = np.add.reduceat(x, starts[:-1], axis=0) / n
    square = (x - np.repeat(mean, n[:, 0], axis=0)) ** 2
    return np.concatenate([mean, np.sqrt(np.maximum(np.add.reduceat(square, starts[:-1], axis=0) / n, 1e-8))], axis=1)


def by_own(person: Array, x: Array, spread: Array) -> Array:
    """Each person's rows by their own mean and deviation."""
    out = np.zeros_like(x)
    for p in np.unique(person):
        mine = person == p
        out[mine] = own(x[mine], x[mine], spread)
    return out


def first_heads(
    copies: Sequence[Array], rows: Array, truth: Array, corpus: Array, person: Array, share: float
) -> dict[str, Array]:
    """Ridge heads on the first block's statistics, see `moodal.extract.voice.expert.beside`; ``copies`` of ``(n, d)``,
    corpora by number from 0 on; ``share`` is what they count for beside the network."""
    x = np.concatenate([c[rows] for c in copies])
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    z = np.concatenate([by_own(person[rows], c[rows], spread) for c in copies])
    x = (x - mean) / spread
    y, of = np.tile(truth[rows], len(copies)), np.tile(corpus[rows], len(copies))
    n = int(corpus[rows].max()) + 1
    known = np.array([[np.any((of == k) & (y == c)) for c in range(len(CLASSES))] for k in range(n)])
    a = {"known": known.astype(np.float32), "first_mean": mean, "first_spread": spread}
    for name, values in (("first", x), ("first_own", z)):
        heads = [ridge(values[(of == k) & (y >= 0)], y[(of == k) & (y >= 0)], len(CLASSES)) for k in range(n)]
        a[name] = np.concatenate([w.T for w, _ in heads])
        a[f"{name}_bias"] = np.concatenate([b for _, b in heads])
    weight, bias = ridge(x, of, n)
    a |= {"first_gate": weight.T, "first_gate_bias": bias, "first_weight": np.array(share)}
    return {k: np.ascontiguousarray(v, np.float32) for k, v in a.items()}


def ridge(x: Array, y: Array, classes: int, strength: float = 0.3) -> tuple[Array, Array]:
    """Weights ``(d, classes)`` and biases of ridge regression onto the classes, each weighing the same; scores are four
    times what it says, so that their softmax is about as sure as it is right."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    count = np.bincount(y, minlength=classes)
    weight = (1 / np.maximum(count[y], 1))[:, None]
    weight = weight / weight.mean()
    a, target = (x - mean) / spread, np.eye(classes)[y] - 1 / max((count > 0).sum(), 1)
    gram = (a * weight).T @ a + strength * len(a) * np.eye(a.shape[1])
    found = 4.0 * np.linalg.solve(gram, (a * weight).T @ target) / spread[:, None]
    return found, np.where(count > 0, 0.0, -30.0) - mean @ found


def away(first: Array, a: Mapping[str, Array]) -> Array:
    """Statistics ``(n, d)`` standardised over the training clips."""
    return np.asarray((first - a["first_mean"]) / a["first_spread"], np.float32)


def temperature_of(logits: Array, truth: Array) -> float:
    """The one of lowest log loss, on a grid."""
    grid = np.geomspace(0.3, 6.0, 120)
    rows = np.arange(len(truth))

    def loss(t: float) -> float:
        z = logits / t
        top = z.max(axis=1, keepdims=True)
        return float(-np.mean((z - top)[rows, truth] - np.log(np.exp(z - top).sum(axis=1))))

    return float(grid[np.argmin([loss(t) for t in grid])])
