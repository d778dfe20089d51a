"""Pairs of examples that nobody recorded together: of each modality one of the same class, from other people.

What is learnt from them takes the modalities for independent given the class, which they are not: one person's face and
voice err together. How much that flatters is measured where real pairs exist, and taken off (`fusion.make`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Pool", "paired"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Pool:
    """Examples of one modality: log scores ``(n, C)``, class ``(n,)``, and who or what they are of."""

    logs: Array
    truth: Array
    subject: Array


def paired(pools: Mapping[str, Pool], n: int, classes: int, seed: int = 0) -> tuple[dict[str, Array], Array, Array]:
    """``n`` made-up examples: log scores by modality, shares of the truth ``(n, C)``, groups ``(n,)``.

    Classes that every pool has are drawn as often as they occur in the pools on average: experts tell what is likely
    among what they have met, and classes drawn alike would teach the fusion to speak against the common ones. People
    are cut in ten groups in each pool first, and a pair is made within a group, so that weights can be fitted on some
    people and counted on others.
    """
    rng = np.random.default_rng(seed)
    common = sorted(set.intersection(*(set(p.truth.tolist()) for p in pools.values())))
    shares = np.mean([np.bincount(p.truth, minlength=classes)[common] / len(p.truth) for p in pools.values()], axis=0)
    dealt = {}
    for name, pool in pools.items():
        who, of = np.unique(np.asarray(pool.subject, str), return_inverse=True)
        dealt[name] = (rng.permutation(len(who)) % 10)[of]
    wanted = rng.choice(common, n, p=shares / shares.sum())
    group = rng.integers(0, 10, n)
    logs = {name: np.zeros((n, classes)) for name in pools}
    kept = np.ones(n, bool)
    for c in common:
        for g in range(10):
            rows = np.flatnonzero((wanted == c) & (group == g))
            for name, pool in pools.items():
                there = np.flatnonzero((pool.truth == c) & (dealt[name] == g))
                if not len(there):
                    kept[rows] = False
                    continue
                logs[name][rows] = pool.logs[rng.choice(there, len(rows))]
    truth = np.eye(classes)[wanted]
    return {name: told[kept] for name, told in logs.items()}, truth[kept], group[kept].astype(str)
